/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/fs/dax.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/log.h"
#include "vmm/bus_guard.h"
#include "vmm/fs/dax_internal.h"
#include "vmm/fs/server.h"

#define PAGE 4096u

static_assert(FS_DAX_SHIFT == BUS_GUARD_PIECE_SHIFT, "a mark for each slot");

static uint64_t n_slots(const struct fs_dax *dax)
{
	return dax->size >> FS_DAX_SHIFT;
}

char *fs_dax_slot_host(const struct fs_dax *dax, const struct fs_dax_slot *slot)
{
	return dax->window + (((uint64_t)(slot - dax->slots)) << FS_DAX_SHIFT);
}

int fs_dax_blank(void *at, uint64_t len)
{
	void *map = mmap(at, len, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);

	return map == MAP_FAILED ? -errno : 0;
}

int fs_dax_show(const struct fs_dax *dax, const struct fs_dax_slot *slot)
{
	int how =
		slot->writable && !slot->held ? MAP_SHARED : MAP_PRIVATE | MAP_NORESERVE;
	void *map = mmap(fs_dax_slot_host(dax, slot), FS_DAX_SLOT, PROT_READ | PROT_WRITE,
			 how | MAP_FIXED, slot->fd, (off_t)slot->offset);

	return map == MAP_FAILED ? -errno : 0;
}

static void free_slots(struct fs_dax *dax)
{
	free(dax->slots);
	free(dax->bus);
	dax->slots = NULL;
	dax->bus = NULL;
}

