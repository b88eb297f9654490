/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/mount.h"

#include <errno.h>
#include <linux/mount.h>
#include <sys/mount.h>

#include "lib/buf.h"
#include "lib/err.h"

/* <sys/mount.h> and <linux/mount.h> of Debian 12 know these or not, by version. */
#ifndef MS_NOSYMFOLLOW
#define MS_NOSYMFOLLOW 256
#endif

enum option_kind {
	OPTION_FLAG, /* MS_* */
	OPTION_PROPAGATION, /* MS_*, an operation of its own */
	OPTION_RECURSIVE, /* MOUNT_ATTR_*, mount_setattr(AT_RECURSIVE) */
	OPTION_TMPCOPYUP,
	OPTION_IDMAP,
	OPTION_RIDMAP,
};

struct option {
	const char *name;
	enum option_kind kind;
	bool clear;
	unsigned long value;
};

/* Sorted by name.  "defaults" means nothing. */
static const struct option options[] = {
	{ "async", OPTION_FLAG, true, MS_SYNCHRONOUS },
	{ "atime", OPTION_FLAG, true, MS_NOATIME },
	{ "bind", OPTION_FLAG, false, MS_BIND },
	{ "defaults", OPTION_FLAG, false, 0 },
	{ "dev", OPTION_FLAG, true, MS_NODEV },
	{ "diratime", OPTION_FLAG, true, MS_NODIRATIME },
	{ "dirsync", OPTION_FLAG, false, MS_DIRSYNC },
	{ "exec", OPTION_FLAG, true, MS_NOEXEC },
	{ "idmap", OPTION_IDMAP, false, 0 },
	{ "iversion", OPTION_FLAG, false, MS_I_VERSION },
	{ "lazytime", OPTION_FLAG, false, MS_LAZYTIME },
	{ "loud", OPTION_FLAG, true, MS_SILENT },
	{ "mand", OPTION_FLAG, false, MS_MANDLOCK },
	{ "noatime", OPTION_FLAG, false, MS_NOATIME },
	{ "nodev", OPTION_FLAG, false, MS_NODEV },
	{ "nodiratime", OPTION_FLAG, false, MS_NODIRATIME },
	{ "noexec", OPTION_FLAG, false, MS_NOEXEC },
	{ "noiversion", OPTION_FLAG, true, MS_I_VERSION },
	{ "nolazytime", OPTION_FLAG, true, MS_LAZYTIME },
	{ "nomand", OPTION_FLAG, true, MS_MANDLOCK },
	{ "norelatime", OPTION_FLAG, true, MS_RELATIME },
	{ "nostrictatime", OPTION_FLAG, true, MS_STRICTATIME },
	{ "nosuid", OPTION_FLAG, false, MS_NOSUID },
	{ "nosymfollow", OPTION_FLAG, false, MS_NOSYMFOLLOW },
	{ "private", OPTION_PROPAGATION, false, MS_PRIVATE },
	{ "ratime", OPTION_RECURSIVE, true, MOUNT_ATTR_NOATIME },
	{ "rbind", OPTION_FLAG, false, MS_BIND | MS_REC },
	{ "rdev", OPTION_RECURSIVE, true, MOUNT_ATTR_NODEV },
	{ "rdiratime", OPTION_RECURSIVE, true, MOUNT_ATTR_NODIRATIME },
	{ "relatime", OPTION_FLAG, false, MS_RELATIME },
	{ "remount", OPTION_FLAG, false, MS_REMOUNT },
	{ "rexec", OPTION_RECURSIVE, true, MOUNT_ATTR_NOEXEC },
	{ "ridmap", OPTION_RIDMAP, false, 0 },
	{ "rnoatime", OPTION_RECURSIVE, false, MOUNT_ATTR_NOATIME },
	{ "rnodev", OPTION_RECURSIVE, false, MOUNT_ATTR_NODEV },
	{ "rnodiratime", OPTION_RECURSIVE, false, MOUNT_ATTR_NODIRATIME },
	{ "rnoexec", OPTION_RECURSIVE, false, MOUNT_ATTR_NOEXEC },
	{ "rnorelatime", OPTION_RECURSIVE, true, MOUNT_ATTR_RELATIME },
	{ "rnostrictatime", OPTION_RECURSIVE, true, MOUNT_ATTR_STRICTATIME },
	{ "rnosuid", OPTION_RECURSIVE, false, MOUNT_ATTR_NOSUID },
	{ "rnosymfollow", OPTION_RECURSIVE, false, MOUNT_ATTR_NOSYMFOLLOW },
	{ "ro", OPTION_FLAG, false, MS_RDONLY },
	{ "rprivate", OPTION_PROPAGATION, false, MS_PRIVATE | MS_REC },
	{ "rrelatime", OPTION_RECURSIVE, false, MOUNT_ATTR_RELATIME },
	{ "rro", OPTION_RECURSIVE, false, MOUNT_ATTR_RDONLY },
	{ "rrw", OPTION_RECURSIVE, true, MOUNT_ATTR_RDONLY },
	{ "rshared", OPTION_PROPAGATION, false, MS_SHARED | MS_REC },
	{ "rslave", OPTION_PROPAGATION, false, MS_SLAVE | MS_REC },
	{ "rstrictatime", OPTION_RECURSIVE, false, MOUNT_ATTR_STRICTATIME },
	{ "rsuid", OPTION_RECURSIVE, true, MOUNT_ATTR_NOSUID },
	{ "rsymfollow", OPTION_RECURSIVE, true, MOUNT_ATTR_NOSYMFOLLOW },
	{ "runbindable", OPTION_PROPAGATION, false, MS_UNBINDABLE | MS_REC },
	{ "rw", OPTION_FLAG, true, MS_RDONLY },
	{ "shared", OPTION_PROPAGATION, false, MS_SHARED },
	{ "silent", OPTION_FLAG, false, MS_SILENT },
	{ "slave", OPTION_PROPAGATION, false, MS_SLAVE },
	{ "strictatime", OPTION_FLAG, false, MS_STRICTATIME },
	{ "suid", OPTION_FLAG, true, MS_NOSUID },
	{ "symfollow", OPTION_FLAG, true, MS_NOSYMFOLLOW },
	{ "sync", OPTION_FLAG, false, MS_SYNCHRONOUS },
	{ "tmpcopyup", OPTION_TMPCOPYUP, false, 0 },
	{ "unbindable", OPTION_PROPAGATION, false, MS_UNBINDABLE },
};

