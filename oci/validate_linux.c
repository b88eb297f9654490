/* SPDX-License-Identifier: Apache-2.0 */
/* config-linux.md but for resources and seccomp; config-vm.md. */
#include <sys/stat.h>

#include "oci/cpu_list.h"
#include "oci/validate-internal.h"

#define IF_NAME_SIZE 15u /* (bytes) of a network interface's name */

static int validate_path(const char *place, const char *path, struct err *err)
{
	if (path && path[0] != '/')
		return invalid(err, "%s: '%.80s' is not an absolute path", place, path);
	return 0;
}

static int validate_namespaces(const struct oci_linux *l, struct err *err)
{
	unsigned int seen = 0;

	for (size_t i = 0; i < l->namespaces.n; i++) {
		const struct oci_namespace *ns = &l->namespaces.v[i];

		if (seen & 1u << ns->type)
			return invalid(err,
				       "linux.namespaces[%zu]: malformed spec file: "
				       "duplicated ns \"%s\"",
				       i, oci_ns_name(ns->type));
		seen |= 1u << ns->type;
		if (ns->path && ns->path[0] != '/')
			return invalid(err,
				       "linux.namespaces[%zu].path: '%.80s' is not an "
				       "absolute path",
				       i, ns->path);
	}
	return 0;
}

int validate_mappings(const char *place, const struct oci_id_mappings *m, struct err *err)
{
	if (m->n > 340) /* Linux user_namespaces(7) */
		return invalid(err, "%s: more than 340 lines", place);
	for (size_t i = 0; i < m->n; i++) {
		const struct oci_id_mapping *a = &m->v[i];

		if (!a->size)
			return invalid(err, "%s[%zu].size: 0 ids", place, i);
		if (a->size - 1 > UINT32_MAX - a->container_id ||
		    a->size - 1 > UINT32_MAX - a->host_id)
			return invalid(err, "%s[%zu]: %u ids reach past the last one",
				       place, i, a->size);
		for (size_t j = 0; j < i; j++) {
			const struct oci_id_mapping *b = &m->v[j];

			if (a->container_id - b->container_id < b->size ||
			    b->container_id - a->container_id < a->size ||
			    a->host_id - b->host_id < b->size ||
			    b->host_id - a->host_id < a->size)
				return invalid(err, "%s[%zu]: overlaps with [%zu]", place,
					       i, j);
		}
	}
	return 0;
}

/* maps_root() - id 0 of the container is some id: mounts and files are made as it. */
static bool maps_root(const struct oci_id_mappings *m)
{
	for (size_t i = 0; i < m->n; i++)
		if (m->v[i].container_id == 0)
			return true;
	return false;
}

static int validate_user_namespace(const struct oci_spec *spec, struct err *err)
{
	const struct oci_namespace *ns = oci_namespace(spec, OCI_NS_USER);
	const struct oci_linux *l = spec->linux_;
	bool mapped = l->uid_mappings.n || l->gid_mappings.n;
	int ret;

	if (ns && !ns->path && !mapped)
		return invalid(err,
			       "linux.namespaces: user namespaces enabled, but no "
			       "namespace path to join nor mappings to apply specified");
	if (!ns && mapped)
		return invalid(
			err, "linux.uidMappings: user namespace mappings specified, but "
			     "user namespace isn't enabled in the config");
	if (ns && ns->path && mapped)
		return invalid(err,
			       "linux.uidMappings: user namespace enabled, but both "
			       "namespace path and mapping specified -- you may only "
			       "provide one");
	ret = validate_mappings("linux.uidMappings", &l->uid_mappings, err);
	if (ret == 0)
		ret = validate_mappings("linux.gidMappings", &l->gid_mappings, err);
	if (ret < 0 || !mapped)
		return ret;
	if (!maps_root(&l->uid_mappings))
		return invalid(err, "linux.uidMappings: containerID 0 is not mapped");
	if (!maps_root(&l->gid_mappings))
		return invalid(err, "linux.gidMappings: containerID 0 is not mapped");
	return 0;
}

