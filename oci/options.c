/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/options.h"

#include <assert.h>
#include <errno.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "oci/cgroup2.h"
#include "oci/cpu_list.h"
#include "oci/spec.h"

#define DEFAULT_BOOT_TIMEOUT_MS 60000u
#define MAX_BOOT_TIMEOUT_MS (60u * 60u * 1000u)

/* Where the value of an option comes from, for messages. */
struct source {
	struct oci_spec *spec;
	const char *place; /* "annotation ", "--set ", "vm.hypervisor.parameters: " */
	const char *given; /* the option's name as it stands there */
	const char *name; /* without "org.hull." */
	const char *value;
	struct err *err;
};

struct option {
	struct hull_option_doc doc;
	int (*apply)(const struct source *s, struct hull_options *o);
};

static int bad_value(const struct source *s, const char *expected)
{
	return err_msg(s->err, EINVAL, "%s%s=%.200s: expected %s", s->place, s->given,
		       s->value, expected);
}

static int no_memory(struct err *err)
{
	return err_set(err, ENOMEM, "read the options of the machine");
}

/* ---- values ------------------------------------------------------------------------- */

/*
 * parse_scaled() - a decimal number and one of @units (each stands for @scale times
 * the one before it, beginning with 1 for "no letter").
 */
static int parse_scaled(const char *text, const char *units, uint64_t scale,
			uint64_t *ret)
{
	uint64_t n = 0;
	uint64_t factor = 1;
	const char *p = text;
	const char *unit;

	if (*p < '0' || *p > '9')
		return -EINVAL;
	for (; *p >= '0' && *p <= '9'; p++)
		if (__builtin_mul_overflow(n, 10, &n) ||
		    __builtin_add_overflow(n, (uint64_t)(*p - '0'), &n))
			return -EINVAL;
	if (*p) {
		unit = strchr(units, *p);
		if (!unit || p[1])
			return -EINVAL;
		for (const char *u = units; u <= unit; u++)
			factor *= scale;
	}
	return __builtin_mul_overflow(n, factor, ret) ? -EINVAL : 0;
}

static int apply_path(const struct source *s, const char **ret)
{
	char *copy;

	if (s->value[0] != '/')
		return bad_value(s, "an absolute path");
	copy = oci_strdup(s->spec, s->value);
	if (!copy)
		return no_memory(s->err);
	*ret = copy;
	return 0;
}

static int apply_kernel(const struct source *s, struct hull_options *o)
{
	return apply_path(s, &o->kernel);
}

static int apply_initrd(const struct source *s, struct hull_options *o)
{
	return apply_path(s, &o->initrd);
}

static int apply_cmdline(const struct source *s, struct hull_options *o)
{
	char *copy;

	for (const char *p = s->value; *p; p++)
		if (*p < ' ' || *p == 0x7f)
			return bad_value(s, "kernel parameters on one line");
	copy = oci_strdup(s->spec, s->value);
	if (!copy)
		return no_memory(s->err);
	o->cmdline = copy;
	return 0;
}

/* apply_freeze_hooks() - ',' separates as well as ':'. */
static int apply_freeze_hooks(const struct source *s, struct hull_options *o)
{
	char *copy = oci_strdup(s->spec, s->value);
	unsigned int n = 1;

	if (!copy)
		return no_memory(s->err);
	for (char *p = copy; *p; p++) {
		if (*p == ',')
			*p = ':';
		n += *p == ':';
		if ((p == copy || p[-1] == ':') && *p != '/')
			return bad_value(s, "absolute paths, separated by ':'");
	}
	if (!*copy || copy[strlen(copy) - 1] == ':' || n > HULL_MAX_FREEZE_HOOKS)
		return bad_value(s, "1 to 32 absolute paths, separated by ':'");
	o->freeze_hooks = copy;
	return 0;
}

static int apply_vcpus(const struct source *s, struct hull_options *o)
{
	uint64_t n;

	if (parse_scaled(s->value, "", 1, &n) < 0 || n < 1 || n > HULL_MAX_VCPUS)
		return bad_value(s, "a number from 1 to 64");
	o->vcpus = (uint32_t)n;
	return 0;
}

static int take_memory(const struct source *s, uint64_t *ret)
{
	uint64_t n;

	if (parse_scaled(s->value, "KMG", 1024, &n) < 0 || n < HULL_MEMORY_MIN ||
	    n > HULL_MEMORY_MAX)
		return bad_value(s, "64M to 1024G");
	*ret = n;
	return 0;
}

