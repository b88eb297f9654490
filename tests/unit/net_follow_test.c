/* SPDX-License-Identifier: Apache-2.0 */
/* hull-net in a network namespace: cards, what the agent is told, and what is left. */
#include "tests/unit/net_host.h"
#include "vmm/net/helper/follow.h"

/* Messages about eth0, whose index is 2 and whose card is 0. */
#define LINK(type, flags, name, mtu)                                                     \
	type " 0 0 0000010002000000" flags "000000000000 3=" name                        \
	     " 1=020000000002 4=" mtu " 13=e8030000 27=00000000\n"
#define ADDR(type, a, name)                                                              \
	type " 0 0 0218000002000000 1=" a " 2=" a " 8=80000000 3=" name "\n"
#define ETH0 "6574683000"
#define LONG_NAME "65746830313233343536373839616200" /* eth0123456789ab */

static void test_first(struct net_host *h)
{
	nh_start(h, NULL, 1);
	is_str(nh_settle(h),
	       "add 0 eth0 1\n"
	       "carrier 0 1\n"
	       "16 -1 0 00000403010000000100000000000000 3=6c6f00 4=00000100 13=e8030000 "
	       "27=00000000\n" LINK("16", "0110", ETH0, "dc050000")
		       ADDR("20", "0a010002", ETH0),
	       "loopback and eth0 are told, and nothing else");
	is_str(nh_settle(h), "", "nothing is told twice");
	if (access("/dev/vhost-net", F_OK) == 0) {
		is_int(h->n_fds, 2, "a descriptor for the queue, and one of vhost-net");
		is_int(h->nic.vhost, 1, "the kernel moves the packets");
	} else {
		is_int(h->n_fds, 1, "a descriptor for the queue");
		is_str(h->nic.why, "open /dev/vhost-net: No such file or directory",
		       "why the kernel does not move the packets");
	}
}

/* frame() - of our own type from @from, with @text. */
static size_t frame(char *out, uint8_t to, uint8_t from, const char *text)
{
	struct ethhdr eth = { .h_dest = { 2, 0, 0, 0, 0, to },
			      .h_source = { 2, 0, 0, 0, 0, from },
			      .h_proto = htons(NH_ETHERTYPE) };

	memset(out, 0, NH_VNET_HDR + sizeof(eth) + 46);
	memcpy(out + NH_VNET_HDR, &eth, sizeof(eth));
	memcpy(out + NH_VNET_HDR + sizeof(eth), text, strlen(text));
	return sizeof(eth) + 46;
}

/* arrives() - a frame of @ethertype with @text in it at @fd, @skip bytes in front. */
static bool arrives(int fd, size_t skip, uint16_t ethertype, const char *text,
		    int timeout_ms)
{
	char in[2048];
	struct ethhdr eth;
	ssize_t n;

	while (io_wait_readable(fd, timeout_ms) == 1) {
		n = read(fd, in, sizeof(in));
		if (n < (ssize_t)(skip + sizeof(eth) + strlen(text)))
			continue;
		memcpy(&eth, in + skip, sizeof(eth));
		if (eth.h_proto == htons(ethertype) &&
		    memcmp(in + skip + sizeof(eth), text, strlen(text)) == 0)
			return true;
	}
	return false;
}

static void test_frames(struct net_host *h)
{
	char out[128];
	size_t n = frame(out, 1, 2, "from the guest");

	is_int(write(h->fds[0], out, NH_VNET_HDR + n), NH_VNET_HDR + n,
	       "the tap takes a frame");
	ok(arrives(h->wire, 0, NH_ETHERTYPE, "from the guest", NH_WAIT_MS),
	   "it comes out at the other end of eth0");
	n = frame(out, 2, 1, "to the guest");
	is_int(send(h->wire, out + NH_VNET_HDR, n, 0), n, "a frame for eth0");
	ok(arrives(h->fds[0], NH_VNET_HDR, NH_ETHERTYPE, "to the guest", NH_WAIT_MS),
	   "it comes out of the tap");
}

