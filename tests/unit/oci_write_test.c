/* SPDX-License-Identifier: Apache-2.0 */
/* The writer, and the helpers that change a spec. */
#include <errno.h>

#include "lib/err.h"
#include "tests/unit/oci_document.h"
#include "tests/unit/tap.h"

static void round_trip(const char *text, const char *want, const char *what)
{
	auto_oci_spec struct oci_spec *spec = NULL;
	auto_buf struct buf out = BUF_INIT;
	struct err err = ERR_INIT;

	if (oci_spec_parse(text, strlen(text), &spec, &err) < 0) {
		ok(false, "%s: %s", what, err.msg);
		return;
	}
	is_int(oci_spec_write(spec, &out, &err), 0, "%s: write", what);
	is_str(out.data, want, "%s: the same again", what);
}

static void test_round_trips(void)
{
	const struct document_change none = { NULL, NULL };
	auto_buf struct buf full = BUF_INIT;

	document(&full, &none);
	round_trip(full.data, full.data, "every field");
	round_trip("{\"ociVersion\":\"1.0.0\"}",
		   "{\"ociVersion\":\"1.0.0\",\"linux\":{}}", "no field");
	round_trip("{\"ociVersion\":\"1.0.0\",\"linux\":{\"seccomp\":{\"defaultAction\":"
		   "\"SCMP_ACT_ALLOW\",\"flags\":[]}}}",
		   "{\"ociVersion\":\"1.0.0\",\"linux\":{\"seccomp\":{\"defaultAction\":"
		   "\"SCMP_ACT_ALLOW\",\"flags\":[]}}}",
		   "an empty list is not an absent one");
	round_trip("{\"ociVersion\":\"1.0.0\",\"process\":{\"user\":{\"umask\":0},"
		   "\"oomScoreAdj\":0,\"terminal\":false},\"linux\":{}}",
		   "{\"ociVersion\":\"1.0.0\",\"process\":{\"user\":{\"uid\":0,\"gid\":0,"
		   "\"umask\":0},\"oomScoreAdj\":0},\"linux\":{}}",
		   "0 is not absent where that means something");
	round_trip(
		"{\"ociVersion\":\"1.0.0\",\"annotations\":{\"\\u00e4\\n\":\"<\\ud83d\\ude00>\"},"
		"\"linux\":{}}",
		"{\"ociVersion\":\"1.0.0\",\"annotations\":{\"\xc3\xa4\\n\":\"\\u003c\xf0\x9f\x98"
		"\x80\\u003e\"},\"linux\":{}}",
		"any text");
}

static void test_process(void)
{
	static const char text[] = "{\"terminal\":true,\"user\":{\"uid\":5,\"gid\":0},"
				   "\"args\":[\"a\",\"\"],\"cwd\":\"/\"}";
	auto_oci_spec struct oci_spec *spec = NULL;
	auto_buf struct buf out = BUF_INIT;
	struct err err = ERR_INIT;

	is_int(oci_process_parse(text, strlen(text), &spec, &err), 0, "a process");
	if (!spec)
		return;
	is_int(oci_process_write(spec->process, &out, &err), 0, "written");
	is_str(out.data, text, "is the same");
}

static void test_changes(void)
{
	auto_oci_spec struct oci_spec *spec = oci_spec_new();
	auto_buf struct buf out = BUF_INIT;
	struct err err = ERR_INIT;
	struct oci_mount *m;

	if (!spec)
		return;
	spec->oci_version = oci_strdup(spec, "1.3.0");
	spec->root = oci_alloc(spec, sizeof(*spec->root));
	spec->root->path = oci_strdup(spec, "/run/hull/private/0");
	for (int i = 0; i < 3; i++) {
		m = oci_list_add(spec, &spec->mounts);
		if (!ok(m && !m->destination, "a mount more"))
			return;
		m->destination = oci_strdup(spec, "/x");
		is_int(oci_strings_add(spec, &m->options, "ro"), 0, "an option");
		is_int(oci_strings_add(spec, &m->options, "bind"), 0, "another");
	}
	is_int(spec->mounts.n, 3, "three mounts");
	ok(!spec->mounts.v[0].options.v[2], "options end in NULL");
	spec->mounts.n = 1;
	is_int(oci_spec_print(spec, &out, &err), 0, "print");
	is_str(out.data,
	       "{\n\t\"ociVersion\": \"1.3.0\",\n\t\"root\": {\n\t\t\"path\": "
	       "\"/run/hull/private/0\"\n\t},\n\t\"mounts\": [\n\t\t{\n\t\t\t"
	       "\"destination\": \"/x\",\n\t\t\t\"options\": [\n\t\t\t\t\"ro\",\n"
	       "\t\t\t\t\"bind\"\n\t\t\t]\n\t\t}\n\t]\n}",
	       "indented with tabs");
}

int main(void)
{
	test_round_trips();
	test_process();
	test_changes();
	return tap_done();
}
