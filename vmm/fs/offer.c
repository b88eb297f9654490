/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/fs/offer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "vmm/agent_proto.h"
#include "vmm/fs/ops.h"
#include "vmm/fs/server.h"

#define AGENT_PID 1u /* the guest's PID 1 mounts the file systems */
#define DIR_MODE (S_IFDIR | 0700)
#define NODE_DIGITS 16u /* of a name in such a folder: printf("%016" PRIx64) */

struct fs_offer_job {
	STAILQ_ENTRY(fs_offer_job) link;
	uint64_t node;
	uint64_t token;
	int type;
};

static_assert(AGENT_SOCKET_TOP == VM_MAX_ROOTS, "behind the last root");

void fs_offers_init(struct fs_offers *o, const struct fs_params *params)
{
	o->ask = params->on_socket;
	o->connected = params->on_connected;
	o->arg = params->on_socket_arg;
	STAILQ_INIT(&o->jobs);
	(void)pthread_mutex_init(&o->lock, NULL); /* cannot fail on Linux */
}

static struct fs_offer_job *take_job(struct fs_offers *o)
{
	struct fs_offer_job *job;

	(void)pthread_mutex_lock(&o->lock);
	job = STAILQ_FIRST(&o->jobs);
	if (job)
		STAILQ_REMOVE_HEAD(&o->jobs, link);
	(void)pthread_mutex_unlock(&o->lock);
	return job;
}

void fs_offers_release(struct fs_offers *o)
{
	struct fs_offer_job *job;

	while ((job = take_job(o)))
		free(job);
	(void)pthread_mutex_destroy(&o->lock);
}

void fs_offers_reset_locked(struct fs_server *fs)
{
	memset(fs->offers.standing, 0, sizeof(fs->offers.standing));
}

void fs_offer_forget_locked(struct fs_inode *inode)
{
	if (inode->offering || inode->offer_kept)
		inode->refs--;
	inode->offering = inode->offer_failed = inode->offer_kept = false;
	inode->offered = 0;
}

static void wake(const struct fs_offers *o)
{
	if (o->wake)
		o->wake(o->wake_arg);
}

/* ---- the host's side ----------------------------------------------------------------- */

static bool is_a_root(const struct fs_inode *inode)
{
	return inode->root->inode == inode;
}

/* address_of() - relative to the working directory, which it sets where it must. */
static int address_of(struct fs_server *fs, struct fs_inode *inode,
		      struct sockaddr_un *addr)
{
	struct fs_place pl;
	struct stat st;
	int ret;

	*addr = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (is_a_root(inode)) {
		memcpy(addr->sun_path, inode->root->place, sizeof(inode->root->place));
		return addr->sun_path[0] ? 0 : -ECONNREFUSED;
	}
	ret = fs_place_get(fs, inode, FS_PLACE_NAMED, &pl);
	if (ret < 0)
		return ret;
	ret = fs_place_stat(fs, inode, &pl, false, &st);
	if (ret == 0 && (!pl.name[0] || strlen(pl.name) >= sizeof(addr->sun_path)))
		ret = -ECONNREFUSED; /* unlinked; or longer than an address */
	if (ret == 0 && fchdir(pl.fd) < 0)
		ret = -errno;
	if (ret == 0)
		memcpy(addr->sun_path, pl.name, strlen(pl.name));
	fs_place_put(fs, &pl);
	return ret;
}

static int connect_to(const struct sockaddr_un *addr, int type)
{
	auto_fd int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) < 0)
		return -errno;
	return take_fd(&fd);
}

/*
 * listener_of() - the type of the socket that somebody listens at there.
 * @known: what it was the last time, or 0: then a listener for sequenced packets sees a
 *	connection that ends at once
 * Return: SOCK_STREAM, SOCK_SEQPACKET; 0: nobody does
 */
