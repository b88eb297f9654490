/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of honoured fields is closed, config.json.example has every honoured
 * field, and what is refused is refused by its name.
 */
#include "oci/honoured.h"

#include <errno.h>
#include <fcntl.h>

#include "lib/arena.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/json.h"
#include "oci/options.h"
#include "oci/validate.h"
#include "tests/unit/oci_document.h"
#include "tests/unit/tap.h"

/* plain() - the path as the table has it: without indices and keys. */
static void plain(const char *path, char *ret, size_t size)
{
	size_t n = 0;

	while (*path && n + 1 < size) {
		size_t skip =
			strncmp(path, "[0]", 3) == 0 ? 3
			: strncmp(path, ".key", 4) == 0 && (!path[4] || path[4] == '.')
				? 4
				: 0;

		path += skip;
		if (!skip)
			ret[n++] = *path++;
	}
	ret[n] = 0;
}

/* covering() - the line for @path: its own, or that of what it is in. */
static const struct oci_honoured *covering(const char *path)
{
	const struct oci_honoured *best = NULL;
	const struct oci_honoured *line;

	for (size_t i = 0; (line = oci_honoured(i)); i++) {
		size_t len = strlen(line->path);

		if (strncmp(path, line->path, len) == 0 &&
		    (!path[len] || path[len] == '.') &&
		    (!best || len > strlen(best->path)))
			best = line;
	}
	return best;
}

/* ---- the table ---------------------------------------------------------------------- */

static void check_covered(const struct oci_field *f, const char *path)
{
	char name[256];

	plain(path, name, sizeof(name));
	if (!f->type)
		ok(covering(name) != NULL, "%s has a line", name);
}

static const char *wanted;
static bool found;

static void look_for(const struct oci_field *f, const char *path)
{
	char name[256];

	(void)f;
	plain(path, name, sizeof(name));
	found = found || strcmp(name, wanted) == 0;
}

static void test_table(void)
{
	const struct oci_honoured *line;

	document_each(check_covered);
	for (size_t i = 0; (line = oci_honoured(i)); i++) {
		wanted = line->path;
		found = false;
		document_each(look_for);
		ok(found, "%s is a field", line->path);
		ok(covering(line->path) == line, "%s has one line", line->path);
		ok(line->by == OCI_REFUSED || line->by == OCI_ACCEPTED ||
			   line->by == (line->by & (OCI_BY_AGENT | OCI_BY_HOST)),
		   "%s is honoured, accepted or refused", line->path);
		if (line->by == OCI_ACCEPTED)
			ok(line->note != NULL, "%s has a reason", line->path);
	}
}

/* ---- the example ---------------------------------------------------------------------- */

/* Fields that exclude one another, or that few hosts have: the example lacks some. */
static const char *const excluded[] = {
	"process.scheduler.priority", /* SCHED_FIFO and SCHED_RR */
	"process.scheduler.runtime", /* SCHED_DEADLINE, so the next two */
	"process.scheduler.deadline",
	"process.scheduler.period",
	"process.selinuxLabel", /* hosts with SELinux only */
	"linux.intelRdt.closID", /* few machines have resctrl, and few mount it */
	"linux.intelRdt.schemata",
	"linux.intelRdt.l3CacheSchema",
	"linux.intelRdt.memBwSchema",
	"linux.intelRdt.enableMonitoring",
	"linux.resources.rdma.hcaHandles", /* few machines have such a device */
	"linux.resources.rdma.hcaObjects",
	"linux.resources.memory.swappiness", /* cgroup v1's, so all that follow */
	"linux.resources.memory.disableOOMKiller",
	"linux.resources.cpu.realtimeRuntime",
	"linux.resources.cpu.realtimePeriod",
	"linux.resources.blockIO.leafWeight",
	"linux.resources.blockIO.weightDevice.leafWeight",
	"linux.resources.network.classID",
	"linux.resources.network.priorities.name",
	"linux.resources.network.priorities.priority",
};

static const struct json_value *example;

/* occurs() - the field @path ("mounts[0].type") stands somewhere below @v. */
static bool occurs(const struct json_value *v, const char *path)
{
	const struct json_value *child;
	size_t len = strcspn(path, ".[");
	char name[64];

	if (!*path)
		return true;
	/* A document has one element "[0]", one member "key" for any. */
	if (*path == '[' || (len == 3 && strncmp(path, "key", 3) == 0)) {
		path += 3;
		path += *path == '.';
		for (child = v->first; child; child = child->next)
			if (occurs(child, path))
				return true;
		return false;
	}
	(void)!snprintf(name, sizeof(name), "%.*s", (int)len, path);
	child = json_get(v, name);
	return child && occurs(child, path + len + (path[len] == '.'));
}

