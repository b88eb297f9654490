/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A systemd at the other end of a socket pair, in a thread: it answers the calls that
 * hull-systemd makes, and remembers them as text.  Start it, make calls, stop it, then
 * look at what it was told.
 */
#ifndef HULL_TESTS_UNIT_FAKE_SYSTEMD_H
#define HULL_TESTS_UNIT_FAKE_SYSTEMD_H

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>

#include "lib/buf.h"
#include "runtime/systemd/bus.h"

struct fake_systemd {
	/* What it shall do, before fake_systemd_start(). */
	unsigned int exists; /* so many times the unit to be started is there already */
	bool refuse; /* new properties */
	bool gone; /* the unit to be stopped */
	const char *result; /* of jobs */
	uint64_t memory_max; /* as it is */

	struct buf told; /* a line for each call */
	sd_bus *bus; /* our end */
	pthread_t thread;
};

static inline int fake_value(sd_bus_message *m, struct buf *b)
{
	const char *inner;
	const void *bytes;
	const char *text;
	uint64_t number;
	size_t n = 0;
	char type;
	int flag;
	int ret = sd_bus_message_peek_type(m, &type, &inner);

	if (ret < 0)
		return ret;
	ret = sd_bus_message_enter_container(m, 'v', inner);
	if (ret < 0)
		return ret;
	switch (*inner) {
	case 's':
		ret = sd_bus_message_read(m, "s", &text);
		(void)buf_printf(b, "%s", text);
		break;
	case 't':
		ret = sd_bus_message_read(m, "t", &number);
		(void)buf_printf(b, "%llu", (unsigned long long)number);
		break;
	case 'b':
		ret = sd_bus_message_read(m, "b", &flag);
		(void)buf_printf(b, "%s", flag ? "true" : "false");
		break;
	default:
		ret = sd_bus_message_read_array(m, inner[1], &bytes, &n);
		for (size_t i = 0; ret >= 0 && i < n; i++)
			(void)buf_printf(b, "%02x", ((const uint8_t *)bytes)[i]);
	}
	return ret < 0 ? ret : sd_bus_message_exit_container(m);
}

static inline int fake_properties(sd_bus_message *m, struct buf *b)
{
	int ret = sd_bus_message_enter_container(m, 'a', "(sv)");

	while (ret >= 0 && sd_bus_message_enter_container(m, 'r', "sv") > 0) {
		const char *name;

		ret = sd_bus_message_read(m, "s", &name);
		if (ret < 0)
			return ret;
		(void)buf_printf(b, " %s=", name);
		ret = fake_value(m, b);
		if (ret >= 0)
			ret = sd_bus_message_exit_container(m);
	}
	(void)buf_puts(b, "\n");
	return ret;
}

/* fake_job() - its answer, and its end right behind it; one of another job before. */
static inline int fake_job(struct fake_systemd *f, sd_bus_message *m, const char *unit)
{
	static const char *const path[] = { "/org/freedesktop/systemd1/job/1",
					    "/org/freedesktop/systemd1/job/2" };
	int ret = 0;

	for (uint32_t id = 1; id <= 2 && ret >= 0; id++) {
		if (id == 2)
			ret = sd_bus_reply_method_return(m, "o", path[1]);
		if (ret >= 0)
			ret = sd_bus_emit_signal(f->bus, "/org/freedesktop/systemd1",
						 "org.freedesktop.systemd1.Manager",
						 "JobRemoved", "uoss", id, path[id - 1],
						 unit, id == 2 ? f->result : "canceled");
	}
	return ret < 0 ? ret : 1;
}

/* fake_unit() - the first two arguments of StartTransientUnit and StopUnit. */
static inline int fake_unit(sd_bus_message *m, struct buf *b, const char **ret_unit)
{
	const char *mode;
	int ret = sd_bus_message_read(m, "ss", ret_unit, &mode);

	if (ret >= 0)
		(void)buf_printf(b, "%s %s %s", sd_bus_message_get_member(m), *ret_unit,
				 mode);
	return ret;
}

static int fake_on_start(sd_bus_message *m, void *data, sd_bus_error *error)
{
	struct fake_systemd *f = data;
	const char *unit;
	int ret = fake_unit(m, &f->told, &unit);

	if (ret >= 0)
		ret = fake_properties(m, &f->told);
	if (ret < 0)
		return ret;
	if (f->exists && f->exists--)
		return sd_bus_error_set(error, "org.freedesktop.systemd1.UnitExists",
					"it is there");
	return fake_job(f, m, unit);
}

