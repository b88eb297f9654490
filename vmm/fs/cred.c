/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who creates: each worker has a umask of its own, and takes the request's ids as
 * fsuid and fsgid for as long as it creates something.
 *
 * The guest's kernel has checked permissions already (default_permissions), with
 * group lists and capabilities that do not reach us.  So none is given up here:
 * setfsuid() to an ordinary user would drop the file capabilities from the
 * effective set, and they are put back at once.  Where the jail has set
 * SECBIT_NO_SETUID_FIXUP the kernel leaves them alone, which saves the call.
 */
#include <errno.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/err.h"
#include "vmm/fs/server.h"

#define ID_INVALID UINT32_MAX

int fs_worker_init(struct fs_worker *w, struct fs_server *fs, struct err *err)
{
	int bits;

	*w = (struct fs_worker){ .fs = fs };
	if (unshare(CLONE_FS) < 0)
		return err_set(err, errno, "unshare a file server thread's umask");
	(void)umask(0);
	bits = prctl(PR_GET_SECUREBITS);
	w->fixup = bits < 0 || !(bits & SECBIT_NO_SETUID_FIXUP);
	return 0;
}

void fs_worker_release(struct fs_worker *w)
{
	free(w->scratch);
	w->scratch = NULL;
	fs_touch_free(w->touch);
	w->touch = NULL;
}

char *fs_scratch(struct fs_req *r)
{
	if (!r->worker->scratch)
		r->worker->scratch = malloc(FS_SCRATCH_SIZE);
	return r->worker->scratch;
}

/* raise_caps() - all permitted capabilities effective again. */
static int raise_caps(void)
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct d[2];

	if (syscall(SYS_capget, &h, d) < 0)
		return -errno;
	d[0].effective = d[0].permitted;
	d[1].effective = d[1].permitted;
	return syscall(SYS_capset, &h, d) < 0 ? -errno : 0;
}

/* These two return the id before and never an error: ask again to know. */
static bool set_fsid(long nr, uint32_t id)
{
	(void)syscall(nr, id);
	return (uint32_t)syscall(nr, ID_INVALID) == id;
}

int fs_cred_enter(struct fs_req *r, uint32_t umask_wanted)
{
	mode_t mask = umask_wanted & 0777;

	if (r->h.uid == ID_INVALID || r->h.gid == ID_INVALID)
		return -EPERM;
	if (r->worker->umask != mask) {
		(void)umask(mask);
		r->worker->umask = mask;
	}
	if (r->h.gid && !set_fsid(SYS_setfsgid, r->h.gid)) {
		(void)syscall(SYS_setfsgid, 0);
		return -EPERM;
	}
	if (r->h.uid) {
		if (!set_fsid(SYS_setfsuid, r->h.uid) ||
		    (r->worker->fixup && raise_caps() < 0)) {
			fs_cred_leave(r);
			return -EPERM;
		}
	}
	return 0;
}

void fs_cred_leave(const struct fs_req *r)
{
	/* Back to what the thread began with; capabilities come back with it. */
	if (r->h.uid)
		(void)syscall(SYS_setfsuid, 0);
	if (r->h.gid)
		(void)syscall(SYS_setfsgid, 0);
}
