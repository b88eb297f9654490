/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A container's network namespace with eth0 in it, whose other end p0 is in another
 * one, and hull-net at work there, with the test in hull-vmm's place.
 *
 * What hull-net says becomes text, one line for each message:
 *	add 0 eth0 1, carrier 0 1, remove 0, failed TEXT
 *	TYPE SEQ PID FAMILY ATTR=VALUE ...	of NET_CONFIG; FAMILY and VALUE in hex
 */
#ifndef HULL_TESTS_UNIT_NET_HOST_H
#define HULL_TESTS_UNIT_NET_HOST_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fib_rules.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/io.h"
#include "tests/unit/tap.h"
#include "vmm/net/helper/follow.h"
#include "vmm/net/proto.h"

#define NH_WAIT_MS 5000
#define NH_QUIET_MS 200
#define NH_ETHERTYPE 0x88b5 /* for experiments: nobody else sends it */
#define NH_VNET_HDR 10 /* (bytes) before each frame of a tap */

struct net_host {
	int outer; /* network namespace of p0 */
	int inner; /* the container's */
	int wire; /* packets of p0 */
	int sock; /* to hull-net */
	pid_t pid; /* hull-net */
	int fds[SOCK_MAX_FDS]; /* of the card told last */
	unsigned int n_fds;
	struct net_nic nic; /* as well */
	struct net_limits limits; /* that hull-net begins with */
	int left; /* likewise its struct follow_params.left */
	struct buf said;
};

/* nh_run() - a command; it must work. */
static inline void nh_run(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static inline void nh_run(const char *fmt, ...)
{
	char cmd[512];
	va_list ap;

	va_start(ap, fmt);
	if (vsnprintf(cmd, sizeof(cmd), fmt, ap) >= (int)sizeof(cmd) ||
	    system(cmd) != 0) {
		(void)printf("Bail out! %s\n", cmd);
		(void)fflush(stdout);
		abort();
	}
	va_end(ap);
}

/* nh_change() - several changes at once for hull-net, which is held up meanwhile. */
#define nh_change(h, ...)                                                                \
	do {                                                                             \
		(void)kill((h)->pid, SIGSTOP);                                           \
		nh_run(__VA_ARGS__);                                                     \
		(void)kill((h)->pid, SIGCONT);                                           \
	} while (0)

/* nh_output() - what a command says. The caller frees it. */
static inline char *nh_output(const char *cmd)
{
	auto_buf struct buf b = BUF_INIT;
	FILE *p = popen(cmd, "r");
	char part[512];
	size_t n;

	while (p && (n = fread(part, 1, sizeof(part), p)) > 0)
		(void)buf_append(&b, part, n);
	if (p)
		(void)pclose(p);
	return buf_take(&b);
}

static inline void nh_write(const char *path, const char *text)
{
	if (io_write_file(AT_FDCWD, path, text, NULL) < 0)
		(void)printf("# no %s\n", path);
}

static inline void nh_new_netns(int *ret_fd)
{
	if (unshare(CLONE_NEWNET) < 0)
		abort();
	*ret_fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	/* No addresses but those that the test gives. */
	nh_write("/proc/sys/net/ipv6/conf/default/addr_gen_mode", "1");
	nh_write("/proc/sys/net/ipv6/conf/all/addr_gen_mode", "1");
}

static inline int nh_packet_socket(const char *name)
{
	struct sockaddr_ll addr = { .sll_family = AF_PACKET,
				    .sll_protocol = htons(ETH_P_ALL),
				    .sll_ifindex = (int)if_nametoindex(name) };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));

	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		abort();
	return fd;
}

/* nh_usable() - or tell why not, and return false. */
static inline bool nh_usable(void)
{
	if (geteuid() != 0)
		(void)printf("1..0 # SKIP needs root\n");
	else if (access("/dev/net/tun", R_OK | W_OK) < 0)
		(void)printf("1..0 # SKIP needs /dev/net/tun\n");
	else
		return true;
	return false;
}