/* ask_arp() - who has 10.1.0.2? */
static void ask_arp(struct net_host *h)
{
	static const char request[60] = {
		'\xff', '\xff', '\xff', '\xff', '\xff', '\xff', 2, 0, 0, 0, 0,  1, 8, 6,
		0,      1,      8,      0,      6,      4,      0, 1, 2, 0, 0,  0, 0, 1,
		10,     1,      0,      1,      0,      0,      0, 0, 0, 0, 10, 1, 0, 2,
	};

	(void)send(h->wire, request, sizeof(request), 0);
}

/* The start of an ARP reply. */
#define ARP_REPLY "\0\1\10\0\6\4\0\2"

static bool arp_answered(int fd, int timeout_ms)
{
	char in[2048];
	ssize_t n;

	while (io_wait_readable(fd, timeout_ms) == 1) {
		n = read(fd, in, sizeof(in));
		if (n >= 42 && memcmp(in + 12, "\10\6" ARP_REPLY, 10) == 0)
			return true;
	}
	return false;
}

static void test_no_second_responder(struct net_host *h)
{
	ask_arp(h);
	ok(!arp_answered(h->wire, NH_QUIET_MS),
	   "the host does not answer for the guest's address");
	ok(arrives(h->fds[0], NH_VNET_HDR, ETH_P_ARP, "", NH_WAIT_MS),
	   "the guest is asked");
	nh_run("! ip -6 addr show | grep -A3 hull0 | grep -q inet6");
	ok(true, "the tap has no address");
}

static void test_changes(struct net_host *h)
{
	nh_run("ip link set eth0 mtu 1400");
	is_str(nh_settle(h), LINK("16", "0110", ETH0, "78050000"), "another MTU");
	nh_run("ip link show hull0 | grep -q 'mtu 1400'");
	ok(true, "is the tap's, too");
	nh_run("ip link set eth0 mtu 65535");
	is_str(nh_settle(h), LINK("16", "0110", ETH0, "ffff0000"), "the largest MTU");
	nh_run("ip link show hull0 | grep -q 'mtu 65521'");
	ok(true, "is more than a tap may have: it has the most that it may");
	nh_run("ip link set eth0 mtu 1400");
	(void)nh_settle(h);
	nh_run("ip addr add 10.2.0.5/24 dev eth0");
	is_str(nh_settle(h), ADDR("20", "0a020005", ETH0), "one more address");
	nh_run("ip addr del 10.2.0.5/24 dev eth0");
	is_str(nh_settle(h), ADDR("21", "0a020005", ETH0), "one less");
	nh_change(
		h,
		"ip -6 addr add fd00::2/64 dev eth0 && ip route add default via 10.1.0.1 && "
		"ip route add 10.3.0.0/16 dev eth0 scope link && "
		"ip neigh add 10.1.0.9 lladdr 02:00:00:00:00:09 dev eth0 && "
		"ip rule add from 10.9.0.0/16 table 77 prio 100");
	is_str(nh_settle(h),
	       "20 0 0 0a40000002000000 1=fd000000000000000000000000000002 8=82000000\n"
	       "28 0 0 020000000200000080000000 1=0a010009 2=020000000009\n"
	       "24 0 0 02100000fe03fd0100000000 1=0a030000 4=02000000 15=fe000000\n"
	       "24 0 0 02000000fe03000100000000 4=02000000 5=0a010001 15=fe000000\n"
	       "32 0 0 020010004d00000100000000 6=64000000 2=0a090000 15=4d000000 "
	       "14=ffffffff 21=00\n",
	       "an IPv6 address, a neighbour, routes in the order that they need, a rule");
}

static void test_gone_again(struct net_host *h)
{
	nh_run("ip route add 10.4.0.0/16 via 10.1.0.7");
	is_str(nh_settle(h),
	       "24 0 0 02100000fe03000100000000 1=0a040000 4=02000000 5=0a010007 "
	       "15=fe000000\n",
	       "one more route");
	nh_run("ip rule del prio 100");
	is_str(nh_settle(h),
	       "33 0 0 020010004d00000100000000 6=64000000 2=0a090000 15=4d000000 "
	       "14=ffffffff 21=00\n",
	       "a rule goes");
	nh_run("ip -6 addr del fd00::2/64 dev eth0");
	is_str(nh_settle(h),
	       "21 0 0 0a40000002000000 1=fd000000000000000000000000000002 8=82000000\n",
	       "an IPv6 address goes");
	nh_change(h, "ip addr del 10.1.0.2/24 dev eth0");
	is_str(nh_settle(h),
	       "25 0 0 02000000fe03000100000000 4=02000000 5=0a010001 15=fe000000\n"
	       "25 0 0 02100000fe03000100000000 1=0a040000 4=02000000 5=0a010007 "
	       "15=fe000000\n"
	       "25 0 0 02100000fe03fd0100000000 1=0a030000 4=02000000 15=fe000000\n"
	       "29 0 0 020000000200000080000000 1=0a010009 2=020000000009\n" ADDR(
		       "21", "0a010002", ETH0),
	       "an address goes, and before it what the kernel took along");
}

