/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/unified.h"

#include <errno.h>
#include <fnmatch.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/io.h"
#include "oci/cgroup2.h"
#include "oci/honoured.h"
#include "oci/spec.h"

#define CONTROLLERS_SIZE 4096u /* (bytes) */

/*
 * The first line that fits.  cpuset.cpus and cpuset.mems are not among them: they are
 * those of resources.cpu (runtime/cpuset.h).
 */
static const struct {
	const char *files; /* a pattern of fnmatch(3) */
	unsigned int by;
} lines[] = {
	/* Disks are the host's, and so is the file server that uses them. */
	{ "io.weight", OCI_BY_AGENT | OCI_BY_HOST },
	{ "io.*", OCI_BY_HOST },
	/* Devices, and what the host's processor has little of. */
	{ "rdma.*", OCI_BY_HOST },
	{ "dmem.*", OCI_BY_HOST },
	{ "misc.*", OCI_BY_HOST },
	/* hull-vmm is bound to CPUs, its cgroup has no set that could be shared out. */
	{ "cpuset.*", OCI_REFUSED },
	/* Only on the host do containers compete with each other. */
	{ "cpu.weight", OCI_BY_AGENT | OCI_BY_HOST },
	{ "cpu.weight.nice", OCI_BY_AGENT | OCI_BY_HOST },
	{ "cpu.idle", OCI_BY_AGENT | OCI_BY_HOST },
	{ "memory.low", OCI_BY_AGENT | OCI_BY_HOST },
	{ "memory.min", OCI_BY_AGENT | OCI_BY_HOST },
	/* The container's own limits, and files of its cgroups. */
	{ "*", OCI_BY_AGENT },
};

unsigned int unified_by(const struct oci_pair *entry)
{
	size_t i = 0;

	while (fnmatch(lines[i].files, entry->key, 0) != 0)
		i++;
	/* Weights of single devices name them by major:minor. */
	if (strcmp(entry->key, "io.weight") == 0 && strchr(entry->value, ':'))
		return OCI_BY_HOST;
	return lines[i].by;
}

void unified_keep(struct oci_map *map, unsigned int by)
{
	size_t n = 0;

	for (size_t i = 0; i < map->n; i++)
		if (unified_by(&map->v[i]) & by)
			map->v[n++] = map->v[i];
	map->n = n;
}

/* write_value() - one line in one write: the kernel takes no more. */
static int write_value(int cgroup, const char *file, const char *value)
{
	auto_free char *copy = NULL;
	char *rest = NULL;
	int ret = 0;

	if (!strchr(value, '\n'))
		return io_write_file(cgroup, file, value, NULL);
	copy = strdup(value);
	if (!copy)
		return -ENOMEM;
	for (const char *line = strtok_r(copy, "\n", &rest); line && ret == 0;
	     line = strtok_r(NULL, "\n", &rest))
		ret = io_write_file(cgroup, file, line, NULL);
	return ret;
}

/* lacks_controller() - the cgroup says which it has, and the one of @file is not there. */
static bool lacks_controller(int cgroup, const char *file)
{
	auto_buf struct buf has = BUF_INIT;
	char name[64];
	size_t len = strcspn(file, ".");

	if (len >= sizeof(name) || strncmp(file, "cgroup.", 7) == 0 ||
	    io_read_file(cgroup, "cgroup.controllers", CONTROLLERS_SIZE, &has, NULL) < 0)
		return false;
	memcpy(name, file, len);
	name[len] = 0;
	return !has.data || !cgroup_has_word(has.data, name);
}

static int set(int cgroup, const struct oci_pair *entry, struct err *err)
{
	int ret;

	if (strchr(entry->key, '/'))
		return err_msg(err, EINVAL,
			       "unified resource \"%s\" must be a file name (no slashes)",
			       entry->key);
	ret = write_value(cgroup, entry->key, entry->value);
	if ((ret == -EPERM || ret == -EACCES || ret == -ENOENT) &&
	    lacks_controller(cgroup, entry->key))
		return err_msg(err, -ret,
			       "unified resource \"%s\" can't be set: controller "
			       "\"%.*s\" not available",
			       entry->key, (int)strcspn(entry->key, "."), entry->key);
	return ret < 0 ? err_set(err, -ret,
				 "unable to set unified resource \"%s\": write '%.160s'",
				 entry->key, entry->value)
		       : 0;
}

int unified_set(int cgroup, const struct oci_map *map, unsigned int by, struct err *err)
{
	int ret = 0;

	for (size_t i = 0; i < map->n && ret == 0; i++)
		if (unified_by(&map->v[i]) & by)
			ret = set(cgroup, &map->v[i], err);
	return ret;
}
