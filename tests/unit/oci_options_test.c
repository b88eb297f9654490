/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/options.h"

#include <errno.h>

#include "lib/err.h"
#include "oci/spec.h"
#include "tests/unit/tap.h"

#define MIB (1ull << 20)
#define GIB (1ull << 30)

static const struct hull_host host = { .cpus = 4, .memory = 16ull << 30 };

/* load() - the options of a spec with @members ("" or ",\"linux\":{...}"). */
static int load(const char *members, const char *const *set, size_t n_set,
		struct hull_options *ret, struct oci_spec **ret_spec, struct err *err)
{
	char text[1024];
	int r;

	(void)!snprintf(text, sizeof(text), "{\"ociVersion\":\"1.0.0\"%s}", members);
	r = oci_spec_parse(text, strlen(text), ret_spec, err);
	return r < 0 ? r : hull_options_load_for(*ret_spec, set, n_set, &host, ret, err);
}

#define SET(...)                                                                         \
	((const char *const[]){ __VA_ARGS__ }),                                          \
		sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *)

static void sizes(const char *members, uint32_t vcpus, uint64_t memory, const char *what)
{
	auto_oci_spec struct oci_spec *spec = NULL;
	struct hull_options o = { 0 };
	struct err err = ERR_INIT;

	is_int(load(members, NULL, 0, &o, &spec, &err), 0, "%s", what);
	is_int(o.vcpus, vcpus, "%s: vCPUs", what);
	is_int(o.memory, memory, "%s: memory", what);
}

static void test_sizes(void)
{
	sizes("", 4, 4 * GIB, "nothing given");
	sizes(",\"linux\":{\"resources\":{\"cpu\":{\"quota\":150000,\"period\":100000}}}",
	      2, 4 * GIB, "one and a half CPUs");
	sizes(",\"linux\":{\"resources\":{\"cpu\":{\"quota\":50000}}}", 1, 4 * GIB,
	      "half a CPU");
	sizes(",\"linux\":{\"resources\":{\"cpu\":{\"quota\":9000000,\"period\":0}}}", 4,
	      4 * GIB, "more CPUs than there are");
	sizes(",\"linux\":{\"resources\":{\"cpu\":{\"quota\":-1}}}", 4, 4 * GIB,
	      "no quota");
	sizes(",\"linux\":{\"resources\":{\"cpu\":{\"cpus\":\"1,3\",\"quota\":900000}}}",
	      2, 4 * GIB, "two CPUs of the host");
	sizes(",\"linux\":{\"resources\":{\"memory\":{\"limit\":104857600}}}", 4,
	      166 * MIB, "100 MiB and the reserve");
	sizes(",\"linux\":{\"resources\":{\"memory\":{\"limit\":1073741824}}}", 4,
	      (1024 + 64 + 22) * MIB, "1 GiB and the reserve");
	sizes(",\"linux\":{\"resources\":{\"memory\":{\"limit\":-1}}}", 4, 4 * GIB,
	      "no limit");
	sizes(",\"linux\":{\"resources\":{\"memory\":{\"limit\":9223372036854771712}}}",
	      4, 4 * GIB, "a limit that is none");
	sizes(",\"linux\":{\"resources\":{\"memory\":{\"limit\":17179869184}}}", 4,
	      4 * GIB, "a limit of all that the host has");
	sizes(",\"vm\":{\"hwConfig\":{\"vcpus\":7,\"memory\":134217729}}", 7, 130 * MIB,
	      "what vm says, rounded up to 2 MiB");
}

