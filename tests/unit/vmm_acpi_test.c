/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/acpi.h"

#include <errno.h>

#include "lib/err.h"
#include "tests/unit/tap.h"
#include "vmm/acpi_aml.h"
#include "vmm/arch/x86/layout.h"

#define GPA 0xe0000ull

static uint8_t tables[65536];

static uint64_t le(const uint8_t *p, unsigned int bytes)
{
	uint64_t value = 0;

	for (unsigned int i = 0; i < bytes; i++)
		value |= (uint64_t)p[i] << (8 * i);
	return value;
}

static bool sums_to_0(const uint8_t *p, uint64_t len)
{
	uint8_t sum = 0;

	while (len--)
		sum = (uint8_t)(sum + *p++);
	return sum == 0;
}

/* table_at() - a table of @total bytes of tables with this signature; NULL: wrong. */
static const uint8_t *table_at(uint64_t gpa, const char *signature, int total)
{
	const uint8_t *t;

	if (gpa < GPA || gpa + 36 > GPA + (unsigned long long)total)
		return NULL;
	t = tables + (gpa - GPA);
	if (memcmp(t, signature, 4) != 0 ||
	    gpa + le(t + 4, 4) > GPA + (unsigned long long)total)
		return NULL;
	return sums_to_0(t, le(t + 4, 4)) ? t : NULL;
}

static void test_tables(void)
{
	int total = acpi_build(tables, GPA, sizeof(tables), 3, NULL);
	const uint8_t *xsdt, *fadt, *madt, *mcfg, *dsdt;

	ok(total > 0, "tables are built");
	ok(!memcmp(tables, "RSD PTR ", 8) && sums_to_0(tables, 20) &&
		   sums_to_0(tables, 36),
	   "RSDP with both checksums");
	is_int(tables[15], 2, "revision 2");
	xsdt = table_at(le(tables + 24, 8), "XSDT", total);
	ok(xsdt && le(xsdt + 4, 4) == 36 + 3 * 8, "XSDT with three entries");
	if (!xsdt)
		return;
	fadt = table_at(le(xsdt + 36, 8), "FACP", total);
	madt = table_at(le(xsdt + 44, 8), "APIC", total);
	mcfg = table_at(le(xsdt + 52, 8), "MCFG", total);
	ok(fadt && le(fadt + 4, 4) == 276, "FADT");
	ok(mcfg && le(mcfg + 4, 4) == 60 && le(mcfg + 44, 8) == LAYOUT_PCI_ECAM &&
		   le(mcfg + 52, 4) == 0,
	   "MCFG with segment 0, bus 0");
	ok(madt && le(madt + 4, 4) == 44 + 3 * 8,
	   "MADT with three local APICs and no more");
	if (!fadt || !madt)
		return;
	ok(le(fadt + 112, 4) & 1u << 20, "hardware-reduced");
	ok(le(fadt + 112, 4) & 1u << 10 && le(fadt + 120, 8) == LAYOUT_PORT_RESET,
	   "the reset register");
	ok(fadt[244] == 1 && le(fadt + 248, 8) == LAYOUT_PORT_SLEEP_CONTROL,
	   "the sleep control register");
	is_int(le(fadt + 109, 2) & (1 << 1), 0, "no i8042");
	dsdt = table_at(le(fadt + 140, 8), "DSDT", total);
	ok(dsdt != NULL, "DSDT");
	ok(le(madt + 36, 4) == LAYOUT_LAPIC && le(madt + 40, 4) == 0,
	   "APIC address, no PIC");
	ok(madt[44] == 0 && madt[45] == 8 && madt[44 + 2 * 8 + 3] == 2 &&
		   le(madt + 44 + 2 * 8 + 4, 4) == 1,
	   "the third has APIC id 2 and is enabled");
	for (int i = 0; dsdt && i + 8 < (int)le(dsdt + 4, 4); i++) {
		if (!memcmp(dsdt + i, "_HID", 4)) {
			is_int(le(dsdt + i + 5, 4), 0x080ad041, "_HID is PNP0A08");
			return;
		}
	}
	ok(false, "_HID is there");
}

static void test_no_room(void)
{
	struct err err = ERR_INIT;

	is_int(acpi_build(tables, GPA, 100, 1, &err), -ENOSPC, "too little room");
	is_str(err.msg, "ACPI tables for 1 vCPUs do not fit", "says so");
	ok(acpi_build(tables, GPA, (uint32_t)LAYOUT_ACPI_SIZE, 64, NULL) > 0,
	   "64 vCPUs fit where the layout puts the tables");
}

static bool aml_is(struct aml *aml, const char *bytes, size_t len, const char *what)
{
	bool same = aml_ok(aml) == 0 && aml->buf.len == len &&
		    !memcmp(aml->buf.data, bytes, len);

	if (!ok(same, "%s", what)) {
		for (size_t i = 0; i < aml->buf.len; i++)
			(void)printf("# %02x\n", (uint8_t)aml->buf.data[i]);
	}
	aml_release(aml);
	*aml = AML_INIT;
	return same;
}

