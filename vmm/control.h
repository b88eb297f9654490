/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control protocol: commands of runtime/ to a running hull-vmm.
 *
 * A SOCK_SEQPACKET connection to <root>/<id>/control.sock; one message is one
 * struct control_msg and its payload (the length is the packet's).  A connection carries one
 * request and ends with its answer, but for CONTROL_EXEC, which lives as long
 * as the process: then the client may send CONTROL_SIGNAL and CONTROL_WINSIZE,
 * and hull-vmm sends CONTROL_RESULT (started, or why not) and, at the end,
 * CONTROL_EXIT.  When the client of an exec goes away, the process is killed.
 * And but for CONTROL_EVENTS, which lives as long as the container or the client:
 * CONTROL_RESULT, then a CONTROL_OOM, CONTROL_FROZEN or CONTROL_THAWED now and then,
 * CONTROL_EXIT at the end.
 *
 * And but for CONTROL_FREEZE: CONTROL_RESULT when the file systems are frozen (or why
 * not), and they stay so until the client goes away, or sends CONTROL_THAW on the same
 * connection, which is answered by CONTROL_EXIT once that is done; or until a
 * CONTROL_EXIT says that it is over.  Several clients may hold a freeze: it lasts as
 * long as any of them.
 *
 * And but for CONTROL_CHECKPOINT: hull-vmm freezes the file systems by itself (the agent's
 * part: hooks, what is dirty), stops the vCPUs, saves; CONTROL_RESULT when the machine is
 * in the file (or why not: then it goes on), b = the microseconds for which no vCPU ran.  With
 * CONTROL_CHECKPOINT_LEAVE it goes on by then, and that is the end.  Otherwise it stands
 * still until the client sends CONTROL_STOP on the same connection: then hull-vmm ends at
 * once, asks nothing of the guest, and exits with 137; or until the client goes away: then
 * it goes on.
 *
 * Who may connect is decided by the state folder's mode (0700, root).  hull-vmm
 * still checks every message; a wrong one ends the connection.
 */
#ifndef HULL_VMM_CONTROL_H
#define HULL_VMM_CONTROL_H

#include <assert.h>
#include <stdint.h>

#define CONTROL_MAX_PAYLOAD (128u << 10) /* (bytes) */

enum control_type {
	/* Requests: client -> hull-vmm. */
	CONTROL_START = 1, /* run the user's process; answered after its execve */
	CONTROL_KILL, /* a = signal, b = 1: all processes of the container */
	CONTROL_EXEC, /* payload: `process` object (JSON), perhaps 0 and a cgroup below
			 the container's; a = enum control_exec_flags;
			 descriptors: stdin, stdout, stderr (tty: without stderr),
			 then up to VM_MAX_PRESERVED: the process' 3, 4, ... */
	CONTROL_SIGNAL, /* a = signal for the exec'd process */
	CONTROL_WINSIZE, /* a = rows, b = columns; of the exec'd process, or as the
			    only request of a connection: of the container's init */
	CONTROL_PS, /* answered with payload: u32 guest pids (in the container's pid
		       namespace and as the agent sees them: struct control_ps) */
	CONTROL_STOP, /* kill everything, write back, end the VM; answered when all
			 processes are dead and data is written, just before the end */
	CONTROL_STATS, /* the machine's counters: payload struct control_stats */
	CONTROL_PAUSE, /* answered when no process of the container runs any more */
	CONTROL_RESUME, /* also ends a CONTROL_PAUSE that takes too long */
	CONTROL_CGROUP_STATS, /* the container's, as its guest counts them: payload
				 struct cgroup_stats (vmm/cgroup_stats.h) */
	CONTROL_UPDATE, /* payload: `linux.resources` object (JSON): change these limits
			   in the guest, all or none */
	CONTROL_EVENTS, /* tell from now on what happens to the container */
	CONTROL_NET, /* descriptor: the socket of a hull-net (vmm/net/proto.h); refused with
			EEXIST when there is one already */
	CONTROL_FREEZE, /* a = (ms) until the freeze ends whatever happens, counted from
			   now; b = the client's pid, for those who want to know;
			   payload: what it calls itself (text) */
	CONTROL_THAW, /* end the freeze of all who hold one */
	CONTROL_FREEZE_STATUS, /* payload: struct control_freeze_status and what follows */
	CONTROL_NET_LIMIT, /* payload: struct net_limits (vmm/net/proto.h): of all
			      interfaces, or none; 0 where there is no hull-net */
	CONTROL_CHECKPOINT, /* a = enum control_checkpoint_flags; b = (ms) that the freeze
			       and waiting for a good moment may take; descriptor: an empty
			       file, to be filled with the machine (vmm/snapshot/image.h) */

	/* Answers: hull-vmm -> client. */
	CONTROL_RESULT = 64, /* a = 0, or an errno value and payload: the message;
				b = the exec'd process' pid in the container, or
				for CONTROL_PS 1: another part follows */
	CONTROL_EXIT, /* a = exit status 0-255 as a shell shows it (128 + signal); for
			 CONTROL_FREEZE: enum control_thaw */
	CONTROL_OOM, /* event: the guest's kernel killed a process of the container */
	CONTROL_FROZEN, /* event: a = pid and b = uid of who asked first */
	CONTROL_THAWED, /* event: a = enum control_thaw */
};

#define CONTROL_THAW_MS 60000u /* the guest's part of a thaw may take: its hooks */
#define CONTROL_FREEZE_MAX_MS (24u * 60 * 60 * 1000)

/* Why a freeze has ended. */
enum control_thaw {
	CONTROL_THAW_RELEASED, /* its holder wanted it so, or has gone */
	CONTROL_THAW_DEADLINE,
	CONTROL_THAW_ADMINISTRATOR, /* CONTROL_THAW */
	CONTROL_THAW_KILLED, /* CONTROL_KILL with SIGKILL: what is frozen does not die */
	CONTROL_THAW_ENDED, /* the container has */
	CONTROL_THAWS,
};

enum control_exec_flags {
	CONTROL_EXEC_TTY = 1 << 0,
	/* Where the terminal's output goes is none: no CR before LF (termios(3) ONLCR) */
	CONTROL_EXEC_NO_CR = 1 << 1,
};

enum control_checkpoint_flags {
	CONTROL_CHECKPOINT_LEAVE = 1 << 0, /* --leave-running */
	CONTROL_CHECKPOINT_NO_FREEZE = 1 << 1,
	CONTROL_CHECKPOINT_PRE_DUMP = 1 << 2, /* memory only, while it runs; with LEAVE */
	CONTROL_CHECKPOINT_PARENT = 1 << 3, /* memory: only what changed since the last
					     * CONTROL_CHECKPOINT_PRE_DUMP, whose id
					     * (image_machine.id) is the payload */
};

#define CONTROL_CHECKPOINT_FLAGS 0xfu /* all of them */

struct control_msg {
	uint32_t type; /* enum control_type */
	uint32_t a;
	uint32_t b;
	uint32_t reserved; /* 0 */
	char payload[]; /* the rest of the packet */
};

/* One process of a container, in the answer to CONTROL_PS. */
struct control_ps {
	int32_t pid; /* in the container's pid namespace */
	int32_t ppid;
	uint32_t uid;
	uint32_t tty; /* its device number as proc(5) has it in tty_nr; 0: none */
	uint64_t start_ns; /* CLOCK_REALTIME of the guest */
	uint64_t cpu_ns;
	uint64_t vsize; /* (bytes) */
	uint64_t rss; /* (bytes) */
	uint32_t mem_permille; /* rss, of the guest's memory */
	uint32_t threads;
	char stat[8]; /* ps(1) PROCESS STATE CODES, terminated */
	char comm[16];
	char args[80]; /* cut, terminated */
};

/* Counters since the VM was made. */
struct control_stats {
	uint64_t vm_exits; /* returns of KVM_RUN to hull-vmm, all vCPUs */
	uint64_t kvm_exits; /* all exits, from KVM's binary statistics; 0: unknown */
	uint64_t fs_requests; /* FUSE requests answered, both devices */
	uint64_t vsock_rx_packets; /* from the guest */
	uint64_t vsock_tx_packets; /* to the guest */
	uint64_t guest_memory; /* (bytes) of guest RAM resident on the host */
};

enum control_freeze_state {
	CONTROL_FREEZE_NONE,
	CONTROL_FREEZE_FREEZING,
	CONTROL_FREEZE_FROZEN,
	CONTROL_FREEZE_THAWING,
	CONTROL_FREEZE_STATES,
};

/* The answer to CONTROL_FREEZE_STATUS: this, the holders, the mounts. */
struct control_freeze_status {
	uint32_t state; /* enum control_freeze_state */
	uint32_t n_holders;
	uint32_t waiting; /* requests of the guest that wait at the gate */
	uint32_t mounts_len; /* (bytes) lines "HOW PATH\n": as AGENT_FSFREEZE has them */
	uint64_t since_ns; /* CLOCK_REALTIME; 0: not frozen */
};

struct control_freeze_holder {
	int32_t pid; /* as the client says */
	uint32_t uid;
	uint32_t holds; /* 0: waits for the freeze */
	uint32_t reserved; /* 0 */
	uint64_t since_ns; /* CLOCK_REALTIME, of the request */
	uint64_t deadline_ns;
	char command[64]; /* cut, terminated */
};

static_assert(sizeof(struct control_msg) == 16, "flat");
static_assert(sizeof(struct control_freeze_status) == 24, "flat");
static_assert(sizeof(struct control_freeze_holder) == 96, "flat");
static_assert(sizeof(struct control_ps) == 160, "flat");

#endif
