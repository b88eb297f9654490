/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the process of a container sees: user, capabilities, filter, limits,
 * environment, directory, root.
 */
#include "tests/unit/agent_host.h"

#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* sh() - run a script; is its output @want and its status 0? */
static void sh(struct host *h, const char *name, const char *script, const char *process,
	       const char *linux_, const char *spec, const char *want)
{
	char args[2048];
	char *out;
	int status;

	(void)!snprintf(args, sizeof(args), "[\"sh\",\"-c\",\"%s\"]", script);
	status = host_run(h, 0, args, process, HOST_MOUNTS, linux_, spec, &out);
	is_str(out ? out : "(not started)", want, "%s", name);
	is_int(status, 0, "%s: status", name);
	free(out);
}

static void test_user(struct host *h)
{
	sh(h, "user",
	   "id -u; id -g; id -G; umask; echo $HOME; touch /dev/stdout && echo own",
	   ",\"user\":{\"uid\":1000,\"gid\":1001,\"additionalGids\":[5,6],\"umask\":63}",
	   "", "", "1000\n1001\n1001 5 6\n0077\n/home/user\nown\n");
	sh(h, "root", "id -u; umask; echo $HOME", "", "", "", "0\n0022\n/root\n");
	sh(h, "unknown user", "echo $HOME", ",\"user\":{\"uid\":7,\"gid\":7}", "", "",
	   "/\n");
	sh(h, "no privileges", "grep CapEff /proc/self/status; kill -0 1 && echo self",
	   ",\"user\":{\"uid\":1000,\"gid\":1000},\"capabilities\":{" HOST_CAPS3 "}", "",
	   "", "CapEff:\t0000000000000000\nself\n");
}

static void test_caps(struct host *h)
{
	sh(h, "capabilities", "grep Cap /proc/self/status",
	   ",\"capabilities\":{" HOST_CAPS3 ",\"inheritable\":[\"CAP_KILL\"],"
	   "\"ambient\":[\"CAP_KILL\",\"CAP_NO_SUCH\"]}",
	   "", "",
	   "CapInh:\t0000000000000020\nCapPrm:\t0000000000000021\nCapEff:\t0000000000000021\n"
	   "CapBnd:\t0000000000000021\nCapAmb:\t0000000000000020\n");
	sh(h, "ambient of a user", "grep -E 'Cap(Eff|Amb)' /proc/self/status",
	   ",\"user\":{\"uid\":1000,\"gid\":1000},\"capabilities\":{" HOST_CAPS3
	   ",\"inheritable\":[\"CAP_KILL\"],\"ambient\":[\"CAP_KILL\"]}",
	   "", "", "CapEff:\t0000000000000020\nCapAmb:\t0000000000000020\n");
	sh(h, "no new privileges", "grep NoNewPrivs /proc/self/status",
	   ",\"noNewPrivileges\":true", "", "", "NoNewPrivs:\t1\n");
}

#define SECCOMP(rules)                                                                   \
	",\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"architectures\":"          \
	"[\"SCMP_ARCH_X86_64\",\"SCMP_ARCH_X86\"],\"syscalls\":[" rules "]}"

