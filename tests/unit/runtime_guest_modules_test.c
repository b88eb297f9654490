/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/guest_modules.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "tests/unit/tap.h"

#define REL "6.1.0-99-made-up"

static char root[] = "/tmp/hull-modules-XXXXXX";

static const char whole_dep[] =
	"kernel/virtio/virtio_pci.ko: kernel/virtio/virtio_pci_modern_dev.ko kernel/virtio/virtio.ko kernel/virtio/virtio_ring.ko\n"
	"kernel/fs/fuse/virtiofs.ko: kernel/virtio/virtio.ko kernel/virtio/virtio_ring.ko kernel/fs/fuse/fuse.ko\n"
	"kernel/fs/fuse/fuse.ko:\n"
	"kernel/net/vmw_vsock_virtio_transport.ko: kernel/net/vsock.ko kernel/virtio/virtio.ko kernel/virtio/virtio_ring.ko\n"
	"kernel/net/vsock.ko:\n"
	"kernel/virtio/virtio.ko: kernel/virtio/virtio_ring.ko\n"
	"kernel/virtio/virtio_ring.ko:\n"
	"kernel/virtio/virtio_pci_modern_dev.ko:\n"
	"kernel/char/virtio-rng.ko: kernel/virtio/virtio.ko kernel/virtio/virtio_ring.ko\n"
	"kernel/other/unused.ko:\n";

static const char whole_list[] = "/mod/virtio_ring.ko\n"
				 "/mod/virtio.ko\n"
				 "/mod/virtio_pci_modern_dev.ko\n"
				 "/mod/virtio_pci.ko\n"
				 "/mod/vsock.ko\n"
				 "/mod/vmw_vsock_virtio_transport.ko\n"
				 "/mod/fuse.ko\n"
				 "/mod/virtiofs.ko\n"
				 "/mod/virtio_rng.ko\n";

/* put() - make @rel below the release's folder hold @len bytes. */
static void put(const char *rel, const void *data, size_t len)
{
	char path[512];
	char *slash;
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s/%s", root, REL, rel);
	for (slash = path + strlen(root); (slash = strchr(slash + 1, '/'));) {
		*slash = '\0';
		(void)mkdir(path, 0755); /* most are there already */
		*slash = '/';
	}
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0 || write(fd, data, len) != (ssize_t)len) {
		perror(path);
		exit(1);
	}
	close_fd(fd);
}

static void put_text(const char *rel, const char *text)
{
	put(rel, text, strlen(text));
}

/* put_modules() - the files of whole_dep, each holding its own path. */
static void put_modules(void)
{
	const char *p = whole_dep;

	while (*p) {
		char path[128];
		size_t n = (size_t)(strchr(p, ':') - p);

		(void)snprintf(path, sizeof(path), "%.*s", (int)n, p);
		put_text(path, path);
		p = strchr(p, '\n') + 1;
	}
}

