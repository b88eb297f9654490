/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of config.md: everything but linux and vm. */
#include "oci/schema.h"

#include <sys/resource.h>

#include "oci/spec.h"

/* ---- enums ----------------------------------------------------------------- */

static const struct oci_name rlimit_names[] = {
	{ "RLIMIT_AS", RLIMIT_AS },
	{ "RLIMIT_CORE", RLIMIT_CORE },
	{ "RLIMIT_CPU", RLIMIT_CPU },
	{ "RLIMIT_DATA", RLIMIT_DATA },
	{ "RLIMIT_FSIZE", RLIMIT_FSIZE },
	{ "RLIMIT_LOCKS", RLIMIT_LOCKS },
	{ "RLIMIT_MEMLOCK", RLIMIT_MEMLOCK },
	{ "RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE },
	{ "RLIMIT_NICE", RLIMIT_NICE },
	{ "RLIMIT_NOFILE", RLIMIT_NOFILE },
	{ "RLIMIT_NPROC", RLIMIT_NPROC },
	{ "RLIMIT_RSS", RLIMIT_RSS },
	{ "RLIMIT_RTPRIO", RLIMIT_RTPRIO },
	{ "RLIMIT_RTTIME", RLIMIT_RTTIME },
	{ "RLIMIT_SIGPENDING", RLIMIT_SIGPENDING },
	{ "RLIMIT_STACK", RLIMIT_STACK },
	{ NULL, 0 },
};

const struct oci_names oci_names_rlimit = { rlimit_names, "wrong rlimit value: ", "" };

static const struct oci_name sched_policy_names[] = {
	{ "SCHED_OTHER", OCI_SCHED_OTHER },
	{ "SCHED_FIFO", OCI_SCHED_FIFO },
	{ "SCHED_RR", OCI_SCHED_RR },
	{ "SCHED_BATCH", OCI_SCHED_BATCH },
	{ "SCHED_ISO", OCI_SCHED_ISO },
	{ "SCHED_IDLE", OCI_SCHED_IDLE },
	{ "SCHED_DEADLINE", OCI_SCHED_DEADLINE },
	{ NULL, 0 },
};

const struct oci_names oci_names_sched_policy = { sched_policy_names,
						  "invalid scheduler policy: ", "" };

static const struct oci_name sched_flag_names[] = {
	{ "SCHED_FLAG_RESET_ON_FORK", OCI_SCHED_FLAG_RESET_ON_FORK },
	{ "SCHED_FLAG_RECLAIM", OCI_SCHED_FLAG_RECLAIM },
	{ "SCHED_FLAG_DL_OVERRUN", OCI_SCHED_FLAG_DL_OVERRUN },
	{ "SCHED_FLAG_KEEP_POLICY", OCI_SCHED_FLAG_KEEP_POLICY },
	{ "SCHED_FLAG_KEEP_PARAMS", OCI_SCHED_FLAG_KEEP_PARAMS },
	{ "SCHED_FLAG_UTIL_CLAMP_MIN", OCI_SCHED_FLAG_UTIL_CLAMP_MIN },
	{ "SCHED_FLAG_UTIL_CLAMP_MAX", OCI_SCHED_FLAG_UTIL_CLAMP_MAX },
	{ NULL, 0 },
};

static const struct oci_names sched_flags = { sched_flag_names,
					      "invalid scheduler flag: ", "" };

static const struct oci_name io_class_names[] = {
	{ "IOPRIO_CLASS_RT", OCI_IO_CLASS_RT },
	{ "IOPRIO_CLASS_BE", OCI_IO_CLASS_BE },
	{ "IOPRIO_CLASS_IDLE", OCI_IO_CLASS_IDLE },
	{ NULL, 0 },
};

static const struct oci_names io_classes = { io_class_names,
					     "invalid ioPriority.Class: \"", "\"" };

/* ---- process --------------------------------------------------------------- */

static const struct oci_field box_fields[] = {
	OCI_FIELD(oci_box, height, "height", OCI_U32, .flags = OCI_REQUIRED | OCI_ALWAYS),
	OCI_FIELD(oci_box, width, "width", OCI_U32, .flags = OCI_REQUIRED | OCI_ALWAYS),
};
static OCI_TYPE(type_box, oci_box, box_fields);

static const struct oci_field user_fields[] = {
	OCI_FIELD(oci_user, uid, "uid", OCI_U32, .flags = OCI_ALWAYS),
	OCI_FIELD(oci_user, gid, "gid", OCI_U32, .flags = OCI_ALWAYS),
	OCI_FIELD(oci_user, umask, "umask", OCI_OPT_U32),
	OCI_FIELD(oci_user, additional_gids, "additionalGids", OCI_U32S),
};
static OCI_TYPE(type_user, oci_user, user_fields);

static const struct oci_field capabilities_fields[] = {
	OCI_FIELD(oci_capabilities, bounding, "bounding", OCI_STRS),
	OCI_FIELD(oci_capabilities, effective, "effective", OCI_STRS),
	OCI_FIELD(oci_capabilities, inheritable, "inheritable", OCI_STRS),
	OCI_FIELD(oci_capabilities, permitted, "permitted", OCI_STRS),
	OCI_FIELD(oci_capabilities, ambient, "ambient", OCI_STRS),
};
static OCI_TYPE(type_capabilities, oci_capabilities, capabilities_fields);

static const struct oci_field rlimit_fields[] = {
	OCI_FIELD(oci_rlimit, type, "type", OCI_ENUM, .flags = OCI_REQUIRED | OCI_ALWAYS,
		  .names = &oci_names_rlimit),
	OCI_FIELD(oci_rlimit, hard, "hard", OCI_U64, .flags = OCI_REQUIRED | OCI_ALWAYS),
	OCI_FIELD(oci_rlimit, soft, "soft", OCI_U64, .flags = OCI_REQUIRED | OCI_ALWAYS),
};
static OCI_TYPE(type_rlimit, oci_rlimit, rlimit_fields);

static const struct oci_field scheduler_fields[] = {
	OCI_FIELD(oci_scheduler, policy, "policy", OCI_ENUM,
		  .names = &oci_names_sched_policy),
	OCI_FIELD(oci_scheduler, nice, "nice", OCI_I32),
	OCI_FIELD(oci_scheduler, priority, "priority", OCI_I32),
	OCI_FIELD(oci_scheduler, flags, "flags", OCI_ENUMS, .names = &sched_flags),
	OCI_FIELD(oci_scheduler, runtime, "runtime", OCI_U64),
	OCI_FIELD(oci_scheduler, deadline, "deadline", OCI_U64),
	OCI_FIELD(oci_scheduler, period, "period", OCI_U64),
};
static OCI_TYPE(type_scheduler, oci_scheduler, scheduler_fields);

static const struct oci_field io_priority_fields[] = {
	OCI_FIELD(oci_io_priority, class, "class", OCI_ENUM, .flags = OCI_REQUIRED,
		  .names = &io_classes),
	OCI_FIELD(oci_io_priority, priority, "priority", OCI_I32, .flags = OCI_ALWAYS),
};
static OCI_TYPE(type_io_priority, oci_io_priority, io_priority_fields);

static const struct oci_field cpu_affinity_fields[] = {
	OCI_FIELD(oci_cpu_affinity, initial, "initial", OCI_STR),
	OCI_FIELD(oci_cpu_affinity, final, "final", OCI_STR),
};
static OCI_TYPE(type_cpu_affinity, oci_cpu_affinity, cpu_affinity_fields);

static const struct oci_field process_fields[] = {
	OCI_FIELD(oci_process, terminal, "terminal", OCI_BOOL),
	OCI_FIELD(oci_process, console_size, "consoleSize", OCI_POINTER,
		  .type = &type_box),
	OCI_FIELD(oci_process, user, "user", OCI_OBJECT, .flags = OCI_ALWAYS,
		  .type = &type_user),
	OCI_FIELD(oci_process, args, "args", OCI_STRS),
	OCI_FIELD(oci_process, env, "env", OCI_STRS),
	OCI_FIELD(oci_process, cwd, "cwd", OCI_STR),
	OCI_FIELD(oci_process, capabilities, "capabilities", OCI_POINTER,
		  .type = &type_capabilities),
	OCI_FIELD(oci_process, rlimits, "rlimits", OCI_LIST, .type = &type_rlimit),
	OCI_FIELD(oci_process, no_new_privileges, "noNewPrivileges", OCI_BOOL),
	OCI_FIELD(oci_process, apparmor_profile, "apparmorProfile", OCI_STR),
	OCI_FIELD(oci_process, oom_score_adj, "oomScoreAdj", OCI_OPT_I32),
	OCI_FIELD(oci_process, scheduler, "scheduler", OCI_POINTER,
		  .type = &type_scheduler),
	OCI_FIELD(oci_process, selinux_label, "selinuxLabel", OCI_STR),
	OCI_FIELD(oci_process, io_priority, "ioPriority", OCI_POINTER,
		  .type = &type_io_priority),
	OCI_FIELD(oci_process, exec_cpu_affinity, "execCPUAffinity", OCI_POINTER,
		  .type = &type_cpu_affinity),
};
OCI_TYPE(oci_type_process, oci_process, process_fields);

/* ---- root, mounts, hooks ----------------------------------------------------- */

static const struct oci_field root_fields[] = {
	OCI_FIELD(oci_root, path, "path", OCI_STR, .flags = OCI_REQUIRED),
	OCI_FIELD(oci_root, readonly, "readonly", OCI_BOOL),
};
static OCI_TYPE(type_root, oci_root, root_fields);

static const struct oci_field id_mapping_fields[] = {
	OCI_FIELD(oci_id_mapping, container_id, "containerID", OCI_U32,
		  .flags = OCI_REQUIRED | OCI_ALWAYS),
	OCI_FIELD(oci_id_mapping, host_id, "hostID", OCI_U32,
		  .flags = OCI_REQUIRED | OCI_ALWAYS),
	OCI_FIELD(oci_id_mapping, size, "size", OCI_U32,
		  .flags = OCI_REQUIRED | OCI_ALWAYS),
};
OCI_TYPE(oci_type_id_mapping, oci_id_mapping, id_mapping_fields);

static const struct oci_field mount_fields[] = {
	OCI_FIELD(oci_mount, destination, "destination", OCI_STR, .flags = OCI_REQUIRED),
	OCI_FIELD(oci_mount, type, "type", OCI_STR),
	OCI_FIELD(oci_mount, source, "source", OCI_STR),
	OCI_FIELD(oci_mount, options, "options", OCI_STRS),
	OCI_FIELD(oci_mount, uid_mappings, "uidMappings", OCI_LIST,
		  .type = &oci_type_id_mapping),
	OCI_FIELD(oci_mount, gid_mappings, "gidMappings", OCI_LIST,
		  .type = &oci_type_id_mapping),
};
static OCI_TYPE(type_mount, oci_mount, mount_fields);

static const struct oci_field hook_fields[] = {
	OCI_FIELD(oci_hook, path, "path", OCI_STR, .flags = OCI_REQUIRED),
	OCI_FIELD(oci_hook, args, "args", OCI_STRS),
	OCI_FIELD(oci_hook, env, "env", OCI_STRS),
	OCI_FIELD(oci_hook, timeout, "timeout", OCI_OPT_I32),
};
static OCI_TYPE(type_hook, oci_hook, hook_fields);

static const struct oci_field hooks_fields[] = {
	OCI_FIELD(oci_hooks, prestart, "prestart", OCI_LIST, .type = &type_hook),
	OCI_FIELD(oci_hooks, create_runtime, "createRuntime", OCI_LIST,
		  .type = &type_hook),
	OCI_FIELD(oci_hooks, create_container, "createContainer", OCI_LIST,
		  .type = &type_hook),
	OCI_FIELD(oci_hooks, start_container, "startContainer", OCI_LIST,
		  .type = &type_hook),
	OCI_FIELD(oci_hooks, poststart, "poststart", OCI_LIST, .type = &type_hook),
	OCI_FIELD(oci_hooks, poststop, "poststop", OCI_LIST, .type = &type_hook),
};
static OCI_TYPE(type_hooks, oci_hooks, hooks_fields);

/* ---- the whole ----------------------------------------------------------------- */

static const struct oci_field spec_fields[] = {
	OCI_FIELD(oci_spec, oci_version, "ociVersion", OCI_STR, .flags = OCI_REQUIRED),
	OCI_FIELD(oci_spec, process, "process", OCI_POINTER, .type = &oci_type_process),
	OCI_FIELD(oci_spec, root, "root", OCI_POINTER, .type = &type_root),
	OCI_FIELD(oci_spec, hostname, "hostname", OCI_STR),
	OCI_FIELD(oci_spec, domainname, "domainname", OCI_STR),
	OCI_FIELD(oci_spec, mounts, "mounts", OCI_LIST, .type = &type_mount),
	OCI_FIELD(oci_spec, hooks, "hooks", OCI_POINTER, .type = &type_hooks),
	OCI_FIELD(oci_spec, annotations, "annotations", OCI_MAP),
	OCI_FIELD(oci_spec, linux_, "linux", OCI_POINTER, .type = &oci_type_linux),
	OCI_FIELD(oci_spec, vm, "vm", OCI_POINTER, .type = &oci_type_vm),
};
OCI_TYPE(oci_type_spec, oci_spec, spec_fields);
