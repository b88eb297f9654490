/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/systemd_scope.c: names as runc and systemd make them. */
#include "runtime/systemd_scope.h"

#include <errno.h>
#include <string.h>

#include "lib/arena.h"
#include "lib/err.h"
#include "tests/unit/tap.h"

static void is(const char *cgroups_path, const char *slice, const char *path)
{
	auto_arena struct arena arena = ARENA_INIT;
	struct systemd_scope s = { 0 };
	struct err err = ERR_INIT;

	is_int(systemd_scope_of(cgroups_path, "c1", &arena, &s, &err), 0, "'%s': %s",
	       cgroups_path ? cgroups_path : "(none)", err.msg);
	is_str(s.slice, slice, "its slice");
	is_str(s.path, path, "its cgroup");
	is_str(s.unit, strrchr(path, '/') + 1, "its unit");
}

static void refused(const char *cgroups_path, const char *why)
{
	auto_arena struct arena arena = ARENA_INIT;
	struct systemd_scope s;
	struct err err = ERR_INIT;

	is_int(systemd_scope_of(cgroups_path, "c1", &arena, &s, &err), -EINVAL, "'%s'",
	       cgroups_path);
	is_str(err.msg, why, "why");
}

#define NO_FORMAT(got)                                                                   \
	"expected cgroupsPath to be of format \"slice:prefix:name\" for systemd "        \
	"cgroups, got \"" got "\" instead"

static void test_names(void)
{
	is(NULL, "system.slice", "/system.slice/hull-c1.scope");
	is("", "system.slice", "/system.slice/hull-c1.scope");
	is("system.slice:docker:1234", "system.slice", "/system.slice/docker-1234.scope");
	is(":docker:1234", "system.slice", "/system.slice/docker-1234.scope");
	is("machine.slice:libpod:ab_c", "machine.slice",
	   "/machine.slice/libpod-ab_c.scope");
	is("kubepods-besteffort-pod0a_1.slice:cri-containerd:ff",
	   "kubepods-besteffort-pod0a_1.slice",
	   "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod0a_1.slice/"
	   "cri-containerd-ff.scope");
	is("-.slice:a:b", "-.slice", "/a-b.scope");
	is("a.slice::b", "a.slice", "/a.slice/-b.scope");
}

static void test_refused(void)
{
	char name[300];
	char path[400];
	char why[400];

	refused("/default/c1", NO_FORMAT("/default/c1"));
	refused("a.slice:b", NO_FORMAT("a.slice:b"));
	refused("a.slice:b:c:d", NO_FORMAT("a.slice:b:c:d"));
	refused("a:b:c", "invalid slice name: a");
	refused(".slice:b:c", "invalid slice name: .slice");
	refused("a--b.slice:b:c", "invalid slice name: a--b.slice");
	refused("-a.slice:b:c", "invalid slice name: -a.slice");
	refused("a-.slice:b:c", "invalid slice name: a-.slice");
	refused("--.slice:b:c", "invalid slice name: --.slice");
	refused("../a.slice:b:c", "invalid slice name: ../a.slice");
	refused("a.slice:b:../c", "invalid unit name: b-../c.scope");
	refused("a.slice:b c:d", "invalid unit name: b c-d.scope");
	refused("a.slice:b:c+d", "invalid unit name: b-c+d.scope");
	refused("a.slice:b:pod.slice",
		"cgroupsPath: 'pod.slice' is a slice, not a container's");
	memset(name, 'x', sizeof(name));
	name[248] = 0; /* b- and .scope: 256 */
	(void)!snprintf(path, sizeof(path), "a.slice:b:%s", name);
	(void)!snprintf(why, sizeof(why), "invalid unit name: b-%s.scope", name);
	refused(path, why);
}

int main(void)
{
	test_names();
	test_refused();
	return tap_done();
}
