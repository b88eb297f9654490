/* SPDX-License-Identifier: Apache-2.0 */
/* virtio-net: what the driver is offered, its control queue, and what is behind the card
 * coming and going. */
#include <fcntl.h>
#include <pthread.h>

#include "lib/log.h"
#include "tests/unit/fake_card.h"
#include "tests/unit/tap.h"

#define ALL (F(MRG_RXBUF) | F(CTRL_VQ) | F(CTRL_MAC_ADDR) | F(MQ) | MODERN)

static struct card c;

static struct virtio_net_config config(void)
{
	struct virtio_net_config config = { 0 };

	c.dev->ops->config_read(c.dev, 0, &config, c.dev->config_size);
	return config;
}

static void test_offer(void)
{
	static const uint8_t mac[] = { 0x02, 'h', 'u', 'l', 'l', CARD_NIC };
	uint64_t base = F(MAC) | F(STATUS) | F(CSUM) | F(GUEST_CSUM) | F(GUEST_TSO4) |
			F(GUEST_TSO6) | F(GUEST_ECN) | F(HOST_TSO4) | F(HOST_TSO6) |
			F(HOST_ECN) | F(MRG_RXBUF) | F(CTRL_VQ) | F(CTRL_MAC_ADDR);
	struct net_params params = { .n_pairs = NET_MAX_PAIRS + 1 };
	struct virtio_device *dev;
	struct err err = ERR_INIT;

	card_init(&c, 1);
	is_int(c.dev->id, 1, "a network card");
	is_int(c.dev->pci_class, 0x020000, "on the bus too");
	ok(c.dev->features == base, "features");
	is_int(c.dev->n_queues, 3, "of one pair: three queues");
	ok(!memcmp(config().mac, mac, 6), "the address tells the number");
	is_int(config().max_virtqueue_pairs, 1, "one pair");
	is_int(config().status, 0, "the link is down");
	is_int(c.dev->config_size, 10, "no more is configured");
	params.mem = &c.fm.mem;
	params.loop = c.loop;
	is_int(net_new(&params, &dev, &err), -EINVAL, "too many pairs");
	params.n_pairs = 1;
	params.nic = NET_MAX_NICS;
	is_int(net_new(&params, &dev, &err), -EINVAL, "too high a number");
	card_release(&c);
	card_init(&c, 4);
	ok(c.dev->features == (base | F(MQ)), "of four pairs: VIRTIO_NET_F_MQ");
	is_int(c.dev->n_queues, 9, "nine queues");
	is_int(config().max_virtqueue_pairs, 4, "four pairs");
	card_release(&c);
}

static void test_mac(void)
{
	uint8_t cmd[] = { 1, 1, 2, 3, 4, 5, 6, 7, 0 };

	card_init(&c, 2);
	card_start(&c, ALL, FAKE_EVENT_IDX);
	is_int(card_command(&c, cmd, 8), VIRTIO_NET_OK, "MAC_ADDR_SET");
	ok(!memcmp(config().mac, cmd + 2, 6), "is shown");
	is_int(card_command(&c, cmd, 7), VIRTIO_NET_ERR, "a byte less");
	is_int(card_command(&c, cmd, 9), VIRTIO_NET_ERR, "a byte more");
	card_stop(&c);
	is_int(config().mac[0], 2, "a reset brings the card's own back");
	card_start(&c, ALL & ~F(CTRL_MAC_ADDR), 0);
	is_int(card_command(&c, cmd, 8), VIRTIO_NET_ERR, "not without the feature");
	card_stop(&c);
	card_release(&c);
}

static int set_pairs(uint16_t n)
{
	uint8_t cmd[] = { 4, 0, (uint8_t)n, (uint8_t)(n >> 8) };

	return card_command(&c, cmd, sizeof(cmd));
}

