/* SPDX-License-Identifier: Apache-2.0 */
/* What hull-net sends: cards, messages for the agent, and what it must not send. */
#include "vmm/net_cards.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_net.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/log.h"
#include "tests/unit/fake_driver.h"
#include "tests/unit/tap.h"
#include "vmm/loop.h"
#include "vmm/virtio/virtio.h"

#define PAIRS 2u

static struct fake_memory fm;
static struct loop *loop;
static struct net_cards *cards;
static struct virtio_device *plugged[NET_MAX_NICS];
static unsigned int n_plugged;
static int helper; /* hull-net's end */

/* What was told, a line each. */
static struct buf told;

static int plug(void *opaque, struct virtio_device *dev, struct err *err)
{
	(void)opaque;
	if (n_plugged == 3)
		return err_msg(err, ENOSPC, "the bus is full");
	plugged[n_plugged++] = dev;
	return 0;
}

static void on_config(void *opaque, const void *messages, size_t len)
{
	(void)opaque;
	(void)buf_printf(&told, "config %.*s\n", (int)len, (const char *)messages);
}

static void on_failed(void *opaque, const char *why)
{
	(void)opaque;
	(void)buf_printf(&told, "failed %s\n", why);
}

static void on_settled(void *opaque)
{
	(void)opaque;
	(void)buf_puts(&told, "settled\n");
}

static void on_limited(void *opaque, int code, const char *why)
{
	(void)opaque;
	(void)buf_printf(&told, "limited %d %s\n", code, why);
}

static void on_gone(void *opaque, const struct err *why)
{
	(void)opaque;
	(void)buf_printf(&told, "gone %s\n", why->msg);
}

static const struct net_cards_ops ops = {
	.config = on_config,
	.failed = on_failed,
	.settled = on_settled,
	.limited = on_limited,
	.gone = on_gone,
};

static void on_turn(struct loop_source *src, uint32_t events)
{
	(void)src;
	(void)events;
	loop_quit(loop);
}

/* turn() - let the loop see what is there. */
static void turn(void)
{
	struct loop_source source = { 0 };
	int p[2];

	fake_check(pipe(p) == 0 && write(p[1], "", 1) == 1);
	for (unsigned int i = 0; i < 3; i++) {
		fake_check(loop_add(loop, &source, p[0], EPOLLIN, on_turn, NULL) == 0);
		fake_check(loop_run(loop, NULL) == 0);
		loop_remove(loop, &source);
	}
	(void)close(p[0]);
	(void)close(p[1]);
}

