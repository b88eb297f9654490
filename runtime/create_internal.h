/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of `create` share: create.c (what is made, in its order), create_sync.c
 * (the conversation with hull-vmm until the container stands) and create_restore.c.
 */
#ifndef HULL_RUNTIME_CREATE_INTERNAL_H
#define HULL_RUNTIME_CREATE_INTERNAL_H

#include <stdbool.h>

#include "lib/buf.h"
#include "runtime/create.h"
#include "runtime/launch.h"
#include "runtime/preserved_fds.h"
#include "runtime/systemd_client.h"
#include "runtime/template.h"
#include "vmm/snapshot/image.h"

struct container;
struct err;
struct oci_spec;
struct vm_config;

/* Everything that lives while a container is being created. */
struct creation {
	const struct create_params *params;
	struct container *container; /* owned */
	struct oci_spec *spec; /* owned; rewritten for the guest on the way */
	struct vm_config *config; /* owned, with its descriptors */
	struct launch_params launch;
	struct systemd_call holder; /* of the cgroup, until hull-vmm is in it */
	int vmm_fd; /* the program */
	int sync; /* our end of the sync socket */
	int vmm_sync; /* hull-vmm's end */
	int pidfd;
	int tty; /* of the caller, for a container in the foreground */
	struct template_use templates;
	struct preserved_fds preserved; /* owned by config once it has them */
	const char *freeze_hooks; /* the option, or NULL */
	bool no_template; /* the option */
	const char *template_group; /* the option, or NULL */
	struct buf guest_spec; /* the JSON for the agent */
	struct image_machine image; /* with params->image_path: what was saved */
};

/* create_await() - answer hull-vmm, and run the hooks, until the container stands. */
int create_await(struct creation *cr, struct err *err);
/* create_keep() - tell hull-vmm that nothing is left to be done that may fail: from now on
 * the container outlives us. */
int create_keep(struct creation *cr, struct err *err);

/* ---- a machine that was saved (create_restore.c): nothing to do without one --------- */

/* create_restore_open() - what there is to restore, before anything is made. */
int create_restore_open(struct creation *cr, struct err *err);

/* create_restore_labels() - those that --lsm-profile gives, in place of config.json's. */
int create_restore_labels(struct creation *cr, struct err *err);

/*
 * create_restore_machine() - the machine as it was saved, in place of the one that
 * config.json asks for; with the kernel and initramfs that it was started with.
 */
int create_restore_machine(struct creation *cr, struct err *err);

/* create_restore_check() - what the container had it has again: roots, terminal,
 * descriptors. */
int create_restore_check(struct creation *cr, struct err *err);

/* create_restore_verify() - the memory that was saved is whole. */
int create_restore_verify(struct creation *cr, struct err *err);

#endif
