/* SPDX-License-Identifier: Apache-2.0 */
/* The program hull-net: its jail, which interfaces it takes, and what it leaves. */
#include <limits.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "tests/unit/net_host.h"
#include "vmm/net/helper/confine.h"

#define STATE                                                                            \
	"ip -d link show eth0; tc qdisc show dev eth0; tc filter show dev eth0 ingress"

static char program[PATH_MAX];

/* has() - does @text have @part? */
static void has(const char *text, const char *part, const char *what)
{
	if (!ok(text && strstr(text, part), "%s", what))
		(void)printf("#   got '%s', expected in it '%s'\n", text, part);
}

static void has_not(const char *text, const char *part, const char *what)
{
	if (!ok(text && !strstr(text, part), "%s", what))
		(void)printf("#   got '%s', expected no '%s'\n", text, part);
}

static void test_jail(struct net_host *h)
{
	char path[64];
	auto_buf struct buf status = BUF_INIT;

	nh_start(h, program, 4);
	has(nh_settle(h), "add 0 eth0 4\n",
	    "it works in its jail, with four queue pairs");
	is_int(h->n_fds, access("/dev/vhost-net", F_OK) == 0 ? 8 : 4,
	       "a descriptor each");
	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)h->pid);
	(void)io_read_file(AT_FDCWD, path, 1 << 16, &status, NULL);
	has(status.data, "Uid:\t65534\t65534\t65534\t65534\n", "as nobody");
	has(status.data, "Gid:\t65534\t65534\t65534\t65534\n", "of no group");
	has(status.data, "Groups:\t \n", "nor of another");
	has(status.data, "CapPrm:\t0000000000001000\n", "with CAP_NET_ADMIN");
	has(status.data, "CapEff:\t0000000000001000\n", "in effect");
	has(status.data, "CapBnd:\t0000000000001000\n", "and none to be had");
	has(status.data, "NoNewPrivs:\t1\n", "no new privileges");
	has(status.data, "Seccomp:\t2\n", "behind a filter");
	(void)snprintf(path, sizeof(path), "/proc/%d/root/etc", (int)h->pid);
	is_int(access(path, F_OK), -1, "in an empty root");
}

static void test_end(struct net_host *h, const char *before)
{
	auto_free char *after = NULL;
	auto_free char *links = NULL;

	is_int(nh_end(h), 0, "hull-vmm has gone: it ends");
	after = nh_output(STATE);
	is_str(after, before, "eth0 is as it was");
	links = nh_output("ip link");
	has_not(links, "hull", "there is no tap");
}

/* size_of() - of the file that says that something is to be cleaned. */
static int size_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) < 0 ? -1 : (int)st.st_size;
}

/* test_left() - who need not be cleaned up after says so. */
static void test_left(struct net_host *h)
{
	h->left = memfd_create("left", MFD_CLOEXEC);
	if (write(h->left, "yes\n", 4) != 4)
		abort();
	nh_start(h, program, 1);
	(void)nh_settle(h);
	is_int(size_of(h->left), 4, "there is something to clean while it lives");
	is_int(nh_end(h), 0, "it ends");
	is_int(size_of(h->left), 0, "and there is nothing any more");
	close_fd(take_fd(&h->left));
	h->left = 0;
}

static void test_killed(struct net_host *h, const char *before)
{
	auto_free char *between = NULL;
	auto_free char *after = NULL;

	h->left = memfd_create("left", MFD_CLOEXEC);
	if (write(h->left, "yes\n", 4) != 4)
		abort();
	nh_start(h, program, 1);
	(void)nh_settle(h);
	(void)kill(h->pid, SIGKILL);
	(void)nh_end(h);
	is_int(size_of(h->left), 4, "killed, it does not say that nothing is left");
	close_fd(take_fd(&h->left));
	h->left = 0;
	between = nh_output(STATE);
	has(between, "mirred", "killed, it leaves its filter");
	nh_run("%s clean", program);
	after = nh_output(STATE);
	is_str(after, before, "clean: eth0 is as it was");
	nh_run("%s clean", program);
	ok(true, "clean where there is nothing");
}

