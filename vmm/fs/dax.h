/* SPDX-License-Identifier: Apache-2.0 */
/*
 * struct fs_dax - the DAX window of a virtio-fs device (virtio 1.2 §5.11.6.4): guest
 * physical addresses behind which the guest finds pages of the host's page cache.
 *
 * The window is cut into slots of FS_DAX_SLOT bytes, the alignment that INIT tells
 * the guest; one slot shows one piece of one file.  A slot that shows none is
 * anonymous memory, and what is shown for reading only is mapped privately: every page
 * of the window stays readable and writable, as struct virtio_shm asks for, and what
 * the guest writes where it may not is its own copy, charged to its own cgroup.
 *
 * The exception is a file that somebody shortens while it is shown.  A page past its
 * end cannot be had: KVM_RUN fails with EFAULT, or waits for it in vain (vm.h:
 * vm_poll_faults()), and fs_dax_mend() puts anonymous pages there, which read as
 * zeros.  When the file grows again fs_dax_heal() takes them off.  What we touch there
 * ourselves is seen to by vmm/bus_guard.h.
 *
 * While the gate is closed (vmm/fs/gate.h) a slot for writing is `held`: mapped
 * privately from the same file, so that it reads as before and stores stay here, at
 * most the window's size.  fs_dax_let_go() writes the changed pages to the file.  Which
 * they are /proc/self/pagemap tells: they are anonymous.  Meanwhile the slot is
 * read-only: a vCPU that stores to it gets EFAULT from KVM_RUN and waits for `lock` in
 * fs_dax_mend(), then tries again.
 *
 * Locks: `lock` guards the slots and is taken before fs_server.lock.
 */
#ifndef HULL_VMM_FS_DAX_H
#define HULL_VMM_FS_DAX_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct err;
struct fs_inode;
struct fs_server;

#define FS_DAX_SHIFT 21u /* log2 of the slot: what Linux maps at once */
#define FS_DAX_SLOT (UINT64_C(1) << FS_DAX_SHIFT) /* (bytes) */

struct fs_dax_slot {
	struct fs_inode *inode; /* holds a reference; NULL: shows no file */
	int fd; /* owned */
	bool writable;
	bool held; /* writable, and what is stored there does not reach the file */
	uint64_t offset; /* (bytes) in the file */
	uint64_t shown; /* (bytes) of the file; behind them there are zeros */
};

struct fs_dax {
	pthread_mutex_t lock;
	uint64_t size; /* (bytes) constant; 0: the device has no window */
	char *window;
	struct fs_dax_slot *slots; /* size / FS_DAX_SLOT */
	atomic_bool *bus; /* as many: pages are missing there (vmm/bus_guard.h) */
	atomic_bool holding; /* since fs_dax_hold(), until fs_dax_let_go() */
	int pagemap; /* owned: our own /proc/self/pagemap; -1: there is none */
	bool remapped; /* fs_dax_let_go() was at work: fs_dax_mend() says so, once */
	void (*on_mapped)(void *arg); /* fs_params' */
	void *on_mapped_arg;
};

/*
 * fs_dax_init() - reserve the window; needs /proc.
 * @size: (bytes) a power of 2 of at least FS_DAX_SLOT, or 0 for none
 * Errors: ENOMEM
 */
int fs_dax_init(struct fs_dax *dax, uint64_t size, struct err *err);
/* fs_dax_release() - no thread uses the window any more. */
void fs_dax_release(struct fs_dax *dax);

/*
 * fs_dax_map() - show @len bytes of @inode's file from @offset on at @at in the window;
 * what was shown there is not any more.  Any worker.
 * @fd: the file, open for reading, and for writing with @writable; not kept
 * Return: 0; -EINVAL (out of the window, not aligned); -errno of mmap(); -FS_PARK (what
 * is shown there is held)
 */
struct fs_dax_range {
	uint64_t at, len, offset; /* (bytes) */
	bool writable;
};
int fs_dax_map(struct fs_server *fs, struct fs_inode *inode, int fd,
	       const struct fs_dax_range *range);

/* fs_dax_unmap() - Return: 0; -EINVAL; -errno of mmap(); -FS_PARK (it is held) */
int fs_dax_unmap(struct fs_server *fs, uint64_t at, uint64_t len);

/* fs_dax_reset() - the window shows nothing, what was held is lost.  No request is being
 * served. */
void fs_dax_reset(struct fs_server *fs);

/*
 * fs_dax_hold() - from now on no store reaches a file.  No SETUPMAPPING for writing is
 * being served.
 * Return: 0; -EOPNOTSUPP (without pagemap); -errno of mmap(): some slots may be held
 */
int fs_dax_hold(struct fs_server *fs);
/* fs_dax_holds() - is anything held, of @inode (NULL: of any)? */
bool fs_dax_holds(struct fs_server *fs, const struct fs_inode *inode);
/* fs_dax_let_go() - write back what is held, and let stores reach the files again.  On a
 * worker; nobody but vCPUs writes to the window now. */
void fs_dax_let_go(struct fs_server *fs);

/*
 * fs_dax_renew() - @inode's file was opened for writing as @fd: on overlayfs that may
 * have made another file of it, and what is shown for reading is shown from @fd.
 */
void fs_dax_renew(struct fs_server *fs, struct fs_inode *inode, int fd);

/* fs_dax_heal() - @inode's file may have grown: show all of it that there is. */
void fs_dax_heal(struct fs_server *fs, struct fs_inode *inode);

/*
 * fs_dax_mend() - zeros where files have become shorter than what is shown of them.
 * Any vCPU thread.
 * Return: whether anything was done, here or by fs_dax_let_go()
 */
bool fs_dax_mend(struct fs_dax *dax);

#endif
