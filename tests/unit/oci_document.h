/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Documents for the tests of oci/: config.json with every field that the tables
 * know, one of them replaced.
 */
#ifndef HULL_TESTS_UNIT_OCI_DOCUMENT_H
#define HULL_TESTS_UNIT_OCI_DOCUMENT_H

#include <string.h>

#include "lib/buf.h"
#include "oci/schema.h"
#include "oci/spec.h"

/* Which field is not as it should be. */
struct document_change {
	const char *path; /* "linux.namespaces[0].type"; NULL: none */
	const char *json; /* stands there instead; NULL: the field is left out */
};

/* @path: of the object; a function leaves it as it was. */
static inline void document_object(struct buf *b, const struct oci_type *type,
				   struct buf *path,
				   const struct document_change *change);

/* document_scalar() - a value that the parser accepts. */
static inline void document_scalar(struct buf *b, const struct oci_field *f)
{
	switch (f->kind) {
	case OCI_BOOL:
	case OCI_OPT_BOOL:
		(void)buf_puts(b, "true");
		break;
	case OCI_CHAR:
		(void)buf_printf(b, "\"%c\"", f->letters[0]);
		break;
	case OCI_ENUM:
		(void)buf_printf(b, "\"%s\"", f->names->v[0].name);
		break;
	case OCI_ENUMS:
		(void)buf_printf(b, "[\"%s\",\"%s\"]", f->names->v[0].name,
				 f->names->v[1].name);
		break;
	case OCI_STR:
		(void)buf_printf(b, "\"/%s\"", f->name);
		break;
	case OCI_STRS:
		(void)buf_printf(b, "[\"%s\",\"\"]", f->name);
		break;
	case OCI_U32S:
		(void)buf_puts(b, "[1,4294967295]");
		break;
	case OCI_MAP:
		(void)buf_puts(b, "{\"a.b\":\"1\",\"c\":\"\"}");
		break;
	case OCI_I32:
	case OCI_OPT_I32:
		(void)buf_puts(b, "-2147483648");
		break;
	case OCI_I64:
	case OCI_OPT_I64:
		(void)buf_puts(b, "-9223372036854775808");
		break;
	case OCI_OPT_U16:
		(void)buf_puts(b, "65535");
		break;
	case OCI_U32:
	case OCI_OPT_U32:
		(void)buf_puts(b, "4294967295");
		break;
	case OCI_U64:
	case OCI_OPT_U64:
		(void)buf_puts(b, "18446744073709551615");
		break;
	case OCI_OBJECT:
	case OCI_POINTER:
	case OCI_LIST:
	case OCI_DICT:
	case OCI_KINDS:
	default:
		break;
	}
}

/* document_step() - @path goes one down; document_back() - to @len again. */
static inline void document_step(struct buf *path, const char *name)
{
	(void)buf_printf(path, "%s%s", path->len ? "." : "", name);
}

static inline void document_back(struct buf *path, size_t len)
{
	path->len = len;
	if (path->data)
		path->data[len] = 0;
}

/* document_inside() - what a list or a map adds to the path of its elements. */
static inline void document_inside(struct buf *path, const struct oci_field *f)
{
	if (f->kind == OCI_LIST)
		(void)buf_puts(path, "[0]");
	if (f->kind == OCI_DICT)
		(void)buf_puts(path, ".key");
}

static inline void document_value(struct buf *b, const struct oci_field *f,
				  struct buf *path, const struct document_change *change)
{
	const char *open = f->kind == OCI_LIST   ? "["
			   : f->kind == OCI_DICT ? "{\"key\":"
						 : "";
	const char *close = f->kind == OCI_LIST ? "]" : f->kind == OCI_DICT ? "}" : "";
	size_t len = path->len;

	if (!f->type) {
		document_scalar(b, f);
		return;
	}
	(void)buf_puts(b, open);
	document_inside(path, f);
	document_object(b, f->type, path, change);
	document_back(path, len);
	(void)buf_puts(b, close);
}

static inline void document_object(struct buf *b, const struct oci_type *type,
				   struct buf *path, const struct document_change *change)
{
	const char *comma = "";
	size_t len = path->len;

	(void)buf_puts(b, "{");
	for (size_t i = 0; i < type->n; i++) {
		const struct oci_field *f = &type->fields[i];
		bool changed;

		document_step(path, f->name);
		changed = change->path && path->data &&
			  strcmp(change->path, path->data) == 0;
		if (!changed || change->json) {
			(void)buf_printf(b, "%s\"%s\":", comma, f->name);
			comma = ",";
		}
		if (!changed)
			document_value(b, f, path, change);
		else if (change->json)
			(void)buf_puts(b, change->json);
		document_back(path, len);
	}
	(void)buf_puts(b, "}");
}

/* document() - config.json with every field, but for @change. */
static inline void document(struct buf *b, const struct document_change *change)
{
	auto_buf struct buf path = BUF_INIT;

	b->len = 0;
	document_object(b, &oci_type_spec, &path, change);
}

static inline void document_each_of(const struct oci_type *type, struct buf *path,
				    void (*fn)(const struct oci_field *f,
					       const char *path))
{
	size_t len = path->len;

	for (size_t i = 0; i < type->n; i++) {
		const struct oci_field *f = &type->fields[i];

		document_step(path, f->name);
		fn(f, path->data);
		if (f->type) {
			document_inside(path, f);
			document_each_of(f->type, path, fn);
		}
		document_back(path, len);
	}
}

/* document_each() - call @fn for every field with its path in a document(). */
static inline void document_each(void (*fn)(const struct oci_field *f, const char *path))
{
	auto_buf struct buf path = BUF_INIT;

	document_each_of(&oci_type_spec, &path, fn);
}

#endif
