/* SPDX-License-Identifier: Apache-2.0 */
/* Mount points in an image whose links lead anywhere: nothing is made outside of it. */
#include "rootfs/agent/inroot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "tests/unit/tap.h"

static char top[] = "/tmp/hull-inroot-XXXXXX";
static int outside; /* the folder that the root is in */
static int root;

static void make_image(void)
{
	static const char *const links[][2] = {
		{ "/tmp/foo/bar", "jump" },	   { "/jump/baz/hosts", "etc/hosts" },
		{ "../tmp/relative", "etc/rel" },  { "../../../../out", "etc/out" },
		{ "/loop2", "loop1" },		   { "loop1", "loop2" },
		{ "/etc/rel", "etc/chain" },	   { "/tmp/dir/deep", "etc/dir" },
		{ "/etc/there", "etc/to-there" },
	};
	int fd;

	(void)mkdirat(root, "etc", 0755);
	(void)mkdirat(root, "tmp", 0755);
	for (size_t i = 0; i < ARRAY_SIZE(links); i++)
		if (symlinkat(links[i][0], root, links[i][1]) < 0)
			ok(false, "symlink %s", links[i][1]);
	fd = openat(root, "etc/there", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	close_fd(fd);
}

/* made() - what @path of the root is now: 'f' a file, 'd' a folder, '-' nothing */
static char made(const char *path)
{
	struct stat st;

	if (fstatat(root, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return '-';
	return S_ISREG(st.st_mode) ? 'f' : S_ISDIR(st.st_mode) ? 'd' : '?';
}

static void file(const char *path, int want, const char *where)
{
	auto_fd int fd = inroot_file(root, path, 0640);
	struct stat st;

	if (want) {
		is_int(fd, want, "the file %s", path);
		return;
	}
	ok(fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode), "the file %s", path);
	is_int(made(where), 'f', "it is %s", where);
}

static void test_files(void)
{
	file("/etc/plain", 0, "etc/plain");
	file("new/folder/file", 0, "new/folder/file");
	file("/etc/hosts", 0, "tmp/foo/bar/baz/hosts");
	file("/etc/rel", 0, "tmp/relative");
	file("/etc/to-there", 0, "etc/there");
	file("/etc/out", 0, "out");
	is_int(faccessat(outside, "out", F_OK, 0), -1, "and not outside");
	file("/loop1", -ELOOP, NULL);
	file("/etc/plain/x", -ENOTDIR, NULL);
}

static void test_chain(void)
{
	(void)unlinkat(root, "tmp/relative", 0);
	file("/etc/chain", 0, "tmp/relative");
}

static void test_dirs(void)
{
	auto_fd int fd = inroot_mkdirs(root, "/etc/dir/below");
	auto_fd int loop = inroot_mkdirs(root, "/loop1/x");

	ok(fd >= 0, "folders");
	is_int(made("tmp/dir/deep/below"), 'd', "where the link leads");
	is_int(loop, -ELOOP, "a loop");
}

int main(void)
{
	char command[64];

	if (!mkdtemp(top))
		return 1;
	outside = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	(void)mkdirat(outside, "root", 0755);
	root = openat(outside, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	make_image();
	test_files();
	test_chain();
	test_dirs();
	(void)!snprintf(command, sizeof(command), "rm -rf %s", top);
	ok(system(command) == 0, "all of it can be removed");
	return tap_done();
}
