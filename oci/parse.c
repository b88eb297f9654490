/* SPDX-License-Identifier: Apache-2.0 */
/* From JSON to the structs, led by the tables of oci/schema.h. */
#include <errno.h>
#include <strings.h>

#include "lib/err.h"
#include "lib/json.h"
#include "oci/schema.h"
#include "oci/spec.h"

static int parse_object(struct arena *a, const struct oci_type *type,
			const struct json_value *v, void *obj, struct err *err);

static int no_memory(struct err *err)
{
	return err_set(err, ENOMEM, "allocate memory");
}

static int parse_text(struct arena *a, const struct json_value *v, char **ret,
		      struct err *err)
{
	const char *text;
	int r = json_str(v, &text, err);

	if (r < 0)
		return r;
	*ret = arena_strdup(a, text);
	return *ret ? 0 : no_memory(err);
}

static int parse_name(const struct oci_names *names, const struct json_value *v, int *ret,
		      struct err *err)
{
	const char *text;
	int r = json_str(v, &text, err);

	if (r < 0)
		return r;
	for (const struct oci_name *n = names->v; n->name; n++) {
		if (strcmp(n->name, text) == 0) {
			*ret = n->value;
			return 0;
		}
	}
	return json_err(v, err, "%s%.80s%s", names->before, text, names->after);
}

static int parse_letter(const char *letters, const struct json_value *v, char *ret,
			struct err *err)
{
	const char *text;
	int r = json_str(v, &text, err);

	if (r < 0)
		return r;
	if (!text[0] || text[1] || !strchr(letters, text[0]))
		return json_err(v, err, "invalid device type \"%.80s\"", text);
	*ret = text[0];
	return 0;
}

static int parse_u32(const struct json_value *v, uint32_t *ret, struct err *err)
{
	uint64_t n;
	int r = json_u64(v, UINT32_MAX, &n, err);

	if (r == 0)
		*ret = (uint32_t)n;
	return r;
}

static int parse_i32(const struct json_value *v, int32_t *ret, struct err *err)
{
	int64_t n;
	int r = json_i64(v, INT32_MIN, INT32_MAX, &n, err);

	if (r == 0)
		*ret = (int32_t)n;
	return r;
}

static int parse_opt_u16(const struct json_value *v, struct oci_opt_u16 *ret,
			 struct err *err)
{
	uint64_t n;
	int r = json_u64(v, UINT16_MAX, &n, err);

	if (r == 0)
		*ret = (struct oci_opt_u16){ true, (uint16_t)n };
	return r;
}

/* open_list() - room for the children of @v and one more, zeroed. */
static int open_list(struct arena *a, const struct json_value *v, size_t size, void **ret,
		     struct err *err)
{
	int r = json_expect(v, JSON_ARRAY, err);

	if (r < 0)
		return r;
	*ret = arena_array(a, v->n + 1, size);
	return *ret ? 0 : no_memory(err);
}

static int parse_strs(struct arena *a, const struct json_value *v,
		      struct oci_strings *ret, struct err *err)
{
	void *list;
	int r = open_list(a, v, sizeof(*ret->v), &list, err);

	if (r < 0)
		return r;
	ret->v = list;
	ret->n = 0;
	for (const struct json_value *e = v->first; e && r == 0; e = e->next)
		r = parse_text(a, e, &ret->v[ret->n++], err);
	return r;
}

static int parse_u32s(struct arena *a, const struct json_value *v, struct oci_u32s *ret,
		      struct err *err)
{
	void *list;
	int r = open_list(a, v, sizeof(*ret->v), &list, err);

	if (r < 0)
		return r;
	ret->v = list;
	ret->n = 0;
	for (const struct json_value *e = v->first; e && r == 0; e = e->next)
		r = parse_u32(e, &ret->v[ret->n++], err);
	return r;
}

static int parse_enums(struct arena *a, const struct oci_names *names,
		       const struct json_value *v, struct oci_enums *ret, struct err *err)
{
	void *list;
	int r = open_list(a, v, sizeof(*ret->v), &list, err);

	if (r < 0)
		return r;
	ret->v = list;
	ret->n = 0;
	for (const struct json_value *e = v->first; e && r == 0; e = e->next)
		r = parse_name(names, e, &ret->v[ret->n++], err);
	return r;
}

static int parse_list(struct arena *a, const struct oci_type *type,
		      const struct json_value *v, struct oci_list *ret, struct err *err)
{
	int r = open_list(a, v, type->size, &ret->v, err);

	if (r < 0)
		return r;
	ret->n = 0;
	for (const struct json_value *e = v->first; e && r == 0; e = e->next)
		r = parse_object(a, type, e, (char *)ret->v + type->size * ret->n++, err);
	return r;
}

