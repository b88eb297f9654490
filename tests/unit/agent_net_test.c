/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the host tells of the network, applied in a namespace of this machine.  A veth
 * with the address of a card stands for the card.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include "lib/err.h"
#include "rootfs/agent/net.h"
#include "tests/unit/net_messages.h"

static struct net *net;

static void run(const char *command)
{
	if (system(command) != 0)
		(void)printf("# failed: %s\n", command);
}

/* card() - a veth that looks as the kernel makes a card; its other end is peerN */
static void card(unsigned int number, const char *name)
{
	char command[256];

	(void)!snprintf(command, sizeof(command),
			"ip link add %s address 02:68:75:6c:6c:%02x type veth peer name "
			"peer%u && ip link set peer%u up",
			name, number, number, number);
	run(command);
}

/* apply() - and release; the text of the error is in @text */
static int apply(struct buf *b, char text[ERR_MSG_SIZE])
{
	struct err err = ERR_INIT;
	int ret = net_apply(net, b->data, b->len, &err);

	if (text)
		memcpy(text, err.msg, ERR_MSG_SIZE);
	else if (ret < 0)
		(void)printf("# %s\n", err.msg);
	buf_release(b);
	return ret;
}

static void applies(struct buf *b, const char *name)
{
	is_int(apply(b, NULL), 0, "%s", name);
}

static void fails(struct buf *b, const char *want, const char *name)
{
	char text[ERR_MSG_SIZE];

	ok(apply(b, text) < 0, "%s fails", name);
	is_str(text, want, "%s: why", name);
}

/* begin() - two cards in a namespace that nobody has seen before */
static void begin(void)
{
	struct err err = ERR_INIT;

	(void)unshare(CLONE_NEWNET);
	run("ip link set lo up");
	card(0, "eth0");
	card(1, "eth1");
	is_int(net_new(-1, &net, &err), 0, "a network");
}

static void end(void)
{
	net_free(net);
	net = NULL;
}

/* two_links() - eth0 is card 1 and eth1 card 0: the other way round than at boot */
static void two_links(struct buf *b)
{
	const struct told_link first = {
		.type = RTM_NEWLINK,
		.index = 7,
		.card = 1,
		.name = "eth0",
		.flags = IFF_UP | IFF_MULTICAST,
		.mtu = 1400,
		.mac = 0x11,
	};

	say_link(b, RTM_NEWLINK, 1, AGENT_NIC_NONE, "lo", IFF_UP);
	say_told(b, &first);
	say_link(b, RTM_NEWLINK, 9, 0, "eth1", IFF_UP | IFF_MULTICAST);
	say_address(b, RTM_NEWADDR, 7, "10.1.0.2", 24);
	say_address(b, RTM_NEWADDR, 7, "fd00:1::2", 64);
	say_address(b, RTM_NEWADDR, 9, "10.2.0.2", 24);
	say_address(b, RTM_NEWADDR, 9, "fd00:2::2", 64);
}

static void test_links(void)
{
	struct buf b = BUF_INIT;

	two_links(&b);
	applies(&b, "two interfaces");
	shows("ip link show eth0", "link/ether 0a:00:00:00:00:11", "card 1 is eth0");
	shows("ip link show eth0", "mtu 1400", "with its MTU");
	shows("ip link show eth0", ",UP", "and up");
	shows("ip link show eth1", "02:68:75:6c:6c:00", "card 0 is eth1");
	shows("ip addr show eth0", "inet 10.1.0.2/24", "an IPv4 address");
	shows("ip addr show eth0", "inet6 fd00:1::2/64", "one of IPv6");
	shows_not("ip addr show eth0", "tentative", "that can be used at once");
	shows_not("ip addr show eth0", "fe80", "and none that was not told");
	shows("ip -d link show eth0", "addrgenmode none", "nor will be");
	shows("ip addr show eth1", "inet 10.2.0.2/24", "the other's address");
	two_links(&b);
	applies(&b, "the same once more");
}

