/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a struct oci_spec, and what its users look up in it. */
#include "oci/spec.h"

#include <errno.h>

#include "oci/schema.h"

struct oci_spec *oci_spec_new(void)
{
	struct arena arena = ARENA_INIT;
	struct oci_spec *spec = arena_alloc(&arena, sizeof(*spec));

	if (spec)
		spec->arena = arena;
	return spec;
}

void oci_spec_free(struct oci_spec *spec)
{
	struct arena arena;

	if (!spec)
		return;
	arena = spec->arena; /* the spec itself is in it */
	arena_release(&arena);
}

void *oci_alloc(struct oci_spec *spec, size_t size)
{
	return arena_alloc(&spec->arena, size);
}

char *oci_strdup(struct oci_spec *spec, const char *s)
{
	return arena_strdup(&spec->arena, s);
}

/*
 * oci_list_grow_() - see oci_list_add().
 * @old: the list's elements
 * @ret_v: the list's `v`
 * Return: the new element
 */
void *oci_list_grow_(struct oci_spec *spec, size_t *n, const void *old, void *ret_v,
		     size_t size)
{
	/* One more than needed: a list of strings ends in NULL. */
	char *v = arena_array(&spec->arena, *n + 2, size);

	if (!v)
		return NULL;
	if (*n)
		memcpy(v, old, *n * size);
	memcpy(ret_v, &v, sizeof(v));
	return v + (*n)++ * size;
}

int oci_strings_add(struct oci_spec *spec, struct oci_strings *list, const char *s)
{
	char *copy = oci_strdup(spec, s);
	char **place;

	if (!copy)
		return -ENOMEM;
	place = oci_list_add(spec, list);
	if (!place)
		return -ENOMEM;
	*place = copy;
	return 0;
}

bool oci_strings_has(const struct oci_strings *list, const char *s)
{
	for (size_t i = 0; i < list->n; i++)
		if (strcmp(list->v[i], s) == 0)
			return true;
	return false;
}

const struct oci_namespace *oci_namespace(const struct oci_spec *spec,
					  enum oci_ns_type type)
{
	const struct oci_linux *l = spec->linux_;

	for (size_t i = 0; l && i < l->namespaces.n; i++)
		if (l->namespaces.v[i].type == type)
			return &l->namespaces.v[i];
	return NULL;
}

const char *oci_annotation(const struct oci_spec *spec, const char *key)
{
	for (size_t i = 0; i < spec->annotations.n; i++)
		if (strcmp(spec->annotations.v[i].key, key) == 0)
			return spec->annotations.v[i].value;
	return NULL;
}

const char *oci_name_of(const struct oci_names *names, int value)
{
	for (const struct oci_name *n = names->v; n->name; n++)
		if (n->value == value)
			return n->name;
	return NULL;
}

const char *oci_ns_name(enum oci_ns_type type)
{
	return oci_name_of(&oci_names_namespace, (int)type);
}

const char *oci_rlimit_name(int type)
{
	return oci_name_of(&oci_names_rlimit, type);
}

/* By their numbers (<linux/capability.h>, Linux 6.1). */
static const char *const capability_names[] = {
	"CAP_CHOWN",
	"CAP_DAC_OVERRIDE",
	"CAP_DAC_READ_SEARCH",
	"CAP_FOWNER",
	"CAP_FSETID",
	"CAP_KILL",
	"CAP_SETGID",
	"CAP_SETUID",
	"CAP_SETPCAP",
	"CAP_LINUX_IMMUTABLE",
	"CAP_NET_BIND_SERVICE",
	"CAP_NET_BROADCAST",
	"CAP_NET_ADMIN",
	"CAP_NET_RAW",
	"CAP_IPC_LOCK",
	"CAP_IPC_OWNER",
	"CAP_SYS_MODULE",
	"CAP_SYS_RAWIO",
	"CAP_SYS_CHROOT",
	"CAP_SYS_PTRACE",
	"CAP_SYS_PACCT",
	"CAP_SYS_ADMIN",
	"CAP_SYS_BOOT",
	"CAP_SYS_NICE",
	"CAP_SYS_RESOURCE",
	"CAP_SYS_TIME",
	"CAP_SYS_TTY_CONFIG",
	"CAP_MKNOD",
	"CAP_LEASE",
	"CAP_AUDIT_WRITE",
	"CAP_AUDIT_CONTROL",
	"CAP_SETFCAP",
	"CAP_MAC_OVERRIDE",
	"CAP_MAC_ADMIN",
	"CAP_SYSLOG",
	"CAP_WAKE_ALARM",
	"CAP_BLOCK_SUSPEND",
	"CAP_AUDIT_READ",
	"CAP_PERFMON",
	"CAP_BPF",
	"CAP_CHECKPOINT_RESTORE",
};

unsigned int oci_seccomp_flags(const struct oci_seccomp *sc)
{
	unsigned int flags = 0;

	for (size_t i = 0; i < sc->flags.n; i++)
		flags |= (unsigned int)sc->flags.v[i];
	/* A process that loads it has one thread. */
	flags &= ~(unsigned int)OCI_SECCOMP_FLAG_TSYNC;
	return sc->flags.v ? flags : OCI_SECCOMP_FLAG_SPEC_ALLOW;
}

int oci_capability(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(capability_names); i++)
		if (strcmp(capability_names[i], name) == 0)
			return (int)i;
	return -1;
}

const char *oci_capability_name(int cap)
{
	if (cap < 0 || (size_t)cap >= ARRAY_SIZE(capability_names))
		return NULL;
	return capability_names[cap];
}

/* ---- what a member holds ------------------------------------------------------------ */

/* object_is_set() - a member of the object is set. */
static bool object_is_set(const struct oci_type *type, const void *obj)
{
	for (size_t i = 0; i < type->n; i++)
		if (oci_field_is_set(&type->fields[i], obj))
			return true;
	return false;
}

bool oci_field_is_set(const struct oci_field *field, const void *obj)
{
	const void *from = oci_member(field, obj);
	const void *object;

	switch (field->kind) {
	case OCI_BOOL:
		return *(const bool *)from;
	case OCI_I32:
	case OCI_U32:
	case OCI_ENUM:
		return *(const uint32_t *)from != 0;
	case OCI_I64:
	case OCI_U64:
		return *(const uint64_t *)from != 0;
	case OCI_OPT_BOOL:
	case OCI_OPT_I32:
	case OCI_OPT_I64:
	case OCI_OPT_U16:
	case OCI_OPT_U32:
	case OCI_OPT_U64:
		return *(const bool *)from; /* their first member is `set` */
	case OCI_CHAR:
		return *(const char *)from != 0;
	case OCI_STR:
		return *(char *const *)from != NULL;
	case OCI_STRS:
	case OCI_U32S:
	case OCI_ENUMS:
	case OCI_MAP:
	case OCI_LIST:
	case OCI_DICT:
		return ((const struct oci_list *)from)->n != 0;
	case OCI_OBJECT:
		return object_is_set(field->type, from);
	case OCI_POINTER:
		object = *(void *const *)from;
		return object && object_is_set(field->type, object);
	case OCI_KINDS:
	default:
		return false;
	}
}