static int parse_map(struct arena *a, const struct json_value *v, struct oci_map *ret,
		     struct err *err)
{
	int r = json_expect(v, JSON_OBJECT, err);

	if (r < 0)
		return r;
	ret->v = arena_array(a, v->n + 1, sizeof(*ret->v));
	if (!ret->v)
		return no_memory(err);
	ret->n = 0;
	for (const struct json_value *e = v->first; e && r == 0; e = e->next) {
		struct oci_pair *pair = &ret->v[ret->n++];

		pair->key = arena_strdup(a, e->key);
		if (!pair->key)
			return no_memory(err);
		r = parse_text(a, e, &pair->value, err);
	}
	return r;
}

static int parse_dict(struct arena *a, const struct oci_type *type,
		      const struct json_value *v, struct oci_list *ret, struct err *err)
{
	int r = json_expect(v, JSON_OBJECT, err);

	if (r < 0)
		return r;
	ret->v = arena_array(a, v->n + 1, type->size);
	if (!ret->v)
		return no_memory(err);
	ret->n = 0;
	for (const struct json_value *e = v->first; e && r == 0; e = e->next) {
		void *obj = (char *)ret->v + type->size * ret->n++;
		char *key = arena_strdup(a, e->key);

		if (!key)
			return no_memory(err);
		memcpy(obj, &key, sizeof(key)); /* OCI_DICT: its first member */
		r = parse_object(a, type, e, obj, err);
	}
	return r;
}

static int parse_pointer(struct arena *a, const struct oci_type *type,
			 const struct json_value *v, void **ret, struct err *err)
{
	if (!*ret) /* there already: see parse_members() */
		*ret = arena_alloc(a, type->size);
	if (!*ret)
		return no_memory(err);
	return parse_object(a, type, v, *ret, err);
}

/* parse_str() - an empty string counts as absent, as in the spec's Go types. */
static int parse_str(struct arena *a, const struct json_value *v, char **ret,
		     struct err *err)
{
	int r = parse_text(a, v, ret, err);

	if (r == 0 && !**ret)
		*ret = NULL;
	return r;
}

/* parse_field() - @to: the member that @field describes. */
static int parse_field(struct arena *a, const struct oci_field *field,
		       const struct json_value *v, void *to, struct err *err)
{
	struct oci_opt_bool *opt_bool = to;
	struct oci_opt_i32 *opt_i32 = to;
	struct oci_opt_i64 *opt_i64 = to;
	struct oci_opt_u32 *opt_u32 = to;
	struct oci_opt_u64 *opt_u64 = to;

	switch (field->kind) {
	case OCI_BOOL:
		return json_bool(v, to, err);
	case OCI_I32:
		return parse_i32(v, to, err);
	case OCI_I64:
		return json_i64(v, INT64_MIN, INT64_MAX, to, err);
	case OCI_U32:
		return parse_u32(v, to, err);
	case OCI_U64:
		return json_u64(v, UINT64_MAX, to, err);
	case OCI_OPT_BOOL:
		opt_bool->set = true;
		return json_bool(v, &opt_bool->value, err);
	case OCI_OPT_I32:
		opt_i32->set = true;
		return parse_i32(v, &opt_i32->value, err);
	case OCI_OPT_I64:
		opt_i64->set = true;
		return json_i64(v, INT64_MIN, INT64_MAX, &opt_i64->value, err);
	case OCI_OPT_U16:
		return parse_opt_u16(v, to, err);
	case OCI_OPT_U32:
		opt_u32->set = true;
		return parse_u32(v, &opt_u32->value, err);
	case OCI_OPT_U64:
		opt_u64->set = true;
		return json_u64(v, UINT64_MAX, &opt_u64->value, err);
	case OCI_CHAR:
		return parse_letter(field->letters, v, to, err);
	case OCI_ENUM:
		/* "" counts as absent where the member may be. */
		if (v->type == JSON_STRING && !v->text[0] &&
		    !(field->flags & OCI_REQUIRED))
			return 0;
		return parse_name(field->names, v, to, err);
	case OCI_STR:
		return parse_str(a, v, to, err);
	case OCI_STRS:
		return parse_strs(a, v, to, err);
	case OCI_U32S:
		return parse_u32s(a, v, to, err);
	case OCI_ENUMS:
		return parse_enums(a, field->names, v, to, err);
	case OCI_MAP:
		return parse_map(a, v, to, err);
	case OCI_OBJECT:
		return parse_object(a, field->type, v, to, err);
	case OCI_POINTER:
		return parse_pointer(a, field->type, v, to, err);
	case OCI_LIST:
		return parse_list(a, field->type, v, to, err);
	case OCI_DICT:
		return parse_dict(a, field->type, v, to, err);
	case OCI_KINDS:
	default:
		return json_err(v, err, "the tables of oci/schema.h are broken");
	}
}

