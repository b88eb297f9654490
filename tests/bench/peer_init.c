/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first process of the QEMU peer's guest: enters the root file system that
 * virtio-fs brings, runs one program there and ends the VM, as a container of one
 * program would.  After any failure it panics and stays: the host's deadline tells.
 */
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void)
{
	char name[] = "/bin/true";
	char *argv[] = { name, NULL };
	char *envp[] = { NULL };
	int status = 1;
	pid_t pid;

	(void)mkdir("/r", 0755); /* the mount tells */
	if (mount("root", "/r", "virtiofs", 0, NULL) < 0 || chroot("/r") < 0 ||
	    chdir("/") < 0)
		return 1;
	pid = vfork();
	if (pid == 0) {
		(void)execve(name, argv, envp);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
		return 1;
	(void)reboot(RB_AUTOBOOT);
	return 1;
}
