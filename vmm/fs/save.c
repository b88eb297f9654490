/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file system that the guest has mounted and not yet looked at: what INIT agreed on is
 * all that there is to save.
 */
#include <errno.h>
#include <string.h>

#include "lib/err.h"
#include "vmm/fs/pool.h"
#include "vmm/fs/server.h"
#include "vmm/snapshot/sections.h"

#define TAG_FS SECTION_TAG('f', 'u', 's', 'e')

struct saved {
	uint8_t initialised;
	uint8_t submounts;
	uint8_t setxattr_ext;
	uint8_t inode_dax;
	uint8_t reserved[4];
};

/* is_untouched() - the guest knows no file but the device's own root directory. */
static bool is_untouched(struct fs_server *fs)
{
	uint32_t n_roots = 0;
	bool ret;

	for (unsigned int i = 0; i < VM_MAX_ROOTS; i++)
		n_roots += atomic_load(&fs->roots[i]) != NULL;
	(void)pthread_mutex_lock(&fs->lock);
	(void)pthread_mutex_lock(&fs->handle_lock);
	/* The roots are in the table whether the guest has looked them up or not. */
	ret = !atomic_load(&fs->root_known) && fs->inodes.used == n_roots &&
	      !fs->handles.used;
	(void)pthread_mutex_unlock(&fs->handle_lock);
	(void)pthread_mutex_unlock(&fs->lock);
	return ret;
}

int fs_save(struct virtio_device *dev, struct buf *out, struct err *err)
{
	struct fs_server *fs = fs_device_server(dev);
	const struct saved s = {
		.initialised = atomic_load(&fs->initialised),
		.submounts = atomic_load(&fs->submounts),
		.setxattr_ext = atomic_load(&fs->setxattr_ext),
		.inode_dax = atomic_load(&fs->inode_dax),
	};

	if (!is_untouched(fs))
		return err_msg(err, EAGAIN, "the guest uses files");
	section_put(out, TAG_FS, &s, sizeof(s));
	return 0;
}

int fs_load(struct virtio_device *dev, struct sections *in, struct err *err)
{
	struct fs_server *fs = fs_device_server(dev);
	struct saved s;
	int ret = section_get(in, TAG_FS, &s, sizeof(s), err);

	if (ret < 0)
		return ret;
	atomic_store(&fs->submounts, s.submounts);
	atomic_store(&fs->setxattr_ext, s.setxattr_ext);
	atomic_store(&fs->inode_dax, s.inode_dax);
	atomic_store(&fs->initialised, s.initialised);
	return 0;
}