static int apply_memory(const struct source *s, struct hull_options *o)
{
	return take_memory(s, &o->memory);
}

static int apply_memory_boot(const struct source *s, struct hull_options *o)
{
	return take_memory(s, &o->boot_memory);
}

static int apply_dax(const struct source *s, struct hull_options *o)
{
	uint64_t n;

	if (parse_scaled(s->value, "KMG", 1024, &n) < 0 ||
	    (n && (n < HULL_DAX_MIN || n > HULL_DAX_MAX || n & (n - 1))))
		return bad_value(s, "0, or a power of 2 from 32M to 64G");
	o->dax = n;
	return 0;
}

/* apply_word() - one of two. */
static int apply_word(const struct source *s, const char *no, const char *yes,
		      const char *expected, bool *ret)
{
	if (strcmp(s->value, no) != 0 && strcmp(s->value, yes) != 0)
		return bad_value(s, expected);
	*ret = strcmp(s->value, yes) == 0;
	return 0;
}

static int apply_net_host(const struct source *s, struct hull_options *o)
{
	return apply_word(s, "refuse", "allow", "allow or refuse", &o->allow_host_net);
}

static int apply_net_vhost(const struct source *s, struct hull_options *o)
{
	return apply_word(s, "on", "off", "on or off", &o->no_vhost);
}

static int apply_template(const struct source *s, struct hull_options *o)
{
	return apply_word(s, "on", "off", "on or off", &o->no_template);
}

static int apply_template_group(const struct source *s, struct hull_options *o)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789_.-";
	size_t len = strlen(s->value);
	char *copy;

	if (len < 1 || len > HULL_TEMPLATE_GROUP_MAX || strspn(s->value, allowed) != len)
		return bad_value(s, "1 to 32 letters, digits, '_', '.' or '-'");
	copy = oci_strdup(s->spec, s->value);
	if (!copy)
		return no_memory(s->err);
	o->template_group = copy;
	return 0;
}

/* apply_rate() - powers of 1000, as everybody counts bits. */
static int apply_rate(const struct source *s, uint64_t *ret)
{
	uint64_t n = 0;

	if (strcmp(s->value, "none") != 0 &&
	    (parse_scaled(s->value, "KMGT", 1000, &n) < 0 || n < HULL_NET_RATE_MIN ||
	     n > HULL_NET_RATE_MAX))
		return bad_value(s, "none, or 64K to 1T bits per second");
	*ret = n;
	return 0;
}

static int apply_net_rx(const struct source *s, struct hull_options *o)
{
	return apply_rate(s, &o->net.rx);
}

static int apply_net_tx(const struct source *s, struct hull_options *o)
{
	return apply_rate(s, &o->net.tx);
}

static int apply_net_antispoof(const struct source *s, struct hull_options *o)
{
	return apply_word(s, "off", "on", "on or off", &o->net.antispoof);
}

static int apply_boot_timeout(const struct source *s, struct hull_options *o)
{
	uint64_t n;

	if (parse_scaled(s->value, "", 1, &n) < 0 || n < 1 ||
	    n > MAX_BOOT_TIMEOUT_MS / 1000)
		return bad_value(s, "1 to 3600 seconds");
	o->boot_timeout_ms = (uint32_t)(n * 1000);
	return 0;
}

static_assert(HULL_MAX_FREEZE_HOOKS == 32 && HULL_MAX_VCPUS == 64 &&
		      HULL_TEMPLATE_GROUP_MAX == 32 &&
		      HULL_MEMORY_MIN == 64ull << 20 && HULL_MEMORY_MAX == 1024ull << 30,
	      "the messages above say so");
static_assert(HULL_NET_RATE_MIN == 64000 && HULL_NET_RATE_MAX == 1000000000000,
	      "the message above says so");

