/* SPDX-License-Identifier: Apache-2.0 */
/* Netlink messages: built, taken apart, and what the kernel says to them. */
#include "rootfs/agent/netlink.h"

#include <errno.h>
#include <sched.h>
#include <unistd.h>

#include "lib/err.h"
#include "tests/unit/net_messages.h"

static void test_built(void)
{
	const struct ifinfomsg ifi = { .ifi_index = 5 };
	struct buf b = BUF_INIT;
	struct netlink_walk w;
	struct netlink_walk nest;
	struct netlink_in in;
	struct netlink_attr a;
	struct netlink_msg m;
	struct ifinfomsg got;
	uint32_t value = 0;
	size_t place;

	netlink_begin(&m, RTM_NEWLINK, 0, &ifi, sizeof(ifi));
	netlink_put_text(&m, IFLA_IFNAME, "eth0");
	place = netlink_nest(&m, IFLA_AF_SPEC);
	netlink_put_u32(&m, 3, 77);
	netlink_nest_end(&m, place);
	say(&b, &m, 1, 2);
	w = (struct netlink_walk){ b.data, b.len };
	is_int(netlink_next(&w, &in), 1, "a message");
	is_int(in.head.nlmsg_type, RTM_NEWLINK, "its type");
	is_int(netlink_body(&in, &got, sizeof(got)), 0, "its fixed part");
	is_int(got.ifi_index, 5, "as it was given");
	w = netlink_attrs(&in, sizeof(got));
	is_int(netlink_next_attr(&w, &a), 1, "an attribute");
	is_str(a.data, "eth0", "its text");
	is_int(a.len, 5, "with the end");
	is_int(netlink_u32(&a, &value), 0, "long enough for a number");
	is_int(netlink_next_attr(&w, &a), 1, "another");
	is_int(a.type, IFLA_AF_SPEC, "without the flag of a nest");
	nest = (struct netlink_walk){ a.data, a.len };
	is_int(netlink_next_attr(&nest, &a), 1, "one in it");
	is_int(netlink_u32(&a, &value), 0, "a number");
	is_int(value, 77, "as it was given");
	is_int(netlink_next_attr(&nest, &a), 0, "no more in it");
	is_int(netlink_next_attr(&w, &a), 0, "no more behind it");
	a.len = 3;
	is_int(netlink_u32(&a, &value), -EPROTO, "too short for a number");
	buf_release(&b);
}

static void test_bounds(void)
{
	static const char much[70000];
	struct err err = ERR_INIT;
	struct netlink_msg m;
	size_t place;

	netlink_begin(&m, RTM_NEWLINK, 0, NULL, 0);
	for (unsigned int i = 0; i < NETLINK_MAX / 8 - 2; i++)
		netlink_put_u32(&m, 1, i);
	ok(!m.full, "up to the last byte");
	is_int(m.len, NETLINK_MAX, "so it is");
	place = netlink_nest(&m, 2);
	netlink_nest_end(&m, place);
	ok(m.full && m.len == NETLINK_MAX, "a nest behind it is remembered");
	is_int(netlink_talk(-1, &m, NULL, NULL, &err), -EMSGSIZE, "and not sent");
	is_str(err.msg, "Message too long", "which is told");
	netlink_begin(&m, RTM_NEWLINK, 0, NULL, 0);
	netlink_put(&m, 1, much, sizeof(much));
	ok(m.full, "longer than an attribute can be");
	netlink_begin(&m, RTM_NEWLINK, 0, NULL, 0);
	netlink_put(&m, 1, much, UINT16_MAX - 4);
	ok(m.full, "longer than a message can be");
}

static void test_malformed(void)
{
	struct buf b = BUF_INIT;
	struct netlink_in in;
	struct netlink_attr a;
	unsigned int wrong = 0;

	say_address(&b, RTM_NEWADDR, 3, "fd00::1", 64);
	for (size_t cut = 1; cut < b.len; cut++) {
		struct netlink_walk w = { b.data, cut };

		wrong += netlink_next(&w, &in) != -EPROTO;
	}
	is_int(wrong, 0, "a message that is cut");
	for (uint16_t len = 0; len < 4; len++) {
		struct netlink_walk w = { (const char *)&len, sizeof(len) };
		uint16_t both[2] = { len, 1 };

		wrong += netlink_next_attr(&w, &a) != -EPROTO;
		w = (struct netlink_walk){ (const char *)both, sizeof(both) };
		wrong += netlink_next_attr(&w, &a) != -EPROTO;
	}
	is_int(wrong, 0, "an attribute shorter than its header");
	buf_release(&b);
}

static int count_lo(const struct netlink_in *in, void *opaque)
{
	*(unsigned int *)opaque += in->head.nlmsg_type == RTM_NEWLINK;
	return 0;
}

static int refuse(const struct netlink_in *in, void *opaque)
{
	(void)in;
	(void)opaque;
	return -EPROTO;
}

static void test_kernel(void)
{
	const struct ifinfomsg all = { .ifi_family = AF_UNSPEC };
	struct ifinfomsg ifi = { .ifi_index = 1 };
	struct err err = ERR_INIT;
	unsigned int links = 0;
	struct netlink_msg m;
	int fd;

	if (geteuid() != 0 || unshare(CLONE_NEWNET) < 0) {
		ok(true, "the kernel is asked by root # SKIP");
		return;
	}
	fd = netlink_open(&err);
	ok(fd >= 0, "a socket");
	netlink_begin(&m, RTM_GETLINK, NLM_F_DUMP, &all, sizeof(all));
	is_int(netlink_talk(fd, &m, count_lo, &links, &err), 0, "a list");
	is_int(links, 1, "of one");
	netlink_begin(&m, RTM_GETLINK, NLM_F_DUMP, &all, sizeof(all));
	is_int(netlink_talk(fd, &m, refuse, NULL, &err), -EPROTO, "one that is refused");
	netlink_begin(&m, RTM_GETLINK, 0, &ifi, sizeof(ifi));
	is_int(netlink_talk(fd, &m, count_lo, &links, &err), 0, "one, then the end");
	is_int(links, 2, "so it is");
	ifi.ifi_index = 1234;
	netlink_begin(&m, RTM_NEWLINK, 0, &ifi, sizeof(ifi));
	is_int(netlink_talk(fd, &m, NULL, NULL, &err), -ENODEV, "what is not there");
	is_str(err.msg, "No such device", "the reason");
	ifi.ifi_index = 1;
	netlink_begin(&m, RTM_NEWLINK, 0, &ifi, sizeof(ifi));
	netlink_put_u32(&m, IFLA_MTU, 0xffffffff);
	is_int(netlink_talk(fd, &m, NULL, NULL, &err), -EINVAL, "what cannot be");
	is_str(err.msg, "Invalid argument: mtu less than device minimum",
	       "the reason in the kernel's words");
	(void)close(fd);
}

int main(void)
{
	test_built();
	test_bounds();
	test_malformed();
	test_kernel();
	return tap_done();
}
