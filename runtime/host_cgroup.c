/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/host_cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/log.h"
#include "oci/spec.h"
#include "runtime/cgroup1_places.h"
#include "runtime/container.h"
#include "runtime/host_cgroup_ops.h"
#include "runtime/host_scope.h"

#define CGROUP_ROOT "/sys/fs/cgroup"
#define MAX_FILE 4096u /* (bytes) of a file in a cgroup */

/* mode() - how this host is; looked at once.  NULL: it has no cgroups. */
static const struct host_cgroup_ops *mode(void)
{
	static const struct host_cgroup_ops *ops;
	static bool known;
	struct statfs st;

	if (known)
		return ops;
	if (statfs(CGROUP_ROOT, &st) == 0 && st.f_type == CGROUP2_SUPER_MAGIC)
		ops = &host_cgroup_v2;
	else if (cgroup1_is_mounted())
		ops = &host_cgroup_v1;
	known = true;
	return ops;
}

bool host_cgroup_is_v2(void)
{
	return mode() == &host_cgroup_v2;
}

bool host_cgroup_is_v1(void)
{
	return mode() == &host_cgroup_v1;
}

int host_cgroup_check(const struct oci_resources *res, struct err *err)
{
	if (res && res->unified.n && host_cgroup_is_v1())
		return err_msg(
			err, EINVAL,
			"linux.resources.unified: invalid configuration: cannot use "
			"unified on cgroup v1");
	return 0;
}

bool host_cgroup_reads(int dir, const char *name, const char *text)
{
	auto_buf struct buf b = BUF_INIT;

	return io_read_file(dir, name, MAX_FILE, &b, NULL) == 0 && b.data &&
	       strstr(b.data, text);
}

int host_cgroup_not_empty(const char *path, struct err *err)
{
	return err_msg(err, EBUSY, "container's cgroup is not empty: '%s'", path);
}

int host_cgroup_frozen(const char *path, struct err *err)
{
	return err_msg(err, EBUSY, "container's cgroup unexpectedly frozen: '%s'", path);
}

/* is_clean() - a path without "." and ".." that could lead out. */
static bool is_clean(const char *path)
{
	while (*path) {
		size_t len = strcspn(path, "/");

		if ((len == 1 && path[0] == '.') ||
		    (len == 2 && path[0] == '.' && path[1] == '.'))
			return false;
		path += len;
		path += strspn(path, "/");
	}
	return true;
}

int host_cgroup_create(const struct oci_spec *spec, struct container *c,
		       struct host_cgroup *ret, struct err *err)
{
	const char *name =
		spec->linux_->cgroups_path ? spec->linux_->cgroups_path : c->id;
	int r;

	*ret = (struct host_cgroup){ 0 };
	if (!mode()) {
		log_debug("no cgroups at " CGROUP_ROOT
			  ": hull-vmm stays in the caller's");
		return 0;
	}
	if (!is_clean(name))
		return err_msg(err, EINVAL, "config.json: linux.cgroupsPath: '%s'", name);
	r = mode()->create(name, c, err);
	return r < 0 ? r : host_cgroup_open(c, ret, err);
}

/* ops_of() - how the cgroup was made that @c remembers. */
static const struct host_cgroup_ops *ops_of(const struct container *c)
{
	return c->cgroup ? &host_cgroup_v2 : c->cgroup1.n ? &host_cgroup_v1 : NULL;
}

int host_cgroup_open(const struct container *c, struct host_cgroup *ret, struct err *err)
{
	const struct host_cgroup_ops *ops = ops_of(c);
	int r;

	*ret = (struct host_cgroup){ .ops = ops };
	r = ops ? ops->open(c, ret, err) : 0;
	if (r < 0)
		host_cgroup_close(ret);
	return r;
}

void host_cgroup_close(struct host_cgroup *h)
{
	for (size_t i = 0; i < h->n; i++)
		close_fd(h->dir[i].fd);
	h->n = 0;
}

int host_cgroup_birthplace(const struct host_cgroup *h)
{
	return h->n && !h->ops->join ? h->dir[0].fd : -1;
}

int host_cgroup_join(const struct host_cgroup *h, struct err *err)
{
	return h->n && h->ops->join ? h->ops->join(h, err) : 0;
}

void host_cgroup_thaw(const struct container *c)
{
	const struct host_cgroup_ops *ops = ops_of(c);

	if (ops && ops->thaw)
		ops->thaw(c);
}

int host_cgroup_remove(const struct container *c, struct err *err)
{
	const struct host_cgroup_ops *ops = ops_of(c);
	int ret = c->unit ? host_scope_stop(c, err) : 0;
	int removed = 0;

	/* systemd takes the folder away with the scope. */
	if (ops)
		removed = ops->remove(c, ret < 0 ? NULL : err);
	return ret < 0 ? ret : removed;
}
