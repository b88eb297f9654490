/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/honoured.h"

#include <errno.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "oci/schema.h"
#include "oci/spec.h"
#include "oci/unified.h"

#define AGENT OCI_BY_AGENT
#define HOST OCI_BY_HOST
#define ACCEPTED OCI_ACCEPTED
#define REFUSED OCI_REFUSED

#define V1_ONLY                                                                        \
	"on a host with cgroup v1; cgroup v2 has none: a warning, and ignored as by runc"

/*
 * A line speaks for everything below its path that has no line of its own.
 * To make a field work: do the work, then change its line here, then give
 * config.json.example the field (a test asks for it).
 */
static const struct oci_honoured lines[] = {
	{ "ociVersion", HOST, "1.0.0 to 1.3.0, as are pre-releases of these" },

	{ "process.terminal", AGENT | HOST, "the pty is the guest's" },
	{ "process.consoleSize", AGENT | HOST, NULL },
	{ "process.user", AGENT, NULL },
	{ "process.args", AGENT, NULL },
	{ "process.env", AGENT, NULL },
	{ "process.cwd", AGENT, NULL },
	{ "process.capabilities", AGENT, "unknown ones: a warning, as runc" },
	{ "process.rlimits", AGENT, "never on hull-vmm" },
	{ "process.noNewPrivileges", AGENT, NULL },
	{ "process.apparmorProfile", ACCEPTED,
	  "a warning; docker names one wherever the host has AppArmor. It confines a "
	  "process of the host: here that is hull-vmm, which has a jail of its own" },
	{ "process.oomScoreAdj", AGENT, NULL },
	{ "process.scheduler", AGENT, NULL },
	{ "process.selinuxLabel", HOST,
	  "of hull-vmm; a process of `exec` has the container's or fails" },
	{ "process.ioPriority", AGENT, NULL },
	{ "process.execCPUAffinity.initial", ACCEPTED,
	  "for a CPU of the host on which runc would wait for the join of a cgroup" },
	{ "process.execCPUAffinity.final", AGENT, "vCPUs" },

	{ "root.path", HOST, "exported to the guest by virtio-fs" },
	{ "root.readonly", AGENT | HOST, NULL },
	{ "hostname", AGENT, NULL },
	{ "domainname", AGENT, NULL },

	{ "mounts.destination", AGENT, NULL },
	{ "mounts.type", AGENT, NULL },
	{ "mounts.source", AGENT | HOST,
	  "a bind mount's is exported by virtio-fs; unix sockets are connected to" },
	{ "mounts.options", AGENT | HOST, NULL },
	{ "mounts.uidMappings", HOST,
	  "where the host's file system has id-mapped mounts" },
	{ "mounts.gidMappings", HOST, NULL },

	{ "hooks.prestart", HOST, NULL },
	{ "hooks.createRuntime", HOST, NULL },
	{ "hooks.createContainer", HOST, "in a mount namespace of their own" },
	{ "hooks.startContainer", AGENT,
	  "as the container's process: its user, capabilities and filter" },
	{ "hooks.poststart", HOST, NULL },
	{ "hooks.poststop", HOST, NULL },

	{ "annotations", HOST, "in `state`; org.hull.* are options of the machine" },

	{ "linux.uidMappings", AGENT, NULL },
	{ "linux.gidMappings", AGENT, NULL },
	{ "linux.sysctl", AGENT, NULL },
	{ "linux.resources.devices", AGENT, NULL },
	{ "linux.resources.memory.limit", AGENT | HOST, "and the size of the machine" },
	{ "linux.resources.memory.reservation", AGENT | HOST, NULL },
	{ "linux.resources.memory.swap", AGENT | HOST, NULL },
	{ "linux.resources.memory.kernel", ACCEPTED,
	  "a warning, as runc: Linux has no such limit any more" },
	{ "linux.resources.memory.kernelTCP", ACCEPTED, "a warning, as runc" },
	{ "linux.resources.memory.swappiness", HOST,
	  "on a host with cgroup v1; cgroup v2 has none, and runc ignores it there" },
	{ "linux.resources.memory.disableOOMKiller", HOST, V1_ONLY },
	{ "linux.resources.memory.useHierarchy", ACCEPTED,
	  "cgroup v2 always does, and runc ignores it on v1 as well" },
	{ "linux.resources.memory.checkBeforeUpdate", ACCEPTED,
	  "means something to `update` only, and there it is honoured" },
	{ "linux.resources.cpu.shares", AGENT | HOST, NULL },
	{ "linux.resources.cpu.quota", AGENT | HOST, "and the number of vCPUs" },
	{ "linux.resources.cpu.burst", AGENT | HOST, NULL },
	{ "linux.resources.cpu.period", AGENT | HOST, NULL },
	{ "linux.resources.cpu.realtimeRuntime", HOST, V1_ONLY },
	{ "linux.resources.cpu.realtimePeriod", HOST, V1_ONLY },
	{ "linux.resources.cpu.cpus", HOST,
	  "the host's CPUs: as many vCPUs, and none of them is on another one" },
	{ "linux.resources.cpu.mems", HOST, "the host's memory nodes" },
	{ "linux.resources.cpu.idle", AGENT | HOST, NULL },
	{ "linux.resources.pids", AGENT | HOST,
	  "on the host with room for hull-vmm's threads" },
	{ "linux.resources.blockIO.weight", AGENT | HOST, NULL },
	{ "linux.resources.blockIO.leafWeight", HOST, V1_ONLY },
	{ "linux.resources.blockIO.weightDevice.major", HOST, "a device of the host" },
	{ "linux.resources.blockIO.weightDevice.minor", HOST, NULL },
	{ "linux.resources.blockIO.weightDevice.weight", HOST,
	  "where its scheduler is BFQ, as runc" },
	{ "linux.resources.blockIO.weightDevice.leafWeight", HOST, V1_ONLY },
	{ "linux.resources.blockIO.throttleReadBpsDevice", HOST, "devices of the host" },
	{ "linux.resources.blockIO.throttleWriteBpsDevice", HOST, "devices of the host" },
	{ "linux.resources.blockIO.throttleReadIOPSDevice", HOST, "devices of the host" },
	{ "linux.resources.blockIO.throttleWriteIOPSDevice", HOST,
	  "devices of the host" },
	{ "linux.resources.hugepageLimits", AGENT | HOST,
	  "on the host for those who look" },
	{ "linux.resources.network", HOST, V1_ONLY },
	{ "linux.resources.rdma", HOST, "devices of the host" },
	{ "linux.resources.unified", AGENT | HOST,
	  "by the file's name: `io.*`, `rdma.*`, `dmem.*`, `misc.*` name what the host has, "
	  "and are set there; `io.weight` without devices, `cpu.weight`, `cpu.weight.nice`, "
	  "`cpu.idle`, `memory.low`, `memory.min` are set in both; `cpuset.cpus` and "
	  "`cpuset.mems` are those of `cpu`, other `cpuset.*` are refused; the rest is the "
	  "guest's; on a host with cgroup v1 it fails `create`, as with runc" },
	{ "linux.cgroupsPath", HOST,
	  "where hull's own processes go; with --systemd-cgroup as slice:prefix:name" },
	{ "linux.namespaces", AGENT | HOST, "paths only of network namespaces" },
	{ "linux.devices", AGENT, "nodes of the guest's devices" },
	{ "linux.netDevices", HOST,
	  "moved into the container's network namespace; hull-net carries them from there" },
	{ "linux.seccomp.defaultAction", AGENT, NULL },
	{ "linux.seccomp.defaultErrnoRet", AGENT, NULL },
	{ "linux.seccomp.architectures", AGENT, NULL },
	{ "linux.seccomp.flags", AGENT, NULL },
	{ "linux.seccomp.listenerPath", ACCEPTED,
	  "for SCMP_ACT_NOTIFY only, which is refused for good: its descriptor cannot "
	  "cross into the guest" },
	{ "linux.seccomp.listenerMetadata", ACCEPTED, "for the listener only" },
	{ "linux.seccomp.syscalls", AGENT, NULL },
	{ "linux.rootfsPropagation", AGENT, NULL },
	{ "linux.maskedPaths", AGENT, NULL },
	{ "linux.readonlyPaths", AGENT, NULL },
	{ "linux.mountLabel", ACCEPTED,
	  "for what is mounted for the container: that is in the guest, where nothing "
	  "has a label; the host's files have theirs, by which hull-vmm gets at them" },
	{ "linux.intelRdt", HOST, "hull-vmm with all its threads" },
	{ "linux.memoryPolicy", HOST, "of hull-vmm, whose memory is the guest's" },
	{ "linux.personality.domain", AGENT, NULL },
	{ "linux.personality.flags", ACCEPTED, "a warning, as runc: none is defined" },
	{ "linux.timeOffsets", AGENT, NULL },

	{ "vm.hypervisor.path", HOST, "another build of hull-vmm" },
	{ "vm.hypervisor.parameters", HOST, "options of the machine: oci/options.h" },
	{ "vm.kernel", HOST, NULL },
	{ "vm.image", REFUSED, NULL },
	{ "vm.hwConfig.deviceTree", REFUSED, "x86 machines have none" },
	{ "vm.hwConfig.vcpus", HOST, NULL },
	{ "vm.hwConfig.memory", HOST, NULL },
	{ "vm.hwConfig.dtdevs", REFUSED, "x86 machines have none" },
	{ "vm.hwConfig.iomems", REFUSED, NULL },
	{ "vm.hwConfig.irqs", REFUSED, NULL },
};

