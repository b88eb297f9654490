/* SPDX-License-Identifier: Apache-2.0 */
/* The parser: every field with a wrong type, out of range, unknown, missing, null. */
#include <errno.h>
#include <sys/resource.h>

#include "lib/err.h"
#include "tests/unit/oci_document.h"
#include "tests/unit/tap.h"

/* refused() - the document with @json at @path gives "config.json: @path@want". */
static void refused(const char *path, const char *json, const char *want)
{
	const struct document_change change = { path, json };
	auto_oci_spec struct oci_spec *spec = NULL;
	auto_buf struct buf b = BUF_INIT;
	struct err err = ERR_INIT;
	char message[512];
	int ret;

	(void)!snprintf(message, sizeof(message), "config.json: %s%s", path, want);
	document(&b, &change);
	ret = oci_spec_parse(b.data, b.len, &spec, &err);
	ok(ret == -EINVAL && !spec, "%s = %s is refused", path,
	   json ? json : "(nothing)");
	is_str(err.msg, message, "%s = %s: the message", path, json ? json : "(nothing)");
}

static void accepted(const char *path, const char *json)
{
	const struct document_change change = { path, json };
	auto_oci_spec struct oci_spec *spec = NULL;
	auto_buf struct buf b = BUF_INIT;
	struct err err = ERR_INIT;

	document(&b, &change);
	if (!ok(oci_spec_parse(b.data, b.len, &spec, &err) == 0, "%s = %s is accepted",
		path, json ? json : "(nothing)"))
		(void)printf("#   %s\n", err.msg);
}

/* ---- one check for each kind ------------------------------------------------------ */

static void check_integer(const char *path, const char *below, const char *above,
			  const char *range)
{
	char want[128];

	refused(path, "\"1\"", ": expected a number, got a string");
	refused(path, "true", ": expected a number, got a boolean");
	refused(path, "1.5", ": expected an integer, got 1.5");
	refused(path, "1e2", ": expected an integer, got 1e2");
	(void)!snprintf(want, sizeof(want), ": %s is not between %s", below, range);
	refused(path, below, want);
	(void)!snprintf(want, sizeof(want), ": %s is not between %s", above, range);
	refused(path, above, want);
}

static void check_names(const struct oci_field *f, const char *path, const char *json,
			const char *place)
{
	char want[256];

	(void)!snprintf(want, sizeof(want), "%s: %sNONSENSE%s", place, f->names->before,
			f->names->after);
	refused(path, json, want);
}

static void check_names_accepted(const struct oci_field *f, const char *path)
{
	char json[80];

	for (const struct oci_name *n = f->names->v; n->name; n++) {
		if (f->kind == OCI_ENUM)
			(void)!snprintf(json, sizeof(json), "\"%s\"", n->name);
		else
			(void)!snprintf(json, sizeof(json), "[\"%s\"]", n->name);
		accepted(path, json);
	}
}

static void check_list(const char *path)
{
	refused(path, "{}", ": expected an array, got an object");
	refused(path, "\"x\"", ": expected an array, got a string");
	refused(path, "[null]", "[0]: expected a string, got null");
	refused(path, "[\"a\",1]", "[1]: expected a string, got a number");
}

static void check_objects(const char *path, const char *list_or_object)
{
	refused(path, "1",
		list_or_object[0] == '[' ? ": expected an array, got a number"
					 : ": expected an object, got a number");
}

