/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/namespaces.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/ioctl.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "oci/spec.h"
#include "runtime/launch.h"

/*
 * New ones, whatever config.json says: the mount namespace because hull-vmm empties
 * it, the pid namespace because its end must end every helper, the others so that
 * nothing of the host's can be reached through them.
 */
#define ALWAYS_NEW \
	(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP)

static int join_network(struct oci_namespace *ns, struct launch_params *params,
			struct err *err)
{
	auto_fd int fd = open(ns->path, O_RDONLY | O_CLOEXEC);
	int type;

	if (fd < 0)
		return err_set(err, errno, "config.json: linux.namespaces: network '%s'",
			       ns->path);
	type = ioctl(fd, NS_GET_NSTYPE);
	if (type != CLONE_NEWNET)
		return err_msg(err, EINVAL,
			       "config.json: linux.namespaces: '%s' is not a network "
			       "namespace",
			       ns->path);
	params->join_fd[params->n_join++] = take_fd(&fd);
	params->new_namespaces &= ~(uint64_t)CLONE_NEWNET;
	ns->path = NULL;
	return 0;
}

int namespaces_plan(struct oci_spec *spec, struct launch_params *params,
		    struct err *err)
{
	params->new_namespaces = ALWAYS_NEW | CLONE_NEWNET;
	for (size_t i = 0; i < spec->linux_->namespaces.n; i++) {
		struct oci_namespace *ns = &spec->linux_->namespaces.v[i];
		int ret;

		if (!ns->path)
			continue;
		if (ns->type != OCI_NS_NETWORK)
			return err_msg(err, ENOTSUP,
				       "config.json: linux.namespaces: joining the %s "
				       "namespace '%s' is not supported",
				       oci_ns_name(ns->type), ns->path);
		ret = join_network(ns, params, err);
		if (ret < 0)
			return ret;
	}
	return 0;
}

void namespaces_release(struct launch_params *params)
{
	for (unsigned int i = 0; i < params->n_join; i++)
		close_fd(params->join_fd[i]);
	params->n_join = 0;
}
