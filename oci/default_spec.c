/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/default_spec.h"

#include <errno.h>
#include <sys/resource.h>

#include "lib/err.h"
#include "oci/spec.h"
#include "oci/validate.h"

#define MAX_OPTIONS 6

struct default_mount {
	const char *destination;
	const char *type;
	const char *source;
	const char *options[MAX_OPTIONS + 1];
};

static const struct default_mount mounts[] = {
	{ "/proc", "proc", "proc", { NULL } },
	{ "/dev",
	  "tmpfs",
	  "tmpfs",
	  { "nosuid", "strictatime", "mode=755", "size=65536k" } },
	{ "/dev/pts",
	  "devpts",
	  "devpts",
	  { "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5" } },
	{ "/dev/shm",
	  "tmpfs",
	  "shm",
	  { "nosuid", "noexec", "nodev", "mode=1777", "size=65536k" } },
	{ "/dev/mqueue", "mqueue", "mqueue", { "nosuid", "noexec", "nodev" } },
	{ "/sys", "sysfs", "sysfs", { "nosuid", "noexec", "nodev", "ro" } },
	{ "/sys/fs/cgroup",
	  "cgroup",
	  "cgroup",
	  { "nosuid", "noexec", "nodev", "relatime", "ro" } },
};

static const char *const args[] = { "sh", NULL };

static const char *const env[] = {
	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	"TERM=xterm",
	NULL,
};

static const char *const capabilities[] = {
	"CAP_AUDIT_WRITE",
	"CAP_KILL",
	"CAP_NET_BIND_SERVICE",
	NULL,
};

static const char *const masked_paths[] = {
	"/proc/acpi",
	"/proc/asound",
	"/proc/kcore",
	"/proc/keys",
	"/proc/latency_stats",
	"/proc/timer_list",
	"/proc/timer_stats",
	"/proc/sched_debug",
	"/sys/firmware",
	"/proc/scsi",
	NULL,
};

static const char *const readonly_paths[] = {
	"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger", NULL,
};

static const enum oci_ns_type namespaces[] = {
	OCI_NS_PID, OCI_NS_NETWORK, OCI_NS_IPC, OCI_NS_UTS, OCI_NS_MOUNT, OCI_NS_CGROUP,
};

/* add_all() - copies of the strings of @from, which ends in NULL. */
static int add_all(struct oci_spec *spec, struct oci_strings *list,
		   const char *const *from)
{
	for (; *from; from++)
		if (oci_strings_add(spec, list, *from) < 0)
			return -ENOMEM;
	return 0;
}

static int fill_process(struct oci_spec *spec, struct oci_process *p)
{
	struct oci_rlimit *limit = oci_list_add(spec, &p->rlimits);

	p->terminal = true;
	p->cwd = oci_strdup(spec, "/");
	p->no_new_privileges = true;
	p->capabilities = oci_alloc(spec, sizeof(*p->capabilities));
	if (!p->cwd || !p->capabilities || !limit)
		return -ENOMEM;
	*limit = (struct oci_rlimit){ RLIMIT_NOFILE, 1024, 1024 };
	if (add_all(spec, &p->args, args) < 0 || add_all(spec, &p->env, env) < 0 ||
	    add_all(spec, &p->capabilities->bounding, capabilities) < 0 ||
	    add_all(spec, &p->capabilities->effective, capabilities) < 0 ||
	    add_all(spec, &p->capabilities->permitted, capabilities) < 0)
		return -ENOMEM;
	return 0;
}

static int fill_mounts(struct oci_spec *spec)
{
	for (size_t i = 0; i < ARRAY_SIZE(mounts); i++) {
		struct oci_mount *m = oci_list_add(spec, &spec->mounts);

		if (!m)
			return -ENOMEM;
		m->destination = oci_strdup(spec, mounts[i].destination);
		m->type = oci_strdup(spec, mounts[i].type);
		m->source = oci_strdup(spec, mounts[i].source);
		if (!m->destination || !m->type || !m->source ||
		    add_all(spec, &m->options, mounts[i].options) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int fill_linux(struct oci_spec *spec, struct oci_linux *l)
{
	struct oci_device_rule *rule;

	l->resources = oci_alloc(spec, sizeof(*l->resources));
	if (!l->resources)
		return -ENOMEM;
	rule = oci_list_add(spec, &l->resources->devices);
	if (!rule)
		return -ENOMEM;
	rule->access = oci_strdup(spec, "rwm"); /* everything is denied */
	if (!rule->access)
		return -ENOMEM;
	for (size_t i = 0; i < ARRAY_SIZE(namespaces); i++) {
		struct oci_namespace *ns = oci_list_add(spec, &l->namespaces);

		if (!ns)
			return -ENOMEM;
		ns->type = namespaces[i];
	}
	if (add_all(spec, &l->masked_paths, masked_paths) < 0 ||
	    add_all(spec, &l->readonly_paths, readonly_paths) < 0)
		return -ENOMEM;
	return 0;
}

static int fill(struct oci_spec *spec)
{
	spec->oci_version = oci_strdup(spec, OCI_VERSION_MAX);
	spec->process = oci_alloc(spec, sizeof(*spec->process));
	spec->root = oci_alloc(spec, sizeof(*spec->root));
	spec->hostname = oci_strdup(spec, "hull");
	spec->linux_ = oci_alloc(spec, sizeof(*spec->linux_));
	if (!spec->oci_version || !spec->process || !spec->root || !spec->hostname ||
	    !spec->linux_)
		return -ENOMEM;
	spec->root->path = oci_strdup(spec, "rootfs");
	spec->root->readonly = true;
	if (!spec->root->path || fill_process(spec, spec->process) < 0 ||
	    fill_mounts(spec) < 0 || fill_linux(spec, spec->linux_) < 0)
		return -ENOMEM;
	return 0;
}

int oci_default_spec(struct oci_spec **ret, struct err *err)
{
	auto_oci_spec struct oci_spec *spec = oci_spec_new();

	if (!spec || fill(spec) < 0)
		return err_set(err, ENOMEM, "make the default configuration");
	*ret = take_ptr(&spec);
	return 0;
}
