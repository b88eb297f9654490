/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/systemd/unit.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include "lib/err.h"
#include "runtime/systemd/property.h"

#define SERVICE "org.freedesktop.systemd1"
#define PATH "/org/freedesktop/systemd1"
#define MANAGER "org.freedesktop.systemd1.Manager"
#define SCOPE "org.freedesktop.systemd1.Scope"

#define NO_SUCH_UNIT "org.freedesktop.systemd1.NoSuchUnit"
#define UNIT_EXISTS "org.freedesktop.systemd1.UnitExists"

#define JOB_TIMEOUT_USEC (30 * UINT64_C(1000000)) /* as long as runc waits */

/* failed() - one line: what systemd said, else what the errno says. */
static int failed(struct err *err, int ret, const sd_bus_error *error, const char *what,
		  const char *unit)
{
	if (error && error->message)
		return err_msg(err, -ret, "systemd: %s '%s': %s", what, unit,
			       error->message);
	return err_set(err, -ret, "systemd: %s '%s'", what, unit);
}

static int new_call(sd_bus *bus, const char *method, sd_bus_message **ret)
{
	return sd_bus_message_new_method_call(bus, ret, SERVICE, PATH, MANAGER, method);
}

/* append_properties() - the members of an a(sv) that is open. */
static int append_properties(sd_bus_message *m, const struct property *props, size_t n)
{
	int ret = 0;

	for (size_t i = 0; ret >= 0 && i < n; i++)
		ret = property_append(m, &props[i]);
	return ret;
}

/* A job that is waited for. */
struct job {
	const char *unit;
	sd_bus_message *reply; /* owned; to the call that made it */
	const char *path; /* in reply */
	char result[32]; /* "done", "failed", ...; "" until it has ended */
};

static void job_release(struct job *job)
{
	sd_bus_message_unref(job->reply);
}
#define auto_job auto_call(job_release)

static int on_job_removed(sd_bus_message *m, void *data, sd_bus_error *error)
{
	struct job *job = data;
	const char *path;
	const char *unit;
	const char *result;
	uint32_t id;

	(void)error;
	if (sd_bus_message_read(m, "uoss", &id, &path, &unit, &result) >= 0 &&
	    strcmp(path, job->path) == 0)
		(void)!snprintf(job->result, sizeof(job->result), "%s", result);
	return 0;
}

/*
 * watch_jobs() - before the job is asked for, or its end could be missed.  Signals that
 * come before its reply wait in the connection's queue.
 */
static int watch_jobs(sd_bus *bus, struct job *job, sd_bus_slot **ret)
{
	/* On a bus anybody may send signals: only the bus knows who is systemd. */
	const char *sender = sd_bus_is_bus_client(bus) > 0 ? SERVICE : NULL;
	int r = sd_bus_match_signal(bus, ret, sender, PATH, MANAGER, "JobRemoved",
				    on_job_removed, job);

	/* systemd is silent on the bus until somebody listens. */
	if (r >= 0)
		r = sd_bus_call_method(bus, SERVICE, PATH, MANAGER, "Subscribe", NULL,
				       NULL, NULL);
	return r;
}

