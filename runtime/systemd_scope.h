/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What systemd calls a container's cgroup: linux.cgroupsPath as "slice:prefix:name", which
 * is how callers write it for the systemd driver (runc docs/systemd.md).
 */
#ifndef HULL_RUNTIME_SYSTEMD_SCOPE_H
#define HULL_RUNTIME_SYSTEMD_SCOPE_H

struct arena;
struct err;

struct systemd_scope {
	const char *slice; /* "a-b.slice", as Slice= has it */
	const char *unit; /* "prefix-name.scope" */
	const char *path; /* of its cgroup: "/a.slice/a-b.slice/prefix-name.scope" */
};

/*
 * systemd_scope_of() - the names, without asking systemd.
 * @cgroups_path: NULL or "": hull-<id>.scope in system.slice
 * @ret: in @arena
 * Return: 0; -EINVAL: what systemd would not take, in runc's words; -ENOMEM
 */
int systemd_scope_of(const char *cgroups_path, const char *id, struct arena *arena,
		     struct systemd_scope *ret, struct err *err);

#endif
