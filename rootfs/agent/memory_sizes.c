/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel sizes by the RAM that it finds at its start, or when a tmpfs is mounted:
 * here that is a part of what the container may have.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "oci/mount.h"
#include "oci/spec.h"
#include "rootfs/agent/memory.h"

#define PAGE_SIZE 4096u

/* Files below /proc/sys of up to three numbers. */
static const struct {
	const char *path;
	uint64_t max; /* the kernel's own bound; 0: none */
	unsigned int first; /* the numbers before it do not depend on the RAM */
} sizes[] = {
	{ "kernel/threads-max", 0, 0 },
	{ "fs/file-max", 0, 0 },
	{ "fs/inotify/max_user_watches", 1048576, 0 },
	{ "fs/epoll/max_user_watches", 0, 0 },
	{ "net/ipv4/tcp_mem", 0, 0 },
	{ "net/ipv4/udp_mem", 0, 0 },
	{ "net/ipv4/tcp_rmem", 6u << 20, 2 },
	{ "net/ipv4/tcp_wmem", 4u << 20, 2 },
};

/* scale() - @n, made for @boot bytes; INT_MAX is what most of these files can hold. */
static uint64_t scale(uint64_t n, uint64_t boot, uint64_t ceiling, uint64_t max)
{
	uint64_t scaled;

	if (!max || max > INT32_MAX)
		max = INT32_MAX;
	if (!boot || n >= max)
		return n; /* somebody's own value, or none */
	scaled = (uint64_t)((double)n * (double)ceiling / (double)boot);
	return scaled < max ? scaled : max;
}

int memory_scale(char *text, size_t size, unsigned int first, uint64_t max, uint64_t boot,
		 uint64_t ceiling)
{
	char out[128] = "";
	char *p = text;
	size_t len = 0;

	for (unsigned int i = 0; i < 3; i++) {
		char *end;
		uint64_t n = strtoull(p, &end, 10);
		int put;

		if (end == p)
			break;
		if (i >= first)
			n = scale(n, boot, ceiling, max);
		put = snprintf(out + len, sizeof(out) - len, "%s%" PRIu64, i ? " " : "",
			       n);
		if (put < 0 || (size_t)put >= sizeof(out) - len)
			return -1;
		len += (size_t)put;
		p = end;
	}
	if (!len || len >= size)
		return -1;
	memcpy(text, out, len + 1);
	return (int)len;
}

static void scale_file(int dir, size_t i, uint64_t boot, uint64_t ceiling)
{
	auto_fd int fd = openat(dir, sizes[i].path, O_RDWR | O_CLOEXEC);
	char text[128];
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	int len;

	if (n <= 0)
		return; /* this kernel has no such thing */
	text[n] = 0;
	len = memory_scale(text, sizeof(text), sizes[i].first, sizes[i].max, boot,
			   ceiling);
	if (len > 0)
		(void)!pwrite(fd, text, (size_t)len,
			      0); /* what stood there still holds */
}

/* scale_rlimit() - which containers inherit: half of the threads that there may be. */
static void scale_rlimit(__rlimit_resource_t resource, uint64_t boot, uint64_t ceiling)
{
	struct rlimit lim;

	if (getrlimit(resource, &lim) < 0 || lim.rlim_max == RLIM_INFINITY)
		return;
	lim.rlim_cur = scale(lim.rlim_cur, boot, ceiling, 0);
	lim.rlim_max = scale(lim.rlim_max, boot, ceiling, 0);
	(void)setrlimit(resource, &lim);
}

void memory_scale_kernel(uint64_t boot, uint64_t ceiling)
{
	auto_fd int dir = open("/proc/sys", O_PATH | O_DIRECTORY | O_CLOEXEC);

	for (size_t i = 0; dir >= 0 && i < ARRAY_SIZE(sizes); i++)
		scale_file(dir, i, boot, ceiling);
	scale_rlimit(RLIMIT_NPROC, boot, ceiling);
	scale_rlimit(RLIMIT_SIGPENDING, boot, ceiling);
}

/* ---- tmpfs --------------------------------------------------------------------------------- */

static int add_option(struct oci_spec *spec, struct oci_mount *m, const char *name,
		      uint64_t value)
{
	char text[64];

	(void)!snprintf(text, sizeof(text), "%s=%" PRIu64, name, value);
	return oci_strings_add(spec, &m->options, text);
}

/* size_tmpfs() - the last option of a name counts. */
static int size_tmpfs(struct oci_spec *spec, struct oci_mount *m, uint64_t ceiling)
{
	uint64_t size = ceiling / 2; /* the kernel's default, of all RAM */
	bool sized = false, inodes = false;
	int ret = 0;

	for (size_t i = 0; i < m->options.n; i++) {
		const char *o = m->options.v[i];
		char *end;
		uint64_t n;

		inodes |= strncmp(o, "nr_inodes=", 10) == 0;
		if (strncmp(o, "nr_blocks=", 10) == 0)
			sized = true;
		if (strncmp(o, "size=", 5) != 0)
			continue;
		n = strtoull(o + 5, &end, 10);
		sized = strcmp(end, "%") != 0 || n > 100;
		size = sized ? size : ceiling / 100 * n;
	}
	if (!sized)
		ret = add_option(spec, m, "size", size);
	if (ret == 0 && !inodes)
		ret = add_option(spec, m, "nr_inodes", ceiling / 2 / PAGE_SIZE);
	return ret;
}

int memory_size_tmpfs(struct oci_spec *spec, uint64_t ceiling, struct err *err)
{
	for (size_t i = 0; i < spec->mounts.n; i++) {
		struct oci_mount *m = &spec->mounts.v[i];

		if (m->type && strcmp(m->type, "tmpfs") == 0 && !oci_mount_is_bind(m) &&
		    size_tmpfs(spec, m, ceiling) < 0)
			return err_set(err, ENOMEM, "size of a tmpfs");
	}
	return 0;
}
