/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which release a kernel image is, read from the image itself.
 *
 * Any thread may call it.
 */
#ifndef HULL_RUNTIME_KERNEL_RELEASE_H
#define HULL_RUNTIME_KERNEL_RELEASE_H

#include <stddef.h>

struct err;

/* Linux: __NEW_UTS_LEN + 1 */
#define KERNEL_RELEASE_SIZE 65

/*
 * kernel_release() - the release of a bzImage or an uncompressed ELF vmlinux.
 * @fd: borrowed; a regular file, its offset is left alone
 * @buf: gets the release ("6.1.0-56-cloud-amd64"), always terminated
 * @size: (bytes) of @buf
 *
 * Return: 0; -EINVAL: neither kind of image, or no release in it; -ERANGE: @buf
 * is too small; -errno of a failed read.  @buf is untouched on failure.
 */
int kernel_release(int fd, char *buf, size_t size, struct err *err);

#endif
