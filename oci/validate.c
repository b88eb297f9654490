/* SPDX-License-Identifier: Apache-2.0 */
/* config.md: version, process, root, names, mounts, hooks. */
#include "oci/validate.h"

#include <sys/mount.h>

#include "lib/arena.h"
#include "oci/cpu_list.h"
#include "oci/mount.h"
#include "oci/schema.h"
#include "oci/validate-internal.h"

#define HOST_NAME_SIZE 64u /* (bytes) of sethostname(2) and setdomainname(2) */
#define NO_ID UINT32_MAX /* (uid_t)-1: no user at all */

/* ---- version ---------------------------------------------------------------------- */

/* version_part() - the number at *@p (no leading zeros), which moves behind it. */
static int version_part(const char **p)
{
	const char *s = *p;
	int n = 0;

	if (*s < '0' || *s > '9' || (s[0] == '0' && s[1] >= '0' && s[1] <= '9'))
		return -EINVAL;
	for (; *s >= '0' && *s <= '9'; s++) {
		if (n > 99999)
			return -EINVAL;
		n = n * 10 + (*s - '0');
	}
	*p = s;
	return n;
}

static int validate_version(const char *version, struct err *err)
{
	static const char suffix_chars[] = "0123456789abcdefghijklmnopqrstuvwxyz"
					   "ABCDEFGHIJKLMNOPQRSTUVWXYZ.-+";
	const char *p = version;
	int part[3] = { 0 };

	for (int i = 0; i < 3; i++) {
		part[i] = version_part(&p);
		if (part[i] < 0 || (i < 2 && *p++ != '.'))
			return invalid(
				err, "ociVersion: \"%.80s\" is not a version like 1.2.3",
				version);
	}
	if (*p && ((*p != '-' && *p != '+') || !p[1] || p[strspn(p, suffix_chars)]))
		return invalid(err, "ociVersion: \"%.80s\" is not a version like 1.2.3",
			       version);
	if (part[0] != 1 || part[1] > 3)
		return invalid(
			err,
			"ociVersion: \"%.80s\" is not supported, only " OCI_VERSION_MIN
			" to " OCI_VERSION_MAX,
			version);
	return 0;
}

/* ---- process ------------------------------------------------------------------------ */

/* validate_env() - as runc: every variable has a name. */
static int validate_env(const char *place, const struct oci_strings *env, struct err *err)
{
	for (size_t i = 0; i < env->n; i++) {
		if (!strchr(env->v[i], '='))
			return invalid(
				err, "%s[%zu]: invalid environment variable: missing '='",
				place, i);
		if (env->v[i][0] == '=')
			return invalid(
				err,
				"%s[%zu]: invalid environment variable: name cannot be empty",
				place, i);
	}
	return 0;
}

static int validate_user(const struct oci_user *user, struct err *err)
{
	if (user->uid == NO_ID)
		return invalid(err, "process.user.uid: %u is not a user", user->uid);
	if (user->gid == NO_ID)
		return invalid(err, "process.user.gid: %u is not a group", user->gid);
	if (user->umask.set && user->umask.value > 0777)
		return invalid(err, "process.user.umask: %u is not between 0 and 511",
			       user->umask.value);
	for (size_t i = 0; i < user->additional_gids.n; i++)
		if (user->additional_gids.v[i] == NO_ID)
			return invalid(
				err,
				"process.user.additionalGids[%zu]: %u is not a group", i,
				NO_ID);
	return 0;
}

static int validate_rlimits(const struct oci_process *p, struct err *err)
{
	uint32_t seen = 0;

	for (size_t i = 0; i < p->rlimits.n; i++) {
		const struct oci_rlimit *r = &p->rlimits.v[i];

		if (seen & 1u << r->type)
			return invalid(err, "process.rlimits[%zu]: duplicated %s", i,
				       oci_rlimit_name(r->type));
		seen |= 1u << r->type;
		if (r->soft > r->hard)
			return invalid(
				err, "process.rlimits[%zu]: soft %llu is above hard %llu",
				i, (unsigned long long)r->soft,
				(unsigned long long)r->hard);
	}
	return 0;
}

