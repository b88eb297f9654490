/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/guest_modules.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>

#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/io.h"
#include "runtime/cpio.h"

/*
 * What hull's machine has devices for, in the order they are wanted; what they
 * depend on comes from the index.  A kernel without one of the others lacks a
 * feature; without a required one there is no way to reach the agent or its root.
 */
static const struct {
	const char *name; /* as /proc/modules writes it: no '-' */
	bool required;
} wanted[] = {
	{ "virtio_pci", true },
	{ "vmw_vsock_virtio_transport", true },
	{ "virtiofs", true },
	{ "virtio_rng", false },
	{ "virtio_balloon", false },
	{ "virtio_mem", false },
	{ "virtio_net", false },
	{ "overlay", false },
};

#define INDEX_SIZE_MAX ((size_t)8 << 20)
#define MODULES_MAX 16384
#define LOADED_MAX 64 /* modules in one archive */
#define MODULE_NAME_SIZE 56 /* Linux: MODULE_NAME_LEN on 64 bits */

struct module {
	char name[MODULE_NAME_SIZE];
	char *path; /* below the release's folder, into index.dep */
	char *deps; /* paths parted by blanks, into index.dep */
	bool visiting; /* on the way down to its dependencies: finds cycles */
	bool listed;
};

struct index {
	int dir; /* modules_root/release */
	struct buf dep; /* modules.dep, cut into strings */
	struct buf builtin;
	struct module *mods;
	size_t n_mods;
	struct module *load[LOADED_MAX]; /* in the order to load them */
	size_t n_load;
};

static void index_release(struct index *ix)
{
	close_fd(ix->dir);
	buf_release(&ix->dep);
	buf_release(&ix->builtin);
	free(ix->mods);
}

/*
 * module_name() - the name of the module in the file @path.
 *
 * Return: 0; -EINVAL: no relative path of a .ko file that stays below its folder
 */
static int module_name(const char *path, char name[static MODULE_NAME_SIZE])
{
	const char *base = strrchr(path, '/');
	size_t len, i;

	base = base ? base + 1 : path;
	len = strlen(base);
	if (path[0] == '/' || strstr(path, "..") || len < 4 ||
	    strcmp(base + len - 3, ".ko") != 0 || len - 3 >= MODULE_NAME_SIZE)
		return -EINVAL;
	for (i = 0; i < len - 3; i++) {
		if (base[i] <= ' ' || base[i] == 0x7f)
			return -EINVAL;
		name[i] = (char)(base[i] == '-' ? '_' : base[i]);
	}
	name[i] = '\0';
	return 0;
}

/* next_line() - cut the first line off *text. Return: NULL at the end */
static char *next_line(char **text)
{
	char *line = *text, *end;

	if (!line || *line == '\0')
		return NULL;
	end = strchr(line, '\n');
	if (end)
		*end++ = '\0';
	*text = end;
	return line;
}

/* parse_dep() - modules.dep: lines of "PATH: [PATH]..." (modules.dep(5)). */
static int parse_dep(struct index *ix, struct err *err)
{
	char *text = ix->dep.data;
	size_t lines = 0, i;
	char *line;

	if (strlen(ix->dep.data) != ix->dep.len)
		return err_msg(err, EINVAL, "modules.dep holds a zero byte");
	for (i = 0; i < ix->dep.len; i++)
		lines += text[i] == '\n';
	lines++; /* the last one may lack its end */
	if (lines > MODULES_MAX)
		return err_msg(err, EINVAL, "modules.dep: %zu modules", lines);
	ix->mods = calloc(lines, sizeof(*ix->mods));
	if (!ix->mods)
		return err_set(err, ENOMEM, "read modules.dep");
	while ((line = next_line(&text))) {
		struct module *m = &ix->mods[ix->n_mods++];
		char *colon = strchr(line, ':');

		if (!colon)
			return err_msg(err, EINVAL,
				       "modules.dep, line %zu: no ':'",
				       ix->n_mods);
		*colon = '\0';
		m->path = line;
		m->deps = colon + 1;
		if (module_name(m->path, m->name) < 0)
			return err_msg(err, EINVAL,
				       "modules.dep, line %zu: '%s' is not the path of a .ko file",
				       ix->n_mods, m->path);
	}
	return 0;
}

/* is_builtin() - whether modules.builtin (one path a line) names @name. */
static int is_builtin(const struct index *ix, const char *name, struct err *err)
{
	const char *p = ix->builtin.data;
	size_t n = 0;

	while (p && *p != '\0') {
		const char *end = strchr(p, '\n');
		size_t len = end ? (size_t)(end - p) : strlen(p);
		char path[PATH_MAX], this[MODULE_NAME_SIZE];

		n++;
		if (len >= sizeof(path))
			return err_msg(err, EINVAL,
				       "modules.builtin, line %zu: too long",
				       n);
		memcpy(path, p, len);
		path[len] = '\0';
		if (module_name(path, this) < 0)
			return err_msg(err, EINVAL,
				       "modules.builtin, line %zu: '%s' is not the path of a .ko file",
				       n, path);
		if (strcmp(this, name) == 0)
			return 1;
		p = end ? end + 1 : NULL;
	}
	return 0;
}

static struct module *by_name(const struct index *ix, const char *name)
{
	size_t i;

	for (i = 0; i < ix->n_mods; i++)
		if (strcmp(ix->mods[i].name, name) == 0)
			return &ix->mods[i];
	return NULL;
}

static struct module *by_path(const struct index *ix, const char *path)
{
	size_t i;

	for (i = 0; i < ix->n_mods; i++)
		if (strcmp(ix->mods[i].path, path) == 0)
			return &ix->mods[i];
	return NULL;
}

