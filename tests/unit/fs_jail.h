/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the jail of hull-vmm leaves to the file server, for unit tests: a user
 * namespace with all ids mapped to themselves, an empty root, seven capabilities.
 */
#ifndef HULL_TESTS_UNIT_FS_JAIL_H
#define HULL_TESTS_UNIT_FS_JAIL_H

#include <linux/capability.h>
#include <linux/securebits.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "tests/unit/fuse_client.h"

static inline void fs_jail_map(pid_t pid, const char *what)
{
	static const char all[] = "0 0 4294967295\n";
	char path[64];
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", pid, what);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	fc_check(fd >= 0 && write(fd, all, strlen(all)) == (ssize_t)strlen(all));
	(void)close(fd);
}

static inline void fs_jail_caps(void)
{
	static const int keep[] = { CAP_CHOWN,  CAP_DAC_OVERRIDE, CAP_FOWNER, CAP_FSETID,
				    CAP_SETUID, CAP_SETGID,       CAP_SETFCAP };
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct d[2] = { { 0 } };

	for (size_t i = 0; i < ARRAY_SIZE(keep); i++)
		d[0].permitted |= 1u << keep[i];
	d[0].effective = d[0].permitted;
	fc_check(syscall(SYS_capset, &h, d) == 0);
}

/*
 * fs_jail_run() - run @fn in a jailed child, with the descriptors it has before.
 * Its claims count here; that it came to its end is one more.
 * @empty: a directory with nothing in it
 * @securebits: as the jail may set them, or not
 */
static inline void fs_jail_run(void (*fn)(void), const char *empty, bool securebits)
{
	int up[2], down[2], status;
	char byte = 0;
	int *counts; /* claims, failed ones */
	pid_t pid;

	counts = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	fc_check(counts != MAP_FAILED && pipe(up) == 0 && pipe(down) == 0);
	(void)fflush(stdout);
	pid = fork();
	fc_check(pid >= 0);
	if (!pid) {
		fc_check(unshare(CLONE_NEWUSER) == 0);
		fc_check(write(up[1], &byte, 1) == 1 && read(down[0], &byte, 1) == 1);
		fc_check(chroot(empty) == 0 && chdir("/") == 0);
		if (securebits)
			fc_check(prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP) == 0);
		fs_jail_caps();
		fc_check(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
		fn();
		counts[0] = tap_count;
		counts[1] = tap_failed;
		_exit(0);
	}
	fc_check(read(up[0], &byte, 1) == 1);
	fs_jail_map(pid, "uid_map");
	fs_jail_map(pid, "gid_map");
	fc_check(write(down[1], &byte, 1) == 1);
	fc_check(waitpid(pid, &status, 0) == pid);
	for (int i = 0; i < 2; i++) {
		(void)close(up[i]);
		(void)close(down[i]);
	}
	if (counts[0]) {
		tap_count = counts[0];
		tap_failed = counts[1];
	}
	is_int(status, 0, "the jailed part came to its end");
	(void)munmap(counts, 4096);
}

/* fs_jail_possible() - root that may make user namespaces. */
static inline bool fs_jail_possible(void)
{
	int status;
	pid_t pid;

	if (geteuid())
		return false;
	(void)fflush(stdout);
	pid = fork();
	fc_check(pid >= 0);
	if (!pid)
		_exit(unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 ? 0 : 1);
	return waitpid(pid, &status, 0) == pid && status == 0;
}

/* fs_jail_skip() - what main() returns where none is possible. */
static inline int fs_jail_skip(void)
{
	(void)printf("1..0 # SKIP needs root and user namespaces\n");
	return TAP_SKIP;
}

#endif
