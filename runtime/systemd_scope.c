/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/systemd_scope.h"

#include <errno.h>
#include <string.h>

#include "lib/arena.h"
#include "lib/buf.h"
#include "lib/err.h"

#define DEFAULT_SLICE "system.slice"
#define DEFAULT_PREFIX "hull"
#define SLICE_SUFFIX ".slice"

/* systemd.unit(5): the characters of a unit's name, and its length. */
#define UNIT_CHARS                                                                       \
	"abcdefghijklmnopqrstuvwxyz"                                                     \
	"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:-_.\\"
#define UNIT_MAX 255u /* (bytes) */

/* is_unit_name() - so it has no "/" either, and what is made of it leads nowhere else. */
static bool is_unit_name(const char *name)
{
	size_t len = strlen(name);

	return len <= UNIT_MAX && strspn(name, UNIT_CHARS) == len;
}

static bool ends_in_slice(const char *name)
{
	size_t len = strlen(name);
	size_t suffix = strlen(SLICE_SUFFIX);

	return len >= suffix && strcmp(name + len - suffix, SLICE_SUFFIX) == 0;
}

/*
 * put_slice() - its place: each "-" in a slice's name is a level of the tree, whose name
 * is all that stands before (systemd.slice(5)).  "-.slice" is the root.
 */
static int put_slice(const char *slice, struct buf *b, struct err *err)
{
	size_t len = strlen(slice);
	bool valid = ends_in_slice(slice) && is_unit_name(slice);

	len -= valid ? strlen(SLICE_SUFFIX) : 0;
	if (valid && len == 1 && *slice == '-')
		return 0;
	for (size_t at = 0; valid && at <= len; at++) {
		if (at < len && slice[at] != '-')
			continue;
		/* No level without a name of its own. */
		valid = at > 0 && slice[at - 1] != '-';
		(void)buf_printf(b, "/%.*s" SLICE_SUFFIX, (int)at, slice);
	}
	return valid ? 0 : err_msg(err, EINVAL, "invalid slice name: %s", slice);
}

/* split() - "slice:prefix:name", in place. */
static int split(char *text, const char *part[3])
{
	for (int i = 0; i < 3; i++) {
		char *end = strchr(text, ':');

		if (!end != (i == 2))
			return -EINVAL;
		part[i] = text;
		if (end) {
			*end = 0;
			text = end + 1;
		}
	}
	return 0;
}

int systemd_scope_of(const char *cgroups_path, const char *id, struct arena *arena,
		     struct systemd_scope *ret, struct err *err)
{
	const char *part[3] = { "", DEFAULT_PREFIX, id };
	auto_buf struct buf path = BUF_INIT;
	int r;

	if (cgroups_path && *cgroups_path) {
		char *copy = arena_strdup(arena, cgroups_path);

		if (!copy)
			return err_set(err, ENOMEM, "cgroupsPath");
		if (split(copy, part) < 0)
			return err_msg(err, EINVAL,
				       "expected cgroupsPath to be of format "
				       "\"slice:prefix:name\" for systemd cgroups, got "
				       "\"%s\" instead",
				       cgroups_path);
	}
	ret->slice = arena_strdup(arena, *part[0] ? part[0] : DEFAULT_SLICE);
	ret->unit = arena_printf(arena, "%s-%s.scope", part[1], part[2]);
	if (!ret->slice || !ret->unit)
		return err_set(err, ENOMEM, "cgroupsPath");
	r = put_slice(ret->slice, &path, err);
	if (r < 0)
		return r;
	/* runc makes a slice of such a name, for kubelet's pods; no process can be in one. */
	if (ends_in_slice(part[2]))
		return err_msg(err, EINVAL,
			       "cgroupsPath: '%s' is a slice, not a container's",
			       part[2]);
	if (!is_unit_name(ret->unit))
		return err_msg(err, EINVAL, "invalid unit name: %s", ret->unit);
	(void)buf_printf(&path, "/%s", ret->unit);
	if (buf_ok(&path) < 0)
		return err_set(err, ENOMEM, "cgroupsPath");
	ret->path = arena_strdup(arena, path.data);
	return ret->path ? 0 : err_set(err, ENOMEM, "cgroupsPath");
}
