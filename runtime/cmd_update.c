/* SPDX-License-Identifier: Apache-2.0 */
/*
 * New limits for a running container: those of the guest's cgroup go to the agent;
 * hull-vmm's cgroup, as systemd knows it too, and the CPUs that it is bound to are
 * changed here.
 *
 * The host's come first: they can be put back when the guest refuses its part.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/file.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/log.h"
#include "oci/cgroup_saved.h"
#include "oci/options.h"
#include "oci/spec.h"
#include "runtime/container.h"
#include "runtime/control_client.h"
#include "runtime/cpuset.h"
#include "runtime/guest_spec.h"
#include "runtime/host_cgroup.h"
#include "runtime/host_limits.h"
#include "runtime/host_scope.h"
#include "runtime/intel_rdt.h"
#include "runtime/network.h"
#include "runtime/new_limits.h"
#include "runtime/systemd_client.h"
#include "runtime/verbs.h"
#include "vmm/control.h"

/* update_guest() - the agent changes all of them, or none. */
static int update_guest(const struct container *c, const struct oci_resources *res,
			struct err *err)
{
	auto_buf struct buf json = BUF_INIT;
	int ret = oci_resources_write(res, &json, err);

	if (ret < 0)
		return ret;
	return control_call(c,
			    &(struct control_request){ .type = CONTROL_UPDATE,
						       .payload = json.data,
						       .len = json.len },
			    NULL, err);
}

/* What was changed on the host, to be put back. */
struct host_changes {
	struct cpuset set;
	struct oci_cpu_set before; /* hull-vmm's CPUs, once known */
	bool known;
	struct host_cgroup cgroup; /* owned */
	struct host_limits limits; /* of hull-vmm's cgroup */
	struct cgroup_saved *saved; /* owned */
	struct systemd_call systemd; /* the unit's properties have changed */
	const char *l3; /* new shares of hull-vmm's resctrl group, or NULL */
	const char *mb;
	struct buf shares; /* what the group had */
};

/* check_shares() - before anything changes. */
static int check_shares(const struct cli *cli, const struct container *c,
			struct host_changes *h, struct err *err)
{
	char root[PATH_MAX];
	bool has_root = intel_rdt_root(root) == 0;

	h->l3 = cli_string(&cli->options, "l3-cache-schema");
	h->mb = cli_string(&cli->options, "mem-bw-schema");
	return intel_rdt_check_update(has_root ? root : NULL, &c->rdt, h->l3, h->mb, err);
}

/* plan_cgroup() - the limits, and what stands there now. */
static int plan_cgroup(const struct container *c, const struct oci_resources *res,
		       struct host_changes *h, struct err *err)
{
	const struct machine machine = { .memory = c->memory, .vcpus = c->vcpus };

	int ret = host_cgroup_open(c, &h->cgroup, err);

	if (ret < 0 || !h->cgroup.n)
		return ret;
	host_limits_changed(&h->cgroup, res, &h->set, &machine, &h->limits);
	h->saved = host_limits_save(&h->cgroup, &h->limits);
	return h->saved ? 0 : err_set(err, ENOMEM, "host");
}

static int change_host(const struct container *c, const struct oci_resources *res,
		       struct host_changes *h, struct err *err)
{
	int ret = plan_cgroup(c, res, h, err);

	if (ret == 0 && h->set.has_mems)
		ret = cpuset_check_mems(c->pid, &h->set.mems, err);
	if (ret == 0 && h->set.has_cpus) {
		ret = cpuset_read(c->pid, &h->before, err);
		h->known = ret == 0;
	}
	/*
	 * systemd's and the cgroup's first: CPUs must be allowed before a thread can be
	 * bound to them, and kernels before 6.2 bind all threads to all that are allowed
	 * whenever that changes.
	 */
	if (ret == 0 && c->unit)
		ret = host_scope_update(c, &h->limits, &h->set, &h->systemd, err);
	if (ret == 0 && h->cgroup.n)
		ret = host_limits_set(&h->cgroup, &h->limits, err);
	if (ret == 0 && h->set.has_cpus)
		ret = cpuset_move(c->pid, &h->set.cpus, err);
	if (ret == 0)
		ret = intel_rdt_change(&c->rdt, h->l3, h->mb, &h->shares, err);
	return ret;
}

static void put_back_host(const struct container *c, struct host_changes *h)
{
	struct err err = ERR_INIT;

	intel_rdt_put_back(&c->rdt, &h->shares);
	systemd_end(&h->systemd, false); /* it writes the files as it knows them */
	cgroup_put_back(h->saved);
	if (h->known && cpuset_move(c->pid, &h->before, &err) < 0)
		log_warn("%s", err.msg); /* why the update failed is the error */
}

