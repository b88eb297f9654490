/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/io.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "tests/unit/tap.h"

/* count_fds() - how many descriptors this process has. */
static int count_fds(void)
{
	auto_dir DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	while (dir && readdir(dir))
		n++;
	return n;
}

static void test_full(void)
{
	int p[2];
	char data[8] = "";

	if (pipe2(p, O_CLOEXEC) < 0) {
		ok(false, "a pipe");
		return;
	}
	is_int(io_write_full(p[1], "abcd", 4), 0, "write all");
	is_int(io_write_full(p[1], "efgh", 4), 0, "and more");
	is_int(io_read_full(p[0], data, 6), 0, "read across writes");
	ok(memcmp(data, "abcdef", 6) == 0, "the bytes");
	close_fd(p[1]);
	is_int(io_read_full(p[0], data, 6), -EPIPE, "the end comes early");
	close_fd(p[0]);
	is_int(io_read_full(-1, data, 1), -EBADF, "no descriptor to read");
	is_int(io_write_full(-1, data, 1), -EBADF, "nor to write");
}

static void test_files(int dir)
{
	auto_buf struct buf b = BUF_INIT;
	struct err err = ERR_INIT;
	struct stat st;

	is_int(io_replace_file(dir, "a", "one", 3, 0640, &err), 0, "make a file");
	is_int(io_replace_file(dir, "a", "second", 6, 0600, &err), 0, "replace it");
	(void)buf_puts(&b, "<");
	is_int(io_read_file(dir, "a", 6, &b, &err), 0, "read it");
	is_str(b.data, "<second", "behind what was there");
	is_int(fstatat(dir, "a", &st, 0), 0, "its status");
	is_int(st.st_mode & 07777, 0600, "its mode");
	is_int(io_read_file(dir, "a", 5, &b, &err), -EFBIG, "one byte too much");
	is_str(err.msg, "read 'a': File too large", "the message");
	is_int(io_read_file(dir, "none", 5, &b, &err), -ENOENT, "no such file");
	is_str(err.msg, "open 'none': No such file or directory", "the message");
	is_int(io_read_file(dir, ".", 5, &b, &err), -EISDIR, "a folder");
	is_int(io_write_file(dir, "a", "SE", &err), 0, "write into it");
	b.len = 0;
	(void)io_read_file(dir, "a", 100, &b, &err);
	is_str(b.data, "SEcond", "without cutting it");
	is_int(io_write_file(dir, "none", "x", &err), -ENOENT, "write into none");
	is_int(io_replace_file(dir, "no/file", "x", 1, 0600, &err), -ENOENT,
	       "replace in a folder that is not there");
	is_int(unlinkat(dir, "a", 0), 0, "clean up");
}

static void test_replace_fails(int dir)
{
	struct err err = ERR_INIT;
	char longest[300];

	is_int(mkdirat(dir, "d", 0700), 0, "a folder");
	is_int(io_replace_file(dir, "d", "x", 1, 0600, &err), -EISDIR, "is not replaced");
	is_int(unlinkat(dir, "d", AT_REMOVEDIR), 0, "and is still there");
	memset(longest, 'n', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = 0;
	is_int(io_replace_file(dir, longest, "x", 1, 0600, &err), -ENAMETOOLONG,
	       "a name too long");
}

static void test_no_rest(const char *path)
{
	auto_dir DIR *dir = opendir(path);
	int n = 0;

	while (dir && readdir(dir))
		n++;
	is_int(n, 2, "no temporary file is left");
}

static void test_socket(void)
{
	int before = count_fds();
	int s[2];
	int fds[SOCK_MAX_FDS];
	unsigned int n = 99;
	char data[8];
	struct stat a, b;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, s) < 0) {
		ok(false, "a pair of sockets");
		return;
	}
	is_int(sock_send(s[0], "hi", 2, NULL, 0), 0, "send");
	is_int(sock_recv(s[1], data, sizeof(data), fds, &n), 2, "receive");
	is_int(n, 0, "no descriptor came");
	is_int(sock_send(s[0], "fd", 2, s, 2), 0, "send two descriptors");
	is_int(sock_recv(s[1], data, sizeof(data), fds, &n), 2, "receive them");
	is_int(n, 2, "two came");
	ok(fstat(fds[0], &a) == 0 && fstat(s[0], &b) == 0 && a.st_ino == b.st_ino,
	   "the same files");
	ok(fcntl(fds[0], F_GETFD) & FD_CLOEXEC, "close-on-exec");
	close_fd(fds[0]);
	close_fd(fds[1]);
	is_int(sock_send(s[0], "fd", 2, s, 2), 0, "send two to one who wants none");
	is_int(sock_recv(s[1], data, sizeof(data), NULL, NULL), 2, "are closed");
	is_int(sock_send(s[0], "0123456789", 10, s, 1), 0, "send more than fits");
	is_int(sock_recv(s[1], data, sizeof(data), fds, &n), -EMSGSIZE, "is refused");
	is_int(count_fds(), before + 2, "and nothing leaks");
	is_int(sock_send(s[0], "x", 1, s, SOCK_MAX_FDS + 1), -EINVAL, "too many");
	close_fd(s[0]);
	is_int(sock_recv(s[1], data, sizeof(data), fds, &n), 0, "the peer has gone");
	is_int(sock_send(s[1], "x", 1, NULL, 0), -EPIPE, "no signal for a lost peer");
	close_fd(s[1]);
	is_int(sock_recv(-1, data, sizeof(data), fds, &n), -EBADF, "no socket");
}

