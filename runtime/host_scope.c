/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/host_scope.h"

#include <errno.h>

#include "lib/arena.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "oci/spec.h"
#include "runtime/container.h"
#include "runtime/host_cgroup.h"
#include "runtime/host_limits.h"
#include "runtime/install.h"
#include "runtime/systemd_client.h"
#include "runtime/systemd_properties.h"
#include "runtime/systemd_scope.h"

/* The verb, the unit, Slice= and Description=. */
#define MAX_WORDS (SYSTEMD_MAX_PROPERTIES + 4)

/* A call's arguments. */
struct request {
	char *word[MAX_WORDS + 1]; /* in arena */
	struct oci_strings words; /* of them */
	struct arena arena;
};

static void request_release(struct request *r)
{
	arena_release(&r->arena);
}
#define auto_request auto_call(request_release)

/* add() - @word is the arena's, or NULL. */
static int add(struct request *r, char *word, struct err *err)
{
	if (!word)
		return err_set(err, ENOMEM, "ask systemd");
	r->words.v[r->words.n++] = word;
	return 0;
}

static int begin(struct request *r, const char *verb, const char *unit, struct err *err)
{
	int ret;

	r->words.v = r->word;
	ret = add(r, arena_strdup(&r->arena, verb), err);
	return ret < 0 ? ret : add(r, arena_strdup(&r->arena, unit), err);
}

static int add_limits(struct request *r, struct host_limits *limits,
		      const struct cpuset *set, struct err *err)
{
	systemd_round(&limits->cpu);
	return systemd_properties(&limits->res, set, &r->words, &r->arena, err);
}

static int ask(const struct request *r, struct systemd_call *ret_call, struct err *err)
{
	auto_fd int program = install_open(INSTALL_SYSTEMD, err);

	return program < 0 ? program : systemd_begin(ret_call, program, &r->words, err);
}

int host_scope_create(const struct oci_spec *spec, struct container *c,
		      struct host_limits *limits, const struct cpuset *set,
		      struct systemd_call *ret_holder, struct host_cgroup *ret_cgroup,
		      struct err *err)
{
	auto_request struct request r = { 0 };
	struct systemd_scope scope;
	int ret;

	*ret_cgroup = (struct host_cgroup){ 0 };
	if (!host_cgroup_is_v2())
		return err_msg(err, ENOTSUP,
			       "--systemd-cgroup: no cgroup v2 at /sys/fs/cgroup");
	ret = systemd_scope_of(spec->linux_->cgroups_path, c->id, &c->arena, &scope, err);
	if (ret == 0)
		ret = begin(&r, "start", scope.unit, err);
	if (ret == 0)
		ret = add(&r, arena_printf(&r.arena, "Slice=%s", scope.slice), err);
	if (ret == 0)
		ret = add(&r,
			  arena_printf(&r.arena, "Description=hull container %s", c->id),
			  err);
	if (ret == 0)
		ret = add_limits(&r, limits, set, err);
	if (ret == 0)
		ret = ask(&r, ret_holder, err);
	if (ret < 0)
		return ret;
	c->unit = arena_strdup(&c->arena, scope.unit);
	c->cgroup = arena_printf(&c->arena, "/sys/fs/cgroup/%s",
				 scope.path + (*scope.path == '/'));
	if (!c->unit || !c->cgroup)
		return err_set(err, ENOMEM, "unit '%s'", scope.unit);
	return host_cgroup_open(c, ret_cgroup, err);
}

int host_scope_update(const struct container *c, struct host_limits *limits,
		      const struct cpuset *set, struct systemd_call *ret_change,
		      struct err *err)
{
	auto_request struct request r = { 0 };
	int ret = begin(&r, "update", c->unit, err);

	if (ret == 0)
		ret = add_limits(&r, limits, set, err);
	return ret < 0 ? ret : ask(&r, ret_change, err);
}

int host_scope_stop(const struct container *c, struct err *err)
{
	auto_request struct request r = { 0 };
	struct systemd_call call = SYSTEMD_CALL_INIT;
	int ret = begin(&r, "stop", c->unit, err);

	if (ret == 0)
		ret = ask(&r, &call, err);
	systemd_end(&call, false);
	return ret;
}
