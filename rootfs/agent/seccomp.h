/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linux.seccomp as a BPF program: compiled once per container by libseccomp,
 * loaded by its init and by every process that is exec'd in it.
 */
#ifndef HULL_AGENT_SECCOMP_H
#define HULL_AGENT_SECCOMP_H

struct err;
struct oci_seccomp;
struct sock_fprog;

/*
 * filter_compile() - @ret is the caller's to free with filter_free().
 * Return: 0; -EINVAL: an action, architecture or flag cannot be had; -errno
 */
int filter_compile(const struct oci_seccomp *sc, struct sock_fprog **ret,
		   struct err *err);
void filter_free(struct sock_fprog *prog);

/*
 * filter_load() - from now on this process is filtered.  It needs
 * no_new_privs or CAP_SYS_ADMIN.
 */
int filter_load(const struct oci_seccomp *sc, const struct sock_fprog *prog,
		struct err *err);

#endif
