/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/cgroup2_saved.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "lib/arena.h"
#include "lib/buf.h"
#include "lib/io.h"
#include "oci/spec.h"

#define MAX_FILE 4096u /* (bytes) of a file with limits */

/*
 * Files depend on each other: a burst may not exceed the quota, an idle cgroup has
 * no weight.  What is refused at first is tried once more after the others.
 */
#define TRIES 2u

/* A file and what it held. */
struct saved_file {
	struct saved_file *next;
	const char *name;
	const char *text;
};

struct cgroup_saved {
	struct arena arena; /* holds the files, and this */
	struct saved_file *files;
};

static int save(struct cgroup_saved *s, int cgroup, const char *name)
{
	auto_buf struct buf b = BUF_INIT;
	struct saved_file *f;

	/* What cannot be read is not there, and the write will say so. */
	if (io_read_file(cgroup, name, MAX_FILE, &b, NULL) < 0 || !b.data)
		return 0;
	f = arena_alloc(&s->arena, sizeof(*f));
	if (!f)
		return -ENOMEM;
	f->name = arena_strdup(&s->arena, name);
	f->text = arena_strdup(&s->arena, b.data);
	f->next = s->files;
	s->files = f;
	return f->name && f->text ? 0 : -ENOMEM;
}

static int save_hugepages(struct cgroup_saved *s, int cgroup, const char *size)
{
	const char *max = arena_printf(&s->arena, "hugetlb.%.24s.max", size);
	const char *rsvd = arena_printf(&s->arena, "hugetlb.%.24s.rsvd.max", size);

	if (!max || !rsvd || save(s, cgroup, max) < 0)
		return -ENOMEM;
	return save(s, cgroup, rsvd);
}

static int save_all(struct cgroup_saved *s, int cgroup, const struct oci_resources *res)
{
	static const char *const files[] = {
		"pids.max",      "memory.swap.max", "memory.max",    "memory.low",
		"io.bfq.weight", "io.weight",       "io.max",        "cpu.idle",
		"cpu.weight",    "cpu.max",         "cpu.max.burst",
	};
	int ret = 0;

	for (size_t i = 0; i < ARRAY_SIZE(files) && ret == 0; i++)
		ret = save(s, cgroup, files[i]);
	for (size_t i = 0; i < res->hugepage_limits.n && ret == 0; i++)
		ret = save_hugepages(s, cgroup, res->hugepage_limits.v[i].page_size);
	for (size_t i = 0; i < res->unified.n && ret == 0; i++)
		if (!strchr(res->unified.v[i].key, '/'))
			ret = save(s, cgroup, res->unified.v[i].key);
	return ret;
}

struct cgroup_saved *cgroup_save(int cgroup, const struct oci_resources *res)
{
	struct arena arena = ARENA_INIT;
	struct cgroup_saved *s = arena_alloc(&arena, sizeof(*s));

	if (!s)
		return NULL;
	s->arena = arena;
	if (save_all(s, cgroup, res) == 0)
		return s;
	cgroup_saved_free(s);
	return NULL;
}

/* Files that tell only of the devices that have something, and what takes it away. */
static const struct {
	const char *name;
	const char *nothing;
} of_devices[] = {
	{ "io.max", "rbps=max wbps=max riops=max wiops=max" },
	{ "io.latency", "target=max" },
	{ "io.weight", "default" },
	{ "io.bfq.weight", "default" },
};

/*
 * write_lines() - one at a time, as the kernel takes them.
 * @nothing: what the devices get instead that lines begin with, or NULL
 */
static int write_lines(int cgroup, const char *name, const char *text,
		       const char *nothing)
{
	auto_free char *copy = strdup(text);
	char *rest = copy;
	int ret = copy ? 0 : -ENOMEM;
	char *line;

	while ((line = strsep(&rest, "\n"))) {
		auto_buf struct buf b = BUF_INIT;
		size_t device = strcspn(line, " ");

		if (!*line || (nothing && !memchr(line, ':', device)))
			continue;
		if (nothing)
			(void)buf_printf(&b, "%.*s %s", (int)device, line, nothing);
		else
			(void)buf_puts(&b, line);
		if (buf_ok(&b) < 0 || io_write_file(cgroup, name, b.data, NULL) < 0)
			ret = -EIO;
	}
	return ret;
}

/* put_back() - 0 when nothing is left to do. */
static int put_back(int cgroup, const struct saved_file *f)
{
	auto_buf struct buf now = BUF_INIT;

	if (io_read_file(cgroup, f->name, MAX_FILE, &now, NULL) < 0 || !now.data)
		return -EIO;
	if (strcmp(now.data, f->text) == 0)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(of_devices); i++)
		if (strcmp(f->name, of_devices[i].name) == 0)
			(void)write_lines(cgroup, f->name, now.data,
					  of_devices[i].nothing);
	return write_lines(cgroup, f->name, f->text, NULL);
}

void cgroup_put_back(int cgroup, const struct cgroup_saved *saved)
{
	bool failed = saved != NULL;

	for (unsigned int i = 0; i < TRIES && failed; i++) {
		failed = false;
		for (const struct saved_file *f = saved->files; f; f = f->next)
			failed |= put_back(cgroup, f) < 0;
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

int cgroup_read_limit(int cgroup, const char *name, int64_t *ret)
{
	auto_buf struct buf b = BUF_INIT;

	if (io_read_file(cgroup, name, MAX_FILE, &b, NULL) < 0 || !b.data)
		return -ENOENT;
	*ret = strncmp(b.data, "max", 3) == 0 ? -1 : strtoll(b.data, NULL, 10);
	return 0;
}

int cgroup_read_cpu_max(int cgroup, int64_t *ret_quota, uint64_t *ret_period)
{
	auto_buf struct buf b = BUF_INIT;
	const char *period;

	if (io_read_file(cgroup, "cpu.max", MAX_FILE, &b, NULL) < 0 || !b.data)
		return -ENOENT;
	period = strchr(b.data, ' ');
	if (!period)
		return -ENOENT;
	*ret_quota = strncmp(b.data, "max", 3) == 0 ? -1 : strtoll(b.data, NULL, 10);
	*ret_period = strtoull(period, NULL, 10);
	return 0;
}
