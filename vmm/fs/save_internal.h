/* SPDX-License-Identifier: Apache-2.0 */
/* The sections of a virtio-fs device: written by save.c, read by load.c. */
#ifndef HULL_VMM_FS_SAVE_INTERNAL_H
#define HULL_VMM_FS_SAVE_INTERNAL_H

#include <assert.h>
#include <stdint.h>

#include "vmm/snapshot/sections.h"

#define FS_TAG SECTION_TAG('f', 'u', 's', 'e')
#define FS_TAG_INODES SECTION_TAG('f', 'i', 'n', 'o')
#define FS_TAG_HANDLES SECTION_TAG('f', 'h', 'n', 'd')
#define FS_TAG_WINDOW SECTION_TAG('f', 'd', 'a', 'x')
#define FS_TAG_GHOSTS SECTION_TAG('f', 'g', 's', 't')
#define FS_TAG_LOCKS SECTION_TAG('f', 'l', 'c', 'k')

#define FS_MAX_GHOST (1u << 20) /* (bytes) of one, as CRIU has it */

struct fs_saved_server {
	uint8_t initialised;
	uint8_t submounts;
	uint8_t setxattr_ext;
	uint8_t inode_dax;
	uint8_t root_known;
	uint8_t locks_shared;
	uint8_t reserved[2];
	uint32_t inode_sequence; /* idtable.sequence */
	uint32_t handle_sequence;
};

enum fs_saved_flags {
	FS_SAVED_DAX = 1 << 0,
	FS_SAVED_ROOT = 1 << 1, /* the record of a root */
	FS_SAVED_UNNAMED = 1 << 2,
	FS_SAVED_SPECIAL = 1 << 3,
	FS_SAVED_OPEN = 1 << 4, /* size and mtime are the file's, and are to be again */
};

/* In the order of the table, so of rising slots; then n_names names. */
struct fs_saved_inode {
	uint64_t id;
	uint64_t nlookup;
	int64_t size;
	int64_t mtime_s;
	uint32_t mtime_ns;
	uint32_t type; /* S_IFMT bits */
	uint32_t root; /* index */
	uint8_t flags; /* enum fs_saved_flags */
	uint8_t n_names;
	uint8_t reserved[2];
};

/* The name that is used first stands first; len bytes follow. */
struct fs_saved_name {
	uint64_t parent; /* id; FUSE_ROOT_ID: the device's own root */
	uint32_t len;
	uint32_t reserved;
};

struct fs_saved_handle {
	uint64_t id;
	uint64_t inode;
	uint32_t access; /* O_ACCMODE */
	uint32_t writable;
};

struct fs_saved_slot {
	uint64_t slot; /* number in the window */
	uint64_t inode;
	uint64_t offset;
	uint64_t writable;
};

/* len bytes follow. */
struct fs_saved_ghost {
	uint64_t inode;
	uint32_t len;
	uint32_t mode; /* permission bits */
	uint32_t uid;
	uint32_t gid;
};

/* What is locked: of a file's bytes, or the file. */
struct fs_saved_lock {
	uint64_t handle;
	uint64_t owner;
	uint64_t start;
	uint64_t end;
	uint32_t kind; /* enum fs_lock_kind */
	uint32_t type; /* F_RDLCK, F_WRLCK */
};

static_assert(sizeof(struct fs_saved_server) == 16, "file format");
static_assert(sizeof(struct fs_saved_inode) == 48, "file format");
static_assert(sizeof(struct fs_saved_name) == 16, "file format");
static_assert(sizeof(struct fs_saved_handle) == 24, "file format");
static_assert(sizeof(struct fs_saved_slot) == 32, "file format");
static_assert(sizeof(struct fs_saved_ghost) == 24, "file format");
static_assert(sizeof(struct fs_saved_lock) == 40, "file format");

#endif
