/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/acpi.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "vmm/acpi_aml.h"
#include "vmm/arch/x86/layout.h"

/* ACPI 6.4 §5.2.5.3 */
struct acpi_rsdp {
	char signature[8];
	uint8_t checksum; /* of the first 20 bytes */
	char oem_id[6];
	uint8_t revision;
	uint32_t rsdt;
	uint32_t length;
	uint64_t xsdt;
	uint8_t extended_checksum;
	uint8_t reserved[3];
} __attribute__((packed));
static_assert(sizeof(struct acpi_rsdp) == 36, "ACPI 6.4 table 5-3");

/* ACPI 6.4 §5.2.6 */
struct acpi_header {
	char signature[4];
	uint32_t length;
	uint8_t revision;
	uint8_t checksum;
	char oem_id[6];
	char oem_table_id[8];
	uint32_t oem_revision;
	char creator_id[4];
	uint32_t creator_revision;
} __attribute__((packed));
static_assert(sizeof(struct acpi_header) == 36, "ACPI 6.4 table 5-4");

/* ACPI 6.4 §5.2.3.2 */
struct acpi_address {
	uint8_t space; /* 1: I/O ports */
	uint8_t bits;
	uint8_t offset;
	uint8_t access; /* 1: byte */
	uint64_t address;
} __attribute__((packed));

/* ACPI 6.4 §5.2.9; fields that a hardware-reduced machine leaves 0 have no name. */
struct acpi_fadt {
	struct acpi_header header;
	uint32_t facs, dsdt;
	uint8_t reserved44;
	uint8_t pm_profile;
	uint8_t legacy46[63];
	uint16_t boot_arch;
	uint8_t reserved111;
	uint32_t flags;
	struct acpi_address reset;
	uint8_t reset_value;
	uint16_t arm_boot_arch;
	uint8_t minor;
	uint64_t x_facs, x_dsdt;
	uint8_t legacy148[96];
	struct acpi_address sleep_control, sleep_status;
	char hypervisor[8];
} __attribute__((packed));
static_assert(offsetof(struct acpi_fadt, boot_arch) == 109, "ACPI 6.4 table 5-9");
static_assert(offsetof(struct acpi_fadt, x_dsdt) == 140, "ACPI 6.4 table 5-9");
static_assert(offsetof(struct acpi_fadt, sleep_control) == 244, "ACPI 6.4 table 5-9");
static_assert(sizeof(struct acpi_fadt) == 276, "ACPI 6.4 table 5-9");

#define FADT_PROFILE_SERVER 4
#define FADT_BOOT_NO_VGA (1 << 2)
#define FADT_BOOT_NO_RTC (1 << 5)
#define FADT_WBINVD (1u << 0)
#define FADT_RESET_REGISTER (1u << 10)
#define FADT_HW_REDUCED (1u << 20)

/* ACPI 6.4 §5.2.12 */
struct acpi_madt {
	struct acpi_header header;
	uint32_t lapic;
	uint32_t flags; /* bit 0: a PIC as well; we have none */
} __attribute__((packed));
static_assert(sizeof(struct acpi_madt) == 44, "ACPI 6.4 table 5-19");

/* ACPI 6.4 §5.2.12.2 */
struct acpi_madt_lapic {
	uint8_t type, length;
	uint8_t uid, id;
	uint32_t flags; /* bit 0: enabled */
} __attribute__((packed));
static_assert(sizeof(struct acpi_madt_lapic) == 8, "ACPI 6.4 table 5-21");

/* PCI Firmware Specification 3.3 §4.1.2, with its one allocation. */
struct acpi_mcfg {
	struct acpi_header header;
	uint8_t reserved36[8];
	uint64_t base;
	uint16_t segment;
	uint8_t first_bus, last_bus;
	uint8_t reserved56[4];
} __attribute__((packed));
static_assert(sizeof(struct acpi_mcfg) == 60, "PCI Firmware 3.3 table 4-2");

