/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Locals that own: released when they go out of scope.
 *
 *	auto_fd int fd = open(...);		closed on every return
 *	auto_free char *s = strdup(...);	freed on every return
 *	*ret_fd = take_fd(&fd);			handed over instead
 *
 * Initialise on declaration (-1 or NULL), never `goto` past one, and put the
 * cleanup macro of a type of your own beside its free function, made with
 * DEFINE_CLEANUP().  Destructors accept half-built objects, keep errno, and never
 * retry close(): on Linux the descriptor is gone even when EINTR comes back.
 */
#ifndef HULL_LIB_CLEANUP_H
#define HULL_LIB_CLEANUP_H

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define auto_call(fn) __attribute__((__cleanup__(fn)))

/* close_fd() - close @fd unless it is negative; errno is kept. */
static inline void close_fd(int fd)
{
	int saved = errno;

	if (fd >= 0)
		(void)close(fd); /* nothing can be done about an error here */
	errno = saved;
}

static inline void cleanup_fd_(const int *fd)
{
	close_fd(*fd);
}

static inline void cleanup_free_(void *p)
{
	int saved = errno;

	free(*(void **)p);
	errno = saved;
}

static inline void cleanup_dir_(DIR **d)
{
	int saved = errno;

	if (*d)
		(void)closedir(*d); /* read only: nothing is lost */
	errno = saved;
}

static inline void cleanup_file_(FILE **f)
{
	int saved = errno;

	if (*f)
		(void)fclose(*f); /* writers check fflush() themselves */
	errno = saved;
}

#define auto_fd auto_call(cleanup_fd_)
#define auto_free auto_call(cleanup_free_)
#define auto_dir auto_call(cleanup_dir_)
#define auto_file auto_call(cleanup_file_)

/* take_fd() - hand over the descriptor in *fd; the local forgets it. */
static inline int take_fd(int *fd)
{
	int ret = *fd;

	*fd = -1;
	return ret;
}

static inline void *take_ptr_(void *pp)
{
	void *ret = *(void **)pp;

	*(void **)pp = NULL;
	return ret;
}

/* take_ptr() - hand over the pointer in *pp; the local forgets it. */
#define take_ptr(pp) ((__typeof__(*(pp)))take_ptr_(pp))

/* DEFINE_CLEANUP(name, type, free): makes cleanup_<name>_() for `type *` locals. */
#define DEFINE_CLEANUP(name, type, free_fn)                    \
	static inline void cleanup_##name##_(type **p)         \
	{                                                      \
		int saved = errno;                             \
                                                               \
		if (*p)                                        \
			free_fn(*p);                           \
		errno = saved;                                 \
	}

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#endif
