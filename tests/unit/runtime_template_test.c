/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runtime/template.c: which machine may go on from which file, and how files come and go.
 * In a mount namespace of its own, whose /run is empty: nothing is left on the machine.
 */
#include "runtime/template.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "tests/unit/tap.h"
#include "vmm/snapshot/image.h"
#include "vmm/vm_config.h"

#define MEMORY (64ull << 20)
#define RAM_AT (IMAGE_RAM_AT + (8u << 20))

/* One create: its machine, and what it has to do with templates. */
struct creation {
	struct template_use use;
	struct vm_config config;
};

static int vmm_fd, other_fd;
static struct vm_config machine; /* what all of them have, unless a test changes it */

static void must(bool cond)
{
	if (!cond)
		abort();
}

static void plan_of(struct creation *cr, int vmm, const char *group,
		    const struct vm_config *config)
{
	cr->use = TEMPLATE_USE_INIT;
	cr->config = *config;
	cr->config.template_fd = -1;
	cr->config.template_new_fd = -1;
	template_plan(&cr->use, vmm, group, &cr->config);
}

static void plan_with(struct creation *cr, int vmm, const struct vm_config *config)
{
	plan_of(cr, vmm, NULL, config);
}

static void plan(struct creation *cr)
{
	plan_with(cr, vmm_fd, &machine);
}

static void end(struct creation *cr)
{
	close_fd(cr->config.template_fd);
	close_fd(cr->config.template_new_fd);
	template_release(&cr->use);
}

/* save() - as hull-vmm does. */
static void save(const struct creation *cr)
{
	int fd = cr->config.template_new_fd;

	must(pwrite(fd, "machine", 8, IMAGE_HEAD_AT) == 8);
	must(pwrite(fd, "memory", 7, RAM_AT) == 7);
}

/* mark_hot() - likewise, later. */
static void mark_hot(const struct creation *cr)
{
	int fd = cr->config.template_new_fd;

	must(pwrite(fd, "hot", 4, IMAGE_HOT_AT) == 4);
	must(pwrite(fd, "pages", 6, (off_t)image_touched_at(MEMORY)) == 6);
}

static void make(const struct vm_config *config)
{
	struct creation cr;

	plan_with(&cr, vmm_fd, config);
	must(cr.config.template_new_fd >= 0);
	save(&cr);
	must(template_store(&cr.use, &cr.config, NULL) == 0);
	mark_hot(&cr);
	must(template_publish(&cr.use, &cr.config, NULL) == 0);
	end(&cr);
}

/* count() - the files that have a name. */
static unsigned int count(void)
{
	auto_dir DIR *dir = opendir(TEMPLATE_DIR);
	const struct dirent *e;
	unsigned int n = 0;

	must(dir);
	while ((e = readdir(dir)))
		n += e->d_name[0] != '.' && strcmp(e->d_name, "lock");
	return n;
}

static void clear(void)
{
	auto_dir DIR *dir = opendir(TEMPLATE_DIR);
	const struct dirent *e;

	must(dir);
	while ((e = readdir(dir)))
		if (e->d_name[0] != '.')
			must(unlinkat(dirfd(dir), e->d_name, 0) == 0);
}

static bool has(int fd, off_t at, const char *text)
{
	char found[16] = "";

	return pread(fd, found, strlen(text) + 1, at) == (ssize_t)strlen(text) + 1 &&
	       !strcmp(found, text);
}

/* ---- the folder ------------------------------------------------------------------------ */

static unsigned int mounts(void)
{
	auto_file FILE *f = fopen("/proc/self/mountinfo", "re");
	char line[1024];
	unsigned int n = 0;

	must(f);
	while (fgets(line, sizeof(line), f))
		n += strstr(line, " " TEMPLATE_DIR " ") != NULL;
	return n;
}

static void is_unused(const char *what)
{
	struct creation cr;

	plan(&cr);
	ok(cr.use.dir < 0 && !cr.config.has_template && cr.config.template_fd < 0 &&
		   cr.config.template_new_fd < 0,
	   "%s: there are no templates, and the machine boots", what);
	end(&cr);
}

