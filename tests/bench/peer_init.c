/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first process of the QEMU peer's guest: enters the root file system that
 * virtio-fs brings, runs one program there and ends the VM, as a container of one
 * program would.  After any failure it panics and stays: the host's deadline tells.
 *
 * Words on the kernel's command line that the kernel does not know are the program
 * and its arguments; it finds the mounts of a container, and a virtio-fs "volume".
 * Without them it is /bin/true and finds the root alone.
 */
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int enter_root(void)
{
	(void)mkdir("/r", 0755); /* the mount tells */
	if (mount("root", "/r", "virtiofs", 0, NULL) < 0 || chroot("/r") < 0)
		return -1;
	return chdir("/");
}

static int mount_others(void)
{
	if (mount("proc", "/proc", "proc", 0, NULL) < 0 ||
	    mount("dev", "/dev", "devtmpfs", 0, NULL) < 0 ||
	    mount("tmp", "/tmp", "tmpfs", 0, NULL) < 0)
		return -1;
	return mount("volume", "/bench/volume", "virtiofs", 0, NULL);
}

int main(int argc, char **argv)
{
	char truth[] = "/bin/true";
	char *const only_true[] = { truth, NULL };
	char *const *program = argc > 1 ? argv + 1 : only_true;
	char *envp[] = { NULL };
	int status = 1;
	pid_t pid;

	if (enter_root() < 0 || (argc > 1 && mount_others() < 0))
		return 1;
	pid = vfork();
	if (pid == 0) {
		(void)execve(program[0], program, envp);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
		return 1;
	(void)reboot(RB_AUTOBOOT);
	return 1;
}