static const struct option options[] = {
	{ { "boot-timeout", "SECONDS", "60",
	    "how long the guest may take from its first instruction until its agent "
	    "answers" },
	  apply_boot_timeout },
	{ { "cmdline", "TEXT", "nothing",
	    "added to the end of the guest kernel's command line, behind "
	    "vm.kernel.parameters" },
	  apply_cmdline },
	{ { "freeze.hooks", "PATHS", "none",
	    "programs in the container, separated by ':', that are called with `freeze` "
	    "before its file systems are frozen and with `thaw` afterwards" },
	  apply_freeze_hooks },
	{ { "fs.dax", "BYTES", "256M",
	    "of each of the two windows through which the guest maps files of 4 MiB and "
	    "more from the host's page cache; 0 for none" },
	  apply_dax },
	{ { "initrd", "PATH", "vm.kernel.initrd, or hull's own",
	    "initramfs for the guest; it must hold hull's agent as /init" },
	  apply_initrd },
	{ { "kernel", "PATH", "vm.kernel.path, or hull's own",
	    "guest kernel: an ELF vmlinux or a bzImage" },
	  apply_kernel },
	{ { "memory", "BYTES",
	    "vm.hwConfig.memory, or linux.resources.memory.limit + 64 MiB + 2 %, or half "
	    "of the host's memory (at least 256 MiB, at most 4 GiB)",
	    "the guest's memory, with K, M or G; the host pays for what the guest "
	    "uses" },
	  apply_memory },
	{ { "memory.boot", "BYTES",
	    "128M, or all of it with another kernel than hull's own",
	    "what of it the guest has when it starts; the rest is plugged when the "
	    "container needs it" },
	  apply_memory_boot },
	{ { "net.antispoof", "on|off", "off",
	    "whether frames of the container pass only from its interface's hardware "
	    "address and the addresses that its network namespace has on the host, in "
	    "IPv4, ARP, IPv6 and neighbour discovery; other protocols then do not; "
	    "`update` changes it" },
	  apply_net_antispoof },
	{ { "net.host", "allow|refuse", "refuse",
	    "what becomes of a container that is to have the host's network: with allow "
	    "it has the loopback interface only" },
	  apply_net_host },
	{ { "net.rx", "RATE", "none",
	    "what each interface may receive: bits per second, with K, M, G or T (powers "
	    "of 1000), 64K to 1T, or none; `update` changes it" },
	  apply_net_rx },
	{ { "net.tx", "RATE", "none",
	    "what each interface may send; beyond it packets are dropped" },
	  apply_net_tx },
	{ { "net.vhost", "on|off", "on",
	    "whether the host's kernel moves network packets (/dev/vhost-net, where it is "
	    "there) or hull-vmm does" },
	  apply_net_vhost },
	{ { "template", "on|off", "on",
	    "whether the machine goes on from one that has booted and was saved (and is "
	    "saved so itself, if there is none), instead of booting" },
	  apply_template },
	{ { "template.group", "NAME", "the group without a name",
	    "whose saved machines it may go on from and its own is for: those of its "
	    "group only, and no memory is shared with another" },
	  apply_template_group },
	{ { "vcpus", "NUMBER",
	    "vm.hwConfig.vcpus, or as many as linux.resources.cpu's quota and cpus need, "
	    "or the host's CPUs (at most 64)",
	    "virtual CPUs, 1 to 64" },
	  apply_vcpus },
};

const struct hull_option_doc *hull_option_doc(size_t index)
{
	return index < ARRAY_SIZE(options) ? &options[index].doc : NULL;
}

/* ---- places ------------------------------------------------------------------------- */

/* is_live() - those that can be changed while the container runs; they need no spec. */
static bool is_live(const struct option *o)
{
	return o->apply == apply_net_rx || o->apply == apply_net_tx ||
	       o->apply == apply_net_antispoof;
}

/* find() - NULL: there is no such option. */
static const struct option *find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(options); i++)
		if (strcmp(options[i].doc.name, name) == 0)
			return &options[i];
	return NULL;
}

static int apply(const struct source *s, struct hull_options *o)
{
	const struct option *option = find(s->name);

	if (!option)
		return err_msg(s->err, EINVAL, "%s'%.80s' is no option", s->place,
			       s->given);
	return option->apply(s, o);
}

/* unprefixed() - @name without "org.hull." if it has it. */
static const char *unprefixed(const char *name)
{
	size_t len = strlen(HULL_ANNOTATION_PREFIX);

	return strncmp(name, HULL_ANNOTATION_PREFIX, len) == 0 ? name + len : name;
}

/* apply_pair() - @pair: "key=value". */
static int apply_pair(struct oci_spec *spec, const char *place, const char *pair,
		      struct hull_options *o, struct err *err)
{
	const char *sep = strchr(pair, '=');
	struct source s = { .spec = spec, .place = place, .err = err };