static void test_stale(struct net_host *h, const char *before)
{
	nh_start(h, program, 1);
	(void)nh_settle(h);
	(void)kill(h->pid, SIGKILL);
	(void)nh_end(h);
	nh_start(h, program, 1);
	has(nh_settle(h), "add 0 eth0 1\n", "what a killed one has left is no obstacle");
	test_end(h, before);
}

static void test_two(struct net_host *h)
{
	auto_free char *before = NULL;
	auto_free char *after = NULL;
	struct net_host other = *h;

	nh_start(h, program, 1);
	(void)nh_settle(h);
	other.said = BUF_INIT;
	other.n_fds = 0;
	nh_start(&other, program, 1);
	has(nh_settle(&other),
	    "failed network interface 'eth0': it is another container's already",
	    "an interface belongs to one container");
	has_not(other.said.data, "add", "a tap of the other's is no interface");
	is_int(nh_end(&other), 0, "the second one goes");
	buf_release(&other.said);
	is_str(nh_settle(h), "", "and the first has its interface");
	before = nh_output(STATE);
	nh_run("%s clean", program);
	after = nh_output(STATE);
	is_str(after, before, "clean leaves it to the one that is alive");
	(void)nh_end(h);
}

/* test_callers_qdisc() - an ingress qdisc with a filter was there before. */
static void test_callers_qdisc(struct net_host *h)
{
	auto_free char *before = NULL;
	auto_free char *after = NULL;

	nh_run("tc qdisc add dev eth0 ingress && tc filter add dev eth0 ingress prio 7 "
	       "protocol ip u32 match u32 1 1 flowid 1:1");
	before = nh_output(STATE);
	nh_start(h, program, 1);
	has(nh_settle(h), "add 0 eth0 1\n", "with an ingress qdisc of the caller's");
	(void)nh_end(h);
	after = nh_output(STATE);
	is_str(after, before, "which stays");
	nh_run("tc filter del dev eth0 ingress");
	nh_start(h, program, 1);
	(void)nh_settle(h);
	(void)kill(h->pid, SIGKILL);
	(void)nh_end(h);
	nh_run("%s clean && tc qdisc show dev eth0 | grep -q ingress && "
	       "tc qdisc del dev eth0 ingress",
	       program);
	ok(true, "clean leaves it, too");
}

static void test_which(struct net_host *h)
{
	nh_start(h, program, 1);
	(void)nh_settle(h);
	nh_run("ip tuntap add dev tun0 mode tun");
	is_str(nh_settle(h), "", "one without Ethernet that is down is not missed");
	nh_run("ip link set tun0 up");
	is_str(nh_settle(h),
	       "failed network interface 'tun0': it has no Ethernet header\n",
	       "one that is up is");
	is_str(nh_settle(h), "", "once");
	nh_run("ip tuntap del dev tun0 mode tun");
	nh_change(h, "ip link add br0 address 02:00:00:00:00:33 type bridge && "
		     "ip link set eth0 master br0");
	has(nh_settle(h), "remove 0\nadd 0 br0 1\n", "a bridge in place of its port");
	nh_change(h, "ip link set eth0 nomaster && ip link del br0");
	has(nh_settle(h), "remove 0\nadd 0 eth0 1\n", "and back");
	nh_change(h, "ip link add link eth0 name mac0 type macvlan && "
		     "ip link set mac0 up");
	is_str(nh_settle(h),
	       "failed network interface 'mac0': it lies on another one, which is the "
	       "guest's\n",
	       "what comes in for a macvlan is redirected before");
	nh_run("ip link del mac0");
	nh_run("ip tuntap add dev slirp0 mode tap");
	has(nh_settle(h), "add 1 slirp0 1\n", "a tap of the caller's is an interface");
	nh_change(h, "ip tuntap del dev slirp0 mode tap");
	has(nh_settle(h), "remove 1\n", "while it is there");
	(void)nh_end(h);
}

static void test_too_many(struct net_host *h)
{
	for (int i = 1; i <= 24; i++)
		nh_run("ip link add v%d type veth peer name w%d netns /proc/%d/fd/%d", i,
		       i, (int)getpid(), h->outer);
	nh_start(h, program, 1);
	has(nh_settle(h),
	    "failed network interface 'v24': a machine has no more than 24 network cards\n",
	    "the 25th interface");
	has(h->said.data, "add 23 v23 1\n", "the 24th");
	is_str(nh_settle(h), "", "told once");
	nh_change(h, "ip link del v3");
	has(nh_settle(h), "remove 3\nadd 3 v24 1\n", "where one goes another has room");
	(void)nh_end(h);
}

