/* SPDX-License-Identifier: Apache-2.0 */
/* A card under the seccomp filters: the loop's for who attaches a tap and for the thread
 * that moves packets, a vCPU's for who starts and resets the card.  A call that is not
 * on the lists (vmm/jail/) ends this program. */
#define CARD_REAL_TUN

#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>

#include "tests/unit/fake_card.h"
#include "tests/unit/tap.h"
#include "vmm/jail/jail.h"

#define ALL (F(MRG_RXBUF) | F(CTRL_VQ) | F(MQ) | F(GUEST_CSUM) | F(GUEST_TSO4) | MODERN)
#define PAIRS 2u
#define TYPE 0x88b5 /* for experiments: nobody else sends it */
#define LEN 100u

static struct card c;

/* confine() - the calling thread; not under a sanitizer, which makes calls of its own: there
 * the rest is tested. */
static void confine(enum jail_kind kind)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	(void)kind;
#else
	fake_check(jail_thread(kind, NULL) == 0);
#endif
}

/* ---- outside: all that the filters do not allow is done before they stand ------------- */

struct outside {
	struct net_backend taps;
	int wire; /* AF_PACKET: what the host sees of the tap */
};

static bool open_tap(struct outside *o, const char *name, bool vhost)
{
	struct sockaddr_ll ll = { .sll_family = AF_PACKET,
				  .sll_protocol = __builtin_bswap16(TYPE) };
	struct ifreq ifr;

	o->taps = (struct net_backend){ .n_pairs = PAIRS, .vhost = vhost };
	for (unsigned int i = 0; i < PAIRS; i++) {
		ifr = (struct ifreq){ .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR |
						   IFF_MULTI_QUEUE };
		memcpy(ifr.ifr_name, name, 3);
		o->taps.tap_fd[i] = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
		if (o->taps.tap_fd[i] < 0 ||
		    ioctl(o->taps.tap_fd[i], TUNSETIFF, &ifr) < 0)
			return false;
		if (vhost)
			o->taps.vhost_fd[i] = open("/dev/vhost-net", O_RDWR | O_CLOEXEC);
	}
	o->wire = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	fake_check(o->wire >= 0 && ioctl(o->wire, SIOCGIFINDEX, &ifr) == 0);
	ll.sll_ifindex = ifr.ifr_ifindex;
	ifr.ifr_flags = IFF_UP;
	fake_check(ioctl(o->wire, SIOCSIFFLAGS, &ifr) == 0);
	return bind(o->wire, (struct sockaddr *)&ll, sizeof(ll)) == 0;
}

/* ---- a vCPU thread: does what it is told ----------------------------------------------- */

static struct {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	void (*todo)(void);
	bool end;
} vcpu = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, NULL, false };

static void *vcpu_main(void *arg)
{
	(void)arg;
	confine(JAIL_VCPU);
	(void)pthread_mutex_lock(&vcpu.lock);
	while (!vcpu.end) {
		if (vcpu.todo)
			vcpu.todo();
		vcpu.todo = NULL;
		(void)pthread_cond_broadcast(&vcpu.cond);
		(void)pthread_cond_wait(&vcpu.cond, &vcpu.lock);
	}
	(void)pthread_mutex_unlock(&vcpu.lock);
	return NULL;
}

static void on_vcpu(void (*todo)(void))
{
	(void)pthread_mutex_lock(&vcpu.lock);
	vcpu.todo = todo;
	vcpu.end = !todo;
	(void)pthread_cond_broadcast(&vcpu.cond);
	while (vcpu.todo)
		(void)pthread_cond_wait(&vcpu.cond, &vcpu.lock);
	(void)pthread_mutex_unlock(&vcpu.lock);
}

static void activate(void)
{
	fake_check(c.dev->ops->activate(c.dev, NULL) == 0);
}

static void reset(void)
{
	c.dev->ops->reset(c.dev);
	for (unsigned int i = 0; i < c.dev->n_queues; i++)
		vq_reset(&c.dev->queues[i]);
}

