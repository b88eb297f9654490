/* SPDX-License-Identifier: Apache-2.0 */
/* The same of linux.resources: each mistake and the exact text about it. */
#include "tests/unit/oci_check.h"

static void test_rules(void)
{
	resources(
		"\"devices\":[{\"allow\":false,\"access\":\"rwm\"},{\"allow\":true,\"type\":\"a\","
		"\"major\":-1,\"minor\":-1,\"access\":\"r\"}]",
		NULL);
	resources(
		"\"devices\":[{\"allow\":false}]",
		"linux.resources.devices[0].access: device access at 0 field cannot be empty");
	resources("\"devices\":[{\"allow\":false,\"access\":\"rwx\"}]", NULL);
	resources("\"devices\":[{\"allow\":false,\"access\":\"r\",\"type\":\"p\"}]",
		  "linux.resources.devices[0].type: invalid cgroup device type \"p\"");
	resources("\"devices\":[{\"allow\":false,\"access\":\"r\",\"major\":-2}]",
		  "linux.resources.devices[0].major: -2");
	resources("\"devices\":[{\"allow\":false,\"access\":\"r\",\"minor\":4294967296}]",
		  "linux.resources.devices[0].minor: 4294967296");
}

static void test_memory(void)
{
	resources(
		"\"memory\":{\"limit\":100,\"swap\":100,\"reservation\":-1,\"swappiness\":100}",
		NULL);
	resources("\"memory\":{\"limit\":-1,\"swap\":5}", NULL);
	resources("\"memory\":{\"swap\":-1}", NULL);
	resources("\"memory\":{\"limit\":-2}",
		  "linux.resources.memory.limit: invalid memory value: -2");
	resources("\"memory\":{\"reservation\":-2}",
		  "linux.resources.memory.reservation: invalid memory value: -2");
	resources("\"memory\":{\"swap\":-2}",
		  "linux.resources.memory.swap: invalid memory value: -2");
	resources(
		"\"memory\":{\"swap\":5}",
		"linux.resources.memory.swap: unable to set swap limit without memory limit");
	resources(
		"\"memory\":{\"limit\":10,\"swap\":5}",
		"linux.resources.memory.swap: memory+swap limit should be >= memory limit");
	resources(
		"\"memory\":{\"swappiness\":101}",
		"linux.resources.memory.swappiness: invalid memory swappiness value: 101 (valid range "
		"is 0-100)");
}

static void test_cpu(void)
{
	resources(
		"\"cpu\":{\"shares\":2,\"quota\":-1,\"period\":0,\"idle\":1,\"cpus\":\"0\","
		"\"mems\":\"0\",\"burst\":0}",
		NULL);
	resources("\"cpu\":{\"period\":999}",
		  "linux.resources.cpu.period: 999 is not between 1000 and 1000000");
	resources("\"cpu\":{\"period\":1000001}",
		  "linux.resources.cpu.period: 1000001 is not between 1000 and 1000000");
	resources("\"cpu\":{\"quota\":999}",
		  "linux.resources.cpu.quota: 999 is below 1000");
	resources("\"cpu\":{\"quota\":1000,\"burst\":1001}",
		  "linux.resources.cpu.burst: 1001 is above the quota");
	resources("\"cpu\":{\"idle\":2}", "linux.resources.cpu.idle: 2 is not 0 or 1");
	resources("\"cpu\":{\"cpus\":\"a\"}",
		  "linux.resources.cpu.cpus: \"a\" is not a list of CPUs like 0-3,5");
	resources("\"cpu\":{\"mems\":\"1-\"}",
		  "linux.resources.cpu.mems: \"1-\" is not a list of nodes like 0-1");
}

static void test_other_resources(void)
{
	resources(
		"\"blockIO\":{\"weight\":0,\"leafWeight\":1000,\"weightDevice\":[{\"major\":1,"
		"\"minor\":1,\"weight\":10}]}",
		NULL);
	resources("\"blockIO\":{\"weight\":9}",
		  "linux.resources.blockIO.weight: 9 is not between 10 and 1000");
	resources("\"blockIO\":{\"leafWeight\":1001}",
		  "linux.resources.blockIO.leafWeight: 1001 is not between 10 and 1000");
	resources(
		"\"blockIO\":{\"weightDevice\":[{\"major\":1,\"minor\":1,\"weight\":1}]}",
		"linux.resources.blockIO.weightDevice.weight: 1 is not between 10 and 1000");
	resources(
		"\"blockIO\":{\"weightDevice\":[{\"major\":1,\"minor\":1,\"leafWeight\":1}]}",
		"linux.resources.blockIO.weightDevice.leafWeight: 1 is not between 10 and 1000");
	resources(
		"\"hugepageLimits\":[{\"pageSize\":\"64KB\",\"limit\":0},{\"pageSize\":\"1GB\","
		"\"limit\":1}]",
		NULL);
	resources(
		"\"hugepageLimits\":[{\"pageSize\":\"64kB\",\"limit\":0}]",
		"linux.resources.hugepageLimits[0].pageSize: \"64kB\" is not a size like 2MB");
	resources(
		"\"hugepageLimits\":[{\"pageSize\":\"2M\",\"limit\":0}]",
		"linux.resources.hugepageLimits[0].pageSize: \"2M\" is not a size like 2MB");
	resources(
		"\"hugepageLimits\":[{\"pageSize\":\"0MB\",\"limit\":0}]",
		"linux.resources.hugepageLimits[0].pageSize: \"0MB\" is not a size like 2MB");
	resources(
		"\"hugepageLimits\":[{\"pageSize\":\"5\",\"limit\":0}]",
		"linux.resources.hugepageLimits[0].pageSize: \"5\" is not a size like 2MB");
	resources("\"unified\":{\"memory.high\":\"1\"}", NULL);
	resources(
		"\"unified\":{\"../memory.high\":\"1\"}",
		"linux.resources.unified: unified resource \"../memory.high\" must be a file name (no "
		"slashes)");
	resources(
		"\"unified\":{\"memory\":\"1\"}",
		"linux.resources.unified: unified resource \"memory\" must be in the form "
		"CONTROLLER.PARAMETER");
}

int main(void)
{
	test_rules();
	test_memory();
	test_cpu();
	test_other_resources();
	return tap_done();
}