static void test_link_changes(void)
{
	struct told_link t = {
		.type = RTM_NEWLINK,
		.index = 7,
		.card = 1,
		.name = "eth0",
		.flags = IFF_UP | IFF_MULTICAST | IFF_NOARP | IFF_PROMISC | IFF_ALLMULTI,
		.mtu = 1300,
		.mac = 0x12,
		.agent_flags = AGENT_LINK_NO_IPV6,
	};
	struct buf b = BUF_INIT;

	say_told(&b, &t);
	applies(&b, "changes");
	shows("ip link show eth0", "mtu 1300", "another MTU");
	shows("ip link show eth0", "0a:00:00:00:00:12", "another address");
	shows("ip link show eth0", "NOARP", "without ARP");
	shows("ip link show eth0", "PROMISC", "promiscuous");
	shows("ip link show eth0", "ALLMULTI", "all multicast");
	shows("cat /proc/sys/net/ipv6/conf/eth0/disable_ipv6", "1", "no IPv6");
	t.flags = IFF_MULTICAST;
	t.agent_flags = 0;
	say_told(&b, &t);
	applies(&b, "back");
	shows("cat /proc/sys/net/ipv6/conf/eth0/disable_ipv6", "0", "IPv6 again");
	shows_not("ip link show eth0", "NOARP", "ARP again");
	shows_not("ip link show eth0", ",UP", "down");
}

static void test_swap(void)
{
	struct buf b = BUF_INIT;

	two_links(&b);
	applies(&b, "as before");
	say_link(&b, RTM_NEWLINK, 7, 1, "eth1", IFF_UP | IFF_MULTICAST);
	say_link(&b, RTM_NEWLINK, 9, 0, "eth0", IFF_UP | IFF_MULTICAST);
	applies(&b, "the names swap");
	shows("ip addr show eth1", "10.1.0.2", "one");
	shows("ip addr show eth0", "10.2.0.2", "the other");
	shows_not("ip link", "card", "none is left with a spare name");
	two_links(&b);
	applies(&b, "and back");
	run("ip link add br0 type bridge");
	say_link(&b, RTM_NEWLINK, 7, 1, "br0", IFF_UP | IFF_MULTICAST);
	fails(&b, "network: br0: name: File exists", "a name of the container's own");
	run("ip link del br0");
	two_links(&b);
	applies(&b, "and back again");
}

static void test_delete(void)
{
	struct buf b = BUF_INIT;

	say_link(&b, RTM_DELLINK, 7, 0, "eth0", 0);
	applies(&b, "an interface is no more");
	shows_not("ip addr", "10.1.0.2", "its addresses have gone");
	shows("ip link", "02:68:75:6c:6c:01", "the card has its own address");
	shows_not("ip link", "eth0", "the name is free");
	say_link(&b, RTM_DELLINK, 7, 0, "eth0", 0);
	say_address(&b, RTM_DELADDR, 7, "10.1.0.2", 24);
	applies(&b, "once more is fine");
	say_address(&b, RTM_NEWADDR, 7, "10.1.0.2", 24);
	fails(&b, "network: address 10.1.0.2/24 of interface 7: interface 7 was not told",
	      "an address of it");
	say_link(&b, RTM_NEWLINK, 20, 1, "net1", IFF_UP | IFF_MULTICAST);
	applies(&b, "the card is another");
	shows("ip link show net1", "02:68:75:6c:6c:01", "so it is");
	say_link(&b, RTM_NEWLINK, 21, 5, "eth5", IFF_UP);
	fails(&b, "network: card 5: it is not there", "a card that is nowhere");
	say_link(&b, RTM_DELLINK, 20, 1, "net1", 0);
	say_link(&b, RTM_DELLINK, 9, 0, "eth1", 0);
	applies(&b, "nothing is left");
	say_link(&b, RTM_NEWLINK, 5, AGENT_NIC_NONE, "lo", 0);
	applies(&b, "lo goes down");
	shows("ip link show lo", "state DOWN", "so it does");
	run("ip link set lo up");
}