static int fake_on_stop(sd_bus_message *m, void *data, sd_bus_error *error)
{
	struct fake_systemd *f = data;
	const char *unit;
	int ret = fake_unit(m, &f->told, &unit);

	if (ret < 0)
		return ret;
	(void)buf_puts(&f->told, "\n");
	if (f->gone)
		return sd_bus_error_set(error, "org.freedesktop.systemd1.NoSuchUnit",
					"it is not there");
	return fake_job(f, m, unit);
}

static int fake_on_set(sd_bus_message *m, void *data, sd_bus_error *error)
{
	struct fake_systemd *f = data;
	const char *unit;
	int runtime;
	int ret = sd_bus_message_read(m, "sb", &unit, &runtime);

	if (ret < 0)
		return ret;
	(void)buf_printf(&f->told, "set %s %s", unit, runtime ? "runtime" : "persistent");
	ret = fake_properties(m, &f->told);
	if (ret < 0)
		return ret;
	if (f->refuse)
		return sd_bus_error_set(error, "org.freedesktop.DBus.Error.InvalidArgs",
					"out of range");
	return sd_bus_reply_method_return(m, "");
}

static int fake_on_other(sd_bus_message *m, void *data, sd_bus_error *error)
{
	struct fake_systemd *f = data;

	(void)error;
	(void)buf_printf(&f->told, "%s\n", sd_bus_message_get_member(m));
	return sd_bus_reply_method_return(m, "");
}

static int fake_get_mask(sd_bus *bus, const char *path, const char *interface,
			 const char *property, sd_bus_message *reply, void *data,
			 sd_bus_error *error)
{
	static const uint8_t mask[] = { 3, 1 };

	(void)bus, (void)path, (void)interface, (void)property, (void)data, (void)error;
	return sd_bus_message_append_array(reply, 'y', mask, sizeof(mask));
}

static const sd_bus_vtable fake_manager[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_METHOD("StartTransientUnit", "ssa(sv)a(sa(sv))", "o", fake_on_start,
		      SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("StopUnit", "ss", "o", fake_on_stop, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("SetUnitProperties", "sba(sv)", "", fake_on_set,
		      SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("ResetFailedUnit", "s", "", fake_on_other,
		      SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("Subscribe", "", "", fake_on_other, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_VTABLE_END,
};

static const sd_bus_vtable fake_scope[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_PROPERTY("MemoryMax", "t", NULL, offsetof(struct fake_systemd, memory_max),
			0),
	SD_BUS_PROPERTY("AllowedCPUs", "ay", fake_get_mask, 0, 0),
	SD_BUS_VTABLE_END,
};

static void *fake_serve(void *data)
{
	struct fake_systemd *f = data;
	int ret;

	do {
		ret = sd_bus_process(f->bus, NULL);
		if (ret == 0)
			ret = sd_bus_wait(f->bus, UINT64_MAX);
	} while (ret >= 0 || ret == -EINTR);
	return NULL;
}

/*
 * fake_systemd_start() - @path: of the one scope it has.
 * Return: the connection to it; fake_systemd_stop() ends both
 */
static inline sd_bus *fake_systemd_start(struct fake_systemd *f, const char *path)
{
	sd_bus *client = NULL;
	sd_id128_t id;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) <
		    0 ||
	    sd_id128_randomize(&id) < 0 || sd_bus_new(&f->bus) < 0 ||
	    sd_bus_new(&client) < 0)
		return NULL;
	if (sd_bus_set_fd(f->bus, pair[0], pair[0]) < 0 ||
	    sd_bus_set_server(f->bus, 1, id) < 0 || sd_bus_start(f->bus) < 0 ||
	    sd_bus_add_object_vtable(f->bus, NULL, "/org/freedesktop/systemd1",
				     "org.freedesktop.systemd1.Manager", fake_manager,
				     f) < 0 ||
	    sd_bus_add_object_vtable(f->bus, NULL, path, "org.freedesktop.systemd1.Scope",
				     fake_scope, f) < 0)
		return NULL;
	if (pthread_create(&f->thread, NULL, fake_serve, f) != 0 ||
	    sd_bus_set_fd(client, pair[1], pair[1]) < 0 || sd_bus_start(client) < 0)
		return NULL;
	return client;
}

static inline void fake_systemd_stop(struct fake_systemd *f, sd_bus *client)
{
	(void)sd_bus_flush_close_unref(client);
	(void)pthread_join(f->thread, NULL);
	(void)sd_bus_close_unref(f->bus);
}

#endif