static int by_name(const void *name, const void *option)
{
	return strcmp(name, ((const struct option *)option)->name);
}

static const struct option *find(const char *name)
{
	return bsearch(name, options, ARRAY_SIZE(options), sizeof(options[0]), by_name);
}

const char *oci_mount_option_name(size_t index)
{
	return index < ARRAY_SIZE(options) ? options[index].name : NULL;
}

bool oci_mount_is_bind(const struct oci_mount *m)
{
	for (size_t i = 0; i < m->options.n; i++) {
		const struct option *o = find(m->options.v[i]);

		if (o && o->kind == OPTION_FLAG && !o->clear && o->value & MS_BIND)
			return true;
	}
	return false;
}

/* recursive() - one r* option, as mount_setattr(2) wants it. */
static void recursive(struct oci_mount_options *ret, const struct option *o)
{
	if (o->clear) {
		ret->rec_clear |= o->value;
		ret->rec_set &= ~(uint64_t)o->value;
	} else {
		ret->rec_set |= o->value;
		ret->rec_clear &= ~(uint64_t)o->value;
	}
	/* The access time is a choice of several (relatime is 0): it is set by
	 * clearing all of them first. */
	if ((o->value & MOUNT_ATTR__ATIME) == o->value)
		ret->rec_clear |= MOUNT_ATTR__ATIME;
}

static int apply(struct oci_mount_options *ret, const struct option *o,
		 const struct oci_mount *m, struct err *err)
{
	switch (o->kind) {
	case OPTION_FLAG:
		if (o->clear) {
			ret->flags &= ~o->value;
			ret->cleared |= o->value;
		} else {
			ret->flags |= o->value;
			ret->cleared &= ~o->value;
		}
		return 0;
	case OPTION_PROPAGATION:
		if (ret->n_propagation == OCI_MOUNT_MAX_PROPAGATION)
			return err_msg(err, EINVAL,
				       "mount '%s': more than %u propagation options",
				       m->destination, OCI_MOUNT_MAX_PROPAGATION);
		ret->propagation[ret->n_propagation++] = o->value;
		return 0;
	case OPTION_RECURSIVE:
		recursive(ret, o);
		return 0;
	case OPTION_TMPCOPYUP:
		ret->tmpcopyup = true;
		return 0;
	case OPTION_IDMAP:
	case OPTION_RIDMAP:
	default:
		ret->idmap = true;
		ret->idmap_recursive = o->kind == OPTION_RIDMAP;
		return 0;
	}
}

int oci_mount_options(const struct oci_mount *m, struct arena *arena,
		      struct oci_mount_options *ret, struct err *err)
{
	struct oci_mount_options out = { .data = "" };
	auto_buf struct buf data = BUF_INIT;
	int r;

	for (size_t i = 0; i < m->options.n; i++) {
		const struct option *o = find(m->options.v[i]);

		if (!o) {
			(void)buf_printf(&data, "%s%s", data.len ? "," : "",
					 m->options.v[i]);
			continue;
		}
		r = apply(&out, o, m, err);
		if (r < 0)
			return r;
	}
	if (m->uid_mappings.n || m->gid_mappings.n)
		out.idmap = true;
	if (data.len)
		out.data = arena_strdup(arena, data.data);
	if (buf_ok(&data) < 0 || !out.data)
		return err_set(err, ENOMEM, "read the options of mount '%s'",
			       m->destination);
	*ret = out;
	return 0;
}
