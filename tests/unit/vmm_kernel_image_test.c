/* SPDX-License-Identifier: Apache-2.0 */
/* Kernel loaders, with good and broken images, on guest memory without a machine. */
#include "vmm/arch/x86/kernel_image.h"

#include <assert.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <lz4.h>
#include <lzma.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "lib/err.h"
#include "tests/unit/tap.h"

#define MIB (1ull << 20)
#define RAM (64 * MIB)
#define PAGE 4096u
#define FILE_SIZE (16 * PAGE)

static struct guest_memory mem;

/* A vmlinux of two segments: text at 16 MiB from file page 1, data at 17 MiB from
 * page 4 (5000 bytes, and as much .bss behind). */
struct vmlinux {
	Elf64_Ehdr eh;
	Elf64_Phdr ph[3];
	uint8_t rest[FILE_SIZE - sizeof(Elf64_Ehdr) - 3 * sizeof(Elf64_Phdr)];
};
static_assert(sizeof(struct vmlinux) == FILE_SIZE, "no padding");

static struct vmlinux *new_vmlinux(void)
{
	struct vmlinux *v = calloc(1, sizeof(*v));

	if (!v)
		abort();
	for (size_t i = sizeof(v->eh) + sizeof(v->ph); i < sizeof(*v); i++)
		((uint8_t *)v)[i] = (uint8_t)(i * 7 + i / PAGE);
	memcpy(v->eh.e_ident, ELFMAG, SELFMAG);
	v->eh.e_ident[EI_CLASS] = ELFCLASS64;
	v->eh.e_ident[EI_DATA] = ELFDATA2LSB;
	v->eh.e_type = ET_EXEC;
	v->eh.e_machine = EM_X86_64;
	v->eh.e_entry = 16 * MIB + 0x40;
	v->eh.e_phoff = sizeof(v->eh);
	v->eh.e_phentsize = sizeof(v->ph[0]);
	v->eh.e_phnum = 3;
	v->ph[0] = (Elf64_Phdr){
		.p_type = PT_LOAD,
		.p_offset = PAGE,
		.p_paddr = 16 * MIB,
		.p_filesz = 3 * PAGE,
		.p_memsz = 3 * PAGE,
	};
	v->ph[1] = (Elf64_Phdr){
		.p_type = PT_LOAD,
		.p_offset = 4 * PAGE,
		.p_paddr = 17 * MIB,
		.p_filesz = 5000,
		.p_memsz = 10000,
	};
	v->ph[2] = (Elf64_Phdr){ .p_type = PT_NOTE, .p_paddr = 1, .p_memsz = 99 };
	return v;
}

