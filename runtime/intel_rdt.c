/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/intel_rdt.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "lib/arena.h"
#include "lib/buf.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/log.h"
#include "oci/spec.h"
#include "runtime/mountinfo.h"

#define DEFAULT_ROOT "/sys/fs/resctrl"
#define MAX_FILE 65536u /* (bytes) of a schemata file */

int intel_rdt_root(char ret[PATH_MAX])
{
	struct statfs st;

	/* A kernel and processor that have it have this folder, empty or not. */
	if (statfs(DEFAULT_ROOT, &st) < 0)
		return -ENOENT;
	if (st.f_type != RDTGROUP_SUPER_MAGIC)
		return mountinfo_find("/proc/self/mountinfo", "resctrl", ret);
	memcpy(ret, DEFAULT_ROOT, sizeof(DEFAULT_ROOT));
	return 0;
}

/* given() - Go's omitempty: an empty string is none. */
static bool given(const char *text)
{
	return text && *text;
}

/* has() - is there @dir/@name? */
static bool has(const char *dir, const char *name)
{
	char path[PATH_MAX];

	return snprintf(path, sizeof(path), "%s/%s", dir, name) < (int)sizeof(path) &&
	       access(path, F_OK) == 0;
}

int intel_rdt_check(const char *root, const struct oci_intel_rdt *config, struct err *err)
{
	if (!config)
		return 0;
	if (!root)
		return err_msg(err, ENOTSUP,
			       "linux.intelRdt: intelRdt is specified in config, but "
			       "Intel RDT is not enabled");
	if (given(config->l3_cache_schema) && !has(root, "info/L3"))
		return err_msg(err, ENOTSUP,
			       "linux.intelRdt.l3CacheSchema: intelRdt.l3CacheSchema is "
			       "specified in config, but Intel RDT/CAT is not enabled");
	if (given(config->mem_bw_schema) && !has(root, "info/MB"))
		return err_msg(err, ENOTSUP,
			       "linux.intelRdt.memBwSchema: intelRdt.memBwSchema is "
			       "specified in config, but Intel RDT/MBA is not enabled");
	return 0;
}

int intel_rdt_check_host(const struct oci_intel_rdt *config, struct err *err)
{
	char root[PATH_MAX];

	return intel_rdt_check(intel_rdt_root(root) == 0 ? root : NULL, config, err);
}

/* read_file() - of @dir, without the last newline; false: there is none. */
static bool read_file(const char *dir, const char *name, struct buf *b)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path) ||
	    io_read_file(AT_FDCWD, path, MAX_FILE, b, NULL) < 0 || !b->data)
		return false;
	while (b->len && b->data[b->len - 1] == '\n')
		b->data[--b->len] = 0;
	return true;
}

/* one_line() - as an error is. */
static void one_line(char *text)
{
	for (char *p = text; p && *p; p++)
		if (*p == '\n')
			*p = ' ';
}

/* failed() - the kernel has a file with the reason, which errno does not tell. */
static int failed(const char *root, int code, const char *what, struct err *err)
{
	auto_buf struct buf why = BUF_INIT;

	if (!read_file(root, "info/last_cmd_status", &why) || !why.len)
		return err_set(err, code, "linux.intelRdt: %.300s", what);
	one_line(why.data);
	return err_msg(err, code, "linux.intelRdt: %.300s: %s, last_cmd_status: %s", what,
		       strerror(code), why.data);
}

/* ---- shares -------------------------------------------------------------------------- */

/* write_lines() - all in one write: the kernel takes them all, or up to the wrong one. */
static int write_lines(const char *root, const char *group, const char *lines,
		       struct err *err)
{
	auto_buf struct buf what = BUF_INIT;
	char path[PATH_MAX];
	int ret;

	if (snprintf(path, sizeof(path), "%s/schemata", group) >= (int)sizeof(path))
		return err_set(err, ENAMETOOLONG, "linux.intelRdt");
	ret = io_write_file(AT_FDCWD, path, lines, NULL);
	if (ret == 0)
		return 0;
	(void)buf_printf(&what, "unable to write '%.*s' to '%.120s'",
			 (int)strnlen(lines, 161) - 1, lines, path);
	one_line(what.data);
	return failed(root, -ret, what.data ? what.data : "schemata", err);
}

static void add_line(struct buf *b, const char *line)
{
	if (given(line))
		(void)buf_printf(b, "%s\n", line);
}

/* line_of() - of @schemata the one of the same resource as @line; NULL: none. */
static const char *line_of(const char *schemata, const char *line, size_t *ret_len)
{
	size_t name = strcspn(line, ":");

	for (const char *p = schemata; *p; p += strspn(p, "\n")) {
		size_t blank = strspn(p, " ");
		size_t len = strcspn(p, "\n");

		/* The resource's name is padded. */
		if (strncmp(p + blank, line, name) == 0 && p[blank + name] == ':') {
			*ret_len = len - blank;
			return p + blank;
		}
		p += len;
	}
	return NULL;
}

