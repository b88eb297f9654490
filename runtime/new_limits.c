/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/new_limits.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/json.h"
#include "lib/log.h"
#include "oci/honoured.h"
#include "oci/spec.h"
#include "oci/validate.h"
#include "runtime/cli.h"
#include "runtime/cpuset.h"
#include "runtime/host_cgroup.h"
#include "runtime/units.h"

/* given() - the option's value; NULL: absent, or empty, which is the same to runc. */
static const char *given(const struct cli *cli, const char *name)
{
	const char *text = cli_string(&cli->options, name);

	return text && *text ? text : NULL;
}

static int wrong(const char *name, const char *text, const char *why, struct err *err)
{
	return err_msg(err, EINVAL, "invalid value for %s: \"%s\" %s", name, text, why);
}

/* take_number() - a whole decimal number, a sign only where @min has one. */
static int take_number(const struct cli *cli, const char *name, int64_t min, int64_t max,
		       struct oci_opt_i64 *ret, struct err *err)
{
	const char *text = given(cli, name);
	char *end;
	long long n;

	if (!text)
		return 0;
	errno = 0;
	n = strtoll(text, &end, 10);
	if (*end || end == text || (*text != '-' && (*text < '0' || *text > '9')))
		return wrong(name, text, "is not a number", err);
	if (errno || n < min || n > max)
		return wrong(name, text, "is out of range", err);
	*ret = (struct oci_opt_i64){ true, n };
	return 0;
}

static int take_unsigned(const struct cli *cli, const char *name, struct oci_opt_u64 *ret,
			 struct err *err)
{
	struct oci_opt_i64 n = { 0 };
	int r = take_number(cli, name, 0, INT64_MAX, &n, err);

	if (r == 0 && n.set)
		*ret = (struct oci_opt_u64){ true, (uint64_t)n.value };
	return r;
}

/* take_bytes() - with a unit; -1: no limit. */
static int take_bytes(const struct cli *cli, const char *name, struct oci_opt_i64 *ret,
		      struct err *err)
{
	const char *text = given(cli, name);
	int64_t n = -1;
	int r = 0;

	if (!text)
		return 0;
	if (strcmp(text, "-1") != 0)
		r = units_bytes(text, &n);
	if (r < 0)
		return wrong(name, text,
			     r == -ERANGE ? "is out of range" : "is not a size", err);
	*ret = (struct oci_opt_i64){ true, n };
	return 0;
}

static int take_list(const struct cli *cli, struct oci_spec *spec, const char *name,
		     char **ret, struct err *err)
{
	const char *text = given(cli, name);

	if (!text)
		return 0;
	*ret = oci_strdup(spec, text);
	return *ret ? 0 : err_set(err, ENOMEM, "--%s", name);
}

static int take_cpu(const struct cli *cli, struct oci_spec *spec, struct oci_cpu *c,
		    struct err *err)
{
	int ret = take_unsigned(cli, "cpu-period", &c->period, err);

	if (ret == 0)
		ret = take_number(cli, "cpu-quota", INT64_MIN, INT64_MAX, &c->quota, err);
	if (ret == 0)
		ret = take_unsigned(cli, "cpu-burst", &c->burst, err);
	if (ret == 0)
		ret = take_unsigned(cli, "cpu-share", &c->shares, err);
	if (ret == 0)
		ret = take_unsigned(cli, "cpu-rt-period", &c->realtime_period, err);
	if (ret == 0)
		ret = take_number(cli, "cpu-rt-runtime", INT64_MIN, INT64_MAX,
				  &c->realtime_runtime, err);
	if (ret == 0)
		ret = take_number(cli, "cpu-idle", INT64_MIN, INT64_MAX, &c->idle, err);
	if (ret == 0)
		ret = take_list(cli, spec, "cpuset-cpus", &c->cpus, err);
	if (ret == 0)
		ret = take_list(cli, spec, "cpuset-mems", &c->mems, err);
	return ret;
}

