/* SPDX-License-Identifier: Apache-2.0 */
/* Rate limits and the anti-spoof filter at a tap, and how they change. */
#include <net/if_arp.h>

#include "tests/unit/net_host.h"

/* What the kernel has of act_police is looked for where it is; some have none. */
static bool has_police;

static void find_police(void)
{
	has_police =
		system("ip link add z0 type veth peer name z1 && tc qdisc add dev z0 ingress && "
		       "tc filter add dev z0 parent ffff: matchall action police rate 1mbit "
		       "burst 64k conform-exceed drop/continue 2>/dev/null") == 0;
	nh_run("ip link del z0");
}

/* limit() - ask for limits. Return: the errno of the answer, or -1; h->said has why */
static int limit(struct net_host *h, uint64_t rx, uint64_t tx, bool antispoof)
{
	const struct net_limits limits = { .rx = rx, .tx = tx, .antispoof = antispoof };
	const struct net_msg ask = { .type = NET_LIMIT };
	char packet[sizeof(ask) + sizeof(limits)];
	struct net_msg *in;
	char answer[1024];
	ssize_t n;

	memcpy(packet, &ask, sizeof(ask));
	memcpy(packet + sizeof(ask), &limits, sizeof(limits));
	(void)sock_send(h->sock, packet, sizeof(packet), NULL, 0);
	if (io_wait_readable(h->sock, NH_WAIT_MS) != 1)
		return -1;
	n = sock_recv(h->sock, answer, sizeof(answer) - 1, NULL, NULL);
	in = (struct net_msg *)(void *)answer;
	if (n < (ssize_t)sizeof(*in) || in->type != NET_LIMITED)
		return -1;
	answer[n] = 0;
	buf_release(&h->said);
	(void)buf_puts(&h->said, in->payload);
	return (int)in->arg;
}

static bool shows(const char *command, const char *part)
{
	auto_free char *text = nh_output(command);
	bool found = text && strstr(text, part);

	if (!found)
		(void)printf("# %s: %s\n", command, text ? text : "");
	return found;
}

#define QDISC "tc qdisc show dev hull0"
#define FILTERS "tc filter show dev hull0 ingress"

static void test_rates(struct net_host *h)
{
	ok(!shows(QDISC, "tbf"), "no limit to begin with");
	is_int(limit(h, 8000000, 0, false), 0, "a limit of what is received");
	ok(shows(QDISC, "tbf 1: root refcnt 2 rate 8Mbit burst 128Kb"),
	   "is a bucket before the guest");
	is_int(limit(h, 80000000000, 0, false), 0, "another");
	ok(shows(QDISC, "rate 80Gbit"), "in its place, beyond 32 bits");
	is_int(limit(h, 0, 0, false), 0, "none");
	ok(!shows(QDISC, "tbf"), "and none is there");
	if (!has_police) {
		is_int(limit(h, 64000, 64000, false), ENOTSUP,
		       "a limit of what is sent, on a host without police");
		is_str(h->said.data,
		       "network interface 'eth0': limit what the container sends: this "
		       "host's tc has no police",
		       "says why");
		ok(!shows(QDISC, "tbf"), "and nothing has changed");
		return;
	}
	is_int(limit(h, 64000, 64000, false), 0, "of what is sent, too");
	ok(shows(FILTERS, "rate 64Kbit"), "is a policer");
	is_int(limit(h, 64000, 1000000000000, false), 0, "another");
	ok(shows(FILTERS, "rate 1Tbit"), "in its place");
	is_int(limit(h, 0, 0, false), 0, "none");
	ok(!shows(FILTERS, "police"), "and none is there");
}

#define GUEST "\2\0\0\0\0\2"
#define OTHER "\2\0\0\0\0\3"

/* arp() - an announcement of 10.1.0.@last by @from, at @mac; does it come out? */
static bool arp(struct net_host *h, const char *from, const char *mac, uint8_t last)
{
	static uint8_t serial;
	uint8_t out[NH_VNET_HDR + 60] = { 0 };
	uint8_t *at = out + NH_VNET_HDR;
	char in[2048];
	ssize_t n;

	memset(at, 0xff, ETH_ALEN);
	memcpy(at + 6, from, ETH_ALEN);
	memcpy(at + 12, "\10\6\0\1\10\0\6\4\0\1", 10);
	memcpy(at + 22, mac, ETH_ALEN);
	memcpy(at + 28, "\12\1\0", 3);
	at[31] = last;
	at[41] = ++serial; /* of the target: to tell them apart */
	if (write(h->fds[0], out, sizeof(out)) != (ssize_t)sizeof(out))
		return false;
	while (io_wait_readable(h->wire, NH_QUIET_MS) == 1) {
		n = read(h->wire, in, sizeof(in));
		if (n >= 42 && memcmp(in + 12, "\10\6", 2) == 0 && in[41] == (char)serial)
			return true;
	}
	return false;
}

