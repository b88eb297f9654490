/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "rootfs/agent/mounts.h"

/* strndup_user() of fsconfig(2) takes values up to this, with the final 0. */
#define FSCONFIG_MAX 256
#define ASIDE_DIR "/run"

static const struct {
	unsigned long ms;
	const char *name;
} sb_options[] = {
	{ MS_SYNCHRONOUS, "sync" },
	{ MS_DIRSYNC, "dirsync" },
	{ MS_MANDLOCK, "mand" },
	{ MS_LAZYTIME, "lazytime" },
};

uint64_t mounts_attr(unsigned long ms_flags)
{
	uint64_t attr = 0;

	if (ms_flags & MS_RDONLY)
		attr |= MOUNT_ATTR_RDONLY;
	if (ms_flags & MS_NOSUID)
		attr |= MOUNT_ATTR_NOSUID;
	if (ms_flags & MS_NODEV)
		attr |= MOUNT_ATTR_NODEV;
	if (ms_flags & MS_NOEXEC)
		attr |= MOUNT_ATTR_NOEXEC;
	if (ms_flags & MS_NODIRATIME)
		attr |= MOUNT_ATTR_NODIRATIME;
	if (ms_flags & MS_NOSYMFOLLOW)
		attr |= MOUNT_ATTR_NOSYMFOLLOW;
	/* One of three; "relatime" is the absence of the others. */
	if (ms_flags & MS_STRICTATIME)
		attr |= MOUNT_ATTR_STRICTATIME;
	else if (ms_flags & MS_NOATIME)
		attr |= MOUNT_ATTR_NOATIME;
	return attr;
}

int mounts_attach(int mnt, int target)
{
	return move_mount(mnt, "", target, "",
			  MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0
		       ? -errno
		       : 0;
}

int mounts_set(int mnt, bool recursive, uint64_t set, uint64_t clear,
	       uint64_t propagation)
{
	struct mount_attr attr = {
		.attr_set = set,
		.attr_clr = clear,
		.propagation = propagation,
	};
	unsigned int flags = AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0u);

	return mount_setattr(mnt, "", flags, &attr, sizeof(attr)) < 0 ? -errno : 0;
}

/* explain() - what the kernel says about the option it did not like. */
static int explain(int fs, int code, const char *what, struct err *err)
{
	char text[256];
	ssize_t n = read(fs, text, sizeof(text) - 1);

	if (n <= 2) /* "e " and the message */
		return err_msg(err, code, "%s: %s", what, strerror(code));
	text[n] = 0;
	text[strcspn(text, "\n")] = 0;
	return err_msg(err, code, "%s: %s", what, text + 2);
}

/* set_option() - "key" or "key=value". */
static int set_option(int fs, const char *option, size_t len, struct err *err)
{
	char key[FSCONFIG_MAX * 2];
	char *value;
	int ret;

	if (len >= sizeof(key))
		return err_msg(err, E2BIG, "mount option \"%.40s...\" is too long",
			       option);
	memcpy(key, option, len);
	key[len] = 0;
	value = strchr(key, '=');
	if (value)
		*value++ = 0;
	if (value)
		ret = fsconfig(fs, FSCONFIG_SET_STRING, key, value, 0);
	else
		ret = fsconfig(fs, FSCONFIG_SET_FLAG, key, NULL, 0);
	return ret < 0 ? explain(fs, errno, key, err) : 0;
}

static int set_options(int fs, const char *data, struct err *err)
{
	while (data && *data) {
		size_t len = strcspn(data, ",");
		int ret = len ? set_option(fs, data, len, err) : 0;

		if (ret < 0)
			return ret;
		data += len;
		data += *data == ',';
	}
	return 0;
}

/* has_long_option() - one that fsconfig(2) does not take. */
static bool has_long_option(const char *data)
{
	while (*data) {
		size_t len = strcspn(data, ",");
		const char *value = memchr(data, '=', len);

		if (value && (size_t)(data + len - value) > FSCONFIG_MAX - 1)
			return true;
		data += len;
		data += *data == ',';
	}
	return false;
}

/*
 * mount_aside() - mount(2) takes a page of options (overlay's lowerdir): first on a
 * directory of the agent's, from which the caller moves it away.  Nobody else
 * looks into this mount namespace.
 */
static int mount_aside(const char *type, const char *source, const char *data,
		       unsigned long sb_flags, uint64_t attr, struct err *err)
{
	unsigned long flags = 0;
	int mnt;
	int ret;

	for (unsigned int i = 0; i < ARRAY_SIZE(sb_options); i++)
		flags |= sb_flags & sb_options[i].ms;
	if (mount(source ? source : type, ASIDE_DIR, type, flags, data) < 0)
		return err_set(err, errno, "%s", type);
	mnt = open_tree(AT_FDCWD, ASIDE_DIR, OPEN_TREE_CLOEXEC);
	if (mnt < 0)
		return err_set(err, errno, "open mount of '%s'", type);
	ret = mounts_set(mnt, false, attr, MOUNT_ATTR__ATIME, 0);
	if (ret < 0) {
		close_fd(mnt);
		return err_set(err, -ret, "set mount flags of '%s'", type);
	}
	return mnt;
}

int mounts_new(const char *type, const char *source, const char *data,
	       unsigned long sb_flags, uint64_t attr, struct err *err)
{
	auto_fd int fs = -1;
	int mnt;
	int ret;

	if (data && has_long_option(data))
		return mount_aside(type, source, data, sb_flags, attr, err);
	fs = fsopen(type, FSOPEN_CLOEXEC);
	if (fs < 0)
		return err_set(err, errno, "file system type '%s'", type);
	if (source && fsconfig(fs, FSCONFIG_SET_STRING, "source", source, 0) < 0)
		return explain(fs, errno, "source", err);
	for (unsigned int i = 0; i < ARRAY_SIZE(sb_options); i++)
		if (sb_flags & sb_options[i].ms &&
		    fsconfig(fs, FSCONFIG_SET_FLAG, sb_options[i].name, NULL, 0) < 0)
			return explain(fs, errno, sb_options[i].name, err);
	ret = set_options(fs, data, err);
	if (ret < 0)
		return ret;
	if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return explain(fs, errno, type, err);
	mnt = fsmount(fs, FSMOUNT_CLOEXEC, (unsigned int)attr);
	return mnt < 0 ? err_set(err, errno, "fsmount '%s'", type) : mnt;
}
