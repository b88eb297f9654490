/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/acpi_aml.h"

#include <errno.h>

/* ACPI 6.4 §20.2, §20.3 */
enum aml_op {
	AML_ZERO = 0x00,
	AML_ONE = 0x01,
	AML_NAME = 0x08,
	AML_BYTE = 0x0a,
	AML_WORD = 0x0b,
	AML_DWORD = 0x0c,
	AML_QWORD = 0x0e,
	AML_SCOPE = 0x10,
	AML_BUFFER = 0x11,
	AML_PACKAGE = 0x12,
	AML_DUAL_NAME = 0x2e,
	AML_MULTI_NAME = 0x2f,
	AML_EXT = 0x5b,
	AML_EXT_DEVICE = 0x82,
};

/* ACPI 6.4 §6.4.2, §6.4.3.4, §6.4.3.5 */
enum aml_resource {
	RES_END = 0x79,
	RES_FIXED = 0x86,
	RES_FIXED_WRITABLE = 1,
	RES_DWORD = 0x87,
	RES_WORD = 0x88,
	RES_QWORD = 0x8a,
	RES_TYPE_MEMORY = 0,
	RES_TYPE_BUS = 2,
	RES_MIN_FIXED = 1 << 2,
	RES_MAX_FIXED = 1 << 3,
	RES_MEMORY_RW = 1,
	RES_MEMORY_CACHEABLE = 1 << 1,
};

static void put(struct buf *b, uint64_t value, unsigned int bytes)
{
	uint8_t le[8];

	for (unsigned int i = 0; i < bytes; i++)
		le[i] = (uint8_t)(value >> (8 * i));
	(void)buf_append(b, le, bytes); /* buf remembers, aml_ok() tells */
}

static void put_segment(struct buf *b, const char *s, size_t len)
{
	for (size_t i = 0; i < 4; i++)
		put(b, (uint8_t)(i < len ? s[i] : '_'), 1);
}

static void put_name(struct aml *aml, const char *name)
{
	unsigned int segments = 1;

	if (*name == '\\')
		put(&aml->buf, (uint8_t)*name++, 1);
	for (const char *p = name; *p; p++)
		segments += *p == '.';
	if (segments == 2)
		put(&aml->buf, AML_DUAL_NAME, 1);
	if (segments > 2)
		put(&aml->buf, AML_MULTI_NAME | (uint64_t)segments << 8, 2);
	for (;;) {
		size_t len = strcspn(name, ".");

		if (len == 0 || len > 4)
			aml->bad = true;
		put_segment(&aml->buf, name, len);
		if (!name[len])
			return;
		name += len + 1;
	}
}

static void put_int(struct buf *b, uint64_t value)
{
	if (value <= 1) {
		put(b, value, 1); /* AML_ZERO, AML_ONE */
	} else if (value <= UINT8_MAX) {
		put(b, AML_BYTE, 1);
		put(b, value, 1);
	} else if (value <= UINT16_MAX) {
		put(b, AML_WORD, 1);
		put(b, value, 2);
	} else if (value <= UINT32_MAX) {
		put(b, AML_DWORD, 1);
		put(b, value, 4);
	} else {
		put(b, AML_QWORD, 1);
		put(b, value, 8);
	}
}

/*
 * A package length counts itself, in 1 to 4 bytes (ACPI 6.4 §20.2.4); so it is
 * put in once the block is complete.
 */
static void open_block(struct aml *aml)
{
	if (aml->depth == AML_MAX_DEPTH) {
		aml->bad = true;
		return;
	}
	aml->open[aml->depth++] = aml->buf.len;
}

static void close_block(struct aml *aml)
{
	uint8_t length[4];
	unsigned int bytes;
	size_t at, body, total;

	if (aml->depth == 0 || aml->bad) {
		aml->bad = true;
		return;
	}
	at = aml->open[--aml->depth];
	body = aml->buf.len - at;
	bytes = body + 1 < 1u << 6    ? 1
		: body + 2 < 1u << 12 ? 2
		: body + 3 < 1u << 20 ? 3
				      : 4;
	total = body + bytes;
	if (total >= 1u << 28) {
		aml->bad = true;
		return;
	}
	length[0] = (uint8_t)(bytes == 1 ? total : (bytes - 1) << 6 | (total & 0xf));
	for (unsigned int i = 1; i < bytes; i++)
		length[i] = (uint8_t)(total >> (8 * i - 4));
	if (buf_append(&aml->buf, length, bytes) < 0)
		return;
	memmove(aml->buf.data + at + bytes, aml->buf.data + at, body);
	memcpy(aml->buf.data + at, length, bytes);
}

