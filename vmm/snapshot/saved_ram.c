/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/snapshot/saved_ram.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "vmm/snapshot/image.h"

#define PAGES_A_CHUNK (SNAPSHOT_CHUNK_SIZE / IMAGE_PAGE)

struct file {
	int fd;
	uint8_t *own; /* owned: a bit for each page that is here; NULL: all are */
	char *name; /* owned */
};

struct saved_ram {
	uint64_t size; /* (bytes) */
	uint32_t *sums; /* owned: of each chunk */
	unsigned int n_files;
	struct file files[SAVED_RAM_MAX_FILES];
};

DEFINE_CLEANUP(saved_ram, struct saved_ram, saved_ram_free)

/* name_of() - as the host's kernel has it, while there is a /proc. */
static char *name_of(int fd)
{
	char link[32];
	char path[PATH_MAX];
	ssize_t n;

	(void)!snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	path[n < 0 ? 0 : n] = 0;
	return strdup(n < 0 ? "image" : path);
}

/* read_all() - @len bytes at @at, all of which must be there. */
static int read_all(const struct file *f, void *dst, size_t len, uint64_t at,
		    struct err *err)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n =
			pread(f->fd, (char *)dst + done, len - done, (off_t)(at + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set(err, errno, "'%s': read", f->name);
		if (n == 0)
			return err_msg(err, EPROTO, "'%s': it is cut off at byte %llu",
				       f->name, (unsigned long long)(at + done));
		done += (size_t)n;
	}
	return 0;
}

/* open_file() - the next one, with the bits of its pages unless it has all of them. */
static int open_file(struct saved_ram *r, int fd, bool is_last, struct err *err)
{
	struct file *f = &r->files[r->n_files++];
	struct stat st;

	f->fd = fd;
	f->name = name_of(fd);
	if (!f->name)
		return err_set(err, ENOMEM, "saved memory");
	if (fstat(fd, &st) < 0)
		return err_set(err, errno, "'%s'", f->name);
	if (st.st_size < 0 || (uint64_t)st.st_size < IMAGE_RAM_AT + r->size)
		return err_msg(err, EPROTO, "'%s': it is cut off: %llu bytes", f->name,
			       (unsigned long long)st.st_size);
	if (is_last)
		return 0;
	f->own = malloc(image_touched_size(r->size));
	if (!f->own)
		return err_set(err, ENOMEM, "saved memory");
	return read_all(f, f->own, image_touched_size(r->size), image_touched_at(r->size),
			err);
}

static int read_sums(struct saved_ram *r, unsigned int file, struct err *err)
{
	size_t len = (size_t)chunks_in(r->size) * sizeof(*r->sums);

	r->sums = malloc(len);
	if (!r->sums)
		return err_set(err, ENOMEM, "saved memory");
	return read_all(&r->files[file], r->sums, len, IMAGE_RAM_AT + r->size, err);
}

/* open_files() - all but the sums. */
static int open_files(const int *fds, unsigned int n, uint64_t ram_size,
		      struct saved_ram **ret_ram, struct err *err)
{
	auto_call(cleanup_saved_ram_) struct saved_ram *r = calloc(1, sizeof(*r));
	int ret = 0;

	if (!r)
		return err_set(err, ENOMEM, "saved memory");
	if (!n || n > SAVED_RAM_MAX_FILES || !ram_size || ram_size % IMAGE_PIECE)
		return err_msg(err, EINVAL, "saved memory: %u files for %llu bytes", n,
			       (unsigned long long)ram_size);
	r->size = ram_size;
	for (unsigned int i = 0; ret == 0 && i < n; i++)
		ret = open_file(r, fds[i], i + 1 == n, err);
	if (ret == 0)
		*ret_ram = take_ptr(&r);
	return ret;
}

int saved_ram_open(const int *fds, unsigned int n, uint64_t ram_size,
		   struct saved_ram **ret_ram, struct err *err)
{
	auto_call(cleanup_saved_ram_) struct saved_ram *r = NULL;
	int ret = open_files(fds, n, ram_size, &r, err);

	if (ret == 0)
		ret = read_sums(r, 0, err);
	if (ret == 0)
		*ret_ram = take_ptr(&r);
	return ret;
}

void saved_ram_free(struct saved_ram *r)
{
	if (!r)
		return;
	for (unsigned int i = 0; i < r->n_files; i++) {
		free(r->files[i].own);
		free(r->files[i].name);
	}
	free(r->sums);
	free(r);
}

const char *saved_ram_name(const struct saved_ram *r)
{
	return r->files[0].name;
}

