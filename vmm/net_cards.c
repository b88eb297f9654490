/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/net_cards.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "lib/cleanup.h"
#include "lib/container_of.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/log.h"
#include "vmm/agent_link.h"
#include "vmm/loop.h"
#include "vmm/virtio/virtio.h"

/* Packets that are taken before other sources have their turn. */
#define MAX_ROUND 16u

union packet {
	struct net_msg msg;
	char data[sizeof(struct net_msg) + NET_MAX_CONFIG + 1];
};

struct net_cards {
	struct net_cards_params params;
	struct virtio_device *card[NET_MAX_NICS]; /* the bus' own; NULL: not there yet */
	const struct net_cards_ops *ops;
	void *opaque;
	struct loop_source source; /* fd: -1 without hull-net */
	int waiting; /* hull-net's, which is not listened to yet; or -1 */
	bool deferred; /* nothing comes behind a card yet */
	union packet *packet; /* while connected */
	bool limiting; /* a NET_LIMIT is to be answered */
};

/* ---- cards ------------------------------------------------------------------------ */

/* have_card() - make card @nic and put it on the bus, unless it is there. */
static int have_card(struct net_cards *cards, unsigned int nic, struct err *err)
{
	const struct net_params params = {
		.mem = cards->params.mem,
		.loop = cards->params.loop,
		.nic = nic,
		.n_pairs = cards->params.n_pairs,
	};
	struct virtio_device *dev;
	int ret;

	if (cards->card[nic])
		return 0;
	ret = net_new(&params, &dev, err);
	if (ret < 0)
		return ret;
	ret = cards->params.plug(cards->params.opaque, dev, err);
	if (ret < 0) {
		dev->ops->free(dev);
		return ret;
	}
	cards->card[nic] = dev;
	return 0;
}

int net_cards_expect(struct net_cards *cards, unsigned int n, struct err *err)
{
	int ret = 0;

	for (unsigned int i = 0; ret == 0 && i < n && i < NET_MAX_NICS; i++)
		ret = have_card(cards, i, err);
	return ret;
}

/* log_nic() - as "net eth0: vhost, zero-copy", or why not. */
static void log_nic(const struct net_nic *nic)
{
	const char *how = !nic->vhost	   ? "no vhost"
			  : nic->zero_copy ? "vhost, zero-copy"
					   : "vhost";

	log_info("net %s: %s%s%s%s", nic->name, how, *nic->why ? " (" : "", nic->why,
		 *nic->why ? ")" : "");
}

/* ---- what hull-net says ------------------------------------------------------------- */

/* add() - NET_NIC_ADD.  @fds: owned; @ret_bad: what hull-net did wrong, or NULL */
static int add(struct net_cards *cards, const struct net_msg *msg, size_t len, int *fds,
	       unsigned int n_fds, const char **ret_bad, struct err *err)
{
	unsigned int n_pairs = cards->params.n_pairs;
	struct net_backend backend = { .n_pairs = n_pairs };
	struct net_nic nic;
	int ret;

	*ret_bad = NULL;
	if (len != sizeof(nic)) {
		*ret_bad = "a card of a wrong size";
		return 0;
	}
	memcpy(&nic, msg->payload, sizeof(nic));
	nic.name[sizeof(nic.name) - 1] = 0;
	nic.why[sizeof(nic.why) - 1] = 0;
	if (nic.vhost > 1 || nic.zero_copy > 1 || nic.n_pairs != n_pairs ||
	    n_fds != n_pairs * (nic.vhost ? 2u : 1u)) {
		*ret_bad = "a card with a wrong number of queues";
		return 0;
	}
	ret = have_card(cards, msg->nic, err);
	if (ret < 0)
		return ret;
	backend.vhost = nic.vhost;
	for (unsigned int i = 0; i < n_pairs; i++) {
		backend.tap_fd[i] = take_fd(&fds[i]);
		backend.vhost_fd[i] = nic.vhost ? take_fd(&fds[n_pairs + i]) : -1;
	}
	ret = net_attach(cards->card[msg->nic], &backend, err);
	if (ret < 0)
		return err_wrap(err, ret, "net %s", nic.name);
	log_nic(&nic);
	return 0;
}

static void disconnect(struct net_cards *cards)
{
	int fd = cards->source.fd;

	if (fd < 0)
		return;
	loop_remove(cards->params.loop, &cards->source);
	cards->source.fd = -1;
	close_fd(fd);
	free(cards->packet);
	cards->packet = NULL;
	cards->limiting = false;
}

