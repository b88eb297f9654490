/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operations, one function per opcode, called by dispatch.c.
 *
 * @inode: of the header's node id, held by the caller; NULL where the table says
 *	that the operation has none
 * Return: 0 (the reply's payload was put); -errno.  -ESTALE before anything was
 *	changed makes the dispatcher try again when names have changed meanwhile.
 */
#ifndef HULL_VMM_FS_OPS_H
#define HULL_VMM_FS_OPS_H

#include "vmm/fs/server.h"

typedef int fs_op_fn(struct fs_req *r, struct fs_inode *inode);

fs_op_fn fs_op_init, fs_op_destroy, fs_op_statfs, fs_op_syncfs, fs_op_interrupt;
fs_op_fn fs_op_lookup, fs_op_forget, fs_op_batch_forget, fs_op_getattr, fs_op_readlink;
fs_op_fn fs_op_setattr;
fs_op_fn fs_op_create, fs_op_tmpfile, fs_op_mknod, fs_op_mkdir, fs_op_symlink, fs_op_link;
fs_op_fn fs_op_unlink, fs_op_rmdir, fs_op_rename, fs_op_rename2;
fs_op_fn fs_op_open, fs_op_release, fs_op_flush, fs_op_fsync, fs_op_lseek;
fs_op_fn fs_op_read, fs_op_write, fs_op_fallocate, fs_op_copy_file_range;
fs_op_fn fs_op_opendir, fs_op_releasedir, fs_op_fsyncdir, fs_op_readdir,
	fs_op_readdirplus;
fs_op_fn fs_op_setupmapping, fs_op_removemapping;
fs_op_fn fs_op_watch;
fs_op_fn fs_op_getlk, fs_op_setlk;
fs_op_fn fs_op_getxattr, fs_op_setxattr, fs_op_listxattr, fs_op_removexattr;

/* fs_pass_gate() - before an operation does anything of @kind: 0; -FS_PARK. */
int fs_pass_gate(struct fs_req *r, enum fs_gate_kind kind);

struct fs_dirbuf;
struct fs_dirbuf *fs_dirbuf_new(void);
void fs_dirbuf_free(struct fs_dirbuf *b);

/*
 * fs_mode_before() / fs_mode_after() - around a change of contents, which takes
 * the setuid and setgid bits off: in a user namespace the host's kernel always does
 * it, but whether it is due only the guest knows (op_write.c).
 * fs_mode_before() returns 0 where there is nothing to keep.
 * @kill: take the bits off; else they stay
 */
mode_t fs_mode_before(struct fs_server *fs, struct fs_inode *inode, int fd);
void fs_mode_after(struct fs_server *fs, int fd, mode_t before, bool kill);

/* fs_place_chmod() - the permission bits of what is at @pl (op_setattr.c). */
int fs_place_chmod(struct fs_server *fs, struct fs_inode *inode, struct fs_place *pl,
		   mode_t mode);

/*
 * What is large goes straight between the program's memory and us, where the guest's
 * kernel is hull's (rootfs/kernel/patches/0014); others do not look at this bit.
 */
#define FOPEN_STRAIGHT (1u << 31)

/* fs_open_out() - the answer of OPEN and CREATE: a new handle (op_open.c). */
int fs_open_out(struct fs_server *fs, struct fs_inode *inode, int fd, bool writable,
		struct fuse_open_out *out);

#endif