const struct oci_honoured *oci_honoured(size_t index)
{
	return index < ARRAY_SIZE(lines) ? &lines[index] : NULL;
}

static const struct oci_honoured *find(const char *path)
{
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		if (strcmp(lines[i].path, path) == 0)
			return &lines[i];
	return NULL;
}

/* holds() - the member says something: is not absent, 0, false or empty. */
static bool holds(const struct oci_field *field, const void *obj)
{
	const void *from = oci_member(field, obj);
	const void *inner = from;

	switch (field->kind) {
	case OCI_OPT_BOOL:
		return ((const struct oci_opt_bool *)from)->value;
	case OCI_OPT_I32:
		return ((const struct oci_opt_i32 *)from)->value != 0;
	case OCI_OPT_I64:
		return ((const struct oci_opt_i64 *)from)->value != 0;
	case OCI_OPT_U16:
		return ((const struct oci_opt_u16 *)from)->value != 0;
	case OCI_OPT_U32:
		return ((const struct oci_opt_u32 *)from)->value != 0;
	case OCI_OPT_U64:
		return ((const struct oci_opt_u64 *)from)->value != 0;
	case OCI_POINTER:
		inner = *(void *const *)from;
		if (!inner)
			return false;
		__attribute__((fallthrough));
	case OCI_OBJECT:
		for (size_t i = 0; i < field->type->n; i++)
			if (holds(&field->type->fields[i], inner))
				return true;
		return false;
	case OCI_BOOL:
	case OCI_I32:
	case OCI_I64:
	case OCI_U32:
	case OCI_U64:
	case OCI_CHAR:
	case OCI_ENUM:
	case OCI_STR:
	case OCI_STRS:
	case OCI_U32S:
	case OCI_ENUMS:
	case OCI_MAP:
	case OCI_LIST:
	case OCI_DICT:
	case OCI_KINDS:
	default:
		return oci_field_is_set(field, obj);
	}
}

