/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/jail/jail.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/mount.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/capability.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/io.h"
#include "vmm/vm_config.h"

#include "filters.h" /* made by gen_filters from the lists of system calls */

/*
 * What the virtio-fs server needs to act for the guest's users.  In the new user
 * namespace they count for files (whose owners are mapped there) and nothing
 * else: no mount, no device node, no open_by_handle_at, no network.
 */
static const cap_value_t kept_caps[] = {
	CAP_CHOWN,  CAP_DAC_OVERRIDE, CAP_FOWNER,  CAP_FSETID,
	CAP_SETUID, CAP_SETGID,       CAP_SETFCAP,
};

int jail_tmpfs(const char *inodes, unsigned int attrs, struct err *err)
{
	auto_fd int fs = fsopen("tmpfs", FSOPEN_CLOEXEC);
	int mnt;

	if (fs < 0)
		return err_set(err, errno, "fsopen tmpfs");
	if (fsconfig(fs, FSCONFIG_SET_STRING, "size", "4096", 0) < 0 ||
	    fsconfig(fs, FSCONFIG_SET_STRING, "nr_inodes", inodes, 0) < 0 ||
	    fsconfig(fs, FSCONFIG_SET_STRING, "mode", "0555", 0) < 0 ||
	    fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return err_set(err, errno, "fsconfig tmpfs");
	mnt = fsmount(fs, FSMOUNT_CLOEXEC, attrs);
	return mnt < 0 ? err_set(err, errno, "fsmount tmpfs") : mnt;
}

/* add_sockets() - into the root that we are in, which is read-only from then on. */
static int add_sockets(const int *sockets, unsigned int n, struct err *err)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };

	for (unsigned int i = 0; i < n; i++) {
		char place[16];

		(void)!snprintf(place, sizeof(place), "/%u", i);
		if (mknod(place, S_IFREG, 0) < 0)
			return err_set(err, errno, "make a place for a socket");
		if (move_mount(sockets[i], "", AT_FDCWD, place, MOVE_MOUNT_F_EMPTY_PATH) <
		    0)
			return err_set(err, errno, "move_mount a socket");
	}
	if (mount_setattr(AT_FDCWD, "/", 0, &attr, sizeof(attr)) < 0)
		return err_set(err, errno, "make the empty root read-only");
	return 0;
}

