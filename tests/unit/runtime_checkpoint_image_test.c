/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runtime/checkpoint_image.c and boot_file.c: the folder that a checkpoint fills, and
 * what a restore believes of it.  On a small tmpfs in a mount namespace of its own.
 */
#include "runtime/checkpoint_image.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "lib/arena.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/io.h"
#include "oci/options.h"
#include "runtime/boot_file.h"
#include "tests/unit/tap.h"
#include "vmm/snapshot/image.h"
#include "vmm/vm_config.h"

#define SMALL "size=1M"

static char root[] = "/tmp/hull-checkpoint-test-XXXXXX";

static void must(bool cond)
{
	if (!cond)
		abort();
}

/* count() - what is in the folder @path; -1: it is not there */
static int count(const char *path)
{
	auto_dir DIR *dir = opendir(path);
	const struct dirent *e;
	int n = 0;

	if (!dir)
		return -1;
	while ((e = readdir(dir)))
		n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
	return n;
}

static struct image_machine a_machine(void)
{
	return (struct image_machine){
		.magic = IMAGE_MACHINE_MAGIC,
		.version = IMAGE_VERSION,
		.flags = IMAGE_FROZEN,
		.memory = 512u << 20,
		.boot_memory = 128u << 20,
		.dax_size = VM_DAX_MIN,
		.vcpus = 2,
		.n_nics = 1,
		.n_roots = 3,
		.roots = { VM_FS_PRIVATE, VM_FS_SHARED | 0x80, VM_FS_SHARED },
	};
}

/* save() - as hull-vmm does: a head, and a file of a size. */
static void save(const struct checkpoint_image *image)
{
	const struct image_machine m = a_machine();

	must(pwrite(image->fd, &m, sizeof(m), 0) == sizeof(m));
	must(pwrite(image->fd, "memory", 6, IMAGE_RAM_AT + 5000) == 6);
	must(ftruncate(image->fd, (off_t)(IMAGE_RAM_AT + m.memory)) == 0);
}

static int begin(const char *path, struct checkpoint_image *image, struct err *err)
{
	*image = CHECKPOINT_IMAGE_INIT;
	return checkpoint_image_begin(path, image, err);
}

/* make() - an image whose machine has @vcpus. */
static int make(const char *path, uint32_t vcpus, struct err *err)
{
	struct checkpoint_image image;
	struct image_machine m;
	int ret = begin(path, &image, err);

	must(ret == 0);
	save(&image);
	ret = checkpoint_image_head(&image, &m, err);
	m.vcpus = vcpus;
	if (ret == 0)
		ret = checkpoint_image_commit(&image, &m, err);
	checkpoint_image_release(&image);
	return ret;
}

static uint32_t vcpus_of(const char *path)
{
	struct image_machine m = { 0 };
	int fd = checkpoint_image_open(path, &m, NULL);

	close_fd(fd);
	return fd < 0 ? 0 : m.vcpus;
}

static void test_commit(void)
{
	struct checkpoint_image image;
	struct stat st;
	struct err err = ERR_INIT;

	is_int(make("a/b", 2, &err), 0, "a folder in a folder that is not there");
	is_int(vcpus_of("a/b"), 2, "the machine is in it");
	ok(stat("a/b/" CHECKPOINT_IMAGE_MACHINE, &st) == 0 &&
		   (st.st_mode & 07777) == 0600,
	   "for its owner only");
	is_int(count("a/b"), 2, "with the mark, and nothing else");
	is_int(make("a/b", 3, &err), 0, "once more");
	is_int(vcpus_of("a/b"), 3, "the new one");
	is_int(count("a/b"), 2, "instead of the old one");

	must(begin("a/b", &image, &err) == 0);
	save(&image);
	checkpoint_image_release(&image);
	is_int(vcpus_of("a/b"), 3, "one that fails leaves the old one");
	is_int(count("a/b"), 2, "and nothing else");
	must(begin("c", &image, &err) == 0);
	save(&image);
	checkpoint_image_release(&image);
	is_int(count("c"), -1, "nor a folder that it has made");
}