static void test_folder(void)
{
	struct creation cr;
	struct stat st;

	must(symlink("/tmp", TEMPLATE_DIR) == 0);
	is_unused("a symbolic link in its place");
	must(unlink(TEMPLATE_DIR) == 0);
	plan(&cr);
	ok(cr.use.dir >= 0 && cr.config.has_template, "the folder is made");
	is_int(mounts(), 1, "with a file system of its own");
	must(stat(TEMPLATE_DIR, &st) == 0);
	is_int(st.st_mode, S_IFDIR | 0700, "of which others see nothing");
	end(&cr);
	plan(&cr);
	ok(cr.use.dir >= 0 && mounts() == 1, "once");
	end(&cr);
	must(chmod(TEMPLATE_DIR, 0720) == 0);
	is_unused("a group that may write to it");
	must(chmod(TEMPLATE_DIR, 0702) == 0);
	is_unused("others that may");
	must(chmod(TEMPLATE_DIR, 0700) == 0 && chown(TEMPLATE_DIR, 1, 1) == 0);
	is_unused("another's folder");
	must(chown(TEMPLATE_DIR, 0, 0) == 0);
}

/* ---- the life of a file ------------------------------------------------------------------ */

static void test_made(void)
{
	struct err err = ERR_INIT;
	struct creation cr, next;
	struct stat st;

	plan(&cr);
	ok(cr.config.template_fd < 0 && cr.config.template_new_fd >= 0 &&
		   cr.use.lock >= 0 && cr.config.has_template,
	   "there is none: the machine is to become one");
	must(fstat(cr.config.template_new_fd, &st) == 0);
	is_int(st.st_size, image_size(MEMORY), "in a file with room for its RAM");
	is_int(template_publish(&cr.use, &cr.config, &err), 0, "nothing was stored:");
	is_int(count(), 0, "nothing is published");
	save(&cr);
	is_int(template_store(&cr.use, &cr.config, &err), 0, "stored");
	is_int(count(), 0, "it has no name yet");
	is_int(template_sum(&cr.use, &cr.config, &err), 0, "summed");
	plan(&next);
	ok(next.config.template_fd < 0, "nor does anybody find it");
	end(&next);
	mark_hot(&cr);
	is_int(template_publish(&cr.use, &cr.config, &err), 0, "published");
	is_int(count(), 1, "it has");
	must(fstatat(cr.use.dir, cr.use.name, &st, 0) == 0);
	is_int(st.st_mode, S_IFREG | 0400, "nobody may write to it");
	is_int(st.st_size, image_size(MEMORY),
	       "all of the machine is in it, and the sums of its RAM");
	ok(st.st_blocks < 8 << 11, "but for what nobody has written: %lld blocks",
	   (long long)st.st_blocks);
	end(&cr);

	plan(&next);
	ok(next.config.template_fd >= 0 && next.config.template_new_fd < 0 &&
		   next.use.lock < 0 && next.config.has_template,
	   "the next machine goes on from it");
	ok(has(next.config.template_fd, IMAGE_HEAD_AT, "machine") &&
		   has(next.config.template_fd, (off_t)RAM_AT, "memory") &&
		   has(next.config.template_fd, IMAGE_HOT_AT, "hot") &&
		   has(next.config.template_fd, (off_t)image_touched_at(MEMORY), "pages"),
	   "with all that hull-vmm has written");
	ok(write(next.config.template_fd, "x", 1) < 0, "to read only");
	template_drop(&next.use);
	is_int(count(), 0, "what cannot be used is dropped");
	ok(has(next.config.template_fd, IMAGE_HEAD_AT, "machine"),
	   "whoever has it goes on");
	template_drop(&next.use);
	is_int(count(), 0, "as often as one likes");
	end(&next);
	plan(&next);
	ok(next.config.template_new_fd >= 0, "and it is made anew");
	end(&next);
}

static void test_not_stored(void)
{
	struct err err = ERR_INIT;
	struct creation cr;

	plan(&cr);
	close_fd(cr.config.template_new_fd);
	cr.config.template_new_fd = -1;
	is_int(template_store(&cr.use, &cr.config, &err), -EBADF, "nothing to be read");
	is_str(err.msg, "template: lseek: Bad file descriptor", "is an error by name");
	is_int(template_publish(&cr.use, &cr.config, &err), 0, "then nothing");
	is_int(count(), 0, "is published");
	end(&cr);
}

static void set_room(const char *size)
{
	must(mount(NULL, TEMPLATE_DIR, NULL, MS_REMOUNT, size) == 0);
}

/* fill_up() - no more than what is used now. */
static void fill_up(void)
{
	char size[32];
	struct statvfs fs;

	must(statvfs(TEMPLATE_DIR, &fs) == 0);
	(void)snprintf(size, sizeof(size), "nr_blocks=%llu",
		       (unsigned long long)(fs.f_blocks - fs.f_bfree));
	set_room(size);
}

