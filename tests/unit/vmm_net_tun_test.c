/* SPDX-License-Identifier: Apache-2.0 */
/* A card with a tap of the kernel's behind it, in a network namespace of the test's own:
 * vmm/net/tun.c, and what a tap does that sockets do not.  Once with a thread, and, on
 * a host that has it, once with vhost. */
#define CARD_REAL_TUN

#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/if.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <sched.h>
#include <sys/ioctl.h>

#include "tests/unit/fake_card.h"
#include "tests/unit/tap.h"

#define ALL (F(MRG_RXBUF) | F(CTRL_VQ) | F(MQ) | MODERN)
#define OFFLOADS (F(GUEST_CSUM) | F(GUEST_TSO4) | F(GUEST_TSO6) | F(GUEST_ECN))
#define PAIRS 2u
#define TYPE 0x88b5 /* for experiments: nobody else sends it */

static struct card c;
static struct net_backend taps;
static bool vhost; /* what open_tap() asks for */
static int wire; /* AF_PACKET: what the host sees of the tap */

static bool own_namespace(void)
{
	return unshare(CLONE_NEWNET) == 0 || unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0;
}

static int if_ioctl(unsigned long request, struct ifreq *ifr)
{
	memcpy(ifr->ifr_name, "t0", 3);
	return ioctl(wire, request, ifr);
}

static void set_up(bool up)
{
	struct ifreq ifr = { .ifr_flags = up ? IFF_UP : 0 };

	fake_check(if_ioctl(SIOCSIFFLAGS, &ifr) == 0);
}

/* open_tap() - Return: false: there are no taps here */
static bool open_tap(void)
{
	taps = (struct net_backend){ .n_pairs = PAIRS, .vhost = vhost };
	for (unsigned int i = 0; i < PAIRS; i++) {
		struct ifreq ifr = { .ifr_name = "t0",
				     .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR |
						  IFF_MULTI_QUEUE };

		taps.tap_fd[i] = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
		if (taps.tap_fd[i] < 0 || ioctl(taps.tap_fd[i], TUNSETIFF, &ifr) < 0)
			return false;
		if (vhost)
			taps.vhost_fd[i] = open("/dev/vhost-net", O_RDWR | O_CLOEXEC);
	}
	return true;
}

static void open_wire(void)
{
	struct sockaddr_ll ll = { .sll_family = AF_PACKET };
	struct ifreq ifr = { 0 };
	int one = 1;

	wire = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	fake_check(wire >= 0);
	fake_check(setsockopt(wire, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof(one)) == 0);
	fake_check(if_ioctl(SIOCGIFINDEX, &ifr) == 0);
	ll.sll_ifindex = ifr.ifr_ifindex;
	ll.sll_protocol = __builtin_bswap16(ETH_P_ALL);
	fake_check(bind(wire, (struct sockaddr *)&ll, sizeof(ll)) == 0);
	ifr.ifr_mtu = 9000;
	fake_check(if_ioctl(SIOCSIFMTU, &ifr) == 0);
	set_up(true);
}

static unsigned int tso(void)
{
	struct ethtool_value v = { .cmd = ETHTOOL_GTSO };
	struct ifreq ifr = { .ifr_data = (void *)&v };

	fake_check(if_ioctl(SIOCETHTOOL, &ifr) == 0);
	return v.data;
}

/* frame() - Ethernet with @len bytes altogether; without a header. */
static void frame(char *p, uint32_t len, unsigned int n)
{
	for (uint32_t i = 0; i < len; i++)
		p[i] = card_byte(n, i);
	memset(p, 0x02, 12);
	p[12] = (char)(TYPE >> 8);
	p[13] = (char)(TYPE & 0xff);
}

static void guest_sends(uint32_t len, unsigned int n, uint8_t gso_type)
{
	struct fake_buf b[3];
	gpa_t gpa = fake_alloc(&c.fm, NET_HDR_SIZE + len, 8);
	char *p = fake_host(&c.fm, gpa, NET_HDR_SIZE + len);

	memset(p, 0, NET_HDR_SIZE);
	p[1] = (char)gso_type;
	frame(p + NET_HDR_SIZE, len, n);
	(void)fake_add(&c.q[1], b, card_cut(b, gpa, NET_HDR_SIZE + len, 3), NULL, 0);
	fake_kick(&c.q[1]);
}

/* wire_sees() - the host gets that frame; other traffic is passed over. */
static bool wire_sees(uint32_t len, unsigned int n)
{
	size_t hdr = sizeof(struct virtio_net_hdr);
	static char want[65536];
	ssize_t got;

	frame(want, len, n);
	return soon((got = recv(wire, c.frame, sizeof(c.frame), 0)) ==
			    (ssize_t)(hdr + len) &&
		    !memcmp(c.frame + hdr, want, len));
}