static int validate_time_namespace(const struct oci_spec *spec, struct err *err)
{
	const struct oci_namespace *ns = oci_namespace(spec, OCI_NS_TIME);
	const struct oci_linux *l = spec->linux_;

	if (!l->time_offsets.n)
		return 0;
	if (!ns)
		return invalid(err,
			       "linux.timeOffsets: time namespace offsets specified, but "
			       "time namespace isn't enabled in the config");
	if (ns->path)
		return invalid(
			err, "linux.timeOffsets: time namespace enabled, but both "
			     "namespace path and time offsets specified -- you may only "
			     "provide one");
	for (size_t i = 0; i < l->time_offsets.n; i++) {
		const struct oci_time_offset *o = &l->time_offsets.v[i];

		if (strcmp(o->key, "monotonic") != 0 && strcmp(o->key, "boottime") != 0)
			return invalid(err, "linux.timeOffsets: no clock \"%.80s\"",
				       o->key);
		if (o->nanosecs > 999999999)
			return invalid(err,
				       "linux.timeOffsets.%s.nanosecs: %u is not below "
				       "1000000000",
				       o->key, o->nanosecs);
	}
	return 0;
}

static int validate_device(const struct oci_device *d, size_t i, struct err *err)
{
	if (d->path[0] != '/')
		return invalid(err,
			       "linux.devices[%zu].path: '%.80s' is not an absolute path",
			       i, d->path);
	/* makedev(3): 12 bits of major, 20 of minor. */
	if (d->type != 'p' && (d->major < 0 || d->major > 0xfff))
		return invalid(err,
			       "linux.devices[%zu].major: %lld is not between 0 and 4095",
			       i, (long long)d->major);
	if (d->type != 'p' && (d->minor < 0 || d->minor > 0xfffff))
		return invalid(
			err,
			"linux.devices[%zu].minor: %lld is not between 0 and 1048575", i,
			(long long)d->minor);
	/* Some callers leave the bits of the file's type in. */
	if (d->file_mode.set && d->file_mode.value & ~(uint32_t)(S_IFMT | 07777))
		return invalid(err, "linux.devices[%zu].fileMode: %u is not a mode", i,
			       d->file_mode.value);
	return 0;
}

static int validate_devices(const struct oci_linux *l, struct err *err)
{
	int ret = 0;

	for (size_t i = 0; i < l->devices.n && ret == 0; i++)
		ret = validate_device(&l->devices.v[i], i, err);
	return ret;
}

/* if_name_ok() - as the kernel's dev_valid_name(). */
static bool if_name_ok(const char *name)
{
	size_t len = strlen(name);

	return len && len <= IF_NAME_SIZE && strcmp(name, ".") != 0 &&
	       strcmp(name, "..") != 0 && !strpbrk(name, "/: \t\n\v\f\r");
}

static int validate_net_devices(const struct oci_spec *spec, struct err *err)
{
	const struct oci_linux *l = spec->linux_;

	if (l->net_devices.n && !oci_namespace(spec, OCI_NS_NETWORK))
		return invalid(err, "linux.netDevices: unable to move network devices "
				    "without a NET namespace");
	for (size_t i = 0; i < l->net_devices.n; i++) {
		const struct oci_net_device *d = &l->net_devices.v[i];

		if (!if_name_ok(d->key) || (d->name && !if_name_ok(d->name)))
			return invalid(err,
				       "linux.netDevices: invalid network device name "
				       "\"%.80s\"",
				       if_name_ok(d->key) ? d->name : d->key);
	}
	return 0;
}