static void lose(struct net_cards *cards, const struct err *why)
{
	disconnect(cards);
	cards->ops->gone(cards->opaque, why);
}

static void tell_limited(struct net_cards *cards, const struct net_msg *msg, size_t len)
{
	char clean[AGENT_MAX_TEXT + 1];

	agent_clean_text(clean, sizeof(clean), msg->payload, len);
	cards->ops->limited(cards->opaque, msg->arg <= INT_MAX ? (int)msg->arg : EPROTO,
			    clean);
}

static void tell_failed(struct net_cards *cards, const char *text, size_t len)
{
	char clean[AGENT_MAX_TEXT + 1];

	agent_clean_text(clean, sizeof(clean), text, len);
	cards->ops->failed(cards->opaque, clean);
}

/* on_nic() - messages about one card.  Return: NULL, or what is wrong with it */
static const char *on_nic(struct net_cards *cards, const struct net_msg *msg, size_t len,
			  int *fds, unsigned int n_fds)
{
	struct err err = ERR_INIT;
	const char *bad = NULL;

	if (msg->nic >= NET_MAX_NICS)
		return "a card beyond the last";
	if (msg->type == NET_NIC_ADD) {
		if (add(cards, msg, len, fds, n_fds, &bad, &err) < 0)
			tell_failed(cards, err.msg, strlen(err.msg));
		return bad;
	}
	/* One that could not be added is told of as well: that is no violation. */
	if (len || n_fds || msg->arg > 1)
		return "a malformed message about a card";
	if (!cards->card[msg->nic])
		return NULL;
	if (msg->type == NET_CARRIER)
		net_set_carrier(cards->card[msg->nic], msg->arg);
	else
		net_detach(cards->card[msg->nic]);
	return NULL;
}

/* on_message() - Return: NULL, or what is wrong with it */
static const char *on_message(struct net_cards *cards, const struct net_msg *msg,
			      size_t len, int *fds, unsigned int n_fds)
{
	if (msg->reserved)
		return "a reserved field that is not 0";
	if (n_fds && msg->type != NET_NIC_ADD)
		return "descriptors with a message that has none";
	switch (msg->type) {
	case NET_NIC_ADD:
	case NET_NIC_REMOVE:
	case NET_CARRIER:
		return on_nic(cards, msg, len, fds, n_fds);
	case NET_CONFIG:
		cards->ops->config(cards->opaque, msg->payload, len);
		return NULL;
	case NET_FAILED:
		tell_failed(cards, msg->payload, len);
		return NULL;
	case NET_SETTLED:
		cards->ops->settled(cards->opaque);
		return NULL;
	case NET_LIMITED:
		if (!cards->limiting)
			return "an answer to nothing";
		cards->limiting = false;
		tell_limited(cards, msg, len);
		return NULL;
	default:
		return "an unknown message";
	}
}

/* receive() - false: nothing more for now, or ever. */
static bool receive(struct net_cards *cards)
{
	struct err err = ERR_INIT;
	int fds[SOCK_MAX_FDS];
	unsigned int n_fds = 0;
	const char *bad = "a cut message";
	ssize_t n;

	n = sock_recv(cards->source.fd, cards->packet, sizeof(*cards->packet) - 1, fds,
		      &n_fds);
	if (n == -EAGAIN || n == -EINTR)
		return false;
	if (n == 0 || n == -ECONNRESET) {
		(void)err_msg(&err, ECONNRESET, "hull-net has ended");
		lose(cards, &err);
		return false;
	}
	if (n < 0) {
		(void)err_set(&err, (int)-n, "receive from hull-net");
		lose(cards, &err);
		return false;
	}
	if ((size_t)n >= sizeof(struct net_msg))
		bad = on_message(cards, &cards->packet->msg,
				 (size_t)n - sizeof(struct net_msg), fds, n_fds);
	for (unsigned int i = 0; i < n_fds; i++)
		close_fd(fds[i]);
	if (!bad)
		return cards->source.fd >= 0;
	(void)err_msg(&err, EPROTO, "hull-net sent %s", bad);
	lose(cards, &err);
	return false;
}

static void on_ready(struct loop_source *src, uint32_t events)
{
	struct net_cards *cards = container_of(src, struct net_cards, source);

	(void)events; /* receive() tells an end from a message */
	for (unsigned int i = 0; i < MAX_ROUND; i++)
		if (!receive(cards))
			return;
}

