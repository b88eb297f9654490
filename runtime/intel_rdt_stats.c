/* SPDX-License-Identifier: Apache-2.0 */
/* What `events` shows of a container's resctrl groups. */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/io.h"
#include "lib/json.h"
#include "runtime/intel_rdt.h"

#define MAX_FILE 65536u /* (bytes) */

/* text_of() - of @dir/@name, without what is blank around it; false: there is none. */
static bool text_of(const char *dir, const char *name, struct buf *b)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path) ||
	    io_read_file(AT_FDCWD, path, MAX_FILE, b, NULL) < 0 || !b->data)
		return false;
	while (b->len && strchr(" \n", b->data[b->len - 1]))
		b->data[--b->len] = 0;
	buf_consume(b, strspn(b->data, " "));
	return true;
}

static void put_text(struct json_writer *w, const char *key, const char *dir,
		     const char *name)
{
	auto_buf struct buf b = BUF_INIT;

	if (text_of(dir, name, &b) && b.len)
		json_put_str(w, key, b.data);
}

/* put_number() - @zero: also 0; what is no number ("Unavailable") is left out. */
static void put_number(struct json_writer *w, const char *key, const char *dir,
		       const char *name, bool zero)
{
	auto_buf struct buf b = BUF_INIT;
	uint64_t n;
	char *end;

	if (!text_of(dir, name, &b) || !b.len)
		return;
	n = strtoull(b.data, &end, 10);
	if (!*end && (n || zero))
		json_put_u64(w, key, n);
}

/* put_line() - the last line of @schemata in which @name occurs. */
static void put_line(struct json_writer *w, const char *key, const struct buf *schemata,
		     const char *name)
{
	auto_free char *copy = schemata->data ? strdup(schemata->data) : NULL;
	const char *found = NULL;
	char *rest = NULL;

	for (char *line = copy ? strtok_r(copy, "\n", &rest) : NULL; line;
	     line = strtok_r(NULL, "\n", &rest))
		if (strstr(line, name))
			found = line + strspn(line, " ");
	if (found)
		json_put_str(w, key, found);
}

static void put_schemata(struct json_writer *w, const struct buf *schemata)
{
	auto_free char *copy = schemata->data ? strdup(schemata->data) : NULL;
	char *rest = NULL;

	if (!copy || !schemata->len)
		return;
	json_open_array(w, "schemata");
	for (char *line = strtok_r(copy, "\n", &rest); line;
	     line = strtok_r(NULL, "\n", &rest))
		json_put_str(w, NULL, line);
	json_close_array(w);
}

static void put_cache(struct json_writer *w, const char *root, const struct buf *all,
		      const struct buf *ours)
{
	char info[PATH_MAX];

	if (snprintf(info, sizeof(info), "%s/info/L3", root) >= (int)sizeof(info) ||
	    access(info, F_OK) < 0)
		return;
	json_open_object(w, "l3_cache_info");
	put_text(w, "cbm_mask", info, "cbm_mask");
	put_number(w, "min_cbm_bits", info, "min_cbm_bits", false);
	put_number(w, "num_closids", info, "num_closids", false);
	json_close_object(w);
	put_line(w, "l3_cache_schema_root", all, "L3");
	put_line(w, "l3_cache_schema", ours, "L3");
}

static void put_bandwidth(struct json_writer *w, const char *root, const struct buf *all,
			  const struct buf *ours)
{
	char info[PATH_MAX];

	if (snprintf(info, sizeof(info), "%s/info/MB", root) >= (int)sizeof(info) ||
	    access(info, F_OK) < 0)
		return;
	json_open_object(w, "mem_bw_info");
	put_number(w, "bandwidth_gran", info, "bandwidth_gran", false);
	put_number(w, "delay_linear", info, "delay_linear", false);
	put_number(w, "min_bandwidth", info, "min_bandwidth", false);
	put_number(w, "num_closids", info, "num_closids", false);
	json_close_object(w);
	put_line(w, "mem_bw_schema_root", all, "MB");
	put_line(w, "mem_bw_schema", ours, "MB");
}

/* Counters of one kind, of which the kernel names those that it has. */
struct counters {
	const char *key;
	const char *names[3];
};

static int is_folder(const struct dirent *e)
{
	return e->d_type == DT_DIR && e->d_name[0] != '.';
}

/* put_counters() - an object for each of the processor's caches. */
static void put_counters(struct json_writer *w, const struct counters *c,
			 const char *features, const char *data)
{
	struct dirent **list = NULL;
	bool any = false;
	int n;

	for (size_t i = 0; c->names[i]; i++)
		any |= strstr(features, c->names[i]) != NULL;
	n = any ? scandir(data, &list, is_folder, alphasort) : -1;
	if (n < 0)
		return;
	json_open_array(w, c->key);
	for (int i = 0; i < n; i++) {
		char dir[PATH_MAX];

		json_open_object(w, NULL);
		if (snprintf(dir, sizeof(dir), "%s/%s", data, list[i]->d_name) <
		    (int)sizeof(dir))
			for (size_t k = 0; c->names[k]; k++)
				put_number(w, c->names[k], dir, c->names[k], true);
		json_close_object(w);
		free(list[i]);
	}
	json_close_array(w);
	free(list);
}

static void put_monitoring(struct json_writer *w, const struct intel_rdt *rdt)
{
	static const struct counters kinds[] = {
		{ "mbm_stats", { "mbm_total_bytes", "mbm_local_bytes" } },
		{ "cmt_stats", { "llc_occupancy" } },
	};
	auto_buf struct buf features = BUF_INIT;
	char data[PATH_MAX];

	/* Without a group of its own, those of all in its class. */
	if (!text_of(rdt->root, "info/L3_MON/mon_features", &features) ||
	    snprintf(data, sizeof(data), "%s/mon_data",
		     rdt->monitor ? rdt->monitor : rdt->group) >= (int)sizeof(data))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		put_counters(w, &kinds[i], features.data, data);
}

void intel_rdt_put(struct json_writer *w, const struct intel_rdt *rdt)
{
	auto_buf struct buf all = BUF_INIT;
	auto_buf struct buf ours = BUF_INIT;

	if (!rdt->group || !text_of(rdt->root, "schemata", &all) ||
	    !text_of(rdt->group, "schemata", &ours))
		return;
	put_cache(w, rdt->root, &all, &ours);
	put_bandwidth(w, rdt->root, &all, &ours);
	put_schemata(w, &ours);
	put_monitoring(w, rdt);
}