static void test_pairs(void)
{
	card_init(&c, 4);
	memset(&taps, 0, sizeof(taps));
	fake_check(card_attach(&c) == 0);
	card_start(&c, ALL, FAKE_EVENT_IDX);
	is_int(taps.changes, 0, "the tap's queues stay until the driver says something");
	is_int(set_pairs(4), VIRTIO_NET_OK, "VQ_PAIRS_SET 4");
	is_int(taps.changes, 0, "all are used already");
	is_int(set_pairs(1), VIRTIO_NET_OK, "1");
	is_int(taps.changes, 3, "three queues of the tap are detached");
	is_int(set_pairs(3), VIRTIO_NET_OK, "3");
	is_int(taps.changes, 5, "two are attached again");
	is_int(set_pairs(0), VIRTIO_NET_ERR, "0");
	is_int(set_pairs(5), VIRTIO_NET_ERR, "more than there are");
	is_int(set_pairs(0x8000), VIRTIO_NET_ERR, "many more");
	is_int(taps.changes, 5, "change nothing");
	fake_check(card_attach(&c) == 0);
	is_int(taps.changes, 6, "another tap is told as well");
	card_stop(&c);
	card_release(&c);
}

/* Without VIRTIO_NET_F_MQ the control queue is the third one. */
static void test_without_mq(void)
{
	uint8_t cmd[] = { 1, 1, 9, 8, 7, 6, 5, 4 };

	for (int i = 0; i < 2; i++) {
		card_init(&c, 4);
		memset(&taps, 0, sizeof(taps));
		fake_check(card_attach(&c) == 0);
		if (i) { /* another driver was there before */
			card_start(&c, ALL, 0);
			is_int(card_command(&c, cmd, 8), VIRTIO_NET_OK, "nine queues");
			card_stop(&c);
		}
		c.n_queues = 3;
		card_start(&c, ALL & ~F(MQ), 0);
		is_int(taps.changes, 3, "one pair: the tap has only one queue");
		is_int(card_command(&c, cmd, 8), VIRTIO_NET_OK, "three queues");
		is_int(set_pairs(1), VIRTIO_NET_ERR, "no VQ_PAIRS_SET");
		card_send(&c, 0, 100, 1);
		ok(card_sees(&c, 0, 0, 100), "packets go by the first pair");
		card_stop(&c);
		card_release(&c);
	}
}

static void test_malformed_commands(void)
{
	static const uint8_t cmds[][4] = { { 0, 0, 1, 0 },        { 1, 0, 0, 0 },
					   { 2, 0, 1, 0 },        { 3, 0, 0, 0 },
					   { 4, 1, 1, 0 },        { 5, 0, 0, 0 },
					   { 255, 255, 255, 255 } };
	struct fake_buf in, out[3];
	struct fake_queue *fq;
	char big[4096] = { 1, 1 };
	uint8_t ok_cmd[] = { 1, 1, 2, 3, 4, 5, 6, 7 };
	uint32_t written = 99;
	gpa_t gpa;

	card_init(&c, 2);
	card_start(&c, ALL, FAKE_EVENT_IDX);
	fq = &c.q[c.n_queues - 1];
	for (unsigned int i = 0; i < 7; i++)
		is_int(card_command(&c, cmds[i], 4), VIRTIO_NET_ERR, "class %u, %u",
		       cmds[i][0], cmds[i][1]);
	for (uint32_t len = 0; len < 4; len++)
		is_int(card_command(&c, cmds[4], len), VIRTIO_NET_ERR, "%u bytes", len);
	is_int(card_command(&c, big, sizeof(big)), VIRTIO_NET_ERR, "4096 bytes");
	gpa = fake_data(&c.fm, ok_cmd, 8);
	(void)fake_add(fq, &(struct fake_buf){ gpa, 8 }, 1, NULL, 0);
	fake_kick(fq);
	card_spin(&c);
	ok(fake_used(fq, NULL, &written) && written == 0, "no room for an answer");
	is_int(config().mac[0], 2, "nothing is done");
	in = (struct fake_buf){ fake_alloc(&c.fm, 64, 1), 64 };
	out[0] = (struct fake_buf){ gpa, 1 };
	out[1] = (struct fake_buf){ gpa + 1, 4 };
	out[2] = (struct fake_buf){ gpa + 5, 3 };
	(void)fake_add(fq, out, 3, &in, 1);
	fake_kick(fq);
	card_spin(&c);
	ok(fake_used(fq, NULL, &written) && written == 1, "a command in pieces");
	is_int(config().mac[0], 2, "is understood");
	is_int(config().mac[5], 7, "whole");
	for (unsigned int i = 0; i < 60; i++)
		(void)fake_add(fq, out, 0, &in, 1);
	fake_kick(fq);
	for (unsigned int i = 0; i < 20; i++)
		card_spin(&c);
	for (unsigned int i = 0; i < 60; i++)
		fake_check(fake_used(fq, NULL, NULL));
	ok(true, "60 at once come back in turns");
	fake_offer(fq, 64);
	fake_kick(fq);
	card_spin(&c);
	is_int(c.fd.needs_reset, 1, "a malformed ring makes the card NEEDS_RESET");
	card_stop(&c);
	card_release(&c);
}

