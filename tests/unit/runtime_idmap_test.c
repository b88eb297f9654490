/* SPDX-License-Identifier: Apache-2.0 */
/* Id-mapped mounts, on a tmpfs and in a mount namespace of the test's own. */
#include "runtime/idmap.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "oci/spec.h"
#include "tests/unit/tap.h"

static int a_clone(const char *path)
{
	return open_tree(AT_FDCWD, path,
			 OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
}

static void owner_is(int mnt, const char *name, uid_t uid, gid_t gid, const char *what)
{
	struct stat st = { 0 };

	(void)fstatat(mnt, name, &st, 0);
	ok(st.st_uid == uid && st.st_gid == gid, "%s: %u:%u", what, st.st_uid, st.st_gid);
}

int main(void)
{
	struct oci_id_mapping v[] = { { 0, 100000, 1000 }, { 1000, 0, 1 } };
	struct oci_id_mapping wrong[] = { { 0, 4294967290u, 100 } };
	const struct oci_id_mappings map = { .v = v, .n = 2 };
	const struct oci_id_mappings bad = { .v = wrong, .n = 1 };
	char dir[] = "/tmp/hull-idmap-test-XXXXXX";
	struct err err = ERR_INIT;
	auto_fd int top = -1;
	auto_fd int whole = -1;
	char below[64];

	if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 || !mkdtemp(dir)) {
		(void)printf("1..0 # SKIP needs root\n");
		return TAP_SKIP;
	}
	(void)!snprintf(below, sizeof(below), "%s/below", dir);
	if (mount("none", dir, "tmpfs", 0, NULL) < 0 || mkdir(below, 0755) < 0 ||
	    mount("none", below, "tmpfs", 0, NULL) < 0 || chown(below, 3, 4) < 0)
		return 1;
	top = a_clone(dir);
	if (idmap_mount(top, false, &map, &map, &err) == -EINVAL) {
		(void)printf("1..0 # SKIP %s\n", err.msg);
		(void)umount2(dir, MNT_DETACH);
		(void)rmdir(dir);
		return TAP_SKIP;
	}
	is_str(err.msg, "", "no error");
	owner_is(top, ".", 100000, 100000, "the mount is mapped");
	owner_is(top, "below", 3, 4, "the one below is not");
	whole = a_clone(dir);
	is_int(idmap_mount(whole, true, &map, &map, &err), 0, "recursively");
	owner_is(whole, "below", 100003, 100004, "the one below is mapped");
	is_int(mkdirat(top, "made", 0755), 0, "a folder is made");
	owner_is(top, "made", 0, 0, "its owner through the mount");
	(void)!snprintf(below, sizeof(below), "%s/made", dir);
	owner_is(AT_FDCWD, below, 1000, 1000, "its owner in the file system");
	is_int(idmap_mount(whole, true, &bad, &map, &err), -EINVAL,
	       "a map that cannot be");
	is_str(err.msg, "uidMappings: Invalid argument", "the message");
	is_int(waitpid(-1, NULL, WNOHANG), -1, "no process is left");
	(void)umount2(dir, MNT_DETACH);
	(void)rmdir(dir);
	return tap_done();
}