static void begin(void)
{
	const struct net_cards_params params = {
		.mem = &fm.mem,
		.loop = loop,
		.n_pairs = PAIRS,
		.plug = plug,
	};
	int pair[2];

	is_int(net_cards_new(&params, &cards, NULL), 0, "cards");
	fake_check(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
	helper = pair[1];
	is_int(net_cards_settle(cards, NULL), -ENOTCONN, "nobody to ask yet");
	is_int(net_cards_follow(cards, dup(pair[0]), &ops, NULL, NULL), -EINVAL,
	       "a blocking socket");
	(void)fcntl(pair[0], F_SETFL, O_NONBLOCK);
	is_int(net_cards_follow(cards, pair[0], &ops, NULL, NULL), 0, "hull-net");
}

static void end(void)
{
	net_cards_free(cards);
	while (n_plugged) {
		struct virtio_device *dev = plugged[--n_plugged];

		dev->ops->free(dev);
	}
	(void)close(helper);
	buf_release(&told);
}

static void say(uint32_t type, uint32_t nic, uint32_t arg, const void *payload, size_t len,
		const int *fds, unsigned int n_fds)
{
	const struct net_msg head = { .type = type, .nic = nic, .arg = arg };
	char msg[sizeof(head) + 512];

	memcpy(msg, &head, sizeof(head));
	memcpy(msg + sizeof(head), payload, len);
	is_int(sock_send(helper, msg, sizeof(head) + len, fds, n_fds), 0, "message %u",
	       type);
	turn();
}

/* says() - what was told since the last look. */
static void says(const char *text, const char *what)
{
	(void)buf_puts(&told, "");
	is_str(told.data ? told.data : "", text, "%s", what);
	buf_release(&told);
}

/* add() - a card with files for queues: they are no taps, which the card may find out. */
static void add(uint32_t nic, uint8_t pairs, uint8_t vhost, unsigned int n_fds, size_t len)
{
	struct net_nic card = { .name = "eth0", .n_pairs = pairs, .vhost = vhost };
	int fds[8] = { 0 };

	for (unsigned int i = 0; i < n_fds; i++)
		fds[i] = open("/dev/null", O_RDWR | O_CLOEXEC);
	say(NET_NIC_ADD, nic, 0, &card, len, fds, n_fds);
	for (unsigned int i = 0; i < n_fds; i++)
		(void)close(fds[i]);
}

static void test_messages(void)
{
	struct net_msg msg;

	begin();
	is_int(net_cards_follow(cards, dup(helper), &ops, NULL, NULL), -EEXIST,
	       "one hull-net only");
	is_int(net_cards_settle(cards, NULL), 0, "asked");
	is_int(read(helper, &msg, sizeof(msg)), sizeof(msg), "is heard");
	is_int(msg.type, NET_SETTLE, "as that");
	say(NET_CONFIG, 0, 0, "abc", 3, NULL, 0);
	says("config abc\n", "what is for the agent");
	say(NET_FAILED, 0, 0, "no\33[1m way", 9, NULL, 0);
	ok(told.data && !strchr(told.data, '\33'), "a failure, printable");
	buf_release(&told);
	say(NET_SETTLED, 0, 0, "", 0, NULL, 0);
	says("settled\n", "an answer");
	(void)close(helper);
	helper = -1;
	turn();
	says("gone hull-net has ended\n", "its end");
	is_int(net_cards_settle(cards, NULL), -ENOTCONN, "nobody to ask any more");
	end();
}

static void test_limits(void)
{
	const struct net_limits limits = { .rx = 64000, .tx = 0, .antispoof = 1 };
	struct {
		struct net_msg msg;
		struct net_limits limits;
	} in;

	begin();
	is_int(net_cards_limit(cards, &limits, NULL), 0, "limits are asked for");
	is_int(read(helper, &in, sizeof(in)), sizeof(in), "and heard");
	ok(in.msg.type == NET_LIMIT && memcmp(&in.limits, &limits, sizeof(limits)) == 0,
	   "as they are");
	is_int(net_cards_limit(cards, &limits, NULL), -EBUSY, "one at a time");
	say(NET_LIMITED, 0, ENOTSUP, "no\33 tbf", 7, NULL, 0);
	ok(told.data && strncmp(told.data, "limited 95 no", 13) == 0 &&
		   !strchr(told.data, '\33'),
	   "why not, printable");
	buf_release(&told);
	is_int(net_cards_limit(cards, &limits, NULL), 0, "again");
	say(NET_LIMITED, 0, 0, "", 0, NULL, 0);
	says("limited 0 \n", "done");
	(void)close(helper);
	helper = -1;
	turn();
	says("gone hull-net has ended\n", "its end");
	is_int(net_cards_limit(cards, &limits, NULL), -ENOTCONN,
	       "nobody to ask any more");
	end();
}

static void test_cards(void)
{
	struct net_stats stats = { 0 };
	struct err err = ERR_INIT;

	begin();
	is_int(net_cards_expect(cards, 2, &err), 0, "two are expected");
	is_int(n_plugged, 2, "and on the bus");
	say(NET_CARRIER, 1, 1, "", 0, NULL, 0);
	say(NET_NIC_REMOVE, 1, 0, "", 0, NULL, 0);
	says("", "of a card without a tap nothing is told");
	add(1, PAIRS, 0, PAIRS, sizeof(struct net_nic));
	ok(told.data && strstr(told.data, "failed net eth0: net 1: "),
	   "what is no tap: %s", told.data);
	buf_release(&told);
	add(2, PAIRS, 0, PAIRS, sizeof(struct net_nic));
	is_int(n_plugged, 3, "a third is put on the bus");
	buf_release(&told);
	add(3, PAIRS, 0, PAIRS, sizeof(struct net_nic));
	says("failed the bus is full\n", "a fourth finds no room");
	net_cards_stats(cards, &stats);
	is_int(stats.tx_packets, 0, "nothing has been sent");
	end();
}

/* test_held() - the machine is being saved: cards stay as they are meanwhile. */
static void test_held(void)
{
	int pair[2];

	begin();
	(void)close(helper);
	turn();
	buf_release(&told);
	net_cards_defer(cards);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair) < 0)
		abort();
	helper = pair[0];
	is_int(net_cards_follow(cards, pair[1], &ops, NULL, NULL), 0,
	       "a hull-net comes while cards are held");
	say(NET_FAILED, 0, 0, "one", 3, NULL, 0);
	add(0, PAIRS, 0, PAIRS, sizeof(struct net_nic));
	turn();
	says("", "and is not listened to");
	is_int(n_plugged, 0, "nor is a card made");
	net_cards_go_on(cards);
	turn();
	ok(told.data && strncmp(told.data, "failed one\n", 11) == 0 && n_plugged == 1,
	   "until it may: %s", told.data ? told.data : "");
	buf_release(&told);
	net_cards_go_on(cards);
	(void)close(helper);
	helper = -1;
	turn();
	says("gone hull-net has ended\n", "its end");
	net_cards_defer(cards);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair) < 0)
		abort();
	helper = pair[0];
	is_int(net_cards_follow(cards, pair[1], &ops, NULL, NULL), 0, "another one");
	end(); /* which is never listened to: its descriptor goes all the same */
}