static void test_link(void)
{
	card_init(&c, 1);
	fake_check(card_attach(&c) == 0);
	is_int(config().status, VIRTIO_NET_S_LINK_UP, "a tap: the link is up");
	is_int(c.fd.config_changes, 0, "nobody is told before DRIVER_OK");
	card_start(&c, ALL, 0);
	net_set_carrier(c.dev, true);
	is_int(c.fd.config_changes, 0, "nor of no change");
	net_set_carrier(c.dev, false);
	is_int(config().status, 0, "no carrier: down");
	is_int(c.fd.config_changes, 1, "told");
	net_set_carrier(c.dev, true);
	is_int(c.fd.config_changes, 2, "up again: told");
	net_detach(c.dev);
	is_int(config().status, 0, "no tap: down");
	is_int(c.fd.config_changes, 3, "told");
	net_set_carrier(c.dev, true);
	is_int(config().status, 0, "a carrier of nothing");
	net_detach(c.dev);
	is_int(c.fd.config_changes, 3, "detached twice");
	fake_check(card_attach(&c) == 0);
	is_int(c.fd.config_changes, 4, "attached while the driver works: told");
	card_stop(&c);
	is_int(config().status, VIRTIO_NET_S_LINK_UP, "a reset leaves the link");
	card_release(&c);
}

static unsigned int sent_back(void)
{
	unsigned int n = 0;

	while (fake_used(&c.q[1], NULL, NULL))
		n++;
	return n;
}

static void test_nothing_behind(unsigned int flags)
{
	unsigned int back = 0;

	card_init(&c, 2);
	card_start(&c, ALL, flags);
	card_post(&c, 0, 10, 1536, 1);
	for (unsigned int i = 0; i < 200; i++)
		card_send(&c, 0, 100, 1);
	for (unsigned int i = 0; i < 10; i++)
		card_spin(&c);
	is_int(sent_back(), 200, "without a tap what is sent comes back (flags %u)",
	       flags);
	is_int(card_stats(&c).tx_dropped, 200, "dropped");
	is_int(card_receive(&c, 0, NULL), 0, "receive buffers stay");
	fake_check(card_attach(&c) == 0);
	fake_check(card_arrive(&c, 0, 1, 900));
	ok(card_gets(&c, 0, 1, 900), "and are used when there is a tap");
	c.sent = 7;
	card_send(&c, 0, 100, 1);
	ok(card_sees(&c, 0, 7, 100), "which sees what is sent");
	ok(soon((back += sent_back()) == 1), "given back");
	net_detach(c.dev);
	for (unsigned int i = 0; i < 50; i++)
		card_send(&c, 0, 100, 1);
	for (unsigned int i = 0; i < 10; i++)
		card_spin(&c);
	is_int(sent_back(), 50, "dropped again when it has gone");
	fake_check(card_attach(&c) == 0);
	fake_check(card_arrive(&c, 0, 2, 900));
	ok(card_gets(&c, 0, 2, 900), "another tap goes on with the buffers");
	for (unsigned int i = 3; i < 11; i++) {
		fake_check(card_attach(&c) == 0);
		fake_check(card_arrive(&c, 0, i, 900));
		ok(card_gets(&c, 0, i, 900), "tap %u in place of the one before", i);
	}
	card_stop(&c);
	fake_check(card_attach(&c) == 0);
	net_detach(c.dev);
	card_release(&c);
}

