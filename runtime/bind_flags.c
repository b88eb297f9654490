/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/bind_flags.h"

#include <errno.h>
#include <stddef.h>
#include <sys/mount.h>
#include <sys/statvfs.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "oci/mount.h"
#include "oci/spec.h"

#ifndef ST_NOSYMFOLLOW /* Linux 5.10; not in every libc */
#define ST_NOSYMFOLLOW 0x2000
#endif

#define ATIMES (MS_NOATIME | MS_NODIRATIME | MS_RELATIME | MS_STRICTATIME)
#define LOCKED (MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC)

static const struct {
	unsigned long st; /* as statvfs() tells it */
	unsigned long ms;
	const char *option;
} flags[] = {
	{ ST_RDONLY, MS_RDONLY, "ro" },
	{ ST_NOSUID, MS_NOSUID, "nosuid" },
	{ ST_NODEV, MS_NODEV, "nodev" },
	{ ST_NOEXEC, MS_NOEXEC, "noexec" },
	{ ST_NOSYMFOLLOW, MS_NOSYMFOLLOW, "nosymfollow" },
	{ ST_NOATIME, MS_NOATIME, "noatime" },
	{ ST_NODIRATIME, MS_NODIRATIME, "nodiratime" },
	{ ST_RELATIME, MS_RELATIME, "relatime" },
	{ 0, MS_STRICTATIME, "strictatime" },
};

static int flags_of(const char *source, unsigned long *ret, struct err *err)
{
	struct statvfs st;

	if (statvfs(source, &st) < 0)
		return err_set(err, errno, "statvfs '%s'", source);
	*ret = 0;
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
		if (st.f_flag & flags[i].st)
			*ret |= flags[i].ms;
	if (!(*ret & (MS_NOATIME | MS_RELATIME)))
		*ret |= MS_STRICTATIME;
	return 0;
}

/* changes_atime() - do the options ask for another access time than there is? */
static bool changes_atime(unsigned long wanted, unsigned long has)
{
	wanted &= ATIMES;
	if (!wanted)
		return false;
	if (!(wanted & (MS_NOATIME | MS_STRICTATIME)))
		wanted |= MS_RELATIME; /* the kernel's default */
	return wanted != (has & ATIMES);
}

/* add_options() - those of the flags @more. */
static int add_options(struct oci_spec *spec, struct oci_mount *m, unsigned long more)
{
	char **v = arena_array(&spec->arena, m->options.n + ARRAY_SIZE(flags) + 1,
			       sizeof(*v));

	if (!v)
		return -ENOMEM;
	for (size_t i = 0; i < m->options.n; i++)
		v[i] = m->options.v[i];
	m->options.v = v;
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		if (!(more & flags[i].ms))
			continue;
		v[m->options.n] = oci_strdup(spec, flags[i].option);
		if (!v[m->options.n++])
			return -ENOMEM;
	}
	return 0;
}

int bind_flags_inherit(struct oci_spec *spec, struct oci_mount *m, const char *source,
		       bool locked, struct oci_mount_options *opt, bool *ret_writable,
		       struct err *err)
{
	unsigned long given = opt->flags & ~(unsigned long)(MS_BIND | MS_REC | MS_REMOUNT);
	unsigned long has = 0, more;
	int ret = flags_of(source, &has, err);

	if (ret < 0)
		return ret;
	more = given || opt->cleared ? (given & ATIMES ? 0 : has & ATIMES) : has;
	if (locked && ((has & LOCKED & opt->cleared) || changes_atime(given, has)))
		return err_msg(err, EPERM,
			       "change locked mount flags: operation not permitted");
	if (locked)
		more |= has & LOCKED;
	/* What the guest's mount has anyway. */
	if (locked && (more & ATIMES) == MS_RELATIME)
		more &= ~(unsigned long)MS_RELATIME;
	more &= ~given;
	if (more) {
		*opt = (struct oci_mount_options){ 0 };
		if (add_options(spec, m, more) < 0)
			return err_set(err, ENOMEM, "plan the mounts");
		ret = oci_mount_options(m, &spec->arena, opt, err);
	}
	*ret_writable = (has & MS_RDONLY) && !(opt->flags & MS_RDONLY);
	return ret;
}