static int validate_restricted(const struct oci_spec *spec, const char *field,
			       const struct oci_strings *paths, struct err *err)
{
	if (paths->n && !oci_namespace(spec, OCI_NS_MOUNT))
		return invalid(err,
			       "linux.%s: unable to restrict sys entries without a "
			       "private MNT namespace",
			       field);
	for (size_t i = 0; i < paths->n; i++)
		if (paths->v[i][0] != '/')
			return invalid(err,
				       "linux.%s[%zu]: '%.80s' is not an absolute path",
				       field, i, paths->v[i]);
	return 0;
}

static int validate_memory_policy(const struct oci_memory_policy *p, struct err *err)
{
	int nodes;

	if (!p)
		return 0;
	if (!p->mode)
		return invalid(err,
			       "linux.memoryPolicy.mode: invalid memory policy mode \"\"");
	nodes = p->nodes ? oci_cpu_list(p->nodes, NULL) : 0;
	if (nodes < 0)
		return invalid(err,
			       "linux.memoryPolicy.nodes: invalid memory policy nodes "
			       "\"%.80s\"",
			       p->nodes);
	switch (p->mode) {
	case OCI_MPOL_DEFAULT:
	case OCI_MPOL_LOCAL:
		if (nodes)
			return invalid(
				err,
				"linux.memoryPolicy: memory policy mode requires 0 "
				"nodes but got %d",
				nodes);
		return 0;
	case OCI_MPOL_BIND:
	case OCI_MPOL_INTERLEAVE:
	case OCI_MPOL_PREFERRED_MANY:
	case OCI_MPOL_WEIGHTED_INTERLEAVE:
		if (!nodes)
			return invalid(
				err, "linux.memoryPolicy: memory policy mode requires at "
				     "least one node but got 0");
		return 0;
	case OCI_MPOL_PREFERRED:
	default:
		return 0;
	}
}

static int validate_rdt(const struct oci_intel_rdt *rdt, struct err *err)
{
	const char *id = rdt ? rdt->clos_id : NULL;

	if (id &&
	    (strcmp(id, ".") == 0 || strcmp(id, "..") == 0 || (id[1] && strchr(id, '/'))))
		return invalid(err,
			       "linux.intelRdt.closID: invalid intelRdt.ClosID "
			       "\"%.80s\"",
			       id);
	return 0;
}

int validate_linux(const struct oci_spec *spec, struct err *err)
{
	const struct oci_linux *l = spec->linux_;
	int ret = validate_namespaces(l, err);

	if (ret == 0)
		ret = validate_user_namespace(spec, err);
	if (ret == 0)
		ret = validate_time_namespace(spec, err);
	if (ret == 0)
		ret = validate_devices(l, err);
	if (ret == 0)
		ret = validate_net_devices(spec, err);
	if (ret == 0)
		ret = validate_restricted(spec, "maskedPaths", &l->masked_paths, err);
	if (ret == 0)
		ret = validate_restricted(spec, "readonlyPaths", &l->readonly_paths, err);
	if (ret == 0)
		ret = validate_sysctl(spec, err);
	if (ret == 0)
		ret = validate_rdt(l->intel_rdt, err);
	if (ret == 0)
		ret = validate_memory_policy(l->memory_policy, err);
	if (ret == 0 && l->resources)
		ret = validate_resources(l->resources, err);
	if (ret == 0 && l->seccomp)
		ret = validate_seccomp(l->seccomp, err);
	return ret;
}

int validate_vm(const struct oci_vm *vm, struct err *err)
{
	int ret = 0;

	if (vm->hypervisor)
		ret = validate_path("vm.hypervisor.path", vm->hypervisor->path, err);
	if (ret == 0 && vm->kernel)
		ret = validate_path("vm.kernel.path", vm->kernel->path, err);
	if (ret == 0 && vm->kernel)
		ret = validate_path("vm.kernel.initrd", vm->kernel->initrd, err);
	if (ret == 0 && vm->image)
		ret = validate_path("vm.image.path", vm->image->path, err);
	return ret;
}