static void test_offloads(void)
{
	uint64_t tso = F(GUEST_CSUM) | F(GUEST_TSO4) | F(GUEST_TSO6) | F(GUEST_ECN);

	card_init(&c, 1);
	memset(&taps, 0, sizeof(taps));
	fake_check(card_attach(&c) == 0);
	is_int(taps.setups, 1, "a tap is set up");
	is_int(taps.offloads, 0, "it is told of features by the driver's start");
	card_start(&c, ALL | tso | F(CSUM), 0);
	ok(taps.offloads == 1 && taps.features == tso, "of those that concern it");
	card_stop(&c);
	card_start(&c, ALL | tso, 0);
	is_int(taps.offloads, 1, "the same driver again: nothing new");
	card_stop(&c);
	card_start(&c, ALL, 0);
	ok(taps.offloads == 2 && taps.features == 0, "one without them");
	card_stop(&c);
	card_start(&c, ALL | tso, 0);
	fake_check(card_attach(&c) == 0);
	ok(taps.offloads == 4 && taps.features == tso, "another tap is told at once");
	card_stop(&c);
	card_release(&c);
}

static bool is_closed(int fd)
{
	return fcntl(fd, F_GETFD) < 0;
}

static void test_bad_backends(void)
{
	struct net_backend b;
	struct err err = ERR_INIT;

	card_init(&c, 2);
	card_backend(&c, &b);
	b.n_pairs = 1;
	is_int(net_attach(c.dev, &b, &err), -EINVAL, "a tap of too few queues");
	is_str(err.msg, "net 5: a tap of 1 queues, expected 2", "says so");
	ok(is_closed(b.tap_fd[0]), "it is closed");
	(void)close(b.tap_fd[1]);
	card_start(&c, ALL, 0);
	fake_check(card_attach(&c) == 0);
	taps.fail_setup = EBADFD;
	card_backend(&c, &b);
	is_int(net_attach(c.dev, &b, &err), -EBADFD, "what is no tap");
	taps.fail_setup = 0;
	is_str(err.msg, "net 5: TUNSETVNETHDRSZ: File descriptor in bad state", "why");
	ok(is_closed(b.tap_fd[0]) && is_closed(b.tap_fd[1]), "closed");
	is_int(config().status, 0, "and the one before has gone: the link is down");
	card_send(&c, 0, 100, 1);
	card_spin(&c);
	is_int(sent_back(), 1, "what is sent is dropped");
	card_stop(&c);
	card_release(&c);
}

/* What calls itself /dev/vhost-net and is none: the thread takes over. */
static void test_no_vhost(void)
{
	char text[512] = "";
	int log[2], gone[2];
	struct net_backend b;

	fake_check(pipe2(log, O_NONBLOCK | O_CLOEXEC) == 0);
	log_init(log[1], LOG_TEXT, LOG_WARN);
	for (int early = 0; early < 2; early++) {
		card_init(&c, 2);
		if (!early)
			card_start(&c, ALL, 0);
		card_backend(&c, &b);
		b.vhost = true;
		fake_check(pipe2(gone, O_CLOEXEC | O_NONBLOCK) == 0);
		b.vhost_fd[0] = gone[1];
		b.vhost_fd[1] = fcntl(gone[1], F_DUPFD_CLOEXEC, 0);
		is_int(net_attach(c.dev, &b, NULL), 0, "a tap with a vhost that is none");
		is_int(read(gone[0], text, 1), 0, "closed");
		(void)close(gone[0]);
		fake_check(read(log[0], text, sizeof(text) - 1) > 0);
		ok(strstr(text, "net 5: no vhost: VHOST_SET_OWNER: "
				"Inappropriate ioctl for device"),
		   "the log says why");
		if (early)
			card_start(&c, ALL, 0);
		card_send(&c, 1, 100, 1);
		ok(card_sees(&c, 1, 0, 100), "packets are sent all the same");
		card_stop(&c);
		card_release(&c);
	}
	log_init(-1, LOG_TEXT, LOG_ERROR);
	(void)close(log[0]);
	(void)close(log[1]);
}

