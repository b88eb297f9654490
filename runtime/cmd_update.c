/* SPDX-License-Identifier: Apache-2.0 */
/*
 * New limits for a running container: those of the guest's cgroup go to the agent, the
 * host's CPUs are bound here.  One of them failing changes nothing.
 */
#include <errno.h>

#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/log.h"
#include "oci/spec.h"
#include "runtime/container.h"
#include "runtime/control_client.h"
#include "runtime/cpuset.h"
#include "runtime/new_limits.h"
#include "runtime/verbs.h"
#include "vmm/control.h"

/* update_guest() - the agent changes all of them, or none. */
static int update_guest(const struct container *c, const struct oci_resources *res,
			struct err *err)
{
	auto_buf struct buf json = BUF_INIT;
	struct control_answer answer;
	auto_fd int sock = -1;
	int ret = oci_resources_write(res, &json, err);

	if (ret == 0)
		ret = control_connect(c, &sock, err);
	if (ret == 0)
		ret = control_send(sock, CONTROL_UPDATE, 0, 0, json.data, json.len, NULL,
				   0, err);
	if (ret < 0)
		return ret;
	ret = control_receive(sock, &answer, NULL, err);
	if (ret == 0)
		return err_msg(err, ESRCH, "container not running");
	return ret < 0 ? ret : 0;
}

static int update(const struct container *c, struct oci_spec *spec, struct err *err)
{
	struct oci_cpu_set before;
	struct err why = ERR_INIT;
	struct cpuset set;
	int ret = cpuset_take(spec, &set, err);

	if (ret == 0 && set.has_mems)
		ret = cpuset_check_mems(c->pid, &set.mems, err);
	if (ret == 0 && set.has_cpus)
		ret = cpuset_move(c->pid, &set.cpus, &before, err);
	if (ret < 0)
		return ret;
	ret = update_guest(c, spec->linux_->resources, err);
	if (ret < 0 && set.has_cpus && cpuset_move(c->pid, &before, NULL, &why) < 0)
		log_warn("%s", why.msg); /* why it failed at first is the error */
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
	return update(c, spec, err);
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
	  "not supported: cgroup v2 has none", NULL },
	{ OPTION_STRING, "cpu-rt-runtime", NULL, "USECS",
	  "not supported: cgroup v2 has none", NULL },
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
	{ OPTION_STRING, "l3-cache-schema", NULL, "SCHEMA", "not supported", NULL },
	{ OPTION_STRING, "mem-bw-schema", NULL, "SCHEMA", "not supported", NULL },
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
