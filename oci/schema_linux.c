/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of config-linux.md, but for resources and seccomp. */
#include "oci/schema.h"
#include "oci/spec.h"

/* ---- enums ------------------------------------------------------------------- */

static const struct oci_name namespace_names[] = {
	{ "cgroup", OCI_NS_CGROUP },   { "ipc", OCI_NS_IPC }, { "mount", OCI_NS_MOUNT },
	{ "network", OCI_NS_NETWORK }, { "pid", OCI_NS_PID }, { "time", OCI_NS_TIME },
	{ "user", OCI_NS_USER },       { "uts", OCI_NS_UTS }, { NULL, 0 },
};

const struct oci_names oci_names_namespace = { namespace_names, "namespace \"",
					       "\" does not exist" };

static const struct oci_name propagation_names[] = {
	{ "private", OCI_PROPAGATION_PRIVATE },
	{ "rprivate", OCI_PROPAGATION_RPRIVATE },
	{ "shared", OCI_PROPAGATION_SHARED },
	{ "rshared", OCI_PROPAGATION_RSHARED },
	{ "slave", OCI_PROPAGATION_SLAVE },
	{ "rslave", OCI_PROPAGATION_RSLAVE },
	{ "unbindable", OCI_PROPAGATION_UNBINDABLE },
	{ "runbindable", OCI_PROPAGATION_RUNBINDABLE },
	{ NULL, 0 },
};

const struct oci_names oci_names_propagation = { propagation_names, "rootfsPropagation=",
						 " is not supported" };

static const struct oci_name mempolicy_mode_names[] = {
	{ "MPOL_BIND", OCI_MPOL_BIND },
	{ "MPOL_DEFAULT", OCI_MPOL_DEFAULT },
	{ "MPOL_INTERLEAVE", OCI_MPOL_INTERLEAVE },
	{ "MPOL_LOCAL", OCI_MPOL_LOCAL },
	{ "MPOL_PREFERRED", OCI_MPOL_PREFERRED },
	{ "MPOL_PREFERRED_MANY", OCI_MPOL_PREFERRED_MANY },
	{ "MPOL_WEIGHTED_INTERLEAVE", OCI_MPOL_WEIGHTED_INTERLEAVE },
	{ NULL, 0 },
};

const struct oci_names oci_names_mempolicy_mode = { mempolicy_mode_names,
						    "invalid memory policy mode \"",
						    "\"" };

static const struct oci_name mempolicy_flag_names[] = {
	{ "MPOL_F_NUMA_BALANCING", OCI_MPOL_F_NUMA_BALANCING },
	{ "MPOL_F_RELATIVE_NODES", OCI_MPOL_F_RELATIVE_NODES },
	{ "MPOL_F_STATIC_NODES", OCI_MPOL_F_STATIC_NODES },
	{ NULL, 0 },
};

const struct oci_names oci_names_mempolicy_flag = { mempolicy_flag_names,
						    "invalid memory policy flag \"",
						    "\"" };

static const struct oci_name personality_names[] = {
	{ "LINUX", OCI_PER_LINUX },
	{ "LINUX32", OCI_PER_LINUX32 },
	{ NULL, 0 },
};

static const struct oci_names personalities = { personality_names,
						"invalid personality domain ", "" };

/* ---- objects ------------------------------------------------------------------- */

static const struct oci_field namespace_fields[] = {
	OCI_FIELD(oci_namespace, type, "type", OCI_ENUM, .flags = OCI_REQUIRED,
		  .names = &oci_names_namespace),
	OCI_FIELD(oci_namespace, path, "path", OCI_STR),
};
static OCI_TYPE(type_namespace, oci_namespace, namespace_fields);

static const struct oci_field device_fields[] = {
	OCI_FIELD(oci_device, path, "path", OCI_STR, .flags = OCI_REQUIRED),
	OCI_FIELD(oci_device, type, "type", OCI_CHAR, .flags = OCI_REQUIRED,
		  .letters = "cbup"),
	OCI_FIELD(oci_device, major, "major", OCI_I64, .flags = OCI_ALWAYS),
	OCI_FIELD(oci_device, minor, "minor", OCI_I64, .flags = OCI_ALWAYS),
	OCI_FIELD(oci_device, file_mode, "fileMode", OCI_OPT_U32),
	OCI_FIELD(oci_device, uid, "uid", OCI_OPT_U32),
	OCI_FIELD(oci_device, gid, "gid", OCI_OPT_U32),
};
static OCI_TYPE(type_device, oci_device, device_fields);