static bool wire_sends(const void *hdr, const void *data, size_t len)
{
	struct iovec iov[2] = { { NULL, sizeof(struct virtio_net_hdr) }, { NULL, len } };

	memcpy(&iov[0].iov_base, &hdr, sizeof(hdr));
	memcpy(&iov[1].iov_base, &data, sizeof(data));
	return writev(wire, iov, 2) == (ssize_t)(iov[0].iov_len + len);
}

static bool host_sends(uint32_t len, unsigned int n)
{
	static const struct virtio_net_hdr hdr;
	static char data[65536];

	frame(data, len, n);
	return wire_sends(&hdr, data, len);
}

/* guest_got() - by pair @pair, that frame; other traffic is passed over. */
static bool guest_got(unsigned int pair, uint32_t len, unsigned int n)
{
	static char want[65536];
	long got;

	frame(want, len, n);
	while ((got = card_receive(&c, pair, NULL)) > 0) {
		card_post(&c, pair, (unsigned int)(got + 1535) / 1536, 1536, 1);
		if (got == (long)(NET_HDR_SIZE + len) &&
		    !memcmp(c.frame + NET_HDR_SIZE, want, len))
			return true;
	}
	return false;
}

static void test_settings(void)
{
	int size = 0, le = 0;
	int tap = fcntl(taps.tap_fd[0], F_DUPFD_CLOEXEC, 0);

	fake_check(net_attach(c.dev, &taps, NULL) == 0);
	fake_check(ioctl(tap, TUNGETVNETHDRSZ, &size) == 0);
	fake_check(ioctl(tap, TUNGETVNETLE, &le) == 0);
	is_int(size, 12, "a packet's header has 12 bytes");
	is_int(le, 1, "little endian");
	(void)close(tap);
	card_start(&c, ALL, 0);
	is_int(tso(), 0, "no segments for a driver that does not take them");
	card_stop(&c);
	card_start(&c, ALL | OFFLOADS, FAKE_EVENT_IDX);
	is_int(tso(), 1, "but for one that does");
}

static void test_frames(void)
{
	static const uint32_t sizes[] = { 60, 1514, 9014 };
	unsigned int back = 0;

	card_post(&c, 0, 100, 1536, 1);
	card_post(&c, 1, 100, 1536, 1);
	for (unsigned int i = 0; i < 3; i++) {
		guest_sends(sizes[i], i, 0);
		ok(wire_sees(sizes[i], i), "the guest sends %u bytes", sizes[i]);
		fake_check(host_sends(sizes[i], i));
		ok(soon(guest_got(0, sizes[i], i) || guest_got(1, sizes[i], i)),
		   "and gets as many");
	}
	while (fake_used(&c.q[1], NULL, NULL))
		;
	guest_sends(60, 0, 0x77);
	guest_sends(10, 0, 0);
	ok(soon((back += fake_used(&c.q[1], NULL, NULL)) == 2),
	   "the kernel refuses a header without sense, and a frame too short");
	set_up(false);
	guest_sends(60, 0, 0);
	ok(soon((back += fake_used(&c.q[1], NULL, NULL)) == 3),
	   "and all while it is down");
	is_int(card_stats(&c).tx_dropped, vhost ? 0 : 3, "counted, but by vhost");
	set_up(true);
	guest_sends(60, 9, 0);
	ok(wire_sees(60, 9), "then it goes on");
}

/* One segment of 60000 bytes, which the guest gets as it is. */
static void test_segment(void)
{
	static const struct virtio_net_hdr hdr = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
		.hdr_len = 54,
		.gso_size = 1448,
		.csum_start = 34,
		.csum_offset = 16,
	};
	static uint8_t data[60054];
	struct virtio_net_hdr got;
	unsigned int n = 0;
	long len = 0;

	frame((char *)data, sizeof(data), 1);
	data[12] = 8; /* IPv4 */
	data[13] = 0;
	memset(data + 14, 0, 40);
	data[14] = 0x45;
	data[16] = (sizeof(data) - 14) >> 8;
	data[17] = (sizeof(data) - 14) & 0xff;
	data[22] = 64;
	data[23] = 6; /* TCP */
	data[26] = data[30] = 10;
	data[29] = data[33] = 1;
	data[46] = 0x50; /* 20 bytes of header */
	fake_check(wire_sends(&hdr, data, sizeof(data)));
	ok(soon((len = card_receive(&c, 0, &n)) > 60000 ||
		(len = card_receive(&c, 1, &n)) > 60000),
	   "a segment of 60000 bytes arrives");
	is_int(len, NET_HDR_SIZE + sizeof(data), "whole");
	is_int(n, 40, "in 40 buffers");
	memcpy(&got, c.frame, sizeof(got));
	ok(got.gso_type == VIRTIO_NET_HDR_GSO_TCPV4 && got.gso_size == 1448,
	   "to be cut later, if ever");
	ok(!memcmp(c.frame + NET_HDR_SIZE + 54, data + 54, sizeof(data) - 54),
	   "with all its data");
}