static void check_example(const struct oci_field *f, const char *path)
{
	const struct oci_honoured *line;
	char name[256];

	plain(path, name, sizeof(name));
	line = covering(name);
	if (f->type || !line || !(line->by & (OCI_BY_AGENT | OCI_BY_HOST)))
		return;
	for (size_t i = 0; i < sizeof(excluded) / sizeof(excluded[0]); i++)
		if (strcmp(excluded[i], name) == 0)
			return;
	ok(occurs(example, path), "config.json.example has %s", name);
}

static void test_example(void)
{
	auto_arena struct arena arena = ARENA_INIT;
	auto_buf struct buf text = BUF_INIT;
	auto_buf struct buf warnings = BUF_INIT;
	auto_oci_spec struct oci_spec *spec = NULL;
	struct hull_options options = { 0 };
	struct err err = ERR_INIT;

	if (!ok(io_read_file(AT_FDCWD, "config.json.example", JSON_MAX_SIZE, &text,
			     &err) == 0,
		"config.json.example: %s", err.msg) ||
	    !ok(oci_spec_parse(text.data, text.len, &spec, &err) == 0, "is parsed: %s",
		err.msg) ||
	    !ok(json_parse(text.data, text.len, &arena, &example, &err) == 0, "is JSON"))
		return;
	ok(oci_validate(spec, &err) == 0, "is valid: %s", err.msg);
	ok(oci_check_honoured(spec, &err) == 0, "is honoured: %s", err.msg);
	ok(hull_options_load(spec, NULL, 0, &options, &err) == 0, "makes a machine: %s",
	   err.msg);
	is_int(oci_warnings(spec, false, &warnings), 0, "is looked through");
	is_int(warnings.len, 0, "without a warning");
	document_each(check_example);
}

/* ---- what is refused ---------------------------------------------------------------- */

/* only() - a configuration with the field @path, as a document() has it, and what is
 * required beside it. */
static void only(struct buf *b, const struct oci_type *type, const char *path)
{
	const struct document_change none = { NULL, NULL };
	size_t len = strcspn(path, ".[");
	const char *comma = "";

	(void)buf_puts(b, "{");
	for (size_t i = 0; i < type->n; i++) {
		const struct oci_field *f = &type->fields[i];
		bool named = strncmp(f->name, path, len) == 0 && !f->name[len];
		auto_buf struct buf place = BUF_INIT;
		const char *rest = path + len;

		if (!named && !(f->flags & OCI_REQUIRED))
			continue;
		(void)buf_printf(b, "%s\"%s\":", comma, f->name);
		comma = ",";
		if (!named || !*rest) {
			document_value(b, f, &place, &none);
		} else if (f->kind == OCI_LIST) {
			(void)buf_puts(b, "[");
			only(b, f->type, rest + 4); /* "[0]." */
			(void)buf_puts(b, "]");
		} else {
			only(b, f->type, rest + 1);
		}
	}
	(void)buf_puts(b, "}");
}

static void check_refused(const struct oci_field *f, const char *path)
{
	auto_oci_spec struct oci_spec *spec = NULL;
	auto_buf struct buf text = BUF_INIT;
	const struct oci_honoured *line;
	struct err err = ERR_INIT;
	char name[256];
	char want[300];

	(void)f;
	plain(path, name, sizeof(name));
	line = covering(name);
	/* A seccomp object without a default action is none: test_values() has that. */
	if (!line || line->by != OCI_REFUSED || strcmp(line->path, name) != 0 ||
	    strncmp(name, "linux.seccomp.", 14) == 0)
		return;
	only(&text, &oci_type_spec, path);
	if (!ok(oci_spec_parse(text.data, text.len, &spec, &err) == 0, "%s: parse: %s",
		name, err.msg))
		return;
	is_int(oci_check_honoured(spec, &err), -ENOTSUP, "%s is refused", name);
	(void)!snprintf(want, sizeof(want), "config.json: %s is not supported", name);
	is_str(err.msg, want, "by its name");
}

