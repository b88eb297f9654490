/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "runtime/template_internal.h"

static int open_dir(struct err *err)
{
	int dir = template_open_dir(false);

	return dir < 0 ? err_set(err, -dir, "open '%s'", TEMPLATE_DIR) : dir;
}

/* open_one() - the template @name and how it begins. */
static int open_one(int dir, const char *name, struct template_key *key, struct err *err)
{
	auto_fd int fd = -1;

	if (!template_is_name(name) || strchr(name, '/'))
		return err_msg(err, EINVAL, "'%s' is no template's name", name);
	fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_set(err, errno, "template '%s'", name);
	if (pread(fd, key, sizeof(*key), 0) != (ssize_t)sizeof(*key) ||
	    memcmp(key->magic, TEMPLATE_MAGIC, sizeof(key->magic)) != 0)
		return err_msg(err, EPROTO, "template '%s': it is none", name);
	return take_fd(&fd);
}

int template_names(struct buf *out, struct err *err)
{
	auto_fd int dir = open_dir(err);
	auto_dir DIR *list = NULL;
	const struct dirent *e;
	int fd;

	if (dir < 0)
		return dir == -ENOENT ? 0 : dir; /* nobody has made one yet */
	fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	list = fd < 0 ? NULL : fdopendir(fd);
	if (!list)
		return err_set(err, errno, "open '%s'", TEMPLATE_DIR);
	while ((e = readdir(list)))
		if (template_is_name(e->d_name))
			(void)buf_append(out, e->d_name, TEMPLATE_NAME_SIZE);
	return buf_ok(out) < 0 ? err_set(err, ENOMEM, "list templates") : 0;
}

static void put_row(struct buf *out, const char *name, const struct template_key *key,
		    const struct stat *st)
{
	char when[32] = "?";
	struct tm tm;

	if (gmtime_r(&st->st_mtim.tv_sec, &tm))
		(void)strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
	(void)buf_printf(out, "%-18s %5u %5u %7llu %7llu  %s\n", name, key->vcpus,
			 key->n_nics, (unsigned long long)key->boot_memory >> 20,
			 (unsigned long long)st->st_blocks >> 11, when);
}

int template_list(struct buf *out, struct err *err)
{
	auto_buf struct buf names = BUF_INIT;
	auto_fd int dir = open_dir(err);
	int ret = template_names(&names, err);

	if (ret < 0)
		return ret;
	(void)buf_printf(out, "%-18s %5s %5s %7s %7s  %s\n", "NAME", "VCPUS", "CARDS",
			 "BOOT-M", "SIZE-M", "USED");
	for (size_t at = 0; at < names.len; at += TEMPLATE_NAME_SIZE) {
		struct template_key key;
		auto_fd int fd = open_one(dir, names.data + at, &key, NULL);
		struct stat st;

		/* One that has gone meanwhile, or is none, is left out. */
		if (fd >= 0 && fstat(fd, &st) == 0)
			put_row(out, names.data + at, &key, &st);
	}
	return buf_ok(out) < 0 ? err_set(err, ENOMEM, "list templates") : 0;
}

int template_verify(const char *name, struct err *err)
{
	auto_buf struct buf state = BUF_INIT;
	auto_fd int dir = open_dir(err);
	struct template_key key;
	auto_fd int fd = dir < 0 ? dir : open_one(dir, name, &key, err);
	int ret;

	if (fd < 0)
		return fd;
	ret = image_read(fd, key.boot_memory, &state, err);
	if (ret == 0)
		ret = image_check_ram(fd, key.boot_memory, err);
	/* The next container makes it anew; gone meanwhile is as well. */
	if (ret == -EPROTO)
		(void)unlinkat(dir, name, 0);
	return ret < 0 ? err_wrap(err, ret, "template '%s'", name) : 0;
}

int template_remove(const char *name, struct err *err)
{
	auto_fd int dir = open_dir(err);

	if (dir < 0)
		return dir;
	if (!template_is_name(name) || strchr(name, '/'))
		return err_msg(err, EINVAL, "'%s' is no template's name", name);
	if (unlinkat(dir, name, 0) < 0)
		return err_set(err, errno, "template '%s'", name);
	return 0;
}
