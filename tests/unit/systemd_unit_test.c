/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/systemd/unit.c and property.c, with a systemd of our own. */
#include "runtime/systemd/unit.h"

#include <errno.h>

#include "lib/err.h"
#include "runtime/systemd/property.h"
#include "tests/unit/fake_systemd.h"
#include "tests/unit/tap.h"

#define UNIT "hull-c1.scope"
#define PATH "/org/freedesktop/systemd1/unit/hull_2dc1_2escope"

enum verb {
	START,
	SET,
	PUT_BACK,
	STOP,
};

/* call() - one call of a systemd that is as @f says; it ends with the call. */
static int call(struct fake_systemd *f, enum verb verb, const char *const *words,
		size_t n, struct err *err)
{
	struct property props[4];
	sd_bus_message *saved = NULL;
	sd_bus *bus = fake_systemd_start(f, PATH);
	int ret = 0;

	if (!bus)
		return err_msg(err, EIO, "no fake systemd");
	for (size_t i = 0; ret == 0 && i < n; i++)
		ret = property_parse(words[i], &props[i], err);
	if (ret == 0 && verb == START)
		ret = unit_start(bus, UNIT, props, n, 0x01020304, err);
	else if (ret == 0 && verb == STOP)
		ret = unit_stop(bus, UNIT, err);
	else if (ret == 0 && verb == SET)
		ret = unit_set(bus, UNIT, props, n, err);
	else if (ret == 0)
		ret = unit_save(bus, UNIT, props, n, &saved, err);
	if (ret == 0 && saved)
		ret = unit_put_back(bus, saved, err);
	(void)sd_bus_message_unref(saved);
	fake_systemd_stop(f, bus);
	return ret;
}

static void test_start(void)
{
	static const char *const words[] = { "Slice=a-b.slice", "MemoryMax=4096",
					     "TasksMax=infinity", "AllowedCPUs=0f01" };
	static const char line[] =
		"StartTransientUnit " UNIT " replace Slice=a-b.slice MemoryMax=4096 "
		"TasksMax=18446744073709551615 AllowedCPUs=0f01"
		" PIDs=04030201 Delegate=true DefaultDependencies=false "
		"CPUAccounting=true IOAccounting=true "
		"MemoryAccounting=true TasksAccounting=true\n";
	struct fake_systemd f = { .result = "done" };
	struct err err = ERR_INIT;
	auto_buf struct buf want = BUF_INIT;

	is_int(call(&f, START, words, 4, &err), 0, "start: %s", err.msg);
	(void)buf_printf(&want, "Subscribe\n%s", line);
	is_str(f.told.data, want.data, "what systemd was asked for");
	buf_release(&f.told);

	f = (struct fake_systemd){ .result = "done", .exists = 1 };
	is_int(call(&f, START, words, 4, &err), 0, "start over a failed one: %s",
	       err.msg);
	want.len = 0;
	(void)buf_printf(&want, "Subscribe\n%sResetFailedUnit\n%s", line, line);
	is_str(f.told.data, want.data, "which is cleared away first");
	buf_release(&f.told);

	f = (struct fake_systemd){ .result = "done", .exists = 2 };
	ok(call(&f, START, words, 0, &err) < 0, "one that is there stays");
	is_str(err.msg, "systemd: start '" UNIT "': it is there", "systemd's reason");
	buf_release(&f.told);

	f = (struct fake_systemd){ .result = "failed" };
	is_int(call(&f, START, words, 0, &err), -EIO, "a job that fails");
	is_str(err.msg, "systemd: start '" UNIT "': the job's result is 'failed'",
	       "says so");
	ok(strstr(f.told.data, "\nResetFailedUnit\n"), "and is forgotten");
	buf_release(&f.told);
}

static void test_update(void)
{
	static const char *const words[] = { "MemoryMax=8192", "AllowedCPUs=01" };
	struct fake_systemd f = { .memory_max = 1234 };
	struct err err = ERR_INIT;

	is_int(call(&f, SET, words, 2, &err), 0, "update: %s", err.msg);
	is_str(f.told.data, "set " UNIT " runtime MemoryMax=8192 AllowedCPUs=01\n",
	       "until the next boot");
	buf_release(&f.told);

	is_int(call(&f, PUT_BACK, words, 2, &err), 0, "put back: %s", err.msg);
	is_str(f.told.data, "set " UNIT " runtime MemoryMax=1234 AllowedCPUs=0301\n",
	       "what was before");
	buf_release(&f.told);

	f = (struct fake_systemd){ .refuse = true };
	ok(call(&f, SET, words, 1, &err) < 0, "values that systemd refuses");
	is_str(err.msg, "systemd: change '" UNIT "': out of range", "its reason");
	buf_release(&f.told);

	f = (struct fake_systemd){ 0 };
	ok(call(&f, PUT_BACK, (const char *[]){ "TasksMax=1" }, 1, &err) < 0,
	   "a property that it does not have");
	ok(!strncmp(err.msg, "systemd: read '" UNIT "': ", 30), "is an error: %s",
	   err.msg);
	buf_release(&f.told);
}

static void test_stop(void)
{
	struct fake_systemd f = { .result = "done" };
	struct err err = ERR_INIT;

	is_int(call(&f, STOP, NULL, 0, &err), 0, "stop: %s", err.msg);
	is_str(f.told.data, "Subscribe\nStopUnit " UNIT " replace\nResetFailedUnit\n",
	       "and forgotten");
	buf_release(&f.told);

	f = (struct fake_systemd){ .gone = true };
	is_int(call(&f, STOP, NULL, 0, &err), 0, "one that has ended by itself");
	buf_release(&f.told);

	f = (struct fake_systemd){ .result = "timeout" };
	is_int(call(&f, STOP, NULL, 0, &err), -EIO, "a job that takes too long");
	is_str(err.msg, "systemd: stop '" UNIT "': the job's result is 'timeout'",
	       "says so");
	buf_release(&f.told);
}

static void test_words(void)
{
	static const char *const bad[] = {
		"",
		"MemoryMax",
		"Memory=1",
		"MemoryMaxx=1",
		"=1",
		"ExecStart=1",
		"MemoryMax=",
		"MemoryMax=-1",
		"MemoryMax= 1",
		"MemoryMax=1k",
		"MemoryMax=18446744073709551616",
		"AllowedCPUs=",
		"AllowedCPUs=1",
		"AllowedCPUs=0g",
		"AllowedCPUs=0F",
	};
	char longest[14 + 256 + 2 + 1];
	struct property p;
	struct err err = ERR_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		is_int(property_parse(bad[i], &p, &err), -EINVAL, "'%s'", bad[i]);
	is_str(err.msg, "hull-systemd: invalid property 'AllowedCPUs=0F'", "is named");
	is_int(property_parse("Description=a=b c", &p, NULL), 0, "a text");
	is_str(p.value, "a=b c", "as it stands");
	(void)!snprintf(longest, sizeof(longest), "AllowedCPUs=%0256d", 0);
	is_int(property_parse(longest, &p, NULL), 0, "1024 CPUs");
	(void)!snprintf(longest, sizeof(longest), "AllowedCPUs=%0258d", 0);
	is_int(property_parse(longest, &p, NULL), -EINVAL, "and no more");
}

int main(void)
{
	test_words();
	test_start();
	test_update();
	test_stop();
	return tap_done();
}
