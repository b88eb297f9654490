/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where everything lies in an x86-64 guest: physical addresses, I/O ports,
 * interrupt numbers, PCI slots.  No such number stands anywhere else.
 *
 *	0		RAM; its first pages hold what the kernel reads once at
 *			entry (boot_params, command line, GDT, page tables)
 *	0xe0000		ACPI tables (RAM that e820 calls ACPI data)
 *	1 MiB		RAM, the kernel where it was linked to (16 MiB), the
 *			initramfs at the upper end of the RAM below 3 GiB
 *	3 GiB		32-bit PCI window, PCI configuration space, then local APIC
 *			and KVM's own pages
 *	4 GiB		the rest of the RAM, then what is plugged while the guest runs
 *	256 GiB		64-bit PCI window: DAX windows
 *	512 GiB		end (39 address bits: what the smallest KVM hosts have)
 */
#ifndef HULL_VMM_ARCH_X86_LAYOUT_H
#define HULL_VMM_ARCH_X86_LAYOUT_H

#include <assert.h>
#include <stdint.h>

#define LAYOUT_PAGE 0x1000ull
#define LAYOUT_1MIB 0x100000ull
#define LAYOUT_1GIB 0x40000000ull

/* ---- entry state, overwritten by the kernel once it runs ---------------- */

#define LAYOUT_BOOT_PARAMS 0x7000ull
#define LAYOUT_BOOT_PARAMS_SIZE 0x1000ull
#define LAYOUT_CMDLINE 0x8000ull
#define LAYOUT_CMDLINE_SIZE 0x800ull /* (bytes) with the final 0: x86's limit */
/* In the command line's page: a page less to touch. */
#define LAYOUT_GDT 0x8f00ull
#define LAYOUT_GDT_SIZE 0x20ull
#define LAYOUT_PML4 0x9000ull
#define LAYOUT_PDPT 0xa000ull
#define LAYOUT_PD 0xb000ull
/* What the page tables of the entry state map, one to one. */
#define LAYOUT_IDENTITY_MAPPED (4 * LAYOUT_1GIB)
#define LAYOUT_PD_SIZE (LAYOUT_IDENTITY_MAPPED / LAYOUT_1GIB * LAYOUT_PAGE)

/* ---- RAM ------------------------------------------------------------------ */

/* RAM that e820 gives to the kernel below 1 MiB ends where PCs have the EBDA. */
#define LAYOUT_LOW_RAM_END 0x9fc00ull
#define LAYOUT_ACPI 0xe0000ull
#define LAYOUT_ACPI_SIZE 0x10000ull
#define LAYOUT_HIGH_RAM LAYOUT_1MIB
#define LAYOUT_RAM_HOLE (3 * LAYOUT_1GIB)
#define LAYOUT_RAM_ABOVE (4 * LAYOUT_1GIB)
#define LAYOUT_RAM_END (256 * LAYOUT_1GIB)
/* Linux makes memory that is plugged later of such pieces (memory_block_size_bytes()). */
#define LAYOUT_HOTPLUG_ALIGN (128 * LAYOUT_1MIB)
/* Linux takes an initramfs below 2 GiB only (initrd_addr_max). */
#define LAYOUT_INITRD_END (2 * LAYOUT_1GIB)

/* ---- MMIO ------------------------------------------------------------------ */

#define LAYOUT_PCI32 LAYOUT_RAM_HOLE
#define LAYOUT_PCI32_SIZE (0xfe000000ull - LAYOUT_PCI32)
/* Configuration space of bus 0: 4 KiB for each of 8 functions of 32 devices. */
#define LAYOUT_PCI_ECAM 0xfe000000ull
#define LAYOUT_PCI_ECAM_SIZE LAYOUT_1MIB
#define LAYOUT_LAPIC 0xfee00000ull
#define LAYOUT_LAPIC_SIZE 0x1000ull
/* Pages that KVM on old Intel processors takes for real mode. */
#define LAYOUT_KVM_IDENTITY_MAP 0xfffbc000ull
#define LAYOUT_KVM_TSS 0xfffbd000ull
#define LAYOUT_KVM_TSS_SIZE 0x3000ull
#define LAYOUT_PCI64 LAYOUT_RAM_END
#define LAYOUT_PCI64_SIZE (256 * LAYOUT_1GIB)
#define LAYOUT_PHYS_BITS 39

/* ---- I/O ports -------------------------------------------------------------- */