static int listener_of(struct fs_server *fs, struct fs_inode *inode, int known)
{
	struct sockaddr_un addr;
	bool ask;
	int fd;

	if (address_of(fs, inode, &addr) < 0)
		return 0;
	fd = connect_to(&addr, SOCK_DGRAM);
	close_fd(fd);
	ask = fd == -EPROTOTYPE && !known;
	if (ask) {
		fd = connect_to(&addr, SOCK_SEQPACKET);
		close_fd(fd);
	}
	fs_leave_dir(fs, inode->root);
	if (!ask)
		return fd == -EPROTOTYPE ? known : 0;
	if (fd == -EPROTOTYPE)
		return SOCK_STREAM;
	return fd >= 0 || fd == -EAGAIN ? SOCK_SEQPACKET : 0;
}

int fs_offer_connect(struct fs_server *fs, uint64_t node, int type, uint64_t token)
{
	struct fs_offers *o = &fs->offers;
	struct fs_offer_job *job = malloc(sizeof(*job));

	if (!job)
		return -ENOMEM;
	*job = (struct fs_offer_job){ .node = node, .token = token, .type = type };
	(void)pthread_mutex_lock(&o->lock);
	STAILQ_INSERT_TAIL(&o->jobs, job, link);
	(void)pthread_mutex_unlock(&o->lock);
	wake(o);
	return 0;
}

bool fs_offer_has_work(struct fs_server *fs)
{
	bool some;

	(void)pthread_mutex_lock(&fs->offers.lock);
	some = !STAILQ_EMPTY(&fs->offers.jobs);
	(void)pthread_mutex_unlock(&fs->offers.lock);
	return some;
}

bool fs_offer_work(struct fs_server *fs)
{
	struct fs_offer_job *job = take_job(&fs->offers);
	struct sockaddr_un addr;
	struct fs_inode *inode;
	int ret = -ESTALE;

	if (!job)
		return false;
	inode = fs_inode_get(fs, job->node);
	if (inode && inode->root && S_ISSOCK(inode->type))
		ret = address_of(fs, inode, &addr);
	if (ret == 0)
		ret = connect_to(&addr, job->type);
	if (inode && inode->root)
		fs_leave_dir(fs, inode->root);
	fs_inode_put(fs, inode);
	fs->offers.connected(fs->offers.arg, job->token, ret);
	free(job);
	return true;
}

/* ---- what stands ------------------------------------------------------------------------ */

/* place_locked() - of @node among those that stand, or a free one; NULL: none is free */
static struct fs_offer *place_locked(struct fs_offers *o, uint64_t node)
{
	struct fs_offer *empty = NULL;

	for (unsigned int i = 0; i < FS_MAX_OFFERS; i++) {
		if (o->standing[i].node == node)
			return &o->standing[i];
		if (!o->standing[i].node)
			empty = &o->standing[i];
	}
	return empty;
}

/* oldest_locked() - takes out the one that was looked up longest ago. */
static struct fs_inode *oldest_locked(struct fs_server *fs)
{
	struct fs_offer *oldest = &fs->offers.standing[0];
	struct fs_inode *inode;

	for (unsigned int i = 1; i < FS_MAX_OFFERS; i++)
		if (fs->offers.standing[i].used < oldest->used)
			oldest = &fs->offers.standing[i];
	inode = idtable_get(&fs->inodes, oldest->node);
	*oldest = (struct fs_offer){ 0 };
	return inode;
}

struct wish {
	unsigned int root;
	uint64_t node;
	int type;
};

/* wish_locked() - the record stays until there is an answer: the guest has not been told
 * of it yet. */
static struct wish wish_locked(struct fs_inode *inode, int type)
{
	inode->offering = true;
	inode->refs++;
	return (struct wish){
		.root = is_a_root(inode) ? AGENT_SOCKET_TOP : inode->root->index,
		.node = inode->id,
		.type = type,
	};
}

