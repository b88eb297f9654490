/* SPDX-License-Identifier: Apache-2.0 */
/* Threads of a device's own. */
#ifndef HULL_VMM_THREAD_H
#define HULL_VMM_THREAD_H

#include <pthread.h>

/* The deepest path (virtio-fs: READDIRPLUS, RENAME) needs about 20 KiB of stack. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define THREAD_STACK_SIZE (1024u << 10)
#else
#define THREAD_STACK_SIZE (128u << 10)
#endif

/* thread_start() - 0, or -errno */
static inline int thread_start(pthread_t *ret_thread, void *(*run)(void *), void *arg)
{
	pthread_attr_t attr;
	int ret = pthread_attr_init(&attr);

	if (ret == 0) {
		(void)pthread_attr_setstacksize(&attr, THREAD_STACK_SIZE); /* valid */
		ret = pthread_create(ret_thread, &attr, run, arg);
		(void)pthread_attr_destroy(&attr);
	}
	return -ret;
}

#endif
