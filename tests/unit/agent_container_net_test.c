/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AGENT_NET over the control connection: into the namespace of the container that it
 * names, be it the agent's own, another, or one of a user namespace.
 */
#include "tests/unit/agent_host.h"

#include "tests/unit/net_messages.h"

#define FIRST_ID 300000
#define USER_NS                                                                           \
	"\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"network\"},{\"type\":\"mount\"}," \
	"{\"type\":\"user\"}],"                                                           \
	"\"uidMappings\":[{\"containerID\":0,\"hostID\":300000,\"size\":1000}],"          \
	"\"gidMappings\":[{\"containerID\":0,\"hostID\":300000,\"size\":1000}]"
#define SHOW "[\"sh\",\"-c\",\"ip -o addr; ip -o link; ip route; echo end\"]"

/* card() - in the agent's namespace, as the kernel of a guest would make it */
static void card(const struct host *h, unsigned int number)
{
	char command[256];

	(void)!snprintf(command, sizeof(command),
			"nsenter -t %d -n ip link add eth%u address "
			"02:68:75:6c:6c:%02x type veth peer name peer%u",
			h->agent, number, number, number);
	(void)!system(command);
}

static uint32_t send_net(struct host *h, uint16_t number, struct buf *b)
{
	uint32_t ret = host_result(h, host_request(h, AGENT_NET, number, 0, 0, 0, b->data,
						   b->len));

	buf_release(b);
	return ret;
}

/* tell() - container @number has eth0: @card_number */
static void tell(struct host *h, uint16_t number, uint32_t card_number)
{
	const struct told_route out = {
		.type = RTM_NEWROUTE,
		.via = "10.1.0.1",
		.index = 7,
	};
	struct buf b = BUF_INIT;

	say_link(&b, RTM_NEWLINK, 7, card_number, "eth0", IFF_UP | IFF_MULTICAST);
	say_address(&b, RTM_NEWADDR, 7, "10.1.0.2", 24);
	say_route(&b, &out);
	is_int(send_net(h, number, &b), 0, "container %u: its network", number);
	if (h->last_len)
		(void)printf("# %s\n", h->last_payload);
}

/* see() - what its process sees, once it runs */
static void see(struct host *h, uint16_t number)
{
	int io;
	char *out;

	is_int(host_begin(h, number), 0, "container %u: start", number);
	io = host_stream(h, number, 0, AGENT_STREAM_IO);
	out = host_read_until(io, "end\n");
	ok(strstr(out, "inet 10.1.0.2/24"), "container %u: its address", number);
	ok(strstr(out, "default via 10.1.0.1 dev eth0"), "container %u: its route",
	   number);
	if (!strstr(out, "default via"))
		(void)printf("# %s\n", out);
	free(out);
	(void)close(io);
	is_int(host_exit(h, number, 0), 0, "container %u: it ends", number);
}

static void test_own_and_other(struct host *h)
{
	for (uint16_t i = 0; i < 2; i++) {
		is_int(host_create(h, i, SHOW, "", HOST_MOUNTS, "", ""), 0, "create %u",
		       i);
		card(h, i);
	}
	tell(h, 0, 0);
	tell(h, 1, 1);
	see(h, 0);
	see(h, 1);
}

static void test_userns(struct host *h)
{
	char command[192];
	char root[128];

	/* The container's root owns its root. */
	host_root(h, "root2", root);
	(void)!snprintf(command, sizeof(command), "chown -hR %d:%d %s", FIRST_ID,
			FIRST_ID, root);
	(void)!system(command);
	is_int(host_create(h, 2, SHOW, "", "[" HOST_USR "," HOST_PROC "]", USER_NS, ""),
	       0, "create one with a user namespace");
	card(h, 2);
	tell(h, 2, 2);
	see(h, 2);
}

static void test_errors(struct host *h)
{
	struct buf b = BUF_INIT;

	say_address(&b, RTM_NEWADDR, 9, "10.1.0.2", 24);
	is_int(send_net(h, 5, &b), ESRCH, "a container that is not there");
	is_int(host_create(h, 5, "[\"sleep\",\"1000\"]", "", HOST_MOUNTS, "", ""), 0,
	       "create");
	say_address(&b, RTM_NEWADDR, 9, "10.1.0.2", 24);
	is_int(send_net(h, 5, &b), ENXIO, "an interface that was not told");
	is_str(h->last_payload,
	       "network: address 10.1.0.2/24 of interface 9: interface 9 was not told",
	       "by name");
	buf_puts(&b, "no netlink message");
	is_int(send_net(h, 5, &b), EPROTO, "something else");
	is_int(host_result(h, host_request(h, AGENT_NET, 5, 0, 0, 0, NULL, 0)), 0,
	       "nothing");
	is_int(host_result(h, host_request(h, AGENT_KILL, 5, 0, SIGKILL, 0, NULL, 0)), 0,
	       "kill");
	is_int(host_exit(h, 5, 0), SIGKILL, "it ends");
}

int main(void)
{
	static struct host h;

	if (!host_possible())
		return TAP_SKIP;
	host_start(&h);
	test_own_and_other(&h);
	test_userns(&h);
	test_errors(&h);
	host_stop(&h);
	return tap_done();
}
