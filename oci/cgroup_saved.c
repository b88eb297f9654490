/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/cgroup_saved.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "lib/arena.h"
#include "lib/buf.h"
#include "lib/io.h"

#define MAX_FILE 4096u /* (bytes) of a file with limits */

/*
 * Files depend on each other: a burst may not exceed the quota, an idle cgroup has
 * no weight.  What is refused at first is tried once more after the others.
 */
#define TRIES 2u

/* A file and what it held. */
struct saved_file {
	struct saved_file *next;
	int dir;
	const char *name;
	const char *text;
	const char *lift;
};

struct cgroup_saved {
	struct arena arena; /* holds the files, and this */
	struct saved_file *files;
};

struct cgroup_saved *cgroup_saved_new(void)
{
	struct arena arena = ARENA_INIT;
	struct cgroup_saved *s = arena_alloc(&arena, sizeof(*s));

	if (s)
		s->arena = arena;
	return s;
}

int cgroup_saved_add(struct cgroup_saved *s, int dir, const char *name, const char *lift)
{
	auto_buf struct buf b = BUF_INIT;
	struct saved_file *f;

	/* What cannot be read is not there, and the write will say so. */
	if (io_read_file(dir, name, MAX_FILE, &b, NULL) < 0)
		return 0;
	f = arena_alloc(&s->arena, sizeof(*f));
	if (!f)
		return -ENOMEM;
	f->dir = dir;
	f->name = arena_strdup(&s->arena, name);
	f->text = arena_strdup(&s->arena, b.data ? b.data : "");
	f->lift = lift;
	f->next = s->files;
	s->files = f;
	return f->name && f->text ? 0 : -ENOMEM;
}

/*
 * write_lines() - one at a time, as the kernel takes them.
 * @lift: of the devices with a line in @text, which get no limits instead; or NULL
 */
static int write_lines(const struct saved_file *f, const char *text, const char *lift)
{
	auto_free char *copy = strdup(text);
	char *rest = copy;
	int ret = copy ? 0 : -ENOMEM;
	char *line;

	while ((line = strsep(&rest, "\n"))) {
		auto_buf struct buf b = BUF_INIT;
		size_t device = strcspn(line, " ");

		if (!*line || (lift && !memchr(line, ':', device)))
			continue;
		if (lift) /* a device's line without the numbers */
			(void)buf_printf(&b, "%.*s %s", (int)device, line, lift);
		else
			(void)buf_puts(&b, line);
		if (buf_ok(&b) < 0 || io_write_file(f->dir, f->name, b.data, NULL) < 0)
			ret = -EIO;
	}
	return ret;
}

/* put_back() - 0 when nothing is left to do. */
static int put_back(const struct saved_file *f)
{
	auto_buf struct buf now = BUF_INIT;

	if (io_read_file(f->dir, f->name, MAX_FILE, &now, NULL) < 0)
		return -EIO;
	if (strcmp(now.data ? now.data : "", f->text) == 0)
		return 0;
	/* The file tells only of devices with limits: new ones have to be lifted. */
	if (f->lift && now.data)
		(void)write_lines(f, now.data, f->lift);
	return write_lines(f, f->text, NULL);
}

void cgroup_put_back(const struct cgroup_saved *saved)
{
	bool failed = saved != NULL;

	for (unsigned int i = 0; i < TRIES && failed; i++) {
		failed = false;
		for (const struct saved_file *f = saved->files; f; f = f->next)
			failed |= put_back(f) < 0;
	}
}

void cgroup_saved_free(struct cgroup_saved *saved)
{
	struct arena arena;

	if (!saved)
		return;
	arena = saved->arena; /* it is in there itself */
	arena_release(&arena);
}