/* listen_to() - @fd: owned when it succeeds */
static int listen_to(struct net_cards *cards, int fd, struct err *err)
{
	int ret;

	cards->packet = malloc(sizeof(*cards->packet));
	if (!cards->packet)
		return err_set(err, ENOMEM, "hull-net");
	ret = loop_add(cards->params.loop, &cards->source, fd, EPOLLIN, on_ready, err);
	if (ret < 0) {
		free(cards->packet);
		cards->packet = NULL;
	}
	return ret;
}

/* ---- for the owner -------------------------------------------------------------------- */

int net_cards_follow(struct net_cards *cards, int sock, const struct net_cards_ops *ops,
		     void *opaque, struct err *err)
{
	auto_fd int fd = sock;
	int ret;

	if (cards->source.fd >= 0 || cards->waiting >= 0)
		return err_msg(err, EEXIST, "a hull-net is there already");
	if (!(fcntl(fd, F_GETFL) & O_NONBLOCK))
		return err_msg(err, EINVAL, "hull-net's socket is a blocking one");
	cards->ops = ops;
	cards->opaque = opaque;
	if (cards->deferred) {
		cards->waiting = take_fd(&fd);
		return 0;
	}
	ret = listen_to(cards, fd, err);
	if (ret == 0)
		(void)take_fd(&fd);
	return ret;
}

void net_cards_defer(struct net_cards *cards)
{
	cards->deferred = true;
}

void net_cards_go_on(struct net_cards *cards)
{
	struct err err = ERR_INIT;

	cards->deferred = false;
	if (cards->waiting < 0)
		return;
	if (listen_to(cards, cards->waiting, &err) == 0) {
		cards->waiting = -1;
		return;
	}
	close_fd(take_fd(&cards->waiting));
	cards->ops->gone(cards->opaque, &err);
}

int net_cards_settle(struct net_cards *cards, struct err *err)
{
	const struct net_msg msg = { .type = NET_SETTLE };
	int ret;

	if (cards->source.fd < 0)
		return err_msg(err, ENOTCONN, "no hull-net is there");
	ret = sock_send(cards->source.fd, &msg, sizeof(msg), NULL, 0);
	return ret < 0 ? err_set(err, -ret, "send to hull-net") : 0;
}

int net_cards_limit(struct net_cards *cards, const struct net_limits *limits,
		    struct err *err)
{
	const struct net_msg msg = { .type = NET_LIMIT };
	char packet[sizeof(msg) + sizeof(*limits)];
	int ret;

	if (cards->source.fd < 0)
		return err_msg(err, ENOTCONN, "no hull-net is there");
	if (cards->limiting)
		return err_msg(err, EBUSY, "the limits are being changed already");
	memcpy(packet, &msg, sizeof(msg));
	memcpy(packet + sizeof(msg), limits, sizeof(*limits));
	ret = sock_send(cards->source.fd, packet, sizeof(packet), NULL, 0);
	if (ret < 0)
		return err_set(err, -ret, "send to hull-net");
	cards->limiting = true;
	return 0;
}

void net_cards_hold(struct net_cards *cards)
{
	for (unsigned int i = 0; i < NET_MAX_NICS; i++)
		if (cards->card[i])
			net_hold(cards->card[i]);
}

void net_cards_let_go(struct net_cards *cards)
{
	for (unsigned int i = 0; i < NET_MAX_NICS; i++)
		if (cards->card[i])
			net_let_go(cards->card[i]);
}

unsigned int net_cards_count(const struct net_cards *cards)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < NET_MAX_NICS; i++)
		n += cards->card[i] != NULL;
	return n;
}

void net_cards_stats(struct net_cards *cards, struct net_stats *stats)
{
	for (unsigned int i = 0; i < NET_MAX_NICS; i++)
		if (cards->card[i])
			net_stats(cards->card[i], stats);
}

int net_cards_new(const struct net_cards_params *params, struct net_cards **ret,
		  struct err *err)
{
	struct net_cards *cards = calloc(1, sizeof(*cards));

	if (!cards)
		return err_set(err, ENOMEM, "network cards");
	cards->params = *params;
	cards->source.fd = cards->waiting = -1;
	*ret = cards;
	return 0;
}

void net_cards_leave(struct net_cards *cards)
{
	disconnect(cards);
	close_fd(take_fd(&cards->waiting));
}

void net_cards_free(struct net_cards *cards)
{
	if (!cards)
		return;
	net_cards_leave(cards);
	free(cards);
}
