/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/template_internal.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/log.h"
#include "vmm/snapshot/image.h"
#include "vmm/vm_config.h"

#define LOCK_NAME "lock"
/* Sizes are bounded by TEMPLATE_MAX and what a machine has touched when it is ready. */
#define FS_OPTIONS "mode=0700,size=1G"
#define FS_HUGE ",huge=within_size"

static_assert(sizeof(((struct utsname *)NULL)->release) ==
		      sizeof(((struct template_key *)NULL)->release),
	      "Linux, __NEW_UTS_LEN");

static int make_key(struct template_key *key, int vmm_fd, const char *group,
		    const struct vm_config *c)
{
	struct utsname host;
	int ret = file_identify(vmm_fd, &key->vmm);

	memcpy(key->magic, TEMPLATE_MAGIC, sizeof(key->magic));
	if (ret == 0)
		ret = file_identify(c->kernel_fd, &key->kernel);
	if (ret == 0)
		ret = file_identify(c->initrd_fd, &key->initrd);
	if (ret == 0 && uname(&host) < 0)
		ret = -errno;
	if (ret < 0)
		return ret;
	key->boot_memory = c->boot_memory;
	/* The region of virtio-mem is the host's memory, or this. */
	if (c->memory / (uint64_t)sysconf(_SC_PAGESIZE) >
	    (uint64_t)sysconf(_SC_PHYS_PAGES))
		key->large = c->memory;
	key->dax_size = c->dax_size;
	key->vcpus = c->vcpus;
	key->n_nics = c->n_nics;
	/* None is longer than its place. */
	memcpy(key->cmdline, c->cmdline, strlen(c->cmdline));
	if (group)
		memcpy(key->group, group, strlen(group));
	memcpy(key->release, host.release, strlen(host.release));
	memcpy(key->version, host.version, strlen(host.version));
	return 0;
}

/* name_of() - FNV-1a: two keys with one name only take the place from each other. */
static void name_of(const void *key, char name[17])
{
	const unsigned char *p = key;
	uint64_t h = 0xcbf29ce484222325;

	for (size_t i = 0; i < sizeof(struct template_key); i++)
		h = (h ^ p[i]) * 0x100000001b3;
	(void)snprintf(name, 17, "%016" PRIx64, h);
}

