/* SPDX-License-Identifier: Apache-2.0 */
/*
 * struct fs_offers - unix sockets of the host's that processes in the guest connect to.
 *
 * DOC: how connect() finds one
 *
 * Linux looks a name up and takes the socket that is bound to its inode.  So the agent
 * binds one of its own to the guest's inode of the host's socket: in a folder that only
 * the agent can look up (AGENT_SOCKET_DIR in each root, and in the device's own root for
 * those roots that are sockets themselves) a MKNOD whose name is a node id answers with
 * that node, without making anything.  Owner and mode are the host's, and the guest's
 * kernel checks them.
 *
 *	LOOKUP finds a socket -> somebody listens -> ask() -> the agent binds, listens
 *	LOOKUP waits (-FS_WAIT) meanwhile, so that the connect() behind it finds it
 *	the answer -> fs_offer_done() -> LOOKUP is served again
 *	connect() -> the agent accepts, and connects to us -> fs_offer_connect() -> a
 *	worker connects to the host's socket -> connected()
 *
 * Whether somebody listens is looked at in each LOOKUP, and names of sockets are not
 * cached: where nobody does, the agent's socket is taken away, and connect() fails in
 * the guest as it would on the host.  It is asked with a datagram socket, whose connect()
 * fails without a trace: EPROTOTYPE where there is a listener, else ECONNREFUSED.
 *
 * A socket is reached by its folder's descriptor, which becomes the worker's working
 * directory, and one name.  Should that be a symlink by now, it leads nowhere but
 * beneath the root: a clone of a mount has no "..", and what is absolute is the jail's
 * empty root.  A root that is a socket has a place in that root (fs_root_params.place).
 */
#ifndef HULL_VMM_FS_OFFER_H
#define HULL_VMM_FS_OFFER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

struct fs_inode;
struct fs_params;
struct fs_req;
struct fs_server;

/* What an operation returns, and fs_serve(), when the request waits for the agent. */
#define FS_WAIT 4094
#define FS_WAITS (UINT32_MAX - 1)

#define FS_MAX_OFFERS 64u /* sockets in folders; roots come on top */

struct fs_offer {
	uint64_t node; /* 0: free */
	uint64_t used; /* fs_offers.clock of its last LOOKUP */
};

struct fs_offers {
	/* ask() - have the agent bind a socket of @type to @node, or (0) take it away;
	 * false: it cannot be asked.  On a worker.  NULL: nothing is offered. */
	bool (*ask)(void *arg, unsigned int root, uint64_t node, int type);
	/* connected() - on a worker. @fd: the callee's; -errno */
	void (*connected)(void *arg, uint64_t token, int fd);
	void *arg;
	void (*wake)(void *arg); /* serve again what waits, and do fs_offer_work() */
	void *wake_arg;
	atomic_bool off; /* the agent does not answer: nobody waits for it */

	struct fs_offer standing[FS_MAX_OFFERS]; /* guarded by fs_server.lock */
	uint64_t clock;

	pthread_mutex_t lock; /* guards `jobs` */
	STAILQ_HEAD(fs_offer_jobs, fs_offer_job) jobs;
};

void fs_offers_init(struct fs_offers *o, const struct fs_params *params);
void fs_offers_release(struct fs_offers *o);
/* fs_offers_reset_locked() - the guest knows nothing any more; then, for each record: */
void fs_offers_reset_locked(struct fs_server *fs);
void fs_offer_forget_locked(struct fs_inode *inode);

/*
 * fs_offer_pass() - @inode was looked up.
 * Return: 0: answer; -FS_WAIT
 */
int fs_offer_pass(struct fs_req *r, struct fs_inode *inode);

/* fs_offer_lookup() - AGENT_SOCKET_DIR in @dir: -ENOENT for all but the agent. */
int fs_offer_lookup(struct fs_req *r, const struct fs_inode *dir);

/* fs_offer_is_dir() - is it the node id of such a folder?  (No record has one.) */
bool fs_offer_is_dir(uint64_t node);
/* fs_offer_serve() - a request for one. */
int fs_offer_serve(struct fs_req *r);

/* fs_offer_done() - the agent's answer to ask().  Any thread. */
void fs_offer_done(struct fs_server *fs, uint64_t node, int type, bool ok);
/* fs_offer_give_up() - whoever waits is answered, until there is an answer again. */
void fs_offer_give_up(struct fs_server *fs);

/*
 * fs_offer_connect() - connect to the host's socket @node: connected() follows, in any
 * case.  Its -errno: ESTALE, EPROTOTYPE, ECONNREFUSED, EAGAIN (its backlog is full).
 * Any thread.
 * Return: 0; -ENOMEM: connected() does not follow
 */
int fs_offer_connect(struct fs_server *fs, uint64_t node, int type, uint64_t token);

/* fs_offer_work() - do one of these.  Return: whether there was one */
bool fs_offer_work(struct fs_server *fs);
bool fs_offer_has_work(struct fs_server *fs);

#endif