static void test_routes(void)
{
	const int hops[] = { 7, 9 };
	const char *const via4[] = { "10.1.0.1", "10.2.0.1" };
	const char *const via6[] = { "fd00:1::1", "fd00:2::1" };
	const struct told_route routes[] = {
		{ RTM_NEWROUTE, "169.254.1.1", 32, .index = 7, .scope = RT_SCOPE_LINK },
		{ RTM_NEWROUTE, NULL, .via = "192.0.2.1", .index = 7, .metric = 300,
		  .flags = RTNH_F_ONLINK | RTNH_F_LINKDOWN | RTNH_F_OFFLOAD },
		{ RTM_NEWROUTE, "10.99.0.0", 16, .kind = RTN_BLACKHOLE },
		{ RTM_NEWROUTE, "fd99::", 16, .index = 1, .kind = RTN_BLACKHOLE },
		{ RTM_NEWROUTE, "fd50::", 32, .index = 7, .metric = 512 },
		{ RTM_NEWROUTE, "fd50::", 32, .index = 9, .metric = 512 },
		{ RTM_NEWROUTE, "fd51::", 32, "fd00:1::1", .index = 7 },
		{ RTM_NEWROUTE, "10.1.0.0", 24, .index = 7, .scope = RT_SCOPE_LINK,
		  .protocol = RTPROT_KERNEL },
	};
	struct told_route gone = { RTM_DELROUTE, "10.99.0.0", 16, .kind = RTN_BLACKHOLE };
	struct buf b = BUF_INIT;

	for (unsigned int times = 0; times < 2; times++) {
		two_links(&b);
		for (unsigned int i = 0; i < sizeof(routes) / sizeof(*routes); i++)
			say_route(&b, &routes[i]);
		say_hops(&b, hops, via4, RTNH_F_DEAD);
		say_hops(&b, hops, via6, 0);
		applies(&b, times ? "the same routes again" : "routes");
	}
	shows("ip route", "169.254.1.1 dev eth0 scope link", "to a host");
	shows("ip route", "default via 192.0.2.1 dev eth0 metric 300 onlink",
	      "a gateway that is in no subnet");
	shows("ip route", "blackhole 10.99.0.0/16", "to nowhere");
	shows("ip -6 route", "blackhole fd99::/16", "to nowhere with IPv6");
	shows("ip -6 route", "fd50::/32 dev eth0 metric 512", "the same to one card");
	shows("ip -6 route", "fd50::/32 dev eth1 metric 512", "and to the other");
	shows("ip -6 route", "fd51::/32 via fd00:1::1 dev eth0", "by a gateway");
	shows("ip route", "nexthop via 10.1.0.1 dev eth0", "the first of two hops");
	shows("ip route", "nexthop via 10.2.0.1 dev eth1", "the second");
	shows("ip -6 route", "nexthop via fd00:2::1 dev eth1", "and with IPv6");
	say_route(&b, &gone);
	say_route(&b, &gone);
	applies(&b, "one is no more");
	shows_not("ip route", "blackhole", "so it is");
}

static void test_neighbours_and_rules(void)
{
	struct buf b = BUF_INIT;

	say_neighbour(&b, RTM_NEWNEIGH, 7, "10.1.0.77");
	say_neighbour(&b, RTM_NEWNEIGH, 7, "fd00:1::77");
	say_rule(&b, RTM_NEWRULE, AF_INET, 200);
	say_rule(&b, RTM_NEWRULE, AF_INET, 200);
	applies(&b, "neighbours and a rule");
	shows("ip neigh", "10.1.0.77 dev eth0 lladdr 0a:01:02:03:04:05 PERMANENT",
	      "a neighbour");
	shows("ip -6 neigh", "fd00:1::77 dev eth0 lladdr 0a:01:02:03:04:05", "another");
	shows("ip rule", "200:	from all lookup 100", "a rule");
	say_neighbour(&b, RTM_DELNEIGH, 7, "10.1.0.77");
	say_neighbour(&b, RTM_DELNEIGH, 7, "10.1.0.77");
	say_rule(&b, RTM_DELRULE, AF_INET, 200);
	say_rule(&b, RTM_DELRULE, AF_INET, 200);
	say_address(&b, RTM_DELADDR, 7, "fd00:1::2", 64);
	say_address(&b, RTM_DELADDR, 7, "fd00:1::2", 64);
	applies(&b, "they are no more, which may be told twice");
	shows_not("ip neigh", "10.1.0.77", "the neighbour");
	shows_not("ip rule", "200:", "the rule");
	shows_not("ip addr", "fd00:1::2", "an address");
}

static void test_errors(void)
{
	const struct told_route far = { RTM_NEWROUTE, "10.50.0.0", 16, "192.0.2.9",
					.index = 7 };
	struct buf b = BUF_INIT;

	say_route(&b, &far);
	say_address(&b, RTM_NEWADDR, 99, "10.3.0.2", 24);
	say_address(&b, RTM_NEWADDR, 7, "10.3.0.2", 24);
	fails(&b,
	      "network: route 10.50.0.0/16 via 192.0.2.9 of eth0: Network is "
	      "unreachable: Nexthop has invalid gateway",
	      "a gateway that is nowhere");
	shows("ip addr show eth0", "10.3.0.2/24", "what follows is done all the same");
	say_rule(&b, RTM_NEWRULE, AF_PACKET, 5);
	fails(&b, "network: rule 5: Address family not supported by protocol",
	      "another family");
	say_link(&b, 1000, 7, 0, "x", 0);
	fails(&b, "network: message of type 1000", "another message");
	say_link(&b, RTM_NEWLINK, 7, 99, "x", 0);
	fails(&b, "network: malformed message of a link", "a card that cannot be");
}

