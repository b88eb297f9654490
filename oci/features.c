/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Features structure (runtime-spec 1.3 features.md, features-linux.md): what is
 * honoured, made from the tables that the parser and oci_check_honoured() use.
 */
#include <errno.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "lib/json.h"
#include "oci/default_spec.h"
#include "oci/honoured.h"
#include "oci/mount.h"
#include "oci/options.h"
#include "oci/schema.h"
#include "oci/spec.h"
#include "oci/validate.h"

static bool any(int value)
{
	return value >= 0;
}

/* put_names() - the names of an enum, those for which @filter is true. */
static void put_names(struct json_writer *w, const char *key,
		      const struct oci_names *names, bool (*filter)(int value))
{
	json_open_array(w, key);
	for (const struct oci_name *n = names->v; n->name; n++)
		if (filter(n->value))
			json_put_str(w, NULL, n->name);
	json_close_array(w);
}

/* honoured() - no line of the table refuses @path. */
static bool honoured(const char *path)
{
	const struct oci_honoured *line;

	for (size_t i = 0; (line = oci_honoured(i)); i++)
		if (strcmp(line->path, path) == 0)
			return line->by & (OCI_BY_AGENT | OCI_BY_HOST);
	return false;
}

static void put_enabled(struct json_writer *w, const char *key, const char *path)
{
	json_open_object(w, key);
	json_put_bool(w, "enabled", honoured(path));
	json_close_object(w);
}

static void put_hooks(struct json_writer *w)
{
	static const char *const kinds[] = { "prestart",        "createRuntime",
					     "createContainer", "startContainer",
					     "poststart",       "poststop" };
	char path[64];

	json_open_array(w, "hooks");
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		(void)!snprintf(path, sizeof(path), "hooks.%s", kinds[i]);
		if (honoured(path))
			json_put_str(w, NULL, kinds[i]);
	}
	json_close_array(w);
}

static void put_mount_options(struct json_writer *w)
{
	const char *name;

	json_open_array(w, "mountOptions");
	for (size_t i = 0; (name = oci_mount_option_name(i)); i++)
		json_put_str(w, NULL, name);
	json_close_array(w);
}

static void put_cgroup(struct json_writer *w)
{
	json_open_object(w, "cgroup");
	json_put_bool(w, "v1", true);
	json_put_bool(w, "v2", true);
	json_put_bool(w, "systemd", true);
	json_put_bool(w, "systemdUser", false);
	json_put_bool(w, "rdma", honoured("linux.resources.rdma"));
	json_close_object(w);
}

static void put_seccomp(struct json_writer *w)
{
	json_open_object(w, "seccomp");
	json_put_bool(w, "enabled", true);
	put_names(w, "actions", &oci_names_seccomp_action, oci_honours_seccomp_action);
	put_names(w, "operators", &oci_names_seccomp_op, any);
	put_names(w, "archs", &oci_names_seccomp_arch, any);
	put_names(w, "knownFlags", &oci_names_seccomp_flag, any);
	put_names(w, "supportedFlags", &oci_names_seccomp_flag, oci_honours_seccomp_flag);
	json_close_object(w);
}

static void put_rdt(struct json_writer *w)
{
	bool on = honoured("linux.intelRdt");

	json_open_object(w, "intelRdt");
	json_put_bool(w, "enabled", on);
	json_put_bool(w, "schemata", on);
	json_put_bool(w, "monitoring", on);
	json_close_object(w);
}

static void put_memory_policy(struct json_writer *w)
{
	if (!honoured("linux.memoryPolicy"))
		return;
	json_open_object(w, "memoryPolicy");
	put_names(w, "modes", &oci_names_mempolicy_mode, any);
	put_names(w, "flags", &oci_names_mempolicy_flag, any);
	json_close_object(w);
}

static void put_linux(struct json_writer *w)
{
	json_open_object(w, "linux");
	put_names(w, "namespaces", &oci_names_namespace, any);
	json_open_array(w, "capabilities");
	for (int cap = 0; oci_capability_name(cap); cap++)
		json_put_str(w, NULL, oci_capability_name(cap));
	json_close_array(w);
	put_cgroup(w);
	put_seccomp(w);
	put_enabled(w, "apparmor", "process.apparmorProfile");
	put_enabled(w, "selinux", "process.selinuxLabel");
	put_rdt(w);
	put_memory_policy(w);
	json_open_object(w, "mountExtensions");
	put_enabled(w, "idmap", "mounts.uidMappings");
	json_close_object(w);
	put_enabled(w, "netDevices", "linux.netDevices");
	json_close_object(w);
}

int oci_features(const char *packets, struct buf *b, struct err *err)
{
	struct json_writer w = JSON_WRITER(b, "    ");

	json_open_object(&w, NULL);
	json_put_str(&w, "ociVersionMin", OCI_VERSION_MIN);
	json_put_str(&w, "ociVersionMax", OCI_VERSION_MAX);
	put_hooks(&w);
	put_mount_options(&w);
	put_linux(&w);
	json_open_object(&w, "annotations");
	json_put_str(&w, "org.hull.version", HULL_VERSION);
	json_put_str(&w, "org.hull.net", packets);
	/* For callers that know it from runc. */
	json_put_str(&w, "org.opencontainers.runc.checkpoint.enabled", "true");
	json_close_object(&w);
	json_open_array(&w, "potentiallyUnsafeConfigAnnotations");
	json_put_str(&w, NULL, HULL_ANNOTATION_PREFIX);
	json_close_array(&w);
	json_close_object(&w);
	if (buf_puts(b, "\n") < 0)
		return err_set(err, ENOMEM, "print the features");
	return 0;
}
