/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config.json described as data: which JSON member is which member of which
 * struct, and what it may hold.
 *
 * The parser (oci/parse.c), the writer (oci/write.c), the check of what is
 * honoured (oci/honoured.c) and the tests walk these tables, so that none of
 * them can forget a field.  To add a field: a member in oci/spec.h, a line here
 * (in the order of the spec's Go types, which is the order of the output), a line
 * in oci/honoured.c.
 */
#ifndef HULL_OCI_SCHEMA_H
#define HULL_OCI_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_value;

enum oci_kind {
	OCI_BOOL,
	OCI_I32,
	OCI_I64,
	OCI_U32,
	OCI_U64,
	OCI_OPT_BOOL, /* {set, value} */
	OCI_OPT_I32,
	OCI_OPT_I64,
	OCI_OPT_U16,
	OCI_OPT_U32,
	OCI_OPT_U64,
	OCI_CHAR, /* a string of one letter, out of field->letters */
	OCI_ENUM, /* a string out of field->names, int */
	OCI_STR,
	OCI_STRS, /* struct oci_strings */
	OCI_U32S, /* struct oci_u32s */
	OCI_ENUMS, /* struct oci_enums */
	OCI_MAP, /* struct oci_map */
	OCI_OBJECT, /* a struct in the struct, field->type */
	OCI_POINTER, /* a pointer to field->type, NULL when absent */
	OCI_LIST, /* {v, n} of field->type */
	OCI_DICT, /* the same; the first member of field->type is `char *key` */
	OCI_KINDS,
};

/* The JSON names of an enum's values. */
struct oci_name {
	const char *name; /* NULL ends the table */
	int value;
};

struct oci_names {
	const struct oci_name *v;
	/* "<before><the value><after>" is the error for an unknown one. */
	const char *before;
	const char *after;
};

enum oci_field_flags {
	OCI_REQUIRED = 1 << 0, /* an object without it is refused */
	OCI_ALWAYS = 1 << 1, /* written also when 0 or false */
};

struct oci_type;

struct oci_field {
	const char *name;
	enum oci_kind kind;
	unsigned int flags; /* enum oci_field_flags */
	size_t offset; /* of the member in its struct */
	const struct oci_type *type; /* OCI_OBJECT..OCI_DICT */
	const struct oci_names *names; /* OCI_ENUM, OCI_ENUMS */
	const char *letters; /* OCI_CHAR */
};

struct oci_type {
	size_t size; /* (bytes) of the struct */
	const struct oci_field *fields;
	size_t n;
};

/* What every list {v, n} looks like. */
struct oci_list {
	void *v;
	size_t n;
};

/* OCI_FIELD(struct name, member, JSON name, kind, ...): checks the member's size. */
#define OCI_FIELD(s, m, json, k, ...)                                                    \
	{                                                                                \
		.name = (json), .kind = (k),                                             \
		.offset =                                                                \
			offsetof(struct s, m) +                                          \
			0 * sizeof(char[sizeof(((struct s *)0)->m) == OCI_SIZE_##k(s, m) \
						? 1                                      \
						: -1]),                                  \
		__VA_ARGS__                                                              \
	}

#define OCI_SIZE_OCI_BOOL(s, m) sizeof(bool)
#define OCI_SIZE_OCI_I32(s, m) sizeof(int32_t)
#define OCI_SIZE_OCI_I64(s, m) sizeof(int64_t)
#define OCI_SIZE_OCI_U32(s, m) sizeof(uint32_t)
#define OCI_SIZE_OCI_U64(s, m) sizeof(uint64_t)
#define OCI_SIZE_OCI_OPT_BOOL(s, m) sizeof(struct oci_opt_bool)
#define OCI_SIZE_OCI_OPT_I32(s, m) sizeof(struct oci_opt_i32)
#define OCI_SIZE_OCI_OPT_I64(s, m) sizeof(struct oci_opt_i64)
#define OCI_SIZE_OCI_OPT_U16(s, m) sizeof(struct oci_opt_u16)
#define OCI_SIZE_OCI_OPT_U32(s, m) sizeof(struct oci_opt_u32)
#define OCI_SIZE_OCI_OPT_U64(s, m) sizeof(struct oci_opt_u64)
#define OCI_SIZE_OCI_CHAR(s, m) sizeof(char)
#define OCI_SIZE_OCI_ENUM(s, m) sizeof(int)
#define OCI_SIZE_OCI_STR(s, m) sizeof(char *)
#define OCI_SIZE_OCI_STRS(s, m) sizeof(struct oci_strings)
#define OCI_SIZE_OCI_U32S(s, m) sizeof(struct oci_u32s)
#define OCI_SIZE_OCI_ENUMS(s, m) sizeof(struct oci_enums)
#define OCI_SIZE_OCI_MAP(s, m) sizeof(struct oci_map)
#define OCI_SIZE_OCI_OBJECT(s, m) sizeof(((struct s *)0)->m)
#define OCI_SIZE_OCI_POINTER(s, m) sizeof(void *)
#define OCI_SIZE_OCI_LIST(s, m) sizeof(struct oci_list)
#define OCI_SIZE_OCI_DICT(s, m) sizeof(struct oci_list)

/* OCI_TYPE(name, struct name, fields[]): defines `const struct oci_type name`. */
#define OCI_TYPE(var, s, f)                                                              \
	const struct oci_type var = {                                                    \
		.size = sizeof(struct s),                                                \
		.fields = (f),                                                           \
		.n = sizeof(f) / sizeof((f)[0]),                                         \
	}

extern const struct oci_type oci_type_spec;
extern const struct oci_type oci_type_process;
extern const struct oci_type oci_type_id_mapping;
extern const struct oci_type oci_type_linux;
extern const struct oci_type oci_type_resources;
extern const struct oci_type oci_type_seccomp;
extern const struct oci_type oci_type_vm;

extern const struct oci_names oci_names_mempolicy_flag;
extern const struct oci_names oci_names_mempolicy_mode;
extern const struct oci_names oci_names_namespace;
extern const struct oci_names oci_names_propagation;
extern const struct oci_names oci_names_rlimit;
extern const struct oci_names oci_names_sched_policy;
extern const struct oci_names oci_names_seccomp_action;
extern const struct oci_names oci_names_seccomp_arch;
extern const struct oci_names oci_names_seccomp_flag;
extern const struct oci_names oci_names_seccomp_op;

/* oci_name_of() - the JSON name of @value, or NULL. */
const char *oci_name_of(const struct oci_names *names, int value);

/*
 * oci_field_is_set() - the member of @obj holds something: is not 0, false, NULL,
 * an empty list, an empty object.
 */
bool oci_field_is_set(const struct oci_field *field, const void *obj);

/* oci_member() - the member of @obj that @field describes. */
static inline const void *oci_member(const struct oci_field *field, const void *obj)
{
	return (const char *)obj + field->offset;
}

#endif