static int take_memory(const struct cli *cli, struct oci_memory *m, struct err *err)
{
	int ret = take_bytes(cli, "memory", &m->limit, err);

	if (ret == 0)
		ret = take_bytes(cli, "memory-reservation", &m->reservation, err);
	if (ret == 0)
		ret = take_bytes(cli, "memory-swap", &m->swap, err);
	if (given(cli, "kernel-memory"))
		m->kernel.set = true; /* for the warning; its value means nothing */
	if (given(cli, "kernel-memory-tcp"))
		m->kernel_tcp.set = true;
	return ret;
}

/* from_options() - objects that stay empty change nothing. */
static int from_options(const struct cli *cli, struct oci_spec *spec,
			struct oci_resources *r, struct err *err)
{
	struct oci_opt_i64 weight = { 0 };
	int ret;

	r->cpu = oci_alloc(spec, sizeof(*r->cpu));
	r->memory = oci_alloc(spec, sizeof(*r->memory));
	r->pids = oci_alloc(spec, sizeof(*r->pids));
	r->block_io = oci_alloc(spec, sizeof(*r->block_io));
	if (!r->cpu || !r->memory || !r->pids || !r->block_io)
		return err_set(err, ENOMEM, "update");
	ret = take_cpu(cli, spec, r->cpu, err);
	if (ret == 0)
		ret = take_memory(cli, r->memory, err);
	if (ret == 0)
		ret = take_number(cli, "pids-limit", INT64_MIN, INT64_MAX,
				  &r->pids->limit, err);
	if (ret == 0)
		ret = take_number(cli, "blkio-weight", 0, UINT16_MAX, &weight, err);
	if (ret == 0 && weight.set)
		r->block_io->weight =
			(struct oci_opt_u16){ true, (uint16_t)weight.value };
	return ret;
}

static int from_file(const char *path, struct oci_spec **ret, struct err *err)
{
	auto_buf struct buf text = BUF_INIT;
	int r = strcmp(path, "-") == 0
			? io_read_fd(STDIN_FILENO, "standard input", JSON_MAX_SIZE, &text,
				     err)
			: io_read_file(AT_FDCWD, path, JSON_MAX_SIZE, &text, err);

	if (r == 0)
		r = oci_resources_parse(text.data ? text.data : "", text.len, ret, err);
	if (r < 0)
		return r;
	/* What plugins did to the devices stays, as in runc. */
	(*ret)->linux_->resources->devices.n = 0;
	(*ret)->linux_->resources->devices.v = NULL;
	return 0;
}

static int make(const struct cli *cli, struct oci_spec **ret, struct err *err)
{
	const char *file = given(cli, "resources");
	auto_oci_spec struct oci_spec *spec = NULL;
	int r;

	if (file)
		return from_file(file, ret, err);
	r = oci_resources_parse("{}", 2, &spec, err);
	if (r == 0)
		r = from_options(cli, spec, spec->linux_->resources, err);
	if (r == 0)
		*ret = take_ptr(&spec);
	return r;
}

int new_limits_load(const struct cli *cli, struct oci_spec **ret, struct err *err)
{
	auto_oci_spec struct oci_spec *spec = NULL;
	int r = make(cli, &spec, err);

	/* 0 leaves it, as runc; at create it is 1. */
	if (r == 0 && spec->linux_->resources->pids &&
	    !spec->linux_->resources->pids->limit.value)
		spec->linux_->resources->pids->limit.set = false;
	if (r == 0)
		r = host_cgroup_check(spec->linux_->resources, err);
	if (r == 0)
		r = cpuset_of_unified(spec, err);
	if (r == 0)
		r = oci_validate_update(spec->linux_->resources, err);
	if (r == 0)
		r = oci_check_honoured_resources(spec->linux_->resources, err);
	if (r == 0)
		*ret = take_ptr(&spec);
	return r;
}
