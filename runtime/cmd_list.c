/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <pwd.h>
#include <string.h>
#include <sys/types.h>

#include "lib/arena.h"
#include "lib/buf.h"
#include "lib/err.h"
#include "lib/json.h"
#include "lib/log.h"
#include "runtime/container.h"
#include "runtime/verbs.h"

#define COLUMNS 6u
#define MIN_WIDTH 12u
#define PADDING 3u

struct row {
	const char *cell[COLUMNS];
};

struct table {
	struct row *rows;
	size_t n;
};

/* owner_name() - as /etc/passwd has it, "#<uid>" otherwise. */
static const char *owner_name(uid_t uid, struct arena *arena)
{
	auto_file FILE *passwd = fopen("/etc/passwd", "re");
	const struct passwd *pw;

	/* fgetpwent() and not getpwuid(): a static program loads no name services. */
	while (passwd && (pw = fgetpwent(passwd)))
		if (pw->pw_uid == uid)
			return arena_strdup(arena, pw->pw_name);
	return arena_printf(arena, "#%u", uid);
}

static int fill_row(struct row *row, const struct container *c, struct arena *arena)
{
	enum container_status status = container_status(c);

	row->cell[0] = c->id;
	row->cell[1] = arena_printf(arena, "%d", status == CONTAINER_STOPPED ? 0 : (int)c->pid);
	row->cell[2] = container_status_name(status);
	row->cell[3] = c->bundle;
	row->cell[4] = c->created;
	row->cell[5] = owner_name(c->owner, arena);
	for (size_t i = 0; i < COLUMNS; i++)
		if (!row->cell[i])
			return -ENOMEM;
	return 0;
}

/* print_table() - columns as wide as their widest cell, as Go's tabwriter does it. */
static void print_table(const struct table *t, struct buf *b)
{
	size_t width[COLUMNS] = { 0 };

	for (size_t r = 0; r < t->n; r++) {
		for (size_t i = 0; i < COLUMNS; i++) {
			size_t len = strlen(t->rows[r].cell[i]) + PADDING;

			if (len < MIN_WIDTH)
				len = MIN_WIDTH;
			if (len > width[i])
				width[i] = len;
		}
	}
	for (size_t r = 0; r < t->n; r++) {
		for (size_t i = 0; i + 1 < COLUMNS; i++)
			(void)buf_printf(b, "%-*s", (int)width[i], t->rows[r].cell[i]);
		(void)buf_printf(b, "%s\n", t->rows[r].cell[COLUMNS - 1]);
	}
}

struct listing {
	struct container **containers; /* owned, n of them */
	size_t n;
};

static void release_listing(struct listing *l)
{
	for (size_t i = 0; i < l->n; i++)
		container_free(l->containers[i]);
}

/* load_all() - every container; a folder that cannot be read is told and left out. */
static int load_all(const char *root, struct arena *arena, struct listing *l,
		    struct err *err)
{
	struct oci_strings ids = { 0 };
	int ret = container_list(root, &ids, arena, err);

	/* No container was made yet; a root that was asked for is to be there. */
	if (ret == -ENOENT && strcmp(root, CONTAINER_DEFAULT_ROOT) == 0)
		ret = 0;
	if (ret < 0)
		return ret;
	l->containers = arena_array(arena, ids.n + 1, sizeof(struct container *));
	if (!l->containers)
		return err_set(err, ENOMEM, "list");
	for (size_t i = 0; i < ids.n; i++) {
		struct err why = ERR_INIT;

		ret = container_load(root, ids.v[i], &l->containers[l->n], &why);
		if (ret == 0)
			l->n++;
		else if (ret != -ENOENT)
			log_error("load container %s: %s", ids.v[i], why.msg);
	}
	return 0;
}

static int print_json(const struct listing *l, const struct table *t, struct buf *b)
{
	struct json_writer w = JSON_WRITER(b, NULL);

	if (!l->n)
		return buf_puts(b, "null"); /* as Go prints a slice that is not there */
	json_open_array(&w, NULL);
	for (size_t i = 0; i < l->n; i++) {
		const struct container *c = l->containers[i];
		enum container_status status = container_status(c);

		container_put_state(&w, c, container_status_name(status),
				    status == CONTAINER_STOPPED ? 0 : c->pid,
				    t->rows[i + 1].cell[5]);
	}
	json_close_array(&w);
	return buf_ok(b);
}

static int format_list(const struct cli *cli, const struct listing *l, struct arena *arena,
		       struct buf *b, struct err *err)
{
	static const struct row head = {
		{ "ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER" }
	};
	const char *format = cli_string(&cli->options, "format");
	struct table t = { .n = l->n + 1 };

	if (cli_flag(&cli->options, "quiet")) {
		for (size_t i = 0; i < l->n; i++)
			(void)buf_printf(b, "%s\n", l->containers[i]->id);
		return 0;
	}
	t.rows = arena_array(arena, t.n, sizeof(*t.rows));
	if (!t.rows)
		return err_set(err, ENOMEM, "list");
	t.rows[0] = head;
	for (size_t i = 0; i < l->n; i++)
		if (fill_row(&t.rows[i + 1], l->containers[i], arena) < 0)
			return err_set(err, ENOMEM, "list");
	if (!strcmp(format, "json"))
		(void)print_json(l, &t, b);
	else if (!strcmp(format, "table"))
		print_table(&t, b);
	else
		return err_msg(err, EINVAL, "invalid format option");
	return 0;
}

static int run(struct cli *cli, struct err *err)
{
	auto_arena struct arena arena = ARENA_INIT;
	auto_buf struct buf b = BUF_INIT;
	struct listing l = { 0 };
	int ret;

	ret = load_all(cli_string(&cli->global, "root"), &arena, &l, err);
	if (ret == 0)
		ret = format_list(cli, &l, &arena, &b, err);
	release_listing(&l);
	if (ret == 0 && buf_ok(&b) < 0)
		ret = err_set(err, ENOMEM, "list");
	return ret < 0 ? ret : print_out(b.data ? b.data : "", err);
}

static const struct option_def options[] = {
	{ OPTION_STRING, "format", "f", "FORMAT", "table or json", "table" },
	{ OPTION_BOOL, "quiet", "q", NULL, "print the ids only", NULL },
	{ 0 },
};

const struct command cmd_list = {
	.name = "list",
	.synopsis = "",
	.summary = "list the containers below the root folder",
	.options = options,
	.min_args = 0,
	.max_args = 0,
	.run = run,
};
