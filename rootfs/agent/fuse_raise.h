/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ioctl by which hull's guest kernel is told what somebody on the host has done to an
 * inode of a virtio-fs device: rootfs/kernel/patches/0011.  On any directory of that
 * device; other kernels answer ENOTTY.
 */
#ifndef HULL_AGENT_FUSE_RAISE_H
#define HULL_AGENT_FUSE_RAISE_H

#include <assert.h>
#include <stdint.h>
#include <sys/ioctl.h>

struct fuse_raise {
	uint64_t nodeid;
	uint32_t mask; /* one of inotify's events, and IN_ISDIR; or IN_Q_OVERFLOW */
	uint32_t cookie;
	uint32_t namelen;
	uint32_t reserved; /* 0 */
	char name[256]; /* in the directory nodeid; "": nodeid itself */
};

static_assert(sizeof(struct fuse_raise) == 280, "as in the kernel");

/* 1; 0: nobody watches it any more */
#define FUSE_IOC_RAISE _IOW(229, 127, struct fuse_raise)

#endif