static void test_seccomp(struct host *h)
{
	static const char mkdir_denied[] =
		SECCOMP("{\"names\":[\"mkdir\",\"mkdirat\",\"no_such_call\"],"
			"\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":28}");

	sh(h, "seccomp", "mkdir /tmp/x 2>&1; grep Seccomp: /proc/self/status", "",
	   mkdir_denied, "",
	   "mkdir: cannot create directory '/tmp/x': No space left on device\nSeccomp:\t2\n");
	sh(h, "seccomp without new privileges", "mkdir /tmp/x 2>&1 || :",
	   ",\"noNewPrivileges\":true,\"user\":{\"uid\":1000,\"gid\":1000}",
	   SECCOMP("{\"names\":[\"mkdir\",\"mkdirat\"],\"action\":\"SCMP_ACT_KILL_PROCESS\"},"
		   "{\"names\":[\"sched_yield\"],\"action\":\"SCMP_ACT_ERRNO\"}") "",
	   "", "Bad system call\n");
	sh(h, "seccomp by argument", "kill -0 $$ 2>&1; kill -10 $$ 2>&1 || :", "",
	   SECCOMP("{\"names\":[\"kill\"],\"action\":\"SCMP_ACT_ERRNO\",\"args\":"
		   "[{\"index\":1,\"value\":10,\"op\":\"SCMP_CMP_EQ\"}]}"),
	   "", "sh: 1: kill: Operation not permitted\n\n");
	/* An allow list: what is newer than all it names is ENOSYS, the rest EPERM. */
	sh(h, "unknown calls",
	   "perl -e 'for (169, 999, 0x3fffffff) { $r = syscall($_, 0, 0, 0, 0); print $!+0, "
	   "qq(\\\\n) }'",
	   "",
	   ",\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"architectures\":"
	   "[\"SCMP_ARCH_X86_64\",\"SCMP_ARCH_X86\"],\"syscalls\":[{\"names\":[\"access\","
	   "\"arch_prctl\",\"brk\",\"capget\",\"capset\",\"chdir\",\"clone\",\"clone3\","
	   "\"close\",\"dup\",\"dup2\",\"dup3\",\"execve\",\"exit\",\"exit_group\",\"faccessat\","
	   "\"faccessat2\",\"fchown\",\"fcntl\",\"fork\",\"fstat\",\"futex\",\"getcwd\","
	   "\"getdents64\",\"getegid\",\"geteuid\",\"getgid\",\"getpgrp\",\"getpid\","
	   "\"getppid\",\"getrandom\",\"getuid\",\"ioctl\",\"lseek\",\"mmap\",\"mprotect\","
	   "\"munmap\",\"newfstatat\",\"open\",\"openat\",\"pipe\",\"pipe2\",\"prctl\","
	   "\"pread64\",\"prlimit64\",\"read\",\"readlink\",\"rseq\",\"rt_sigaction\","
	   "\"rt_sigprocmask\",\"rt_sigreturn\",\"sendmsg\",\"set_robust_list\","
	   "\"set_tid_address\",\"setgid\",\"setgroups\",\"setresgid\",\"setresuid\","
	   "\"setuid\",\"stat\",\"statx\",\"sysinfo\",\"umask\",\"uname\",\"vfork\","
	   "\"wait4\",\"write\"],\"action\":\"SCMP_ACT_ALLOW\"}]}",
	   "", "1\n38\n38\n");
}

static void test_limits(struct host *h)
{
	sh(h, "limits",
	   "ulimit -n; ulimit -Hn; cat /proc/self/oom_score_adj; nice; "
	   "chrt -p $$ | head -1 | cut -d' ' -f6; ionice; uname -m",
	   ",\"rlimits\":[{\"type\":\"RLIMIT_NOFILE\",\"soft\":77,\"hard\":88}],"
	   "\"oomScoreAdj\":123,\"scheduler\":{\"policy\":\"SCHED_BATCH\",\"nice\":3},"
	   "\"ioPriority\":{\"class\":\"IOPRIO_CLASS_BE\",\"priority\":6}",
	   ",\"personality\":{\"domain\":\"LINUX32\"}", "",
	   "77\n88\n123\n3\nSCHED_BATCH\nbest-effort: prio 6\ni686\n");
}

static void test_environment(struct host *h)
{
	sh(h, "environment", "echo $A; env | grep -c ^A=; echo $HOME",
	   ",\"env\":[\"A=1\",\"PATH=/bin\",\"A=2=3\",\"HOME=\"]", "", "",
	   "2=3\n1\n/root\n");
	sh(h, "a directory that is not there", "pwd", ",\"cwd\":\"/new/dir\"", "", "",
	   "/new/dir\n");
	is_int(host_create(h, 0, "[\"sh\"]", ",\"env\":[\"A\"]", HOST_MOUNTS, "", ""),
	       EINVAL, "no value");
	is_str(h->last_payload, "invalid environment variable: missing '='", "message");
	is_int(host_create(h, 0, "[\"sh\"]", ",\"cwd\":\"/etc/passwd\"", HOST_MOUNTS, "",
			   ""),
	       ENOTDIR, "a file as directory");
	is_str(h->last_payload,
	       "chdir to cwd (\"/etc/passwd\") set in config.json failed: not a directory",
	       "message");
}