/* nh_init() - the interfaces; this process is in the container's namespace then. */
static inline void nh_init(struct net_host *h)
{
	*h = (struct net_host){ .sock = -1 };
	nh_new_netns(&h->outer);
	nh_run("ip link add p0 address 02:00:00:00:00:01 type veth peer name eth0 "
	       "index 100 address 02:00:00:00:00:02");
	nh_run("ip addr add 10.1.0.1/24 dev p0 && ip link set p0 up");
	h->wire = nh_packet_socket("p0");
	nh_new_netns(&h->inner);
	(void)setns(h->outer, CLONE_NEWNET);
	nh_run("ip link set eth0 netns /proc/%d/fd/%d", (int)getpid(), h->inner);
	(void)setns(h->inner, CLONE_NEWNET);
	nh_run("ip link set lo up && ip link set eth0 up && "
	       "ip addr add 10.1.0.2/24 dev eth0");
}

static inline void nh_close_fds(struct net_host *h)
{
	while (h->n_fds)
		close_fd(h->fds[--h->n_fds]);
}

/* nh_find_program() - hull-net, which was built with the test @argv0. */
static inline bool nh_find_program(const char *argv0, char *ret, size_t size)
{
	const char *slash = strrchr(argv0, '/');

	return slash && snprintf(ret, size, "%.*s/../../bin/hull-net",
				 (int)(slash - argv0), argv0) < (int)size;
}

/* nh_program() - become the program itself. */
static inline void nh_program(const char *path, const struct follow_params *p)
{
	char n_sock[16], n_pairs[16], rx[24], tx[24];

	if (snprintf(n_sock, sizeof(n_sock), "%d", p->sock) > 0 &&
	    snprintf(n_pairs, sizeof(n_pairs), "%u", p->pairs) > 0 &&
	    snprintf(rx, sizeof(rx), "%llu", (unsigned long long)p->limits.rx) > 0 &&
	    snprintf(tx, sizeof(tx), "%llu", (unsigned long long)p->limits.tx) > 0 &&
	    fcntl(p->sock, F_SETFD, 0) == 0 &&
	    (!p->left || dup2(p->left, STDOUT_FILENO) == STDOUT_FILENO) &&
	    /* The sanitizer's search for leaks makes calls that the jail refuses. */
	    setenv("ASAN_OPTIONS", "detect_leaks=0", 1) == 0)
		(void)execl(path, "hull-net", "follow", n_sock, p->left ? "1" : "0", n_pairs,
			    "on", rx, tx, p->limits.antispoof ? "on" : "off", NULL);
	_exit(127);
}

/* nh_start() - hull-net: the program @path, with its jail; or, NULL, without. */
static inline void nh_start(struct net_host *h, const char *path, unsigned int pairs)
{
	struct follow_params params = {
		.left = h->left,
		.pairs = pairs,
		.vhost = true,
		.limits = h->limits,
	};
	struct err err = ERR_INIT;
	struct follow *f = NULL;
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		abort();
	h->pid = fork();
	if (h->pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		close_fd(ends[0]);
		params.sock = ends[1];
		if (path)
			nh_program(path, &params);
		if (follow_new(&params, &f, &err) < 0 || follow_run(f, &err) < 0)
			(void)printf("# hull-net: %s\n", err.msg);
		follow_free(f);
		_exit(err.code ? 1 : 0);
	}
	close_fd(ends[1]);
	h->sock = ends[0];
}

static inline int nh_end(struct net_host *h)
{
	int status = -1;

	close_fd(take_fd(&h->sock));
	if (waitpid(h->pid, &status, 0) != h->pid)
		return -1;
	nh_close_fds(h);
	return status;
}

static inline size_t nh_family_len(uint16_t type)
{
	switch (type & ~3) {
	case RTM_NEWLINK:
		return sizeof(struct ifinfomsg);
	case RTM_NEWADDR:
		return sizeof(struct ifaddrmsg);
	case RTM_NEWROUTE:
		return sizeof(struct rtmsg);
	case RTM_NEWNEIGH:
		return sizeof(struct ndmsg);
	default:
		return sizeof(struct fib_rule_hdr);
	}
}

static inline void nh_hex(struct buf *b, const void *data, size_t len)
{
	const uint8_t *at = data;

	for (size_t i = 0; i < len; i++)
		(void)buf_printf(b, "%02x", at[i]);
}