static void new_memory(void)
{
	char *p = mmap(NULL, RAM, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		abort();
	if (mem.n_regions)
		(void)munmap(mem.regions[0].host, RAM);
	mem.n_regions = 1;
	mem.regions[0] = (struct guest_region){ .size = RAM, .host = p };
}

static bool is_loaded(const struct vmlinux *v)
{
	const uint8_t *file = (const uint8_t *)v;
	const char *ram = mem.regions[0].host;
	bool zero = true;

	for (size_t i = 5000; i < 10000; i++)
		zero = zero && ram[17 * MIB + i] == 0;
	return zero && !memcmp(ram + 16 * MIB, file + PAGE, 3 * PAGE) &&
	       !memcmp(ram + 17 * MIB, file + 4 * PAGE, 5000);
}

static int load(const void *data, size_t size, struct kernel_image *image,
		struct err *err)
{
	struct kernel_source src = { .fd = -1, .data = data, .size = size };

	new_memory();
	return kernel_image_load(&src, &mem, RAM, image, err);
}

static void test_elf(void)
{
	struct vmlinux *v = new_vmlinux();
	struct kernel_image image = { 0 };
	struct kernel_source src = { .size = FILE_SIZE };

	is_int(load(v, sizeof(*v), &image, NULL), 0, "a vmlinux in memory");
	is_int(image.entry, 16 * MIB + 0x40, "its entry");
	is_int(image.end, 17 * MIB + 10000, "its end, .bss included");
	ok(is_loaded(v), "its segments");

	src.fd = memfd_create("vmlinux", MFD_CLOEXEC);
	if (src.fd < 0 || write(src.fd, v, sizeof(*v)) != (ssize_t)sizeof(*v))
		abort();
	new_memory();
	is_int(kernel_image_load(&src, &mem, RAM, &image, NULL), 0,
	       "a vmlinux in a file");
	ok(is_loaded(v), "its segments");
	memset(mem.regions[0].host + 16 * MIB, 0, 3 * PAGE);
	memset(mem.regions[0].host + 17 * MIB, 0, 5000);
	new_memory();
	ok(kernel_image_load(&src, &mem, RAM, &image, NULL) == 0 && is_loaded(v),
	   "a guest that writes into its kernel does not write into the file");
	if (ftruncate(src.fd, 4 * PAGE) < 0)
		abort();
	new_memory();
	is_int(kernel_image_load(&src, &mem, RAM, &image, NULL), -ENODATA,
	       "a file that has shrunk");
	(void)close(src.fd);
	free(v);
}

/* One field is broken at a time; the image must be refused, with this message. */
static void broken(void (*spoil)(struct vmlinux *v), const char *message)
{
	struct vmlinux *v = new_vmlinux();
	struct kernel_image image;
	struct err err = ERR_INIT;
	int ret;

	spoil(v);
	ret = load(v, sizeof(*v), &image, &err);
	ok(ret < 0, "refused");
	is_str(err.msg, message, "and said why");
	free(v);
}

static void class32(struct vmlinux *v)
{
	v->eh.e_ident[EI_CLASS] = ELFCLASS32;
}

static void arm(struct vmlinux *v)
{
	v->eh.e_machine = EM_AARCH64;
}

static void no_segments(struct vmlinux *v)
{
	v->eh.e_phnum = 0;
}

static void many_segments(struct vmlinux *v)
{
	v->eh.e_phnum = 0xffff;
}

static void headers_outside(struct vmlinux *v)
{
	v->eh.e_phoff = UINT64_MAX - 8;
}

static void beyond_file(struct vmlinux *v)
{
	v->ph[1].p_filesz = v->ph[1].p_memsz = 1 * MIB;
}

static void offset_wraps(struct vmlinux *v)
{
	v->ph[1].p_offset = UINT64_MAX;
}

static void more_file_than_memory(struct vmlinux *v)
{
	v->ph[1].p_memsz = 1;
}

static void in_low_memory(struct vmlinux *v)
{
	v->ph[1].p_paddr = 0x7000;
}

static void beyond_memory(struct vmlinux *v)
{
	v->ph[1].p_memsz = RAM;
}

static void huge(struct vmlinux *v)
{
	v->ph[1].p_memsz = UINT64_MAX;
}

static void overlapping(struct vmlinux *v)
{
	v->ph[1].p_paddr = 16 * MIB + 2 * PAGE;
}

static void entry_nowhere(struct vmlinux *v)
{
	v->eh.e_entry = 20 * MIB;
}

static void entry_in_bss(struct vmlinux *v)
{
	v->eh.e_entry = 17 * MIB + 6000;
}

static void test_broken_elf(void)
{
	struct kernel_image image;
	struct err err = ERR_INIT;

	broken(class32, "ELF: not 64-bit little-endian");
	broken(arm, "ELF: not an x86-64 executable");
	broken(no_segments, "ELF: 0 program headers of 56 bytes");
	broken(many_segments, "ELF: 65535 program headers of 56 bytes");
	broken(headers_outside, "ELF: program headers: No data available");
	broken(beyond_file, "ELF: segment 1 lies outside the file");
	broken(offset_wraps, "ELF: segment 1 lies outside the file");
	broken(more_file_than_memory, "ELF: segment 1 lies outside the file");
	broken(in_low_memory,
	       "ELF: segment 1 (0x7000+0x2710) does not fit into guest memory");
	broken(beyond_memory,
	       "ELF: segment 1 (0x1100000+0x4000000) does not fit into guest memory");
	broken(huge,
	       "ELF: segment 1 (0x1100000+0xffffffffffffffff) does not fit into guest memory");
	broken(overlapping, "ELF: segments 0 and 1 overlap");
	broken(entry_nowhere, "ELF: the entry point 0x1400000 is in no segment");
	broken(entry_in_bss, "ELF: the entry point 0x1101770 is in no segment");
	is_int(load(ELFMAG, 4, &image, &err), -ENODATA, "four bytes of ELF");
	is_int(load("#!/bin/sh\n", 10, &image, &err), -ENOEXEC, "a script");
	is_str(err.msg, "neither an ELF vmlinux nor a bzImage", "is no kernel");
	is_int(load("", 0, &image, NULL), -ENOEXEC, "an empty file");
}

/* ---- bzImage -------------------------------------------------------------------------- */

#define SETUP_SIZE (2 * 512u)
#define PAYLOAD_OFFSET 16u

struct bzimage {
	uint8_t data[SETUP_SIZE + PAYLOAD_OFFSET + 2 * FILE_SIZE];
	size_t size;
};

static void put32(uint8_t *p, uint32_t v)
{
	memcpy(p, &v, sizeof(v)); /* x86 is little-endian, as the format */
}

/* finish() - the setup header around a payload of @packed bytes, with its size behind. */
static void finish(struct bzimage *bz, size_t packed, bool append_size)
{
	uint8_t *payload = bz->data + SETUP_SIZE + PAYLOAD_OFFSET;

	if (append_size) {
		put32(payload + packed, FILE_SIZE);
		packed += 4;
	}
	bz->data[0x1f1] = 1;
	memcpy(bz->data + 0x202, "HdrS", 4);
	bz->data[0x206] = 0x0f;
	bz->data[0x207] = 0x02;
	put32(bz->data + 0x248, PAYLOAD_OFFSET);
	put32(bz->data + 0x24c, (uint32_t)packed);
	bz->size = SETUP_SIZE + PAYLOAD_OFFSET + packed;
}

static uint8_t *payload_of(struct bzimage *bz)
{
	memset(bz, 0, sizeof(*bz));
	return bz->data + SETUP_SIZE + PAYLOAD_OFFSET;
}

static void pack_lz4(struct bzimage *bz, const struct vmlinux *v)
{
	uint8_t *p = payload_of(bz);
	int n = LZ4_compress_default((const char *)v, (char *)p + 8, FILE_SIZE,
				     FILE_SIZE);

	memcpy(p, "\x02\x21\x4c\x18", 4);
	put32(p + 4, (uint32_t)n);
	finish(bz, 8 + (size_t)n, true);
}

static void pack_xz(struct bzimage *bz, const struct vmlinux *v)
{
	uint8_t *p = payload_of(bz);
	size_t n = 0;

	if (lzma_easy_buffer_encode(1, LZMA_CHECK_CRC32, NULL, (const uint8_t *)v,
				    FILE_SIZE, p, &n, FILE_SIZE) != LZMA_OK)
		abort();
	finish(bz, n, true);
}

static void pack_zstd(struct bzimage *bz, const struct vmlinux *v)
{
	size_t n = ZSTD_compress(payload_of(bz), FILE_SIZE, v, FILE_SIZE, 1);

	finish(bz, n, true);
}

static void pack_gzip(struct bzimage *bz, const struct vmlinux *v)
{
	z_stream z = { 0 };

	z.next_out = payload_of(bz);
	z.avail_out = 2 * FILE_SIZE;
	z.next_in = (Bytef *)(uintptr_t)v;
	z.avail_in = FILE_SIZE;
	if (deflateInit2(&z, 1, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY) !=
		    Z_OK ||
	    deflate(&z, Z_FINISH) != Z_STREAM_END)
		abort();
	finish(bz, z.total_out, false); /* gzip ends in the size by itself */
	(void)deflateEnd(&z);
}

static void test_bzimage(void)
{
	static const struct {
		const char *name;
		void (*pack)(struct bzimage *bz, const struct vmlinux *v);
	} formats[] = {
		{ "lz4", pack_lz4 },
		{ "xz", pack_xz },
		{ "zstd", pack_zstd },
		{ "gzip", pack_gzip },
	};
	struct vmlinux *v = new_vmlinux();
	static struct bzimage bz;
	struct kernel_image image = { 0 };

	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		struct err err = ERR_INIT;
		int ret;

		formats[i].pack(&bz, v);
		ret = load(bz.data, bz.size, &image, &err);
		ok(ret == 0 && is_loaded(v), "%s is unpacked %s", formats[i].name,
		   err.msg);
		bz.data[SETUP_SIZE + PAYLOAD_OFFSET + 12] ^= 0xff;
		bz.data[SETUP_SIZE + PAYLOAD_OFFSET + 100] ^= 0xff;
		ret = load(bz.data, bz.size, &image, &err);
		ok(ret < 0 || !is_loaded(v), "%s: two wrong bytes are noticed",
		   formats[i].name);
		formats[i].pack(&bz, v);
		put32(bz.data + bz.size - 4, FILE_SIZE + 1);
		is_int(load(bz.data, bz.size, &image, &err), -ENOEXEC, "%s: a wrong size",
		       formats[i].name);
	}
	free(v);
}

