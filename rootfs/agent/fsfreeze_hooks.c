/* SPDX-License-Identifier: Apache-2.0 */
/* Freeze hooks: programs of the container's, which nobody trusts (see start_hooks.c). */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/io.h"
#include "oci/spec.h"
#include "rootfs/agent/container.h"
#include "rootfs/agent/fsfreeze.h"
#include "rootfs/agent/spawn.h"

#define MAX_OUTPUT 200 /* (bytes) of a failed hook's last words in the message */

int fsfreeze_hooks_find(const struct container *c, struct fsfreeze_hooks *ret,
			struct err *err)
{
	const struct oci_map *map = &c->spec->annotations;
	const char *list = NULL;
	char *rest = NULL;

	*ret = (struct fsfreeze_hooks){ 0 };
	for (size_t i = 0; i < map->n; i++)
		if (strcmp(map->v[i].key, AGENT_FREEZE_HOOKS_ANNOTATION) == 0)
			list = map->v[i].value;
	if (!list)
		return 0;
	ret->text = strdup(list);
	if (!ret->text)
		return err_set(err, ENOMEM, "freeze hooks");
	for (char *p = strtok_r(ret->text, ":", &rest); p;
	     p = strtok_r(NULL, ":", &rest)) {
		if (ret->n == FSFREEZE_MAX_HOOKS)
			return err_msg(err, E2BIG, "more than %u freeze hooks",
				       FSFREEZE_MAX_HOOKS);
		ret->path[ret->n++] = p;
	}
	return 0;
}

/* last_words() - what the hook printed, on one line, cut. */
static void last_words(int out, char text[MAX_OUTPUT])
{
	ssize_t n = pread(out, text, MAX_OUTPUT - 1, 0);

	text[n > 0 ? n : 0] = 0;
	for (char *p = text; *p; p++)
		if ((unsigned char)*p < ' ')
			*p = ' ';
}

/* began() - did it come to its execve?  @sock ends with that. */
static int began(int sock, struct err *err)
{
	struct child_msg msg = { 0 };
	ssize_t n;

	while ((n = recv(sock, &msg, sizeof(msg), 0)) > 0) {
		if (msg.type != CHILD_ERROR || n != sizeof(msg))
			continue;
		*err = msg.err;
		return err->code > 0 ? -err->code : -EIO;
	}
	return 0;
}

/* wait_hook() - its wait status; -ETIMEDOUT after killing it. */
static int wait_hook(pid_t pid, int pidfd)
{
	int ended = io_wait_readable(pidfd, FSFREEZE_HOOK_TIMEOUT * 1000);
	int status;

	if (ended <= 0)
		(void)pidfd_send_signal(pidfd, SIGKILL, NULL, 0); /* not reaped yet */
	while (waitpid(pid, &status, __WALL) < 0)
		if (errno != EINTR)
			return -errno;
	return ended < 0 ? ended : ended ? status : -ETIMEDOUT;
}

static int judge(int status, const char *path, const char *verb, int out, struct err *err)
{
	char words[MAX_OUTPUT];

	if (status == 0)
		return 0;
	if (status == -ETIMEDOUT)
		return err_msg(err, ETIMEDOUT,
			       "%s hook '%s' ran past its timeout of %d s", verb, path,
			       FSFREEZE_HOOK_TIMEOUT);
	if (status < 0)
		return err_set(err, -status, "wait for %s hook '%s'", verb, path);
	last_words(out, words);
	if (WIFSIGNALED(status))
		return err_msg(err, EIO, "%s hook '%s': signal %d, output: %s", verb,
			       path, WTERMSIG(status), words);
	return err_msg(err, EIO, "%s hook '%s': exit status %d, output: %s", verb, path,
		       WEXITSTATUS(status), words);
}

int fsfreeze_hook_run(struct agent *a, struct container *c, const char *path,
		      const char *verb, void (*begun)(void *opaque, int pidfd),
		      void *opaque, struct err *err)
{
	struct oci_process process = *c->spec->process;
	char *args[] = { (char *)(uintptr_t)path, (char *)(uintptr_t)verb, NULL };
	auto_fd int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	auto_fd int out = memfd_create("hook", MFD_CLOEXEC);
	auto_fd int pidfd = -1;
	auto_fd int sock = -1;
	struct err why = ERR_INIT;
	int ret, status;
	pid_t pid;

	if (null < 0 || out < 0)
		return err_set(err, errno, "descriptors of %s hook '%s'", verb, path);
	process.args.v = args; /* only read */
	process.args.n = 2;
	process.terminal = false;
	pid = spawn_plain(a, c, &process, (const int[]){ null, out, out }, &sock, &pidfd,
			  &why);
	if (pid < 0)
		return err_msg(err, why.code, "%s hook '%s': %s", verb, path, why.msg);
	if (begun)
		begun(opaque, pidfd);
	status = wait_hook(pid, pidfd);
	ret = status > 0 ? began(sock, &why) : 0;
	if (ret < 0)
		return err_msg(err, -ret, "%s hook '%s': %s", verb, path, why.msg);
	return judge(status, path, verb, out, err);
}
