/* SPDX-License-Identifier: Apache-2.0 */
/*
 * struct fs_locks - the file locks of a guest's processes, held on the host as well, so
 * that the host's processes and other guests see them, and the other way round.
 *
 * DOC: who has what
 *
 * All locks of the guest's on a file are one owner to the host: a descriptor of their own,
 * opened for that, has an OFD lock on every byte that somebody in the guest has locked
 * (fcntl), and a flock() of the strongest kind (another descriptor).  Who in the guest has
 * which is in `locks`, and conflicts among them are found there.  So a file costs two
 * descriptors, however many lock it, and one that cannot be opened again (a root that is
 * a file, a file without a name) can be locked all the same: by a duplicate of what is
 * open.  A descriptor goes with the last lock; should hull-vmm die, with it.
 *
 * Nothing here waits: the guest's kernel asks again (rootfs/kernel/patches/0012).
 *
 * An owner is the guest's number for a process' table of files (fcntl's F_SETLK), whose
 * locks go with FLUSH, or for an open file (F_OFD_SETLK, flock), whose locks go when the
 * handle does.
 *
 * Bounds: FS_MAX_LOCKED_FILES, FS_MAX_LOCKS.
 *
 * Locks (of threads): fs_locked.mutex is held while the host is asked, which may take as
 * long as the file's own file system does, and is taken before `lock`, which is for
 * moments.  No file is opened and no handle given up under either.
 */
#ifndef HULL_VMM_FS_LOCKS_H
#define HULL_VMM_FS_LOCKS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct fs_handle;
struct fs_inode;
struct fs_server;

#define FS_MAX_LOCKED_FILES 512u /* of a device */
#define FS_MAX_LOCKS 4096u /* likewise: pieces of files, and flock()s */
#define FS_LOCK_BUCKETS 64u /* a power of 2 */
#define FS_LOCK_END ((uint64_t)INT64_MAX) /* the last byte that a lock may have */

enum fs_lock_kind {
	FS_LOCK_POSIX, /* bytes */
	FS_LOCK_FLOCK, /* the file */
	FS_LOCK_KINDS,
};

struct fs_lock {
	uint64_t owner;
	uint64_t start, end; /* (bytes) both are locked; flock: all */
	struct fs_handle *handle; /* it goes with it; held by the guest */
	uint8_t kind; /* enum fs_lock_kind */
	uint8_t type; /* F_RDLCK, F_WRLCK; asked for also F_UNLCK */
};

/* A file that somebody in the guest has locked, or is about to. */
struct fs_locked {
	struct fs_inode *inode; /* kept by the handles */
	struct fs_locked *next; /* in the bucket; fs_locks.lock */
	unsigned int refs; /* threads that use it; fs_locks.lock */
	pthread_mutex_t mutex; /* guards the rest */
	int fds[FS_LOCK_KINDS]; /* owned; -1: nobody has a lock of that kind */
	struct fs_lock *locks; /* owned; an owner's do not overlap */
	unsigned int n;
};

struct fs_locks {
	pthread_mutex_t lock;
	struct fs_locked *buckets[FS_LOCK_BUCKETS];
	unsigned int n_files; /* lock */
	atomic_uint n; /* of all files */
};

int fs_locks_init(struct fs_locks *locks);
void fs_locks_release(struct fs_locks *locks); /* no handle is open any more */

/*
 * fs_lock_set() - take, change or give back what @want says.  Any thread.
 * @want: checked: @start <= @end <= FS_LOCK_END, @handle is a file's and held by the
 *	caller
 * Return: 0; -EAGAIN (somebody else has it); -ENOLCK (too many, or no descriptor is
 * left); -EBADF (not open for that); -errno of fcntl() or flock()
 */
int fs_lock_set(struct fs_server *fs, const struct fs_lock *want);

/*
 * fs_lock_test() - what would keep @want from being taken?  fcntl's only.
 * @ret: one such lock; @ret->type is F_UNLCK when there is none
 * Return: 0; -errno
 */
int fs_lock_test(struct fs_server *fs, const struct fs_lock *want, struct fs_lock *ret);

/* fs_locks_drop_owner() - a process has closed a file.  Return: whether it had locked
 * something of it */
bool fs_locks_drop_owner(struct fs_server *fs, struct fs_inode *inode, uint64_t owner);
/* fs_locks_drop_handle() - the handle goes: nobody uses it any more. */
void fs_locks_drop_handle(struct fs_server *fs, const struct fs_handle *h);

/* fs_locks_any() - else nothing need be looked for. */
static inline bool fs_locks_any(const struct fs_locks *locks)
{
	return atomic_load(&locks->n) != 0;
}

#endif