/* Where the tables go; they are assembled in host memory and copied whole. */
struct tables {
	struct buf buf;
	gpa_t gpa;
};

static uint8_t checksum(const void *data, size_t len)
{
	const uint8_t *p = data;
	uint8_t sum = 0;

	while (len--)
		sum = (uint8_t)(sum + *p++);
	return (uint8_t)-sum;
}

static void fill_header(struct acpi_header *h, const char *signature, uint8_t revision,
			size_t length)
{
	memcpy(h->signature, signature, sizeof(h->signature));
	h->length = (uint32_t)length;
	h->revision = revision;
	memcpy(h->oem_id, "HULL  ", sizeof(h->oem_id));
	memcpy(h->oem_table_id, "HULLVMM ", sizeof(h->oem_table_id));
	h->oem_revision = 1;
	memcpy(h->creator_id, "HULL", sizeof(h->creator_id));
	h->creator_revision = 1;
}

/*
 * add_table() - append header, fixed part (@table) and @body, set the checksum.
 * Return: its address, valid unless buf_ok() says otherwise
 */
static gpa_t add_table(struct tables *t, struct acpi_header *table, size_t size,
		       const char *signature, uint8_t revision, const void *body,
		       size_t len)
{
	static const char pad[16];
	size_t at;

	(void)buf_append(&t->buf, pad, -t->buf.len & 15); /* buf remembers */
	at = t->buf.len;
	fill_header(table, signature, revision, size + len);
	if (buf_append(&t->buf, table, size) < 0 || buf_append(&t->buf, body, len) < 0)
		return 0;
	t->buf.data[at + offsetof(struct acpi_header, checksum)] =
		(char)checksum(t->buf.data + at, size + len);
	return t->gpa + at;
}

static int build_dsdt(struct aml *aml)
{
	static const uint64_t s5[] = { 5, 5, 0, 0 };
	struct buf res = BUF_INIT;

	aml_begin_scope(aml, "\\_SB");
	aml_begin_device(aml, "PCI0");
	/* PCI Express, which also promises a PCI bridge: Linux asks for neither
	 * I/O ports nor an interrupt table. */
	aml_name_eisaid(aml, "_HID", "PNP0A08");
	aml_name_eisaid(aml, "_CID", "PNP0A03");
	aml_name_int(aml, "_UID", 0);
	aml_name_int(aml, "_BBN", 0);
	aml_name_int(aml, "_SEG", 0);
	aml_res_bus(&res, 0, 0);
	aml_res_memory32(&res, (uint32_t)LAYOUT_PCI32, (uint32_t)LAYOUT_PCI32_SIZE);
	aml_res_memory64(&res, LAYOUT_PCI64, LAYOUT_PCI64_SIZE);
	aml_name_resources(aml, "_CRS", &res);
	aml_end(aml);
	/* Linux believes an MCFG table whose memory a motherboard resource covers. */
	aml_begin_device(aml, "MRES");
	aml_name_eisaid(aml, "_HID", "PNP0C02");
	aml_res_fixed(&res, (uint32_t)LAYOUT_PCI_ECAM, (uint32_t)LAYOUT_PCI_ECAM_SIZE);
	aml_name_resources(aml, "_CRS", &res);
	aml_end(aml);
	aml_end(aml);
	aml_name_package(aml, "\\_S5", s5, ARRAY_SIZE(s5));
	return aml_ok(aml);
}

static gpa_t add_dsdt(struct tables *t)
{
	struct acpi_header header = { 0 };
	struct aml aml = AML_INIT;
	gpa_t gpa = 0;

	if (build_dsdt(&aml) == 0)
		gpa = add_table(t, &header, sizeof(header), "DSDT", 2, aml.buf.data,
				aml.buf.len);
	else
		t->buf.oom = true; /* the only reason that can be: the text is constant */
	aml_release(&aml);
	return gpa;
}

static struct acpi_address port(uint16_t number)
{
	return (struct acpi_address){
		.space = 1, .bits = 8, .access = 1, .address = number
	};
}