/* begin() - ask the agent, after making room; somebody else may have asked. */
static void begin(struct fs_server *fs, struct fs_inode *inode, int type)
{
	struct fs_offers *o = &fs->offers;
	struct wish wishes[2];
	unsigned int n = 0;

	(void)pthread_mutex_lock(&fs->lock);
	if (!inode->offering) {
		struct fs_offer *at =
			is_a_root(inode) ? NULL : place_locked(o, inode->id);

		if (!is_a_root(inode) && type && !at) {
			struct fs_inode *oldest = oldest_locked(fs);

			if (oldest)
				wishes[n++] = wish_locked(oldest, 0);
			at = place_locked(o, inode->id);
		}
		if (at)
			*at = (struct fs_offer){ inode->id, ++o->clock };
		wishes[n++] = wish_locked(inode, type);
	}
	(void)pthread_mutex_unlock(&fs->lock);
	for (unsigned int i = 0; i < n; i++)
		if (!o->ask(o->arg, wishes[i].root, wishes[i].node, wishes[i].type))
			fs_offer_done(fs, wishes[i].node, wishes[i].type, false);
}

void fs_offer_done(struct fs_server *fs, uint64_t node, int type, bool ok)
{
	auto_fd int last = -1;
	struct fs_inode *inode;

	(void)pthread_mutex_lock(&fs->lock);
	inode = idtable_get(&fs->inodes, node);
	if (inode && inode->offering) {
		inode->offering = false;
		inode->offered = ok ? (uint8_t)type : 0;
		inode->offer_failed = !ok;
		/* Whoever waits must find that it failed: fs_offer_pass() lets it go. */
		inode->offer_kept = !ok && type;
		if (!inode->offer_kept)
			fs_inode_put_locked(fs, inode, &last);
	}
	for (unsigned int i = 0; (!type || !ok) && i < FS_MAX_OFFERS; i++)
		if (fs->offers.standing[i].node == node)
			fs->offers.standing[i] = (struct fs_offer){ 0 };
	(void)pthread_mutex_unlock(&fs->lock);
	if (ok)
		atomic_store(&fs->offers.off, false);
	wake(&fs->offers);
}

void fs_offer_give_up(struct fs_server *fs)
{
	atomic_store(&fs->offers.off, true);
	wake(&fs->offers);
}

int fs_offer_pass(struct fs_req *r, struct fs_inode *inode)
{
	struct fs_server *fs = r->fs;
	struct fs_offers *o = &fs->offers;
	bool offering, failed;
	int known, type;

	if (!o->ask || !S_ISSOCK(inode->type))
		return 0;
	(void)pthread_mutex_lock(&fs->lock);
	offering = inode->offering;
	failed = inode->offer_failed;
	if (inode->offer_kept)
		inode->refs--; /* the caller has another */
	inode->offer_kept = false;
	known = inode->offered;
	for (unsigned int i = 0; known && i < FS_MAX_OFFERS; i++)
		if (o->standing[i].node == inode->id)
			o->standing[i].used = ++o->clock;
	(void)pthread_mutex_unlock(&fs->lock);
	if (failed || atomic_load(&o->off))
		return 0;
	if (!offering) {
		type = listener_of(fs, inode, known);
		if (type == known)
			return 0;
		begin(fs, inode, type);
		(void)pthread_mutex_lock(&fs->lock);
		offering = inode->offering;
		(void)pthread_mutex_unlock(&fs->lock);
		if (!offering)
			return 0; /* it could not be asked */
	}
	/* The agent would wait for itself. */
	return r->h.pid == AGENT_PID ? 0 : -FS_WAIT;
}

/* ---- the agent's folder -------------------------------------------------------------- */

/* dir_node() - the low half is no slot of an idtable. */
static uint64_t dir_node(unsigned int root)
{
	return (uint64_t)(root + 1) << 32;
}

bool fs_offer_is_dir(uint64_t node)
{
	return (uint32_t)node == 0 && node >> 32 && node >> 32 <= AGENT_SOCKET_TOP + 1;
}