static int missing(const struct json_value *object, const char *name, struct err *err)
{
	struct json_value member = { .key = name, .parent = object };

	return json_err(&member, err, "is required");
}

/*
 * parse_members() - those of the field, in whatever letters: runc reads them so.  Of two
 * spellings the later one counts; what is in an object of it comes on top.
 * @ret_found: there is one
 */
static int parse_members(struct arena *a, const struct oci_field *field,
			 const struct json_value *object, void *to, bool *ret_found,
			 struct err *err)
{
	int r = 0;

	*ret_found = false;
	for (const struct json_value *v = object->first; v && r == 0; v = v->next) {
		if (v->type == JSON_NULL || strcasecmp(v->key, field->name) != 0)
			continue;
		*ret_found = true;
		r = parse_field(a, field, v, to, err);
	}
	return r;
}

/* parse_object() - the members that the tables know; the others are ignored. */
static int parse_object(struct arena *a, const struct oci_type *type,
			const struct json_value *v, void *obj, struct err *err)
{
	int r = json_expect(v, JSON_OBJECT, err);

	for (size_t i = 0; i < type->n && r == 0; i++) {
		const struct oci_field *field = &type->fields[i];
		bool found;

		r = parse_members(a, field, v, (char *)obj + field->offset, &found, err);
		/* An empty string is not what "required" means. */
		if (r == 0 && (field->flags & OCI_REQUIRED) &&
		    (!found || (field->kind == OCI_STR && !oci_field_is_set(field, obj))))
			r = missing(v, field->name, err);
	}
	return r;
}

/* tidy() - one form for what callers write in several. */
static int tidy(struct oci_spec *spec, struct err *err)
{
	if (!spec->linux_)
		spec->linux_ = oci_alloc(spec, sizeof(*spec->linux_));
	if (!spec->linux_)
		return no_memory(err);
	/* "seccomp": {} switches it off, as in runc. */
	if (spec->linux_->seccomp && !spec->linux_->seccomp->default_action &&
	    !spec->linux_->seccomp->syscalls.n)
		spec->linux_->seccomp = NULL;
	for (size_t i = 0; i < spec->mounts.n; i++) {
		struct oci_mount *m = &spec->mounts.v[i];

		if (m->destination[0] == '/')
			continue;
		m->relative = true;
		m->destination = arena_printf(&spec->arena, "/%s", m->destination);
		if (!m->destination)
			return no_memory(err);
	}
	return 0;
}

/* parse_document() - config.json. */
static int parse_document(struct oci_spec *spec, const struct json_value *root,
			  struct err *err)
{
	int r;

	if (root->type == JSON_NULL)
		return err_msg(err, EINVAL, "config cannot be null");
	r = parse_object(&spec->arena, &oci_type_spec, root, spec, err);
	return r < 0 ? r : tidy(spec, err);
}

static int parse_process(struct oci_spec *spec, const struct json_value *root,
			 struct err *err)
{
	void *process = NULL;
	int r = parse_pointer(&spec->arena, &oci_type_process, root, &process, err);

	spec->process = process;
	return r;
}

static int parse_resources(struct oci_spec *spec, const struct json_value *root,
			   struct err *err)
{
	void *resources = NULL;
	int r;

	spec->linux_ = oci_alloc(spec, sizeof(*spec->linux_));
	if (!spec->linux_)
		return no_memory(err);
	r = parse_pointer(&spec->arena, &oci_type_resources, root, &resources, err);
	spec->linux_->resources = resources;
	return r;
}

/* parse() - @file: for messages; @fill: makes of the document what it stands for. */
static int parse(const char *file, const char *text, size_t len,
		 int (*fill)(struct oci_spec *spec, const struct json_value *root,
			     struct err *err),
		 struct oci_spec **ret, struct err *err)
{
	auto_oci_spec struct oci_spec *spec = oci_spec_new();
	/* The tree of the document is only needed while the structs are made. */
	auto_arena struct arena tree = ARENA_INIT;
	const struct json_value *root;
	int r;

	if (!spec)
		return no_memory(err);
	r = json_parse(text, len, &tree, &root, err);
	if (r == 0)
		r = fill(spec, root, err);
	if (r < 0)
		return err_wrap(err, r, "%s", file);
	*ret = take_ptr(&spec);
	return 0;
}

int oci_spec_parse(const char *text, size_t len, struct oci_spec **ret, struct err *err)
{
	return parse("config.json", text, len, parse_document, ret, err);
}

int oci_process_parse(const char *text, size_t len, struct oci_spec **ret,
		      struct err *err)
{
	return parse("process", text, len, parse_process, ret, err);
}

int oci_resources_parse(const char *text, size_t len, struct oci_spec **ret,
			struct err *err)
{
	return parse("resources", text, len, parse_resources, ret, err);
}
