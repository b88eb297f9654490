/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/freeze_status.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/json.h"
#include "runtime/date.h"
#include "vmm/control.h"

#define NS_PER_S 1000000000u

const char *thaw_reason(uint32_t why)
{
	static const char *const reasons[CONTROL_THAWS] = {
		[CONTROL_THAW_RELEASED] = "released",
		[CONTROL_THAW_DEADLINE] = "deadline",
		[CONTROL_THAW_ADMINISTRATOR] = "administrator",
		[CONTROL_THAW_KILLED] = "killed",
		[CONTROL_THAW_ENDED] = "ended",
	};

	return why < CONTROL_THAWS ? reasons[why] : "unknown";
}

static void put_date(struct json_writer *w, const char *key, uint64_t ns)
{
	const struct timespec ts = {
		.tv_sec = (time_t)(ns / NS_PER_S),
		.tv_nsec = (long)(ns % NS_PER_S),
	};
	char text[DATE_SIZE];

	if (ns && date_text(&ts, text) == 0)
		json_put_str(w, key, text);
}

static void put_holder(struct json_writer *w, const struct control_freeze_holder *h)
{
	char command[sizeof(h->command) + 1] = "";

	memcpy(command, h->command, sizeof(h->command));
	json_open_object(w, NULL);
	json_put_i64(w, "pid", h->pid);
	json_put_u64(w, "uid", h->uid);
	json_put_str(w, "command", command);
	json_put_bool(w, "holds", h->holds);
	put_date(w, "since", h->since_ns);
	put_date(w, "deadline", h->deadline_ns);
	json_close_object(w);
}

/* put_mount() - @line: "HOW PATH" */
static void put_mount(struct json_writer *w, char *line)
{
	char *path = strchr(line, ' ');

	if (!path)
		return;
	*path++ = 0;
	json_open_object(w, NULL);
	json_put_str(w, "destination", path);
	json_put_str(w, "frozen_by", line);
	json_close_object(w);
}

static int put_mounts(struct json_writer *w, const char *text, size_t len)
{
	auto_free char *copy = strndup(text, len);
	char *rest = NULL;

	if (!copy)
		return -ENOMEM;
	json_open_array(w, "mounts");
	for (char *p = strtok_r(copy, "\n", &rest); p; p = strtok_r(NULL, "\n", &rest))
		put_mount(w, p);
	json_close_array(w);
	return 0;
}

/* check() - are @len bytes all of it? */
static int check(const struct control_freeze_status *s, size_t len)
{
	size_t holders = (size_t)s->n_holders * sizeof(struct control_freeze_holder);

	return s->state < CONTROL_FREEZE_STATES && len >= sizeof(*s) &&
			       len - sizeof(*s) >= holders &&
			       len - sizeof(*s) - holders == s->mounts_len
		       ? 0
		       : -EPROTO;
}

int freeze_status_json(const char *id, const char *data, size_t len, const char *indent,
		       struct buf *b, struct err *err)
{
	static const char *const states[CONTROL_FREEZE_STATES] = {
		[CONTROL_FREEZE_NONE] = "thawed",
		[CONTROL_FREEZE_FREEZING] = "freezing",
		[CONTROL_FREEZE_FROZEN] = "frozen",
		[CONTROL_FREEZE_THAWING] = "thawing",
	};
	struct json_writer w = JSON_WRITER(b, indent);
	struct control_freeze_status s = { 0 };
	struct control_freeze_holder h;
	int ret;

	if (len >= sizeof(s))
		memcpy(&s, data, sizeof(s));
	if (len < sizeof(s) || check(&s, len) < 0)
		return err_msg(err, EPROTO,
			       "hull-vmm sent a malformed status of %zu bytes", len);
	data += sizeof(s);
	json_open_object(&w, NULL);
	json_put_str(&w, "id", id);
	json_put_str(&w, "state", states[s.state]);
	put_date(&w, "since", s.since_ns);
	json_put_u64(&w, "waiting_requests", s.waiting);
	json_open_array(&w, "holders");
	for (uint32_t i = 0; i < s.n_holders; i++, data += sizeof(h)) {
		memcpy(&h, data, sizeof(h));
		put_holder(&w, &h);
	}
	json_close_array(&w);
	ret = put_mounts(&w, data, s.mounts_len);
	json_close_object(&w);
	return ret < 0 || buf_puts(b, "\n") < 0 ? err_set(err, ENOMEM, "status") : 0;
}
