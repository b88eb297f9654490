/* SPDX-License-Identifier: Apache-2.0 */
#include "rootfs/agent/userns.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/err.h"
#include "oci/id_map.h"
#include "oci/spec.h"
#include "rootfs/agent/launch.h"
#include "rootfs/agent/spawn.h"

#define NO_ID UINT32_MAX

bool userns_wanted(const struct oci_spec *spec)
{
	return oci_namespace(spec, OCI_NS_USER);
}

uint32_t userns_id(const struct oci_id_mappings *map, uint32_t id)
{
	for (size_t i = 0; i < map->n; i++) {
		const struct oci_id_mapping *m = &map->v[i];

		if (id >= m->container_id && id - m->container_id < m->size)
			return m->host_id + (id - m->container_id);
	}
	return NO_ID;
}

/* root_of() - the container's root as the agent knows it. */
static int root_of(const struct oci_spec *spec, uid_t *ret_uid, gid_t *ret_gid,
		   struct err *err)
{
	uint32_t uid = userns_id(&spec->linux_->uid_mappings, 0);
	uint32_t gid = userns_id(&spec->linux_->gid_mappings, 0);

	if (uid == NO_ID || gid == NO_ID)
		return err_msg(err, EINVAL, "linux.%s: id 0 is not mapped",
			       uid == NO_ID ? "uidMappings" : "gidMappings");
	*ret_uid = uid;
	*ret_gid = gid;
	return 0;
}

int userns_own(int fd, const struct oci_spec *spec, struct err *err)
{
	uid_t uid;
	gid_t gid;
	int ret;

	if (!userns_wanted(spec))
		return 0;
	ret = root_of(spec, &uid, &gid, err);
	if (ret == 0 && fchown(fd, uid, gid) < 0)
		ret = err_set(err, errno, "chown stdio");
	return ret;
}

int userns_own_cgroup(int cgroup, const struct oci_spec *spec, struct err *err)
{
	/* Linux Documentation/admin-guide/cgroup-v2.rst, "Model of Delegation" */
	static const char *const names[] = {
		".",
		"cgroup.procs",
		"cgroup.threads",
		"cgroup.subtree_control",
	};
	uid_t uid;
	gid_t gid;
	int ret;

	if (!userns_wanted(spec) || !oci_namespace(spec, OCI_NS_CGROUP))
		return 0;
	ret = root_of(spec, &uid, &gid, err);
	for (unsigned int i = 0; ret == 0 && i < ARRAY_SIZE(names); i++)
		if (fchownat(cgroup, names[i], uid, gid, 0) < 0)
			ret = err_set(err, errno, "chown cgroup's '%s'", names[i]);
	return ret;
}

int userns_begin(pid_t pid, const struct launch *l, struct err *err)
{
	const struct oci_linux *linux_ = l->spec->linux_;
	int ret = oci_id_map_write(pid, "uid_map", &linux_->uid_mappings,
				   "linux.uidMappings", err);

	if (ret == 0)
		ret = oci_id_map_write(pid, "gid_map", &linux_->gid_mappings,
				       "linux.gidMappings", err);
	if (ret == 0)
		ret = limits_oom_score(pid, l->process, err);
	return ret < 0 ? ret : limits_raise(pid, l->process, err);
}

int userns_become_root(struct err *err)
{
	/* The raw calls: glibc's would synchronise threads that do not exist. */
	if (syscall(SYS_setgroups, 0, NULL) < 0)
		return err_set(err, errno, "setgroups");
	if (syscall(SYS_setresgid, 0, 0, 0) < 0)
		return err_set(err, errno, "setgid 0 of the user namespace");
	if (syscall(SYS_setresuid, 0, 0, 0) < 0)
		return err_set(err, errno, "setuid 0 of the user namespace");
	return 0;
}

int userns_enter(struct err *err)
{
	char byte;

	if (read(launch_sync_fd(), &byte, 1) != 1)
		return err_msg(err, EPIPE, "the agent has gone");
	return userns_become_root(err);
}
