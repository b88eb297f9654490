/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linux.sysctl: which settings belong to a namespace of the container.
 *
 * In a VM the whole kernel is the container's, so more could be allowed; but a
 * configuration must mean the same as under runc, and a pod's members share a
 * kernel.
 */
#include "oci/validate-internal.h"

static const char *const ipc_sysctls[] = {
	"kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem",
	"kernel.shmall", "kernel.shmmax", "kernel.shmmni", "kernel.shm_rmid_forced",
};

static bool is_ipc(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(ipc_sysctls); i++)
		if (strcmp(name, ipc_sysctls[i]) == 0)
			return true;
	return strncmp(name, "fs.mqueue.", 10) == 0;
}

/*
 * dotted() - sysctl.d(5): where the first separator is a slash, slashes separate
 * and dots are part of a name.
 */
static void dotted(const char *name, char *ret, size_t size)
{
	size_t first = strcspn(name, "./");
	bool slashes = name[first] == '/';
	size_t i;

	for (i = 0; name[i] && i + 1 < size; i++) {
		ret[i] = name[i];
		if (slashes && (name[i] == '.' || name[i] == '/'))
			ret[i] = name[i] == '.' ? '/' : '.';
	}
	ret[i] = 0;
}

static int validate_one(const struct oci_spec *spec, const char *key, struct err *err)
{
	char name[256];

	if (strlen(key) >= sizeof(name))
		return invalid(err, "linux.sysctl: a name is longer than %zu bytes",
			       sizeof(name) - 1);
	dotted(key, name, sizeof(name));
	/* It becomes a path below /proc/sys: in neither spelling may it lead out. */
	if (!key[0] || strstr(key, "..") || strstr(key, "//") || strchr(key, ' '))
		return invalid(err, "linux.sysctl: \"%s\" is not the name of a sysctl",
			       key);
	if (is_ipc(name)) {
		if (oci_namespace(spec, OCI_NS_IPC))
			return 0;
		return invalid(err,
			       "linux.sysctl: sysctl \"%s\" is not allowed in the "
			       "hosts ipc namespace",
			       name);
	}
	if (strncmp(name, "net.", 4) == 0) {
		if (oci_namespace(spec, OCI_NS_NETWORK))
			return 0;
		return invalid(err,
			       "linux.sysctl: sysctl \"%s\" not allowed in host "
			       "network namespace",
			       name);
	}
	if (oci_namespace(spec, OCI_NS_UTS)) {
		if (strcmp(name, "kernel.domainname") == 0)
			return 0;
		if (strcmp(name, "kernel.hostname") == 0)
			return invalid(err,
				       "linux.sysctl: sysctl \"%s\" is not allowed as it "
				       "conflicts with the OCI \"hostname\" field",
				       name);
	}
	if (strncmp(name, "user.", 5) == 0) {
		if (oci_namespace(spec, OCI_NS_USER))
			return 0;
		return invalid(err,
			       "linux.sysctl: setting ucounts without a user "
			       "namespace not allowed: %s",
			       name);
	}
	return invalid(err,
		       "linux.sysctl: sysctl \"%s\" is not in a separate kernel "
		       "namespace",
		       name);
}

int validate_sysctl(const struct oci_spec *spec, struct err *err)
{
	const struct oci_map *sysctl = &spec->linux_->sysctl;
	int ret = 0;

	for (size_t i = 0; i < sysctl->n && ret == 0; i++)
		ret = validate_one(spec, sysctl->v[i].key, err);
	return ret;
}
