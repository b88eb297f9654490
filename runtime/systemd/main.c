/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hull-systemd - ask systemd for a scope, change it, end it (runtime/systemd/protocol.h).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/err.h"
#include "lib/io.h"
#include "runtime/systemd/bus.h"
#include "runtime/systemd/property.h"
#include "runtime/systemd/protocol.h"
#include "runtime/systemd/unit.h"

/* What was asked for. */
struct request {
	sd_bus *bus;
	const char *unit;
	struct property *props; /* owned */
	size_t n_props;
};

/* answer() - @err with code 0: done.  Where hull has gone nobody needs to know. */
static int answer(const struct err *err)
{
	return sock_send(SYSTEMD_SOCKET, err, sizeof(*err), NULL, 0);
}

/* await_word() - hull's last one: SYSTEMD_KEEP; 0 at the end, and for any other. */
static char await_word(void)
{
	char word;

	return sock_recv(SYSTEMD_SOCKET, &word, 1, NULL, NULL) == 1 &&
			       word == SYSTEMD_KEEP
		       ? word
		       : 0;
}

static int start(const struct request *r, struct err *err)
{
	int ret = unit_start(r->bus, r->unit, r->props, r->n_props, getpid(), err);

	if (ret < 0)
		return ret;
	ret = answer(&ERR_INIT);
	if (ret == 0)
		(void)await_word();
	return ret;
}

static int update(const struct request *r, struct err *err)
{
	auto_bus_message sd_bus_message *before = NULL;
	int ret = unit_save(r->bus, r->unit, r->props, r->n_props, &before, err);

	if (ret == 0)
		ret = unit_set(r->bus, r->unit, r->props, r->n_props, err);
	if (ret < 0)
		return ret;
	if (answer(&ERR_INIT) == 0 && await_word() == SYSTEMD_KEEP)
		return 0;
	return unit_put_back(r->bus, before, err);
}

static int stop(const struct request *r, struct err *err)
{
	int ret = unit_stop(r->bus, r->unit, err);

	return ret < 0 ? ret : answer(&ERR_INIT);
}

static const struct {
	const char *name;
	int (*run)(const struct request *r, struct err *err);
} verbs[] = {
	{ "start", start },
	{ "stop", stop },
	{ "update", update },
};

static int read_properties(struct request *r, int argc, char **argv, struct err *err)
{
	int ret = 0;

	r->props = calloc((size_t)argc + 1, sizeof(*r->props));
	if (!r->props)
		return err_set(err, ENOMEM, "hull-systemd");
	for (int i = 0; ret == 0 && i < argc; i++)
		ret = property_parse(argv[i], &r->props[r->n_props++], err);
	return ret;
}

static int run(struct request *r, int argc, char **argv, struct err *err)
{
	size_t verb = 0;
	int ret;

	while (argc > 2 && verb < ARRAY_SIZE(verbs) &&
	       strcmp(argv[1], verbs[verb].name) != 0)
		verb++;
	if (argc < 3 || verb == ARRAY_SIZE(verbs))
		return err_msg(err, EINVAL,
			       "hull-systemd: started by hull, with a verb and "
			       "a unit");
	r->unit = argv[2];
	ret = read_properties(r, argc - 3, argv + 3, err);
	if (ret < 0)
		return ret;
	ret = sd_bus_open_system(&r->bus);
	if (ret < 0)
		return err_set(err, -ret, "--systemd-cgroup: connect to the system bus");
	return verbs[verb].run(r, err);
}

int main(int argc, char **argv)
{
	struct request r = { 0 };
	struct err err = ERR_INIT;
	int ret = run(&r, argc, argv, &err);

	if (ret < 0)
		(void)answer(&err);
	free(r.props);
	(void)sd_bus_flush_close_unref(r.bus);
	return ret < 0;
}