/* The folder is full: while a machine is copied, and when only its sums are missing. */
static void test_full(void)
{
	struct err err = ERR_INIT;
	struct creation cr;

	plan(&cr);
	save(&cr);
	set_room("size=4K");
	is_int(template_store(&cr.use, &cr.config, &err), -ENOSPC, "no room for it");
	is_str(err.msg, "template: sendfile: No space left on device",
	       "is an error by name");
	is_int(template_sum(&cr.use, &cr.config, &err), 0, "what is not there");
	is_int(template_publish(&cr.use, &cr.config, &err), 0, "is neither summed");
	is_int(count(), 0, "nor published");
	set_room("size=1G");
	must(template_store(&cr.use, &cr.config, &err) == 0);
	fill_up();
	is_int(template_sum(&cr.use, &cr.config, &err), -ENOSPC, "no room for its sums");
	is_str(err.msg, "template: write the sums of RAM: No space left on device",
	       "is another");
	is_int(template_publish(&cr.use, &cr.config, &err), 0, "without them");
	is_int(count(), 0, "it is not published");
	end(&cr);
	set_room("size=1G");
}

/* hull-vmm has spoilt its file since. */
static void test_spoilt_since(void)
{
	struct err err = ERR_INIT;
	struct creation cr;

	plan(&cr);
	save(&cr);
	must(template_store(&cr.use, &cr.config, NULL) == 0);
	must(ftruncate(cr.config.template_new_fd, 100) == 0);
	errno = 0; /* which nothing that follows sets */
	is_int(template_publish(&cr.use, &cr.config, &err), -EIO, "no marks to be read");
	is_str(err.msg, "template: what is changed of it: Input/output error",
	       "are an error by name");
	is_int(count(), 0, "and nothing is published");
	end(&cr);
}

static void test_two_at_once(void)
{
	struct creation first, second;

	plan(&first);
	plan(&second);
	ok(first.use.lock >= 0 && first.config.template_new_fd >= 0, "one makes it");
	ok(second.use.lock < 0 && second.config.template_new_fd < 0 &&
		   second.config.template_fd < 0 && !second.config.has_template,
	   "the other boots meanwhile, and waits for nobody");
	end(&second);
	end(&first);
	plan(&second);
	ok(second.use.lock >= 0, "one that was given up is made by the next");
	end(&second);
}

/* ---- keys -------------------------------------------------------------------------------- */

/* differs() - such a machine must not go on from the file of `machine`. */
static void differs(int vmm, const struct vm_config *config, const char *what)
{
	struct creation same, cr;

	plan(&same);
	plan_with(&cr, vmm, config);
	ok(same.config.template_fd >= 0 && cr.config.template_fd < 0 &&
		   strcmp(same.use.name, cr.use.name),
	   "another %s: another file", what);
	end(&cr);
	end(&same);
}

static void test_keys(void)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, { .tv_sec = 5 } };
	struct vm_config other = machine;
	struct creation cr;

	make(&machine);
	memcpy(other.id, "other", 6);
	other.log_level++;
	other.boot_timeout_ms++;
	plan_with(&cr, vmm_fd, &other);
	ok(cr.config.template_fd >= 0, "of what a machine does not depend on: the same");
	end(&cr);

	differs(other_fd, &machine, "hull-vmm");
	other = machine;
	other.kernel_fd = other_fd;
	differs(vmm_fd, &other, "kernel");
	other = machine;
	other.initrd_fd = other_fd;
	differs(vmm_fd, &other, "initramfs");
	other = machine;
	other.boot_memory += 2u << 20;
	differs(vmm_fd, &other, "size of RAM");
	other = machine;
	other.dax_size *= 2;
	differs(vmm_fd, &other, "size of the DAX windows");
	other = machine;
	other.vcpus++;
	differs(vmm_fd, &other, "number of vCPUs");
	other = machine;
	other.n_nics++;
	differs(vmm_fd, &other, "number of cards");
	other = machine;
	memcpy(other.cmdline, "quiet2", 7);
	differs(vmm_fd, &other, "command line");

	plan_of(&cr, vmm_fd, "alice", &machine);
	ok(cr.config.template_fd < 0 && cr.config.template_new_fd >= 0,
	   "of a group: none of another's, but one of its own");
	save(&cr);
	must(template_store(&cr.use, &cr.config, NULL) == 0 &&
	     template_publish(&cr.use, &cr.config, NULL) == 0);
	end(&cr);
	plan_of(&cr, vmm_fd, "alice", &machine);
	ok(cr.config.template_fd >= 0, "which the group has from then on");
	end(&cr);
	plan_of(&cr, vmm_fd, "bob", &machine);
	ok(cr.config.template_fd < 0, "and no other");
	end(&cr);

	must(futimens(machine.kernel_fd, times) == 0);
	plan(&cr);
	ok(cr.config.template_fd < 0, "a kernel that was written to since: another file");
	end(&cr);
}

