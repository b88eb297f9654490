/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/arch/x86/kernel_image.h"

#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/err.h"

/* "HdrS" in a bzImage (Documentation/arch/x86/boot.rst). */
#define BZIMAGE_MAGIC_OFFSET 0x202

int kernel_source_read(const struct kernel_source *src, uint64_t offset, void *dst,
		       uint64_t len)
{
	char *p = dst;

	if (offset > src->size || len > src->size - offset)
		return -ENODATA;
	if (src->fd < 0) {
		memcpy(dst, src->data + offset, len);
		return 0;
	}
	while (len > 0) {
		ssize_t n = pread(src->fd, p, len, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -ENODATA; /* the file has shrunk */
		p += n;
		offset += (uint64_t)n;
		len -= (uint64_t)n;
	}
	return 0;
}

static int load_bzimage(const struct kernel_source *src, const struct guest_memory *mem,
			gpa_t limit, struct kernel_image *ret_image, struct err *err)
{
	struct kernel_source inner = { .fd = -1 };
	void *data;
	int ret;

	ret = bzimage_unpack(src, &data, &inner.size, err);
	if (ret < 0)
		return err_wrap(err, ret, "bzImage");
	inner.data = data;
	ret = elf_load(&inner, mem, limit, ret_image, err);
	(void)munmap(data, inner.size); /* cannot fail: it is ours */
	return ret < 0 ? err_wrap(err, ret, "bzImage") : 0;
}

int kernel_image_load(const struct kernel_source *src, const struct guest_memory *mem,
		      gpa_t limit, struct kernel_image *ret_image, struct err *err)
{
	char magic[4];

	if (kernel_source_read(src, 0, magic, sizeof(magic)) == 0 &&
	    !memcmp(magic, ELFMAG, SELFMAG))
		return elf_load(src, mem, limit, ret_image, err);
	if (kernel_source_read(src, BZIMAGE_MAGIC_OFFSET, magic, sizeof(magic)) == 0 &&
	    !memcmp(magic, "HdrS", sizeof(magic)))
		return load_bzimage(src, mem, limit, ret_image, err);
	return err_msg(err, ENOEXEC, "neither an ELF vmlinux nor a bzImage");
}