static void check(const char *members, const char *want)
{
	auto_oci_spec struct oci_spec *spec = NULL;
	struct err err = ERR_INIT;
	char text[1024];

	(void)!snprintf(text, sizeof(text), "{\"ociVersion\":\"1.0.0\",%s}", members);
	if (!ok(oci_spec_parse(text, strlen(text), &spec, &err) == 0, "%s: %s", members,
		err.msg))
		return;
	is_int(oci_check_honoured(spec, &err), want ? -ENOTSUP : 0, "%s", members);
	is_str(err.msg, want ? want : "", "the message");
}

static void test_values(void)
{
	check("\"linux\":{\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":"
	      "[\"a\"],\"action\":\"SCMP_ACT_NOTIFY\"}]}}",
	      "config.json: linux.seccomp.syscalls[0].action: SCMP_ACT_NOTIFY is not supported");
	check("\"linux\":{\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"flags\":["
	      "\"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV\"]}}",
	      "config.json: linux.seccomp.flags[0]: SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV is not "
	      "supported");
}

static void test_unified(void)
{
	check("\"linux\":{\"resources\":{\"unified\":{\"cpuset.cpus.partition\":\"root\"}}}",
	      "config.json: linux.resources.unified: \"cpuset.cpus.partition\" is not "
	      "supported");
	check("\"linux\":{\"resources\":{\"unified\":{\"io.max\":\"1:1 wbps=1\"}}}",
	      NULL);
}

static void test_listener(void)
{
	check("\"linux\":{\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"listenerPath\":\"/s\"}}",
	      NULL);
	check("\"linux\":{\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"listenerPath\":\"/s\","
	      "\"syscalls\":[{\"names\":[\"mkdir\"],\"action\":\"SCMP_ACT_NOTIFY\"}]}}",
	      "config.json: linux.seccomp.syscalls[0].action: SCMP_ACT_NOTIFY is not supported");
	check("\"linux\":{\"seccomp\":{\"listenerPath\":\"/s\"}}", NULL);
}

/* What engines send with every container, though they mean nothing by it. */
static void test_harmless(void)
{
	check("\"linux\":{\"resources\":{\"memory\":{\"disableOOMKiller\":false,\"swappiness\":60,"
	      "\"kernelTCP\":0},\"cpu\":{\"realtimeRuntime\":0,\"realtimePeriod\":0},\"blockIO\":"
	      "{\"weight\":0,\"leafWeight\":0,\"weightDevice\":[]},\"network\":{},\"rdma\":{}},"
	      "\"intelRdt\":{},\"uidMappings\":[],\"mountLabel\":\"\",\"timeOffsets\":{},"
	      "\"netDevices\":{},\"seccomp\":{}}",
	      NULL);
	check("\"vm\":{\"hypervisor\":{\"path\":\"\"},\"image\":{\"path\":\"\",\"format\":\"\"},"
	      "\"kernel\":{\"path\":\"/k\"},\"hwconfig\":{\"dtdevs\":[]}}",
	      NULL);
	check("\"process\":{\"apparmorProfile\":\"docker-default\",\"selinuxLabel\":\"\"}",
	      NULL);
}