static int refuse(struct err *err, const char *what)
{
	return err_msg(err, ENOTSUP, "%s is not supported", what);
}

static int check_object(const struct oci_type *type, const void *obj, struct buf *path,
			struct err *err);

/* check_inner() - what the member holds, if it has members itself. */
static int check_inner(const struct oci_field *field, const void *obj, struct buf *path,
		       struct err *err)
{
	const void *from = oci_member(field, obj);
	const struct oci_list *list = from;
	int ret = 0;

	if (field->kind == OCI_POINTER)
		return check_object(field->type, *(void *const *)from, path, err);
	if (field->kind == OCI_OBJECT)
		return check_object(field->type, from, path, err);
	if (field->kind != OCI_LIST && field->kind != OCI_DICT)
		return 0;
	for (size_t i = 0; i < list->n && ret == 0; i++)
		ret = check_object(field->type,
				   (const char *)list->v + field->type->size * i, path,
				   err);
	return ret;
}

/* check_object() - @path: of the object; the same again when it returns. */
static int check_object(const struct oci_type *type, const void *obj, struct buf *path,
			struct err *err)
{
	size_t len = path->len;
	int ret = 0;

	for (size_t i = 0; i < type->n && ret == 0; i++) {
		const struct oci_field *field = &type->fields[i];
		const struct oci_honoured *line;

		if (!holds(field, obj))
			continue;
		ret = buf_printf(path, "%s%s", len ? "." : "", field->name);
		if (ret < 0)
			return err_set(err, -ret, "check config.json");
		line = find(path->data);
		if (line && line->by & OCI_REFUSED)
			ret = refuse(err, path->data);
		else
			ret = check_inner(field, obj, path, err);
		path->len = len;
		path->data[len] = 0;
	}
	return ret;
}

