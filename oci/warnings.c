/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/buf.h"
#include "oci/spec.h"
#include "oci/validate.h"

/* warn_capabilities() - the unknown ones of one set. */
static void warn_capabilities(const char *set, const struct oci_strings *names,
			      struct buf *lines)
{
	for (size_t i = 0; i < names->n; i++)
		if (oci_capability(names->v[i]) < 0)
			(void)buf_printf(lines,
					 "process.capabilities.%s: ignoring unknown or "
					 "unavailable capabilities: [%s]\n",
					 set, names->v[i]);
}

/* warn_ambient() - those that cannot be raised (capabilities(7), "Ambient"). */
static void warn_ambient(const struct oci_capabilities *c, struct buf *lines)
{
	for (size_t i = 0; i < c->ambient.n; i++) {
		const char *name = c->ambient.v[i];

		if (oci_capability(name) >= 0 &&
		    !(oci_strings_has(&c->permitted, name) &&
		      oci_strings_has(&c->inheritable, name)))
			(void)buf_printf(lines,
					 "process.capabilities.ambient: can't raise "
					 "ambient capability %s: it is not both "
					 "permitted and inheritable\n",
					 name);
	}
}

static void warn_process(const struct oci_process *p, struct buf *lines)
{
	const struct oci_capabilities *c = p->capabilities;

	if (c) {
		warn_capabilities("bounding", &c->bounding, lines);
		warn_capabilities("effective", &c->effective, lines);
		warn_capabilities("inheritable", &c->inheritable, lines);
		warn_capabilities("permitted", &c->permitted, lines);
		warn_capabilities("ambient", &c->ambient, lines);
		warn_ambient(c, lines);
	}
	if (p->apparmor_profile)
		(void)buf_printf(lines,
				 "process.apparmorProfile: \"%s\" is not applied: the "
				 "container's processes are confined by their VM\n",
				 p->apparmor_profile);
}

static void warn_memory(const struct oci_memory *m, struct buf *lines)
{
	if (m->kernel.set || m->kernel_tcp.set)
		(void)buf_puts(lines,
			       "linux.resources.memory: Kernel memory settings are "
			       "ignored and will be removed\n");
}

static void warn_v1_only(bool given, const char *field, struct buf *lines)
{
	if (given)
		(void)buf_printf(lines, "linux.resources.%s: ignored, cgroup v2 has none\n",
				 field);
}

/* warn_cgroup2() - what only a host with cgroup v1 can do. */
static void warn_cgroup2(const struct oci_resources *r, struct buf *lines)
{
	const struct oci_memory *m = r->memory;
	const struct oci_cpu *c = r->cpu;
	const struct oci_block_io *b = r->block_io;
	bool leaf = b && b->leaf_weight.set && b->leaf_weight.value;

	for (size_t i = 0; b && i < b->weight_device.n; i++)
		leaf |= b->weight_device.v[i].leaf_weight.set &&
			b->weight_device.v[i].leaf_weight.value;
	warn_v1_only(m && m->disable_oom_killer.value, "memory.disableOOMKiller", lines);
	warn_v1_only(c && c->realtime_runtime.value, "cpu.realtimeRuntime", lines);
	warn_v1_only(c && c->realtime_period.value, "cpu.realtimePeriod", lines);
	warn_v1_only(leaf, "blockIO: leafWeight", lines);
	warn_v1_only(r->network && (r->network->class_id.value || r->network->priorities.n),
		     "network", lines);
}

static void warn_resources(const struct oci_resources *r, bool cgroup1, struct buf *lines)
{
	for (size_t i = 0; i < r->devices.n; i++) {
		const char *access = r->devices.v[i].access;

		if (access && access[strspn(access, "rwm")])
			(void)buf_printf(lines,
					 "linux.resources.devices[%zu].access: ignoring "
					 "other letters than rwm in \"%.80s\"\n",
					 i, access);
	}
	if (r->memory)
		warn_memory(r->memory, lines);
	if (!cgroup1)
		warn_cgroup2(r, lines);
}

int oci_warnings(const struct oci_spec *spec, bool cgroup1, struct buf *lines)
{
	const struct oci_linux *l = spec->linux_;

	if (spec->process)
		warn_process(spec->process, lines);
	for (size_t i = 0; i < spec->mounts.n; i++)
		if (spec->mounts.v[i].relative)
			(void)buf_printf(lines,
					 "mounts[%zu]: mount destination %s is not "
					 "absolute. Support for non-absolute mount "
					 "destinations will be removed in a future "
					 "release.\n",
					 i, spec->mounts.v[i].destination + 1);
	if (l && l->personality && l->personality->flags.n)
		(void)buf_puts(lines, "linux.personality.flags: ignoring unsupported "
				      "personality flags\n");
	if (l && l->resources)
		warn_resources(l->resources, cgroup1, lines);
	return buf_ok(lines);
}