/*
 * share_of() - of the domain @id in a line "MB:0=20;1=70".
 * @base: 16 for the bits of a cache, else 10
 * Return: the number; -1: none
 */
static long long share_of(const char *line, size_t len, long id, int base)
{
	const char *p = memchr(line, ':', len);

	while (p && p < line + len) {
		char *end;
		long domain = strtol(p + 1, &end, 10);

		if (end == p + 1 || *end != '=')
			return -1;
		if (domain == id)
			return strtoll(end + 1, NULL, base);
		p = memchr(end, ';', (size_t)(line + len - end));
	}
	return -1;
}

/* step() - the kernel rounds bandwidth up to multiples of this. */
static long long step(const char *root)
{
	auto_buf struct buf b = BUF_INIT;
	long long n;

	if (!read_file(root, "info/MB/bandwidth_gran", &b))
		return 1;
	n = strtoll(b.data, NULL, 10);
	return n > 0 && n <= 100 ? n : 1;
}

/* same_shares() - does @schemata say what @line asks for? */
static bool same_shares(const char *root, const char *schemata, const char *line)
{
	int base = strncmp(line, "MB", 2) == 0 ? 10 : 16;
	size_t len;
	const char *now = line_of(schemata, line, &len);
	const char *p = strchr(line, ':');

	if (!now || !p)
		return false;
	for (; p; p = strchr(p + 1, ';')) {
		long id = strtol(p + 1, NULL, 10);
		long long wanted = share_of(line, strlen(line), id, base);
		long long is = share_of(now, len, id, base);
		long long gran = base == 10 ? step(root) : 1;

		if (is < 0 || (is != wanted && is != (wanted + gran - 1) / gran * gran))
			return false;
	}
	return true;
}

/* check_shares() - those of a class that is there already, and that others may have. */
static int check_shares(const char *root, const char *group,
			const struct oci_intel_rdt *config, struct err *err)
{
	const char *const lines[] = { config->l3_cache_schema, config->mem_bw_schema };
	auto_buf struct buf schemata = BUF_INIT;

	if (!given(config->clos_id))
		return 0;
	if (!read_file(group, "schemata", &schemata))
		return err_msg(err, EINVAL,
			       "linux.intelRdt.closID: '%.160s' has no schemata", group);
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		size_t len = 0;
		const char *now;

		if (!given(lines[i]) || same_shares(root, schemata.data, lines[i]))
			continue;
		now = line_of(schemata.data, lines[i], &len);
		return err_msg(
			err, EEXIST,
			"linux.intelRdt.closID: '%.120s' exists and has '%.*s', not "
			"'%.120s'",
			config->clos_id, len < 120 ? (int)len : 120, now ? now : "",
			lines[i]);
	}
	return 0;
}

static int set_shares(const char *root, const char *group,
		      const struct oci_intel_rdt *config, struct err *err)
{
	auto_buf struct buf lines = BUF_INIT;

	/* The order of the specification: the last word is schemata's. */
	add_line(&lines, config->l3_cache_schema);
	add_line(&lines, config->mem_bw_schema);
	for (size_t i = 0; i < config->schemata.n; i++)
		add_line(&lines, config->schemata.v[i]);
	if (buf_ok(&lines) < 0)
		return err_set(err, ENOMEM, "linux.intelRdt");
	return lines.len ? write_lines(root, group, lines.data, err) : 0;
}

/* ---- groups --------------------------------------------------------------------------- */

/* make_folder() - @ret_made: it was not there before. */
static int make_folder(const char *root, const char *path, bool *ret_made,
		       struct err *err)
{
	char what[320];

	*ret_made = mkdir(path, 0755) == 0;
	if (*ret_made || errno == EEXIST)
		return 0;
	(void)!snprintf(what, sizeof(what), "create '%.280s'", path);
	return failed(root, errno, what, err);
}

static int name_groups(const char *root, const struct oci_intel_rdt *config,
		       const char *id, struct arena *arena, struct intel_rdt *rdt)
{
	const char *clos = given(config->clos_id) ? config->clos_id : id;

	rdt->root = arena_strdup(arena, root);
	/* The class "/" is all that is not in any other. */
	rdt->group = strcmp(clos, "/") == 0 ? rdt->root
					    : arena_printf(arena, "%s/%s", root, clos);
	if (rdt->group && config->enable_monitoring)
		rdt->monitor = arena_printf(arena, "%s/mon_groups/%s", rdt->group, id);
	return rdt->root && rdt->group && (rdt->monitor || !config->enable_monitoring)
		       ? 0
		       : -ENOMEM;
}

static int check_exists(const struct intel_rdt *rdt, const struct oci_intel_rdt *config,
			struct err *err)
{
	if (!given(config->clos_id) || given(config->l3_cache_schema) ||
	    given(config->mem_bw_schema) || config->schemata.n ||
	    access(rdt->group, F_OK) == 0)
		return 0;
	return err_set(err, errno,
		       "linux.intelRdt.closID: clos dir not accessible (must be "
		       "pre-created when schemata, l3CacheSchema and memBwSchema are "
		       "empty): stat '%s'",
		       rdt->group);
}

