/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the container share: container.c (its life), container_begin.c
 * (how that begins), container_procs.c (processes and their streams),
 * container_incoming.c (whose stream it is that the guest connects),
 * container_preserved.c (of these, descriptors besides stdio), container_net.c (the
 * network), container_requests.c (the control socket), container_freeze.c (of these,
 * freezing the file systems), container_checkpoint.c (saving the machine),
 * container_save.c (what is the container's in that).
 *
 * Streams and processes are freed by the reaper only, a callback of its own on the
 * loop: so nothing disappears under a function that is at work on it.
 */
#ifndef HULL_VMM_CONTAINER_INTERNAL_H
#define HULL_VMM_CONTAINER_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "vmm/agent_link.h"
#include "vmm/agent_proto.h"
#include "vmm/container.h"
#include "vmm/control_server.h"
#include "vmm/snapshot/image.h"
#include "vmm/loop.h"
#include "vmm/stream.h"
#include "vmm/timer.h"

#define CONTAINER_MAX_STOPS 16u /* CONTROL_STOPs that wait */
#define CONTAINER_MAX_WATCHERS 64u /* clients of CONTROL_EVENTS */
#define CONTAINER_MAX_INCOMING 64u /* stream connections not yet named */
#define CONTAINER_MAX_PROCS 512u /* with those that only their streams keep */
/* Every process may have two streams, some of them more. */
#define CONTAINER_MAX_STREAMS (CONTAINER_MAX_PROCS * STREAM_FD)
#define CONTAINER_NUMBER 0u /* one container per VM, so far */
#define SHUTDOWN_MS 60000u /* for killing and writing back */
#define SETTLE_MS 10000u /* for the network to be as it is on the host */
#define DRAIN_MS 2000u /* a stream without progress for so long is given up */

enum container_life {
	LIFE_BOOTING,
	LIFE_CREATING,
	LIFE_CREATED,
	LIFE_RUNNING,
	LIFE_ENDING,
	LIFE_OVER,
};

enum proc_state {
	PROC_STARTING, /* AGENT_EXEC (or _CREATE) is under way */
	PROC_RUNNING,
	PROC_ENDED,
};

/* A stream's place with its process: its kind, from 0 on. */
enum {
	STREAM_IO = AGENT_STREAM_IO - 1,
	STREAM_STDERR = AGENT_STREAM_STDERR - 1,
	STREAM_FD = AGENT_STREAM_FD - 1, /* those behind: preserved descriptors */
};

struct proc {
	struct container *container;
	LIST_ENTRY(proc) link;
	uint32_t number; /* AGENT_PROC_INIT, or an exec's */
	enum proc_state state;
	uint32_t status; /* as a shell shows it, when PROC_ENDED */
	uint32_t fd_ways; /* agent_fd_ways() of its preserved descriptors */
	struct control_client *client; /* of an exec, until it is told the end */
	bool client_gone; /* `client` is a shell: the process is to be killed */
	struct timer drain; /* the end waits for its streams */
	uint64_t drain_progress;
	unsigned int n_streams;
	struct stream *streams[]; /* NULL: has none */
};

/* A stream connection that has not said yet what it is for. */
struct incoming {
	struct container *container;
	LIST_ENTRY(incoming) link;
	struct vsock_conn *conn;
	struct agent_stream head;
	size_t len; /* (bytes) of head that are there */
};

struct net_limits;
struct sections;

/* The container's network: what hull-net tells, on its way to the agent. */
struct container_net {
	struct buf pending; /* rtnetlink messages that the agent has not been sent */
	unsigned int under_way; /* AGENT_NETs */
	bool asked; /* NET_SETTLE is under way */
	struct control_client *starter; /* whose CONTROL_START waits until all is told */
	struct timer late;
	struct err why; /* what failed first, while not started: code 0: nothing */
	struct control_client *limiter; /* whose CONTROL_NET_LIMIT hull-net answers */
};

/* How far a freeze is; what it waits for. */
enum freeze_state {
	FREEZE_NONE,
	FREEZE_AGENT, /* AGENT_FSFREEZE 1 */
	FREEZE_GATE, /* the gate to close */
	FREEZE_HELD, /* nothing: frozen */
	FREEZE_OPENING, /* the gate to open */
	FREEZE_RELEASING, /* AGENT_FSFREEZE 0 */
};

struct freeze {
	enum freeze_state state;
	LIST_HEAD(holder_list, holder) holders;
	unsigned int n_holders;
	uint64_t since_ns; /* CLOCK_REALTIME; 0: was not frozen */
	enum control_thaw why; /* the last holder's end */
	char *mounts; /* owned: the agent's list */
	size_t mounts_len;
};

/* CONTROL_CHECKPOINT: what it waits for. */
enum checkpoint_state {
	CHECKPOINT_NONE,
	CHECKPOINT_READING, /* memory of the image that it was restored from */
	CHECKPOINT_FREEZING, /* the agent */
	CHECKPOINT_LOOKING, /* a moment in which nothing is under way */
	CHECKPOINT_HELD, /* what the client says: the machine stands still */
	CHECKPOINT_THAWING, /* the agent */
};

struct checkpoint {
	enum checkpoint_state state;
	struct control_client *client; /* NULL: answered, or gone */
	int fd; /* owned: of the image; -1 */
	uint32_t flags; /* enum control_checkpoint_flags */
	uint8_t parent[IMAGE_ID_SIZE]; /* with CONTROL_CHECKPOINT_PARENT */
	uint32_t stopped_us; /* for which no vCPU ran when a dump began */
	uint32_t ms; /* that freezing and looking may take */
	bool frozen; /* the agent was asked to freeze */
	struct timer look;
	struct timer deadline;
	struct err why; /* what was in the way of the last look */
};

struct container {
	struct container_params params;
	const struct vm_config *config;
	struct loop *loop;
	struct agent_link *link;
	struct control_server *server;
	enum container_life life;
	bool restored; /* the machine was saved when it was ready() */
	bool awake; /* a machine that was saved: its agent has answered */
	bool starting; /* AGENT_START is under way */
	bool told; /* the creating command, how it went */
	bool refused; /* it was told why there is no container, and may not have heard it yet */
	bool exited; /* exit_status is init's */
	bool guest_gone; /* nothing comes from the guest any more */
	bool shut_down; /* AGENT_SHUTDOWN was answered, or makes no sense */
	int exit_status;
	pid_t pid; /* our own */

	int sync_fd; /* -1: nobody is there any more, or need be */
	int status_fd;
	struct loop_source sync_event; /* the creating command goes away */
	struct loop_source reap_event;
	int reap_fd; /* eventfd */
	struct timer boot;
	struct timer shutdown;
	struct timer drain;
	uint64_t drain_progress;

	struct container_net net;

	struct control_client *stops[CONTAINER_MAX_STOPS];
	unsigned int n_stops;
	struct control_client *watchers[CONTAINER_MAX_WATCHERS]; /* CONTROL_EVENTS */
	unsigned int n_watchers;
	unsigned int n_ooms; /* AGENT_OOMs */
	struct freeze freeze;
	struct checkpoint checkpoint;
	bool paused; /* CONTROL_PAUSE */

	LIST_HEAD(proc_list, proc) procs; /* init's is there from the beginning */
	unsigned int n_procs;
	unsigned int n_streams; /* of all of them */
	uint32_t last_number;
	LIST_HEAD(incoming_list, incoming) incoming;
	unsigned int n_incoming;
};

/* container.c */

/* container_failed() - the guest is no more: @err says why. */
void container_failed(struct container *c, struct err *err);
/* container_tell_creator() - @err NULL: the container is created; once. */
int container_tell_creator(struct container *c, const struct err *err);
/* container_leave_creator() - it is told, and knows. */
void container_leave_creator(struct container *c);
/* container_tell_winsize() - the console's, to the container's terminal. */
void container_tell_winsize(struct container *c);
/* container_hello() - agent_link_ops.hello (container_begin.c) */
void container_hello(void *opaque, uint64_t uptime_ns);
/* container_end() - kill what is left and end the VM; @gone: the guest is no more. */
void container_end(struct container *c, bool gone);
/* container_vanish() - its machine was saved and ends here and now. */
void container_vanish(struct container *c);
/* container_check_over() - is there anything left to wait for? */
void container_check_over(struct container *c);
/* container_to_agent() - a request about a process; @done may be NULL. */
int container_to_agent(struct container *c, enum agent_type type, uint32_t proc,
		       uint32_t arg, agent_done_fn done, void *opaque, struct err *err);
void container_set_phase(struct container *c, enum vm_phase phase);
/* container_shell_status() - of a waitpid() status. */
uint32_t container_shell_status(int wait_status);

/* container_procs.c */

int procs_new_init(struct container *c, struct err *err);
int procs_listen(struct container *c, struct err *err);
/* procs_init_runs() - AGENT_CREATE has been answered: it may end from now on. */
void procs_init_runs(struct container *c);
/* procs_terminal() - the descriptor of init's terminal; -1: closed. */
int procs_terminal(const struct container *c);
/* procs_init_fds() - agent_fd_ways() of init's preserved descriptors. */
uint32_t procs_init_fds(const struct container *c);
/* procs_exec() - start a process; the client gets its answers from here on.
 * @fds: stdio, then those that are preserved; owned from now on, also when it fails */
int procs_exec(struct container *c, struct control_client *client, uint32_t flags,
	       const void *payload, size_t len, int *fds, unsigned int n_fds,
	       struct err *err);
void procs_client_gone(struct proc *p);
/* procs_exited() - false: no such process runs. */
bool procs_exited(struct container *c, uint32_t number, uint32_t status);
/* procs_done() - has everything of every stream been handed over? */
bool procs_done(const struct container *c);
void procs_hurry(struct container *c);
uint64_t procs_progress(const struct container *c);
/* procs_give_up() - tell the log about what is left, and every exec's client its end. */
void procs_give_up(struct container *c);
void procs_free(struct container *c);

/* procs_save() / procs_restore() - with their streams (container_save.c); the latter before
 * the guest runs, procs_go_on() when it does. */
int procs_save(const struct container *c, struct buf *out, struct err *err);
int procs_restore(struct container *c, struct sections *in, struct err *err);
void procs_go_on(struct container *c);
/* procs_hold() - stream_hold(), or stream_let_go(), of all. */
void procs_hold(struct container *c, bool hold);
/* procs_restored() - an exec'd process of a machine that was saved: its streams lead
 * nowhere.  NULL: there is no room */
struct proc *procs_restored(struct container *c, uint32_t number, struct err *err);
struct proc *procs_find(const struct container *c, uint32_t number);

/* container_incoming.c */

/* incoming_listen() - take the agent's connections, and find whose stream each is. */
int incoming_listen(struct container *c, struct err *err);
/* incoming_free() - its connection is another's now. */
void incoming_free(struct incoming *in);

/* container_preserved.c */

/*
 * preserved_streams() - the streams of @p's preserved descriptors, and p->fd_ways.
 * @params: what they have in common with the others
 * @fds: owned from now on, also when it fails; as many as @p has streams for
 */
int preserved_streams(struct proc *p, const struct stream_params *params, const int *fds,
		      struct err *err);
/* preserved_name() - "descriptor 5" of the stream at place @which >= STREAM_FD */
const char *preserved_name(unsigned int which);

/* container_net.c */

/* container_net_follow() - CONTROL_NET.  @sock: owned from now on, also when it fails */
int container_net_follow(struct container *c, int sock, struct err *err);
/* container_net_created() - the container is there: its network can be made. */
void container_net_created(struct container *c);
/*
 * container_net_settle() - is there something to wait for before a start?
 * Return: true: requests_start() or requests_start_failed() follows
 */
bool container_net_settle(struct container *c, struct control_client *client);
/* container_net_limit() - CONTROL_NET_LIMIT: answered now, or when hull-net has. */
void container_net_limit(struct container *c, struct control_client *client,
			 const struct net_limits *limits);
/* container_net_end() - nothing is waited for any more; idempotent. */
void container_net_end(struct container *c);
void container_net_release(struct container *c);

/* container_requests.c */

/* requests_start() - go on with a CONTROL_START that has waited for the network. */
void requests_start(struct container *c, struct control_client *client);
/* requests_start_failed() - it cannot be: the container ends. */
void requests_start_failed(struct container *c, struct control_client *client,
			   const struct err *why);

extern const struct control_server_ops container_control_ops;
/* requests_tell() - an event, to all who asked for them. */
void requests_tell(struct container *c, enum control_type event, uint32_t a, uint32_t b);
/* requests_answer_end() - the end has come: answer all who wait for it. */
void requests_answer_end(struct container *c);

/* container_checkpoint.c */

/* checkpoint_ask() - CONTROL_CHECKPOINT.  @fd: owned from now on */
void checkpoint_ask(struct container *c, struct control_client *client,
		    const struct control_msg *msg, int fd);
/* checkpoint_stop() - CONTROL_STOP on the same connection. */
void checkpoint_stop(struct container *c);
/* checkpoint_gone() - false: @client has none */
bool checkpoint_gone(struct container *c, const struct control_client *client);
/* checkpoint_end() - the container ends; idempotent. */
void checkpoint_end(struct container *c);

/* container_freeze.c */

void freeze_init(struct container *c);
void freeze_free(struct container *c);
/* freeze_ask() - CONTROL_FREEZE; @len bytes of payload */
void freeze_ask(struct container *c, struct control_client *client,
		const struct control_msg *msg, size_t len);
/* freeze_thaw() - CONTROL_THAW of an administrator. */
void freeze_thaw(struct container *c, struct control_client *client);
void freeze_status(struct container *c, struct control_client *client);
/* freeze_release() - @client lets go, or (@gone) has gone; false: it holds nothing. */
bool freeze_release(struct container *c, const struct control_client *client, bool gone);
/* freeze_break() - the freeze ends for all who hold it. */
void freeze_break(struct container *c, enum control_thaw why);

#endif
