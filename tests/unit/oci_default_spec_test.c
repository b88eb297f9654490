/* SPDX-License-Identifier: Apache-2.0 */
/* `hull spec` and `hull features`. */
#include "oci/default_spec.h"

#include <errno.h>

#include "lib/arena.h"
#include "lib/buf.h"
#include "lib/err.h"
#include "lib/json.h"
#include "oci/honoured.h"
#include "oci/spec.h"
#include "oci/validate.h"
#include "tests/unit/tap.h"

static const char head[] =
	"{\n\t\"ociVersion\": \"1.3.0\",\n\t\"process\": {\n\t\t\"terminal\": true,\n"
	"\t\t\"user\": {\n\t\t\t\"uid\": 0,\n\t\t\t\"gid\": 0\n\t\t},\n\t\t\"args\": [\n"
	"\t\t\t\"sh\"\n\t\t],\n";

static void test_default_spec(void)
{
	auto_oci_spec struct oci_spec *spec = NULL;
	auto_oci_spec struct oci_spec *again = NULL;
	auto_buf struct buf text = BUF_INIT;
	auto_buf struct buf warnings = BUF_INIT;
	struct err err = ERR_INIT;

	is_int(oci_default_spec(&spec, &err), 0, "the default");
	if (!spec)
		return;
	is_int(oci_spec_print(spec, &text, &err), 0, "is printed");
	is_int(oci_spec_parse(text.data, text.len, &again, &err), 0, "parsed");
	if (!again)
		return;
	is_int(oci_validate(again, &err), 0, "valid");
	is_int(oci_check_honoured(again, &err), 0, "honoured as a whole");
	is_int(oci_warnings(again, false, &warnings), 0, "looked through");
	is_int(warnings.len, 0, "without a warning");
	text.data[sizeof(head) - 1] = 0;
	is_str(text.data, head, "laid out as runc's");
	is_int(again->mounts.n, 7, "seven mounts");
	is_int(again->linux_->namespaces.n, 6, "six namespaces");
}

/* has() - the list @path of the features holds @name. */
static bool has(const struct json_value *list, const char *name)
{
	for (const struct json_value *v = list ? list->first : NULL; v; v = v->next)
		if (strcmp(v->text, name) == 0)
			return true;
	return false;
}

static void test_features(void)
{
	auto_arena struct arena arena = ARENA_INIT;
	auto_buf struct buf text = BUF_INIT;
	const struct json_value *f = NULL;
	const struct json_value *l;
	const struct json_value *seccomp;
	struct err err = ERR_INIT;
	const char *s = NULL;

	is_int(oci_features("vhost", &text, &err), 0, "the features");
	is_int(json_parse(text.data, text.len, &arena, &f, &err), 0, "are JSON");
	if (!f)
		return;
	ok(text.data[text.len - 1] == '\n', "and end in a newline");
	(void)json_str(json_get(f, "ociVersionMin"), &s, &err);
	is_str(s, "1.0.0", "from 1.0.0");
	(void)json_str(json_get(f, "ociVersionMax"), &s, &err);
	is_str(s, "1.3.0", "to 1.3.0");
	ok(has(json_get(f, "hooks"), "prestart"), "hooks");
	ok(has(json_get(f, "mountOptions"), "rro"), "mount options");
	ok(has(json_get(f, "mountOptions"), "idmap"), "idmap too");
	l = json_get(f, "linux");
	ok(l && has(json_get(l, "namespaces"), "pid"), "namespaces");
	ok(l && has(json_get(l, "namespaces"), "user"), "that of users too");
	ok(l && has(json_get(l, "capabilities"), "CAP_BPF"), "capabilities");
	seccomp = l ? json_get(l, "seccomp") : NULL;
	ok(seccomp && has(json_get(seccomp, "actions"), "SCMP_ACT_ERRNO"),
	   "seccomp actions");
	ok(seccomp && !has(json_get(seccomp, "actions"), "SCMP_ACT_NOTIFY"),
	   "not those that are refused");
	ok(seccomp && has(json_get(seccomp, "archs"), "SCMP_ARCH_X32"), "seccomp archs");
	ok(seccomp && has(json_get(seccomp, "operators"), "SCMP_CMP_EQ"),
	   "seccomp operators");
	ok(seccomp && has(json_get(seccomp, "knownFlags"),
			  "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"),
	   "seccomp flags that are known");
	ok(seccomp && !has(json_get(seccomp, "supportedFlags"),
			   "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"),
	   "and those that are supported");
	ok(has(json_get(f, "potentiallyUnsafeConfigAnnotations"), "org.hull."),
	   "annotations that change the machine");
}

int main(void)
{
	test_default_spec();
	test_features();
	return tap_done();
}
