/* SPDX-License-Identifier: Apache-2.0 */
/* What `hull freeze --status` prints, and what the agent is told of freeze hooks. */
#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "oci/spec.h"
#include "runtime/freeze_status.h"
#include "runtime/guest_spec.h"
#include "tests/unit/tap.h"
#include "vmm/control.h"

static void put_status(struct buf *b, uint32_t state, uint32_t holders,
		       const char *mounts, uint64_t since)
{
	const struct control_freeze_status s = {
		.state = state,
		.n_holders = holders,
		.waiting = 4,
		.mounts_len = (uint32_t)strlen(mounts),
		.since_ns = since,
	};
	const struct control_freeze_holder h = {
		.pid = 17,
		.holds = 1,
		.since_ns = 1000000001,
		.deadline_ns = 61000000001,
		.command = "lvcreate",
	};

	(void)buf_append(b, &s, sizeof(s));
	for (uint32_t i = 0; i < holders; i++)
		(void)buf_append(b, &h, sizeof(h));
	(void)buf_puts(b, mounts);
}

static void prints(const struct buf *data, const char *want, const char *what)
{
	auto_buf struct buf b = BUF_INIT;

	is_int(freeze_status_json("c1", data->data, data->len, NULL, &b, NULL), 0, "%s",
	       what);
	is_str(b.data, want, "its JSON");
}

static void test_status(void)
{
	auto_buf struct buf thawed = BUF_INIT;
	auto_buf struct buf frozen = BUF_INIT;

	put_status(&thawed, CONTROL_FREEZE_NONE, 0, "", 0);
	prints(&thawed,
	       "{\"id\":\"c1\",\"state\":\"thawed\",\"waiting_requests\":4,"
	       "\"holders\":[],\"mounts\":[]}\n",
	       "not frozen");
	put_status(&frozen, CONTROL_FREEZE_FROZEN, 1,
		   "gate /\nblock /a\\040b\nnonsense\n", 2000000002);
	prints(&frozen,
	       "{\"id\":\"c1\",\"state\":\"frozen\","
	       "\"since\":\"1970-01-01T00:00:02.000000002Z\",\"waiting_requests\":4,"
	       "\"holders\":[{\"pid\":17,\"uid\":0,\"command\":\"lvcreate\",\"holds\":true,"
	       "\"since\":\"1970-01-01T00:00:01.000000001Z\","
	       "\"deadline\":\"1970-01-01T00:01:01.000000001Z\"}],"
	       "\"mounts\":[{\"destination\":\"/\",\"frozen_by\":\"gate\"},"
	       "{\"destination\":\"/a\\\\040b\",\"frozen_by\":\"block\"}]}\n",
	       "frozen");
}

static void malformed(struct buf *data, size_t len, const char *what)
{
	auto_buf struct buf b = BUF_INIT;
	struct err err = ERR_INIT;

	is_int(freeze_status_json("c1", data->data, len, NULL, &b, &err), -EPROTO,
	       "malformed: %s", what);
}

static void test_malformed(void)
{
	auto_buf struct buf good = BUF_INIT;
	auto_buf struct buf state = BUF_INIT;

	put_status(&good, CONTROL_FREEZE_FROZEN, 2, "gate /\n", 1);
	malformed(&good, 0, "nothing");
	malformed(&good, 23, "too short");
	malformed(&good, good.len - 1, "mounts cut");
	malformed(&good, 24 + 96, "holders cut");
	put_status(&state, CONTROL_FREEZE_STATES, 0, "", 0);
	malformed(&state, state.len, "a state that there is not");
}

static const char *guest_json(const char *hooks, struct buf *b)
{
	static const char json[] = "{\"ociVersion\":\"1.0.2\",\"linux\":{}}";
	auto_oci_spec struct oci_spec *spec = NULL;

	is_int(oci_spec_parse(json, strlen(json), &spec, NULL), 0, "parse");
	is_int(guest_spec_write(spec, "/bundle", hooks, b, NULL), 0, "write");
	return b->data;
}

static void test_hooks(void)
{
	auto_buf struct buf with = BUF_INIT;
	auto_buf struct buf without = BUF_INIT;

	ok(strstr(guest_json("/a:/b", &with),
		  "\"org.hull.agent.freeze.hooks\":\"/a:/b\""),
	   "the agent is told of the hooks");
	ok(!strstr(guest_json(NULL, &without), "freeze"), "if there are some");
}

int main(void)
{
	test_status();
	test_malformed();
	test_hooks();
	return tap_done();
}
