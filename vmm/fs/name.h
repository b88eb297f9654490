/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between inode.c and name.c: names of records, with fs_server.lock held.
 * @ret_close in all of them: a descriptor to close without the lock, or -1 still.
 */
#ifndef HULL_VMM_FS_NAME_H
#define HULL_VMM_FS_NAME_H

#include "vmm/fs/server.h"

struct fs_inode *fs_inode_find_locked(struct fs_server *fs, const struct fs_root *root,
				      dev_t dev, uint64_t ino);
void fs_inode_unhash_locked(struct fs_server *fs, struct fs_inode *inode);

/* fs_inode_rekey_locked() - the record has become @st; another that says so is stale. */
void fs_inode_rekey_locked(struct fs_server *fs, struct fs_inode *inode,
			   const struct stat *st, int *ret_close);

/* fs_name_add_locked() - it was seen as @name in @dir.  Return: 0; -ENOMEM */
int fs_name_add_locked(struct fs_server *fs, struct fs_inode *inode, struct fs_inode *dir,
		       const char *name, nlink_t nlink, int *ret_close);
/* fs_names_drop_locked() - forget all its names (the caller holds a reference). */
void fs_names_drop_locked(struct fs_server *fs, struct fs_inode *inode, int *ret_close);

#endif