/* spoilt() - the one file is now, and is @what. */
static void spoilt(const char *what)
{
	struct creation cr;

	plan(&cr);
	ok(cr.config.template_fd < 0 && cr.config.template_new_fd >= 0,
	   "%s: it is not used", what);
	save(&cr);
	must(template_store(&cr.use, &cr.config, NULL) == 0);
	is_int(template_publish(&cr.use, &cr.config, NULL), 0, "but replaced");
	end(&cr);
	plan(&cr);
	ok(cr.config.template_fd >= 0, "and the next one is");
	end(&cr);
}

static int open_it(int flags)
{
	struct creation cr;
	int fd;

	plan(&cr);
	must(cr.config.template_fd >= 0);
	fd = openat(cr.use.dir, cr.use.name, flags | O_CLOEXEC);
	must(fd >= 0);
	end(&cr);
	return fd;
}

static void test_spoilt(void)
{
	struct creation cr;
	int fd;

	make(&machine);
	fd = open_it(O_RDWR);
	must(pwrite(fd, "H", 1, 0) == 1 && pwrite(fd, "X", 1, 8) == 1);
	close_fd(fd);
	spoilt("a file that begins with another key");
	fd = open_it(O_RDWR);
	must(pwrite(fd, "X", 1, IMAGE_HOT_AT - 1) == 1);
	close_fd(fd);
	spoilt("a file whose key has more in it");
	fd = open_it(O_RDWR);
	must(ftruncate(fd, IMAGE_HOT_AT - 1) == 0);
	close_fd(fd);
	spoilt("a file that is cut off within its key");

	plan(&cr);
	must(renameat(cr.use.dir, cr.use.name, cr.use.dir, "elsewhere") == 0);
	must(symlinkat("elsewhere", cr.use.dir, cr.use.name) == 0);
	end(&cr);
	spoilt("a symbolic link to one");
}

/* ---- how many ------------------------------------------------------------------------------ */

/* used_at() - the file of @config was last used then. */
static void used_at(const struct vm_config *config, time_t when)
{
	struct timespec times[2] = { { .tv_sec = when }, { .tv_sec = when } };
	struct creation cr;

	plan_with(&cr, vmm_fd, config);
	must(cr.config.template_fd >= 0);
	must(utimensat(cr.use.dir, cr.use.name, times, 0) == 0);
	end(&cr);
}

static bool is_there(const struct vm_config *config)
{
	struct creation cr;
	bool ret;

	plan_with(&cr, vmm_fd, config);
	ret = cr.config.template_fd >= 0;
	end(&cr);
	return ret;
}

static void test_oldest(void)
{
	struct vm_config of[TEMPLATE_MAX + 2];

	for (unsigned int i = 0; i < TEMPLATE_MAX + 2; i++) {
		of[i] = machine;
		of[i].vcpus = 1 + i;
	}
	for (unsigned int i = 0; i < TEMPLATE_MAX; i++)
		make(&of[i]);
	is_int(count(), TEMPLATE_MAX, "as many as there may be");
	for (unsigned int i = 0; i < TEMPLATE_MAX; i++)
		used_at(&of[i], 1000 + (time_t)i);
	must(is_there(&of[0])); /* which uses it */
	make(&of[TEMPLATE_MAX]);
	is_int(count(), TEMPLATE_MAX, "one more, and one goes");
	ok(is_there(&of[0]), "not the one that was used just now");
	ok(!is_there(&of[1]), "but the one that was not for longest");
	make(&of[TEMPLATE_MAX + 1]);
	ok(count() == TEMPLATE_MAX && !is_there(&of[2]) && is_there(&of[3]),
	   "and then the next");
}

static int new_file(void)
{
	int fd = memfd_create("file", MFD_CLOEXEC);

	must(fd >= 0);
	return fd;
}

int main(void)
{
	/* What is in the namespace goes with it. */
	if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("test", "/run", "tmpfs", 0, "mode=0755") < 0) {
		(void)printf("no mount namespace of our own\n");
		return TAP_SKIP;
	}
	vmm_fd = new_file();
	other_fd = new_file();
	machine = (struct vm_config){
		.kernel_fd = new_file(),
		.initrd_fd = new_file(),
		.modules_fd = -1,
		.boot_memory = MEMORY,
		.dax_size = 64u << 20,
		.vcpus = 2,
		.n_nics = 1,
		.cmdline = "quiet",
	};
	test_folder();
	test_made();
	test_not_stored();
	test_full();
	test_spoilt_since();
	test_two_at_once();
	test_keys();
	clear();
	test_spoilt();
	clear();
	test_oldest();
	return tap_done();
}
