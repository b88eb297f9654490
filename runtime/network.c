/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/network.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if_arp.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/log.h"
#include "oci/options.h"
#include "oci/spec.h"
#include "runtime/container.h"
#include "runtime/host_cgroup.h"
#include "runtime/launch.h"
#include "runtime/net_process.h"
#include "vmm/net/host.h"
#include "vmm/net/proto.h"
#include "vmm/vm_config.h"

#define OWN_NETWORK "/proc/self/ns/net"

/* ---- what may not be joined -------------------------------------------------------- */

static struct oci_namespace *network_of(const struct oci_spec *spec)
{
	for (size_t i = 0; i < spec->linux_->namespaces.n; i++)
		if (spec->linux_->namespaces.v[i].type == OCI_NS_NETWORK)
			return &spec->linux_->namespaces.v[i];
	return NULL;
}

static bool same_file(const char *path, const struct stat *st)
{
	struct stat other;

	return stat(path, &other) == 0 && other.st_dev == st->st_dev &&
	       other.st_ino == st->st_ino;
}

/* check_others() - two machines at one interface would share an address. */
static int check_others(const struct container *c, const char *path,
			const struct stat *st, struct err *err)
{
	auto_arena struct arena arena = ARENA_INIT;
	struct oci_strings ids = { 0 };
	int ret = container_list(c->root, &ids, &arena, err);

	for (size_t i = 0; ret == 0 && i < ids.n; i++) {
		auto_container struct container *other = NULL;
		char theirs[64];

		if (strcmp(ids.v[i], c->id) == 0 ||
		    container_load(c->root, ids.v[i], &other, NULL) < 0 ||
		    !container_alive(other))
			continue;
		(void)!snprintf(theirs, sizeof(theirs), "/proc/%d/ns/net",
				(int)other->pid);
		if (same_file(theirs, st))
			return err_msg(err, ENOTSUP,
				       "config.json: linux.namespaces: joining the network "
				       "namespace '%s' of container '%s' is not supported",
				       path, other->id);
	}
	return ret;
}

int network_check(struct oci_spec *spec, const struct hull_options *opt,
		  struct container *c, struct err *err)
{
	struct oci_namespace *ns = network_of(spec);
	struct stat st;

	c->net_vhost = arena_strdup(&c->arena, opt->no_vhost ? "off" : "on");
	if (!c->net_vhost)
		return err_set(err, ENOMEM, "network");
	if (ns && !ns->path)
		return 0;
	if (ns && stat(ns->path, &st) < 0)
		return err_set(err, errno, "config.json: linux.namespaces: network '%s'",
			       ns->path);
	if (!ns || same_file(OWN_NETWORK, &st)) {
		if (!opt->allow_host_net)
			return err_msg(err, ENOTSUP,
				       "config.json: linux.namespaces: the host's network "
				       "cannot be the machine's; with "
				       "org.hull.net.host=allow the container has none");
		if (ns)
			ns->path = NULL; /* one of its own */
		return 0;
	}
	c->net_joined = arena_strdup(&c->arena, ns->path);
	if (!c->net_joined)
		return err_set(err, ENOMEM, "network");
	return check_others(c, ns->path, &st, err);
}

/* ---- what is in it ------------------------------------------------------------------- */

/* is_carried() - Ethernet; not one that each new namespace has, by the host's modules. */
static bool is_carried(int sock, const char *name)
{
	struct ifreq ifr = { 0 };

	if (strlen(name) >= sizeof(ifr.ifr_name))
		return false;
	memcpy(ifr.ifr_name, name, strlen(name));
	if (ioctl(sock, SIOCGIFHWADDR, &ifr) < 0 ||
	    ifr.ifr_hwaddr.sa_family != ARPHRD_ETHER)
		return false;
	if (ioctl(sock, SIOCGIFFLAGS, &ifr) == 0 && ifr.ifr_flags & IFF_UP)
		return true;
	return !net_is_fallback(name);
}