static int validate_scheduler(const struct oci_scheduler *s, struct err *err)
{
	static const char place[] = "process.scheduler";

	if (!s)
		return 0;
	if (!s->policy)
		return invalid(err, "%s: scheduler policy is required", place);
	if ((s->policy == OCI_SCHED_OTHER || s->policy == OCI_SCHED_BATCH) &&
	    (s->nice < -20 || s->nice > 19))
		return invalid(
			err, "%s: invalid scheduler.nice: %d when scheduler.policy is %s",
			place, s->nice,
			oci_name_of(&oci_names_sched_policy, (int)s->policy));
	if (s->priority && s->policy != OCI_SCHED_FIFO && s->policy != OCI_SCHED_RR)
		return invalid(
			err,
			"%s: scheduler.priority can only be specified for SchedFIFO or SchedRR policy",
			place);
	if (s->policy != OCI_SCHED_DEADLINE && (s->runtime || s->deadline || s->period))
		return invalid(
			err,
			"%s: scheduler runtime/deadline/period can only be specified for SchedDeadline policy",
			place);
	return 0;
}

static int validate_cpus(const char *place, const char *list, struct err *err)
{
	if (list && oci_cpu_list(list, NULL) < 0)
		return invalid(err, "%s: \"%.80s\" is not a list of CPUs like 0-3,5",
			       place, list);
	return 0;
}

static int validate_process_parts(const struct oci_process *p, struct err *err)
{
	const struct oci_box *box = p->console_size;
	int ret = validate_user(&p->user, err);

	if (ret == 0)
		ret = validate_env("process.env", &p->env, err);
	if (ret == 0)
		ret = validate_rlimits(p, err);
	if (ret == 0)
		ret = validate_scheduler(p->scheduler, err);
	if (ret == 0 && p->exec_cpu_affinity)
		ret = validate_cpus("process.execCPUAffinity.initial",
				    p->exec_cpu_affinity->initial, err);
	if (ret == 0 && p->exec_cpu_affinity)
		ret = validate_cpus("process.execCPUAffinity.final",
				    p->exec_cpu_affinity->final, err);
	if (ret < 0)
		return ret;
	if (box && (box->height > UINT16_MAX || box->width > UINT16_MAX))
		return invalid(err,
			       "process.consoleSize: %u rows and %u columns are "
			       "not between 0 and 65535",
			       box->height, box->width);
	if (p->oom_score_adj.set &&
	    (p->oom_score_adj.value < -1000 || p->oom_score_adj.value > 1000))
		return invalid(err,
			       "process.oomScoreAdj: %d is not between -1000 and 1000",
			       p->oom_score_adj.value);
	if (p->io_priority &&
	    (p->io_priority->priority < 0 || p->io_priority->priority > 7))
		return invalid(err,
			       "process.ioPriority.priority: invalid "
			       "ioPriority.Priority: %d",
			       p->io_priority->priority);
	return 0;
}

int oci_validate_process(const struct oci_process *p, struct err *err)
{
	if (!p)
		return invalid(err, "process: process property must not be empty");
	if (!p->cwd)
		return invalid(err, "process.cwd: Cwd property must not be empty");
	if (p->cwd[0] != '/')
		return invalid(err, "process.cwd: Cwd must be an absolute path");
	if (!p->args.n)
		return invalid(err, "process.args: args must not be empty");
	return validate_process_parts(p, err);
}

/* ---- mounts ------------------------------------------------------------------------- */

/* validate_idmap() - of an id-mapped mount. */
static int validate_idmap(const struct oci_spec *spec, const struct oci_mount *m,
			  size_t i, const struct oci_mount_options *opt, struct err *err)
{
	char place[64];
	int ret;

	if (!(opt->flags & MS_BIND))
		return invalid(err,
			       "mounts[%zu]: id-mapped mounts are only supported "
			       "for bind-mounts",
			       i);
	if (!m->uid_mappings.n != !m->gid_mappings.n)
		return invalid(err,
			       "mounts[%zu]: id-mapped mounts must have both uid "
			       "and gid mappings specified",
			       i);
	if (!m->uid_mappings.n && !(spec->linux_ && spec->linux_->uid_mappings.n))
		return invalid(
			err,
			"mounts[%zu]: id-mapped mounts without mappings need those "
			"of a user namespace",
			i);
	(void)!snprintf(place, sizeof(place), "mounts[%zu].uidMappings", i);
	ret = validate_mappings(place, &m->uid_mappings, err);
	if (ret < 0)
		return ret;
	(void)!snprintf(place, sizeof(place), "mounts[%zu].gidMappings", i);
	return validate_mappings(place, &m->gid_mappings, err);
}

static int validate_mount(const struct oci_spec *spec, size_t i, struct arena *arena,
			  struct err *err)
{
	const struct oci_mount *m = &spec->mounts.v[i];
	struct oci_mount_options opt;
	int ret = oci_mount_options(m, arena, &opt, err);