static gpa_t add_fadt(struct tables *t, gpa_t dsdt)
{
	struct acpi_fadt fadt = {
		.dsdt = (uint32_t)dsdt,
		.x_dsdt = dsdt,
		.pm_profile = FADT_PROFILE_SERVER,
		.boot_arch = FADT_BOOT_NO_VGA | FADT_BOOT_NO_RTC,
		.flags = FADT_WBINVD | FADT_RESET_REGISTER | FADT_HW_REDUCED,
		.reset = port(LAYOUT_PORT_RESET),
		.reset_value = 1,
		.minor = 4,
		.sleep_control = port(LAYOUT_PORT_SLEEP_CONTROL),
		.sleep_status = port(LAYOUT_PORT_SLEEP_STATUS),
	};

	memcpy(fadt.hypervisor, "HULL    ", sizeof(fadt.hypervisor));
	return add_table(t, &fadt.header, sizeof(fadt), "FACP", 6, NULL, 0);
}

static gpa_t add_madt(struct tables *t, unsigned int vcpus)
{
	struct acpi_madt madt = { .lapic = (uint32_t)LAYOUT_LAPIC };
	struct buf entries = BUF_INIT;
	gpa_t gpa;

	for (unsigned int i = 0; i < vcpus; i++) {
		struct acpi_madt_lapic e = {
			.length = sizeof(e),
			.uid = (uint8_t)i,
			.id = (uint8_t)i,
			.flags = 1,
		};

		(void)buf_append(&entries, &e, sizeof(e)); /* buf remembers */
	}
	gpa = add_table(t, &madt.header, sizeof(madt), "APIC", 5, entries.data,
			entries.len);
	if (buf_ok(&entries) < 0)
		t->buf.oom = true;
	buf_release(&entries);
	return gpa;
}

static gpa_t add_mcfg(struct tables *t)
{
	struct acpi_mcfg mcfg = { .base = LAYOUT_PCI_ECAM };

	return add_table(t, &mcfg.header, sizeof(mcfg), "MCFG", 1, NULL, 0);
}

static void build_rsdp(struct acpi_rsdp *rsdp, gpa_t xsdt)
{
	*rsdp = (struct acpi_rsdp){ .revision = 2,
				    .length = sizeof(*rsdp),
				    .xsdt = xsdt };
	memcpy(rsdp->signature, "RSD PTR ", sizeof(rsdp->signature));
	memcpy(rsdp->oem_id, "HULL  ", sizeof(rsdp->oem_id));
	rsdp->checksum = checksum(rsdp, 20);
	rsdp->extended_checksum = checksum(rsdp, sizeof(*rsdp));
}

int acpi_build(void *dst, gpa_t gpa, uint32_t size, unsigned int vcpus, struct err *err)
{
	struct tables t = { .gpa = gpa };
	struct acpi_header xsdt = { 0 };
	struct acpi_rsdp rsdp = { 0 };
	uint64_t entries[3];
	int ret;

	(void)buf_append(&t.buf, &rsdp, sizeof(rsdp)); /* room; filled in below */
	entries[0] = add_fadt(&t, add_dsdt(&t));
	entries[1] = add_madt(&t, vcpus);
	entries[2] = add_mcfg(&t);
	build_rsdp(&rsdp, add_table(&t, &xsdt, sizeof(xsdt), "XSDT", 1, entries,
				    sizeof(entries)));
	if (buf_ok(&t.buf) < 0) {
		ret = err_set(err, ENOMEM, "ACPI tables");
	} else if (t.buf.len > size) {
		ret = err_msg(err, ENOSPC, "ACPI tables for %u vCPUs do not fit", vcpus);
	} else {
		memcpy(t.buf.data, &rsdp, sizeof(rsdp));
		memcpy(dst, t.buf.data, t.buf.len);
		ret = (int)t.buf.len;
	}
	buf_release(&t.buf);
	return ret;
}
