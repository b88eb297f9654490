/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config.json from anybody: parse, validate, check, size the machine, write.
 *
 * What the parser accepted must be written and read again as the same document,
 * and a refusal must come with a message.
 */
#include "tests/fuzz/input.h"

#include "lib/buf.h"
#include "lib/err.h"
#include "oci/honoured.h"
#include "oci/options.h"
#include "oci/spec.h"
#include "oci/validate.h"

/* told() - a call succeeded, or failed with one line that says why. */
static int told(int ret, const struct err *err)
{
	if (ret < 0)
		must(err->code == -ret && err->msg[0]);
	return ret;
}

/* try_process() - the same input as the process of an exec. */
static void try_process(const char *text, size_t len)
{
	auto_oci_spec struct oci_spec *spec = NULL;
	auto_buf struct buf out = BUF_INIT;
	struct err err = ERR_INIT;

	if (told(oci_process_parse(text, len, &spec, &err), &err) < 0)
		return;
	must(spec->process != NULL);
	(void)told(oci_validate_process(spec->process, &err), &err);
	(void)told(oci_check_honoured_process(spec->process, &err), &err);
	must(oci_process_write(spec->process, &out, &err) == 0);
}

/* try_resources() - the same input as the new limits of an update. */
static void try_resources(const char *text, size_t len)
{
	auto_oci_spec struct oci_spec *spec = NULL;
	auto_buf struct buf lines = BUF_INIT;
	auto_buf struct buf out = BUF_INIT;
	struct err err = ERR_INIT;

	if (told(oci_resources_parse(text, len, &spec, &err), &err) < 0)
		return;
	must(spec->linux_ != NULL && spec->linux_->resources != NULL);
	(void)told(oci_validate_update(spec->linux_->resources, &err), &err);
	(void)told(oci_check_honoured_resources(spec->linux_->resources, &err), &err);
	must(oci_warnings(spec, false, &lines) == 0);
	must(oci_resources_write(spec->linux_->resources, &out, &err) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct hull_host host = { .cpus = 2, .memory = 1ull << 30 };
	const char *text = (const char *)data;
	auto_oci_spec struct oci_spec *spec = NULL;
	auto_oci_spec struct oci_spec *again = NULL;
	auto_buf struct buf first = BUF_INIT;
	auto_buf struct buf second = BUF_INIT;
	auto_buf struct buf lines = BUF_INIT;
	struct hull_options options = { 0 };
	struct err err = ERR_INIT;

	try_process(text, size);
	try_resources(text, size);
	if (told(oci_spec_parse(text, size, &spec, &err), &err) < 0) {
		must(!spec);
		return 0;
	}
	must(oci_spec_write(spec, &first, &err) == 0);
	must(oci_spec_parse(first.data, first.len, &again, &err) == 0);
	must(oci_spec_write(again, &second, &err) == 0);
	must(first.len == second.len && memcmp(first.data, second.data, first.len) == 0);

	(void)told(oci_validate(spec, &err), &err);
	(void)told(oci_check_honoured(spec, &err), &err);
	must(oci_warnings(spec, false, &lines) == 0);
	if (told(hull_options_load_for(spec, NULL, 0, &host, &options, &err), &err) == 0)
		must(options.vcpus >= 1 && options.vcpus <= HULL_MAX_VCPUS &&
		     options.memory >= HULL_MEMORY_MIN &&
		     options.memory % HULL_MEMORY_ALIGN == 0);
	return 0;
}