	if (!sep || sep == pair)
		return err_msg(err, EINVAL, "%s%.200s: expected KEY=VALUE", place, pair);
	s.given = arena_strndup(&spec->arena, pair, (size_t)(sep - pair));
	if (!s.given)
		return no_memory(err);
	s.name = unprefixed(s.given);
	s.value = sep + 1;
	return apply(&s, o);
}

/* join_parameters() - as the kernel splits them again: with quotes where needed. */
static int join_parameters(struct oci_spec *spec, const struct oci_strings *list,
			   const char **ret, struct err *err)
{
	auto_buf struct buf b = BUF_INIT;

	for (size_t i = 0; i < list->n; i++) {
		const char *text = list->v[i];
		bool spaces = strchr(text, ' ') != NULL;

		for (const char *p = text; *p; p++)
			if (*p < ' ' || *p == 0x7f || (spaces && *p == '"'))
				return err_msg(err, EINVAL,
					       "config.json: vm.kernel.parameters[%zu]: "
					       "\"%.200s\" cannot be written on a kernel "
					       "command line",
					       i, text);
		(void)buf_printf(&b, "%s%s%s%s", b.len ? " " : "", spaces ? "\"" : "",
				 text, spaces ? "\"" : "");
	}
	if (b.len)
		*ret = oci_strdup(spec, b.data);
	return buf_ok(&b) < 0 || (b.len && !*ret) ? no_memory(err) : 0;
}

static int apply_hw_config(const struct oci_vm_hw_config *hw, struct hull_options *o,
			   struct err *err)
{
	if (hw->vcpus.set && hw->vcpus.value) {
		if (hw->vcpus.value > HULL_MAX_VCPUS)
			return err_msg(
				err, EINVAL,
				"config.json: vm.hwConfig.vcpus: %u is not between 1 "
				"and %u",
				hw->vcpus.value, HULL_MAX_VCPUS);
		o->vcpus = hw->vcpus.value;
	}
	if (hw->memory.set && hw->memory.value) {
		if (hw->memory.value < HULL_MEMORY_MIN ||
		    hw->memory.value > HULL_MEMORY_MAX)
			return err_msg(err, EINVAL,
				       "config.json: vm.hwConfig.memory: %llu is not "
				       "between %llu and %llu",
				       (unsigned long long)hw->memory.value,
				       HULL_MEMORY_MIN, HULL_MEMORY_MAX);
		o->memory = hw->memory.value;
	}
	return 0;
}

/* apply_vm() - @ret_parameters: vm.kernel.parameters as one text, or NULL. */
static int apply_vm(struct oci_spec *spec, struct hull_options *o,
		    const char **ret_parameters, struct err *err)
{
	const struct oci_vm *vm = spec->vm;
	int ret = 0;

	if (vm->hypervisor)
		o->hypervisor = vm->hypervisor->path;
	if (vm->kernel) {
		o->kernel = vm->kernel->path;
		o->initrd = vm->kernel->initrd;
		ret = join_parameters(spec, &vm->kernel->parameters, ret_parameters, err);
	}
	if (ret == 0 && vm->hw_config)
		ret = apply_hw_config(vm->hw_config, o, err);
	for (size_t i = 0; ret == 0 && vm->hypervisor && i < vm->hypervisor->parameters.n;
	     i++)
		ret = apply_pair(spec, "config.json: vm.hypervisor.parameters: ",
				 vm->hypervisor->parameters.v[i], o, err);
	return ret;
}

static int apply_annotations(struct oci_spec *spec, struct hull_options *o,
			     struct err *err)
{
	int ret = 0;

	for (size_t i = 0; i < spec->annotations.n && ret == 0; i++) {
		const struct oci_pair *pair = &spec->annotations.v[i];
		struct source s = { .spec = spec,
				    .place = "config.json: annotation ",
				    .given = pair->key,
				    .name = unprefixed(pair->key),
				    .value = pair->value,
				    .err = err };

		if (s.name != pair->key)
			ret = apply(&s, o);
	}
	return ret;
}

/* ---- sizes -------------------------------------------------------------------------- */