void aml_begin_scope(struct aml *aml, const char *name)
{
	put(&aml->buf, AML_SCOPE, 1);
	open_block(aml);
	put_name(aml, name);
}

void aml_begin_device(struct aml *aml, const char *name)
{
	put(&aml->buf, AML_EXT | AML_EXT_DEVICE << 8, 2);
	open_block(aml);
	put_name(aml, name);
}

void aml_end(struct aml *aml)
{
	close_block(aml);
}

void aml_name_int(struct aml *aml, const char *name, uint64_t value)
{
	put(&aml->buf, AML_NAME, 1);
	put_name(aml, name);
	put_int(&aml->buf, value);
}

static unsigned int hex_digit(struct aml *aml, char c)
{
	if (c >= '0' && c <= '9')
		return (unsigned int)(c - '0');
	if (c >= 'A' && c <= 'F')
		return (unsigned int)(c - 'A') + 10;
	aml->bad = true;
	return 0;
}

/* ACPI 6.4 §19.3.4: five bits a letter, four a digit, most significant byte first. */
void aml_name_eisaid(struct aml *aml, const char *name, const char *id)
{
	uint32_t value = 0;

	if (strlen(id) != 7) {
		aml->bad = true;
		return;
	}
	for (unsigned int i = 0; i < 3; i++)
		value = value << 5 | ((uint32_t)(id[i] - '@') & 0x1f);
	for (unsigned int i = 3; i < 7; i++)
		value = value << 4 | hex_digit(aml, id[i]);
	aml_name_int(aml, name, __builtin_bswap32(value));
}

void aml_name_package(struct aml *aml, const char *name, const uint64_t *values,
		      unsigned int n)
{
	put(&aml->buf, AML_NAME, 1);
	put_name(aml, name);
	put(&aml->buf, AML_PACKAGE, 1);
	open_block(aml);
	put(&aml->buf, n, 1);
	for (unsigned int i = 0; i < n; i++)
		put_int(&aml->buf, values[i]);
	close_block(aml);
}

void aml_name_resources(struct aml *aml, const char *name, struct buf *res)
{
	/* End tag; a checksum of 0 means that there is none (§6.4.2.9). */
	put(res, RES_END, 2);
	put(&aml->buf, AML_NAME, 1);
	put_name(aml, name);
	put(&aml->buf, AML_BUFFER, 1);
	open_block(aml);
	put_int(&aml->buf, res->len);
	(void)buf_append(&aml->buf, res->data, res->len); /* aml_ok() tells */
	close_block(aml);
	if (buf_ok(res) < 0)
		aml->bad = true;
	buf_release(res);
}

int aml_ok(const struct aml *aml)
{
	if (buf_ok(&aml->buf) < 0)
		return -ENOMEM;
	return aml->bad || aml->depth > 0 ? -EINVAL : 0;
}

void aml_release(struct aml *aml)
{
	buf_release(&aml->buf);
}

/*
 * put_window() - a word, dword or qword address space descriptor (§6.4.3.5):
 * granularity, first, last, translation, length, in fields of @width bytes.
 */
static void put_window(struct buf *res, uint8_t tag, uint8_t type, uint8_t type_flags,
		       unsigned int width, uint64_t first, uint64_t last)
{
	put(res, tag, 1);
	put(res, 3 + 5 * width, 2);
	put(res, type, 1);
	put(res, RES_MIN_FIXED | RES_MAX_FIXED, 1);
	put(res, type_flags, 1);
	put(res, 0, width);
	put(res, first, width);
	put(res, last, width);
	put(res, 0, width);
	put(res, last - first + 1, width);
}

void aml_res_bus(struct buf *res, uint16_t first, uint16_t last)
{
	put_window(res, RES_WORD, RES_TYPE_BUS, 0, 2, first, last);
}

void aml_res_fixed(struct buf *res, uint32_t first, uint32_t size)
{
	put(res, RES_FIXED, 1);
	put(res, 9, 2);
	put(res, RES_FIXED_WRITABLE, 1);
	put(res, first, 4);
	put(res, size, 4);
}

void aml_res_memory32(struct buf *res, uint32_t first, uint32_t size)
{
	put_window(res, RES_DWORD, RES_TYPE_MEMORY, RES_MEMORY_RW, 4, first,
		   (uint64_t)first + size - 1);
}

void aml_res_memory64(struct buf *res, uint64_t first, uint64_t size)
{
	put_window(res, RES_QWORD, RES_TYPE_MEMORY, RES_MEMORY_RW | RES_MEMORY_CACHEABLE,
		   8, first, first + (size - 1));
}