#define AML_IS(aml, bytes, what) aml_is(aml, bytes, sizeof(bytes) - 1, what)

static void test_aml(void)
{
	static const uint64_t values[] = { 1, 0x1234 };
	struct aml aml = AML_INIT;
	struct buf res = BUF_INIT;

	aml_name_int(&aml, "_ADR", 0);
	AML_IS(&aml, "\x08_ADR\x00", "Name(_ADR, Zero)");
	aml_name_int(&aml, "X", 0xff);
	AML_IS(&aml, "\x08X___\x0a\xff", "a byte; a short name is filled up");
	aml_name_int(&aml, "_ADR", 0x1ff);
	AML_IS(&aml, "\x08_ADR\x0b\xff\x01", "a word");
	aml_name_int(&aml, "_ADR", 0x12345678);
	AML_IS(&aml, "\x08_ADR\x0c\x78\x56\x34\x12", "a dword");
	aml_name_int(&aml, "_ADR", 0x100000000);
	AML_IS(&aml, "\x08_ADR\x0e\0\0\0\0\x01\0\0\0", "a qword");
	aml_name_eisaid(&aml, "_HID", "PNP0A08");
	AML_IS(&aml, "\x08_HID\x0c\x41\xd0\x0a\x08", "an EISA id");
	aml_name_package(&aml, "\\_S5", values, 2);
	AML_IS(&aml, "\x08\\_S5_\x12\x06\x02\x01\x0b\x34\x12", "a package");
	aml_begin_scope(&aml, "\\_SB");
	aml_begin_device(&aml, "PCI0");
	aml_end(&aml);
	aml_end(&aml);
	AML_IS(&aml, "\x10\x0d\\_SB_\x5b\x82\x05PCI0", "nested blocks");
	aml_begin_scope(&aml, "_SB.PCI0");
	aml_end(&aml);
	AML_IS(&aml, "\x10\x0a\x2e_SB_PCI0", "a path of two");
	aml_begin_scope(&aml, "\\_SB.PCI0.S01");
	aml_end(&aml);
	AML_IS(&aml, "\x10\x10\\\x2f\x03_SB_PCI0S01_", "a path of three");
	aml_res_fixed(&res, 0xfe000000, 0x100000);
	aml_name_resources(&aml, "_CRS", &res);
	AML_IS(&aml,
	       "\x08_CRS\x11\x11\x0a\x0e"
	       "\x86\x09\0\x01\0\0\0\xfe\0\0\x10\0\x79\0",
	       "a resource template with its end tag");
}

static void test_package_lengths(void)
{
	/* Bytes in the block (without its length): how many the length takes. */
	static const struct {
		size_t body;
		uint8_t bytes[3];
		size_t n;
	} cases[] = {
		{ 62, { 63 }, 1 },
		{ 63, { 0x41, 0x04 }, 2 },
		{ 4093, { 0x4f, 0xff }, 2 },
		{ 4094, { 0x81, 0x00, 0x01 }, 3 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct aml aml = AML_INIT;

		aml_begin_scope(&aml, "_SB_");
		for (size_t n = 4; n < cases[i].body; n++)
			(void)buf_append(&aml.buf, "", 1);
		aml_end(&aml);
		ok(aml_ok(&aml) == 0 && aml.buf.len == 1 + cases[i].n + cases[i].body &&
			   !memcmp(aml.buf.data + 1, cases[i].bytes, cases[i].n) &&
			   !memcmp(aml.buf.data + 1 + cases[i].n, "_SB_", 4),
		   "a block of %zu bytes", cases[i].body);
		aml_release(&aml);
	}
}

static void test_aml_errors(void)
{
	struct aml aml = AML_INIT;

	aml_begin_scope(&aml, "_SB");
	is_int(aml_ok(&aml), -EINVAL, "a block left open");
	aml_end(&aml);
	is_int(aml_ok(&aml), 0, "closed");
	aml_end(&aml);
	is_int(aml_ok(&aml), -EINVAL, "one end too many");
	aml_release(&aml);
	aml = AML_INIT;
	for (unsigned int i = 0; i <= AML_MAX_DEPTH; i++)
		aml_begin_scope(&aml, "X");
	is_int(aml_ok(&aml), -EINVAL, "too deep");
	aml_release(&aml);
	aml = AML_INIT;
	aml_name_int(&aml, "TOOLONG", 1);
	is_int(aml_ok(&aml), -EINVAL, "a name of seven characters");
	aml_release(&aml);
	aml = AML_INIT;
	aml_name_eisaid(&aml, "_HID", "PNP0xyz");
	is_int(aml_ok(&aml), -EINVAL, "no EISA id");
	aml_release(&aml);
}

int main(void)
{
	test_tables();
	test_no_room();
	test_aml();
	test_package_lengths();
	test_aml_errors();
	return tap_done();
}