/*
 * visit() - append what @m depends on to the load list, then @m itself.
 *
 * depmod writes what must be loaded first at the end of the line, so the line is
 * read backwards.  As deep as the dependencies are nested at most, and a module
 * is gone into once only.
 */
static int visit(struct index *ix, struct module *m, struct err *err)
{
	char *at, *start;

	if (m->listed)
		return 0;
	if (m->visiting)
		return err_msg(err, EINVAL,
			       "modules.dep: '%s' depends on itself", m->path);
	m->visiting = true;
	for (at = m->deps + strlen(m->deps); at > m->deps; at = start) {
		struct module *dep;
		int ret;

		while (at > m->deps && at[-1] == ' ')
			*--at = '\0';
		for (start = at; start > m->deps && start[-1] != ' ';)
			start--;
		if (start == at)
			break;
		dep = by_path(ix, start);
		if (!dep)
			return err_msg(err, EINVAL,
				       "modules.dep: '%s' depends on '%s', which is not listed",
				       m->path, start);
		ret = visit(ix, dep, err);
		if (ret < 0)
			return ret;
	}
	if (ix->n_load == LOADED_MAX)
		return err_msg(err, EINVAL,
			       "modules.dep: '%s' makes more than %d modules",
			       m->path, LOADED_MAX);
	m->listed = true;
	ix->load[ix->n_load++] = m;
	return 0;
}

static int choose(struct index *ix, const char *release, struct err *err)
{
	size_t i;
	int ret;

	for (i = 0; i < ARRAY_SIZE(wanted); i++) {
		struct module *m = by_name(ix, wanted[i].name);

		if (m) {
			ret = visit(ix, m, err);
			if (ret < 0)
				return ret;
			continue;
		}
		ret = is_builtin(ix, wanted[i].name, err);
		if (ret < 0)
			return ret;
		if (ret == 0 && wanted[i].required)
			return err_msg(err, ENOENT,
				       "kernel %s: module '%s' is neither built in nor in modules.dep",
				       release, wanted[i].name);
	}
	return 0;
}

static int load_index(struct index *ix, const char *root, const char *release,
		      struct err *err)
{
	auto_fd int top = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int ret;

	if (top < 0)
		return err_set(err, errno, "open '%s'", root);
	ix->dir = openat(top, release, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (ix->dir < 0)
		return err_set(err, errno, "open '%s/%s'", root, release);
	ret = io_read_file(ix->dir, "modules.dep", INDEX_SIZE_MAX, &ix->dep,
			   err);
	if (ret == 0)
		ret = io_read_file(ix->dir, "modules.builtin", INDEX_SIZE_MAX,
				   &ix->builtin, err);
	if (ret < 0)
		return err_wrap(err, ret, "%s/%s", root, release);
	return ix->dep.len ? parse_dep(ix, err) : 0;
}

/* write_archive() - the modules in the order they load, and their list. */
static int write_archive(const struct index *ix, int fd, struct err *err)
{
	struct cpio c = CPIO_INIT(fd);
	auto_buf struct buf list = BUF_INIT;
	size_t i;
	int ret = cpio_dir(&c, "mod", err);

	for (i = 0; ret == 0 && i < ix->n_load; i++) {
		const struct module *m = ix->load[i];
		char name[sizeof("mod/.ko") + MODULE_NAME_SIZE];
		auto_fd int src = openat(ix->dir, m->path,
					 O_RDONLY | O_CLOEXEC | O_NOCTTY);

		if (src < 0)
			return err_set(err, errno, "open module '%s'", m->path);
		(void)snprintf(name, sizeof(name), "mod/%s.ko", m->name);
		ret = cpio_file(&c, name, 0400, src, err);
		(void)buf_printf(&list, "/%s\n", name); /* buf_ok() tells */
	}
	if (ret < 0)
		return ret;
	if (buf_ok(&list) < 0)
		return err_set(err, ENOMEM, "list modules");
	ret = cpio_text(&c, "modules", 0400, list.data, list.len, err);
	return ret < 0 ? ret : cpio_end(&c, err);
}

static int check_release(const char *release, struct err *err)
{
	if (release[0] == '\0' || release[0] == '.' || strchr(release, '/'))
		return err_msg(err, EINVAL, "kernel release '%s'", release);
	return 0;
}

bool guest_kernel_is_own(const char *release)
{
	static const char suffix[] = GUEST_OWN_RELEASE_SUFFIX;
	size_t len = strlen(release), n = sizeof(suffix) - 1;

	return len >= n && strcmp(release + len - n, suffix) == 0;
}

int guest_modules_build(const char *release, const char *modules_root,
			int *ret_memfd, struct err *err)
{
	__attribute__((cleanup(index_release))) struct index ix = { .dir = -1 };
	auto_fd int fd = -1;
	int ret = check_release(release, err);

	if (ret < 0)
		return ret;
	if (guest_kernel_is_own(release)) { /* it has no modules */
		*ret_memfd = -1;
		return 0;
	}
	ret = load_index(&ix, modules_root, release, err);
	if (ret == 0)
		ret = choose(&ix, release, err);
	if (ret < 0)
		return err_wrap(err, ret, "guest modules");
	if (ix.n_load == 0) {
		*ret_memfd = -1;
		return 0;
	}
	fd = memfd_create("hull-modules", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return err_set(err, errno, "memfd for guest modules");
	ret = write_archive(&ix, fd, err);
	if (ret < 0)
		return err_wrap(err, ret, "guest modules");
	if (fcntl(fd, F_ADD_SEALS,
		  F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0)
		return err_set(err, errno, "seal guest modules");
	*ret_memfd = take_fd(&fd);
	return 0;
}
