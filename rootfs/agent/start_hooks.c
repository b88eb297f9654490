/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hooks.startContainer: programs of the container's root, which nobody trusts.  So
 * they run as the container's process does, with its user, its capabilities and
 * its filter, like under runc.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "lib/json.h"
#include "oci/hooks.h"
#include "oci/spec.h"
#include "rootfs/agent/launch.h"
#include "rootfs/agent/spawn.h"
#include "vmm/agent_proto.h"

static bool is_bundle(const struct oci_pair *annotation)
{
	return strcmp(annotation->key, AGENT_BUNDLE_ANNOTATION) == 0;
}

static const char *bundle_of(const struct oci_spec *spec)
{
	for (size_t i = 0; i < spec->annotations.n; i++)
		if (is_bundle(&spec->annotations.v[i]))
			return spec->annotations.v[i].value;
	return "";
}

/* is_ours() - hull has put it there, it is not one of the container's. */
static bool is_ours(const struct oci_pair *annotation)
{
	return is_bundle(annotation) ||
	       strcmp(annotation->key, AGENT_FREEZE_HOOKS_ANNOTATION) == 0;
}

static void put_annotations(struct json_writer *w, const struct oci_spec *spec)
{
	size_t n = spec->annotations.n;
	size_t theirs = 0;

	for (size_t i = 0; i < n; i++)
		theirs += !is_ours(&spec->annotations.v[i]);
	if (!theirs)
		return;
	json_open_object(w, "annotations");
	for (size_t i = 0; i < n; i++)
		if (!is_ours(&spec->annotations.v[i]))
			json_put_str(w, spec->annotations.v[i].key,
				     spec->annotations.v[i].value);
	json_close_object(w);
}

/* put_state() - OCI runtime-spec 1.3 runtime.md#state, of the container that we are. */
static int put_state(const struct launch *l, struct buf *b)
{
	struct json_writer w = JSON_WRITER(b, NULL);

	json_open_object(&w, NULL);
	json_put_str(&w, "ociVersion", l->spec->oci_version);
	json_put_str(&w, "id", l->container_id);
	json_put_str(&w, "status", "created");
	json_put_i64(&w, "pid", getpid());
	json_put_str(&w, "bundle", bundle_of(l->spec));
	put_annotations(&w, l->spec);
	json_close_object(&w);
	return buf_ok(b);
}

int launch_start_hooks(const struct launch *l, char *const *env, struct err *err)
{
	const struct oci_hooks *hooks = l->spec->hooks;
	auto_buf struct buf state = BUF_INIT;

	if (!hooks || !hooks->start_container.n)
		return 0;
	if (put_state(l, &state) < 0)
		return err_set(err, ENOMEM, "state for the hooks");
	return hooks_run(&hooks->start_container, "startContainer", state.data, env, err);
}