/* fill() - @ret_made: which of the two were not there before. */
static int fill(const struct intel_rdt *rdt, const struct oci_intel_rdt *config,
		bool ret_made[2], struct err *err)
{
	int ret = make_folder(rdt->root, rdt->group, &ret_made[0], err);

	if (ret == 0 && !ret_made[0])
		ret = check_shares(rdt->root, rdt->group, config, err);
	if (ret == 0)
		ret = set_shares(rdt->root, rdt->group, config, err);
	if (ret == 0 && rdt->monitor)
		ret = make_folder(rdt->root, rdt->monitor, &ret_made[1], err);
	return ret;
}

int intel_rdt_create(const char *root, const struct oci_intel_rdt *config, const char *id,
		     struct arena *arena, struct intel_rdt *ret, struct err *err)
{
	struct intel_rdt rdt = { 0 };
	bool made[2] = { false, false };
	int r;

	if (name_groups(root, config, id, arena, &rdt) < 0)
		return err_set(err, ENOMEM, "linux.intelRdt");
	r = check_exists(&rdt, config, err);
	if (r == 0)
		r = fill(&rdt, config, made, err);
	if (r < 0) {
		if (made[0])
			(void)rmdir(rdt.group); /* why it failed is the error */
		return r;
	}
	/* A class that config.json names is kept for others (config-linux.md#intelrdt). */
	if (made[0] && !given(config->clos_id))
		rdt.remove = rdt.group;
	else if (rdt.monitor)
		rdt.remove = rdt.monitor;
	*ret = rdt;
	return 0;
}

int intel_rdt_create_on_host(const struct oci_intel_rdt *config, const char *id,
			     struct arena *arena, struct intel_rdt *ret, struct err *err)
{
	char root[PATH_MAX];

	if (intel_rdt_root(root) < 0)
		return intel_rdt_check(NULL, config, err);
	return intel_rdt_create(root, config, id, arena, ret, err);
}

/* enter() - "0" is the thread that writes. */
static int enter(const char *root, const char *group, struct err *err)
{
	char what[PATH_MAX];
	int ret;

	if (!group)
		return 0;
	if (snprintf(what, sizeof(what), "%s/tasks", group) >= (int)sizeof(what))
		return err_set(err, ENAMETOOLONG, "linux.intelRdt");
	ret = io_write_file(AT_FDCWD, what, "0", NULL);
	if (ret == 0)
		return 0;
	(void)!snprintf(what, sizeof(what), "add hull-vmm to '%.280s/tasks'", group);
	return failed(root, -ret, what, err);
}

int intel_rdt_enter(const struct intel_rdt *rdt, struct err *err)
{
	/* In this order: who enters a class leaves the monitoring group of another. */
	int ret = enter(rdt->root, rdt->group, err);

	return ret < 0 ? ret : enter(rdt->root, rdt->monitor, err);
}

int intel_rdt_remove(const struct intel_rdt *rdt, struct err *err)
{
	if (!rdt->remove || rmdir(rdt->remove) == 0 || errno == ENOENT)
		return 0;
	return err_set(err, errno, "unable to remove container's IntelRDT group: '%s'",
		       rdt->remove);
}

/* ---- update --------------------------------------------------------------------------- */

int intel_rdt_check_update(const char *root, const struct intel_rdt *rdt, const char *l3,
			   const char *mb, struct err *err)
{
	if (given(l3) && !(root && has(root, "info/L3")))
		return err_msg(err, ENOTSUP,
			       "Intel RDT/CAT: l3 cache schema is not enabled");
	if (given(mb) && !(root && has(root, "info/MB")))
		return err_msg(err, ENOTSUP,
			       "Intel RDT/MBA: memory bandwidth schema is not enabled");
	if ((given(l3) || given(mb)) && !rdt->group)
		return err_msg(err, EINVAL,
			       "updating a non-existent Intel RDT configuration is not "
			       "supported");
	return 0;
}

int intel_rdt_change(const struct intel_rdt *rdt, const char *l3, const char *mb,
		     struct buf *saved, struct err *err)
{
	auto_buf struct buf lines = BUF_INIT;

	add_line(&lines, l3);
	add_line(&lines, mb);
	if (buf_ok(&lines) < 0)
		return err_set(err, ENOMEM, "linux.intelRdt");
	if (!lines.len)
		return 0;
	if (!read_file(rdt->group, "schemata", saved) || buf_puts(saved, "\n") < 0)
		return err_msg(err, EIO, "linux.intelRdt: read '%s/schemata'",
			       rdt->group);
	return write_lines(rdt->root, rdt->group, lines.data, err);
}

void intel_rdt_put_back(const struct intel_rdt *rdt, const struct buf *saved)
{
	struct err err = ERR_INIT;

	if (saved->len && write_lines(rdt->root, rdt->group, saved->data, &err) < 0)
		log_warn("%s", err.msg); /* why the update failed is the error */
}
