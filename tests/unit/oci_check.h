/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of oci/validate.h ask with: a configuration, and the exact text about
 * its mistake or none.
 */
#ifndef HULL_TESTS_OCI_CHECK_H
#define HULL_TESTS_OCI_CHECK_H

#include <errno.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "oci/spec.h"
#include "oci/validate.h"
#include "tests/unit/tap.h"

#define ALL_NS                                                                            \
	"\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"network\"},{\"type\":\"mount\"}," \
	"{\"type\":\"ipc\"},{\"type\":\"uts\"},{\"type\":\"cgroup\"}]"

/*
 * check() - a small configuration with @process in its process, @top at the top and
 * @lin in linux; each begins with a comma or is empty.
 * @want: the message without "config.json: ", or NULL: it is valid
 */
static inline void check(const char *process, const char *top, const char *lin,
			 const char *want)
{
	auto_oci_spec struct oci_spec *spec = NULL;
	auto_buf struct buf text = BUF_INIT;
	struct err err = ERR_INIT;
	char message[600];
	int ret;

	(void)buf_printf(
		&text,
		"{\"ociVersion\":\"1.0.2\",\"process\":{\"cwd\":\"/\",\"args\":[\"sh\"]%s},"
		"\"root\":{\"path\":\"rootfs\"}%s,\"linux\":{" ALL_NS "%s}}",
		process, top, lin);
	ret = oci_spec_parse(text.data, text.len, &spec, &err);
	if (ret < 0) {
		ok(false, "%s%s%s: %s", process, top, lin, err.msg);
		return;
	}
	ret = oci_validate(spec, &err);
	is_int(ret, want ? -EINVAL : 0, "%.60s%.60s%.60s", process, top, lin);
	if (want)
		(void)!snprintf(message, sizeof(message), "config.json: %s", want);
	is_str(err.msg, want ? message : "", "the message");
}

static inline void process(const char *members, const char *want)
{
	check(members, "", "", want);
}

static inline void top(const char *members, const char *want)
{
	check("", members, "", want);
}

static inline void lin(const char *members, const char *want)
{
	check("", "", members, want);
}

static inline void resources(const char *members, const char *want)
{
	char text[512];

	(void)!snprintf(text, sizeof(text), ",\"resources\":{%s}", members);
	lin(text, want);
}

/* whole() - a configuration as it is. */
static inline void whole(const char *text, const char *want)
{
	auto_oci_spec struct oci_spec *spec = NULL;
	struct err err = ERR_INIT;

	if (oci_spec_parse(text, strlen(text), &spec, &err) < 0) {
		ok(false, "%s: %s", text, err.msg);
		return;
	}
	is_int(oci_validate(spec, &err), want ? -EINVAL : 0, "%.100s", text);
	is_str(err.msg, want ? want : "", "the message");
}

#endif