static const struct oci_field net_device_fields[] = {
	OCI_FIELD(oci_net_device, name, "name", OCI_STR),
};
static OCI_TYPE(type_net_device, oci_net_device, net_device_fields);

static const struct oci_field intel_rdt_fields[] = {
	OCI_FIELD(oci_intel_rdt, clos_id, "closID", OCI_STR),
	OCI_FIELD(oci_intel_rdt, schemata, "schemata", OCI_STRS),
	OCI_FIELD(oci_intel_rdt, l3_cache_schema, "l3CacheSchema", OCI_STR),
	OCI_FIELD(oci_intel_rdt, mem_bw_schema, "memBwSchema", OCI_STR),
	OCI_FIELD(oci_intel_rdt, enable_monitoring, "enableMonitoring", OCI_BOOL),
};
static OCI_TYPE(type_intel_rdt, oci_intel_rdt, intel_rdt_fields);

static const struct oci_field memory_policy_fields[] = {
	OCI_FIELD(oci_memory_policy, mode, "mode", OCI_ENUM,
		  .names = &oci_names_mempolicy_mode),
	OCI_FIELD(oci_memory_policy, nodes, "nodes", OCI_STR),
	OCI_FIELD(oci_memory_policy, flags, "flags", OCI_ENUMS,
		  .names = &oci_names_mempolicy_flag),
};
static OCI_TYPE(type_memory_policy, oci_memory_policy, memory_policy_fields);

static const struct oci_field personality_fields[] = {
	OCI_FIELD(oci_personality, domain, "domain", OCI_ENUM, .flags = OCI_REQUIRED,
		  .names = &personalities),
	OCI_FIELD(oci_personality, flags, "flags", OCI_STRS),
};
static OCI_TYPE(type_personality, oci_personality, personality_fields);

static const struct oci_field time_offset_fields[] = {
	OCI_FIELD(oci_time_offset, secs, "secs", OCI_I64),
	OCI_FIELD(oci_time_offset, nanosecs, "nanosecs", OCI_U32),
};
static OCI_TYPE(type_time_offset, oci_time_offset, time_offset_fields);

static const struct oci_field linux_fields[] = {
	OCI_FIELD(oci_linux, uid_mappings, "uidMappings", OCI_LIST,
		  .type = &oci_type_id_mapping),
	OCI_FIELD(oci_linux, gid_mappings, "gidMappings", OCI_LIST,
		  .type = &oci_type_id_mapping),
	OCI_FIELD(oci_linux, sysctl, "sysctl", OCI_MAP),
	OCI_FIELD(oci_linux, resources, "resources", OCI_POINTER,
		  .type = &oci_type_resources),
	OCI_FIELD(oci_linux, cgroups_path, "cgroupsPath", OCI_STR),
	OCI_FIELD(oci_linux, namespaces, "namespaces", OCI_LIST, .type = &type_namespace),
	OCI_FIELD(oci_linux, devices, "devices", OCI_LIST, .type = &type_device),
	OCI_FIELD(oci_linux, net_devices, "netDevices", OCI_DICT,
		  .type = &type_net_device),
	OCI_FIELD(oci_linux, seccomp, "seccomp", OCI_POINTER, .type = &oci_type_seccomp),
	OCI_FIELD(oci_linux, rootfs_propagation, "rootfsPropagation", OCI_ENUM,
		  .names = &oci_names_propagation),
	OCI_FIELD(oci_linux, masked_paths, "maskedPaths", OCI_STRS),
	OCI_FIELD(oci_linux, readonly_paths, "readonlyPaths", OCI_STRS),
	OCI_FIELD(oci_linux, mount_label, "mountLabel", OCI_STR),
	OCI_FIELD(oci_linux, intel_rdt, "intelRdt", OCI_POINTER, .type = &type_intel_rdt),
	OCI_FIELD(oci_linux, memory_policy, "memoryPolicy", OCI_POINTER,
		  .type = &type_memory_policy),
	OCI_FIELD(oci_linux, personality, "personality", OCI_POINTER,
		  .type = &type_personality),
	OCI_FIELD(oci_linux, time_offsets, "timeOffsets", OCI_DICT,
		  .type = &type_time_offset),
};
OCI_TYPE(oci_type_linux, oci_linux, linux_fields);
