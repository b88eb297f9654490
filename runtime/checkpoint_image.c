/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/checkpoint_image.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/log.h"
#include "oci/options.h"
#include "vmm/snapshot/image.h"
#include "vmm/vm_config.h"

#define TEMPORARY ".machine.new"
#define KNOWN_FLAGS                                                                      \
	(IMAGE_FROZEN | IMAGE_TERMINAL | IMAGE_PAUSED | IMAGE_HAS_TEMPLATE |             \
	 IMAGE_PRE_DUMP | IMAGE_HAS_PARENT)

static const char mark[] = "This is hull's: the machine of a container is in the file "
			   "'" CHECKPOINT_IMAGE_MACHINE "'.\n";

static_assert(IMAGE_MACHINE_ROOTS == VM_MAX_ROOTS, "all of them");

/* ---- writing ------------------------------------------------------------------------ */

static int open_folder(const char *path, struct err *err)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? err_set(err, errno, "--image-path '%s'", path) : fd;
}

static int open_new(struct checkpoint_image *image, struct err *err)
{
	image->fd = openat(image->dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (image->fd >= 0)
		return 0;
	/* EISDIR: the file system has never heard of it. */
	if (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT)
		return err_set(err, errno, "make a file in '%s'", image->path);
	image->fd = openat(image->dir, TEMPORARY,
			   O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (image->fd < 0)
		return err_set(err, errno, "create '%s/" TEMPORARY "'", image->path);
	image->named = true;
	return 0;
}

int checkpoint_image_begin(const char *path, struct checkpoint_image *image,
			   struct err *err)
{
	int ret = io_make_folders(path, &image->made, err);

	if (ret < 0)
		return err_wrap(err, ret, "--image-path");
	image->path = path;
	image->dir = open_folder(path, err);
	if (image->dir < 0)
		return image->dir;
	/* A file system that has no locks for folders goes without. */
	if (flock(image->dir, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
		return err_msg(err, EBUSY,
			       "--image-path '%s': another checkpoint is being written "
			       "there",
			       path);
	/* Of one that was killed. */
	if (unlinkat(image->dir, TEMPORARY, 0) < 0 && errno != ENOENT)
		return err_set(err, errno, "remove '%s/" TEMPORARY "'", path);
	return open_new(image, err);
}

/* read_head() - @fd is a saved container, as far as the head tells. */
static int read_head(int fd, struct image_machine *m, struct err *err)
{
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st) < 0)
		return err_set(err, errno, "fstat");
	if (!S_ISREG(st.st_mode))
		return err_msg(err, EPROTO, "it is no file");
	n = pread(fd, m, sizeof(*m), 0);
	if (n < 0)
		return err_set(err, errno, "read");
	if (n != sizeof(*m) || m->magic != IMAGE_MACHINE_MAGIC)
		return err_msg(err, EPROTO, "it is no image of a container");
	if (m->version != IMAGE_VERSION)
		return err_msg(err, EPROTO,
			       "its format is %" PRIu32 ", and this hull has %u",
			       m->version, IMAGE_VERSION);
	if ((uint64_t)st.st_size < IMAGE_RAM_AT)
		return err_msg(err, EPROTO, "it is cut off: %llu bytes",
			       (unsigned long long)st.st_size);
	return 0;
}

static int check_number(const char *what, uint64_t n, uint64_t min, uint64_t max,
			struct err *err)
{
	if (n >= min && n <= max)
		return 0;
	return err_msg(err, EPROTO, "its head is damaged: %s is %" PRIu64, what, n);
}

static int check_size(const char *what, uint64_t n, uint64_t max, struct err *err)
{
	return check_number(what, n % HULL_MEMORY_ALIGN ? 0 : n, HULL_MEMORY_ALIGN, max,
			    err);
}

/* check_machine() - numbers that a machine may have; hull-vmm compares them with what it
 * finds in the rest. */
static int check_machine(const struct image_machine *m, struct err *err)
{
	int ret = check_number("flags", m->flags, 0, KNOWN_FLAGS, err);

	if (ret == 0)
		ret = check_size("memory", m->memory, HULL_MEMORY_MAX, err);
	if (ret == 0)
		ret = check_size("boot_memory", m->boot_memory, m->memory, err);
	if (ret == 0 && m->dax_size)
		ret = check_number("dax_size",
				   m->dax_size & (m->dax_size - 1) ? 0 : m->dax_size,
				   VM_DAX_MIN, VM_DAX_MAX, err);
	if (ret == 0)
		ret = check_number("vcpus", m->vcpus, 1, VM_MAX_VCPUS, err);
	if (ret == 0)
		ret = check_number("n_nics", m->n_nics, 0, UINT8_MAX, err);
	if (ret == 0)
		ret = check_number("n_roots", m->n_roots, 1, IMAGE_MACHINE_ROOTS, err);
	if (ret == 0)
		ret = check_number("n_preserved", m->n_preserved, 0, VM_MAX_PRESERVED,
				   err);
	for (uint32_t i = 0; ret == 0 && i < m->n_roots; i++)
		ret = check_number("a root", m->roots[i] & 0x7f, 0, VM_FS_DEVICES - 1,
				   err);
	return ret;
}

/* crc_of() - as struct image_machine has it. */
static uint32_t crc_of(const struct image_machine *m)
{
	return (uint32_t)crc32_z(0, (const unsigned char *)m,
				 offsetof(struct image_machine, crc));
}

/* open_machine() - the image in the folder @dir, with a head that is as it was written. */
static int open_machine(int dir, struct image_machine *ret, struct err *err)
{
	/* A FIFO must not hold us up. */
	auto_fd int fd = openat(dir, CHECKPOINT_IMAGE_MACHINE,
				O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	int r;

	if (fd < 0)
		return err_set(err, errno, "open");
	r = read_head(fd, ret, err);
	if (r == 0 && ret->crc != crc_of(ret))
		r = err_msg(err, EPROTO, "it is damaged: the CRC of its head");
	if (r == 0)
		r = check_machine(ret, err);
	return r < 0 ? r : take_fd(&fd);
}

/* ---- what it is made upon ------------------------------------------------------------ */

/* A row of images, each made upon the next one. */
struct row {
	int dir; /* the folder of the last one so far */
	int *fds; /* the caller's, likewise @n */
	unsigned int *n;
	struct image_machine last;
};

/* add_parent() - the one in the folder @path below row->dir. */
static int add_parent(struct row *row, const char *path, struct err *err)
{
	auto_fd int dir = openat(row->dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int fd;

	if (dir < 0)
		return err_set(err, errno, "parent '%s'", path);
	if (*row->n == SAVED_RAM_MAX_FILES - 1)
		return err_msg(err, E2BIG, "parent '%s': more than %u images in a row",
			       path, SAVED_RAM_MAX_FILES);
	fd = open_machine(dir, &row->last, err);
	if (fd < 0)
		return err_wrap(err, fd, "parent '%s/" CHECKPOINT_IMAGE_MACHINE "'", path);
	row->fds[(*row->n)++] = fd;
	if (!(row->last.flags & IMAGE_PRE_DUMP))
		return err_msg(err, EINVAL, "parent '%s': it is no pre-dump", path);
	close_fd(row->dir);
	row->dir = take_fd(&dir);
	return 0;
}

/* read_parent() - the path in @fd, whose head is @m. */
static int read_parent(int fd, const struct image_machine *m,
		       char path[IMAGE_PARENT_SIZE], struct err *err)
{
	ssize_t n = pread(fd, path, IMAGE_PARENT_SIZE, IMAGE_PARENT_AT);

	if (n < 0)
		return err_set(err, errno, "read");
	if (n != IMAGE_PARENT_SIZE || path[IMAGE_PARENT_SIZE - 1] || !path[0] ||
	    path[0] == '/' ||
	    m->parent_crc !=
		    (uint32_t)crc32_z(0, (unsigned char *)path, IMAGE_PARENT_SIZE))
		return err_msg(err, EPROTO, "it is damaged: the path of its parent");
	return 0;
}

/* follow() - from the image @fd, whose head is row->last, to the first one. */
static int follow(struct row *row, int fd, struct err *err)
{
	char path[IMAGE_PARENT_SIZE];
	int ret = 0;

	while (ret == 0 && row->last.flags & IMAGE_HAS_PARENT) {
		const struct image_machine child = row->last;

		ret = read_parent(fd, &child, path, err);
		if (ret == 0)
			ret = add_parent(row, path, err);
		if (ret == 0 && (memcmp(row->last.id, child.parent, IMAGE_ID_SIZE) != 0 ||
				 row->last.memory != child.memory))
			ret = err_msg(err, EPROTO,
				      "parent '%s': it is another image than the one it "
				      "was made upon",
				      path);
		if (ret == 0)
			fd = row->fds[*row->n - 1];
	}
	return ret;
}

static bool is_same(int a, int b)
{
	struct stat x, y;

	return fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_dev == y.st_dev &&
	       x.st_ino == y.st_ino;
}

int checkpoint_image_upon(struct checkpoint_image *image, const char *parent_path,
			  struct err *err)
{
	struct row row = { .fds = image->parents, .n = &image->n_parents };
	int ret;

	if (parent_path[0] == '/' || strlen(parent_path) >= IMAGE_PARENT_SIZE)
		return err_msg(err, EINVAL,
			       "--parent-path '%.64s' must be relative to --image-path",
			       parent_path);
	row.dir = fcntl(image->dir, F_DUPFD_CLOEXEC, 0);
	ret = row.dir < 0 ? err_set(err, errno, "fcntl")
			  : add_parent(&row, parent_path, err);
	if (ret == 0 && is_same(row.dir, image->dir))
		ret = err_msg(err, EINVAL, "it is where the image is put");
	image->parent = row.last;
	if (ret == 0)
		ret = follow(&row, image->parents[0], err);
	/* The new one has to have its place in the row. */
	if (ret == 0 && image->n_parents == SAVED_RAM_MAX_FILES - 1)
		ret = err_msg(err, E2BIG, "%u images in a row", SAVED_RAM_MAX_FILES);
	close_fd(row.dir);
	image->parent_path = parent_path;
	return ret < 0 ? err_wrap(err, ret, "--parent-path '%s'", parent_path) : 0;
}

int checkpoint_image_parents(const char *path, int fd,
			     const struct image_machine *machine, int *fds,
			     unsigned int *ret_n, struct err *err)
{
	struct row row = { .fds = fds, .n = ret_n, .last = *machine };
	int ret;

	*ret_n = 0;
	row.dir = open_folder(path, err);
	if (row.dir < 0)
		return row.dir;
	ret = follow(&row, fd, err);
	close_fd(row.dir);
	return ret < 0 ? err_wrap(err, ret, "'%s/" CHECKPOINT_IMAGE_MACHINE "'", path)
		       : 0;
}

/* check_upon() - hull-vmm has made it upon what it was told to. */
static int check_upon(const struct checkpoint_image *image, const struct image_machine *m,
		      struct err *err)
{
	bool has = m->flags & IMAGE_HAS_PARENT;

	if (has == (image->n_parents > 0) &&
	    (!has || (!memcmp(m->parent, image->parent.id, IMAGE_ID_SIZE) &&
		      m->memory == image->parent.memory)))
		return 0;
	return err_msg(err, EPROTO, "it is not upon the parent");
}

/* put_parent() - its path into the image, its CRC into @head. */
static int put_parent(const struct checkpoint_image *image, struct image_machine *head,
		      struct err *err)
{
	char path[IMAGE_PARENT_SIZE] = { 0 };
	ssize_t n;

	head->parent_crc = 0;
	if (!image->n_parents)
		return 0;
	memcpy(path, image->parent_path, strlen(image->parent_path));
	head->parent_crc = (uint32_t)crc32_z(0, (unsigned char *)path, sizeof(path));
	n = pwrite(image->fd, path, sizeof(path), IMAGE_PARENT_AT);
	return n == sizeof(path) ? 0
				 : err_set(err, n < 0 ? errno : EIO, "write into '%s'",
					   image->path);
}

/* sum() - all of RAM, wherever it lies. */
static int sum(const struct checkpoint_image *image, uint64_t memory, struct err *err)
{
	int fds[SAVED_RAM_MAX_FILES] = { image->fd };

	memcpy(fds + 1, image->parents, image->n_parents * sizeof(fds[0]));
	return saved_ram_sum(fds, 1 + image->n_parents, memory, err);
}

/* ---- the new one --------------------------------------------------------------------- */

int checkpoint_image_head(const struct checkpoint_image *image, struct image_machine *ret,
			  struct err *err)
{
	int r = read_head(image->fd, ret, err);

	if (r == 0)
		r = check_machine(ret, err);
	if (r == 0)
		r = check_upon(image, ret, err);
	return r < 0 ? err_wrap(err, r, "what hull-vmm has saved") : 0;
}

/* put_mark() - unless there is one, CRIU's even. */
static int put_mark(struct checkpoint_image *image, struct err *err)
{
	int ret;

	if (faccessat(image->dir, CHECKPOINT_IMAGE_MARK, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	ret = io_replace_file(image->dir, CHECKPOINT_IMAGE_MARK, mark, strlen(mark), 0600,
			      err);
	if (ret < 0)
		return err_wrap(err, ret, "'%s'", image->path);
	image->marked = true;
	return 0;
}

static int give_name(struct checkpoint_image *image, struct err *err)
{
	char link[32];

	(void)!snprintf(link, sizeof(link), "/proc/self/fd/%d", image->fd);
	if (!image->named &&
	    linkat(AT_FDCWD, link, image->dir, TEMPORARY, AT_SYMLINK_FOLLOW) < 0)
		return err_set(err, errno, "create '%s/" TEMPORARY "'", image->path);
	image->named = true;
	if (renameat(image->dir, TEMPORARY, image->dir, CHECKPOINT_IMAGE_MACHINE) < 0)
		return err_set(err, errno, "rename to '%s/" CHECKPOINT_IMAGE_MACHINE "'",
			       image->path);
	image->named = false;
	image->marked = false;
	image->made = false;
	return 0;
}

/* put_link() - to the folder of the first parent, or to none, in the place of the link
 * that is there. The image is complete without it. */
static void put_link(const struct checkpoint_image *image)
{
	struct stat st;
	int ret = 0;

	if (fstatat(image->dir, CHECKPOINT_IMAGE_PARENT, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISLNK(st.st_mode))
		ret = unlinkat(image->dir, CHECKPOINT_IMAGE_PARENT, 0);
	if (ret == 0 && image->n_parents)
		ret = symlinkat(image->parent_path, image->dir, CHECKPOINT_IMAGE_PARENT);
	if (ret < 0)
		log_warn("the link '%s/" CHECKPOINT_IMAGE_PARENT "': %s", image->path,
			 strerror(errno));
}

int checkpoint_image_commit(struct checkpoint_image *image,
			    const struct image_machine *machine, struct err *err)
{
	struct image_machine head = *machine;
	int ret = sum(image, head.memory, err);
	ssize_t n;

	if (ret < 0)
		return err_wrap(err, ret, "sum up the memory in '%s'", image->path);
	ret = put_parent(image, &head, err);
	if (ret < 0)
		return ret;
	head.crc = crc_of(&head);
	n = pwrite(image->fd, &head, sizeof(head), 0);
	if (n != sizeof(head))
		return err_set(err, n < 0 ? errno : EIO, "write into '%s'", image->path);
	if (fsync(image->fd) < 0)
		return err_set(err, errno, "write into '%s'", image->path);
	ret = put_mark(image, err);
	if (ret == 0)
		ret = give_name(image, err);
	if (ret == 0)
		put_link(image);
	if (ret == 0 && fsync(image->dir) < 0)
		ret = err_set(err, errno, "write '%s'", image->path);
	return ret;
}

void checkpoint_image_release(struct checkpoint_image *image)
{
	/* What cannot be removed is not taken for an image. */
	if (image->named)
		(void)unlinkat(image->dir, TEMPORARY, 0);
	if (image->marked)
		(void)unlinkat(image->dir, CHECKPOINT_IMAGE_MARK, 0);
	if (image->made)
		(void)rmdir(image->path); /* somebody may use it already */
	for (unsigned int i = 0; i < image->n_parents; i++)
		close_fd(image->parents[i]);
	close_fd(image->fd);
	close_fd(image->dir);
	*image = CHECKPOINT_IMAGE_INIT;
}

/* ---- reading ------------------------------------------------------------------------ */

int checkpoint_image_open(const char *path, struct image_machine *ret, struct err *err)
{
	auto_fd int dir = open_folder(path, err);
	int fd;

	if (dir < 0)
		return dir;
	fd = open_machine(dir, ret, err);
	return fd < 0 ? err_wrap(err, fd, "'%s/" CHECKPOINT_IMAGE_MACHINE "'", path) : fd;
}

int checkpoint_image_verify(const char *path, int fd, const struct image_machine *machine,
			    struct err *err)
{
	int ret = image_check_ram(fd, machine->memory, err);

	return ret < 0 ? err_wrap(err, ret, "'%s/" CHECKPOINT_IMAGE_MACHINE "'", path)
		       : 0;
}

/* is_plain() - a file, and nothing that another name leads to. */
static bool is_plain(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1;
}

int checkpoint_image_working_set(const char *path)
{
	const int flags = O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
	struct err err = ERR_INIT;
	auto_fd int dir = open_folder(path, &err);
	auto_fd int fd = -1;

	if (dir < 0)
		return -1;
	fd = openat(dir, CHECKPOINT_IMAGE_WORKING_SET, O_RDWR | O_CREAT | flags, 0600);
	if (fd < 0 && (errno == EROFS || errno == EACCES)) /* can be read all the same */
		fd = openat(dir, CHECKPOINT_IMAGE_WORKING_SET, O_RDONLY | flags);
	if (fd >= 0 && is_plain(fd))
		return take_fd(&fd);
	log_warn("'%s/" CHECKPOINT_IMAGE_WORKING_SET "' is not used: %s", path,
		 fd < 0 ? strerrordesc_np(errno) : "it is no file of its own");
	return -1;
}