static void test_usage(void)
{
	auto_free char *said = NULL;
	char cmd[PATH_MAX + 64];

	(void)snprintf(cmd, sizeof(cmd), "%s follow 3 0 5 on 0 0 off 2>&1", program);
	said = nh_output(cmd);
	is_str(said,
	       "hull-net: started by hull: follow SOCK LEFT PAIRS VHOST RX TX ANTISPOOF, clean, or move NS NAME NEW_NAME\n",
	       "five queue pairs are refused");
}

/* test_other_message() - its end for a reason, in the jail: no call that is refused. */
static void test_other_message(struct net_host *h)
{
	struct net_msg msg = { .type = NET_LIMIT + 1 };
	int status;

	nh_start(h, program, 1);
	(void)nh_settle(h);
	(void)sock_send(h->sock, &msg, sizeof(msg), NULL, 0);
	is_int(nh_hear(h, NH_WAIT_MS), NET_FAILED, "a message that it does not know");
	has(h->said.data, "failed follow the network namespace: Protocol error\n", "so");
	status = nh_end(h);
	ok(WIFEXITED(status) && WEXITSTATUS(status) == 1, "ends it");
	nh_run("! tc qdisc show dev eth0 | grep -q ingress");
	ok(true, "and leaves nothing");
}

/* test_names_taken() - as where 500 containers have their taps in one namespace. */
static void test_names_taken(const struct net_host *before)
{
	struct net_host h;

	nh_init(&h);
	nh_run("seq 0 499 | sed 's/.*/tuntap add dev hull& mode tap/' | ip -batch -");
	nh_run("ip link del hull250 && ip link add hull250 type veth peer name w250 netns "
	       "/proc/%d/fd/%d",
	       (int)getpid(), h.outer);
	nh_start(&h, program, 1);
	is_str(nh_said(nh_settle(&h), "add "), "add 0 eth0 1\nadd 1 hull250 1\n",
	       "500 names that taps have are taken: two more are found");
	/* The first one went with its descriptors, when those of the second came. */
	nh_run("ip -d link show hull501 | grep -q tun && "
	       "tc filter show dev hull250 ingress | grep -q hull501");
	ok(true, "which are the next ones");
	(void)nh_end(&h);
	nh_run("! ip link show hull501 2>/dev/null && "
	       "test $(ip -br link | grep -c '^hull') -eq 500");
	ok(true, "and the others stay");
	buf_release(&h.said);
	close_fd(h.wire);
	close_fd(h.outer);
	close_fd(h.inner);
	if (setns(before->inner, CLONE_NEWNET) < 0)
		abort();
}

/* test_no_tun() - the last one: this process has no devices after. */
static void test_no_tun(struct net_host *h)
{
	if (unshare(CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", "/dev", "tmpfs", 0, NULL) < 0)
		abort();
	nh_start(h, program, 1);
	has(nh_settle(h),
	    "failed network interface 'eth0': open /dev/net/tun: No such file or "
	    "directory\n",
	    "no taps on this host");
	has_not(h->said.data, " 0218", "an address of what is not carried is not told");
	is_int(nh_end(h), 0, "it goes on all the same");
}

int main(int argc, char **argv)
{
	auto_free char *before = NULL;
	struct net_host h;

	(void)argc;
	if (!nh_usable())
		return TAP_SKIP;
	if (!nh_find_program(argv[0], program, sizeof(program)))
		return 1;
	nh_init(&h);
	before = nh_output(STATE);
	test_jail(&h);
	test_end(&h, before);
	test_left(&h);
	test_killed(&h, before);
	test_stale(&h, before);
	test_two(&h);
	test_callers_qdisc(&h);
	test_which(&h);
	test_too_many(&h);
	test_usage();
	test_other_message(&h);
	test_names_taken(&h);
	test_no_tun(&h);
	buf_release(&h.said);
	return tap_done();
}
