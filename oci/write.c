/* SPDX-License-Identifier: Apache-2.0 */
/* From the structs to JSON, led by the tables of oci/schema.h. */
#include <errno.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "lib/json.h"
#include "oci/schema.h"
#include "oci/spec.h"

static void write_members(struct json_writer *w, const struct oci_type *type,
			  const void *obj);

static void write_object(struct json_writer *w, const char *key,
			 const struct oci_type *type, const void *obj)
{
	json_open_object(w, key);
	write_members(w, type, obj);
	json_close_object(w);
}

static void write_list(struct json_writer *w, const struct oci_field *field,
		       const void *from)
{
	const struct oci_list *list = from;
	const struct oci_strings *strs = from;
	const struct oci_u32s *u32s = from;
	const struct oci_enums *enums = from;

	json_open_array(w, field->name);
	for (size_t i = 0; i < list->n; i++) {
		if (field->kind == OCI_STRS)
			json_put_str(w, NULL, strs->v[i]);
		else if (field->kind == OCI_U32S)
			json_put_u64(w, NULL, u32s->v[i]);
		else if (field->kind == OCI_ENUMS)
			json_put_str(w, NULL, oci_name_of(field->names, enums->v[i]));
		else
			write_object(w, NULL, field->type,
				     (const char *)list->v + field->type->size * i);
	}
	json_close_array(w);
}

static void write_dict(struct json_writer *w, const struct oci_field *field,
		       const struct oci_list *list)
{
	json_open_object(w, field->name);
	for (size_t i = 0; i < list->n; i++) {
		const char *obj = (const char *)list->v + field->type->size * i;
		const char *key;

		memcpy(&key, obj, sizeof(key)); /* OCI_DICT: its first member */
		write_object(w, key, field->type, obj);
	}
	json_close_object(w);
}

static void write_map(struct json_writer *w, const char *name, const struct oci_map *map)
{
	json_open_object(w, name);
	for (size_t i = 0; i < map->n; i++)
		json_put_str(w, map->v[i].key, map->v[i].value);
	json_close_object(w);
}

/* is_written() - a member is left out when the parser would not miss it. */
static bool is_written(const struct oci_field *field, const void *obj)
{
	const void *from = oci_member(field, obj);

	if (field->flags & (OCI_ALWAYS | OCI_REQUIRED))
		return true;
	switch (field->kind) {
	case OCI_STRS:
	case OCI_U32S:
	case OCI_ENUMS:
	case OCI_MAP:
	case OCI_LIST:
	case OCI_DICT:
	case OCI_POINTER:
		/* An empty one is written as such: it was there. */
		return *(void *const *)from != NULL;
	case OCI_BOOL:
	case OCI_I32:
	case OCI_I64:
	case OCI_U32:
	case OCI_U64:
	case OCI_OPT_BOOL:
	case OCI_OPT_I32:
	case OCI_OPT_I64:
	case OCI_OPT_U16:
	case OCI_OPT_U32:
	case OCI_OPT_U64:
	case OCI_CHAR:
	case OCI_ENUM:
	case OCI_STR:
	case OCI_OBJECT:
	case OCI_KINDS:
	default:
		return oci_field_is_set(field, obj);
	}
}

static void write_field(struct json_writer *w, const struct oci_field *field,
			const void *from)
{
	const char *name = field->name;
	char letter[2] = "";

	switch (field->kind) {
	case OCI_BOOL:
		json_put_bool(w, name, *(const bool *)from);
		break;
	case OCI_I32:
		json_put_i64(w, name, *(const int32_t *)from);
		break;
	case OCI_I64:
		json_put_i64(w, name, *(const int64_t *)from);
		break;
	case OCI_U32:
		json_put_u64(w, name, *(const uint32_t *)from);
		break;
	case OCI_U64:
		json_put_u64(w, name, *(const uint64_t *)from);
		break;
	case OCI_OPT_BOOL:
		json_put_bool(w, name, ((const struct oci_opt_bool *)from)->value);
		break;
	case OCI_OPT_I32:
		json_put_i64(w, name, ((const struct oci_opt_i32 *)from)->value);
		break;
	case OCI_OPT_I64:
		json_put_i64(w, name, ((const struct oci_opt_i64 *)from)->value);
		break;
	case OCI_OPT_U16:
		json_put_u64(w, name, ((const struct oci_opt_u16 *)from)->value);
		break;
	case OCI_OPT_U32:
		json_put_u64(w, name, ((const struct oci_opt_u32 *)from)->value);
		break;
	case OCI_OPT_U64:
		json_put_u64(w, name, ((const struct oci_opt_u64 *)from)->value);
		break;
	case OCI_CHAR:
		letter[0] = *(const char *)from;
		json_put_str(w, name, letter);
		break;
	case OCI_ENUM:
		json_put_str(w, name, oci_name_of(field->names, *(const int *)from));
		break;
	case OCI_STR:
		json_put_str(w, name, *(char *const *)from);
		break;
	case OCI_STRS:
	case OCI_U32S:
	case OCI_ENUMS:
	case OCI_LIST:
		write_list(w, field, from);
		break;
	case OCI_MAP:
		write_map(w, name, from);
		break;
	case OCI_OBJECT:
		write_object(w, name, field->type, from);
		break;
	case OCI_POINTER:
		write_object(w, name, field->type, *(void *const *)from);
		break;
	case OCI_DICT:
		write_dict(w, field, from);
		break;
	case OCI_KINDS:
	default:
		break;
	}
}

static void write_members(struct json_writer *w, const struct oci_type *type,
			  const void *obj)
{
	for (size_t i = 0; i < type->n; i++)
		if (is_written(&type->fields[i], obj))
			write_field(w, &type->fields[i],
				    oci_member(&type->fields[i], obj));
}

static int write_whole(const struct oci_type *type, const void *obj, struct buf *b,
		       const char *indent, struct err *err)
{
	struct json_writer w = JSON_WRITER(b, indent);

	write_object(&w, NULL, type, obj);
	if (buf_ok(b) < 0)
		return err_set(err, ENOMEM, "write JSON");
	return 0;
}

int oci_spec_write(const struct oci_spec *spec, struct buf *b, struct err *err)
{
	return write_whole(&oci_type_spec, spec, b, NULL, err);
}

int oci_spec_print(const struct oci_spec *spec, struct buf *b, struct err *err)
{
	return write_whole(&oci_type_spec, spec, b, "\t", err);
}

int oci_process_write(const struct oci_process *process, struct buf *b, struct err *err)
{
	return write_whole(&oci_type_process, process, b, NULL, err);
}

int oci_resources_write(const struct oci_resources *resources, struct buf *b,
			struct err *err)
{
	return write_whole(&oci_type_resources, resources, b, NULL, err);
}