static void check_kind(const struct oci_field *f, const char *path)
{
	switch (f->kind) {
	case OCI_BOOL:
	case OCI_OPT_BOOL:
		refused(path, "1", ": expected a boolean, got a number");
		refused(path, "\"true\"", ": expected a boolean, got a string");
		break;
	case OCI_I32:
	case OCI_OPT_I32:
		check_integer(path, "-2147483649", "2147483648",
			      "-2147483648 and 2147483647");
		break;
	case OCI_I64:
	case OCI_OPT_I64:
		check_integer(path, "-9223372036854775809", "9223372036854775808",
			      "-9223372036854775808 and 9223372036854775807");
		break;
	case OCI_OPT_U16:
		check_integer(path, "-1", "65536", "0 and 65535");
		break;
	case OCI_U32:
	case OCI_OPT_U32:
		check_integer(path, "-1", "4294967296", "0 and 4294967295");
		break;
	case OCI_U64:
	case OCI_OPT_U64:
		check_integer(path, "-1", "18446744073709551616",
			      "0 and 18446744073709551615");
		break;
	case OCI_CHAR:
		refused(path, "\"\"", ": invalid device type \"\"");
		refused(path, "\"cc\"", ": invalid device type \"cc\"");
		refused(path, "\"x\"", ": invalid device type \"x\"");
		refused(path, "1", ": expected a string, got a number");
		break;
	case OCI_ENUM:
		refused(path, "1", ": expected a string, got a number");
		check_names(f, path, "\"NONSENSE\"", "");
		check_names_accepted(f, path);
		if (!(f->flags & OCI_REQUIRED))
			accepted(path, "\"\"");
		break;
	case OCI_ENUMS:
		refused(path, "\"x\"", ": expected an array, got a string");
		refused(path, "[1]", "[0]: expected a string, got a number");
		check_names(f, path, "[\"NONSENSE\"]", "[0]");
		check_names_accepted(f, path);
		accepted(path, "[]");
		break;
	case OCI_STR:
		refused(path, "1", ": expected a string, got a number");
		refused(path, "[\"x\"]", ": expected a string, got an array");
		if (!(f->flags & OCI_REQUIRED))
			accepted(path, "\"\"");
		else
			refused(path, "\"\"", ": is required");
		break;
	case OCI_STRS:
		check_list(path);
		accepted(path, "[]");
		break;
	case OCI_U32S:
		refused(path, "1", ": expected an array, got a number");
		refused(path, "[\"1\"]", "[0]: expected a number, got a string");
		refused(path, "[1,4294967296]",
			"[1]: 4294967296 is not between 0 and 4294967295");
		accepted(path, "[]");
		break;
	case OCI_MAP:
		check_objects(path, "{}");
		refused(path, "{\"k\":1}", ".k: expected a string, got a number");
		refused(path, "{\"k\":null}", ".k: expected a string, got null");
		accepted(path, "{}");
		break;
	case OCI_DICT:
		check_objects(path, "{}");
		refused(path, "{\"k\":1}", ".k: expected an object, got a number");
		accepted(path, "{}");
		break;
	case OCI_LIST:
		check_objects(path, "[]");
		refused(path, "[1]", "[0]: expected an object, got a number");
		refused(path, "[null]", "[0]: expected an object, got null");
		accepted(path, "[]");
		break;
	case OCI_OBJECT:
	case OCI_POINTER:
		check_objects(path, "{}");
		refused(path, "[]", ": expected an object, got an array");
		break;
	case OCI_KINDS:
	default:
		ok(false, "%s: a kind of its own", path);
		break;
	}
}

static void check_field(const struct oci_field *f, const char *path)
{
	check_kind(f, path);
	if (f->flags & OCI_REQUIRED) {
		refused(path, NULL, ": is required");
		refused(path, "null", ": is required");
	} else {
		accepted(path, NULL);
		accepted(path, "null");
	}
}

/* ---- the rest --------------------------------------------------------------------- */

static struct oci_spec *parse(const char *text)
{
	struct oci_spec *spec = NULL;
	struct err err = ERR_INIT;

	if (oci_spec_parse(text, strlen(text), &spec, &err) < 0)
		(void)printf("#   %s\n", err.msg);
	return spec;
}

static void parse_err(const char *text, const char *want, const char *what)
{
	struct oci_spec *spec = NULL;
	struct err err = ERR_INIT;

	ok(oci_spec_parse(text, strlen(text), &spec, &err) < 0, "%s: refused", what);
	is_str(err.msg, want, "%s: the message", what);
	oci_spec_free(spec);
}

static void test_whole(void)
{
	parse_err("", "config.json: line 1, column 1: parse error: premature EOF",
		  "nothing");
	parse_err("null", "config.json: config cannot be null", "null");
	parse_err("[]", "config.json: expected an object, got an array", "a list");
	parse_err("{}", "config.json: ociVersion: is required", "an empty object");
	parse_err("{\"ociVersion\":\"1.0.0\",\"ociVersion\":\"1.0.0\"}",
		  "config.json: ociVersion: given twice", "a name twice");
}