/* test_cuts() - every message cut at every length, and each length in it changed */
static void test_cuts(void)
{
	const int hops[] = { 7, 9 };
	const char *const via[] = { "10.1.0.1", "10.2.0.1" };
	struct err err = ERR_INIT;
	struct buf b = BUF_INIT;
	unsigned int wrong = 0;
	struct nlmsghdr head;
	char *copy;

	two_links(&b);
	say_hops(&b, hops, via, 0);
	say_neighbour(&b, RTM_NEWNEIGH, 7, "10.1.0.77");
	say_rule(&b, RTM_NEWRULE, AF_INET, 200);
	for (size_t at = 0; at < b.len; at += NLMSG_ALIGN(head.nlmsg_len)) {
		memcpy(&head, b.data + at, sizeof(head));
		for (uint32_t cut = 0; cut < head.nlmsg_len; cut++) {
			/* Its own block: a sanitizer sees what is read behind it. */
			copy = malloc(cut + 1);
			memcpy(copy, b.data + at, cut);
			if (cut && net_apply(net, copy, cut, &err) != -EPROTO)
				wrong++; /* the header says more than there is */
			if (cut >= sizeof(head)) {
				memcpy(copy, &cut, sizeof(cut)); /* nlmsg_len */
				(void)net_apply(net, copy, cut, &err);
			}
			free(copy);
		}
	}
	is_int(wrong, 0, "messages cut short are malformed");
	copy = malloc(b.len);
	for (size_t at = 0; at + 2 <= b.len; at += 2) {
		static const uint16_t lengths[] = { 0, 1, 3, 5, 0x7fff, 0xffff };

		for (unsigned int i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
			memcpy(copy, b.data, b.len);
			memcpy(copy + at, &lengths[i], sizeof(lengths[i]));
			(void)net_apply(net, copy, b.len, &err);
		}
	}
	ok(true, "odd lengths everywhere");
	free(copy);
	buf_release(&b);
}

/* test_other_namespace() - the card appears in the agent's and is needed in another */
static void test_other_namespace(void)
{
	struct err err = ERR_INIT;
	struct buf b = BUF_INIT;
	int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	int ns;

	if (unshare(CLONE_NEWNET) < 0)
		return;
	ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	run("ip link add card0 type bridge"); /* a spare name that is taken */
	(void)setns(own, CLONE_NEWNET);
	card(0, "eth0");
	is_int(net_new(ns, &net, &err), 0, "a network in another namespace");
	say_link(&b, RTM_NEWLINK, 7, 0, "eth0", IFF_UP | IFF_MULTICAST);
	say_address(&b, RTM_NEWADDR, 7, "10.1.0.2", 24);
	applies(&b, "an interface of it");
	shows_not("ip link", "02:68:75:6c:6c:00", "the card has left");
	(void)setns(ns, CLONE_NEWNET);
	shows("ip addr show eth0", "10.1.0.2/24", "and is there");
	(void)setns(own, CLONE_NEWNET);
	say_link(&b, RTM_DELLINK, 7, 0, "eth0", 0);
	applies(&b, "it is no more");
	shows("ip link", "02:68:75:6c:6c:00", "the card is back");
	shows_not("ip addr", "10.1.0.2", "without an address");
	net_free(net);
	net = NULL;
	run("ip link del peer0");
	(void)close(ns);
	(void)close(own);
}

int main(void)
{
	if (geteuid() != 0 || unshare(CLONE_NEWNET) < 0) {
		(void)printf("needs root\n");
		return TAP_SKIP;
	}
	begin();
	test_links();
	test_link_changes();
	test_swap();
	test_routes();
	test_neighbours_and_rules();
	test_errors();
	test_cuts();
	end();
	begin();
	test_links();
	test_delete();
	end();
	(void)unshare(CLONE_NEWNET);
	test_other_namespace();
	return tap_done();
}