static void test_names(struct host *h)
{
	sh(h, "names",
	   "hostname; cat /proc/sys/kernel/domainname /proc/sys/kernel/msgmax "
	   "/proc/sys/net/ipv4/ip_default_ttl; grep ^0: /proc/self/cgroup; "
	   "cat /sys/class/net/lo/flags 2>/dev/null; ip -o addr show lo | head -1 "
	   "| cut -d' ' -f2,7",
	   "",
	   ",\"sysctl\":{\"kernel.msgmax\":\"4242\",\"net.ipv4.ip_default_ttl\":\"42\"}",
	   ",\"hostname\":\"name\",\"domainname\":\"example.org\"",
	   "name\nexample.org\n4242\n42\n0::/\nlo 127.0.0.1/8\n");
	is_int(host_create(h, 0, "[\"sh\"]", "", HOST_MOUNTS,
			   ",\"sysctl\":{\"../../etc/passwd\":\"1\"}", ""),
	       EXDEV, "a sysctl that leads out");
}

static void test_session(struct host *h)
{
	sh(h, "descriptors and session",
	   "ls /proc/self/fd | tr '\\\\n' ' '; "
	   "cut -d' ' -f5,6 /proc/$$/stat; grep -E 'Sig(Blk|Ign)' "
	   "/proc/self/status",
	   "", "", "",
	   "0 1 2 3 1 1\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
}

/* boottime() - (s) of /proc/uptime in @text, or of this machine's clock. */
static long uptime_in(const char *text)
{
	struct timespec now;

	if (text)
		return strtol(text, NULL, 10);
	(void)clock_gettime(CLOCK_BOOTTIME, &now);
	return now.tv_sec;
}

static void test_time(struct host *h)
{
	static const char *const time_ns =
		"\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"mount\"},{\"type\":\"time\"}]";
	char linux_[512];
	char *out;

	(void)!snprintf(
		linux_, sizeof(linux_),
		"%s,\"timeOffsets\":{\"boottime\":{\"secs\":1000000,\"nanosecs\":5},"
		"\"monotonic\":{\"secs\":2000000}}",
		time_ns);
	is_int(host_sh(h, "cat /proc/uptime; cat /proc/self/timens_offsets", "", linux_,
		       &out),
	       0, "a time namespace");
	ok(out && uptime_in(out) - uptime_in(NULL) >= 999990 &&
		   uptime_in(out) - uptime_in(NULL) <= 1000000,
	   "its clock is ahead");
	ok(out && strstr(out, "monotonic     2000000         0\n"),
	   "the other clock too");
	free(out);
	is_int(host_sh(h, "readlink /proc/self/ns/time", "", time_ns, &out), 0,
	       "without offsets");
	ok(out && strncmp(out, "time:[", 6) == 0, "it is there");
	free(out);
	is_int(host_sh(h, "cat /proc/uptime", "", "", &out), 0, "the next container");
	ok(out && uptime_in(out) - uptime_in(NULL) <= 10, "has the agent's clock");
	free(out);
	(void)!snprintf(linux_, sizeof(linux_),
			"%s,\"timeOffsets\":{\"boottime\":{\"secs\":-9000000000}}",
			time_ns);
	is_int(host_create(h, 0, "[\"true\"]", "", HOST_MOUNTS, linux_, ""), ERANGE,
	       "an offset that cannot be");
	is_str(h->last_payload,
	       "linux.timeOffsets.boottime: Numerical result out of range", "message");
}

/* hook_of() - a startContainer hook that is a shell script. */
static void hook_of(char spec[1024], const char *script, const char *more)
{
	(void)!snprintf(
		spec, 1024,
		",\"annotations\":{\"a.b\":\"c\",\"org.hull.bundle\":\"/the/bundle\"},"
		"\"hooks\":{\"startContainer\":[{\"path\":\"/bin/sh\",\"args\":"
		"[\"hook\",\"-c\",\"%s\"]%s}]}",
		script, more);
}

static int run_with_hook(struct host *h, const char *script, const char *more,
			 const char *process, char **ret_out)
{
	char spec[1024];

	hook_of(spec, script, more);
	return host_run(h, 0, "[\"sh\",\"-c\",\"echo program; cat /tmp/hook\"]", process,
			HOST_MOUNTS, "", spec, ret_out);
}

static void test_start_hook(struct host *h)
{
	char *out;

	is_int(run_with_hook(
		       h,
		       "read -r s; echo $s >/tmp/hook; echo $0 $V $(wc -c </proc/$$/environ) >>/tmp/hook",
		       ",\"env\":[\"V=1\"]", "", &out),
	       0, "with a hook");
	ok(out && strncmp(out, "program\n{", 9) == 0, "it runs before the program");
	ok(out && strstr(out,
			 "{\"ociVersion\":\"1.0.2\",\"id\":\"c0\",\"status\":\"created\","
			 "\"pid\":1,\"bundle\":\"/the/bundle\","
			 "\"annotations\":{\"a.b\":\"c\"}}\n"),
	   "with the state on stdin");
	ok(out && strstr(out, "\nhook 1 4\n"), "with its own arguments and environment");
	free(out);
	is_int(run_with_hook(
		       h,
		       "rm -f /tmp/hook; id -u >/tmp/hook; grep -h -E ^CapEff: /proc/self/status >>/tmp/hook",
		       ",\"env\":[\"PATH=/usr/bin\"],\"timeout\":50",
		       ",\"capabilities\":{" HOST_CAPS3 "}", &out),
	       0, "with a hook and capabilities");
	is_str(out, "program\n0\nCapEff:\t0000000000000021\n",
	       "it has those of the container's process");
	free(out);
}

static void test_start_hook_fails(struct host *h)
{
	char spec[1024];

	hook_of(spec, "echo on no account; exit 3", "");
	is_int(host_create(h, 0, "[\"true\"]", "", HOST_MOUNTS, "", spec), 0,
	       "create runs no hook");
	is_int(host_begin(h, 0), EIO, "start does, and fails with it");
	is_str(h->last_payload,
	       "error running startContainer hook #0: hook '/bin/sh': exit status 3, "
	       "output: on no account ",
	       "the message");
	ok(host_exit(h, 0, 0) != 0, "the container has ended");
	hook_of(spec, "sleep 100", ",\"env\":[\"PATH=/usr/bin\"],\"timeout\":1");
	is_int(host_create(h, 0, "[\"true\"]", "", HOST_MOUNTS, "", spec), 0, "create");
	is_int(host_begin(h, 0), ETIMEDOUT, "a hook that takes too long");
	is_str(h->last_payload,
	       "error running startContainer hook #0: hook '/bin/sh' ran past its "
	       "timeout of 1 s",
	       "the message");
	ok(host_exit(h, 0, 0) != 0, "the container has ended");
}

/*
 * reset_inner_signals() - who starts us by posix_spawn() leaves the two signals that
 * glibc keeps for itself ignored; sigaction() does not touch those.  In a guest
 * nobody does that to PID 1.
 */
static void reset_inner_signals(void)
{
	static const char none[32]; /* the kernel's struct sigaction: SIG_DFL */

	for (int sig = 32; sig <= 33; sig++)
		(void)syscall(SYS_rt_sigaction, sig, none, NULL, 8);
}

int main(void)
{
	static struct host h;

	if (!host_possible())
		return TAP_SKIP;
	reset_inner_signals();
	host_start(&h);
	test_user(&h);
	test_caps(&h);
	test_seccomp(&h);
	test_limits(&h);
	test_environment(&h);
	test_names(&h);
	test_session(&h);
	test_time(&h);
	test_start_hook(&h);
	test_start_hook_fails(&h);
	host_stop(&h);
	return tap_done();
}