	if (ret < 0)
		return err_wrap(err, ret, "mounts[%zu].options", i);
	if (opt.flags & MS_BIND) {
		if (!m->source)
			return invalid(err, "mounts[%zu].source: a bind mount needs one",
				       i);
		if (opt.data[0])
			return invalid(err,
				       "mounts[%zu].options: bind mounts cannot have any "
				       "filesystem-specific options applied: %.80s",
				       i, opt.data);
	} else if (!m->type && !(opt.flags & MS_REMOUNT)) {
		return invalid(err, "mounts[%zu].type: is required for '%.80s'", i,
			       m->destination);
	}
	if (opt.tmpcopyup && (!m->type || strcmp(m->type, "tmpfs") != 0))
		return invalid(err, "mounts[%zu].options: tmpcopyup is for tmpfs", i);
	return opt.idmap ? validate_idmap(spec, m, i, &opt, err) : 0;
}

static int validate_mounts(const struct oci_spec *spec, struct err *err)
{
	auto_arena struct arena arena = ARENA_INIT;
	int ret = 0;

	for (size_t i = 0; i < spec->mounts.n && ret == 0; i++)
		ret = validate_mount(spec, i, &arena, err);
	return ret;
}

/* ---- hooks -------------------------------------------------------------------------- */

static int validate_hook_list(const char *kind, const struct oci_hook_list *list,
			      struct err *err)
{
	char place[64];

	for (size_t i = 0; i < list->n; i++) {
		const struct oci_hook *hook = &list->v[i];
		int ret;

		if (hook->path[0] != '/')
			return invalid(
				err,
				"hooks.%s[%zu].path: '%.80s' is not an absolute path",
				kind, i, hook->path);
		if (hook->timeout.set && hook->timeout.value <= 0)
			return invalid(err, "hooks.%s[%zu].timeout: %d is not above 0",
				       kind, i, hook->timeout.value);
		(void)!snprintf(place, sizeof(place), "hooks.%s[%zu].env", kind, i);
		ret = validate_env(place, &hook->env, err);
		if (ret < 0)
			return ret;
	}
	return 0;
}

static int validate_hooks(const struct oci_hooks *hooks, struct err *err)
{
	int ret;

	if (!hooks)
		return 0;
	ret = validate_hook_list("prestart", &hooks->prestart, err);
	if (ret == 0)
		ret = validate_hook_list("createRuntime", &hooks->create_runtime, err);
	if (ret == 0)
		ret = validate_hook_list("createContainer", &hooks->create_container,
					 err);
	if (ret == 0)
		ret = validate_hook_list("startContainer", &hooks->start_container, err);
	if (ret == 0)
		ret = validate_hook_list("poststart", &hooks->poststart, err);
	if (ret == 0)
		ret = validate_hook_list("poststop", &hooks->poststop, err);
	return ret;
}

/* ---- the whole ---------------------------------------------------------------------- */

/* validate_name() - hostname or domainname. */
static int validate_name(const struct oci_spec *spec, const char *field, const char *name,
			 struct err *err)
{
	if (!name)
		return 0;
	if (!oci_namespace(spec, OCI_NS_UTS))
		return invalid(err,
			       "%s: unable to set %s without a private UTS namespace",
			       field, field);
	if (strlen(name) > HOST_NAME_SIZE)
		return invalid(err, "%s: longer than %u bytes", field, HOST_NAME_SIZE);
	return 0;
}

static int validate_annotations(const struct oci_spec *spec, struct err *err)
{
	for (size_t i = 0; i < spec->annotations.n; i++)
		if (!spec->annotations.v[i].key[0])
			return invalid(err, "annotations: a key is empty");
	return 0;
}

static int validate_spec(const struct oci_spec *spec, struct err *err)
{
	int ret = validate_version(spec->oci_version, err);

	if (ret == 0)
		ret = oci_validate_process(spec->process, err);
	if (ret == 0 && !spec->root)
		ret = invalid(err, "root: root must be specified");
	if (ret == 0)
		ret = validate_name(spec, "hostname", spec->hostname, err);
	if (ret == 0)
		ret = validate_name(spec, "domainname", spec->domainname, err);
	if (ret == 0)
		ret = validate_mounts(spec, err);
	if (ret == 0)
		ret = validate_hooks(spec->hooks, err);
	if (ret == 0)
		ret = validate_annotations(spec, err);
	if (ret == 0 && spec->linux_)
		ret = validate_linux(spec, err);
	if (ret == 0 && spec->vm)
		ret = validate_vm(spec->vm, err);
	return ret;
}

int oci_validate(const struct oci_spec *spec, struct err *err)
{
	int ret = validate_spec(spec, err);

	return ret < 0 ? err_wrap(err, ret, "config.json") : 0;
}