/* ---- fields that are honoured, but not for every value ------------------------------ */

bool oci_honours_seccomp_action(int action)
{
	/* Its listener's descriptor cannot cross into the guest. */
	return action != OCI_ACT_NOTIFY;
}

bool oci_honours_seccomp_flag(int flag)
{
	/* libseccomp 2.5 does not know it, and it is for listeners. */
	return flag != OCI_SECCOMP_FLAG_WAIT_KILLABLE_RECV;
}

static int check_seccomp(const struct oci_seccomp *s, struct err *err)
{
	for (size_t i = 0; i < s->syscalls.n; i++)
		if (!oci_honours_seccomp_action((int)s->syscalls.v[i].action))
			return err_msg(err, ENOTSUP,
				       "linux.seccomp.syscalls[%zu].action: "
				       "SCMP_ACT_NOTIFY is not supported",
				       i);
	for (size_t i = 0; i < s->flags.n; i++)
		if (!oci_honours_seccomp_flag(s->flags.v[i]))
			return err_msg(
				err, ENOTSUP,
				"linux.seccomp.flags[%zu]: %s is not "
				"supported",
				i, oci_name_of(&oci_names_seccomp_flag, s->flags.v[i]));
	return 0;
}

static int check_unified(const struct oci_resources *r, struct err *err)
{
	for (size_t i = 0; r && i < r->unified.n; i++)
		if (unified_by(&r->unified.v[i]) & OCI_REFUSED)
			return err_msg(err, ENOTSUP,
				       "linux.resources.unified: \"%.80s\" is not "
				       "supported",
				       r->unified.v[i].key);
	return 0;
}

static int check_values(const struct oci_spec *spec, struct err *err)
{
	const struct oci_linux *l = spec->linux_;

	int ret = l && l->seccomp ? check_seccomp(l->seccomp, err) : 0;

	return ret == 0 && l ? check_unified(l->resources, err) : ret;
}

/* ---- the checks --------------------------------------------------------------------- */

int oci_check_honoured(const struct oci_spec *spec, struct err *err)
{
	auto_buf struct buf path = BUF_INIT;
	int ret = check_object(&oci_type_spec, spec, &path, err);

	if (ret == 0)
		ret = check_values(spec, err);
	return ret < 0 ? err_wrap(err, ret, "config.json") : 0;
}

int oci_check_honoured_process(const struct oci_process *process, struct err *err)
{
	auto_buf struct buf path = BUF_INIT;

	if (buf_puts(&path, "process") < 0)
		return err_set(err, ENOMEM, "check the process");
	return check_object(&oci_type_process, process, &path, err);
}

int oci_check_honoured_resources(const struct oci_resources *resources, struct err *err)
{
	auto_buf struct buf path = BUF_INIT;
	int ret;

	if (buf_puts(&path, "linux.resources") < 0)
		return err_set(err, ENOMEM, "check the resources");
	ret = check_object(&oci_type_resources, resources, &path, err);
	return ret < 0 ? ret : check_unified(resources, err);
}
