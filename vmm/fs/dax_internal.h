/* SPDX-License-Identifier: Apache-2.0 */
/* What dax.c and dax_hold.c share. */
#ifndef HULL_VMM_FS_DAX_INTERNAL_H
#define HULL_VMM_FS_DAX_INTERNAL_H

#include <stdint.h>

#include "vmm/fs/dax.h"

/* fs_dax_slot_host() - where a slot is in our memory. */
char *fs_dax_slot_host(const struct fs_dax *dax, const struct fs_dax_slot *slot);

/* fs_dax_blank() - anonymous memory, which costs nothing until it is touched. */
int fs_dax_blank(void *at, uint64_t len);

/* fs_dax_show() - map what the slot says; 0 or -errno. */
int fs_dax_show(const struct fs_dax *dax, const struct fs_dax_slot *slot);

#endif