int jail_root(const int *sockets, unsigned int n, struct err *err)
{
	auto_fd int mnt = -1;
	char inodes[16];

	/* Mustn't send our unmounts back to the host. */
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return err_set(err, errno, "make mounts private");
	(void)!snprintf(inodes, sizeof(inodes), "%u", 2 + n);
	mnt = jail_tmpfs(inodes,
			 (n ? 0 : MOUNT_ATTR_RDONLY) | MOUNT_ATTR_NOSUID |
				 MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
			 err);
	if (mnt < 0)
		return mnt;
	if (move_mount(mnt, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return err_set(err, errno, "move_mount the empty root");
	if (fchdir(mnt) < 0)
		return err_set(err, errno, "enter the empty root");
	/* "." twice: the old root is stacked on the new one, and taken off. */
	if (syscall(SYS_pivot_root, ".", ".") < 0)
		return err_set(err, errno, "pivot_root");
	if (umount2(".", MNT_DETACH) < 0)
		return err_set(err, errno, "unmount the old root");
	if (chdir("/") < 0)
		return err_set(err, errno, "chdir '/'");
	return n ? add_sockets(sockets, n, err) : 0;
}

/*
 * unshare_user() - EINVAL: there are other threads (unshare(2)).  One that was joined may be on
 * its way out of the kernel for a moment still.
 */
static int unshare_user(void)
{
	const struct timespec pause = { .tv_nsec = 100000 };

	for (unsigned int i = 0; unshare(CLONE_NEWUSER) < 0; i++) {
		if (errno != EINVAL || i == 1000)
			return -errno;
		(void)nanosleep(&pause, NULL); /* sooner is as good */
	}
	return 0;
}

int jail_user_begin(int sync_fd, bool no_userns, struct err *err)
{
	struct vm_sync ask = { .type = VM_SYNC_MAP_USERS };
	int ret;

	/* The groups of whoever called are not the container's business. */
	if (setgroups(0, NULL) < 0)
		return err_set(err, errno, "setgroups");
	ret = no_userns ? 0 : unshare_user();
	if (ret < 0)
		return err_set(err, -ret, "unshare the user namespace");
	ret = sock_send(sync_fd, &ask, sizeof(ask), NULL, 0);
	if (ret < 0)
		return err_set(err, -ret, "ask for user maps");
	return 0;
}

/* wait_for_maps() - the creating command's answer to VM_SYNC_MAP_USERS. */
static int wait_for_maps(int sync_fd, int *ret_root, struct err *err)
{
	struct vm_sync answer;
	int fds[SOCK_MAX_FDS];
	unsigned int n_fds = 0;
	ssize_t n = sock_recv(sync_fd, &answer, sizeof(answer), fds, &n_fds);

	if (n_fds == 1)
		*ret_root = take_fd(&fds[0]);
	for (unsigned int i = 0; i < n_fds; i++)
		close_fd(fds[i]);
	if (n < 0)
		return err_set(err, (int)-n, "wait for user maps");
	if (n != sizeof(answer) || n_fds > 1 || answer.type != VM_SYNC_MAP_USERS)
		return err_msg(err, EPROTO, "the creating command went away");
	if (answer.err.code) {
		answer.err.msg[sizeof(answer.err.msg) - 1] = 0;
		return err_msg(err, answer.err.code, "%s", answer.err.msg);
	}
	return 0;
}

static int become_root(struct err *err)
{
	if (setresgid(0, 0, 0) < 0)
		return err_set(err, errno, "setresgid");
	if (setresuid(0, 0, 0) < 0)
		return err_set(err, errno, "setresuid");
	return 0;
}

static void cleanup_cap(cap_t *cap)
{
	if (*cap)
		(void)cap_free(*cap); /* fails only for what is no cap_t */
}

static bool is_kept(cap_value_t cap, const cap_value_t *kept, int n)
{
	for (int i = 0; i < n; i++)
		if (kept[i] == cap)
			return true;
	return false;
}

int jail_caps(const int *kept, int n, struct err *err)
{
	auto_call(cleanup_cap) cap_t caps = cap_init();

	if (!caps)
		return err_set(err, errno, "cap_init");
	for (cap_value_t cap = 0; cap < CAP_LAST_CAP + 64; cap++) {
		if (prctl(PR_CAPBSET_READ, cap, 0, 0, 0) < 0)
			break; /* past the last one this kernel has */
		if (!is_kept(cap, kept, n) && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			return err_set(err, errno, "drop capability %d", cap);
	}
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return err_set(err, errno, "clear ambient capabilities");
	if (cap_set_flag(caps, CAP_PERMITTED, n, kept, CAP_SET) < 0 ||
	    cap_set_flag(caps, CAP_EFFECTIVE, n, kept, CAP_SET) < 0 ||
	    cap_set_proc(caps) < 0)
		return err_set(err, errno, "set capabilities");
	return 0;
}

int jail_user_end(int sync_fd, bool no_userns, int root_fd, struct err *err)
{
	auto_fd int root = -1;
	int ret = wait_for_maps(sync_fd, &root, err);

	/* The same number: the file server has it already. */
	if (ret == 0 && root >= 0 && dup3(root, root_fd, O_CLOEXEC) < 0)
		ret = err_set(err, errno, "replace the root file system");
	if (ret == 0 && !no_userns)
		ret = become_root(err);
	return ret < 0 ? ret : jail_caps(kept_caps, ARRAY_SIZE(kept_caps), err);
}

int jail_limits(struct err *err)
{
	static const struct {
		int resource;
		rlim_t value;
		const char *name;
	} limits[] = {
		{ RLIMIT_CORE, 0, "RLIMIT_CORE" }, /* guest memory stays here */
		{ RLIMIT_NOFILE, 4096, "RLIMIT_NOFILE" },
		{ RLIMIT_MSGQUEUE, 0, "RLIMIT_MSGQUEUE" },
		{ RLIMIT_MEMLOCK, 0, "RLIMIT_MEMLOCK" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		struct rlimit lim = { limits[i].value, limits[i].value };

		if (setrlimit((__rlimit_resource_t)limits[i].resource, &lim) < 0)
			return err_set(err, errno, "set %s", limits[i].name);
	}
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_set(err, errno, "set no_new_privs");
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return err_set(err, errno, "clear dumpable");
	return 0;
}

int jail_thread(enum jail_kind kind, struct err *err)
{
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &jail_filters[kind]) < 0)
		return err_set(err, errno, "load the seccomp filter");
	return 0;
}