static int open_path(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* is_mounted() - is there a file system of its own at @dir? */
static bool is_mounted(int dir)
{
	struct stat st, above;

	return fstat(dir, &st) == 0 && fstatat(dir, "..", &above, 0) == 0 &&
	       st.st_dev != above.st_dev;
}

/* mount_once() - at TEMPLATE_DIR, whose bare folder @dir is; one caller at a time. */
static int mount_once(int dir)
{
	const unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
	auto_fd int now = -1;

	if (flock(dir, LOCK_EX) < 0)
		return -errno;
	now = open_path(TEMPLATE_DIR);
	if (now < 0 || is_mounted(now))
		return now < 0 ? now : 0;
	/* A kernel may be without huge pages: EINVAL. */
	if (mount("hull-templates", TEMPLATE_DIR, "tmpfs", flags, FS_OPTIONS FS_HUGE) <
		    0 &&
	    mount("hull-templates", TEMPLATE_DIR, "tmpfs", flags, FS_OPTIONS) < 0)
		return -errno;
	return 0;
}

bool template_is_name(const char *name)
{
	return strlen(name) == TEMPLATE_NAME_SIZE - 1;
}

int template_open_dir(bool make)
{
	auto_fd int dir = -1;
	struct stat st;

	if (make && mkdir(TEMPLATE_DIR, 0700) < 0 && errno != EEXIST)
		return -errno;
	dir = open_path(TEMPLATE_DIR);
	if (make && dir >= 0 && !is_mounted(dir)) {
		auto_fd int bare = take_fd(&dir);
		int ret = mount_once(bare);

		dir = ret < 0 ? ret : open_path(TEMPLATE_DIR);
	}
	if (dir < 0)
		return dir;
	if (fstat(dir, &st) < 0)
		return -errno;
	if (st.st_uid != geteuid() || st.st_mode & 022)
		return -EPERM;
	return take_fd(&dir);
}

/* open_file() - the template, or -1: there is none that is of this key. */
static int open_file(const struct template_use *use)
{
	auto_fd int fd = openat(use->dir, use->name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	auto_free char *page = malloc(TEMPLATE_KEY_SIZE);

	if (fd < 0 || !page ||
	    pread(fd, page, TEMPLATE_KEY_SIZE, 0) != (ssize_t)TEMPLATE_KEY_SIZE ||
	    memcmp(page, use->key, TEMPLATE_KEY_SIZE) != 0)
		return -1;
	(void)futimens(fd, NULL); /* it was used: others go first */
	return take_fd(&fd);
}

/* open_new() - a file for hull-vmm to save into, which nobody else can open. */
static int open_new(const struct vm_config *c)
{
	auto_fd int fd = memfd_create("hull-template", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, (off_t)image_size(c->boot_memory)) < 0)
		return -1;
	return take_fd(&fd);
}

/* take_lock() - one create at a time makes a template; the others boot meanwhile. */
static int take_lock(const struct template_use *use)
{
	auto_fd int fd = openat(use->dir, LOCK_NAME,
				O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
		return -1;
	return take_fd(&fd);
}

void template_plan(struct template_use *use, int vmm_fd, const char *group,
		   struct vm_config *c)
{
	use->key = calloc(1, TEMPLATE_KEY_SIZE);
	if (!use->key || make_key(use->key, vmm_fd, group, c) < 0)
		return;
	use->dir = template_open_dir(true);
	if (use->dir < 0) {
		log_debug("no templates: '%s': %s", TEMPLATE_DIR,
			  strerrordesc_np(-use->dir));
		return;
	}
	name_of(use->key, use->name);
	c->template_fd = open_file(use);
	if (c->template_fd < 0) {
		use->lock = take_lock(use);
		/* Somebody may have made it just before. */
		c->template_fd = open_file(use);
		if (c->template_fd < 0 && use->lock >= 0)
			c->template_new_fd = open_new(c);
	}
	c->has_template = c->template_fd >= 0 || c->template_new_fd >= 0;
}

/* ---- storing -------------------------------------------------------------------- */

/* copy_data() - the machine that is in @from; holes stay holes. */
static int copy_data(int from, int to, struct err *err)
{
	off_t at = IMAGE_HEAD_AT;

	while ((at = lseek(from, at, SEEK_DATA)) >= 0) {
		off_t end = lseek(from, at, SEEK_HOLE);

		if (end < 0 || lseek(to, at, SEEK_SET) < 0)
			return err_set(err, errno, "lseek");
		while (at < end) {
			ssize_t n = sendfile(to, from, &at, (size_t)(end - at));

			if (n <= 0)
				return err_set(err, n < 0 ? errno : EIO, "sendfile");
		}
	}
	return errno == ENXIO ? 0 : err_set(err, errno, "lseek");
}

static int link_file(const struct template_use *use, int fd, struct err *err)
{
	char path[64];

	/* One that is there is not of this key, or is unfit. */
	if (unlinkat(use->dir, use->name, 0) < 0 && errno != ENOENT)
		return err_set(err, errno, "unlink '%s'", use->name);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (linkat(AT_FDCWD, path, use->dir, use->name, AT_SYMLINK_FOLLOW) < 0)
		return err_set(err, errno, "link '%s'", use->name);
	return 0;
}

/* remove_oldest() - of more than TEMPLATE_MAX.  Whoever uses one has it open. */
static void remove_oldest(const struct template_use *use)
{
	for (;;) {
		int fd = openat(use->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		auto_dir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
		char oldest[sizeof(use->name)] = "";
		struct timespec when = { 0 };
		const struct dirent *e;
		unsigned int n = 0;
		struct stat st;

		while (dir && (e = readdir(dir))) {
			if (!template_is_name(e->d_name) ||
			    fstatat(use->dir, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
				continue;
			if (!n++ || st.st_mtim.tv_sec < when.tv_sec ||
			    (st.st_mtim.tv_sec == when.tv_sec &&
			     st.st_mtim.tv_nsec < when.tv_nsec)) {
				when = st.st_mtim;
				memcpy(oldest, e->d_name, sizeof(oldest));
			}
		}
		if (n <= TEMPLATE_MAX || unlinkat(use->dir, oldest, 0) < 0)
			return;
	}
}

int template_store(struct template_use *use, const struct vm_config *c, struct err *err)
{
	auto_fd int fd = openat(use->dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0400);
	int ret;

	if (fd < 0)
		return err_set(err, errno, "template: make a file in '%s'", TEMPLATE_DIR);
	if (ftruncate(fd, (off_t)image_size(c->boot_memory)) < 0)
		return err_set(err, errno, "template: ftruncate");
	ret = io_write_full(fd, use->key, TEMPLATE_KEY_SIZE);
	if (ret < 0)
		return err_set(err, -ret, "template: write its key");
	ret = copy_data(c->template_new_fd, fd, err);
	if (ret < 0)
		return err_wrap(err, ret, "template");
	use->file = take_fd(&fd);
	return 0;
}

int template_sum(struct template_use *use, const struct vm_config *c, struct err *err)
{
	int ret = use->file < 0 ? 0 : image_sum_ram(use->file, c->boot_memory, err);

	if (ret < 0)
		close_fd(take_fd(&use->file));
	return ret < 0 ? err_wrap(err, ret, "template") : 0;
}

/* copy_hint() - [@at, @at + @size) of hull-vmm's file. */
static int copy_hint(int from, int to, uint64_t at, uint64_t size, struct err *err)
{
	auto_free void *data = malloc(size);

	if (!data)
		return err_set(err, ENOMEM, "template: what is changed of it");
	if (pread(from, data, size, (off_t)at) != (ssize_t)size ||
	    pwrite(to, data, size, (off_t)at) != (ssize_t)size)
		return err_set(err, errno ? errno : EIO,
			       "template: what is changed of it");
	return 0;
}

int template_publish(struct template_use *use, const struct vm_config *c, struct err *err)
{
	int from = c->template_new_fd;
	int ret;

	if (use->file < 0)
		return 0;
	ret = copy_hint(from, use->file, IMAGE_HOT_AT, IMAGE_HOT_SIZE, err);
	if (ret == 0)
		ret = copy_hint(from, use->file, image_touched_at(c->boot_memory),
				image_touched_size(c->boot_memory), err);
	if (ret < 0)
		return ret;
	ret = link_file(use, use->file, err);
	if (ret < 0)
		return err_wrap(err, ret, "template");
	remove_oldest(use);
	return 0;
}

void template_drop(const struct template_use *use)
{
	/* Gone already is as well. */
	(void)unlinkat(use->dir, use->name, 0);
}

void template_release(struct template_use *use)
{
	close_fd(use->dir);
	close_fd(use->lock);
	close_fd(use->file);
	free(use->key);
	*use = TEMPLATE_USE_INIT;
}
