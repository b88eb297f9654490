/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linux.intelRdt: the share of the processor's caches and of its memory bandwidth, a folder
 * of the resctrl file system for hull-vmm (OCI runtime-spec 1.3 config-linux.md#intelrdt;
 * Linux Documentation/arch/x86/resctrl.rst).
 *
 * Calling sequence: intel_rdt_check() at first, intel_rdt_create() makes the groups,
 * intel_rdt_enter() is hull-vmm's before it has threads, which begin where their maker is,
 * intel_rdt_remove() after its end.
 */
#ifndef HULL_RUNTIME_INTEL_RDT_H
#define HULL_RUNTIME_INTEL_RDT_H

#include <limits.h>

struct arena;
struct buf;
struct err;
struct json_writer;
struct oci_intel_rdt;

/* struct intel_rdt - a container's groups, absolute paths; all NULL: it has none. */
struct intel_rdt {
	char *root; /* where resctrl is mounted */
	char *group; /* its class of service */
	char *monitor; /* its monitoring group, or NULL */
	char *remove; /* which of the two goes with the container, or NULL */
};

/* intel_rdt_root() - where the host has resctrl mounted; 0 or -ENOENT. */
int intel_rdt_root(char ret[PATH_MAX]);

/*
 * intel_rdt_check() - can a container have @config (may be NULL)?
 * @root: resctrl's folder; NULL: there is none
 * Return: 0; -ENOTSUP with runc's words
 */
int intel_rdt_check(const char *root, const struct oci_intel_rdt *config,
		    struct err *err);

/* intel_rdt_check_host() - the same with the host's resctrl. */
int intel_rdt_check_host(const struct oci_intel_rdt *config, struct err *err);

/*
 * intel_rdt_create() - make, or find, the groups and give them their shares.
 * @ret: strings in @arena
 * Return: 0; -errno, and what was made is gone again
 */
int intel_rdt_create(const char *root, const struct oci_intel_rdt *config, const char *id,
		     struct arena *arena, struct intel_rdt *ret, struct err *err);

/* intel_rdt_create_on_host() - the same with the host's resctrl. */
int intel_rdt_create_on_host(const struct oci_intel_rdt *config, const char *id,
			     struct arena *arena, struct intel_rdt *ret, struct err *err);

/* intel_rdt_enter() - put the calling thread into them; 0 or -errno. */
int intel_rdt_enter(const struct intel_rdt *rdt, struct err *err);

/*
 * intel_rdt_check_update() - as intel_rdt_check(), for the options of `update`.
 * @l3, @mb: the new lines, or NULL
 */
int intel_rdt_check_update(const char *root, const struct intel_rdt *rdt, const char *l3,
			   const char *mb, struct err *err);

/*
 * intel_rdt_change() - other shares.
 * @saved: gets those that it had, for intel_rdt_put_back()
 */
int intel_rdt_change(const struct intel_rdt *rdt, const char *l3, const char *mb,
		     struct buf *saved, struct err *err);

/* intel_rdt_put_back() - nothing, where @saved is empty. */
void intel_rdt_put_back(const struct intel_rdt *rdt, const struct buf *saved);

/* intel_rdt_remove() - what create made; 0 or -errno. */
int intel_rdt_remove(const struct intel_rdt *rdt, struct err *err);

/* intel_rdt_put() - the members that `events` shows of them, as runc names them. */
void intel_rdt_put(struct json_writer *w, const struct intel_rdt *rdt);

#endif
