/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file of a saved machine.
 *
 *	0		half a page of which it is: of a template, by whoever keeps it
 *			(runtime/template.c); of a container, struct image_machine
 *	2 KiB		a bit for each piece of RAM (IMAGE_PIECE) that a machine changes so much
 *			of that a copy of all of it is cheaper; a hint, from whoever you like.  Of a
 *			container's image that has a parent: the path of its folder, relative to
 *			this one's, with a final 0 and zeros behind it
 *	4 KiB		struct image_head, then the state: sections (sections.h)
 *	2 MiB		guest RAM from its first byte on, as the machine has it in one
 *			piece; only pages that are not zero are written, the rest are holes
 *	after RAM	its sums (chunks.h), from whoever keeps the file: holes are zeros;
 *			with a parent, of all of RAM, wherever it lies
 *	after the sums	of a template: a bit for each page of RAM that a machine changes: a hint
 *			as well.  Of a container's image that has a parent: a bit for each page
 *			that is in this file, or zeros; the others are the parent's
 *	behind them	the state, if it is too long for its place
 *
 * All numbers are the machine's own: little endian, and no file is read by another
 * program than the one that wrote it (`version`).
 */
#ifndef HULL_VMM_SNAPSHOT_IMAGE_H
#define HULL_VMM_SNAPSHOT_IMAGE_H

#include <assert.h>
#include <stdint.h>

#include "vmm/snapshot/chunks.h"

struct buf;
struct err;

#define IMAGE_MAGIC 0x474d49314c4c5548ull /* "HULL1IMG" */
#define IMAGE_VERSION 3u
#define IMAGE_HOT_AT 2048u
#define IMAGE_HOT_SIZE 2048u
#define IMAGE_HEAD_AT 4096u
#define IMAGE_STATE_AT (IMAGE_HEAD_AT + sizeof(struct image_head))
#define IMAGE_RAM_AT (2ull << 20)
#define IMAGE_PIECE (2u << 20) /* (bytes) of RAM that are saved and mapped as one */
#define IMAGE_PAGE 4096u
#define IMAGE_MAX_STATE (256ull << 20) /* (bytes) some million files of virtio-fs */

struct image_head {
	uint64_t magic; /* IMAGE_MAGIC */
	uint32_t version; /* IMAGE_VERSION */
	uint32_t state_crc; /* CRC-32 of the state, as zlib's crc32() counts it */
	uint64_t state_at; /* (bytes) in the file */
	uint64_t state_len; /* (bytes) */
	uint64_t ram_size; /* (bytes) of the machine */
};

static_assert(sizeof(struct image_head) == 40, "file format");

#define IMAGE_MACHINE_MAGIC 0x454e4948434d5548ull /* "HUMCHINE" */
#define IMAGE_MACHINE_ROOTS 256u
#define IMAGE_ID_SIZE 16u
#define IMAGE_PARENT_AT IMAGE_HOT_AT
#define IMAGE_PARENT_SIZE IMAGE_HOT_SIZE
#define IMAGE_ROOT_READONLY 0x80u /* in image_machine.roots */

enum image_machine_flags {
	IMAGE_FROZEN = 1 << 0, /* its file systems were: `hull freeze` */
	IMAGE_TERMINAL = 1 << 1, /* process.terminal */
	IMAGE_PAUSED = 1 << 2, /* `hull pause` */
	IMAGE_HAS_TEMPLATE = 1 << 3, /* vm_config.has_template: all devices are there */
	IMAGE_PRE_DUMP = 1 << 4, /* RAM only, as it was while the machine ran: a parent */
	IMAGE_HAS_PARENT = 1 << 5, /* what did not change since is there */
};

/* A file that the machine was started with; all 0: not known. */
struct image_file {
	uint64_t size;
	uint32_t crc; /* CRC-32 of all of it */
	uint32_t reserved;
};

/*
 * The machine of a container that was saved (CONTROL_CHECKPOINT): whoever restores it
 * gives hull-vmm one that has the same (vm_config).  hull-vmm writes all but the files'
 * identities and the CRC, which are hull's.
 */
struct image_machine {
	uint64_t magic; /* IMAGE_MACHINE_MAGIC */
	uint32_t version; /* IMAGE_VERSION */
	uint32_t flags; /* enum image_machine_flags */
	uint64_t memory; /* these as in vm_config */
	uint64_t boot_memory;
	uint64_t dax_size;
	uint32_t vcpus;
	uint32_t n_nics; /* cards on the bus */
	uint64_t saved_ns; /* CLOCK_REALTIME */
	uint32_t n_roots;
	uint32_t n_preserved;
	struct image_file kernel;
	struct image_file initrd;
	uint8_t id[IMAGE_ID_SIZE]; /* random: no other image has it */
	uint8_t parent[IMAGE_ID_SIZE]; /* its id; zeros: there is none */
	uint8_t roots[IMAGE_MACHINE_ROOTS]; /* enum vm_fs_device | IMAGE_ROOT_READONLY */
	uint32_t parent_crc; /* CRC-32 of the parent's path, all IMAGE_PARENT_SIZE bytes of it */
	uint32_t places[IMAGE_MACHINE_ROOTS]; /* of these, vm_root.place */
	uint32_t crc; /* CRC-32 of all before it */
};

static_assert(sizeof(struct image_machine) == 1416, "file format");
static_assert(sizeof(struct image_machine) <= IMAGE_HOT_AT, "in its place");

/*
 * image_write() - head and state into @fd, whose RAM was written before.
 * Errors: E2BIG, what pwrite() says
 */
int image_write(int fd, const struct buf *state, uint64_t ram_size, struct err *err);

/*
 * image_read() - the state of @fd, checked.
 * @ram_size: (bytes) what the machine has
 * @state: empty; the caller's
 * Errors: EPROTO (not such a file, cut off, bits flipped, of another machine)
 */
int image_read(int fd, uint64_t ram_size, struct buf *state, struct err *err);

/* image_touched_at() - (bytes) where the bits of the pages are, and how many bytes. */
static inline uint64_t image_touched_at(uint64_t ram_size)
{
	return IMAGE_RAM_AT + ram_size + chunks_in(ram_size) * sizeof(uint32_t);
}

static inline uint64_t image_touched_size(uint64_t ram_size)
{
	return ram_size / IMAGE_PAGE / 8;
}

/* image_size() - (bytes) of the whole file, but for a state that is too long for its place. */
static inline uint64_t image_size(uint64_t ram_size)
{
	return image_touched_at(ram_size) + image_touched_size(ram_size);
}

/* image_sum_ram() - write the sums of the RAM that is in @fd. */
int image_sum_ram(int fd, uint64_t ram_size, struct err *err);

/*
 * image_check_ram() - is the RAM in @fd what it was when it was summed?  All of it is read.
 * Errors: EPROTO (damaged, cut off)
 */
int image_check_ram(int fd, uint64_t ram_size, struct err *err);

#endif
