/* SPDX-License-Identifier: Apache-2.0 */
/* Locks of the guest's processes, taken on the host: see locks.h. */
#include "vmm/fs/locks.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "vmm/fs/server.h"

/* try_set(): a descriptor is needed that was not given. */
#define NEEDS_FD 4094

int fs_locks_init(struct fs_locks *locks)
{
	return pthread_mutex_init(&locks->lock, NULL) ? -ENOMEM : 0;
}

void fs_locks_release(struct fs_locks *locks)
{
	(void)pthread_mutex_destroy(&locks->lock);
}

/* ---- locked files ------------------------------------------------------------------ */

static struct fs_locked **bucket_of(struct fs_locks *locks, const struct fs_inode *inode)
{
	return &locks->buckets[inode->id % FS_LOCK_BUCKETS];
}

static struct fs_locked *make_locked(struct fs_locks *locks, struct fs_inode *inode)
{
	struct fs_locked *f;

	if (locks->n_files >= FS_MAX_LOCKED_FILES)
		return NULL;
	f = calloc(1, sizeof(*f));
	if (!f)
		return NULL;
	if (pthread_mutex_init(&f->mutex, NULL)) {
		free(f);
		return NULL;
	}
	f->inode = inode;
	f->fds[FS_LOCK_POSIX] = f->fds[FS_LOCK_FLOCK] = -1;
	f->next = *bucket_of(locks, inode);
	*bucket_of(locks, inode) = f;
	locks->n_files++;
	return f;
}

/*
 * get() - with its mutex held; give back with put().
 * @make: when it is not there
 * Return: NULL: it is not there, or there are too many
 */
static struct fs_locked *get(struct fs_locks *locks, struct fs_inode *inode, bool make)
{
	struct fs_locked *f;

	(void)pthread_mutex_lock(&locks->lock);
	f = *bucket_of(locks, inode);
	while (f && f->inode != inode)
		f = f->next;
	if (!f && make)
		f = make_locked(locks, inode);
	if (f)
		f->refs++;
	(void)pthread_mutex_unlock(&locks->lock);
	if (f)
		(void)pthread_mutex_lock(&f->mutex);
	return f;
}

/* put() - the last who uses what has no locks any more frees it. */
static void put(struct fs_locks *locks, struct fs_locked *f)
{
	struct fs_locked **at = bucket_of(locks, f->inode);
	bool last;

	(void)pthread_mutex_unlock(&f->mutex);
	(void)pthread_mutex_lock(&locks->lock);
	last = --f->refs == 0 && f->n == 0;
	if (last) {
		while (*at != f)
			at = &(*at)->next;
		*at = f->next;
		locks->n_files--;
	}
	(void)pthread_mutex_unlock(&locks->lock);
	if (!last)
		return;
	(void)pthread_mutex_destroy(&f->mutex);
	free(f->locks);
	free(f);
}

/* ---- who in the guest has what ------------------------------------------------------- */

static bool is_of(const struct fs_lock *l, const struct fs_lock *want)
{
	return l->owner == want->owner && l->kind == want->kind;
}

static bool overlap(const struct fs_lock *a, const struct fs_lock *b)
{
	return a->start <= b->end && b->start <= a->end;
}

/* touch() - or one begins right behind the other. */
static bool touch(const struct fs_lock *a, const struct fs_lock *b)
{
	return a->start <= b->end + 1 && b->start <= a->end + 1;
}

/* conflict() - the lock of another of the guest's, or NULL. */
static const struct fs_lock *conflict(const struct fs_locked *f,
				      const struct fs_lock *want)
{
	for (unsigned int i = 0; i < f->n; i++) {
		const struct fs_lock *l = &f->locks[i];

		if (l->kind == want->kind && l->owner != want->owner &&
		    overlap(l, want) && (l->type == F_WRLCK || want->type == F_WRLCK))
			return l;
	}
	return NULL;
}

static bool has_any(const struct fs_lock *locks, unsigned int n, enum fs_lock_kind kind)
{
	for (unsigned int i = 0; i < n; i++)
		if (locks[i].kind == kind)
			return true;
	return false;
}

/* add() - what is left of a lock. */
static void add(struct fs_lock *to, unsigned int *n, const struct fs_lock *l,
		uint64_t start, uint64_t end)
{
	to[*n] = *l;
	to[*n].start = start;
	to[(*n)++].end = end;
}

/*
 * plan() - the list as it is once @want is done.
 * Return: its length, of @to, which has room for two more than there are
 */
static unsigned int plan(const struct fs_locked *f, const struct fs_lock *want,
			 struct fs_lock *to)
{
	struct fs_lock whole = *want;
	unsigned int n = 0;