static void another_vector(void)
{
	vq_set_call_fd(&c.dev->queues[1], c.q[0].call_fd);
}

static void start(uint64_t features)
{
	c.n_queues = features & F(MQ) ? 2 * PAIRS + 1 : 3;
	card_enable(&c, CARD_QUEUE, 0); /* an interrupt for every packet */
	c.dev->acked_features = features;
	on_vcpu(activate);
	card_spin(&c);
}

static void stop(void)
{
	on_vcpu(reset);
	for (unsigned int i = 0; i < c.n_queues; i++)
		fake_queue_release(&c.q[i]);
}

/* passes() - a packet in each direction by pair 0. */
static bool passes(const struct outside *o)
{
	struct pollfd sent = { .fd = o->wire, .events = POLLIN };
	struct pollfd got = { .fd = c.q[0].call_fd, .events = POLLIN };
	gpa_t gpa = fake_alloc(&c.fm, NET_HDR_SIZE + LEN, 8);
	char *p = fake_host(&c.fm, gpa, NET_HDR_SIZE + LEN);

	memset(p + NET_HDR_SIZE, 0x02, 12);
	p[NET_HDR_SIZE + 12] = (char)(TYPE >> 8);
	p[NET_HDR_SIZE + 13] = (char)(TYPE & 0xff);
	(void)fake_add(&c.q[1], &(struct fake_buf){ gpa, NET_HDR_SIZE + LEN }, 1, NULL,
		       0);
	fake_kick(&c.q[1]);
	if (poll(&sent, 1, 10000) != 1 ||
	    recv(o->wire, c.frame, sizeof(c.frame), 0) != LEN)
		return false;
	for (unsigned int i = 0; i < c.n_queues / 2; i++)
		card_post(&c, i, 4, 1536, 1);
	if (c.n_queues > 3) /* it may come by either */
		vq_set_call_fd(&c.dev->queues[2], c.q[0].call_fd);
	(void)fake_interrupts(&c.q[0]);
	return send(o->wire, c.frame, LEN, 0) == LEN && poll(&got, 1, 10000) == 1;
}

static bool set_pairs(uint8_t n)
{
	uint8_t cmd[] = { 4, 0, n, 0 };

	return card_command(&c, cmd, sizeof(cmd)) == VIRTIO_NET_OK;
}

static void test(struct outside *first, struct outside *second, const char *what)
{
	fake_check(net_attach(c.dev, &first->taps, NULL) == 0);
	start(ALL);
	ok(set_pairs(1) && set_pairs(2), "%s: a command", what);
	ok(passes(first), "packets");
	stop();
	start(ALL & ~F(MQ));
	ok(passes(first), "a driver with one pair");
	stop();
	start(ALL);
	fake_check(net_attach(c.dev, &second->taps, NULL) == 0);
	ok(passes(second), "another tap");
	on_vcpu(another_vector);
	net_detach(c.dev);
	stop();
	ok(true, "and the end of it");
}

int main(void)
{
	static struct outside o[4];
	bool vhost = access("/dev/vhost-net", R_OK | W_OK) == 0;
	pthread_t thread;

	if (unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		return TAP_SKIP;
	if (!open_tap(&o[0], "t0", false) || !open_tap(&o[1], "t1", false)) {
		(void)printf("a tap: %s\n", strerror(errno));
		return TAP_SKIP;
	}
	fake_check(!vhost ||
		   (open_tap(&o[2], "t2", true) && open_tap(&o[3], "t3", true)));
	card_init(&c, PAIRS);
	fake_check(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	fake_check(pthread_create(&thread, NULL, vcpu_main, NULL) == 0);
	confine(JAIL_LOOP);
	test(&o[0], &o[1], "a thread");
	if (vhost)
		test(&o[2], &o[3], "vhost");
	on_vcpu(NULL);
	(void)pthread_join(thread, NULL);
	card_release(&c);
	return tap_done();
}