static int remove_one(const char *path, const struct stat *st, int type,
		      struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static unsigned long hex8(const char *p)
{
	char text[9] = "";

	memcpy(text, p, 8);
	return strtoul(text, NULL, 16);
}

/*
 * entry() - the data of the entry @name in the archive.
 *
 * Return: its length, -1: not there, -2: the archive is malformed
 */
static long entry(const char *a, size_t len, const char *name,
		  const char **ret_data)
{
	size_t at = 0;

	while (at + 110 <= len && memcmp(a + at, "070701", 6) == 0) {
		size_t size = hex8(a + at + 54), nlen = hex8(a + at + 94);
		const char *this = a + at + 110;
		size_t data = (at + 110 + nlen + 3) & ~(size_t)3;

		if (data + size > len || this[nlen - 1] != '\0')
			return -2;
		if (strcmp(this, name) == 0) {
			*ret_data = a + data;
			return (long)size;
		}
		if (strcmp(this, "TRAILER!!!") == 0)
			return -1;
		at = (data + size + 3) & ~(size_t)3;
	}
	return -2;
}

static void test_archive(void)
{
	struct err err = ERR_INIT;
	auto_fd int fd = -1;
	const char *data = NULL;
	struct stat st;
	char *a;
	long n;

	put_modules();
	put_text("modules.dep", whole_dep);
	put_text("modules.builtin", "kernel/fs/overlay.ko\n");
	is_int(guest_modules_build(REL, root, &fd, &err), 0, "builds: %s",
	       err.msg);
	if (!ok(fd >= 0 && fstat(fd, &st) == 0, "gives a memfd"))
		return;
	is_int(st.st_size % 4, 0, "length is a multiple of 4");
	ok(ftruncate(fd, 0) < 0 && errno == EPERM, "the memfd is sealed");
	a = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (!ok(a != MAP_FAILED, "the memfd can be mapped"))
		return;
	n = entry(a, (size_t)st.st_size, "modules", &data);
	is_int(n, sizeof(whole_list) - 1, "the list's length");
	ok(n > 0 && memcmp(data, whole_list, (size_t)n) == 0,
	   "the list names each module once, after what it depends on");
	n = entry(a, (size_t)st.st_size, "mod/virtio_rng.ko", &data);
	ok(n == (long)strlen("kernel/char/virtio-rng.ko") &&
		   memcmp(data, "kernel/char/virtio-rng.ko", (size_t)n) == 0,
	   "a module's bytes are those of its file");
	is_int(entry(a, (size_t)st.st_size, "mod/unused.ko", &data), -1,
	       "what nothing needs stays out");
	is_int(entry(a, (size_t)st.st_size, "mod", &data), 0,
	       "the folder is an entry");
	(void)munmap(a, (size_t)st.st_size);
}

static void test_none(void)
{
	struct err err = ERR_INIT;
	int fd = 7;

	is_int(guest_modules_build("6.1.9-hull", "/nonexistent", &fd, &err), 0,
	       "hull's own kernel: no folder is looked at");
	is_int(fd, -1, "and no archive made");

	put_text("modules.dep", "");
	put_text("modules.builtin",
		 "kernel/a/virtio_pci.ko\nkernel/b/vmw_vsock_virtio_transport.ko\n"
		 "kernel/c/virtiofs.ko");
	fd = 7;
	is_int(guest_modules_build(REL, root, &fd, &err), 0, "all built in: %s",
	       err.msg);
	is_int(fd, -1, "needs no archive");
}

/* fails() - building fails with @code and says @text; the fd is untouched. */
static void fails(const char *release, int code, const char *text,
		  const char *what)
{
	struct err err = ERR_INIT;
	int fd = 7;

	is_int(guest_modules_build(release, root, &fd, &err), -code, "%s",
	       what);
	if (!ok(strstr(err.msg, text), "%s: says '%s'", what, text))
		(void)printf("#   got '%s'\n", err.msg);
	is_int(fd, 7, "%s: gives no fd", what);
}

static void bad_dep(const char *line, const char *text, const char *what)
{
	char dep[4096];

	(void)snprintf(dep, sizeof(dep), "%s%s", whole_dep, line);
	put_text("modules.dep", dep);
	fails(REL, EINVAL, text, what);
}

static void test_refused(void)
{
	static const char zero[] = "kernel/a.ko:\0\n";

	fails("", EINVAL, "release ''", "empty release");
	fails("../6.1", EINVAL, "'../6.1'", "release with a slash");
	fails("..", EINVAL, "'..'", "release that is a parent");
	fails("1.2.3-none", ENOENT, "1.2.3-none", "no such release");

	put_text("modules.builtin", "");
	put_text("modules.dep", "kernel/virtio/virtio_ring.ko:\n");
	fails(REL, ENOENT, "'virtio_pci'", "a required module is missing");
	put_text("modules.builtin", "kernel/virtio/virtio_pci.txt\n");
	fails(REL, EINVAL, "modules.builtin, line 1", "malformed builtin");
	put_text("modules.builtin", "");

	bad_dep("kernel/a.ko\n", "line 11: no ':'", "line without a colon");
	bad_dep("/etc/a.ko:\n", "'/etc/a.ko'", "absolute path");
	bad_dep("kernel/../../a.ko:\n", "'kernel/../../a.ko'", "path that climbs");
	bad_dep("kernel/a.ko.xz:\n", "'kernel/a.ko.xz'", "compressed module");
	bad_dep("\n", "no ':'", "empty line");
	put("modules.dep", zero, sizeof(zero) - 1);
	fails(REL, EINVAL, "zero byte", "zero byte");

	put_text("modules.dep",
		 "a/virtio_pci.ko: a/x.ko\na/x.ko: a/y.ko\na/y.ko: a/x.ko\n");
	fails(REL, EINVAL, "depends on itself", "cycle");
	put_text("modules.dep", "a/virtio_pci.ko: a/x.ko\n");
	fails(REL, EINVAL, "'a/x.ko', which is not listed", "unlisted");
}

static void test_absent_file(void)
{
	char path[256];

	put_text("modules.dep", whole_dep);
	(void)snprintf(path, sizeof(path), "%s/%s/kernel/fs/fuse/fuse.ko", root,
		       REL);
	ok(unlink(path) == 0, "a module's file goes away");
	fails(REL, ENOENT, "kernel/fs/fuse/fuse.ko", "listed, but no file");
}

int main(void)
{
	if (!mkdtemp(root)) {
		perror(root);
		return 1;
	}
	test_archive();
	test_none();
	test_refused();
	test_absent_file();
	(void)nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	return tap_done();
}