static bool use_pairs(uint8_t n)
{
	uint8_t cmd[] = { 4, 0, n, 0 };

	return card_command(&c, cmd, sizeof(cmd)) == VIRTIO_NET_OK;
}

static void test_queues(void)
{
	unsigned int good = 0, both = 0;

	card_stop(&c);
	card_start(&c, ALL, FAKE_EVENT_IDX);
	card_post(&c, 0, 100, 1536, 1);
	card_post(&c, 1, 100, 1536, 1);
	ok(use_pairs(1), "the driver uses one pair");
	for (unsigned int i = 0; i < 20; i++) {
		fake_check(host_sends(100 + i, i));
		good += soon(guest_got(0, 100 + i, i));
	}
	is_int(good, 20, "all comes by it");
	ok(use_pairs(2), "two");
	for (unsigned int i = 0; i < 20; i++) {
		fake_check(host_sends(100 + i, i));
		both += soon(guest_got(0, 100 + i, i) || guest_got(1, 100 + i, i));
	}
	is_int(both, 20, "nothing is lost");
	guest_sends(60, 3, 0);
	ok(wire_sees(60, 3), "in the other direction neither");
}

static void test_detach(void)
{
	struct ifreq ifr = { 0 };

	net_detach(c.dev);
	is_int(if_ioctl(SIOCGIFFLAGS, &ifr), -1, "detached: the tap is closed");
	fake_check(open_tap());
	fake_check(net_attach(c.dev, &taps, NULL) == 0);
	(void)close(wire);
	open_wire();
	guest_sends(1000, 4, 0);
	ok(wire_sees(1000, 4), "another one goes on");
}

/* One behind the card after the other, while buffers and packets are under way. */
static void test_change(void)
{
	unsigned int good = 0;
	int other = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	uint64_t n = 0;

	for (unsigned int i = 0; i < 6; i++) {
		vhost = i % 2;
		net_detach(c.dev);
		(void)close(wire);
		fake_check(open_tap());
		fake_check(net_attach(c.dev, &taps, NULL) == 0);
		open_wire();
		guest_sends(500, i, 0);
		good += wire_sees(500, i);
		fake_check(host_sends(600, i));
		good += soon(guest_got(0, 600, i) || guest_got(1, 600, i));
	}
	is_int(good, 12, "thread and vhost in turns, each goes on with the same rings");
	vq_set_call_fd(&c.dev->queues[1], other);
	while (fake_used(&c.q[1], NULL, NULL))
		;
	guest_sends(500, 1, 0);
	ok(soon(read(other, &n, sizeof(n)) == sizeof(n)),
	   "vhost is told of another vector");
	vq_set_call_fd(&c.dev->queues[1], c.q[1].call_fd);
	(void)close(other);
	is_int(c.fd.needs_reset, 0, "nothing is broken");
	fake_offer(&c.q[1], CARD_QUEUE);
	fake_kick(&c.q[1]);
	ok(soon((card_spin(&c), c.fd.needs_reset == 1)),
	   "a malformed ring makes the card NEEDS_RESET");
	card_stop(&c);
	card_start(&c, ALL, FAKE_EVENT_IDX);
	guest_sends(500, 2, 0);
	ok(wire_sees(500, 2), "and a reset mends it");
}

/* run() - Return: false: there are no taps here */
static bool run(void)
{
	if (!open_tap())
		return false;
	(void)printf("# with %s\n", vhost ? "vhost" : "a thread");
	card_init(&c, PAIRS);
	open_wire();
	test_settings();
	test_frames();
	test_segment();
	test_queues();
	test_detach();
	if (vhost)
		test_change();
	card_stop(&c);
	card_release(&c);
	(void)close(wire);
	return true;
}

int main(void)
{
	if (!own_namespace() || !run()) {
		(void)printf("a network namespace with a tap: %s\n", strerror(errno));
		return TAP_SKIP;
	}
	vhost = access("/dev/vhost-net", R_OK | W_OK) == 0;
	if (vhost)
		fake_check(run());
	return tap_done();
}
