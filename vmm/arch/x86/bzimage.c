/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bzImage: where its compressed vmlinux lies is said in the setup header
 * (Documentation/arch/x86/boot.rst, payload_offset and payload_length); the
 * formats are told by their first bytes, and the last four bytes are the
 * uncompressed size (scripts/Makefile.lib, size_append; gzip has it by itself).
 */
#include <errno.h>
#include <lz4.h>
#include <lzma.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#define ZLIB_CONST /* next_in points to const */
#include <zlib.h>
#include <zstd.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "vmm/arch/x86/kernel_image.h"

#define SETUP_SECTS 0x1f1
#define SETUP_VERSION 0x206
#define SETUP_PAYLOAD_OFFSET 0x248
#define SETUP_END 0x250
#define SECTOR 512u

/* More than any kernel has: a bound on what a broken size can make us allocate. */
#define PAYLOAD_MAX (256u << 20)
#define VMLINUX_MAX (512u << 20)

/* LZ4's legacy frame: blocks of 8 MiB, each after its compressed size. */
#define LZ4_LEGACY_BLOCK (8u << 20)

struct span {
	const uint8_t *data;
	size_t size; /* (bytes) */
};

static uint32_t le32(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/*
 * One function a format: fill @dst (@size bytes, known before) from @in.
 * Return: true when exactly that came out
 */
static bool unpack_lz4(struct span in, uint8_t *dst, size_t size)
{
	size_t at = 4; /* behind the magic number */
	size_t done = 0;

	while (done < size) {
		size_t left = size - done;
		uint32_t packed;
		int n;

		if (in.size - at < 4)
			return false;
		packed = le32(in.data + at);
		at += 4;
		if (packed > in.size - at)
			return false;
		n = LZ4_decompress_safe(
			(const char *)in.data + at, (char *)dst + done, (int)packed,
			(int)(left < LZ4_LEGACY_BLOCK ? left : LZ4_LEGACY_BLOCK));
		if (n <= 0)
			return false;
		at += packed;
		done += (size_t)n;
	}
	return true;
}

static bool unpack_xz(struct span in, uint8_t *dst, size_t size)
{
	uint64_t memory = 256u << 20; /* (bytes) a dictionary is 32 MiB */
	size_t from = 0, done = 0;

	return lzma_stream_buffer_decode(&memory, 0, NULL, in.data, &from, in.size, dst,
					 &done, size) == LZMA_OK &&
	       done == size;
}

static bool unpack_gzip(struct span in, uint8_t *dst, size_t size)
{
	z_stream z = {
		.next_in = in.data,
		.avail_in = (uInt)in.size,
		.next_out = dst,
		.avail_out = (uInt)size,
	};
	int ret;

	if (inflateInit2(&z, 16 + MAX_WBITS) != Z_OK)
		return false;
	ret = inflate(&z, Z_FINISH);
	(void)inflateEnd(
		&z); /* frees; says only whether the stream was read to its end */
	return ret == Z_STREAM_END && z.avail_out == 0;
}

static bool unpack_zstd(struct span in, uint8_t *dst, size_t size)
{
	size_t frame = ZSTD_findFrameCompressedSize(in.data, in.size);

	return !ZSTD_isError(frame) && ZSTD_decompress(dst, size, in.data, frame) == size;
}

static const struct {
	const char *name;
	uint8_t magic[6];
	size_t magic_size; /* (bytes) */
	bool (*unpack)(struct span in, uint8_t *dst, size_t size); /* NULL: we do not */
} formats[] = {
	{ "lz4", { 0x02, 0x21, 0x4c, 0x18 }, 4, unpack_lz4 }, /* Debian 12 */
	{ "xz", { 0xfd, '7', 'z', 'X', 'Z', 0 }, 6, unpack_xz }, /* Debian before */
	{ "zstd", { 0x28, 0xb5, 0x2f, 0xfd }, 4, unpack_zstd }, /* Ubuntu, Fedora */
	{ "gzip", { 0x1f, 0x8b }, 2, unpack_gzip }, /* the kernel's default */
	{ "bzip2", { 'B', 'Z', 'h' }, 3, NULL },
	{ "lzma", { 0x5d, 0, 0 }, 3, NULL },
	{ "lzo", { 0x89, 'L', 'Z', 'O' }, 4, NULL },
};

static int unpack(struct span in, uint8_t *dst, size_t size, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		if (memcmp(in.data, formats[i].magic, formats[i].magic_size) != 0)
			continue;
		if (!formats[i].unpack)
			return err_msg(err, ENOTSUP,
				       "compressed with %s, which hull cannot unpack",
				       formats[i].name);
		if (!formats[i].unpack(in, dst, size))
			return err_msg(err, ENOEXEC, "the %s data is broken",
				       formats[i].name);
		return 0;
	}
	return err_msg(err, ENOEXEC, "unknown compression (%02x %02x %02x %02x)",
		       in.data[0], in.data[1], in.data[2], in.data[3]);
}