static void refused(struct bzimage *bz, const char *message)
{
	struct kernel_image image;
	struct err err = ERR_INIT;

	ok(load(bz->data, bz->size, &image, &err) < 0, "refused");
	is_str(err.msg, message, "and said why");
}

static void test_broken_bzimage(void)
{
	struct vmlinux *v = new_vmlinux();
	static struct bzimage bz;
	uint8_t *payload = bz.data + SETUP_SIZE + PAYLOAD_OFFSET;

	pack_lz4(&bz, v);
	put32(bz.data + 0x248, UINT32_MAX);
	refused(&bz, "bzImage: the compressed kernel lies outside the file");
	pack_lz4(&bz, v);
	put32(bz.data + 0x24c, UINT32_MAX);
	refused(&bz, "bzImage: the compressed kernel lies outside the file");
	pack_lz4(&bz, v);
	put32(bz.data + 0x24c, 3);
	refused(&bz, "bzImage: a compressed kernel of 3 bytes");
	pack_lz4(&bz, v);
	bz.data[0x206] = 7;
	refused(&bz, "bzImage: boot protocol 2.07 is too old");
	pack_lz4(&bz, v);
	bz.size = 0x220;
	refused(&bz, "bzImage: the setup header is cut off");
	pack_lz4(&bz, v);
	put32(bz.data + bz.size - 4, UINT32_MAX);
	refused(&bz, "bzImage: an uncompressed kernel of 4294967295 bytes");
	pack_lz4(&bz, v);
	put32(payload + 4, UINT32_MAX);
	refused(&bz, "bzImage: the lz4 data is broken");
	pack_lz4(&bz, v);
	memcpy(payload, "BZh9", 4);
	refused(&bz, "bzImage: compressed with bzip2, which hull cannot unpack");
	pack_lz4(&bz, v);
	memcpy(payload, "\x01\x02\x03\x04", 4);
	refused(&bz, "bzImage: unknown compression (01 02 03 04)");
	v->eh.e_machine = EM_AARCH64;
	pack_lz4(&bz, v);
	refused(&bz, "bzImage: ELF: not an x86-64 executable");
	free(v);
}

int main(void)
{
	test_elf();
	test_broken_elf();
	test_bzimage();
	test_broken_bzimage();
	return tap_done();
}
