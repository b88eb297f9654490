/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ACPI tables of the guest: hardware-reduced, so no PM timer, no SCI and no
 * legacy devices; what is left tells the kernel its CPUs (MADT), the PCI host
 * bridge with its windows (DSDT) and how to switch off (FADT, \_S5).
 */
#ifndef HULL_VMM_ACPI_H
#define HULL_VMM_ACPI_H

#include <stdint.h>

#include "vmm/memory.h"

struct err;

/*
 * acpi_build() - write all tables from @gpa on, the RSDP first.
 * @dst: guest memory at @gpa
 * @size: (bytes) room there
 * @vcpus: APIC ids 0..vcpus-1
 *
 * Return: (bytes) written; -errno
 */
int acpi_build(void *dst, gpa_t gpa, uint32_t size, unsigned int vcpus, struct err *err);

#endif