/* As jq leaves it that was told of "CPU" where "cpu" stood. */
static void test_two_spellings(void)
{
	auto_oci_spec struct oci_spec *spec = parse(
		"{\"ociVersion\":\"1.0.0\",\"vm\":{\"hwConfig\":{\"vcpus\":1,\"memory\":2},"
		"\"HWCONFIG\":{\"vcpus\":3},\"kernel\":{\"path\":\"/k\","
		"\"parameters\":[\"a\",\"b\"],\"Parameters\":[\"c\"]}},"
		"\"annotations\":{\"a\":\"1\",\"A\":\"2\"}}");

	is_int(spec->vm->hw_config->vcpus.value, 3, "two spellings: the later one counts");
	is_int(spec->vm->hw_config->memory.value, 2, "on top of the other");
	is_int(spec->vm->kernel->parameters.n, 1, "a list is the later one");
	is_str(spec->vm->kernel->parameters.v[0], "c", "and not both");
	is_int(spec->annotations.n, 2, "a map's keys are what they are");
}

static void test_unknown(void)
{
	auto_oci_spec struct oci_spec *spec = parse(
		"{\"ociVersion\":\"1.0.0\",\"x\":[{\"y\":1}],\"process\":{\"z\":{}},"
		"\"windows\":{\"layerFolders\":[]}}");

	ok(spec && spec->process, "properties that nobody knows are ignored");
}

static void test_values(void)
{
	auto_oci_spec struct oci_spec *spec = parse(
		"{\"ociVersion\":\"1.0.2\",\"hostname\":\"\",\"process\":{\"args\":[\"sh\",\"\"],"
		"\"rlimits\":[{\"type\":\"RLIMIT_CPU\",\"soft\":1,\"hard\":18446744073709551615}],"
		"\"oomScoreAdj\":-5,\"user\":{\"uid\":7,\"umask\":0,\"additionalGids\":[3,4]}},"
		"\"linux\":{\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"network\",\"path\":"
		"\"/n\"}],\"netDevices\":{\"eth0\":{\"name\":\"e\"},\"eth1\":{}},\"seccomp\":{},"
		"\"devices\":[{\"path\":\"/dev/x\",\"type\":\"u\",\"major\":1,\"minor\":2}]},"
		"\"mounts\":[{\"destination\":\"x/y\",\"type\":\"tmpfs\"}],"
		"\"annotations\":{\"k\":\"v\",\"e\":\"\"},"
		"\"vm\":{\"hypervisor\":{\"path\":\"\"},\"hwconfig\":{\"vcpus\":3}}}");
	const struct oci_process *p = spec ? spec->process : NULL;

	if (!ok(p != NULL, "parse"))
		return;
	ok(!spec->hostname, "an empty string counts as absent");
	is_int(p->args.n, 2, "two arguments");
	is_str(p->args.v[1], "", "which may be empty");
	ok(!p->args.v[2], "ended by NULL");
	is_int(p->rlimits.v[0].type, RLIMIT_CPU, "RLIMIT_CPU is 0");
	ok(p->rlimits.v[0].hard == UINT64_MAX, "infinity");
	ok(p->oom_score_adj.set && p->oom_score_adj.value == -5, "an optional number");
	ok(p->user.umask.set && !p->user.umask.value, "0 is not absent");
	ok(!spec->process->capabilities && !p->cwd, "absent ones");
	is_int(p->user.additional_gids.v[1], 4, "a list of numbers");
	is_int(spec->linux_->namespaces.v[1].type, OCI_NS_NETWORK, "an enum");
	is_str(spec->linux_->net_devices.v[0].key, "eth0", "the key of a map of objects");
	is_str(spec->linux_->net_devices.v[0].name, "e", "and its value");
	ok(!spec->linux_->net_devices.v[1].name, "also an empty one");
	ok(!spec->linux_->seccomp, "\"seccomp\": {} is none");
	is_int(spec->linux_->devices.v[0].type, 'u', "a letter");
	is_str(spec->mounts.v[0].destination, "/x/y",
	       "a relative destination begins at /");
	ok(spec->mounts.v[0].relative, "and is known as such");
	is_str(oci_annotation(spec, "k"), "v", "an annotation");
	is_str(oci_annotation(spec, "e"), "", "which may be empty");
	ok(!oci_annotation(spec, "none"), "or not be there");
	ok(oci_namespace(spec, OCI_NS_PID) != NULL, "a namespace");
	ok(!oci_namespace(spec, OCI_NS_USER), "and none");
	is_int(spec->vm->hw_config->vcpus.value, 3, "hwconfig is read as hwConfig");
}