/* As dockerd 20.10 writes it for `docker run -m 64m -v /srv:/srv` with AppArmor on. */
static const char docker[] =
	"{\"ociVersion\":\"1.0.2-dev\",\"process\":{\"user\":{\"uid\":0,\"gid\":0,"
	"\"additionalGids\":[1,2]},\"args\":[\"sh\"],\"env\":[\"PATH=/bin\",\"HOSTNAME=c\"],"
	"\"cwd\":\"/\",\"capabilities\":{\"bounding\":[\"CAP_CHOWN\"],\"effective\":"
	"[\"CAP_CHOWN\"],\"inheritable\":[\"CAP_CHOWN\"],\"permitted\":[\"CAP_CHOWN\"]},"
	"\"apparmorProfile\":\"docker-default\",\"oomScoreAdj\":0},\"root\":{\"path\":"
	"\"/var/lib/docker/overlay2/x/merged\"},\"hostname\":\"c\",\"mounts\":["
	"{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":\"proc\",\"options\":[\"nosuid\","
	"\"noexec\",\"nodev\"]},{\"destination\":\"/sys/fs/cgroup\",\"type\":\"cgroup\",\"source\":"
	"\"cgroup\",\"options\":[\"ro\",\"nosuid\",\"noexec\",\"nodev\"]},{\"destination\":"
	"\"/srv\",\"type\":\"bind\",\"source\":\"/srv\",\"options\":[\"rbind\",\"rprivate\"]}],"
	"\"hooks\":{\"prestart\":[{\"path\":\"/proc/1/exe\",\"args\":[\"libnetwork-setkey\","
	"\"-exec-root=/var/run/docker\",\"c\",\"d\"]}]},\"linux\":{\"sysctl\":"
	"{\"net.ipv4.ip_unprivileged_port_start\":\"0\",\"net.ipv4.ping_group_range\":"
	"\"0 2147483647\"},\"resources\":{\"devices\":[{\"allow\":false,\"access\":\"rwm\"},"
	"{\"allow\":true,\"type\":\"c\",\"major\":1,\"minor\":5,\"access\":\"rwm\"},"
	"{\"allow\":false,\"type\":\"c\",\"major\":10,\"minor\":229,\"access\":\"rwm\"}],"
	"\"memory\":{\"limit\":67108864,\"swap\":134217728,\"disableOOMKiller\":false},"
	"\"cpu\":{\"shares\":0},\"pids\":{\"limit\":0},\"blockIO\":{\"weight\":0}},"
	"\"cgroupsPath\":\"/docker/c\",\"namespaces\":[{\"type\":\"mount\"},{\"type\":\"network\"},"
	"{\"type\":\"uts\"},{\"type\":\"pid\"},{\"type\":\"ipc\"},{\"type\":\"cgroup\"}],\"seccomp\":"
	"{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"architectures\":[\"SCMP_ARCH_X86_64\"],"
	"\"syscalls\":[{\"names\":[\"accept\"],\"action\":\"SCMP_ACT_ALLOW\"},{\"names\":[\"clone\"],"
	"\"action\":\"SCMP_ACT_ALLOW\",\"args\":[{\"index\":0,\"value\":2114060288,\"op\":"
	"\"SCMP_CMP_MASKED_EQ\"}]}]},\"maskedPaths\":[\"/proc/asound\"],\"readonlyPaths\":"
	"[\"/proc/bus\"]}}";

/* As `ctr run` of containerd 1.6 adds to its own default. */
static const char containerd[] =
	"{\"ociVersion\":\"1.0.2-dev\",\"process\":{\"user\":{\"uid\":0,\"gid\":0},\"args\":"
	"[\"sh\"],\"cwd\":\"/\",\"rlimits\":[{\"type\":\"RLIMIT_NOFILE\",\"hard\":1024,\"soft\":"
	"1024}],\"noNewPrivileges\":true},\"root\":{\"path\":\"rootfs\"},\"mounts\":["
	"{\"destination\":\"/run\",\"type\":\"tmpfs\",\"source\":\"tmpfs\",\"options\":[\"nosuid\","
	"\"strictatime\",\"mode=755\",\"size=65536k\"]}],\"linux\":{\"resources\":{\"devices\":"
	"[{\"allow\":false,\"access\":\"rwm\"}]},\"cgroupsPath\":\"/default/c\",\"namespaces\":"
	"[{\"type\":\"pid\"},{\"type\":\"ipc\"},{\"type\":\"uts\"},{\"type\":\"mount\"},"
	"{\"type\":\"network\"}],\"maskedPaths\":[\"/proc/acpi\"],\"readonlyPaths\":[\"/proc/bus\"]}}";

/* As podman 4 writes it: hooks, annotations, a network namespace by path. */
static const char podman[] =
	"{\"ociVersion\":\"1.0.2-dev\",\"process\":{\"terminal\":true,\"user\":{\"uid\":0,"
	"\"gid\":0,\"umask\":18},\"args\":[\"sh\"],\"env\":[\"container=podman\"],\"cwd\":\"/\","
	"\"rlimits\":[{\"type\":\"RLIMIT_NPROC\",\"hard\":4194304,\"soft\":4194304}],"
	"\"oomScoreAdj\":0},\"root\":{\"path\":\"/m\"},\"hostname\":\"c\",\"mounts\":["
	"{\"destination\":\"/dev/shm\",\"type\":\"bind\",\"source\":\"/shm\",\"options\":[\"bind\","
	"\"rprivate\",\"nosuid\",\"noexec\",\"nodev\"]}],\"annotations\":"
	"{\"io.container.manager\":\"libpod\",\"org.opencontainers.image.stopSignal\":\"15\"},"
	"\"linux\":{\"sysctl\":{\"net.ipv4.ping_group_range\":\"0 0\"},\"resources\":{\"devices\":"
	"[{\"allow\":false,\"access\":\"rwm\"}],\"pids\":{\"limit\":2048}},\"cgroupsPath\":"
	"\"machine.slice:libpod:c\",\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"network\","
	"\"path\":\"/run/netns/x\"},{\"type\":\"ipc\"},{\"type\":\"uts\"},{\"type\":\"mount\"},"
	"{\"type\":\"cgroup\"}],\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ERRNO\","
	"\"defaultErrnoRet\":38,\"architectures\":[\"SCMP_ARCH_X86_64\"],\"syscalls\":[{\"names\":"
	"[\"bdflush\"],\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":1}]},\"maskedPaths\":[\"/proc/acpi\"]}}";