static void test_multipath(struct net_host *h)
{
	nh_run("ip addr add 10.1.0.2/24 dev eth0");
	(void)nh_settle(h);
	nh_change(h,
		  "ip route add 10.5.0.0/16 nexthop via 10.1.0.3 dev eth0 weight 2 "
		  "nexthop via 10.1.0.4 dev eth0 && ip route add blackhole 10.6.0.0/16");
	is_str(nh_settle(h),
	       "24 0 0 02100000fe03000600000000 1=0a060000 15=fe000000\n"
	       "24 0 0 02100000fe03000100000000 1=0a050000 15=fe000000 "
	       "9=1000000102000000080005000a0100031000000002000000080005000a010004\n",
	       "two next hops; one to nowhere");
	nh_change(h, "ip route del 10.5.0.0/16 && ip route del blackhole 10.6.0.0/16");
	(void)nh_settle(h);
}

/* count() - lines of @text that begin with @start. */
static unsigned int count(const char *text, const char *start)
{
	unsigned int n = 0;

	for (const char *line = text; line && *line; line = strchr(line, '\n') + 1)
		n += strncmp(line, start, strlen(start)) == 0;
	return n;
}

static void test_ipv6(struct net_host *h)
{
	nh_change(h, "ip -6 addr add fd00::2/64 dev eth0 nodad && "
		     "ip -6 route add default via fd00::1 && "
		     "ip neigh add proxy fd00::7 dev eth0 && "
		     "ip -6 rule add to fd01::/16 blackhole prio 5");
	is_str(nh_settle(h),
	       "20 0 0 0a40000002000000 1=fd000000000000000000000000000002 8=82000000\n"
	       "28 0 0 0a0000000200000080000800 1=fd000000000000000000000000000007\n"
	       "24 0 0 0a000000fe03000100000000 4=02000000 "
	       "5=fd000000000000000000000000000001 6=00040000 15=fe000000 20=00\n"
	       "32 0 0 0a1000000000000600000000 6=05000000 "
	       "1=fd010000000000000000000000000000 15=00000000 14=ffffffff 21=00\n",
	       "IPv6: an address, a route, a proxy, a rule");
	nh_change(h,
		  "ip -6 rule del prio 5 && ip neigh del proxy fd00::7 dev eth0 && "
		  "ip -6 addr del fd00::2/64 dev eth0 && ip -6 route flush table main");
	is_str(nh_settle(h),
	       "33 0 0 0a1000000000000600000000 6=05000000 "
	       "1=fd010000000000000000000000000000 15=00000000 14=ffffffff 21=00\n"
	       "25 0 0 0a000000fe03000100000000 4=02000000 "
	       "5=fd000000000000000000000000000001 6=00040000 15=fe000000 20=00\n"
	       "29 0 0 0a0000000200000080000800 1=fd000000000000000000000000000007\n"
	       "21 0 0 0a40000002000000 1=fd000000000000000000000000000002 8=82000000\n",
	       "and without them");
}

/* test_many() - more than a packet has room for. */
static void test_many(struct net_host *h)
{
	const char *said;

	nh_change(h,
		  "for i in $(seq 2000); do echo route add 10.128.$((i / 250)).$((i %% "
		  "250))/32 via 10.1.0.1; done | ip -batch -");
	said = nh_settle(h);
	is_int(count(said, "24 "), 2000, "2000 routes");
	is_int(count(said, ""), 2000, "and nothing else");
	nh_change(h, "ip route flush root 10.128.0.0/16");
	is_int(count(nh_settle(h), "25 "), 2000, "which go again");
}

