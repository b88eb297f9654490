/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "rootfs/agent/cgroup.h"
#include "rootfs/agent/container.h"
#include "rootfs/agent/ps.h"
#include "vmm/control.h"

#define TICK_NS (1000000000ull / 100) /* USER_HZ */

/* read_proc() - /proc/PID/@name as text, at most @size - 1 bytes. */
static ssize_t read_proc(pid_t pid, const char *name, char *text, size_t size)
{
	char path[64];
	auto_fd int fd = -1;
	ssize_t n;

	(void)!snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, size - 1);
	if (n < 0)
		return -errno;
	text[n] = 0;
	return n;
}

/* number() - the @n-th of the words in @text; -1: there is none. */
static long long number(const char *text, unsigned int n)
{
	char *end;
	long long value;

	for (text += strspn(text, " "); n--; text += strspn(text, " "))
		text += strcspn(text, " ");
	value = strtoll(text, &end, 10);
	return end == text ? -1 : value;
}

int ps_parse_stat(const char *text, struct control_ps *ps, pid_t *ret_ppid)
{
	/* The name may hold anything, parentheses included: the last one counts. */
	const char *open = strchr(text, '(');
	const char *end = strrchr(text, ')');
	long long value[4]; /* fields 4, 14, 15 and 22 of proc(5) */
	static const unsigned int word[] = { 1, 11, 12, 19 };
	size_t len;

	if (!open || !end || end < open)
		return -EINVAL;
	len = (size_t)(end - open) - 1;
	if (len >= sizeof(ps->comm))
		len = sizeof(ps->comm) - 1;
	for (unsigned int i = 0; i < ARRAY_SIZE(word); i++) {
		value[i] = number(end + 1, word[i]);
		if (value[i] < 0)
			return -EINVAL;
	}
	memcpy(ps->comm, open + 1, len);
	ps->comm[len] = 0;
	ps->cpu_ns = (uint64_t)(value[1] + value[2]) * TICK_NS;
	ps->start_ns = (uint64_t)value[3] * TICK_NS;
	*ret_ppid = (pid_t)value[0];
	return 0;
}

/* parse_status() - the user, and the pid as the innermost namespace has it. */
static int parse_status(const char *text, struct control_ps *ps)
{
	const char *uid = strstr(text, "\nUid:\t");
	const char *pids = strstr(text, "\nNSpid:");
	const char *p;

	if (!uid || !pids)
		return -EINVAL;
	ps->uid = (uint32_t)strtoul(uid + 6, NULL, 10);
	pids += 7;
	for (p = pids; *p && *p != '\n'; p++)
		if (*p == '\t')
			pids = p + 1;
	ps->pid = (int32_t)strtol(pids, NULL, 10);
	return 0;
}

/* read_args() - arguments with spaces between them; kernel names in brackets. */
static void read_args(pid_t pid, struct control_ps *ps)
{
	ssize_t n = read_proc(pid, "cmdline", ps->args, sizeof(ps->args));

	if (n <= 0) {
		(void)!snprintf(ps->args, sizeof(ps->args), "[%.15s]", ps->comm);
		return;
	}
	while (n > 0 && !ps->args[n - 1])
		n--;
	for (ssize_t i = 0; i < n; i++)
		if (!ps->args[i])
			ps->args[i] = ' ';
}

static int read_one(pid_t pid, struct control_ps *ps, pid_t *ret_ppid)
{
	char text[4096];

	*ps = (struct control_ps){ 0 };
	if (read_proc(pid, "stat", text, sizeof(text)) <= 0 ||
	    ps_parse_stat(text, ps, ret_ppid) < 0)
		return -ESRCH;
	if (read_proc(pid, "status", text, sizeof(text)) <= 0 ||
	    parse_status(text, ps) < 0)
		return -ESRCH;
	read_args(pid, ps);
	return 0;
}

ssize_t ps_list(const struct container *c, struct control_ps *list, size_t max)
{
	pid_t *pids = calloc(max, 2 * sizeof(*pids));
	pid_t *ppids;
	ssize_t n;
	size_t used = 0;

	if (!pids)
		return -ENOMEM;
	ppids = pids + max;
	n = cgroup_pids(c->cgroup_fd, pids, max);
	for (ssize_t i = 0; i < n && (size_t)i < max; i++) {
		pid_t pid = pids[i];

		if (read_one(pid, &list[used], &ppids[used]) == 0)
			pids[used++] = pid;
	}
	/* A parent outside of the container is 0, as its namespace shows it. */
	for (size_t i = 0; i < used; i++)
		for (size_t j = 0; j < used; j++)
			if (pids[j] == ppids[i])
				list[i].ppid = list[j].pid;
	free(pids);
	return n < 0 ? n : (ssize_t)used;
}