static void test_engine(const char *name, const char *text)
{
	auto_oci_spec struct oci_spec *spec = NULL;
	struct hull_options options = { 0 };
	struct err err = ERR_INIT;

	ok(oci_spec_parse(text, strlen(text), &spec, &err) == 0, "%s: parse: %s", name,
	   err.msg);
	if (!spec)
		return;
	ok(oci_validate(spec, &err) == 0, "%s: valid: %s", name, err.msg);
	ok(oci_check_honoured(spec, &err) == 0, "%s: honoured: %s", name, err.msg);
	ok(hull_options_load(spec, NULL, 0, &options, &err) == 0, "%s: sized: %s", name,
	   err.msg);
}

static void test_process(void)
{
	static const char text[] = "{\"selinuxLabel\":\"x\"}";
	auto_oci_spec struct oci_spec *spec = NULL;
	struct err err = ERR_INIT;

	is_int(oci_process_parse(text, strlen(text), &spec, &err), 0,
	       "a process of its own");
	if (!spec)
		return;
	is_int(oci_check_honoured_process(spec->process, &err), 0,
	       "nothing of it is refused");
}

/* ---- docs/config.md -------------------------------------------------------------------- */

static const char *who(unsigned int by)
{
	switch (by) {
	case OCI_BY_AGENT:
		return "guest";
	case OCI_BY_HOST:
		return "host";
	case OCI_BY_AGENT | OCI_BY_HOST:
		return "guest, host";
	case OCI_ACCEPTED:
		return "no effect";
	default:
		return "refused";
	}
}

/* describe() - what docs/config.md must be. */
static void describe(struct buf *b)
{
	const struct oci_honoured *line;
	const struct hull_option_doc *doc;

	(void)buf_puts(
		b,
		"# config.json\n\n"
		"Who honours which field: the agent in the guest, or hull on the host. "
		"A refused field fails `create` by its name,\nunless it is 0, false or "
		"empty. A line speaks for all that is below its field.\n\n"
		"This page is printed by `build/tests/unit/oci_honoured_test --page`; "
		"change oci/honoured.c and oci/options.c.\n\n"
		"| field | by | |\n|---|---|---|\n");
	for (size_t i = 0; (line = oci_honoured(i)); i++)
		(void)buf_printf(b, "| `%s` | %s | %s |\n", line->path, who(line->by),
				 line->note ? line->note : "");
	(void)buf_puts(
		b, "\n## Options of the machine\n\n"
		   "Given in `vm.hypervisor.parameters` (`NAME=VALUE`), as annotation "
		   "(`org.hull.NAME`) or as `hull --set NAME=VALUE`;\nof these the "
		   "later one wins, and each wins over the fields of the `vm` object.\n\n"
		   "| name | value | without it | |\n|---|---|---|---|\n");
	for (size_t i = 0; (doc = hull_option_doc(i)); i++)
		(void)buf_printf(b, "| `%s` | %s | %s | %s |\n", doc->name, doc->value,
				 doc->fallback, doc->text);
}

static void test_page(void)
{
	auto_buf struct buf page = BUF_INIT;
	auto_buf struct buf want = BUF_INIT;
	struct err err = ERR_INIT;

	describe(&want);
	if (ok(io_read_file(AT_FDCWD, "docs/config.md", 1 << 20, &page, &err) == 0,
	       "docs/config.md: %s", err.msg))
		ok(strcmp(page.data, want.data) == 0,
		   "docs/config.md says what the tables say");
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "--page") == 0) {
		auto_buf struct buf page = BUF_INIT;

		describe(&page);
		return fputs(page.data, stdout) < 0;
	}
	test_page();
	test_table();
	test_example();
	document_each(check_refused);
	test_values();
	test_listener();
	test_unified();
	test_harmless();
	test_engine("docker", docker);
	test_engine("containerd", containerd);
	test_engine("podman", podman);
	test_process();
	return tap_done();
}
