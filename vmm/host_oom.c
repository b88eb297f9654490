/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/host_oom.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define TRY_S 20 /* (s) a busy host takes some for a machine of a few hundred MiB */
#define PAGE 4096u
#define STEP (UINT64_C(1) << 20) /* (bytes) between two looks at the clock */

int host_oom_prepare(void)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static time_t seconds(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

void host_oom_die(int fd, uint64_t limit)
{
	time_t end = seconds() + TRY_S;
	volatile char *map;
	void *mem;

	/* Should the host run out of memory before: nobody else is to be killed. */
	if (write(fd, "1000", 4) != 4)
		return;
	mem = mmap(NULL, limit, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (mem == MAP_FAILED)
		return;
	(void)madvise(mem, limit, MADV_HUGEPAGE); /* for speed, where there are any */
	map = mem;
	for (uint64_t at = 0; at < limit && seconds() < end; at += STEP)
		for (uint64_t page = at; page < at + STEP && page < limit; page += PAGE)
			map[page] = 1;
}