/* owner_of() - the newest file that has the page. */
static const struct file *owner_of(const struct saved_ram *r, uint64_t page)
{
	const struct file *f = r->files;

	while (f->own && !(f->own[page / 8] >> page % 8 & 1))
		f++; /* the last one has all pages */
	return f;
}

/* gather() - the pages of a chunk, wherever they are. */
static int gather(const struct saved_ram *r, uint64_t chunk, void *buf, struct err *err)
{
	uint64_t at = chunk * SNAPSHOT_CHUNK_SIZE;
	uint64_t page = at / IMAGE_PAGE;

	for (unsigned int i = 0, n; i < PAGES_A_CHUNK; i += n) {
		const struct file *f = owner_of(r, page + i);
		int ret;

		for (n = 1; i + n < PAGES_A_CHUNK && owner_of(r, page + i + n) == f;)
			n++;
		ret = read_all(f, (char *)buf + (size_t)i * IMAGE_PAGE,
			       (size_t)n * IMAGE_PAGE,
			       IMAGE_RAM_AT + at + (uint64_t)i * IMAGE_PAGE, err);
		if (ret < 0)
			return ret;
	}
	return 0;
}

int saved_ram_read(const struct saved_ram *r, uint64_t chunk, void *buf, struct err *err)
{
	uint64_t at = chunk * SNAPSHOT_CHUNK_SIZE;
	int ret = gather(r, chunk, buf, err);

	if (ret < 0 || chunk_crc(buf, SNAPSHOT_CHUNK_SIZE) == r->sums[chunk])
		return ret;
	return err_msg(err, EPROTO, "'%s'%s: it is damaged at byte %llu (CRC of %u bytes)",
		       r->files[0].name, r->n_files > 1 ? ", or a parent" : "",
		       (unsigned long long)(IMAGE_RAM_AT + at), SNAPSHOT_CHUNK_SIZE);
}

int saved_ram_check(const struct saved_ram *r, struct err *err)
{
	auto_free void *buf = malloc(SNAPSHOT_CHUNK_SIZE);
	int ret = buf ? 0 : err_set(err, ENOMEM, "saved memory");

	for (uint64_t i = 0; ret == 0 && i < chunks_in(r->size); i++)
		if (!saved_ram_is_hole(r, i))
			ret = saved_ram_read(r, i, buf, err);
	return ret;
}

/* sum_chunk() - 0: it is the parent's, whose sum stands */
static int sum_chunk(struct saved_ram *r, uint64_t chunk, void *buf, struct err *err)
{
	uint64_t page = chunk * PAGES_A_CHUNK;
	bool own = false;
	int ret;

	for (uint64_t i = 0; i < PAGES_A_CHUNK; i++)
		own |= owner_of(r, page + i) == r->files;
	if (!own)
		return 0;
	ret = gather(r, chunk, buf, err);
	if (ret == 0)
		r->sums[chunk] = chunk_crc(buf, SNAPSHOT_CHUNK_SIZE);
	return ret;
}

int saved_ram_sum(const int *fds, unsigned int n, uint64_t ram_size, struct err *err)
{
	auto_call(cleanup_saved_ram_) struct saved_ram *r = NULL;
	auto_free void *buf = NULL;
	size_t len = (size_t)chunks_in(ram_size) * sizeof(*r->sums);
	ssize_t written;
	int ret;

	if (n < 2)
		return image_sum_ram(fds[0], ram_size, err);
	buf = malloc(SNAPSHOT_CHUNK_SIZE);
	if (!buf)
		return err_set(err, ENOMEM, "saved memory");
	ret = open_files(fds, n, ram_size, &r, err);
	if (ret == 0)
		ret = read_sums(r, 1, err);
	for (uint64_t i = 0; ret == 0 && i < chunks_in(ram_size); i++)
		ret = sum_chunk(r, i, buf, err);
	if (ret < 0)
		return ret;
	written = pwrite(fds[0], r->sums, len, (off_t)(IMAGE_RAM_AT + ram_size));
	return written == (ssize_t)len
		       ? 0
		       : err_set(err, written < 0 ? errno : ENOSPC, "write the sums of RAM");
}

bool saved_ram_is_hole(const struct saved_ram *r, uint64_t chunk)
{
	off_t at = (off_t)(IMAGE_RAM_AT + chunk * SNAPSHOT_CHUNK_SIZE);

	if (r->sums[chunk] != CHUNK_ZERO)
		return false;
	for (unsigned int i = 0; i < r->n_files; i++) {
		off_t data = lseek(r->files[i].fd, at, SEEK_DATA);

		/* ENXIO: nothing up to the file's end */
		if (data < 0 ? errno != ENXIO : data < at + SNAPSHOT_CHUNK_SIZE)
			return false;
	}
	return true;
}