static uint64_t now_usec(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static int await_job(sd_bus *bus, const struct job *job)
{
	uint64_t deadline = now_usec() + JOB_TIMEOUT_USEC;

	while (!*job->result) {
		uint64_t now = now_usec();
		int ret = sd_bus_process(bus, NULL);

		if (ret < 0)
			return ret;
		if (ret > 0)
			continue;
		if (now >= deadline)
			return -ETIMEDOUT;
		ret = sd_bus_wait(bus, deadline - now);
		if (ret < 0 && ret != -EINTR)
			return ret;
	}
	return 0;
}

static int check_job(sd_bus *bus, struct job *job, const char *what, struct err *err)
{
	int ret = sd_bus_message_read(job->reply, "o", &job->path);

	if (ret >= 0)
		ret = await_job(bus, job);
	if (ret < 0)
		return failed(err, ret, NULL, what, job->unit);
	if (strcmp(job->result, "done") != 0)
		return err_msg(err, EIO, "systemd: %s '%s': the job's result is '%s'",
			       what, job->unit, job->result);
	return 0;
}

/* reset_failed() - systemd forgets a failed unit; most are not, which is no error. */
static void reset_failed(sd_bus *bus, const char *unit)
{
	(void)sd_bus_call_method(bus, SERVICE, PATH, MANAGER, "ResetFailedUnit", NULL,
				 NULL, "s", unit);
}

static int append_start(sd_bus_message *m, const char *unit, const struct property *props,
			size_t n, pid_t pid)
{
	int ret = sd_bus_message_append(m, "ss", unit, "replace");

	if (ret >= 0)
		ret = sd_bus_message_open_container(m, 'a', "(sv)");
	if (ret >= 0)
		ret = append_properties(m, props, n);
	/* With accounting on from the start, its controllers are there from the start. */
	if (ret >= 0)
		ret = sd_bus_message_append(m, "(sv)(sv)(sv)(sv)(sv)(sv)(sv)", "PIDs",
					    "au", 1, (uint32_t)pid, "Delegate", "b", true,
					    "DefaultDependencies", "b", false,
					    "CPUAccounting", "b", true, "IOAccounting",
					    "b", true, "MemoryAccounting", "b", true,
					    "TasksAccounting", "b", true);
	if (ret >= 0)
		ret = sd_bus_message_close_container(m);
	/* No other units with it. */
	return ret < 0 ? ret : sd_bus_message_append(m, "a(sa(sv))", 0);
}

int unit_start(sd_bus *bus, const char *unit, const struct property *props, size_t n,
	       pid_t pid, struct err *err)
{
	static const char what[] = "start";
	auto_job struct job job = { .unit = unit };
	auto_bus_slot sd_bus_slot *slot = NULL; /* points to job: gone first */
	int ret = watch_jobs(bus, &job, &slot);

	if (ret < 0)
		return failed(err, ret, NULL, what, unit);
	for (bool again = false;; again = true) {
		auto_bus_error sd_bus_error error = SD_BUS_ERROR_NULL;
		auto_bus_message sd_bus_message *m = NULL;

		ret = new_call(bus, "StartTransientUnit", &m);
		if (ret >= 0)
			ret = append_start(m, unit, props, n, pid);
		if (ret >= 0)
			ret = sd_bus_call(bus, m, 0, &error, &job.reply);
		if (ret >= 0)
			break;
		if (again || !sd_bus_error_has_name(&error, UNIT_EXISTS))
			return failed(err, ret, &error, what, unit);
		reset_failed(bus, unit);
	}
	ret = check_job(bus, &job, what, err);
	if (ret < 0)
		reset_failed(bus, unit);
	return ret;
}

int unit_set(sd_bus *bus, const char *unit, const struct property *props, size_t n,
	     struct err *err)
{
	auto_bus_error sd_bus_error error = SD_BUS_ERROR_NULL;
	auto_bus_message sd_bus_message *m = NULL;
	int ret = new_call(bus, "SetUnitProperties", &m);

	if (ret >= 0)
		ret = sd_bus_message_append(m, "sb", unit, true);
	if (ret >= 0)
		ret = sd_bus_message_open_container(m, 'a', "(sv)");
	if (ret >= 0)
		ret = append_properties(m, props, n);
	if (ret >= 0)
		ret = sd_bus_message_close_container(m);
	if (ret >= 0)
		ret = sd_bus_call(bus, m, 0, &error, NULL);
	return ret < 0 ? failed(err, ret, &error, "change", unit) : 0;
}

/* save_one() - a property as it is, in the form in which it is set. */
static int save_one(sd_bus *bus, const char *path, const struct property *p,
		    sd_bus_message *m, sd_bus_error *error)
{
	auto_bus_message sd_bus_message *value = NULL;
	int ret = sd_bus_get_property(bus, SERVICE, path, SCOPE, p->name, error, &value,
				      p->type);

	if (ret >= 0)
		ret = sd_bus_message_open_container(m, 'r', "sv");
	if (ret >= 0)
		ret = sd_bus_message_append_basic(m, 's', p->name);
	if (ret >= 0)
		ret = sd_bus_message_open_container(m, 'v', p->type);
	if (ret >= 0)
		ret = sd_bus_message_copy(m, value, true);
	if (ret >= 0)
		ret = sd_bus_message_close_container(m);
	if (ret >= 0)
		ret = sd_bus_message_close_container(m);
	return ret;
}

int unit_save(sd_bus *bus, const char *unit, const struct property *props, size_t n,
	      sd_bus_message **ret, struct err *err)
{
	auto_bus_error sd_bus_error error = SD_BUS_ERROR_NULL;
	auto_bus_message sd_bus_message *m = NULL;
	auto_free char *path = NULL;
	int r = sd_bus_path_encode(PATH "/unit", unit, &path);

	if (r >= 0)
		r = new_call(bus, "SetUnitProperties", &m);
	if (r >= 0)
		r = sd_bus_message_append(m, "sb", unit, true);
	if (r >= 0)
		r = sd_bus_message_open_container(m, 'a', "(sv)");
	for (size_t i = 0; r >= 0 && i < n; i++)
		r = save_one(bus, path, &props[i], m, &error);
	if (r >= 0)
		r = sd_bus_message_close_container(m);
	if (r < 0)
		return failed(err, r, &error, "read", unit);
	*ret = take_ptr(&m);
	return 0;
}

int unit_put_back(sd_bus *bus, sd_bus_message *saved, struct err *err)
{
	auto_bus_error sd_bus_error error = SD_BUS_ERROR_NULL;
	int ret = sd_bus_call(bus, saved, 0, &error, NULL);

	return ret < 0 ? failed(err, ret, &error, "put back", "properties") : 0;
}

int unit_stop(sd_bus *bus, const char *unit, struct err *err)
{
	static const char what[] = "stop";
	auto_bus_error sd_bus_error error = SD_BUS_ERROR_NULL;
	auto_job struct job job = { .unit = unit };
	auto_bus_slot sd_bus_slot *slot = NULL; /* points to job: gone first */
	int ret = watch_jobs(bus, &job, &slot);

	if (ret >= 0)
		ret = sd_bus_call_method(bus, SERVICE, PATH, MANAGER, "StopUnit", &error,
					 &job.reply, "ss", unit, "replace");
	if (sd_bus_error_has_name(&error, NO_SUCH_UNIT))
		return 0;
	if (ret < 0)
		return failed(err, ret, &error, what, unit);
	ret = check_job(bus, &job, what, err);
	reset_failed(bus, unit);
	return ret;
}
