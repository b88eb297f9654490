/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fs-idmap PATH - can the file system at PATH be mounted with mapped ids?  Exit status
 * 0: it can; as the suites of runc call it.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* die() - with the error in small letters, as the suite reads it */
static void die(const char *what)
{
	char why[128];

	(void)!snprintf(why, sizeof(why), "%s", strerror(errno));
	why[0] = (char)tolower((unsigned char)why[0]);
	(void)fprintf(stderr, "%s: %s\n", what, why);
	exit(1);
}

static void put(pid_t pid, const char *file, const char *text)
{
	char path[64];
	int fd;

	(void)!snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		die(path);
	(void)close(fd);
}

/* user_namespace() - one that maps ids; its first process is a child of ours. */
static int user_namespace(void)
{
	char path[64];
	int ready[2];
	pid_t pid;
	int fd;
	char c;

	if (pipe2(ready, O_CLOEXEC) < 0)
		die("pipe");
	pid = fork();
	if (pid < 0)
		die("fork");
	if (pid == 0) {
		if (unshare(CLONE_NEWUSER) < 0 || write(ready[1], "", 1) != 1)
			_exit(1);
		for (;;)
			(void)pause();
	}
	(void)close(ready[1]);
	if (read(ready[0], &c, 1) != 1)
		die("unshare");
	put(pid, "uid_map", "0 65536 65536");
	put(pid, "gid_map", "0 65536 65536");
	(void)!snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
	return fd;
}

int main(int argc, char **argv)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP };
	int tree, ns;

	if (argc != 2)
		return 2;
	tree = (int)syscall(SYS_open_tree, AT_FDCWD, argv[1],
			    OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
	if (tree < 0)
		die("open_tree");
	ns = user_namespace();
	if (ns < 0)
		die("user namespace");
	attr.userns_fd = (unsigned int)ns;
	if (syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		die("mount_setattr");
	return 0;
}
