/* SPDX-License-Identifier: Apache-2.0 */
/* What the files about templates share: template.c (create's part) and template_files.c
 * (all that there are). */
#ifndef HULL_RUNTIME_TEMPLATE_INTERNAL_H
#define HULL_RUNTIME_TEMPLATE_INTERNAL_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#include "oci/options.h"
#include "runtime/boot_file.h"
#include "runtime/template.h"
#include "vmm/snapshot/image.h"
#include "vmm/vm_config.h"

#define TEMPLATE_MAGIC "HULLTPL1"
#define TEMPLATE_KEY_SIZE IMAGE_HOT_AT

/* What a machine depends on.  Compared as bytes: nothing in it is left unset. */
struct template_key {
	char magic[8]; /* TEMPLATE_MAGIC */
	struct file_identity vmm;
	struct file_identity kernel;
	struct file_identity initrd;
	uint64_t boot_memory;
	uint64_t large; /* its memory, if that is more than the host's: see below */
	uint64_t dax_size;
	uint32_t vcpus;
	uint32_t n_nics;
	char cmdline[VM_CMDLINE_SIZE];
	char group[HULL_TEMPLATE_GROUP_MAX + 1];
	/* The host's kernel; its processor is hull-vmm's to compare (CPUID). */
	char release[65];
	char version[65];
};

static_assert(sizeof(struct template_key) <= TEMPLATE_KEY_SIZE,
	      "what image.h leaves to us");

/*
 * template_open_dir() - the folder; only root's own hands may have been in it.
 * @make: and mount, where it is not there
 * Return: the caller's; -errno
 */
int template_open_dir(bool make);

/* template_is_name() - of a template, in the folder. */
bool template_is_name(const char *name);

#endif