	for (unsigned int i = 0; i < f->n; i++) {
		const struct fs_lock *l = &f->locks[i];

		if (!is_of(l, want)) {
			to[n++] = *l;
		} else if (l->type == want->type && l->handle == want->handle &&
			   touch(l, want)) {
			whole.start = l->start < whole.start ? l->start : whole.start;
			whole.end = l->end > whole.end ? l->end : whole.end;
		} else if (!overlap(l, want)) {
			to[n++] = *l;
		} else {
			if (l->start < want->start)
				add(to, &n, l, l->start, want->start - 1);
			if (l->end > want->end)
				add(to, &n, l, want->end + 1, l->end);
		}
	}
	if (want->type != F_UNLCK)
		to[n++] = whole;
	return n;
}

/* commit() - @list is the list from now on. */
static void commit(struct fs_locks *locks, struct fs_locked *f, struct fs_lock *list,
		   unsigned int n)
{
	free(f->locks);
	f->locks = list;
	atomic_fetch_add(&locks->n, n - f->n);
	f->n = n;
}

/* plan_new() - plan(), unless it has too many. */
static int plan_new(const struct fs_locks *locks, const struct fs_locked *f,
		    const struct fs_lock *want, struct fs_lock **ret, unsigned int *n)
{
	struct fs_lock *to = calloc(f->n + 2, sizeof(*to));

	if (!to)
		return -ENOLCK;
	*n = plan(f, want, to);
	/* Threads that ask at once may exceed it by what they ask for. */
	if (*n > f->n && atomic_load(&locks->n) + (*n - f->n) > FS_MAX_LOCKS) {
		free(to);
		return -ENOLCK;
	}
	*ret = to;
	return 0;
}

/* remove_own() - @want's owner has none of that kind any more. */
static void remove_own(struct fs_locks *locks, struct fs_locked *f,
		       const struct fs_lock *want)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < f->n; i++)
		if (!is_of(&f->locks[i], want))
			f->locks[n++] = f->locks[i];
	atomic_fetch_sub(&locks->n, f->n - n);
	f->n = n;
}

/* ---- what the host is told ------------------------------------------------------------ */

static int set_bytes(int fd, int cmd, uint8_t type, uint64_t start, uint64_t end,
		     struct flock *ret)
{
	struct flock l = {
		.l_type = type,
		.l_whence = SEEK_SET,
		.l_start = (off_t)start,
		/* (bytes) 0: without end */
		.l_len = end == FS_LOCK_END ? 0 : (off_t)(end - start + 1),
	};

	while (fcntl(fd, cmd, &l) < 0)
		if (errno != EINTR)
			return errno == EACCES ? -EAGAIN : -errno;
	if (ret)
		*ret = l;
	return 0;
}