static void test_link(struct net_host *h)
{
	const char *said;

	nh_change(h, "ip link set eth0 down && ip link set eth0 name eth0123456789ab && "
		     "ip link set eth0123456789ab up");
	is_str(nh_settle(h),
	       LINK("16", "0110", LONG_NAME, "78050000")
		       ADDR("20", "0a010002", LONG_NAME),
	       "a name of 15 bytes, and the label that follows it");
	nh_change(
		h,
		"ip link set eth0123456789ab down && ip link set eth0123456789ab name eth0 && "
		"ip link set eth0 up");
	(void)nh_settle(h);
	nh_run("ip route add 10.7.0.0/16 via 10.1.0.1");
	(void)nh_settle(h);
	nh_change(h, "ip link set eth0 down && ip link set eth0 name eth9 && "
		     "ip link set eth9 up && ip route add 10.7.0.0/16 via 10.1.0.1");
	is_str(nh_settle(h),
	       LINK("16", "0110", "6574683900", "78050000") ADDR(
		       "20", "0a010002",
		       "6574683900") "24 0 0 02100000fe03000100000000 1=0a070000 4=02000000 "
				     "5=0a010001 15=fe000000\n",
	       "with another name all that stands on it is told again");
	nh_change(h, "ip link set eth9 down && ip link set eth9 name eth0 && "
		     "ip link set eth0 up");
	(void)nh_settle(h);
	nh_run("ip link set eth0 arp off");
	is_str(nh_settle(h), LINK("16", "8110", ETH0, "78050000"), "IFF_NOARP");
	nh_run("ip link set eth0 arp on");
	(void)nh_settle(h);
	nh_write("/proc/sys/net/ipv6/conf/eth0/disable_ipv6", "1");
	said = nh_settle(h);
	ok(strstr(said, "16 0 1 ") == said, "no IPv6 there");
}

/* Without being asked: an event wakes it. */
static void test_events(struct net_host *h)
{
	buf_release(&h->said);
	(void)setns(h->outer, CLONE_NEWNET);
	nh_run("ip link set p0 down");
	is_int(nh_hear(h, NH_WAIT_MS), NET_CARRIER, "the carrier goes");
	nh_run("ip link set p0 up");
	is_int(nh_hear(h, NH_WAIT_MS), NET_CARRIER, "and comes");
	is_str(h->said.data, "carrier 0 0\ncarrier 0 1\n", "of card 0");
	(void)setns(h->inner, CLONE_NEWNET);
	is_str(nh_settle(h), "", "nothing else has changed");
}

/* test_vanishes() - eth0 goes; another one that comes has its card. */
static void test_vanishes(struct net_host *h)
{
	const char *said;

	nh_change(h, "ip link set eth0 netns /proc/%d/fd/%d", (int)getpid(), h->outer);
	is_str(nh_settle(h),
	       ADDR("21", "0a010002", ETH0) "17 0 1 00000100020000000110000000000000 "
					    "3=6574683000 1=020000000002 4=78050000 "
					    "13=e8030000 27=00000000\nremove 0\n",
	       "the agent leaves the card before it goes");
	nh_close_fds(h);
	(void)setns(h->outer, CLONE_NEWNET);
	nh_run("! tc filter show dev eth0 ingress | grep -q . && "
	       "ip link set eth0 netns /proc/%d/fd/%d",
	       (int)getpid(), h->inner);
	(void)setns(h->inner, CLONE_NEWNET);
	said = nh_settle(h);
	ok(strstr(said, "add 0 eth0 1\ncarrier 0 ") == said, "it comes back");
}

int main(void)
{
	bool answers = false;
	struct net_host h;

	if (!nh_usable())
		return TAP_SKIP;
	nh_init(&h);
	for (int n = 0; n < 20 && !answers; n++) { /* not before the link is there */
		ask_arp(&h);
		answers = arp_answered(h.wire, NH_WAIT_MS / 20);
	}
	ok(answers, "before, the host answers for eth0");
	test_first(&h);
	test_frames(&h);
	test_no_second_responder(&h);
	test_changes(&h);
	test_gone_again(&h);
	test_multipath(&h);
	test_ipv6(&h);
	test_many(&h);
	test_link(&h);
	test_events(&h);
	test_vanishes(&h);
	is_int(nh_end(&h), 0, "hull-net ends with hull-vmm");
	buf_release(&h.said);
	return tap_done();
}