static void test_hosts(void)
{
	static const struct hull_host small = { .cpus = 1, .memory = 300 * MIB };
	static const struct hull_host large = { .cpus = 256, .memory = 1024 * GIB };
	static const struct hull_host middle = { .cpus = 2, .memory = 3 * GIB };
	auto_oci_spec struct oci_spec *spec = oci_spec_new();
	struct hull_options o = { 0 };
	struct err err = ERR_INIT;

	if (!spec)
		return;
	(void)hull_options_load_for(spec, NULL, 0, &small, &o, &err);
	is_int(o.memory, 256 * MIB, "at least 256 MiB");
	(void)hull_options_load_for(spec, NULL, 0, &large, &o, &err);
	is_int(o.memory, 4 * GIB, "at most 4 GiB");
	is_int(o.vcpus, 64, "at most 64 vCPUs");
	(void)hull_options_load_for(spec, NULL, 0, &middle, &o, &err);
	is_int(o.memory, 1536 * MIB, "half in between");
	is_int(hull_options_load(spec, NULL, 0, &o, &err), 0, "this host");
	ok(o.vcpus >= 1 && o.vcpus <= 64 && o.memory >= 256 * MIB, "has sizes");
}

static void test_strings(void)
{
	static const char vm[] =
		",\"vm\":{\"hypervisor\":{\"path\":\"/vmm\",\"parameters\":[\"vcpus=3\"]},"
		"\"kernel\":{\"path\":\"/k\",\"initrd\":\"/i\",\"parameters\":[\"quiet\","
		"\"a=b c\"]}},\"annotations\":{\"org.hull.cmdline\":\"x y\",\"other\":\"1\"}";
	auto_oci_spec struct oci_spec *spec = NULL;
	auto_oci_spec struct oci_spec *spec2 = NULL;
	auto_oci_spec struct oci_spec *spec3 = NULL;
	struct hull_options o = { 0 };
	struct err err = ERR_INIT;

	is_int(load(vm, NULL, 0, &o, &spec, &err), 0, "the vm object");
	is_str(o.hypervisor, "/vmm", "hypervisor");
	is_str(o.kernel, "/k", "kernel");
	is_str(o.initrd, "/i", "initrd");
	is_str(o.cmdline, "quiet \"a=b c\" x y", "parameters, then the annotation");
	is_int(o.vcpus, 3, "hypervisor parameters are options");
	is_int(o.boot_timeout_ms, 60000, "the default deadline");
	is_int(o.dax, 256 << 20, "the default window");
	is_int(o.boot_memory, 0, "nobody says what it starts with");
	ok(!o.no_vhost && !o.allow_host_net, "vhost, and not the host's network");
	ok(!o.no_template && !o.template_group, "templates, nobody's in particular");
	ok(!o.net.rx && !o.net.tx && !o.net.antispoof, "everything may pass it");
	is_int(load(vm,
		    SET("kernel=/k2", "org.hull.vcpus=2", "memory=1G", "boot-timeout=5",
			"cmdline=z", "initrd=/i2", "org.hull.fs.dax=1G", "memory.boot=99M",
			"net.vhost=off", "net.host=allow", "template=off",
			"template.group=alice",
			"net.rx=1500K", "net.tx=2G", "net.antispoof=on"),
		    &o, &spec2, &err),
	       0, "--set");
	is_str(o.kernel, "/k2", "overrides the kernel");
	is_str(o.initrd, "/i2", "and the initrd");
	is_str(o.cmdline, "quiet \"a=b c\" z", "and the annotation");
	is_int(o.vcpus, 2, "with the prefix too");
	is_int(o.memory, GIB, "and the memory");
	is_int(o.boot_timeout_ms, 5000, "and the deadline");
	is_int(o.dax, GIB, "and the window");
	is_int(o.boot_memory, 100 * MIB, "and the start, rounded up to 2 MiB");
	ok(o.no_vhost && o.allow_host_net, "and the network");
	ok(o.no_template, "and the template");
	is_str(o.template_group, "alice", "and its group");
	ok(o.net.rx == 1500000 && o.net.tx == 2000000000 && o.net.antispoof,
	   "and what may pass it, by powers of 1000");
	is_int(load("", NULL, 0, &o, &spec3, &err), 0, "nothing");
	ok(!o.kernel && !o.initrd && !o.cmdline && !o.hypervisor, "is nothing");
}

