/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
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

/* Fields of proc(5) /proc/PID/stat behind the name, from the state on. */
enum stat_field {
	STAT_STATE = 0,
	STAT_PPID = 1,
	STAT_PGRP = 2,
	STAT_SESSION = 3,
	STAT_TTY = 4,
	STAT_TPGID = 5,
	STAT_UTIME = 11,
	STAT_STIME = 12,
	STAT_NICE = 16,
	STAT_THREADS = 17,
	STAT_START = 19,
	STAT_VSIZE = 20,
	STAT_RSS = 21,
	STAT_FIELDS = 22,
};

/* parse_fields() - the words of @text as numbers (the state: its letter). */
static int parse_fields(const char *text, long long value[STAT_FIELDS])
{
	text += strspn(text, " ");
	value[STAT_STATE] = *text;
	text += !!*text;
	for (unsigned int i = STAT_PPID; i < STAT_FIELDS; i++) {
		char *end;

		value[i] = strtoll(text, &end, 10);
		if (end == text)
			return -EINVAL;
		text = end;
	}
	return 0;
}

/* state_codes() - the letter, and what ps(1) puts behind it. */
static void state_codes(const long long v[STAT_FIELDS], long long pid, char stat[8])
{
	*stat++ = (char)v[STAT_STATE];
	if (v[STAT_NICE])
		*stat++ = v[STAT_NICE] < 0 ? '<' : 'N';
	if (v[STAT_SESSION] == pid)
		*stat++ = 's';
	if (v[STAT_THREADS] > 1)
		*stat++ = 'l';
	if (v[STAT_TPGID] == v[STAT_PGRP])
		*stat++ = '+';
	*stat = 0;
}

int ps_parse_stat(const char *text, struct control_ps *ps, pid_t *ret_ppid)
{
	/* The name may hold anything, parentheses included: the last one counts. */
	const char *open = strchr(text, '(');
	const char *end = strrchr(text, ')');
	long long v[STAT_FIELDS];
	size_t len;

	if (!open || !end || end < open || parse_fields(end + 1, v) < 0)
		return -EINVAL;
	len = (size_t)(end - open) - 1;
	if (len >= sizeof(ps->comm))
		len = sizeof(ps->comm) - 1;
	memcpy(ps->comm, open + 1, len);
	ps->comm[len] = 0;
	state_codes(v, strtoll(text, NULL, 10), ps->stat);
	ps->tty = (uint32_t)v[STAT_TTY];
	ps->cpu_ns = (uint64_t)(v[STAT_UTIME] + v[STAT_STIME]) * TICK_NS;
	ps->start_ns = (uint64_t)v[STAT_START] * TICK_NS;
	ps->vsize = (uint64_t)v[STAT_VSIZE];
	ps->rss = (uint64_t)v[STAT_RSS] * (uint64_t)sysconf(_SC_PAGESIZE);
	ps->threads = (uint32_t)v[STAT_THREADS];
	*ret_ppid = (pid_t)v[STAT_PPID];
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

/* boot_time_ns() - when the guest booted, by its CLOCK_REALTIME. */
static uint64_t boot_time_ns(void)
{
	struct timespec now;
	struct timespec up;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	(void)clock_gettime(CLOCK_BOOTTIME, &up);
	return (uint64_t)((now.tv_sec - up.tv_sec) * 1000000000ll + now.tv_nsec -
			  up.tv_nsec);
}

/* relate() - what the process' own files do not have: time of day, share of memory. */
static void relate(struct control_ps *ps, uint64_t boot_ns)
{
	uint64_t memory =
		(uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);

	ps->start_ns += boot_ns;
	ps->mem_permille = (uint32_t)(ps->rss * 1000 / memory);
}

ssize_t ps_list(const struct container *c, struct control_ps *list, size_t max)
{
	const uint64_t boot_ns = boot_time_ns();
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

		if (read_one(pid, &list[used], &ppids[used]) < 0)
			continue;
		relate(&list[used], boot_ns);
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
