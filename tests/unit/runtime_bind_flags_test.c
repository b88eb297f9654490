/* SPDX-License-Identifier: Apache-2.0 */
/* What a bind mount takes over from its source, with and without a user namespace. */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "oci/mount.h"
#include "oci/spec.h"
#include "runtime/bind_flags.h"
#include "tests/unit/tap.h"

#define REMOUNT (MS_REMOUNT | MS_BIND)

static char dir[] = "/tmp/hull-bind-flags-XXXXXX";

/* inherit() - @options as in JSON; @ret: those of the mount afterwards, with commas */
static int inherit(unsigned long source, const char *options, bool locked,
		   struct buf *ret, bool *ret_writable)
{
	auto_oci_spec struct oci_spec *spec = NULL;
	auto_buf struct buf json = BUF_INIT;
	struct oci_mount_options opt = { 0 };
	struct err err = ERR_INIT;
	struct oci_mount *m;
	int r;

	(void)buf_printf(&json,
			 "{\"ociVersion\":\"1.0.0\",\"mounts\":[{\"destination\":\"/m\","
			 "\"source\":\"%s\",\"options\":[%s]}]}",
			 dir, options);
	if (mount(NULL, dir, NULL, REMOUNT | source, NULL) < 0 ||
	    oci_spec_parse(json.data, json.len, &spec, &err) < 0)
		abort();
	m = &spec->mounts.v[0];
	*ret_writable = false;
	ret->len = 0;
	r = oci_mount_options(m, &spec->arena, &opt, &err);
	if (r == 0)
		r = bind_flags_inherit(spec, m, dir, locked, &opt, ret_writable, &err);
	for (size_t i = 0; i < m->options.n; i++)
		(void)buf_printf(ret, "%s%s", i ? "," : "", m->options.v[i]);
	return r;
}

static void gives(unsigned long source, const char *options, bool locked, const char *want)
{
	auto_buf struct buf got = BUF_INIT;
	bool writable;

	is_int(inherit(source, options, locked, &got, &writable), 0, "%s%s", options,
	       locked ? ", in a user namespace" : "");
	is_str(got.data, want, "its options");
	ok(writable == ((source & MS_RDONLY) && !strstr(want, "ro")), "writable or not");
}

static void refuses(unsigned long source, const char *options)
{
	auto_buf struct buf got = BUF_INIT;
	bool writable;

	is_int(inherit(source, options, true, &got, &writable), -EPERM,
	       "%s, in a user namespace: refused", options);
}

static void test_plain(void)
{
	gives(MS_RDONLY | MS_NOEXEC | MS_NOATIME, "\"bind\"", false, "bind,ro,noexec,noatime");
	gives(MS_RDONLY | MS_NOATIME, "\"bind\",\"rprivate\"", false,
	      "bind,rprivate,ro,noatime");
	gives(MS_STRICTATIME, "\"rbind\"", false, "rbind,strictatime");
	gives(MS_RDONLY | MS_NOEXEC | MS_NOATIME, "\"bind\",\"dev\"", false,
	      "bind,dev,noatime");
	gives(MS_RDONLY | MS_RELATIME, "\"bind\",\"rw\"", false, "bind,rw,relatime");
	gives(MS_NOSUID | MS_NOATIME, "\"bind\",\"ro\",\"relatime\"", false,
	      "bind,ro,relatime");
	gives(MS_NOATIME, "\"bind\",\"atime\"", false, "bind,atime,noatime");
}

static void test_locked(void)
{
	gives(MS_RDONLY | MS_NOEXEC | MS_RELATIME, "\"bind\",\"nosuid\"", true,
	      "bind,nosuid,ro,noexec");
	gives(MS_NOEXEC | MS_NOATIME, "\"bind\"", true, "bind,noexec,noatime");
	gives(MS_STRICTATIME, "\"bind\",\"ro\"", true, "bind,ro,strictatime");
	gives(MS_NODIRATIME | MS_RELATIME, "\"bind\",\"dev\"", true,
	      "bind,dev,nodiratime,relatime");
	gives(MS_NOATIME, "\"bind\",\"noatime\"", true, "bind,noatime");
	gives(MS_NODEV | MS_RELATIME, "\"bind\",\"nodev\",\"relatime\"", true,
	      "bind,nodev,relatime");
	gives(MS_NODIRATIME | MS_RELATIME, "\"bind\",\"nodiratime\"", true,
	      "bind,nodiratime");
	refuses(MS_RDONLY | MS_RELATIME, "\"bind\",\"rw\"");
	refuses(MS_NODEV | MS_RELATIME, "\"bind\",\"dev\"");
	refuses(MS_RELATIME, "\"bind\",\"strictatime\"");
	refuses(MS_RELATIME, "\"bind\",\"nodiratime\"");
}

int main(void)
{
	if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0) {
		(void)printf("1..0 # SKIP needs root\n");
		return TAP_SKIP;
	}
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 || !mkdtemp(dir) ||
	    mount("tmpfs", dir, "tmpfs", 0, NULL) < 0)
		abort();
	test_plain();
	test_locked();
	(void)umount2(dir, MNT_DETACH);
	(void)rmdir(dir);
	return tap_done();
}