/* count_here() - the interfaces of the current namespace that hull-net would carry. */
static int count_here(void)
{
	auto_fd int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct if_nameindex *list = if_nameindex();
	int n = 0;

	if (sock < 0 || !list) {
		if (list)
			if_freenameindex(list);
		return -errno;
	}
	for (const struct if_nameindex *i = list; i->if_index; i++)
		n += is_carried(sock, i->if_name);
	if_freenameindex(list);
	return n;
}

/* count() - those of the namespace @fd.  There and back: no other thread is there. */
static int count(int fd, struct err *err)
{
	auto_fd int home = open(OWN_NETWORK, O_RDONLY | O_CLOEXEC);
	int n;

	if (home < 0)
		return err_set(err, errno, "open '" OWN_NETWORK "'");
	if (setns(fd, CLONE_NEWNET) < 0)
		return err_set(err, errno, "join the container's network namespace");
	n = count_here();
	if (setns(home, CLONE_NEWNET) < 0)
		return err_set(err, errno, "leave the container's network namespace");
	return n < 0 ? err_set(err, -n, "list network interfaces") : n;
}

static bool has_early_hooks(const struct oci_hooks *hooks)
{
	return hooks && hooks->prestart.n + hooks->create_runtime.n +
				hooks->create_container.n;
}

int network_plan(const struct oci_spec *spec, const struct launch_params *launch,
		 struct vm_config *config, struct err *err)
{
	int n = 0;

	for (unsigned int i = 0; n == 0 && i < launch->n_join; i++)
		n = count(launch->join_fd[i], err); /* joined are networks only */
	if (n < 0)
		return n;
	n += (int)spec->linux_->net_devices.n;
	/* A hook most often brings one. */
	if (n == 0 && has_early_hooks(spec->hooks))
		n = 1;
	config->n_nics = (uint8_t)(n < (int)NET_MAX_NICS ? n : (int)NET_MAX_NICS);
	return 0;
}

static int open_network(const struct container *c, struct err *err)
{
	char path[64];
	int fd;

	(void)!snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)c->pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? err_set(err, errno, "open '%s'", path) : fd;
}

int network_move(const struct oci_spec *spec, const struct container *c,
		 struct err *err)
{
	auto_fd int ns = -1;
	int ret = 0;

	if (!spec->linux_->net_devices.n)
		return 0;
	ns = open_network(c, err);
	if (ns < 0)
		return ns;
	for (size_t i = 0; ret == 0 && i < spec->linux_->net_devices.n; i++) {
		const struct oci_net_device *d = &spec->linux_->net_devices.v[i];

		ret = net_process_move(ns, d->key, d->name ? d->name : d->key, err);
	}
	return ret < 0 ? err_wrap(err, ret, "config.json: linux.netDevices") : 0;
}

/* ---- hull-net -------------------------------------------------------------------------- */

int network_follow(struct container *c, const struct host_cgroup *cgroup, bool wait,
		   struct err *err)
{
	auto_host_cgroup struct host_cgroup own = { 0 };
	auto_fd int ns = -1;
	int n;
	int ret;

	if (c->net_followed)
		return 0;
	ns = open_network(c, err);
	if (ns < 0)
		return ns;
	n = count(ns, err);
	if (n <= 0)
		return n;
	ret = cgroup ? 0 : host_cgroup_open(c, &own, err);
	if (ret == 0)
		ret = net_process_start(c, cgroup ? cgroup : &own, wait, err);
	if (ret < 0)
		return err_wrap(err, ret, "network");
	c->net_followed = arena_strdup(&c->arena, "yes");
	if (!c->net_followed)
		return err_set(err, ENOMEM, "network");
	return container_save(c, err);
}

void network_clean(const struct container *c)
{
	struct err err = ERR_INIT;
	auto_fd int ns = -1;

	if (!c->net_followed || !c->net_joined)
		return;
	ns = open(c->net_joined, O_RDONLY | O_CLOEXEC);
	if (ns < 0)
		return; /* it has gone, and all in it */
	if (net_process_clean(ns, &err) < 0)
		log_warn("container '%s': network: %s", c->id, err.msg);
}
