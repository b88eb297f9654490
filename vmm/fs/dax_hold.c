/* SPDX-License-Identifier: Apache-2.0 */
/* The DAX window of a frozen file system: stores that wait (see dax.h). */
#include <errno.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "lib/log.h"
#include "vmm/fs/dax_internal.h"
#include "vmm/fs/ops.h"
#include "vmm/fs/server.h"

#define PAGE 4096u
#define SLOT_PAGES (FS_DAX_SLOT / PAGE)

/* Linux Documentation/admin-guide/mm/pagemap.rst */
#define PM_FILE_OR_SHARED (UINT64_C(1) << 61)
#define PM_SWAPPED (UINT64_C(1) << 62)
#define PM_PRESENT (UINT64_C(1) << 63)

static uint64_t n_slots(const struct fs_dax *dax)
{
	return dax->size >> FS_DAX_SHIFT;
}

int fs_dax_hold(struct fs_server *fs)
{
	struct fs_dax *dax = &fs->dax;
	int ret = 0;

	if (!dax->size)
		return 0;
	(void)pthread_mutex_lock(&dax->lock);
	atomic_store(&dax->holding, true);
	for (uint64_t i = 0; ret == 0 && i < n_slots(dax); i++) {
		struct fs_dax_slot *slot = &dax->slots[i];

		if (!slot->writable)
			continue;
		if (dax->pagemap < 0) {
			ret = -EOPNOTSUPP;
			break;
		}
		slot->held = true;
		/* In one step for the guest: a store is in the file, or stays here. */
		ret = fs_dax_show(dax, slot);
		slot->shown = FS_DAX_SLOT;
	}
	(void)pthread_mutex_unlock(&dax->lock);
	return ret;
}

bool fs_dax_holds(struct fs_server *fs, const struct fs_inode *inode)
{
	struct fs_dax *dax = &fs->dax;
	bool held = false;

	/* Each READ asks, so nothing is locked but while a file system is frozen. */
	if (!atomic_load(&dax->holding) || (inode && !atomic_load(&inode->shown)))
		return false;
	(void)pthread_mutex_lock(&dax->lock);
	for (uint64_t i = 0; !held && i < n_slots(dax); i++)
		held = dax->slots[i].held && (!inode || dax->slots[i].inode == inode);
	(void)pthread_mutex_unlock(&dax->lock);
	return held;
}

/* put() - pages of the window into the file: the kernel copies, a page that cannot be
 * had is an error and no signal. */
static int put(const struct fs_dax_slot *slot, char *from, uint64_t at, uint64_t len)
{
	while (len) {
		struct iovec iov = { .iov_base = from + at, .iov_len = len };
		ssize_t n = pwritev(slot->fd, &iov, 1, (off_t)(slot->offset + at));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		at += (uint64_t)n;
		len -= (uint64_t)n;
	}
	return 0;
}

/* size_in() - (bytes) of the slot that lie in the file. */
static uint64_t size_in(const struct fs_dax_slot *slot)
{
	struct stat st;
	uint64_t size;

	if (fstat(slot->fd, &st) < 0 || st.st_size < 0)
		return 0;
	size = (uint64_t)st.st_size;
	if (size <= slot->offset)
		return 0;
	return size - slot->offset < FS_DAX_SLOT ? size - slot->offset : FS_DAX_SLOT;
}

static bool changed(uint64_t entry)
{
	return entry & (PM_PRESENT | PM_SWAPPED) && !(entry & PM_FILE_OR_SHARED);
}

/* put_changed() - run by run; what lies behind the end of the file is nobody's. */
static int put_changed(const struct fs_dax *dax, const struct fs_dax_slot *slot)
{
	char *host = fs_dax_slot_host(dax, slot);
	uint64_t map[SLOT_PAGES];
	struct iovec iov = { .iov_base = map, .iov_len = sizeof(map) };
	off_t where = (off_t)((uintptr_t)host / PAGE * sizeof(map[0]));
	uint64_t size = size_in(slot);
	int ret = 0;

	if (preadv(dax->pagemap, &iov, 1, where) != (ssize_t)sizeof(map))
		return -EIO;
	for (uint64_t i = 0; ret == 0 && i < SLOT_PAGES && i * PAGE < size;) {
		uint64_t first = i;
		uint64_t end;

		while (i < SLOT_PAGES && changed(map[i]))
			i++;
		end = i * PAGE < size ? i * PAGE : size;
		if (end > first * PAGE)
			ret = put(slot, host, first * PAGE, end - first * PAGE);
		else
			i++;
	}
	return ret;
}

/* let_go() - one slot; afterwards stores reach the file, whatever became of the old. */
static void let_go(struct fs_server *fs, struct fs_dax_slot *slot)
{
	struct fs_dax *dax = &fs->dax;
	char *host = fs_dax_slot_host(dax, slot);
	mode_t before;
	int ret;

	/* Cannot fail: one mapping, whole. */
	(void)mprotect(host, FS_DAX_SLOT, PROT_READ);
	before = fs_mode_before(fs, slot->inode, slot->fd);
	ret = put_changed(dax, slot);
	fs_mode_after(fs, slot->fd, before, false);
	if (ret < 0)
		log_error("stores to a mapped file during a freeze are lost: %s",
			  strerrordesc_np(-ret));
	slot->held = false;
	slot->shown = FS_DAX_SLOT;
	if (fs_dax_show(dax, slot) < 0)
		(void)fs_dax_blank(host, FS_DAX_SLOT);
}

void fs_dax_let_go(struct fs_server *fs)
{
	struct fs_dax *dax = &fs->dax;

	(void)pthread_mutex_lock(&dax->lock);
	for (uint64_t i = 0; i < n_slots(dax); i++)
		if (dax->slots[i].held)
			let_go(fs, &dax->slots[i]);
	atomic_store(&dax->holding, false);
	/* For vCPUs that met a page they might not write: they are to try again. */
	dax->remapped = true;
	(void)pthread_mutex_unlock(&dax->lock);
}
