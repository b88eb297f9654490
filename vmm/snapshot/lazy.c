/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One thread: a fault waits at most for one chunk that is being read ahead.  It touches no
 * memory of the guest's itself, takes no lock and allocates nothing, so whatever those hold
 * who wait for it, it goes on.
 */
#include "vmm/snapshot/lazy.h"

#include <errno.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/log.h"
#include "vmm/bus_guard.h"
#include "vmm/snapshot/saved_ram.h"
#include "vmm/snapshot/uffd.h"
#include "vmm/snapshot/working_set.h"
#include "vmm/thread.h"

#define CHUNK SNAPSHOT_CHUNK_SIZE
#define PAGE IMAGE_PAGE
#define MAX_AREAS 4u /* mappings in which RAM lies */
#define MAX_MESSAGES 16u /* of the kernel's that are read at once */

enum chunk_state {
	CHUNK_NOT_OURS, /* not registered */
	CHUNK_MISSING,
	CHUNK_THERE, /* but for what was given back since */
};

/* Bytes of RAM that lie in one mapping. */
struct area {
	char *host;
	uint64_t offset; /* (bytes) of RAM, of its first byte */
	uint64_t len; /* (bytes) up to the last one that was added */
};

struct lazy {
	struct lazy_params params;
	struct saved_ram *ram; /* owned */
	int uffd;
	int wake; /* eventfd: `stopping` or `all` has changed */
	uint64_t n_chunks;
	uint8_t *states; /* owned: enum chunk_state of each */
	unsigned int n_areas;
	struct area areas[MAX_AREAS];

	int (*on_thread)(void *opaque, struct err *err);
	pthread_t thread; /* valid while started */
	bool started;
	atomic_bool stopping;
	atomic_bool all; /* lazy_all() */
	atomic_bool done;

	/* The thread's. */
	uint64_t next; /* all chunks before it are there */
	uint32_t next_of_set; /* likewise, of `set` */
	uint32_t asked; /* faults that were not in `set` */
	struct working_set set; /* what is to be read first, then what was asked for */
	char buf[CHUNK];
};

/* ---- making, adding -------------------------------------------------------------------- */

static void read_working_set(struct lazy *l)
{
	const struct lazy_params *p = &l->params;
	struct err err = ERR_INIT;

	if (p->working_set_fd >= 0 &&
	    working_set_read(p->working_set_fd, p->id, l->n_chunks, &l->set, &err) < 0)
		log_warn("'%s': its working set is not used: %s", saved_ram_name(l->ram),
			 err.msg);
}

int lazy_new(const struct lazy_params *params, struct lazy **ret_lazy, struct err *err)
{
	struct lazy *l = calloc(1, sizeof(*l));
	int ret;

	if (!l)
		return err_set(err, ENOMEM, "lazy restore");
	l->params = *params;
	l->wake = -1;
	l->n_chunks = chunks_in(params->ram_size);
	l->uffd = ret = uffd_open(err);
	if (ret >= 0)
		ret = saved_ram_open(params->fds, params->n_fds, params->ram_size,
				     &l->ram, err);
	if (ret == 0) {
		l->states = calloc(l->n_chunks, sizeof(*l->states));
		l->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (!l->states || l->wake < 0)
			ret = err_set(err, l->states ? errno : ENOMEM, "lazy restore");
	}
	if (ret < 0) {
		lazy_free(l);
		return ret;
	}
	read_working_set(l);
	*ret_lazy = l;
	return 0;
}

void lazy_free(struct lazy *l)
{
	if (!l)
		return;
	lazy_stop(l);
	close_fd(l->uffd);
	close_fd(l->wake);
	saved_ram_free(l->ram);
	free(l->states);
	free(l);
}

static int add_area(struct lazy *l, char *host, uint64_t offset, uint64_t len,
		    struct err *err)
{
	struct area *last = l->n_areas ? &l->areas[l->n_areas - 1] : NULL;

