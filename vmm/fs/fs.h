/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The virtio-fs device (virtio 1.2 §5.11): directory trees and files of the host,
 * served to the guest by worker threads of hull-vmm.
 *
 * What the guest sees: the root of the file system is a synthetic read-only
 * directory; its entries are the roots of this device, each under its index in
 * decimal.  On a shared device directories among them are announced as submounts, so
 * that each volume has a st_dev of its own.  On a private device they are plain
 * directories, whose inode numbers are kept apart: Linux 6.1 knows ACLs on a submount
 * only with rootfs/kernel/patches/0009, and a root file system needs no st_dev.
 *
 * Calling sequence, and where the jail comes in:
 *
 *	fs_new()	before the jail: needs /proc once, for roots that are files
 *	...		user namespace, empty root, capabilities: the calling thread
 *	fs_start()	starts the first worker, which inherits all of these, and
 *			calls on_thread() in it (its seccomp filter)
 *	...		the caller's own seccomp filter
 *	activate()	by the transport, on a vCPU thread: starts no thread
 *
 * All later workers are started by a worker, so they inherit its filter and
 * capabilities; on_thread() is not called for them.
 */
#ifndef HULL_VMM_FS_FS_H
#define HULL_VMM_FS_FS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/memory.h"

#define FS_PLACE_SIZE 32u /* (bytes) of fs_root_params.place, with the final 0 */

struct agent_unwatched;
struct buf;
struct err;
struct virtio_device;

/* One exported tree or file. */
struct fs_root_params {
	int fd; /* O_PATH; owned by the device from the call on, also on failure */
	/*
	 * For a root that is a regular file: the file itself, opened for reading
	 * and (unless readonly) writing, owned like fd.  -1: the device opens it
	 * through /proc/self/fd, which must exist then.
	 */
	int data_fd;
	unsigned int index; /* < VM_MAX_ROOTS: its name in the guest */
	bool readonly; /* every change is refused with EROFS */
	/*
	 * For a root that is no directory: its path once the jail stands, by which a
	 * socket can be connected to and a file watched; copied.  NULL: it has none.
	 */
	const char *place;
};

struct fs_params {
	const struct guest_memory *mem;
	const char *tag; /* <= 36 bytes (virtio 1.2 §5.11.4) */
	bool shared; /* others write these roots too: everything is revalidated */
	/*
	 * With `shared`: file locks are the host's, too (vmm/fs/locks.h).  For a guest's
	 * kernel that asks again for those that it waits for.
	 */
	bool locks;
	const struct fs_root_params *roots;
	unsigned int n_roots;
	unsigned int max_workers; /* 0: the default (8) */
	uint64_t dax_size; /* (bytes) of the DAX window: a power of 2 >= 2 MiB, or 0 */
	unsigned int max_dir_fds; /* directories kept open; 0: the default (256) */

	/*
	 * on_thread() - called in the first worker before it serves anything; a
	 * failure fails fs_start().  May be NULL.
	 */
	int (*on_thread)(void *arg, struct err *err);
	void *on_thread_arg;

	/* on_mapped() - on a worker, when the DAX window shows a file more: from now on
	 * fs_mend() may have something to do.  May be NULL. */
	void (*on_mapped)(void *arg);
	void *on_mapped_arg;

	/* on_gate() - on any thread, when fs_gate() may say something else.  May be NULL. */
	void (*on_gate)(void *arg);
	void *on_gate_arg;

	/*
	 * Sockets of the host's (vmm/fs/offer.h), all on a worker.
	 * on_socket() - fs_socket_done() answers; false: it will not.  NULL: there is
	 *	nobody to connect to them
	 * on_connected() - what became of an fs_connect(): a descriptor, the callee's, or
	 *	-errno
	 */
	bool (*on_socket)(void *arg, unsigned int root, uint64_t node, int type);
	void (*on_connected)(void *arg, uint64_t token, int fd);
	void *on_socket_arg;

	/* on_notices() - on any thread, when fs_take_notices() has something to give.
	 * NULL: the guest is not told what others change. */
	void (*on_notices)(void *arg);
	void *on_notices_arg;
};

/*
 * fs_new() - make a device; it gives nothing to the guest until it is activated.
 * @params: strings and arrays are copied
 * Errors: EINVAL (tag, index), whatever stat() of a root says, ENOMEM
 */
int fs_new(const struct fs_params *params, struct virtio_device **ret, struct err *err);

/* fs_start() - start the first worker and wait until it is ready.  Once. */
int fs_start(struct virtio_device *dev, struct err *err);

/*
 * fs_add_root() - one more root while the device runs.  Any thread.
 * Errors: EEXIST (the index is taken), as fs_new()
 */
int fs_add_root(struct virtio_device *dev, const struct fs_root_params *root,
		struct err *err);

/*
 * fs_relax_sync() - from now on FSYNC and SYNCFS answer as soon as the data is in
 * the host's page cache: for the end of a VM, whose data is then as safe as that
 * of a process that exits.  Any thread.
 */
void fs_relax_sync(struct virtio_device *dev);

/*
 * fs_mend() - zeros instead of what the DAX window showed of files that somebody has
 * shortened: when a vCPU does not get a page, or may not.  Any vCPU thread.
 * Return: whether there was anything to do
 */
bool fs_mend(struct virtio_device *dev);

/*
 * fs_freeze() / fs_thaw() - begin to close and to open the write gate (vmm/fs/gate.h):
 * while it is closed no file changes through this device, and reads are served.  They
 * return at once; fs_gate() tells how far it is.  Any thread.
 */
void fs_freeze(struct virtio_device *dev);
void fs_thaw(struct virtio_device *dev);

enum fs_gate_is {
	FS_GATE_IS_OPEN,
	FS_GATE_IS_MOVING,
	FS_GATE_IS_CLOSED,
};

/* fs_gate() - enum fs_gate_is; -errno: it is open, and the last fs_freeze() failed. */
int fs_gate(struct virtio_device *dev);

/* fs_waiting() - requests that wait for the gate.  Any thread. */
unsigned int fs_waiting(struct virtio_device *dev);

/* fs_socket_done(), fs_sockets_off(), fs_connect() - fs_offer_done(), _give_up() and
 * _connect() of vmm/fs/offer.h.  Any thread. */
void fs_socket_done(struct virtio_device *dev, uint64_t node, int type, bool ok);
void fs_sockets_off(struct virtio_device *dev);
int fs_connect(struct virtio_device *dev, uint64_t node, int type, uint64_t token);

/*
 * fs_hold() / fs_let_go() - in between no request is served: for whoever saves the machine.
 * Those that wait for something are not held: -EBUSY.  Main thread.
 * Return: 0; -EBUSY: a request takes longer than 100 ms, or waits (let go all the same)
 */
int fs_hold(struct virtio_device *dev);
void fs_let_go(struct virtio_device *dev);

/* fs_untouched() - the guest knows no file but the device's own root directory. */
bool fs_untouched(struct virtio_device *dev);

/* fs_take_notices(), fs_unwatched() - fs_watch_take() and _ended() of vmm/fs/watch.h.
 * Any thread. */
int fs_take_notices(struct virtio_device *dev, struct buf *out);
void fs_unwatched(struct virtio_device *dev, const struct agent_unwatched *u, size_t n);

/* fs_requests() - requests served since fs_new(), of all opcodes.  Any thread. */
uint64_t fs_requests(const struct virtio_device *dev);

/* fs_log_requests() - one debug line: how many of each opcode.  Any thread. */
void fs_log_requests(const struct virtio_device *dev);

#endif