/* ---- a vCPU thread that resets while packets flow ------------------------------------- */

static void *vcpu(void *arg)
{
	unsigned int *wrong = arg;

	for (int i = 0; i < 300; i++) {
		card_start(&c, ALL, FAKE_EVENT_IDX);
		card_post(&c, 0, 20, 200, 1);
		for (int k = 0; k < 20; k++)
			card_send(&c, 0, 60, 2);
		if (i % 3 == 0)
			(void)usleep(100);
		c.dev->ops->reset(c.dev);
		memset(c.fm.host + c.memory_mark, 0, 256 << 10);
		for (unsigned int q = 0; q < c.n_queues; q++)
			vq_reset(&c.dev->queues[q]);
		for (size_t k = 0; k < 256 << 10; k++)
			*wrong += c.fm.host[k] != 0;
		for (unsigned int q = 0; q < c.n_queues; q++)
			fake_queue_release(&c.q[q]);
	}
	return NULL;
}

static void *outside(void *arg)
{
	atomic_bool *end = arg;
	char frame[100] = { 0 };

	while (!atomic_load(end)) {
		int fd = __atomic_load_n(&c.peer[0], __ATOMIC_SEQ_CST);

		while (recv(fd, frame, sizeof(frame), MSG_DONTWAIT) > 0)
			;
		(void)send(fd, frame, sizeof(frame), MSG_NOSIGNAL | MSG_DONTWAIT);
	}
	return NULL;
}

static void test_reset_from_another_thread(void)
{
	atomic_bool end = false;
	pthread_t thread, other;
	unsigned int wrong = 0;

	card_init(&c, 1);
	fake_check(card_attach(&c) == 0);
	fake_check(pthread_create(&other, NULL, outside, &end) == 0);
	fake_check(pthread_create(&thread, NULL, vcpu, &wrong) == 0);
	while (pthread_tryjoin_np(thread, NULL) != 0) {
		card_spin(&c);
		net_set_carrier(c.dev, false);
		net_set_carrier(c.dev, true);
	}
	atomic_store(&end, true);
	fake_check(pthread_join(other, NULL) == 0);
	is_int(wrong, 0, "300 resets while packets flow: nothing was written after one");
	card_release(&c);
}

/* The owner puts taps behind the card while the driver starts and resets it. */
static void test_attach_and_reset(void)
{
	pthread_t thread;
	unsigned int wrong = 0, attached = 0;

	card_init(&c, 1);
	fake_check(pthread_create(&thread, NULL, vcpu, &wrong) == 0);
	while (pthread_tryjoin_np(thread, NULL) != 0) {
		if (attached++ % 3 == 2)
			net_detach(c.dev);
		else
			fake_check(card_attach(&c) == 0);
		card_spin(&c);
	}
	is_int(wrong, 0, "%u taps come and go while it does", attached);
	card_start(&c, ALL, 0);
	fake_check(card_attach(&c) == 0);
	c.sent = 3;
	card_send(&c, 0, 100, 1);
	ok(card_sees(&c, 0, 3, 100), "and the card works");
	card_stop(&c);
	card_release(&c);
}

int main(void)
{
	test_offer();
	test_mac();
	test_pairs();
	test_without_mq();
	test_malformed_commands();
	test_link();
	test_nothing_behind(0);
	test_nothing_behind(FAKE_EVENT_IDX);
	test_offloads();
	test_bad_backends();
	test_no_vhost();
	test_reset_from_another_thread();
	test_attach_and_reset();
	return tap_done();
}