static void test_guard(struct net_host *h)
{
	ok(arp(h, OTHER, OTHER, 9), "everything comes out");
	is_int(limit(h, 0, 0, true), 0, "a filter");
	ok(shows(FILTERS, "pref 26737 bpf"), "before the redirection");
	ok(arp(h, GUEST, GUEST, 2), "our own comes out");
	ok(!arp(h, OTHER, GUEST, 2), "not from another hardware address");
	ok(!arp(h, GUEST, OTHER, 2), "nor for one");
	ok(!arp(h, GUEST, GUEST, 9), "nor of another's address");
	nh_run("ip addr add 10.1.0.9/24 dev eth0");
	(void)nh_settle(h);
	ok(arp(h, GUEST, GUEST, 9), "until it is ours");
	nh_run("ip addr del 10.1.0.9/24 dev eth0");
	(void)nh_settle(h);
	ok(!arp(h, GUEST, GUEST, 9), "and no longer");
	nh_run("ip link set eth0 address 02:00:00:00:00:03");
	(void)nh_settle(h);
	ok(arp(h, OTHER, OTHER, 2) && !arp(h, GUEST, GUEST, 2),
	   "another hardware address of the interface's");
	nh_run("ip link set eth0 address 02:00:00:00:00:02");
	(void)nh_settle(h);
	is_int(limit(h, 0, 0, false), 0, "no filter");
	ok(arp(h, OTHER, OTHER, 9), "everything comes out again");
}

/* test_first() - what is there from the start, and holds for another interface. */
static void test_first(struct net_host *h)
{
	const char *said;
	int first;

	h->limits = (struct net_limits){ .rx = 8000000, .antispoof = 1 };
	nh_start(h, NULL, 1);
	said = nh_settle(h);
	ok(strstr(said, "add 0 eth0 1\n") == said, "a card");
	ok(shows(QDISC, "rate 8Mbit"), "with a limit");
	ok(arp(h, GUEST, GUEST, 2) && !arp(h, GUEST, GUEST, 9), "and a filter");
	first = h->fds[0]; /* or the next card's would take its place */
	h->n_fds = 0;
	nh_change(h,
		  "ip link add v1 type veth peer name w1 netns /proc/%d/fd/%d && "
		  "ip addr add 10.3.0.1/24 dev v1 && ip link set v1 up",
		  (int)getpid(), h->outer);
	said = nh_settle(h);
	ok(strstr(said, "add 1 v1 1\n") != NULL, "another card: %s", said);
	ok(shows("tc qdisc show dev hull1", "rate 8Mbit"), "as another one has");
	ok(shows("tc filter show dev hull1 ingress", "bpf"), "that comes later");
	nh_run("ip link del v1");
	(void)nh_settle(h);
	close_fd(first);
	is_int(nh_end(h), 0, "the end");
}

/* test_jail() - the program itself, whose filter allows what that needs. */
static void test_jail(struct net_host *h, const char *program)
{
	h->limits = (struct net_limits){ .rx = 8000000, .antispoof = 1 };
	nh_start(h, program, 2);
	(void)nh_settle(h);
	ok(shows(QDISC, "rate 8Mbit") && shows(FILTERS, "bpf"), "in the jail, too");
	is_int(limit(h, 0, 0, false), 0, "and it changes them");
	ok(!shows(QDISC, "tbf") && !shows(FILTERS, "bpf"), "there");
	is_int(nh_end(h), 0, "the end of the program");
}

static void test_wrong(struct net_host *h)
{
	h->limits = (struct net_limits){ 0 };
	nh_start(h, NULL, 1);
	(void)nh_settle(h);
	is_int(limit(h, 1, 0, false), -1, "a rate that hull-vmm must not ask for");
	is_int(nh_end(h), 1 << 8, "is its end");
}

int main(int argc, char **argv)
{
	char program[4096];
	struct net_host h;

	(void)argc;
	if (!nh_usable())
		return TAP_SKIP;
	if (!nh_find_program(argv[0], program, sizeof(program)))
		return 1;
	nh_init(&h);
	find_police();
	nh_start(&h, NULL, 1);
	(void)nh_settle(&h);
	test_rates(&h);
	test_guard(&h);
	is_int(nh_end(&h), 0, "hull-net ends with hull-vmm");
	test_first(&h);
	test_jail(&h, program);
	test_wrong(&h);
	buf_release(&h.said);
	return tap_done();
}