/* find_payload() - where the compressed kernel lies in the file. */
static int find_payload(const struct kernel_source *src, uint64_t *offset, uint32_t *size,
			struct err *err)
{
	uint8_t setup[SETUP_END];
	uint32_t sectors;

	if (kernel_source_read(src, 0, setup, sizeof(setup)) < 0)
		return err_msg(err, ENOEXEC, "the setup header is cut off");
	if (setup[SETUP_VERSION + 1] < 2 ||
	    (setup[SETUP_VERSION + 1] == 2 && setup[SETUP_VERSION] < 8))
		return err_msg(err, ENOEXEC, "boot protocol %u.%02u is too old",
			       setup[SETUP_VERSION + 1], setup[SETUP_VERSION]);
	sectors = setup[SETUP_SECTS] ? setup[SETUP_SECTS] : 4;
	*offset = (uint64_t)(sectors + 1) * SECTOR + le32(setup + SETUP_PAYLOAD_OFFSET);
	*size = le32(setup + SETUP_PAYLOAD_OFFSET + 4);
	if (*offset > src->size || *size > src->size - *offset)
		return err_msg(err, ENOEXEC,
			       "the compressed kernel lies outside the file");
	if (*size < 16 || *size > PAYLOAD_MAX)
		return err_msg(err, ENOEXEC, "a compressed kernel of %u bytes", *size);
	return 0;
}

static int unpack_payload(struct span in, void **ret_data, uint64_t *ret_size,
			  struct err *err)
{
	uint32_t size = le32(in.data + in.size - 4);
	void *dst;
	int ret;

	if (size < SECTOR || size > VMLINUX_MAX)
		return err_msg(err, ENOEXEC, "an uncompressed kernel of %u bytes", size);
	dst = mmap(NULL, size, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (dst == MAP_FAILED)
		return err_set(err, errno, "memory for the unpacked kernel");
	ret = unpack(in, dst, size, err);
	if (ret < 0) {
		(void)munmap(dst, size); /* cannot fail: it is ours */
		return ret;
	}
	*ret_data = dst;
	*ret_size = size;
	return 0;
}

int bzimage_unpack(const struct kernel_source *src, void **ret_data, uint64_t *ret_size,
		   struct err *err)
{
	auto_free uint8_t *packed = NULL;
	uint64_t offset = 0;
	uint32_t size = 0;
	int ret;

	ret = find_payload(src, &offset, &size, err);
	if (ret < 0)
		return ret;
	packed = malloc(size);
	if (!packed)
		return err_set(err, ENOMEM, "memory for the compressed kernel");
	ret = kernel_source_read(src, offset, packed, size);
	if (ret < 0)
		return err_set(err, -ret, "read the compressed kernel");
	return unpack_payload((struct span){ packed, size }, ret_data, ret_size, err);
}
