/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Preserved descriptors: those that a process has besides stdio (--preserve-fds).
 * Each has a stream of its own, in the directions that its access mode allows; a
 * socket has both.  hull has looked what they are (runtime/preserved_fds.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "vmm/container_internal.h"

static_assert(VM_MAX_PRESERVED == AGENT_MAX_PRESERVED, "from hull to the agent");

const char *preserved_name(unsigned int which)
{
	/* Streams want a name that stays. */
	static const char names[][sizeof("descriptor 18")] = {
		"descriptor 3",  "descriptor 4",  "descriptor 5",  "descriptor 6",
		"descriptor 7",  "descriptor 8",  "descriptor 9",  "descriptor 10",
		"descriptor 11", "descriptor 12", "descriptor 13", "descriptor 14",
		"descriptor 15", "descriptor 16", "descriptor 17", "descriptor 18",
	};

	static_assert(ARRAY_SIZE(names) == AGENT_MAX_PRESERVED, "a name for each");
	return names[which - STREAM_FD];
}

/* ways_of() - enum agent_fd_ways of @fd; 0: neither way, or not open */
static unsigned int ways_of(int fd)
{
	int flags = fcntl(fd, F_GETFL);
	struct stat st;

	if (flags < 0 || fstat(fd, &st) < 0)
		return 0;
	if (S_ISSOCK(st.st_mode))
		return AGENT_FD_BOTH; /* also where the mode says something else */
	switch (flags & O_ACCMODE) {
	case O_RDONLY:
		return AGENT_FD_READ;
	case O_WRONLY:
		return AGENT_FD_WRITE;
	case O_RDWR:
		return AGENT_FD_BOTH;
	default:
		return 0;
	}
}

/* add() - a stream for one; @fd is taken also when it fails. */
static int add(struct proc *p, unsigned int which, struct stream_params params, int fd,
	       struct err *err)
{
	unsigned int ways = ways_of(fd);
	int copy = -1;

	params.name = preserved_name(which);
	if (!ways) {
		close_fd(fd);
		return err_msg(err, EBADF, "%s can neither be read nor written",
			       params.name);
	}
	if (ways == AGENT_FD_BOTH) {
		copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
		if (copy < 0) {
			int code = errno;

			close_fd(fd);
			return err_set(err, code, "duplicate %s", params.name);
		}
	}
	params.source_fd = ways & AGENT_FD_READ ? fd : -1;
	params.sink_fd = ways == AGENT_FD_BOTH ? copy : ways == AGENT_FD_WRITE ? fd : -1;
	params.one_way = ways == AGENT_FD_WRITE;
	params.half_close = ways == AGENT_FD_BOTH;
	p->fd_ways |= ways << (2 * (which - STREAM_FD));
	return stream_new(&params, &p->streams[which], err);
}

int preserved_streams(struct proc *p, const struct stream_params *params, const int *fds,
		      struct err *err)
{
	int ret = 0;

	for (unsigned int i = STREAM_FD; i < p->n_streams; i++) {
		int fd = fds[i - STREAM_FD];

		if (ret == 0)
			ret = add(p, i, *params, fd, err);
		else
			close_fd(fd);
	}
	return ret;
}
