/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/bus_guard.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "lib/cleanup.h"
#include "lib/err.h"

#define PAGE ((uintptr_t)4096)
#define MAX_WINDOWS 16u /* a machine has two; unit tests have several machines */

/* The handler may look at any moment, on any thread: `at` is set last, cleared first. */
static struct window {
	_Atomic(char *) at; /* NULL: free */
	uint64_t len;
	atomic_bool *marks;
} windows[MAX_WINDOWS];

/* replace() - Return: whether @addr was in a window, and can be read now */
static bool replace(uintptr_t addr)
{
	for (unsigned int i = 0; i < MAX_WINDOWS; i++) {
		char *at = atomic_load(&windows[i].at);
		void *page = (void *)(addr & ~(PAGE - 1));

		if (!at || addr < (uintptr_t)at || addr - (uintptr_t)at >= windows[i].len)
			continue;
		/* Marked first: who clears the mark looks at the window afterwards. */
		atomic_store(&windows[i].marks[(addr - (uintptr_t)at) >>
					       BUS_GUARD_PIECE_SHIFT],
			     true);
		return mmap(page, PAGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == page;
	}
	return false;
}

static void on_bus(int sig, siginfo_t *info, void *context)
{
	int code = errno;

	(void)sig;
	(void)context;
	if (info->si_code <= 0)
		return; /* no fault: somebody has sent it */
	if (info->si_code != BUS_ADRERR || !replace((uintptr_t)info->si_addr))
		abort();
	errno = code;
}

int bus_guard_add(char *at, uint64_t len, atomic_bool *marks, struct err *err)
{
	struct sigaction act = { .sa_sigaction = on_bus, .sa_flags = SA_SIGINFO };

	if (sigaction(SIGBUS, &act, NULL) < 0)
		return err_set(err, errno, "handle SIGBUS");
	for (unsigned int i = 0; i < MAX_WINDOWS; i++) {
		if (atomic_load(&windows[i].at))
			continue;
		windows[i].len = len;
		windows[i].marks = marks;
		atomic_store(&windows[i].at, at);
		return 0;
	}
	return err_msg(err, ENOSPC, "more than %u DAX windows", MAX_WINDOWS);
}

void bus_guard_remove(const char *at)
{
	for (unsigned int i = 0; i < MAX_WINDOWS; i++)
		if (atomic_load(&windows[i].at) == at)
			atomic_store(&windows[i].at, NULL);
}

void bus_guard_mask(sigset_t *set)
{
	(void)sigfillset(set);
	(void)sigdelset(set, SIGBUS);
}