static uint32_t default_vcpus(const struct oci_spec *spec, const struct hull_host *host)
{
	const struct oci_resources *res = spec->linux_ ? spec->linux_->resources : NULL;
	const struct oci_cpu *cpu = res ? res->cpu : NULL;
	uint64_t n = host->cpus;

	if (cpu && cpu->quota.set && cpu->quota.value > 0) {
		uint64_t quota = (uint64_t)cpu->quota.value;
		uint64_t period = cgroup_cpu_period(cpu);
		uint64_t needed = quota / period + (quota % period != 0);

		n = needed < n ? needed : n;
	}
	if (cpu && cpu->cpus) {
		int listed = oci_cpu_list(cpu->cpus, NULL);

		if (listed > 0 && (uint64_t)listed < n)
			n = (uint64_t)listed;
	}
	n = n < HULL_MAX_VCPUS ? n : HULL_MAX_VCPUS;
	return n ? (uint32_t)n : 1;
}

static uint64_t default_memory(const struct oci_spec *spec, const struct hull_host *host)
{
	const struct oci_resources *res = spec->linux_ ? spec->linux_->resources : NULL;
	const struct oci_memory *memory = res ? res->memory : NULL;
	uint64_t n;

	if (memory && memory->limit.set && memory->limit.value > 0) {
		uint64_t limit = (uint64_t)memory->limit.value;

		if (limit < HULL_MEMORY_MAX) {
			n = limit + limit / 100 * HULL_RESERVE_PERCENT +
			    HULL_RESERVE_BYTES;
			/* A limit beyond what the host has limits nothing. */
			if (n <= host->memory)
				return n;
		}
	}
	n = host->memory / 2;
	n = n < HULL_MEMORY_DEFAULT_MAX ? n : HULL_MEMORY_DEFAULT_MAX;
	return n > HULL_MEMORY_DEFAULT_MIN ? n : HULL_MEMORY_DEFAULT_MIN;
}

/* ---- all together ------------------------------------------------------------------- */

int hull_options_load_for(struct oci_spec *spec, const char *const *set, size_t n_set,
			  const struct hull_host *host, struct hull_options *ret,
			  struct err *err)
{
	struct hull_options o = { .boot_timeout_ms = DEFAULT_BOOT_TIMEOUT_MS,
				  .dax = HULL_DAX_DEFAULT };
	const char *parameters = NULL;
	int r = 0;

	if (spec->vm)
		r = apply_vm(spec, &o, &parameters, err);
	if (r == 0)
		r = apply_annotations(spec, &o, err);
	for (size_t i = 0; i < n_set && r == 0; i++)
		r = apply_pair(spec, "--set ", set[i], &o, err);
	if (r < 0)
		return r;
	if (parameters && o.cmdline)
		o.cmdline = arena_printf(&spec->arena, "%s %s", parameters, o.cmdline);
	else if (parameters)
		o.cmdline = parameters;
	if (parameters && !o.cmdline)
		return no_memory(err);
	if (!o.vcpus)
		o.vcpus = default_vcpus(spec, host);
	if (!o.memory)
		o.memory = default_memory(spec, host);
	o.memory = (o.memory + HULL_MEMORY_ALIGN - 1) & ~(HULL_MEMORY_ALIGN - 1);
	o.boot_memory =
		(o.boot_memory + HULL_MEMORY_ALIGN - 1) & ~(HULL_MEMORY_ALIGN - 1);
	*ret = o;
	return 0;
}

int hull_options_change(const char *const *set, size_t n_set,
			struct hull_net_options *net, struct err *err)
{
	struct hull_options o = { .net = *net };
	int ret = 0;

	for (size_t i = 0; ret == 0 && i < n_set; i++) {
		const char *sep = strchr(set[i], '=');
		struct source s = { .place = "--set ", .err = err };
		const struct option *option;
		char name[64];

		if (!sep || (size_t)(sep - set[i]) >= sizeof(name))
			continue;
		memcpy(name, set[i], (size_t)(sep - set[i]));
		name[sep - set[i]] = 0;
		s.given = name;
		s.name = unprefixed(name);
		s.value = sep + 1;
		option = find(s.name);
		if (option && is_live(option))
			ret = option->apply(&s, &o);
	}
	*net = o.net;
	return ret;
}

int hull_options_load(struct oci_spec *spec, const char *const *set, size_t n_set,
		      struct hull_options *ret, struct err *err)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	long pages = sysconf(_SC_PHYS_PAGES);
	long page_size = sysconf(_SC_PAGESIZE);
	struct hull_host host = { .cpus = 1 };

	if (cpus > 0)
		host.cpus = (uint32_t)cpus;
	if (pages > 0 && page_size > 0)
		host.memory = (uint64_t)pages * (uint64_t)page_size;
	return hull_options_load_for(spec, set, n_set, &host, ret, err);
}