static void wrong(void (*how)(void), const char *text)
{
	begin();
	how();
	says(text, "ends the connection");
	end();
}

static void cut(void)
{
	is_int(write(helper, "abc", 3), 3, "three bytes");
	turn();
}

static void unknown(void)
{
	say(99, 0, 0, "", 0, NULL, 0);
}

static void beyond(void)
{
	add(NET_MAX_NICS, PAIRS, 0, PAIRS, sizeof(struct net_nic));
}

static void short_card(void)
{
	add(0, PAIRS, 0, PAIRS, sizeof(struct net_nic) - 1);
}

static void pairs(void)
{
	add(0, PAIRS + 1, 0, PAIRS + 1, sizeof(struct net_nic));
}

static void no_vhost_fds(void)
{
	add(0, PAIRS, 1, PAIRS, sizeof(struct net_nic));
}

static void odd_vhost(void)
{
	add(0, PAIRS, 2, PAIRS, sizeof(struct net_nic));
}

static void strange_fds(void)
{
	int fd = open("/dev/null", O_RDONLY);

	say(NET_CONFIG, 0, 0, "x", 1, &fd, 1);
	(void)close(fd);
}

static void no_question(void)
{
	say(NET_LIMITED, 0, 0, "", 0, NULL, 0);
}

static void odd_carrier(void)
{
	say(NET_CARRIER, 0, 2, "", 0, NULL, 0);
}

static void reserved(void)
{
	const struct net_msg msg = { .type = NET_SETTLED, .reserved = 1 };

	is_int(sock_send(helper, &msg, sizeof(msg), NULL, 0), 0, "a message");
	turn();
}

static unsigned int open_fds(void)
{
	unsigned int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void test_wrong(void)
{
	unsigned int before = open_fds();

	wrong(cut, "gone hull-net sent a cut message\n");
	wrong(unknown, "gone hull-net sent an unknown message\n");
	wrong(beyond, "gone hull-net sent a card beyond the last\n");
	wrong(short_card, "gone hull-net sent a card of a wrong size\n");
	wrong(pairs, "gone hull-net sent a card with a wrong number of queues\n");
	wrong(no_vhost_fds, "gone hull-net sent a card with a wrong number of queues\n");
	wrong(odd_vhost, "gone hull-net sent a card with a wrong number of queues\n");
	wrong(strange_fds,
	      "gone hull-net sent descriptors with a message that has none\n");
	wrong(odd_carrier, "gone hull-net sent a malformed message about a card\n");
	wrong(no_question, "gone hull-net sent an answer to nothing\n");
	wrong(reserved, "gone hull-net sent a reserved field that is not 0\n");
	is_int(open_fds(), before, "no descriptor is left open");
}

int main(void)
{
	log_init(-1, LOG_TEXT, LOG_NONE);
	fake_memory_init(&fm, 1u << 20);
	fake_check(loop_new(&loop, NULL) == 0);
	test_messages();
	test_limits();
	test_cards();
	test_held();
	test_wrong();
	loop_free(loop);
	fake_memory_release(&fm);
	return tap_done();
}
