/* SPDX-License-Identifier: Apache-2.0 */
/* What a card does with vhost, and when it refuses: net_vhost_*() are defined here, and no
 * function of vmm/net/vhost.c is linked. */
#include <fcntl.h>

#include "lib/log.h"
#include "tests/unit/fake_card.h"
#include "tests/unit/tap.h"
#include "vmm/net/vhost.h"

#define ALL (F(MRG_RXBUF) | F(CTRL_VQ) | F(MQ) | MODERN)

static struct {
	struct net_vhost *v; /* of the last start */
	bool refuse_init;
	bool refuse_start;
	unsigned int started;
	unsigned int stopped;
	unsigned int n_pairs;
	unsigned int vectors;
} vhost;

int net_vhost_init(struct net_vhost *v, struct err *err)
{
	fake_check(v->n_pairs == 2 && v->fd[1] >= 0 && v->tap_fd[1] >= 0);
	return vhost.refuse_init ? err_set(err, EBUSY, "VHOST_SET_OWNER") : 0;
}

int net_vhost_start(struct net_vhost *v, struct vq *queues, unsigned int n_pairs,
		    uint64_t features, struct err *err)
{
	fake_check(queues && features == ALL);
	if (vhost.refuse_start)
		return err_set(err, ENOMEM, "VHOST_SET_MEM_TABLE");
	vhost.v = v;
	vhost.n_pairs = n_pairs;
	vhost.started++;
	return 0;
}

void net_vhost_stop(struct net_vhost *v)
{
	vhost.stopped += v == vhost.v;
	vhost.v = NULL;
}

void net_vhost_set_call(struct net_vhost *v, struct vq *vq)
{
	(void)v;
	(void)vq;
	vhost.vectors++;
}

static struct card c;
static int log_end;

static bool logged(const char *text)
{
	char line[512] = "";

	return read(log_end, line, sizeof(line) - 1) > 0 && strstr(line, text);
}

static void attach(void)
{
	struct net_backend b;

	card_backend(&c, &b);
	b.vhost = true;
	for (unsigned int i = 0; i < 2; i++)
		b.vhost_fd[i] = eventfd(0, EFD_CLOEXEC);
	fake_check(net_attach(c.dev, &b, NULL) == 0);
}

static void setup(void)
{
	memset(&vhost, 0, sizeof(vhost));
	card_init(&c, 2);
}

static void teardown(void)
{
	card_stop(&c);
	card_release(&c);
}

static void test_vhost(void)
{
	static const uint64_t one = 1;

	setup();
	attach();
	is_int(vhost.started, 0, "vhost waits for the driver");
	card_start(&c, ALL, FAKE_EVENT_IDX);
	is_int(vhost.started, 1, "and is started by it");
	is_int(vhost.n_pairs, 2, "with both pairs");
	vq_set_call_fd(&c.dev->queues[0], -1);
	is_int(vhost.vectors, 1, "it is told of another vector");
	card_send(&c, 0, 100, 1);
	card_spin(&c);
	ok(!fake_used(&c.q[1], NULL, NULL), "nobody else serves the queues");
	fake_check(write(vhost.v->err_fd, &one, sizeof(one)) == sizeof(one));
	card_spin(&c);
	is_int(c.fd.needs_reset, 1, "a malformed ring: NEEDS_RESET");
	is_int(vhost.stopped, 1, "vhost is stopped");
	ok(logged("net 5: the guest's driver made a ring that vhost refuses"),
	   "the log says it");
	card_stop(&c);
	card_start(&c, ALL, FAKE_EVENT_IDX);
	is_int(vhost.started, 2, "after a reset it goes on");
	fake_check(write(vhost.v->err_fd, &one, sizeof(one)) == sizeof(one));
	card_spin(&c);
	is_int(c.fd.needs_reset, 2, "a second time");
	ok(!logged("net"), "is not logged");
	card_stop(&c);
	card_start(&c, ALL, FAKE_EVENT_IDX);
	net_detach(c.dev);
	is_int(vhost.stopped, 3, "a tap that goes stops it");
	card_spin(&c);
	card_send(&c, 0, 100, 1);
	card_spin(&c);
	ok(fake_used(&c.q[1], NULL, NULL), "and the loop gives back what is sent");
	teardown();
}

static void test_refused_at_start(void)
{
	setup();
	attach();
	vhost.refuse_start = true;
	card_start(&c, ALL, FAKE_EVENT_IDX);
	ok(logged("net 5: no vhost: VHOST_SET_MEM_TABLE: Cannot allocate memory"),
	   "vhost refuses when the driver starts: the log says why");
	card_send(&c, 1, 100, 1);
	card_post(&c, 0, 1, 1536, 1);
	fake_check(card_arrive(&c, 0, 3, 200));
	card_spin(&c);
	ok(card_sees(&c, 1, 0, 100) && card_gets(&c, 0, 3, 200), "a thread takes over");
	is_int(vhost.started, 0, "vhost is not asked again");
	teardown();
	setup();
	attach();
	vhost.refuse_start = true;
	card_start(&c, ALL, FAKE_EVENT_IDX);
	card_stop(&c);
	card_start(&c, ALL, FAKE_EVENT_IDX);
	card_spin(&c);
	card_send(&c, 1, 100, 1);
	ok(card_sees(&c, 1, 0, 100), "also when the driver resets in between");
	teardown();
	setup();
	attach();
	vhost.refuse_start = true;
	card_start(&c, ALL, FAKE_EVENT_IDX);
	net_detach(c.dev);
	card_send(&c, 1, 100, 1);
	card_spin(&c);
	ok(fake_used(&c.q[3], NULL, NULL), "or the tap goes in between");
	teardown();
}

static void test_refused_at_attach(void)
{
	for (int i = 0; i < 2; i++) {
		setup();
		card_start(&c, ALL, FAKE_EVENT_IDX);
		while (logged("net"))
			;
		vhost.refuse_init = !i;
		vhost.refuse_start = i;
		attach();
		ok(logged(i ? "VHOST_SET_MEM_TABLE" : "net 5: no vhost: VHOST_SET_OWNER"),
		   "vhost refuses when the tap comes: the log says why");
		card_send(&c, 0, 100, 1);
		ok(card_sees(&c, 0, 0, 100), "a thread takes over at once");
		teardown();
	}
}

int main(void)
{
	int log[2];

	fake_check(pipe2(log, O_NONBLOCK | O_CLOEXEC) == 0);
	log_end = log[0];
	log_init(log[1], LOG_TEXT, LOG_WARN);
	test_vhost();
	test_refused_at_start();
	test_refused_at_attach();
	return tap_done();
}
