/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cgroup1_places.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "lib/arena.h"
#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/path.h"
#include "runtime/host_cgroup.h"

#define MOUNTINFO "/proc/self/mountinfo"
#define MAX_FILE (16u << 20) /* (bytes) */
#define HYBRID "/sys/fs/cgroup/unified" /* as systemd mounts it, and runc looks for it */

/* What runc's cgroupfs driver joins; of the hierarchies with a name only systemd's. */
static const char *const known[] = {
	"cpuset",     "devices", "memory",  "cpu",     "cpuacct",
	"pids",       "blkio",   "hugetlb", "net_cls", "net_prio",
	"perf_event", "freezer", "rdma",    "misc",    "name=systemd",
};

/* A line of mountinfo. */
struct mount {
	const char *root; /* of the mount, within its hierarchy */
	const char *point;
	const char *type;
	const char *options; /* of the hierarchy: its controllers are among them */
};

/* split_line() - false: it has not all of them. */
static bool split_line(char *line, struct mount *ret)
{
	char *rest = strstr(line, " - ");
	char *mine = line;

	if (!rest)
		return false;
	*rest = 0;
	rest += 3;
	for (int i = 0; i < 3; i++)
		(void)strsep(&mine, " "); /* ids, device */
	ret->root = strsep(&mine, " ");
	ret->point = strsep(&mine, " ");
	ret->type = strsep(&rest, " ");
	(void)strsep(&rest, " "); /* source */
	ret->options = rest;
	return ret->point && ret->options;
}

bool cgroup1_has(const char *controllers, const char *controller)
{
	size_t len = strlen(controller);

	for (const char *p = controllers; *p; p += strspn(p, ",")) {
		size_t n = strcspn(p, ",");

		if (n == len && memcmp(p, controller, n) == 0)
			return true;
		p += n;
	}
	return false;
}

bool cgroup1_is_optional(const char *controllers)
{
	return !*controllers || strncmp(controllers, "name=", 5) == 0 ||
	       strcmp(controllers, "misc") == 0;
}

/* is_found() - a hierarchy may be mounted several times: the first counts. */
static bool is_found(const struct cgroup1_places *p, const char *controller)
{
	for (size_t i = 0; i < p->n; i++)
		if (cgroup1_has(p->v[i].controllers, controller) ||
		    strcmp(p->v[i].controllers, controller) == 0)
			return true;
	return false;
}

/* controllers_of() - those that are not found yet; NULL: none. */
static const char *controllers_of(const struct mount *m,
				  const struct cgroup1_places *found, struct buf *b)
{
	if (strcmp(m->type, "cgroup2") == 0)
		return strcmp(m->point, HYBRID) == 0 && !is_found(found, "") ? "" : NULL;
	if (strcmp(m->type, "cgroup") != 0)
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (cgroup1_has(m->options, known[i]) && !is_found(found, known[i]))
			(void)buf_printf(b, "%s%s", b->len ? "," : "", known[i]);
	return b->data;
}

/*
 * own_cgroup() - the caller's in the hierarchy of @controllers, below the mount's point.
 * @root: of the mount: in a container without a cgroup namespace the host's path
 */
static const char *own_cgroup(const char *self, const char *controllers, const char *root,
			      struct buf *b)
{
	size_t first = strcspn(controllers, ",");
	char name[32];

	(void)!snprintf(name, sizeof(name), "%.*s", (int)first, controllers);
	/* "4:cpu,cpuacct:/user.slice" */
	for (const char *line = self; *line; line += strcspn(line, "\n")) {
		auto_free char *list = NULL;
		const char *at;

		line += strspn(line, "\n");
		at = line + strcspn(line, ":\n");
		if (*at != ':')
			continue;
		list = strndup(at + 1, strcspn(at + 1, ":\n"));
		at += 1 + strcspn(at + 1, ":\n");
		if (!list || *at != ':' || !cgroup1_has(list, name))
			continue;
		(void)buf_append(b, at + 1, strcspn(at + 1, "\n"));
		break;
	}
	if (!b->data || strcmp(root, "/") == 0)
		return b->data && b->len > 1 ? b->data : "";
	return path_is_below(b->data, root) ? b->data + strlen(root) : "";
}

static int add(const struct mount *m, const char *self, const char *name,
	       struct arena *arena, struct cgroup1_places *ret, struct err *err)
{
	auto_buf struct buf controllers = BUF_INIT;
	auto_buf struct buf own = BUF_INIT;
	struct cgroup1_place *p = &ret->v[ret->n];
	const char *list = controllers_of(m, ret, &controllers);
	const char *below = "";

	if (!list || ret->n == HOST_CGROUP_MAX)
		return 0;
	/* runc puts a hybrid host's at the top of its tree. */
	if (*name != '/' && *list)
		below = own_cgroup(self, list, m->root, &own);
	*p = (struct cgroup1_place){
		.controllers = arena_strdup(arena, list),
		.mount = arena_strdup(arena, m->point),
		.path = arena_printf(arena, "%s%s/%s", m->point, below,
				     name + strspn(name, "/")),
	};
	if (!p->controllers || !p->mount || !p->path)
		return err_set(err, ENOMEM, "cgroup '%s'", name);
	ret->n++;
	return 0;
}

int cgroup1_find_in(const char *mountinfo, const char *self, const char *name,
		    struct arena *arena, struct cgroup1_places *ret, struct err *err)
{
	auto_free char *copy = strdup(mountinfo);
	char *rest = copy;
	char *line;
	int r = 0;

	ret->n = 0;
	ret->v = arena_array(arena, HOST_CGROUP_MAX, sizeof(*ret->v));
	if (!copy || !ret->v)
		return err_set(err, ENOMEM, "cgroup '%s'", name);
	while (r == 0 && (line = strsep(&rest, "\n"))) {
		struct mount m;

		if (split_line(line, &m))
			r = add(&m, self, name, arena, ret, err);
	}
	return r;
}

int cgroup1_find(const char *name, struct arena *arena, struct cgroup1_places *ret,
		 struct err *err)
{
	auto_buf struct buf mounts = BUF_INIT;
	auto_buf struct buf self = BUF_INIT;
	int r = io_read_file(AT_FDCWD, MOUNTINFO, MAX_FILE, &mounts, err);

	if (r == 0)
		r = io_read_file(AT_FDCWD, "/proc/self/cgroup", MAX_FILE, &self, err);
	if (r < 0)
		return r;
	return cgroup1_find_in(mounts.data ? mounts.data : "", self.data ? self.data : "",
			       name, arena, ret, err);
}

bool cgroup1_is_mounted(void)
{
	auto_buf struct buf b = BUF_INIT;

	return io_read_file(AT_FDCWD, MOUNTINFO, MAX_FILE, &b, NULL) == 0 && b.data &&
	       strstr(b.data, " - cgroup ");
}