#define LAYOUT_PORT_UART 0x3f8
#define LAYOUT_PORT_UART_SIZE 8
/* ACPI sleep control, sleep status and reset registers, a byte each. */
#define LAYOUT_PORT_POWER 0x600
#define LAYOUT_PORT_POWER_SIZE 3
#define LAYOUT_PORT_SLEEP_CONTROL (LAYOUT_PORT_POWER + 0)
#define LAYOUT_PORT_SLEEP_STATUS (LAYOUT_PORT_POWER + 1)
#define LAYOUT_PORT_RESET (LAYOUT_PORT_POWER + 2)

/* ---- interrupts --------------------------------------------------------------- */

/* MSI only: no PIC, no IOAPIC. The first 24 stay free for an IOAPIC's pins. */
#define LAYOUT_GSI_MSI 24
#define LAYOUT_GSI_MSI_COUNT 1024

/* ---- PCI bus 0 ------------------------------------------------------------------ */

#define LAYOUT_PCI_SLOT_HOST 0
#define LAYOUT_PCI_SLOT_FIRST 1
#define LAYOUT_PCI_SLOTS 32

static_assert(LAYOUT_BOOT_PARAMS + LAYOUT_BOOT_PARAMS_SIZE <= LAYOUT_CMDLINE, "overlap");
static_assert(LAYOUT_CMDLINE + LAYOUT_CMDLINE_SIZE <= LAYOUT_GDT, "overlap");
static_assert(LAYOUT_GDT + LAYOUT_GDT_SIZE <= LAYOUT_PML4, "overlap");
static_assert(LAYOUT_PML4 + LAYOUT_PAGE <= LAYOUT_PDPT, "overlap");
static_assert(LAYOUT_PDPT + LAYOUT_PAGE <= LAYOUT_PD, "overlap");
static_assert(LAYOUT_PD + LAYOUT_PD_SIZE <= LAYOUT_LOW_RAM_END, "overlap");
static_assert(LAYOUT_LOW_RAM_END <= LAYOUT_ACPI, "overlap");
static_assert(LAYOUT_ACPI + LAYOUT_ACPI_SIZE <= LAYOUT_HIGH_RAM, "overlap");
static_assert(LAYOUT_HIGH_RAM < LAYOUT_RAM_HOLE, "overlap");
static_assert(LAYOUT_RAM_HOLE <= LAYOUT_PCI32, "overlap");
static_assert(LAYOUT_PCI32 + LAYOUT_PCI32_SIZE <= LAYOUT_PCI_ECAM, "overlap");
static_assert(LAYOUT_PCI_ECAM % LAYOUT_PCI_ECAM_SIZE == 0, "bus 0 at its natural address");
static_assert(LAYOUT_PCI_ECAM + LAYOUT_PCI_ECAM_SIZE <= LAYOUT_LAPIC, "overlap");
static_assert(LAYOUT_LAPIC + LAYOUT_LAPIC_SIZE <= LAYOUT_KVM_IDENTITY_MAP, "overlap");
static_assert(LAYOUT_KVM_IDENTITY_MAP + LAYOUT_PAGE <= LAYOUT_KVM_TSS, "overlap");
static_assert(LAYOUT_KVM_TSS + LAYOUT_KVM_TSS_SIZE <= LAYOUT_RAM_ABOVE, "overlap");
static_assert(LAYOUT_RAM_ABOVE < LAYOUT_RAM_END, "overlap");
static_assert(LAYOUT_RAM_ABOVE % LAYOUT_HOTPLUG_ALIGN == 0, "where it may begin");
static_assert(LAYOUT_RAM_END % LAYOUT_HOTPLUG_ALIGN == 0, "where it may end");
static_assert(LAYOUT_RAM_END <= LAYOUT_PCI64, "overlap");
static_assert(LAYOUT_PCI64 + LAYOUT_PCI64_SIZE <= 1ull << LAYOUT_PHYS_BITS, "too high");
static_assert(LAYOUT_PCI64_SIZE >= 16 * (256 * LAYOUT_1MIB), "room for DAX windows");

static_assert(LAYOUT_PORT_UART + LAYOUT_PORT_UART_SIZE <= LAYOUT_PORT_POWER, "overlap");
static_assert(LAYOUT_PCI_SLOT_HOST < LAYOUT_PCI_SLOT_FIRST, "overlap");

#endif