static inline void nh_say_config(struct buf *b, const char *data, size_t len)
{
	while (len >= sizeof(struct nlmsghdr)) {
		const struct nlmsghdr *nlh = (const void *)data;
		size_t family = nh_family_len(nlh->nlmsg_type);
		size_t at = NLMSG_HDRLEN + NLMSG_ALIGN(family);

		if (nlh->nlmsg_len > len || nlh->nlmsg_len < at || nlh->nlmsg_flags)
			break;
		(void)buf_printf(b, "%u %d %u ", nlh->nlmsg_type, (int)nlh->nlmsg_seq,
				 nlh->nlmsg_pid);
		nh_hex(b, data + NLMSG_HDRLEN, family);
		while (at + sizeof(struct nlattr) <= nlh->nlmsg_len) {
			const struct nlattr *a = (const void *)(data + at);

			(void)buf_printf(b, " %u=", a->nla_type & NLA_TYPE_MASK);
			nh_hex(b, a + 1, a->nla_len - sizeof(*a));
			at += NLMSG_ALIGN(a->nla_len);
		}
		(void)buf_puts(b, "\n");
		data += NLMSG_ALIGN(nlh->nlmsg_len);
		len -= NLMSG_ALIGN(nlh->nlmsg_len);
	}
	if (len)
		(void)buf_puts(b, "broken\n");
}

static inline void nh_say(struct buf *b, const struct net_msg *msg, size_t len)
{
	const struct net_nic *nic = (const void *)msg->payload;

	if (msg->type == NET_NIC_ADD)
		(void)buf_printf(b, "add %u %s %u\n", msg->nic, nic->name, nic->n_pairs);
	else if (msg->type == NET_NIC_REMOVE)
		(void)buf_printf(b, "remove %u\n", msg->nic);
	else if (msg->type == NET_CARRIER)
		(void)buf_printf(b, "carrier %u %u\n", msg->nic, msg->arg);
	else if (msg->type == NET_FAILED)
		(void)buf_printf(b, "failed %.*s\n", (int)len, msg->payload);
	else if (msg->type == NET_CONFIG)
		nh_say_config(b, msg->payload, len);
	else
		(void)buf_printf(b, "message %u\n", msg->type);
}

/* nh_said() - those lines of @text that begin with @begin; valid until the next call. */
static inline const char *nh_said(const char *text, const char *begin)
{
	static char out[4096];
	size_t n = 0;

	out[0] = 0;
	while (*text) {
		size_t len = strcspn(text, "\n");

		len += text[len] == '\n';
		if (strncmp(text, begin, strlen(begin)) == 0 && n + len < sizeof(out)) {
			memcpy(out + n, text, len);
			n += len;
			out[n] = 0;
		}
		text += len;
	}
	return out;
}

/* nh_hear() - one message, within the time: its type; 0: none came. */
static inline uint32_t nh_hear(struct net_host *h, int timeout_ms)
{
	static union {
		struct net_msg msg;
		char data[sizeof(struct net_msg) + NET_MAX_CONFIG];
	} in;
	int fds[SOCK_MAX_FDS];
	unsigned int n_fds = 0;
	ssize_t n;

	if (io_wait_readable(h->sock, timeout_ms) != 1)
		return 0;
	n = sock_recv(h->sock, &in, sizeof(in), fds, &n_fds);
	if (n < (ssize_t)sizeof(in.msg))
		return 0;
	if (n_fds) {
		nh_close_fds(h);
		memcpy(h->fds, fds, sizeof(fds));
		h->n_fds = n_fds;
		memcpy(&h->nic, in.msg.payload, sizeof(h->nic));
	}
	if (in.msg.type != NET_SETTLED)
		nh_say(&h->said, &in.msg, (size_t)n - sizeof(in.msg));
	return in.msg.type;
}

/* nh_settle() - what hull-net has to say up to now; h owns the text. */
static inline const char *nh_settle(struct net_host *h)
{
	struct net_msg ask = { .type = NET_SETTLE };
	uint32_t type;

	buf_release(&h->said);
	(void)buf_puts(&h->said, "");
	(void)sock_send(h->sock, &ask, sizeof(ask), NULL, 0);
	do
		type = nh_hear(h, NH_WAIT_MS);
	while (type && type != NET_SETTLED);
	if (!type)
		(void)buf_puts(&h->said, "not settled\n");
	return h->said.data;
}

#endif