/* set_file() - LOCK_NB always: the jail's filter wants it. */
static int set_file(int fd, int operation)
{
	while (flock(fd, operation | LOCK_NB) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

static void close_kind(struct fs_locked *f, enum fs_lock_kind kind)
{
	/* It may be a duplicate, with which nothing is unlocked. */
	if (f->fds[kind] >= 0 && kind == FS_LOCK_POSIX)
		(void)set_bytes(f->fds[kind], F_OFD_SETLK, F_UNLCK, 0, FS_LOCK_END, NULL);
	else if (f->fds[kind] >= 0)
		(void)set_file(f->fds[kind], LOCK_UN);
	close_fd(f->fds[kind]);
	f->fds[kind] = -1;
}

/*
 * open_for() - for locks of @want's kind, as they may need it.  The file's name may be gone,
 * or another's by now, and a descriptor that is open need not be allowed again.
 */
static int open_for(struct fs_server *fs, const struct fs_lock *want)
{
	const struct fs_handle *h = want->handle;
	struct fs_inode *inode = h->inode;
	bool write = want->type == F_WRLCK;
	int fd = -ESTALE;
	bool named;

	/* A descriptor for writing keeps others from running the file: only with one of
	 * the guest's own.  A network file system may want it for flock(), too. */
	if (want->kind == FS_LOCK_FLOCK)
		write = inode->root->remote && h->writable;
	(void)pthread_mutex_lock(&fs->lock);
	named = inode->names != NULL;
	(void)pthread_mutex_unlock(&fs->lock);
	if (named)
		fd = fs_inode_open(fs, inode, FS_PLACE_NAMED, write ? O_RDWR : O_RDONLY);
	if (fd < 0)
		fd = fcntl(h->fd, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return errno == EMFILE || errno == ENFILE ? -ENOLCK : -errno;
	return fd;
}

/* fits() - can @fd have a lock of that type? */
static bool fits(int fd, const struct fs_lock *want)
{
	int access = fd < 0 ? -1 : fcntl(fd, F_GETFL) & O_ACCMODE;

	if (fd < 0)
		return false;
	if (want->kind == FS_LOCK_FLOCK)
		return access != O_RDONLY || want->type != F_WRLCK ||
		       !want->handle->inode->root->remote || !want->handle->writable;
	return access != (want->type == F_WRLCK ? O_RDONLY : O_WRONLY);
}

/*
 * move() - what is locked on the host, to @spare as well.  It is locked for reading only,
 * so both can have it for a moment.
 */
static int move(const struct fs_locked *f, int spare)
{
	for (unsigned int i = 0; i < f->n; i++) {
		const struct fs_lock *l = &f->locks[i];

		if (l->kind != FS_LOCK_POSIX ||
		    set_bytes(spare, F_OFD_SETLK, l->type, l->start, l->end, NULL) == 0)
			continue;
		(void)set_bytes(spare, F_OFD_SETLK, F_UNLCK, 0, FS_LOCK_END, NULL);
		return -ENOLCK; /* or it is not: that descriptor is for writing only */
	}
	return 0;
}

/* use_fd() - a descriptor for @want, in place of one that does not do. */
static int use_fd(struct fs_locked *f, const struct fs_lock *want, int *spare)
{
	int ret = 0;

	if (fits(f->fds[want->kind], want))
		return 0;
	if (*spare < 0)
		return -NEEDS_FD;
	if (want->kind == FS_LOCK_POSIX)
		ret = fits(*spare, want) ? move(f, *spare) : -EBADF;
	if (ret < 0)
		return ret;
	close_kind(f, want->kind);
	f->fds[want->kind] = *spare;
	*spare = -1;
	return 0;
}

/* unlock_piece() - bytes from @start to @end that nobody but @want's owner has locked. */
static int unlock_piece(struct fs_locked *f, const struct fs_lock *want, uint64_t start,
			uint64_t end)
{
	int ret = 0;

	while (start <= end) {
		uint64_t next = end + 1, skip = start;

		for (unsigned int i = 0; i < f->n; i++) {
			const struct fs_lock *l = &f->locks[i];

			if (l->kind != FS_LOCK_POSIX || is_of(l, want))
				continue;
			if (l->start <= start && l->end >= start && l->end + 1 > skip)
				skip = l->end + 1;
			else if (l->start > start && l->start < next)
				next = l->start;
		}
		if (skip == start) {
			int one = set_bytes(f->fds[FS_LOCK_POSIX], F_OFD_SETLK, F_UNLCK,
					    start, next - 1, NULL);

			ret = one < 0 ? one : ret;
			skip = next;
		}
		start = skip;
	}
	return ret;
}

/* unlock_bytes() - before the list is another. */
static int unlock_bytes(struct fs_locked *f, const struct fs_lock *want)
{
	int ret = 0;

	for (unsigned int i = 0; ret == 0 && i < f->n; i++) {
		const struct fs_lock *l = &f->locks[i];

		if (is_of(l, want) && overlap(l, want))
			ret = unlock_piece(
				f, want, l->start > want->start ? l->start : want->start,
				l->end < want->end ? l->end : want->end);
	}
	return ret;
}

/* ---- taking and giving back ------------------------------------------------------------- */

/* drop_own() - all of one kind that @want's owner has: it cannot fail. */
static void drop_own(struct fs_locks *locks, struct fs_locked *f,
		     const struct fs_lock *want)
{
	if (want->kind == FS_LOCK_POSIX)
		(void)unlock_bytes(f, want);
	remove_own(locks, f, want);
	if (!has_any(f->locks, f->n, want->kind))
		close_kind(f, want->kind);
}

/* ask_host() - for what nobody in the guest keeps @want's owner from having. */
static int ask_host(struct fs_locked *f, const struct fs_lock *want, int *spare)
{
	int fd, ret = use_fd(f, want, spare);

	if (ret < 0)
		return ret;
	fd = f->fds[want->kind];
	if (want->kind == FS_LOCK_FLOCK)
		return set_file(fd, want->type == F_WRLCK ? LOCK_EX : LOCK_SH);
	return set_bytes(fd, F_OFD_SETLK, want->type, want->start, want->end, NULL);
}

static int set_posix(struct fs_locks *locks, struct fs_locked *f,
		     const struct fs_lock *want, int *spare)
{
	struct fs_lock *list = NULL;
	unsigned int n;
	int ret;

	if (want->type != F_UNLCK && conflict(f, want))
		return -EAGAIN;
	if (want->type == F_UNLCK && !has_any(f->locks, f->n, FS_LOCK_POSIX))
		return 0;
	ret = plan_new(locks, f, want, &list, &n);
	if (ret == 0)
		ret = want->type == F_UNLCK ? unlock_bytes(f, want)
					    : ask_host(f, want, spare);
	if (ret < 0)
		free(list);
	else
		commit(locks, f, list, n);
	if (!has_any(f->locks, f->n, FS_LOCK_POSIX))
		close_kind(f, FS_LOCK_POSIX);
	return ret;
}

/*
 * set_flock() - as Linux has it, whoever cannot have another kind of lock has lost the one
 * he had.
 */
static int set_flock(struct fs_locks *locks, struct fs_locked *f,
		     const struct fs_lock *want, int *spare)
{
	struct fs_lock *list = NULL;
	unsigned int n;
	int ret;

	for (unsigned int i = 0; i < f->n; i++)
		if (is_of(&f->locks[i], want) && f->locks[i].type == want->type)
			return 0;
	if (want->type == F_UNLCK) {
		drop_own(locks, f, want);
		return 0;
	}
	ret = conflict(f, want) ? -EAGAIN : plan_new(locks, f, want, &list, &n);
	if (ret == 0)
		ret = ask_host(f, want, spare);
	if (ret == 0) {
		commit(locks, f, list, n);
		return 0;
	}
	free(list);
	if (ret != -NEEDS_FD)
		drop_own(locks, f, want);
	return ret;
}

static int try_set(struct fs_locks *locks, const struct fs_lock *want, int *spare)
{
	struct fs_locked *f = get(locks, want->handle->inode, want->type != F_UNLCK);
	int ret;

	if (!f)
		return want->type == F_UNLCK ? 0 : -ENOLCK;
	ret = want->kind == FS_LOCK_FLOCK ? set_flock(locks, f, want, spare)
					  : set_posix(locks, f, want, spare);
	put(locks, f);
	return ret;
}

int fs_lock_set(struct fs_server *fs, const struct fs_lock *want)
{
	auto_fd int spare = -1;
	int ret;

	if (want->kind == FS_LOCK_POSIX && want->type == F_WRLCK &&
	    !want->handle->writable)
		return -EBADF;
	ret = try_set(&fs->locks, want, &spare);
	if (ret != -NEEDS_FD)
		return ret;
	/* Outside of the mutex: it may take long, and give up a handle. */
	spare = open_for(fs, want);
	if (spare < 0)
		return spare;
	ret = try_set(&fs->locks, want, &spare);
	return ret;
}

static int test_host(int fd, const struct fs_lock *want, struct fs_lock *ret)
{
	struct flock l;
	int r = set_bytes(fd, F_OFD_GETLK, want->type, want->start, want->end, &l);

	if (r < 0)
		return r;
	if (l.l_type == F_UNLCK)
		return 0;
	ret->type = (uint8_t)l.l_type;
	ret->start = (uint64_t)l.l_start;
	ret->end = l.l_len ? (uint64_t)(l.l_start + l.l_len - 1) : FS_LOCK_END;
	return 0;
}

int fs_lock_test(struct fs_server *fs, const struct fs_lock *want, struct fs_lock *ret)
{
	struct fs_locked *f = get(&fs->locks, want->handle->inode, false);
	const struct fs_lock *other = f ? conflict(f, want) : NULL;
	auto_fd int fd = -1;
	bool done = true;
	int r = 0;

	*ret = *want;
	ret->type = F_UNLCK;
	if (other)
		*ret = *other;
	else if (f && f->fds[FS_LOCK_POSIX] >= 0)
		r = test_host(f->fds[FS_LOCK_POSIX], want, ret);
	else
		done = false;
	if (f)
		put(&fs->locks, f);
	if (done)
		return r;
	fd = open_for(fs, want);
	return fd < 0 ? fd : test_host(fd, want, ret);
}

bool fs_locks_drop_owner(struct fs_server *fs, struct fs_inode *inode, uint64_t owner)
{
	const struct fs_lock want = {
		.owner = owner,
		.end = FS_LOCK_END,
		.kind = FS_LOCK_POSIX,
	};
	struct fs_locked *f = get(&fs->locks, inode, false);
	unsigned int before;

	if (!f)
		return false;
	before = f->n;
	drop_own(&fs->locks, f, &want);
	before -= f->n;
	put(&fs->locks, f);
	return before != 0;
}

/* first_of() - a lock that goes with @h, or NULL. */
static const struct fs_lock *first_of(const struct fs_locked *f,
				      const struct fs_handle *h)
{
	for (unsigned int i = 0; i < f->n; i++)
		if (f->locks[i].handle == h)
			return &f->locks[i];
	return NULL;
}

void fs_locks_drop_handle(struct fs_server *fs, const struct fs_handle *h)
{
	const struct fs_lock *l;
	struct fs_locked *f;

	if (!fs_locks_any(&fs->locks))
		return;
	f = get(&fs->locks, h->inode, false);
	if (!f)
		return;
	while ((l = first_of(f, h))) {
		struct fs_lock all = *l;

		all.start = 0;
		all.end = FS_LOCK_END;
		drop_own(&fs->locks, f, &all);
	}
	put(&fs->locks, f);
}