static void test_order(void)
{
	static const char members[] =
		",\"vm\":{\"hwConfig\":{\"vcpus\":1},\"hypervisor\":{\"path\":\"/v\","
		"\"parameters\":[\"vcpus=2\"]}},\"annotations\":{\"org.hull.vcpus\":\"3\"}";
	auto_oci_spec struct oci_spec *spec = NULL;
	auto_oci_spec struct oci_spec *spec2 = NULL;
	struct hull_options o = { 0 };
	struct err err = ERR_INIT;

	(void)load(members, NULL, 0, &o, &spec, &err);
	is_int(o.vcpus, 3, "an annotation overrides the vm object");
	(void)load(members, SET("vcpus=4", "vcpus=5"), &o, &spec2, &err);
	is_int(o.vcpus, 5, "--set overrides it, the last one wins");
}

static void bad(const char *members, const char *set, const char *want)
{
	auto_oci_spec struct oci_spec *spec = NULL;
	struct hull_options o = { 0 };
	struct err err = ERR_INIT;

	is_int(load(members, &set, set ? 1 : 0, &o, &spec, &err), -EINVAL,
	       "an error: %.40s", want);
	is_str(err.msg, want, "the message");
	ok(!o.vcpus, "nothing is returned");
}

static void test_bad(void)
{
	bad("", "x", "--set x: expected KEY=VALUE");
	bad("", "=x", "--set =x: expected KEY=VALUE");
	bad("", "nothing=1", "--set 'nothing' is no option");
	bad("", "vcpus=0", "--set vcpus=0: expected a number from 1 to 64");
	bad("", "vcpus=65", "--set vcpus=65: expected a number from 1 to 64");
	bad("", "vcpus=1x", "--set vcpus=1x: expected a number from 1 to 64");
	bad("", "vcpus=", "--set vcpus=: expected a number from 1 to 64");
	bad("", "memory=63M", "--set memory=63M: expected 64M to 1024G");
	bad("", "memory=1025G", "--set memory=1025G: expected 64M to 1024G");
	bad("", "memory=64MB", "--set memory=64MB: expected 64M to 1024G");
	bad("", "memory=-64M", "--set memory=-64M: expected 64M to 1024G");
	bad("", "memory=99999999999999999999",
	    "--set memory=99999999999999999999: expected 64M "
	    "to 1024G");
	bad("", "memory=17179869185G",
	    "--set memory=17179869185G: expected 64M to 1024G");
	bad("", "memory.boot=63M",
	    "--set memory.boot=63M: expected 64M to 1024G");
	bad("", "memory.boot=much",
	    "--set memory.boot=much: expected 64M to 1024G");
	bad("", "fs.dax=33M",
	    "--set fs.dax=33M: expected 0, or a power of 2 from 32M to 64G");
	bad("", "fs.dax=16M",
	    "--set fs.dax=16M: expected 0, or a power of 2 from 32M to 64G");
	bad("", "fs.dax=128G",
	    "--set fs.dax=128G: expected 0, or a power of 2 from 32M to 64G");
	bad("", "net.vhost=yes", "--set net.vhost=yes: expected on or off");
	bad("", "template=1", "--set template=1: expected on or off");
	bad("", "template.group=",
	    "--set template.group=: expected 1 to 32 letters, digits, '_', '.' or '-'");
	bad("", "template.group=a/b",
	    "--set template.group=a/b: expected 1 to 32 letters, digits, '_', '.' or "
	    "'-'");
	bad("", "template.group=a23456789012345678901234567890123",
	    "--set template.group=a23456789012345678901234567890123: expected 1 to 32 "
	    "letters, digits, '_', '.' or '-'");
	bad("", "net.rx=63999",
	    "--set net.rx=63999: expected none, or 64K to 1T bits per second");
	bad("", "net.tx=2T",
	    "--set net.tx=2T: expected none, or 64K to 1T bits per second");
	bad("", "net.tx=1.5M",
	    "--set net.tx=1.5M: expected none, or 64K to 1T bits per second");
	bad("", "net.antispoof=yes", "--set net.antispoof=yes: expected on or off");
	bad("", "net.host=on", "--set net.host=on: expected allow or refuse");
	bad("", "freeze.hooks=",
	    "--set freeze.hooks=: expected 1 to 32 absolute paths, separated by ':'");
	bad("", "freeze.hooks=/a:b",
	    "--set freeze.hooks=/a:b: expected absolute paths, separated by ':'");
	bad("", "freeze.hooks=/a::/b",
	    "--set freeze.hooks=/a::/b: expected absolute paths, separated by ':'");
	bad("", "freeze.hooks=/a:",
	    "--set freeze.hooks=/a:: expected 1 to 32 absolute paths, separated by ':'");
	bad("", "boot-timeout=0", "--set boot-timeout=0: expected 1 to 3600 seconds");
	bad("", "boot-timeout=3601",
	    "--set boot-timeout=3601: expected 1 to 3600 seconds");
	bad("", "kernel=k", "--set kernel=k: expected an absolute path");
	bad("", "initrd=", "--set initrd=: expected an absolute path");
	bad("", "cmdline=a\tb",
	    "--set cmdline=a\tb: expected kernel parameters on one line");
	bad(",\"annotations\":{\"org.hull.nonsense\":\"1\"}", NULL,
	    "config.json: annotation 'org.hull.nonsense' is no option");
	bad(",\"annotations\":{\"org.hull.vcpus\":\"many\"}", NULL,
	    "config.json: annotation org.hull.vcpus=many: expected a number from 1 to 64");
	bad(",\"vm\":{\"hypervisor\":{\"path\":\"/v\",\"parameters\":[\"x=1\"]}}", NULL,
	    "config.json: vm.hypervisor.parameters: 'x' is no option");
	bad(",\"vm\":{\"kernel\":{\"path\":\"/k\",\"parameters\":[\"a\",\"b \\\" c\"]}}",
	    NULL,
	    "config.json: vm.kernel.parameters[1]: \"b \" c\" cannot be written on a kernel "
	    "command line");
	bad(",\"vm\":{\"kernel\":{\"path\":\"/k\",\"parameters\":[\"a\\tb\"]}}", NULL,
	    "config.json: vm.kernel.parameters[0]: \"a\tb\" cannot be written on a kernel "
	    "command line");
	bad(",\"vm\":{\"hwConfig\":{\"vcpus\":65}}", NULL,
	    "config.json: vm.hwConfig.vcpus: 65 is not between 1 and 64");
	bad(",\"vm\":{\"hwConfig\":{\"memory\":4194304}}", NULL,
	    "config.json: vm.hwConfig.memory: 4194304 is not between 67108864 and "
	    "1099511627776");
}