int fs_dax_init(struct fs_dax *dax, uint64_t size, struct err *err)
{
	size_t room = size + FS_DAX_SLOT;
	uintptr_t skip;
	char *map;
	int ret;

	dax->pagemap = -1;
	if (!size)
		return 0;
	dax->slots = calloc(size >> FS_DAX_SHIFT, sizeof(*dax->slots));
	dax->bus = calloc(size >> FS_DAX_SHIFT, sizeof(*dax->bus));
	if (!dax->slots || !dax->bus) {
		free_slots(dax);
		return err_set(err, ENOMEM, "DAX window");
	}
	map = mmap(NULL, room, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (map == MAP_FAILED) {
		free_slots(dax);
		return err_set(err, errno, "map a DAX window of %llu MiB",
			       (unsigned long long)(size >> 20));
	}
	/* Aligned as in the guest, so that KVM may map huge pages of files. */
	skip = -(uintptr_t)map & (FS_DAX_SLOT - 1);
	if (skip)
		(void)munmap(map, skip); /* trims what is ours; cannot fail */
	(void)munmap(map + skip + size, FS_DAX_SLOT - skip); /* likewise */
	ret = bus_guard_add(map + skip, size, dax->bus, err);
	if (ret < 0) {
		(void)munmap(map + skip, size); /* cannot fail: it is ours */
		free_slots(dax);
		return ret;
	}
	dax->window = map + skip;
	dax->size = size;
	/* A kernel without it: then what is mapped for writing cannot be frozen. */
	dax->pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	for (uint64_t i = 0; i < n_slots(dax); i++)
		dax->slots[i].fd = -1;
	(void)pthread_mutex_init(&dax->lock, NULL); /* cannot fail on Linux */
	return 0;
}

void fs_dax_release(struct fs_dax *dax)
{
	if (!dax->size)
		return;
	for (uint64_t i = 0; i < n_slots(dax); i++)
		close_fd(dax->slots[i].fd);
	close_fd(dax->pagemap);
	bus_guard_remove(dax->window);
	(void)munmap(dax->window, dax->size); /* cannot fail: it is ours */
	free_slots(dax);
	(void)pthread_mutex_destroy(&dax->lock);
	dax->size = 0;
}

/* forget() - the slot's file, but not what is mapped. */
static void forget(struct fs_server *fs, struct fs_dax_slot *slot)
{
	if (!slot->inode)
		return;
	atomic_fetch_sub(&slot->inode->shown, 1);
	fs_inode_put(fs, slot->inode);
	close_fd(slot->fd);
	*slot = (struct fs_dax_slot){ .fd = -1 };
}

static int map_slot(struct fs_server *fs, struct fs_dax_slot *slot,
		    struct fs_inode *inode, int fd, uint64_t offset, bool writable)
{
	int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	int ret;

	if (own < 0)
		return -errno;
	/* Counted first: it may be the same record that is being forgotten. */
	fs_inode_hold(fs, inode);
	atomic_fetch_add(&inode->shown, 1);
	forget(fs, slot);
	*slot = (struct fs_dax_slot){
		.inode = inode,
		.fd = own,
		.writable = writable,
		.offset = offset,
		.shown = FS_DAX_SLOT,
	};
	ret = fs_dax_show(&fs->dax, slot);
	if (ret < 0) {
		/* A failed mmap() may have unmapped what was there. */
		(void)fs_dax_blank(fs_dax_slot_host(&fs->dax, slot), FS_DAX_SLOT);
		forget(fs, slot);
	}
	return ret;
}

/* slots_of() - the first slot of a range of the window; NULL: it is none. */
static struct fs_dax_slot *slots_of(const struct fs_dax *dax, uint64_t at, uint64_t len)
{
	if (at % FS_DAX_SLOT || len % FS_DAX_SLOT || !len || at >= dax->size ||
	    len > dax->size - at)
		return NULL;
	return &dax->slots[at >> FS_DAX_SHIFT];
}

/* any_held() - among @n slots; @inode: only what is of it; NULL: of any. */
static bool any_held(const struct fs_dax_slot *slot, uint64_t n,
		     const struct fs_inode *inode)
{
	for (; n; n--, slot++)
		if (slot->held && (!inode || slot->inode == inode))
			return true;
	return false;
}

int fs_dax_map(struct fs_server *fs, struct fs_inode *inode, int fd,
	       const struct fs_dax_range *range)
{
	struct fs_dax *dax = &fs->dax;
	struct fs_dax_slot *slot = slots_of(dax, range->at, range->len);
	int ret;

	if (!slot || range->offset % FS_DAX_SLOT || range->offset > INT64_MAX - dax->size)
		return -EINVAL;
	(void)pthread_mutex_lock(&dax->lock);
	ret = any_held(slot, range->len >> FS_DAX_SHIFT, NULL) ? -FS_PARK : 0;
	for (uint64_t done = 0; ret == 0 && done < range->len; done += FS_DAX_SLOT)
		ret = map_slot(fs, slot++, inode, fd, range->offset + done,
			       range->writable);
	(void)pthread_mutex_unlock(&dax->lock);
	if (ret == 0 && dax->on_mapped)
		dax->on_mapped(dax->on_mapped_arg);
	return ret;
}

static int unmap_slots(struct fs_server *fs, struct fs_dax_slot *slot, uint64_t n,
		       bool held_too)
{
	int ret;

	(void)pthread_mutex_lock(&fs->dax.lock);
	ret = !held_too && any_held(slot, n, NULL) ? -FS_PARK : 0;
	for (; ret == 0 && n; n--, slot++) {
		if (!slot->inode)
			continue;
		ret = fs_dax_blank(fs_dax_slot_host(&fs->dax, slot), FS_DAX_SLOT);
		if (ret == 0)
			forget(fs, slot);
	}
	(void)pthread_mutex_unlock(&fs->dax.lock);
	return ret;
}

int fs_dax_unmap(struct fs_server *fs, uint64_t at, uint64_t len)
{
	struct fs_dax_slot *slot = slots_of(&fs->dax, at, len);

	return slot ? unmap_slots(fs, slot, len >> FS_DAX_SHIFT, false) : -EINVAL;
}

void fs_dax_reset(struct fs_server *fs)
{
	if (!fs->dax.size)
		return;
	if (fs_dax_holds(fs, NULL))
		log_warn("the guest gave up a frozen file system: what it stored "
			 "in mapped files meanwhile is lost");
	(void)unmap_slots(fs, fs->dax.slots, n_slots(&fs->dax), true);
}

void fs_dax_renew(struct fs_server *fs, struct fs_inode *inode, int fd)
{
	struct fs_dax *dax = &fs->dax;

	if (!atomic_load(&inode->shown))
		return;
	(void)pthread_mutex_lock(&dax->lock);
	for (uint64_t i = 0; i < n_slots(dax); i++) {
		struct fs_dax_slot *slot = &dax->slots[i];

		if (slot->inode == inode && !slot->writable)
			(void)map_slot(fs, slot, inode, fd, slot->offset, false);
	}
	(void)pthread_mutex_unlock(&dax->lock);
}

void fs_dax_heal(struct fs_server *fs, struct fs_inode *inode)
{
	struct fs_dax *dax = &fs->dax;

	if (!atomic_load_explicit(&inode->mended, memory_order_relaxed))
		return;
	(void)pthread_mutex_lock(&dax->lock);
	atomic_store(&inode->mended, false);
	for (uint64_t i = 0; i < n_slots(dax); i++) {
		struct fs_dax_slot *slot = &dax->slots[i];

		/* What is held stays as it is: fs_dax_let_go() shows all of it. */
		if (slot->inode != inode || slot->shown == FS_DAX_SLOT || slot->held)
			continue;
		if (fs_dax_show(dax, slot) == 0)
			slot->shown = FS_DAX_SLOT;
		else
			(void)fs_dax_blank(fs_dax_slot_host(dax, slot), FS_DAX_SLOT);
	}
	(void)pthread_mutex_unlock(&dax->lock);
}

/* rest_of() - (bytes) of the slot that the file fills now, in whole pages. */
static uint64_t rest_of(const struct fs_dax_slot *slot)
{
	struct stat st;
	uint64_t size;

	if (fstat(slot->fd, &st) < 0 || st.st_size < 0)
		return 0;
	size = ((uint64_t)st.st_size + PAGE - 1) / PAGE * PAGE;
	if (size <= slot->offset)
		return 0;
	return size - slot->offset < FS_DAX_SLOT ? size - slot->offset : FS_DAX_SLOT;
}

/* unbus() - where a page was missing when we touched it, show what there is by now. */
static bool unbus(struct fs_dax *dax, uint64_t n)
{
	struct fs_dax_slot *slot = &dax->slots[n];

	if (!atomic_load_explicit(&dax->bus[n], memory_order_relaxed) ||
	    !atomic_exchange(&dax->bus[n], false) || !slot->inode || slot->held)
		return false;
	if (fs_dax_show(dax, slot) < 0)
		(void)fs_dax_blank(fs_dax_slot_host(dax, slot), FS_DAX_SLOT);
	slot->shown = FS_DAX_SLOT;
	return true;
}

bool fs_dax_mend(struct fs_dax *dax)
{
	bool done;

	if (!dax->size)
		return false;
	(void)pthread_mutex_lock(&dax->lock);
	done = dax->remapped;
	dax->remapped = false;
	for (uint64_t i = 0; i < n_slots(dax); i++) {
		struct fs_dax_slot *slot = &dax->slots[i];
		uint64_t rest = slot->inode ? rest_of(slot) : FS_DAX_SLOT;

		done |= unbus(dax, i);
		if (!slot->inode || rest >= slot->shown ||
		    fs_dax_blank(fs_dax_slot_host(dax, slot) + rest, FS_DAX_SLOT - rest) <
			    0)
			continue;
		slot->shown = rest;
		atomic_store(&slot->inode->mended, true);
		done = true;
	}
	(void)pthread_mutex_unlock(&dax->lock);
	return done;
}