	if (last && offset >= last->offset + last->len &&
	    host == last->host + (offset - last->offset)) {
		last->len = offset + len - last->offset;
		return 0;
	}
	if (l->n_areas == MAX_AREAS)
		return err_msg(err, ENOSPC, "lazy restore: more than %u mappings",
			       MAX_AREAS);
	l->areas[l->n_areas++] = (struct area){ host, offset, len };
	return 0;
}

int lazy_add(struct lazy *l, void *host, uint64_t offset, uint64_t len, struct err *err)
{
	const uint64_t needed = UINT64_C(1) << _UFFDIO_COPY |
				UINT64_C(1) << _UFFDIO_ZEROPAGE |
				UINT64_C(1) << _UFFDIO_WAKE;
	struct uffdio_register reg = {
		.range = { .start = (uintptr_t)host, .len = len },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	int ret;

	if (offset % IMAGE_PIECE || len % IMAGE_PIECE || !len ||
	    offset > l->params.ram_size || len > l->params.ram_size - offset)
		return err_msg(err, EPROTO, "RAM that the machine does not have");
	ret = add_area(l, host, offset, len, err);
	if (ret < 0)
		return ret;
	if (ioctl(l->uffd, UFFDIO_REGISTER, &reg) < 0)
		return err_set(err, errno, "userfaultfd: register memory");
	if ((reg.ioctls & needed) != needed)
		return err_msg(err, ENOTSUP, "userfaultfd cannot fill this memory");
	memset(l->states + offset / CHUNK, CHUNK_MISSING, len / CHUNK);
	return 0;
}

/* host_of() - NULL: the chunk is not ours */
static char *host_of(const struct lazy *l, uint64_t chunk)
{
	uint64_t offset = chunk * CHUNK;

	for (unsigned int i = 0; i < l->n_areas; i++) {
		const struct area *a = &l->areas[i];

		if (offset >= a->offset && offset - a->offset < a->len)
			return a->host + (offset - a->offset);
	}
	return NULL;
}

/* offset_of() - of RAM; false: the address is not ours. */
static bool offset_of(const struct lazy *l, uint64_t address, uint64_t *ret)
{
	for (unsigned int i = 0; i < l->n_areas; i++) {
		const struct area *a = &l->areas[i];

		if (address < (uintptr_t)a->host ||
		    address - (uintptr_t)a->host >= a->len)
			continue;
		*ret = a->offset + (address - (uintptr_t)a->host);
		return true;
	}
	return false;
}

/* ---- putting pages there ------------------------------------------------------------------ */

/* wake() - those who wait for [@at, @at + @len), which is there. */
static void wake(const struct lazy *l, char *at, uint64_t len)
{
	struct uffdio_range range = { .start = (uintptr_t)at, .len = len };

	(void)ioctl(l->uffd, UFFDIO_WAKE, &range); /* fails for what is not ours only */
}

/* put() - @src, or zeros if that is NULL; Return: bytes that went there, or -errno */
static int64_t put(const struct lazy *l, char *at, const char *src, uint64_t len)
{
	struct uffdio_copy copy = {
		.dst = (uintptr_t)at,
		.src = (uintptr_t)src,
		.len = len,
	};
	struct uffdio_zeropage zero = { .range = { (uintptr_t)at, len } };
	int ret = src ? ioctl(l->uffd, UFFDIO_COPY, &copy)
		      : ioctl(l->uffd, UFFDIO_ZEROPAGE, &zero);
	int64_t done = src ? copy.copy : zero.zeropage;

	if (ret == 0)
		return (int64_t)len;
	if (errno == EAGAIN) /* as far as it got */
		return done > 0 ? done : 0;
	return -errno;
}

/* put_run() - pages that are there are left alone: the guest's are newer. */
static int put_run(const struct lazy *l, char *at, const char *src, uint64_t len,
		   struct err *err)
{
	for (uint64_t done = 0; done < len;) {
		int64_t n = put(l, at + done, src ? src + done : NULL, len - done);

		if (n == -EEXIST) {
			wake(l, at + done, PAGE);
			n = PAGE;
		}
		if (n < 0)
			return err_set(err, (int)-n, "'%s': put memory in its place",
				       saved_ram_name(l->ram));
		done += (uint64_t)n;
	}
	return 0;
}

static bool is_zero(const char *page)
{
	return !page[0] && !memcmp(page, page + 1, PAGE - 1);
}

/*
 * put_chunk() - of the pages that are zero only those that somebody waits for, with their
 * neighbours: the others are never to be paid for.
 * @wanted: (bytes) in the chunk; CHUNK: none
 */
static int put_chunk(const struct lazy *l, char *host, uint64_t wanted, struct err *err)
{
	int ret = 0;

	for (uint64_t from = 0, to; ret == 0 && from < CHUNK; from = to) {
		bool zero = is_zero(l->buf + from);

		for (to = from + PAGE; to < CHUNK && is_zero(l->buf + to) == zero;)
			to += PAGE;
		if (!zero)
			ret = put_run(l, host + from, l->buf + from, to - from, err);
		else if (wanted >= from && wanted < to)
			ret = put_run(l, host + from, NULL, to - from, err);
	}
	return ret;
}

static int load(struct lazy *l, uint64_t chunk, uint64_t wanted, struct err *err)
{
	int ret = saved_ram_read(l->ram, chunk, l->buf, err);

	if (ret == 0)
		ret = put_chunk(l, host_of(l, chunk), wanted, err);
	if (ret == 0)
		l->states[chunk] = CHUNK_THERE;
	return ret;
}

/* ---- who asks ---------------------------------------------------------------------------- */

static void note(struct lazy *l, uint64_t chunk)
{
	if (l->states[chunk] != CHUNK_MISSING || l->set.head.n == WORKING_SET_MAX)
		return;
	l->set.chunks[l->set.head.n++] = (uint32_t)chunk;
	l->asked++;
}

static int serve(struct lazy *l, const struct uffd_msg *m, struct err *err)
{
	uint64_t offset = 0;
	uint64_t chunk;

	if (m->event != UFFD_EVENT_PAGEFAULT) /* we have asked for no others */
		return err_msg(err, EPROTO, "userfaultfd: event %#x", m->event);
	if (!offset_of(l, m->arg.pagefault.address, &offset) ||
	    l->states[offset / CHUNK] == CHUNK_NOT_OURS)
		return err_msg(err, EPROTO, "userfaultfd: memory that is not ours");
	chunk = offset / CHUNK;
	note(l, chunk);
	return load(l, chunk, offset % CHUNK & ~(uint64_t)(PAGE - 1), err);
}

/* serve_faults() - all that wait by now. */
static int serve_faults(struct lazy *l, struct err *err)
{
	struct uffd_msg messages[MAX_MESSAGES];
	ssize_t n = read(l->uffd, messages, sizeof(messages));
	int ret = 0;

	if (n < 0)
		return errno == EAGAIN || errno == EINTR
			       ? 0
			       : err_set(err, errno, "read the userfaultfd");
	for (size_t i = 0; ret == 0 && i < (size_t)n / sizeof(messages[0]); i++)
		ret = serve(l, &messages[i], err);
	return ret;
}

/* ---- what nobody has asked for yet ------------------------------------------------------- */

/* next_of_set() - false: nothing is left of it; what is noted meanwhile is there. */
static bool next_of_set(struct lazy *l, uint64_t *ret)
{
	while (l->next_of_set < l->set.head.n) {
		uint32_t chunk = l->set.chunks[l->next_of_set++];

		if (l->states[chunk] != CHUNK_MISSING)
			continue;
		*ret = chunk;
		return true;
	}
	return false;
}

/* next_of_all() - false: all is there.  Holes stay holes. */
static bool next_of_all(struct lazy *l, uint64_t *ret)
{
	for (; l->next < l->n_chunks; l->next++) {
		if (l->states[l->next] != CHUNK_MISSING)
			continue;
		if (!saved_ram_is_hole(l->ram, l->next)) {
			*ret = l->next;
			return true;
		}
	}
	return false;
}

/* unregister() - runs of chunks that are ours: from now on they are memory as ever. */
static int unregister(struct lazy *l, struct err *err)
{
	for (uint64_t from = 0, to; from < l->n_chunks; from = to) {
		struct uffdio_range range;

		to = from + 1;
		if (l->states[from] == CHUNK_NOT_OURS)
			continue;
		while (to < l->n_chunks && l->states[to] != CHUNK_NOT_OURS &&
		       host_of(l, to) == host_of(l, from) + (to - from) * CHUNK)
			to++;
		range = (struct uffdio_range){
			.start = (uintptr_t)host_of(l, from),
			.len = (to - from) * CHUNK,
		};
		if (ioctl(l->uffd, UFFDIO_UNREGISTER, &range) < 0)
			return err_set(err, errno, "userfaultfd: let memory go");
	}
	return 0;
}

static void write_working_set(struct lazy *l)
{
	const struct lazy_params *p = &l->params;
	struct err err = ERR_INIT;

	if (p->working_set_fd >= 0 && l->asked &&
	    working_set_write(p->working_set_fd, p->id, &l->set, &err) < 0)
		log_warn("'%s': its working set is not noted: %s", saved_ram_name(l->ram),
			 err.msg);
}

static int finish(struct lazy *l, struct err *err)
{
	int ret = unregister(l, err);

	if (ret < 0)
		return ret;
	write_working_set(l);
	log_debug("'%s': all memory is read", saved_ram_name(l->ram));
	atomic_store(&l->done, true);
	return 0;
}

/* ---- the thread --------------------------------------------------------------------------- */

static void wait_for_something(struct lazy *l)
{
	struct pollfd fds[] = {
		{ .fd = l->uffd, .events = POLLIN },
		{ .fd = l->wake, .events = POLLIN },
	};
	eventfd_t n;

	(void)poll(fds, 2, -1); /* whatever it says, we look */
	if (fds[1].revents)
		(void)eventfd_read(l->wake, &n);
}

/* step() - one turn; done when there is nothing more to do. */
static int step(struct lazy *l, struct err *err)
{
	uint64_t chunk;
	int ret = serve_faults(l, err);

	if (ret < 0)
		return ret;
	if (next_of_set(l, &chunk))
		return load(l, chunk, CHUNK, err);
	if (!atomic_load(&l->all)) {
		wait_for_something(l);
		return 0;
	}
	return next_of_all(l, &chunk) ? load(l, chunk, CHUNK, err) : finish(l, err);
}

static void *thread_main(void *arg)
{
	struct lazy *l = arg;
	struct err err = ERR_INIT;
	sigset_t all;
	int ret = 0;

	bus_guard_mask(&all);
	(void)pthread_sigmask(SIG_BLOCK, &all, NULL); /* signals are main's */
	(void)prctl(PR_SET_NAME, "lazy-pages"); /* only a name */
	if (l->on_thread)
		ret = l->on_thread(l->params.opaque, &err);
	while (ret == 0 && !atomic_load(&l->stopping) && !atomic_load(&l->done))
		ret = step(l, &err);
	if (ret < 0)
		l->params.on_failed(l->params.opaque, &err);
	return NULL;
}

int lazy_start(struct lazy *l, int (*on_thread)(void *opaque, struct err *err),
	       struct err *err)
{
	int ret;

	l->on_thread = on_thread;
	atomic_store(&l->stopping, false);
	ret = thread_start(&l->thread, thread_main, l);
	if (ret < 0)
		return err_set(err, -ret, "start a thread");
	l->started = true;
	return 0;
}

/* tell() - the thread, which may wait. */
static void tell(struct lazy *l, atomic_bool *what)
{
	atomic_store(what, true);
	(void)eventfd_write(l->wake, 1); /* fails only when it is full: told anyway */
}

void lazy_stop(struct lazy *l)
{
	if (!l->started)
		return;
	tell(l, &l->stopping);
	(void)pthread_join(l->thread, NULL); /* cannot fail */
	l->started = false;
}

void lazy_all(struct lazy *l)
{
	tell(l, &l->all);
}

bool lazy_done(const struct lazy *l)
{
	return atomic_load(&l->done);
}