static void fill_dir(uint64_t node, struct fuse_attr *attr)
{
	*attr = (struct fuse_attr){ .ino = node, .mode = DIR_MODE, .nlink = 2 };
}

int fs_offer_lookup(struct fs_req *r, const struct fs_inode *dir)
{
	struct fuse_entry_out out = { 0 };

	if (!r->fs->offers.ask || r->h.pid != AGENT_PID || (dir->root && !is_a_root(dir)))
		return -ENOENT;
	out.nodeid = dir_node(dir->root ? dir->root->index : AGENT_SOCKET_TOP);
	fill_dir(out.nodeid, &out.attr);
	return fs_req_put(r, &out, sizeof(out));
}

/* node_of() - the node that a name in the folder means; 0: none */
static uint64_t node_of(const char *name)
{
	uint64_t node = 0;

	if (strlen(name) != NODE_DIGITS)
		return 0;
	for (; *name; name++) {
		const char *digits = "0123456789abcdef";
		const char *at = strchr(digits, *name);

		if (!at)
			return 0;
		node = node << 4 | (uint64_t)(at - digits);
	}
	return node;
}

/*
 * asked_for() - the socket @node, held, that the agent was asked to bind to in @dir; NULL:
 * it was not.  The guest may not know the record yet.
 */
static struct fs_inode *asked_for(struct fs_server *fs, uint64_t node, uint64_t dir)
{
	struct fs_inode *inode;

	(void)pthread_mutex_lock(&fs->lock);
	inode = idtable_get(&fs->inodes, node);
	if (inode &&
	    !(inode->offering &&
	      dir == dir_node(is_a_root(inode) ? AGENT_SOCKET_TOP : inode->root->index)))
		inode = NULL;
	if (inode)
		inode->refs++;
	(void)pthread_mutex_unlock(&fs->lock);
	return inode;
}

static void count_lookup(struct fs_server *fs, struct fs_inode *inode)
{
	(void)pthread_mutex_lock(&fs->lock);
	inode->nlookup++;
	(void)pthread_mutex_unlock(&fs->lock);
}

static int bind_to(struct fs_req *r)
{
	struct fs_server *fs = r->fs;
	struct fuse_entry_out out;
	struct fuse_mknod_in in;
	char name[FS_NAME_SIZE];
	struct fs_inode *inode;
	struct fs_place pl;
	struct stat st;
	int ret = fs_req_get(r, &in, sizeof(in));

	if (ret == 0)
		ret = fs_req_name(r, name);
	if (ret < 0)
		return ret;
	if (!S_ISSOCK(in.mode))
		return -EPERM;
	inode = asked_for(fs, node_of(name), r->h.nodeid);
	if (!inode)
		return -EPERM;
	ret = fs_place_get(fs, inode, FS_PLACE_ANY, &pl);
	if (ret == 0) {
		ret = fs_place_stat(fs, inode, &pl, false, &st);
		fs_place_put(fs, &pl);
	}
	if (ret == 0) {
		fs_entry_fill(fs, inode, &st, &out);
		count_lookup(fs, inode);
		ret = fs_req_put(r, &out,
				 sizeof(out)); /* there is room: see dispatch.c */
	}
	fs_inode_put(fs, inode);
	return ret;
}

int fs_offer_serve(struct fs_req *r)
{
	struct fuse_attr_out out = { 0 };

	if (!r->fs->offers.ask)
		return -ESTALE;
	switch (r->h.opcode) {
	case FUSE_LOOKUP:
		return -ENOENT; /* whatever was bound before: bind() makes it anew */
	case FUSE_MKNOD:
		return bind_to(r);
	case FUSE_GETATTR:
		fill_dir(r->h.nodeid, &out.attr);
		return fs_req_put(r, &out, sizeof(out));
	default:
		return -EPERM;
	}
}
