/* SPDX-License-Identifier: Apache-2.0 */
#include "rootfs/agent/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/container_of.h"
#include "lib/err.h"
#include "lib/io.h"
#include "rootfs/agent/agent.h"
#include "rootfs/agent/cgroup.h"
#include "rootfs/agent/cgroup_watch.h"

/* (bytes) Linux on x86 plugs no smaller pieces, unless there is no more. */
#define SECTION (128ull << 20)
#define BLOCK (4ull << 20) /* (bytes) what is less is never plugged */
#define UEVENT_KERNEL 1u /* the multicast group of the kernel's own */

/*
 * (bytes) The kernel's and the agent's: 14 MiB after the start, page structs of the next
 * piece (2 MiB), and what containers take beyond memory.high before they are held up:
 * a few per cent, and 256 KiB for each process that is at it.
 */
#define RESERVE (36ull << 20)
/* Page structs of plugged memory are made of plugged memory: 64 bytes for a page. */
#define PAGE_STRUCTS(plugged) ((plugged) / 64)

/* ---- the policy -------------------------------------------------------------------------- */

uint64_t memory_limit(uint64_t ram, uint64_t plugged)
{
	uint64_t reserve = RESERVE + PAGE_STRUCTS(plugged);

	/* A guest of a few MiB has to do with half of them. */
	return reserve < ram / 2 ? ram - reserve : ram / 2;
}

uint64_t memory_wanted(uint64_t boot, uint64_t plugged, uint64_t more)
{
	uint64_t want = 2 * plugged + boot;

	want = (want + SECTION - 1) / SECTION * SECTION;
	return want < more ? want : more;
}

/* ---- what there is ------------------------------------------------------------------------ */

static uint64_t ram(void)
{
	struct sysinfo info;

	return sysinfo(&info) == 0 ? (uint64_t)info.totalram * info.mem_unit : 0;
}

uint64_t memory_ceiling(const struct memory *m)
{
	return m->more ? m->boot + m->more : ram();
}

/* plugged() - and online. */
static uint64_t plugged(const struct memory *m)
{
	uint64_t now = ram();

	return now > m->boot ? now - m->boot : 0;
}

static bool is_full(const struct memory *m)
{
	return m->asked == m->more && plugged(m) + BLOCK > m->more;
}

static int write_limit(const struct agent *a, const char *name, uint64_t limit,
		       struct err *err)
{
	char text[32];
	int ret;

	(void)!snprintf(text, sizeof(text), "%" PRIu64, limit);
	ret = io_write_file(a->cgroup_fd, name, limit == UINT64_MAX ? "max" : text, err);
	return ret < 0 ? ret : 0;
}

/* set_limits() - of all containers together, after what is there now. */
static int set_limits(struct agent *a, struct err *err)
{
	const struct memory *m = &a->memory;
	uint64_t limit = memory_limit(ram(), plugged(m));
	int ret = 0;

	if (!is_full(m))
		return write_limit(a, "memory.high", limit, err);
	ret = write_limit(a, "memory.max", limit, err);
	return ret < 0 ? ret : write_limit(a, "memory.high", UINT64_MAX, err);
}

/* ---- growing ------------------------------------------------------------------------------- */

/* used_up() - does what containers have come near to memory.high? */
static bool used_up(const struct agent *a)
{
	const struct memory *m = &a->memory;
	uint64_t limit = memory_limit(ram(), plugged(m));
	auto_fd int fd = openat(a->cgroup_fd, "memory.current", O_RDONLY | O_CLOEXEC);
	char text[32];
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (n <= 0)
		return false;
	text[n] = 0;
	return strtoull(text, NULL, 10) > limit - limit / 8;
}

static void uevents_ready(struct watch *w, uint32_t events)
{
	struct memory *m = container_of(w, struct memory, uevents);
	struct agent *a = container_of(m, struct agent, memory);
	char discard[2048];

	(void)events;
	while (recv(w->fd, discard, sizeof(discard), 0) >= 0 || errno == ENOBUFS)
		; /* what there is now is found out by looking */
	/* A cgroup that cannot be written to has gone: with the guest. */
	(void)set_limits(a, NULL);
	memory_check(a);
}

/* watch_uevents() - memory that comes online is told by one. */
static int watch_uevents(struct agent *a)
{
	const struct sockaddr_nl kernel = { .nl_family = AF_NETLINK,
					    .nl_groups = UEVENT_KERNEL };
	auto_fd int fd = -1;
	int ret;

	if (a->memory.uevents.added)
		return 0;
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
		    NETLINK_KOBJECT_UEVENT);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&kernel, sizeof(kernel)) < 0)
		return -errno;
	ret = watch_add(&a->loop, &a->memory.uevents, fd, EPOLLIN, uevents_ready);
	if (ret == 0)
		(void)take_fd(&fd);
	return ret;
}

void memory_check(struct agent *a)
{
	struct memory *m = &a->memory;
	uint64_t high, want;

	if (m->events_fd < 0)
		return;
	high = cgroup_memory_event(m->events_fd, "\nhigh ");
	/* A container's own memory.high counts there as well. */
	if (high == m->seen || !used_up(a))
		return;
	want = memory_wanted(m->boot, plugged(m), m->more);
	if (want <= m->asked || watch_uevents(a) < 0)
		return; /* it is on its way */
	m->seen = high;
	m->asked = want;
	agent_event(a, AGENT_MEMORY, 0, 0, (uint32_t)(want >> 20));
}

void memory_init(struct memory *m)
{
	*m = (struct memory){ .events_fd = -1 };
}

int memory_begin(struct agent *a, uint64_t more, struct err *err)
{
	struct memory *m = &a->memory;
	int ret;

	if (m->more || !more)
		return 0;
	m->boot = ram();
	m->more = more;
	/* Or a mapping larger than what there is now would be refused. */
	ret = io_write_file(AT_FDCWD, "/proc/sys/vm/overcommit_memory", "1", err);
	if (ret >= 0)
		ret = set_limits(a, err);
	if (ret < 0)
		return ret;
	memory_scale_kernel(m->boot, memory_ceiling(m));
	m->events_fd = openat(a->cgroup_fd, "memory.events", O_RDONLY | O_CLOEXEC);
	if (m->events_fd < 0)
		return err_set(err, errno, "open the containers' memory.events");
	ret = cgroup_watch_all(a, "memory.events");
	return ret < 0 ? err_set(err, -ret, "watch the containers' memory.events") : 0;
}

void memory_release(struct agent *a)
{
	struct memory *m = &a->memory;

	if (m->uevents.added)
		close_fd(m->uevents.fd);
	watch_remove(&a->loop, &m->uevents);
	close_fd(m->events_fd);
	memory_init(m);
}