static void test_begin(void)
{
	struct checkpoint_image first, second;
	struct err err = ERR_INIT;

	must(begin("two", &first, &err) == 0);
	is_int(begin("two", &second, &err), -EBUSY, "two at once");
	ok(strstr(err.msg, "'two': another checkpoint"), "%s", err.msg);
	checkpoint_image_release(&second);
	is_int(count("two"), 0, "the second leaves the first one's folder");
	checkpoint_image_release(&first);

	must(mkdir("stale", 0700) == 0);
	close_fd(open("stale/.machine.new", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	must(begin("stale", &first, &err) == 0);
	is_int(count("stale"), 0, "the rest of one that was killed goes");
	checkpoint_image_release(&first);
	is_int(count("stale"), 0, "the folder was there, and stays");

	close_fd(open("file", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	is_int(begin("file", &first, &err), -ENOTDIR, "a file for a folder");
	ok(strstr(err.msg, "'file'"), "%s", err.msg);
	checkpoint_image_release(&first);
	is_int(begin("file/x", &first, &err), -ENOTDIR, "a file above it");
	checkpoint_image_release(&first);
}

static void test_head_of_hull_vmm(void)
{
	struct checkpoint_image image;
	struct image_machine m;
	struct err err = ERR_INIT;

	must(begin("empty", &image, &err) == 0);
	is_int(checkpoint_image_head(&image, &m, &err), -EPROTO, "an empty file");
	ok(strstr(err.msg, "no image of a container"), "%s", err.msg);
	checkpoint_image_release(&image);
}

static void test_full_disk(void)
{
	const struct image_machine m = a_machine();
	struct checkpoint_image image;
	struct err err = ERR_INIT;
	static char block[4096];
	int fd;

	must(mkdir("small", 0700) == 0);
	must(mount("none", "small", "tmpfs", 0, SMALL) == 0);
	must(begin("small/x", &image, &err) == 0);
	save(&image);
	fd = open("small/fill", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	while (write(fd, block, sizeof(block)) > 0)
		;
	close_fd(fd);
	is_int(checkpoint_image_commit(&image, &m, &err), -ENOSPC,
	       "no room for the sums");
	ok(strstr(err.msg, "'small/x': write the sums of RAM: No space left"), "%s",
	   err.msg);
	checkpoint_image_release(&image);
	is_int(count("small"), 1, "nothing is left");
	must(umount("small") == 0);
}

static void test_no_mark(void)
{
	struct checkpoint_image image;
	const struct image_machine m = a_machine();
	struct err err = ERR_INIT;
	char name[64];

	must(begin("n", &image, &err) == 0);
	save(&image);
	/* What the mark is written into first is there already. */
	(void)!snprintf(name, sizeof(name), "n/." CHECKPOINT_IMAGE_MARK ".%ld",
			(long)getpid());
	must(mkdir(name, 0700) == 0);
	is_int(checkpoint_image_commit(&image, &m, &err), -EEXIST, "no mark, no image");
	ok(strncmp(err.msg, "'n': create '.inventory.img.", 28) == 0, "%s", err.msg);
	must(rmdir(name) == 0);
	checkpoint_image_release(&image);
	is_int(count("n"), -1, "nothing is left");
}

/* ---- reading ------------------------------------------------------------------------- */

/* with_crc() - as if it had been written so. */
static struct image_machine with_crc(struct image_machine m)
{
	m.crc = (uint32_t)crc32_z(0, (const unsigned char *)&m,
				  offsetof(struct image_machine, crc));
	return m;
}

static int open_with(const struct image_machine *m, struct err *err)
{
	auto_fd int file = open("a/b/" CHECKPOINT_IMAGE_MACHINE, O_WRONLY | O_CLOEXEC);
	struct image_machine got;
	int ret;

	must(pwrite(file, m, sizeof(*m), 0) == sizeof(*m));
	ret = checkpoint_image_open("a/b", &got, err);
	close_fd(ret);
	return ret < 0 ? ret : 0;
}

static bool is_sane(const struct image_machine *m)
{
	bool roots = m->n_roots >= 1 && m->n_roots <= VM_MAX_ROOTS;

	for (uint32_t i = 0; roots && i < m->n_roots; i++)
		roots = (m->roots[i] & 0x7f) < VM_FS_DEVICES;
	return m->magic == IMAGE_MACHINE_MAGIC && m->version == IMAGE_VERSION &&
	       m->flags < 64 && m->memory && m->memory <= HULL_MEMORY_MAX &&
	       m->memory % HULL_MEMORY_ALIGN == 0 && m->boot_memory &&
	       m->boot_memory <= m->memory && m->boot_memory % HULL_MEMORY_ALIGN == 0 &&
	       (!m->dax_size ||
		(__builtin_popcountll(m->dax_size) == 1 && m->dax_size >= VM_DAX_MIN &&
		 m->dax_size <= VM_DAX_MAX)) &&
	       m->vcpus >= 1 && m->vcpus <= VM_MAX_VCPUS && m->n_nics <= 255 && roots &&
	       m->n_preserved <= VM_MAX_PRESERVED;
}

/*
 * test_flipped() - each bit of the head.
 * @fix: with a CRC that is right: by somebody who wants it so
 */
static void test_flipped(bool fix)
{
	size_t bits = 8 * offsetof(struct image_machine, crc);
	unsigned int wrong = 0, refused = 0;

	for (size_t bit = 0; bit < bits; bit++) {
		struct image_machine m = with_crc(a_machine());
		struct err err = ERR_INIT;
		int ret;

		((uint8_t *)&m)[bit / 8] ^= (uint8_t)(1u << bit % 8);
		if (fix)
			m = with_crc(m);
		ret = open_with(&m, &err);
		wrong += ret == 0 ? !is_sane(&m)
				  : ret != -EPROTO || (fix && is_sane(&m)) ||
					    !strstr(err.msg, "'a/b/machine': it");
		refused += ret < 0;
	}
	is_int(wrong, 0,
	       "a flipped bit gives numbers that a machine may have, or "
	       "is refused");
	ok(fix ? refused > 300 : refused == bits, "%u of %zu are", refused, bits);
}

static void test_open(void)
{
	struct image_machine m = with_crc(a_machine());
	struct err err = ERR_INIT;

	is_int(open_with(&m, &err), 0, "a machine");
	m.version++;
	is_int(open_with(&m, &err), -EPROTO, "of another version");
	ok(strstr(err.msg, "its format is "), "%s", err.msg);
	m = with_crc(a_machine());
	m.flags ^= IMAGE_PAUSED;
	is_int(open_with(&m, &err), -EPROTO, "with a flipped bit that nobody would see");
	ok(strstr(err.msg, "it is damaged: the CRC of its head"), "%s", err.msg);
	m = a_machine();
	m.vcpus = 65;
	m = with_crc(m);
	is_int(open_with(&m, &err), -EPROTO, "with too many CPUs");
	ok(strstr(err.msg, "its head is damaged: vcpus is 65"), "%s", err.msg);
	m = a_machine();
	must(truncate("a/b/" CHECKPOINT_IMAGE_MACHINE, IMAGE_RAM_AT - 1) == 0);
	is_int(open_with(&m, &err), -EPROTO, "one that is cut off");
	ok(strstr(err.msg, "it is cut off: 2097151 bytes"), "%s", err.msg);
	must(truncate("a/b/" CHECKPOINT_IMAGE_MACHINE, 0) == 0);
	is_int(checkpoint_image_open("a/b", &m, &err), -EPROTO, "an empty file");
	is_int(checkpoint_image_open("none", &m, &err), -ENOENT, "no such folder");
	is_str(err.msg, "--image-path 'none': No such file or directory", "by its name");
	is_int(checkpoint_image_open("stale", &m, &err), -ENOENT, "an empty one");
	is_str(err.msg, "'stale/machine': open: No such file or directory", "by its name");
	must(mkfifo("stale/machine", 0600) == 0);
	is_int(checkpoint_image_open("stale", &m, &err), -EPROTO,
	       "a FIFO holds up nobody");
}

static void test_memory(void)
{
	static const char path[] = "m/" CHECKPOINT_IMAGE_MACHINE;
	struct image_machine m;
	struct err err = ERR_INIT;
	auto_fd int fd = -1;
	auto_fd int out = -1;

	must(make("m", 2, &err) == 0);
	fd = checkpoint_image_open("m", &m, &err);
	out = open(path, O_WRONLY | O_CLOEXEC);
	is_int(checkpoint_image_verify("m", fd, &m, &err), 0, "its memory is whole");
	must(pwrite(out, "M", 1, IMAGE_RAM_AT + 5000) == 1);
	is_int(checkpoint_image_verify("m", fd, &m, &err), -EPROTO, "a flipped bit");
	ok(strncmp(err.msg, "'m/machine': ", 13) == 0, "%s", err.msg);
	must(pwrite(out, "m", 1, IMAGE_RAM_AT + 5000) == 1);
	must(pwrite(out, "x", 1, (off_t)(IMAGE_RAM_AT + m.memory - 1)) == 1);
	is_int(checkpoint_image_verify("m", fd, &m, &err), -EPROTO, "one among zeros");
	must(pwrite(out, "", 1, (off_t)(IMAGE_RAM_AT + m.memory - 1)) == 1);
	is_int(checkpoint_image_verify("m", fd, &m, &err), 0, "put right it is whole");
	must(truncate(path, (off_t)(IMAGE_RAM_AT + m.memory / 2)) == 0);
	is_int(checkpoint_image_verify("m", fd, &m, &err), -EPROTO, "cut off");
	ok(strncmp(err.msg, "'m/machine': ", 13) == 0, "%s", err.msg);
	must(unlink(path) == 0);
}

/* ---- what it is made upon ---------------------------------------------------------------- */

/* make_upon() - an image in the folder @path upon @parent, if that is not NULL. */
static int make_upon(const char *path, const char *parent, uint32_t flags, uint8_t id,
		     struct err *err)
{
	struct image_machine m = a_machine();
	struct checkpoint_image image;
	int ret = begin(path, &image, err);

	must(ret == 0);
	if (parent)
		ret = checkpoint_image_upon(&image, parent, err);
	save(&image);
	m.flags = flags | (parent ? IMAGE_HAS_PARENT : 0u);
	memset(m.id, id, sizeof(m.id));
	memcpy(m.parent, image.parent.id, sizeof(m.parent));
	must(pwrite(image.fd, &m, sizeof(m), 0) == sizeof(m));
	must(ftruncate(image.fd, (off_t)image_size(m.memory)) == 0);
	if (ret == 0)
		ret = checkpoint_image_head(&image, &m, err);
	if (ret == 0)
		ret = checkpoint_image_commit(&image, &m, err);
	checkpoint_image_release(&image);
	return ret;
}

/* parents() - of @path: how many, or -errno */
static int parents(const char *path, struct err *err)
{
	int fds[SAVED_RAM_MAX_FILES - 1];
	struct image_machine m;
	auto_fd int fd = checkpoint_image_open(path, &m, err);
	unsigned int n = 0;
	int ret;

	must(fd >= 0);
	ret = checkpoint_image_parents(path, fd, &m, fds, &n, err);
	for (unsigned int i = 0; i < n; i++)
		close_fd(fds[i]);
	return ret < 0 ? ret : (int)n;
}

/* link_of() - where @path/parent leads to, "" if it is no link */
static const char *link_of(const char *path)
{
	static char to[PATH_MAX];
	char name[32];
	ssize_t n;

	(void)!snprintf(name, sizeof(name), "%s/" CHECKPOINT_IMAGE_PARENT, path);
	n = readlink(name, to, sizeof(to) - 1);
	to[n < 0 ? 0 : n] = '\0';
	return to;
}

static void test_link(void)
{
	struct err err = ERR_INIT;

	must(make_upon("l1", NULL, IMAGE_PRE_DUMP, 1, &err) == 0);
	is_str(link_of("l1"), "", "a first dump has no link");
	must(make_upon("l2", "../l1", IMAGE_PRE_DUMP, 2, &err) == 0);
	is_str(link_of("l2"), "../l1", "one upon it has a link to it");
	must(make_upon("l3", "../l1", 0, 3, &err) == 0);
	is_int(count("l3"), 3, "besides the machine and the mark");
	must(make_upon("l3", "../l2", 0, 4, &err) == 0);
	is_str(link_of("l3"), "../l2", "the next one has another link");
	must(make_upon("l3", "../none", 0, 4, &err) == -ENOENT);
	is_str(link_of("l3"), "../l2", "one that fails leaves it");
	must(make_upon("l3", NULL, 0, 5, &err) == 0);
	is_str(link_of("l3"), "", "one upon nothing removes it");
	must(mkdir("l3/" CHECKPOINT_IMAGE_PARENT, 0700) == 0);
	is_int(make_upon("l3", "../l1", 0, 6, &err), 0, "a folder of that name");
	is_int(parents("l3", &err), 1, "is no obstacle");
}

static void test_parents(void)
{
	static const char path[] = "p3/" CHECKPOINT_IMAGE_MACHINE;
	struct err err = ERR_INIT;
	auto_fd int out = -1;
	char name[8];

	is_int(make_upon("p1", NULL, IMAGE_PRE_DUMP, 1, &err), 0, "a pre-dump");
	is_int(make_upon("p2", "../p1", IMAGE_PRE_DUMP, 2, &err), 0, "one upon it");
	is_int(make_upon("p3", "../p2", 0, 3, &err), 0, "and a machine");
	is_int(parents("p3", &err), 2, "which has two parents");
	is_int(parents("p1", &err), 0, "the first has none");
	is_int(make_upon("p4", "../p3", 0, 4, &err), -EINVAL, "one upon that machine");
	is_str(err.msg, "--parent-path '../p3': parent '../p3': it is no pre-dump",
	       "is refused");
	is_int(make_upon("p1", ".", 0, 4, &err), -EINVAL, "one upon itself");
	ok(strstr(err.msg, "it is where the image is put"), "%s", err.msg);
	is_int(make_upon("p4", "../none", 0, 4, &err), -ENOENT, "upon nothing");
	is_int(count("p4"), -1, "nothing is left of them");

	must(rename("p1", "away") == 0);
	is_int(parents("p3", &err), -ENOENT, "a parent's parent is missing");
	is_str(err.msg, "'p3/machine': parent '../p1': No such file or directory",
	       "by its name");
	must(make_upon("p1", NULL, IMAGE_PRE_DUMP, 7, &err) == 0);
	is_int(parents("p3", &err), -EPROTO, "another one is in its place");
	ok(strstr(err.msg, "parent '../p1': it is another image"), "%s", err.msg);
	out = open(path, O_WRONLY | O_CLOEXEC);
	must(pwrite(out, "/", 1, IMAGE_PARENT_AT) == 1);
	is_int(parents("p3", &err), -EPROTO, "a path that is not what was written");
	ok(strstr(err.msg, "it is damaged: the path of its parent"), "%s", err.msg);

	must(make_upon("r0", NULL, IMAGE_PRE_DUMP, 100, &err) == 0);
	for (unsigned int i = 1; i < SAVED_RAM_MAX_FILES; i++) {
		char parent[12];

		(void)!snprintf(name, sizeof(name), "r%u", i);
		(void)!snprintf(parent, sizeof(parent), "../r%u", i - 1);
		must(make_upon(name, parent, IMAGE_PRE_DUMP, (uint8_t)(100 + i), &err) ==
		     (i + 1 < SAVED_RAM_MAX_FILES ? 0 : -E2BIG));
	}
	ok(strstr(err.msg, "32 images in a row"), "%s", err.msg);
}

/* ---- what it booted from --------------------------------------------------------------- */

static void put(const char *path, const char *text)
{
	must(io_replace_file(AT_FDCWD, path, text, strlen(text), 0600, NULL) == 0);
}

static void test_boot_file(void)
{
	auto_arena struct arena arena = ARENA_INIT;
	struct err err = ERR_INIT;
	struct image_file file, none;
	char *note = NULL;
	auto_fd int fd = -1;
	auto_fd int other = -1;

	put("kernel one", "123456789");
	fd = open("kernel one", O_RDONLY | O_CLOEXEC);
	is_int(boot_file_note(fd, &arena, &note), 0, "a file is noted");
	ok(note && strstr(note, "/kernel one"), "%s", note);
	boot_file_recall(note, &file);
	ok(file.size == 9 && file.crc == 0xcbf43926, "its size and CRC-32 are known");
	is_int(boot_file_check(fd, &file, "guest kernel", &err), 0, "it is the same");
	put("kernel one", "12345678x");
	boot_file_recall(note, &none);
	ok(!none.size && !none.crc, "nothing is known of one that is there now");
	other = open("kernel one", O_RDONLY | O_CLOEXEC);
	is_int(boot_file_check(other, &file, "guest kernel", &err), -EINVAL,
	       "which is refused");
	is_str(err.msg,
	       "the image needs another guest kernel than this one: of 9 bytes with CRC "
	       "cbf43926",
	       "by name");
	is_int(boot_file_check(other, &none, "guest kernel", &err), 0,
	       "unless nobody knows");
	must(unlink("kernel one") == 0);
	boot_file_recall(note, &none);
	ok(!none.size, "nothing is known of one that has gone");
	boot_file_recall(NULL, &none);
	boot_file_recall("1 2 3", &none);
	boot_file_recall("1 2 3 4", &none);
	boot_file_recall("1 2 3 4 /dev/null", &none);
	ok(!none.size, "nor of one that was not noted");
}

int main(void)
{
	if (unshare(CLONE_NEWNS) < 0)
		return TAP_SKIP;
	must(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
	must(mkdtemp(root) && mount("none", root, "tmpfs", 0, NULL) == 0);
	must(chdir(root) == 0);
	test_commit();
	test_begin();
	test_head_of_hull_vmm();
	test_full_disk();
	test_no_mark();
	test_flipped(false);
	test_flipped(true);
	test_open();
	test_memory();
	test_parents();
	test_link();
	test_boot_file();
	must(chdir("/") == 0 && umount(root) == 0 && rmdir(root) == 0);
	return tap_done();
}
