/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/network.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if_arp.h>
#include <net/if.h>
#include <sched.h>
#include <stdlib.h>
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
#include "runtime/control_client.h"
#include "runtime/host_cgroup.h"
#include "runtime/launch.h"
#include "runtime/net_process.h"
#include "vmm/control.h"
#include "vmm/net/host.h"
#include "vmm/net/proto.h"
#include "vmm/vm_config.h"

static_assert(HULL_NET_RATE_MIN == NET_MIN_RATE && HULL_NET_RATE_MAX == NET_MAX_RATE,
	      "what an option may say is what hull-net takes");

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

/* remember() - the limits, for hull-nets and updates to come. */
static int remember(struct container *c, const struct hull_net_options *net)
{
	char *rx = arena_printf(&c->arena, "%llu", (unsigned long long)net->rx);
	char *tx = arena_printf(&c->arena, "%llu", (unsigned long long)net->tx);
	char *antispoof = arena_strdup(&c->arena, net->antispoof ? "on" : "off");

	if (!rx || !tx || !antispoof)
		return -ENOMEM;
	c->net_rx = rx;
	c->net_tx = tx;
	c->net_antispoof = antispoof;
	return 0;
}

int network_check(struct oci_spec *spec, const struct hull_options *opt,
		  struct container *c, struct err *err)
{
	struct oci_namespace *ns = network_of(spec);
	struct stat st;

	c->net_vhost = arena_strdup(&c->arena, opt->no_vhost ? "off" : "on");
	if (!c->net_vhost || remember(c, &opt->net) < 0)
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
static int count_here(const char *unused)
{
	auto_fd int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct if_nameindex *list = if_nameindex();
	int n = 0;

	(void)unused;
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

static int has_here(const char *name)
{
	return if_nametoindex(name) != 0;
}

/* look() - what @of says in the namespace @fd.  There and back: no other thread is there. */
static int look(int fd, int (*of)(const char *name), const char *name, struct err *err)
{
	auto_fd int home = open(OWN_NETWORK, O_RDONLY | O_CLOEXEC);
	int n;

	if (home < 0)
		return err_set(err, errno, "open '" OWN_NETWORK "'");
	if (setns(fd, CLONE_NEWNET) < 0)
		return err_set(err, errno, "join the container's network namespace");
	n = of(name);
	if (setns(home, CLONE_NEWNET) < 0)
		return err_set(err, errno, "leave the container's network namespace");
	return n < 0 ? err_set(err, -n, "list network interfaces") : n;
}

/* count() - the interfaces of the namespace @fd that hull-net would carry. */
static int count(int fd, struct err *err)
{
	return look(fd, count_here, NULL, err);
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

int network_move(const struct oci_spec *spec, const struct container *c, bool restored,
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
		char *name = d->name ? d->name : d->key;

		ret = restored ? look(ns, has_here, name, err) : 0;
		if (ret == 0)
			ret = net_process_move(ns, d->key, name, err);
		else if (ret > 0)
			ret = 0;
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

/* ---- other limits ---------------------------------------------------------------------- */

static uint64_t rate(const char *text)
{
	return text ? strtoull(text, NULL, 10) : 0; /* hull has written it */
}

static struct hull_net_options limits_of(const struct container *c)
{
	return (struct hull_net_options){
		.rx = rate(c->net_rx),
		.tx = rate(c->net_tx),
		.antispoof = c->net_antispoof && strcmp(c->net_antispoof, "on") == 0,
	};
}

/* change() - to @net, if that is other: by hull-net, then in the state. */
static int change(struct container *c, const struct hull_net_options *net,
		  struct err *err)
{
	const struct hull_net_options now = limits_of(c);
	const struct net_limits limits = {
		.rx = net->rx,
		.tx = net->tx,
		.antispoof = net->antispoof,
	};
	const struct control_request request = {
		.type = CONTROL_NET_LIMIT,
		.payload = &limits,
		.len = sizeof(limits),
	};
	int ret;

	if (net->rx == now.rx && net->tx == now.tx && net->antispoof == now.antispoof)
		return 0;
	ret = control_call(c, &request, NULL, err);
	if (ret == 0 && remember(c, net) < 0)
		ret = err_set(err, ENOMEM, "limits");
	if (ret == 0)
		ret = container_save(c, err);
	return ret < 0 ? err_wrap(err, ret, "network") : 0;
}

int network_change(struct container *c, const char *const *set, size_t n_set,
		   struct hull_net_options *ret_before, struct err *err)
{
	struct hull_net_options after = limits_of(c);
	int ret = hull_options_change(set, n_set, &after, err);

	if (ret < 0)
		return ret;
	*ret_before = limits_of(c);
	return change(c, &after, err);
}

void network_put_back(struct container *c, const struct hull_net_options *before)
{
	struct err err = ERR_INIT;

	if (change(c, before, &err) < 0)
		log_warn("%s", err.msg); /* why the update failed is the error */
}

void network_clean(const struct container *c)
{
	struct err err = ERR_INIT;
	auto_fd int ns = -1;

	if (!c->net_followed || !c->net_joined || !net_process_left(c))
		return;
	ns = open(c->net_joined, O_RDONLY | O_CLOEXEC);
	if (ns < 0)
		return; /* it has gone, and all in it */
	if (net_process_clean(ns, &err) < 0)
		log_warn("container '%s': network: %s", c->id, err.msg);
}
