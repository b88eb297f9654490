/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The machine of a container: the OCI `vm` object and hull's own options.
 *
 * An option is given, each place overriding the ones before it, as
 *	vm.kernel, vm.hwConfig			their own fields
 *	vm.hypervisor.parameters		"vcpus=2"
 *	annotations				"org.hull.vcpus": "2"
 *	hull --set vcpus=2			(or --set org.hull.vcpus=2)
 * One table (oci/options.c) has names, defaults and the text of the man page.  An
 * unknown option, in any of these places, is an error.
 */
#ifndef HULL_OCI_OPTIONS_H
#define HULL_OCI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct oci_spec;

#define HULL_ANNOTATION_PREFIX "org.hull."

#define HULL_MAX_VCPUS 64u
#define HULL_MAX_FREEZE_HOOKS 32u
#define HULL_TEMPLATE_GROUP_MAX 32u /* (bytes) */

/* Guest memory beyond the container's limit: kernel, agent, page tables. */
#define HULL_RESERVE_BYTES (64ull << 20)
#define HULL_RESERVE_PERCENT 2u

/* Without a limit: half of the host's memory, within these bounds. */
#define HULL_MEMORY_DEFAULT_MIN (256ull << 20)
#define HULL_MEMORY_DEFAULT_MAX (4ull << 30)

#define HULL_MEMORY_MIN (64ull << 20)
#define HULL_MEMORY_MAX (1ull << 40)
#define HULL_MEMORY_ALIGN (2ull << 20)

/*
 * What a guest of hull's own kernel starts with; the rest comes when it is needed.
 */
#define HULL_BOOT_MEMORY (128ull << 20)
/* Less is there from the start: page structs are made for 128 MiB at a time. */
#define HULL_GROW_MIN (32ull << 20)

/*
 * The DAX window of a virtio-fs device.  Linux maps 2 MiB at once, and one instruction
 * may need six pages of six files before it gets on.
 */
#define HULL_DAX_DEFAULT (256ull << 20)
#define HULL_DAX_MIN (32ull << 20)
#define HULL_DAX_MAX (64ull << 30)

/* What may pass each network interface, and can be changed while the container runs. */
struct hull_net_options {
	uint64_t rx; /* (bits/s) that the container receives; 0: no limit */
	uint64_t tx; /* (bits/s) that it sends; 0: no limit */
	bool antispoof; /* from its own addresses only */
};

#define HULL_NET_RATE_MIN 64000ull /* (bits/s) */
#define HULL_NET_RATE_MAX 1000000000000ull

struct hull_options {
	/* Strings live as long as the spec. */
	const char *hypervisor; /* path of hull-vmm; NULL: the installed one */
	const char *kernel; /* path; NULL: hull's own */
	const char *initrd; /* path; NULL: hull's own */
	const char *cmdline; /* added to the kernel's command line; NULL: nothing */
	const char *freeze_hooks; /* paths in the container, ':' between; NULL: none */
	uint32_t vcpus; /* 1..HULL_MAX_VCPUS */
	uint32_t boot_timeout_ms;
	uint64_t dax; /* (bytes) of each DAX window: a power of 2, or 0 */
	bool no_vhost; /* hull-vmm moves the packets itself */
	bool no_template; /* it boots, whatever is there */
	const char *template_group; /* whose templates; NULL: those without a name */
	bool allow_host_net; /* no network in place of the host's */
	struct hull_net_options net;
	uint64_t memory; /* (bytes) of guest RAM, a multiple of HULL_MEMORY_ALIGN */
	uint64_t boot_memory; /* (bytes) of it that the guest starts with, likewise; 0: nobody
			       * said how much */
};

/*
 * hull_options_change() - those of @set that can be changed while a container runs.  The
 * others are of no account, as callers give the same --set to each command.
 * @net: what holds; changed, also when it fails
 * Return: 0; -EINVAL with the value; -ENOMEM
 */
int hull_options_change(const char *const *set, size_t n_set,
			struct hull_net_options *net, struct err *err);

/* What the sizes are made from when nobody gives them. */
struct hull_host {
	uint32_t cpus; /* online */
	uint64_t memory; /* (bytes) */
};

/*
 * hull_options_load() - the options of a container on this host.
 * @set: "key=value" as given to --set, in order
 * Return: 0; -EINVAL with place and value; -ENOMEM
 */
int hull_options_load(struct oci_spec *spec, const char *const *set, size_t n_set,
		      struct hull_options *ret, struct err *err);

/* hull_options_load_for() - the same for a @host that the caller describes. */
int hull_options_load_for(struct oci_spec *spec, const char *const *set, size_t n_set,
			  const struct hull_host *host, struct hull_options *ret,
			  struct err *err);

/* One line of the table, for help and the man page. */
struct hull_option_doc {
	const char *name; /* without the prefix */
	const char *value; /* "BYTES", "PATH", ... */
	const char *fallback; /* what holds without it, in words */
	const char *text;
};

/* hull_option_doc() - NULL past the last. */
const struct hull_option_doc *hull_option_doc(size_t index);

#endif