/* one_folder() - what @path is split into. */
static void one_folder(const char *path, const char *want_folder, const char *want_name)
{
	char folder[PATH_MAX];
	const char *name;
	auto_fd int fd = io_open_folder(path, folder, &name);

	ok(fd >= 0, "open the folder of '%s'", path);
	is_str(folder, want_folder, "its path");
	is_str(name, want_name, "the last name");
}

static void test_folders(void)
{
	char folder[PATH_MAX];
	char longer[PATH_MAX + 8];
	const char *name;

	one_folder("pid", ".", "pid");
	one_folder("/pid", "/", "pid");
	one_folder("/proc/self/pid", "/proc/self", "pid");
	is_int(io_open_folder("/nonexistent/a", folder, &name), -ENOENT, "no such folder");
	memset(longer, 'a', sizeof(longer));
	memcpy(longer + sizeof(longer) - 3, "/b", 3);
	is_int(io_open_folder(longer, folder, &name), -ENAMETOOLONG, "a path too long");
}

static void test_make_folders(int dir)
{
	struct err err = ERR_INIT;
	bool made = false;
	struct stat st;

	if (dir < 0 || fchdir(dir) < 0)
		return;
	is_int(io_make_folders("a/b/", &made, &err), 0, "a folder in a folder");
	ok(made && stat("a/b", &st) == 0 && (st.st_mode & 0777) == 0700,
	   "is made, for its owner");
	is_int(io_make_folders("a/b", &made, &err), 0, "once more");
	ok(!made, "it was there");
	is_int(io_make_folders("a/c", NULL, &err), 0, "nobody wants to know");
	is_int(io_make_folders("", &made, &err), -ENOENT, "none");
	is_int(io_make_folders("/proc/self/status/x", &made, &err), -ENOTDIR, "in a file");
	is_str(err.msg, "create '/proc/self/status/x': Not a directory", "by its name");
	ok(rmdir("a/b") == 0 && rmdir("a/c") == 0 && rmdir("a") == 0, "and nothing else");
	is_int(chdir("/"), 0, "away from there");
}

static void test_wait_readable(void)
{
	int fds[2];

	if (!ok(pipe(fds) == 0, "pipe"))
		return;
	is_int(io_wait_readable(fds[0], 0), 0, "nothing is there");
	is_int(write(fds[1], "x", 1), 1, "write");
	is_int(io_wait_readable(fds[0], -1), 1, "something is");
	is_int(io_read_full(fds[0], &(char){ 0 }, 1), 0, "read it");
	(void)close(fds[1]);
	is_int(io_wait_readable(fds[0], 10000), 1, "the end counts as well");
	(void)close(fds[0]);
}

int main(void)
{
	char path[] = "/tmp/hull-lib-io-XXXXXX";
	auto_fd int dir = -1;

	if (mkdtemp(path))
		dir = open(path, O_DIRECTORY | O_CLOEXEC);
	ok(dir >= 0, "a folder to work in");
	test_full();
	test_files(dir);
	test_replace_fails(dir);
	test_no_rest(path);
	test_socket();
	test_folders();
	test_make_folders(dir);
	(void)rmdir(path);
	test_wait_readable();
	return tap_done();
}