/* As Go reads them: capital or small, "hwconfig" in its types among them. */
static void test_letters(void)
{
	static const char text[] =
		"{\"OCIVERSION\":\"1.0.0\",\"hostName\":\"h\","
		"\"Linux\":{\"resources\":{\"hugepagelimits\":[{\"pagesize\":\"2MB\","
		"\"limit\":5}]}}}";
	auto_oci_spec struct oci_spec *spec = NULL;
	struct err err = ERR_INIT;

	is_int(oci_spec_parse(text, strlen(text), &spec, &err), 0, "parse: %s", err.msg);
	if (!spec)
		return;
	is_str(spec->hostname, "h", "in other letters");
	is_str(spec->linux_->resources->hugepage_limits.v[0].page_size, "2MB",
	       "deep in it");
}

static void test_no_linux(void)
{
	auto_oci_spec struct oci_spec *spec = parse("{\"ociVersion\":\"1.0.2\"}");

	ok(spec && spec->linux_ && !spec->process, "linux is there even when it is not");
}

static void test_process(void)
{
	static const char good[] = "{\"cwd\":\"/\",\"args\":[\"a\"],\"terminal\":true}";
	struct oci_spec *spec = NULL;
	struct err err = ERR_INIT;

	is_int(oci_process_parse(good, strlen(good), &spec, &err), 0,
	       "a process of its own");
	ok(spec && spec->process && spec->process->terminal && !spec->linux_, "alone");
	oci_spec_free(spec);
	spec = NULL;
	is_int(oci_process_parse("{\"args\":[1]}", 12, &spec, &err), -EINVAL,
	       "a broken one");
	is_str(err.msg, "process: args[0]: expected a string, got a number",
	       "the message");
	is_int(oci_process_parse("null", 4, &spec, &err), -EINVAL, "no process");
	is_str(err.msg, "process: expected an object, got null", "the message");
	is_int(oci_process_parse("{", 1, &spec, &err), -EINVAL, "no JSON");
	oci_spec_free(NULL);
}

static void test_resources(void)
{
	static const char good[] = "{\"pids\":{\"limit\":5}}";
	auto_oci_spec struct oci_spec *spec = NULL;
	struct err err = ERR_INIT;

	is_int(oci_resources_parse(good, strlen(good), &spec, &err), 0,
	       "resources of their own");
	ok(spec && spec->linux_->resources->pids->limit.value == 5 && !spec->process,
	   "alone");
	is_int(oci_resources_parse("{\"cpu\":5}", 9, &spec, &err), -EINVAL,
	       "broken ones");
	is_str(err.msg, "resources: cpu: expected an object, got a number",
	       "the message");
}

static void test_names(void)
{
	is_int(oci_capability("CAP_CHOWN"), 0, "the first capability");
	is_int(oci_capability("CAP_CHECKPOINT_RESTORE"), 40, "the last one");
	is_int(oci_capability("CAP_NONE"), -1, "none");
	is_int(oci_capability("cap_chown"), -1, "exactly as written");
	is_str(oci_capability_name(21), "CAP_SYS_ADMIN", "the name of one");
	ok(!oci_capability_name(41) && !oci_capability_name(-1), "and of none");
	is_str(oci_ns_name(OCI_NS_TIME), "time", "a namespace's name");
	is_str(oci_rlimit_name(RLIMIT_NOFILE), "RLIMIT_NOFILE", "a limit's name");
	ok(!oci_rlimit_name(1000), "and of none");
}

int main(void)
{
	document_each(check_field);
	test_whole();
	test_two_spellings();
	test_unknown();
	test_values();
	test_letters();
	test_no_linux();
	test_process();
	test_resources();
	test_names();
	return tap_done();
}
