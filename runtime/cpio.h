/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing a cpio archive in the format the kernel unpacks as initramfs.
 * Linux Documentation/driver-api/early-userspace/buffer-format.rst, "newc"
 *
 *	struct cpio c = CPIO_INIT(fd);
 *
 *	cpio_dir(&c, "mod", err);
 *	cpio_file(&c, "mod/virtio.ko", 0400, src_fd, err);
 *	cpio_text(&c, "modules", 0400, text, len, err);
 *	cpio_end(&c, err);
 *
 * Each call appends to fd, which the caller owns.  Parent folders come before
 * what is in them.  Owner, group and times are 0: the same entries give the same
 * bytes.  One thread at a time.
 */
#ifndef HULL_RUNTIME_CPIO_H
#define HULL_RUNTIME_CPIO_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct err;

struct cpio {
	int fd; /* borrowed */
	uint32_t ino; /* of the last entry */
	uint64_t len; /* (bytes) written so far */
};

#define CPIO_INIT(archive_fd) ((struct cpio){ .fd = (archive_fd) })

/* Longest name of an entry, without the final 0. */
#define CPIO_NAME_MAX 255

/* All return 0 or -errno; -EFBIG: more than the format's 32 bits hold. */
int cpio_dir(struct cpio *c, const char *name, struct err *err);
int cpio_text(struct cpio *c, const char *name, mode_t mode, const void *data,
	      size_t len, struct err *err);

/* cpio_file() - the whole regular file @src, from its beginning. */
int cpio_file(struct cpio *c, const char *name, mode_t mode, int src,
	      struct err *err);

/* cpio_end() - the trailer; the length becomes a multiple of 4. */
int cpio_end(struct cpio *c, struct err *err);

#endif