/* change_network() - what --set has of it. */
static int change_network(const struct cli *cli, struct container *c,
			  struct hull_net_options *ret_before, struct err *err)
{
	size_t n;
	const char *const *set = cli_list(&cli->global, "set", &n);

	return network_change(c, set, n, ret_before, err);
}

static int update(const struct cli *cli, const struct container *c, struct oci_spec *spec,
		  struct err *err)
{
	auto_container struct container *now = NULL;
	struct oci_resources *res = spec->linux_->resources;
	struct host_changes h = { .systemd = SYSTEMD_CALL_INIT, .shares = BUF_INIT };
	struct hull_net_options network;
	int ret = cpuset_take(spec, &h.set, err);

	if (ret == 0)
		ret = check_shares(cli, c, &h, err);
	if (ret < 0)
		return ret;
	/* One at a time: what is put back must be what was before. */
	if (flock(c->dir, LOCK_EX) < 0)
		return err_set(err, errno, "lock the state folder");
	/* Another one may have changed it meanwhile. */
	ret = container_load(c->root, c->id, &now, err);
	if (ret == 0)
		ret = change_network(cli, now, &network, err);
	if (ret < 0)
		return ret;
	ret = change_host(c, res, &h, err);
	if (ret == 0) {
		guest_resources(res);
		ret = update_guest(c, res, err);
	}
	if (ret < 0) {
		put_back_host(c, &h);
		network_put_back(now, &network);
	}
	systemd_end(&h.systemd, true);
	cgroup_saved_free(h.saved);
	buf_release(&h.shares);
	host_cgroup_close(&h.cgroup);
	return ret;
}

static int run(struct cli *cli, struct err *err)
{
	auto_container struct container *c = NULL;
	auto_oci_spec struct oci_spec *spec = NULL;
	int ret = container_of(cli, &c, err);

	if (ret == 0)
		ret = new_limits_load(cli, &spec, err);
	if (ret == 0)
		ret = log_warnings(spec, err);
	if (ret < 0)
		return ret;
	if (container_status(c) == CONTAINER_STOPPED)
		return err_msg(err, ESRCH, "container not running");
	return update(cli, c, spec, err);
}

static const struct option_def options[] = {
	{ OPTION_STRING, "resources", "r", "FILE",
	  "a linux.resources object as JSON (-: standard input); no other option counts then",
	  NULL },
	{ OPTION_STRING, "blkio-weight", NULL, "WEIGHT", "block IO weight, 10 to 1000",
	  NULL },
	{ OPTION_STRING, "cpu-period", NULL, "USECS", "period of the CPU quota", NULL },
	{ OPTION_STRING, "cpu-quota", NULL, "USECS", "CPU time in each period", NULL },
	{ OPTION_STRING, "cpu-burst", NULL, "USECS",
	  "CPU time that may be saved up beyond the quota", NULL },
	{ OPTION_STRING, "cpu-share", NULL, "SHARES", "CPU shares, 2 to 262144", NULL },
	{ OPTION_STRING, "cpu-idle", NULL, "N",
	  "1: run only where nothing else does; or 0", NULL },
	{ OPTION_STRING, "cpu-rt-period", NULL, "USECS",
	  "real-time period; cgroup v2 has none", NULL },
	{ OPTION_STRING, "cpu-rt-runtime", NULL, "USECS",
	  "real-time CPU time in each such period; cgroup v2 has none", NULL },
	{ OPTION_STRING, "cpuset-cpus", NULL, "LIST", "CPUs of the host for the machine",
	  NULL },
	{ OPTION_STRING, "cpuset-mems", NULL, "LIST",
	  "memory nodes of the host: only those it has", NULL },
	{ OPTION_STRING, "kernel-memory", NULL, "BYTES",
	  "accepted, has no meaning any more", NULL },
	{ OPTION_STRING, "kernel-memory-tcp", NULL, "BYTES",
	  "accepted, has no meaning any more", NULL },
	{ OPTION_STRING, "memory", NULL, "BYTES", "memory limit", NULL },
	{ OPTION_STRING, "memory-reservation", NULL, "BYTES",
	  "memory that is taken away last", NULL },
	{ OPTION_STRING, "memory-swap", NULL, "BYTES",
	  "limit of memory and swap together", NULL },
	{ OPTION_STRING, "pids-limit", NULL, "N", "most processes and threads", NULL },
	{ OPTION_STRING, "l3-cache-schema", NULL, "SCHEMA",
	  "share of the processor's L3 caches", NULL },
	{ OPTION_STRING, "mem-bw-schema", NULL, "SCHEMA", "share of the memory bandwidth",
	  NULL },
	{ 0 },
};

const struct command cmd_update = {
	.name = "update",
	.synopsis = "<container-id>",
	.summary = "change the limits of a container",
	.options = options,
	.min_args = 1,
	.max_args = 1,
	.run = run,
};