static void test_docs(void)
{
	const struct hull_option_doc *doc;
	size_t n = 0;

	for (; (doc = hull_option_doc(n)); n++)
		ok(doc->name && doc->value && doc->fallback && doc->text,
		   "%s is documented", doc->name);
	is_int(n, 16, "sixteen options");
}

static void test_change(void)
{
	static const char *const set[] = {
		"net.rx=5M", "vcpus=2",   "org.hull.net.antispoof=on",
		"nonsense",  "no.such=1", "net.rx=none"
	};
	static const char *const wrong[] = { "net.tx=5 M" };
	struct hull_net_options net = { .rx = 1000000, .tx = 2000000 };
	struct err err = ERR_INIT;

	is_int(hull_options_change(set, 1, &net, &err), 0, "another rate");
	ok(net.rx == 5000000 && net.tx == 2000000 && !net.antispoof, "and only that");
	is_int(hull_options_change(set, ARRAY_SIZE(set), &net, &err), 0,
	       "what is not for a container that runs is of no account");
	ok(net.rx == 0 && net.tx == 2000000 && net.antispoof, "the last counts");
	is_int(hull_options_change(wrong, 1, &net, &err), -EINVAL, "a wrong one");
	is_str(err.msg, "--set net.tx=5 M: expected none, or 64K to 1T bits per second",
	       "named");
}

int main(void)
{
	test_change();
	test_sizes();
	test_hosts();
	test_strings();
	test_order();
	test_bad();
	test_docs();
	return tap_done();
}
