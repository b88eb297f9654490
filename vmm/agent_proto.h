/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The protocol between hull-vmm and the agent (PID 1 of the guest), over vsock.
 *
 * The agent connects out to the host (CID 2); the host never connects in.
 *
 * Port AGENT_PORT_CONTROL: one connection, opened at once after boot.  Both
 * directions carry frames: struct agent_frame and `len` bytes of payload.  The
 * first frame is the agent's AGENT_HELLO.  A request (host -> agent) has a seq
 * that is not 0; the agent answers each with one AGENT_RESULT of the same seq,
 * in any order.  Events (agent -> host) have seq 0.
 *
 * Port AGENT_PORT_STREAM: stdio of processes.  The agent opens a connection,
 * sends struct agent_stream once, then bytes flow as they are:
 *	AGENT_STREAM_IO		host -> guest: stdin, guest -> host: stdout;
 *				with a terminal: both directions of the terminal
 *	AGENT_STREAM_STDERR	guest -> host: stderr (none with a terminal)
 *	AGENT_STREAM_FD + i	descriptor 3 + i: the directions that the request of
 *				its process told
 * An end of file is half a shutdown (VIRTIO_VSOCK_SHUTDOWN_SEND); a reader that
 * has gone is VIRTIO_VSOCK_SHUTDOWN_RCV: the writer gets EPIPE.  The agent may
 * open stream connections ahead and send struct agent_stream when one is used.
 *
 * Port AGENT_PORT_RESOLVER: queries to the name server at AGENT_RESOLVER of the
 * container's network namespace on the host, as in DNS over TCP: each message with its
 * length, two bytes, most significant first, before it.  No answer: end of file.
 *
 * Port AGENT_PORT_SOCKET: connections to unix sockets of the host's (AGENT_SOCKET).  The
 * agent sends struct agent_socket once and waits for one byte, 0: the host has connected
 * to its socket.  From then on bytes flow as they are (SOCK_STREAM), or messages as
 * struct agent_packet and its bytes (SOCK_SEQPACKET); ends of file as above.  A host that
 * cannot connect ends the connection.
 *
 * The agent sends AGENT_EXIT once all that the process wrote before it ended has
 * been handed to the stream's socket, or at once when the stream is stalled: a
 * reader that never reads delays no exit status.  Bytes of the streams that are still
 * under way follow, each stream ends with its own end of file.
 *
 * The guest is hostile: hull-vmm checks every length, number and type that it
 * receives and ends the VM on the first violation.
 */
#ifndef HULL_VMM_AGENT_PROTO_H
#define HULL_VMM_AGENT_PROTO_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#define AGENT_PROTO_VERSION 1u
#define AGENT_PORT_CONTROL 1024u
#define AGENT_PORT_STREAM 1025u
#define AGENT_PORT_RESOLVER 1026u
#define AGENT_PORT_SOCKET 1027u
#define AGENT_GUEST_CID 3u /* constant, private to each VM */
#define AGENT_MAX_PAYLOAD (4u << 20) /* (bytes) */
#define AGENT_MAX_CONTAINERS 64u
#define AGENT_MAX_PROCS 4096u /* numbers of processes of one container */
#define AGENT_PROC_INIT 0u /* the number of a container's init */
#define AGENT_MAX_QUERIES 32u /* connections to AGENT_PORT_RESOLVER at a time */
#define AGENT_MAX_CONNECTIONS 256u /* to AGENT_PORT_SOCKET at a time */
#define AGENT_MAX_PACKET (128u << 10) /* (bytes) of a message that is carried whole */
#define AGENT_MAX_PRESERVED 16u /* descriptors of a process besides stdio */

/* Docker's name server, on the loopback interface of a namespace; port 53. */
#define AGENT_RESOLVER 0x7f00000bu /* 127.0.0.11 */

/*
 * A folder in each root of the shared device, and in that device's own root, that only
 * the agent can look up: bind() to the node id there in 16 hexadecimal digits binds to the
 * socket that has it (vmm/fs/offer.h).
 */
#define AGENT_SOCKET_DIR ".hull.sockets"
#define AGENT_SOCKET_TOP 256u /* as a root's number: the device's own */

/* Where the agent mounts the virtio-fs devices (see vmm/vm_config.h). */
#define AGENT_PRIVATE_DIR "/run/hull/private"
#define AGENT_SHARED_DIR "/run/hull/shared"

/*
 * An annotation that hull puts into the rewritten config.json when hooks in the guest
 * need to be told: the bundle's path on the host.  Not one of the container's.
 */
#define AGENT_BUNDLE_ANNOTATION "org.hull.bundle"

/* Likewise the option freeze.hooks: paths in the container, separated by ':'. */
#define AGENT_FREEZE_HOOKS_ANNOTATION "org.hull.agent.freeze.hooks"

/*
 * AGENT_FSFREEZE's payload: a line "HOW PATH\n" for each mount of the container that is
 * frozen, PATH as proc(5) mountinfo has it (\040 for a space).  HOW is "gate": virtio-fs,
 * which hull-vmm freezes; or "block": the guest's kernel has frozen it.
 */
#define AGENT_MAX_FROZEN (64u << 10) /* (bytes) of it */

enum agent_type {
	/* Requests: host -> agent. */
	AGENT_CREATE = 1, /* payload: id, 0, config.json with guest paths: make the
			     container up to, not including, the user's execve;
			     arg: its preserved descriptors (agent_fd_ways());
			     value: (bytes) of RAM that the machine may be given beyond
			     what it started with (AGENT_MEMORY) */
	AGENT_START, /* execve; answered when it is done or has failed */
	AGENT_EXEC, /* payload: `process` object (JSON), perhaps 0 and a cgroup below
		       the container's; proc chosen by the host;
		       arg: its preserved descriptors (agent_fd_ways());
		       answered when its execve is done: value = its pid in the
		       container's pid namespace */
	AGENT_KILL, /* arg = signal; proc = process, or AGENT_KILL_ALL */
	AGENT_WINSIZE, /* arg = rows << 16 | columns; proc */
	AGENT_FREEZE, /* arg = 1: answered when no process of the container runs any more;
			 0: let them run; both until the next */
	AGENT_PS, /* answered with payload: struct control_ps[] */
	AGENT_SHUTDOWN, /* kill all processes of all containers, unmount, write all
			   back; answered when that is done: the VM may be ended */
	AGENT_STATS, /* answered with payload: struct cgroup_stats */
	AGENT_UPDATE, /* payload: `linux.resources` object (JSON): change these limits
			 of the container's cgroup, all or none */
	AGENT_NET, /* payload: rtnetlink messages (below): make the container's network
		      namespace so; answered when all of them are done, with the first
		      error if there were some */
	AGENT_FSFREEZE, /* arg = 1: the container's freeze hooks, then what is dirty in the
			   guest is written, then the file systems on block devices are
			   frozen; answered when that is done, with payload: the mounts
			   (below). 0: undo what was done, also of a 1 that failed or is
			   under way, which is answered with ECANCELED first */
	AGENT_WAKE, /* payload: struct agent_wake: the machine was saved and goes on in a
		       new one; the first request of all then */
	AGENT_SOCKET, /* value: the node id of a socket of the host's; arg: root << 16 |
			 SOCK_STREAM or SOCK_SEQPACKET: bind one of this type to it and
			 carry its connections; | 0: close that one.  Answered when done */
	AGENT_NOTICES, /* payload: struct agent_notice, each with its name: what was
			  changed on the host of what the guest watches.  Answered when
			  whoever watches has been told, with payload: struct
			  agent_unwatched of those that nobody watches */

	/* agent -> host. */
	AGENT_HELLO = 64, /* arg = AGENT_PROTO_VERSION, value = uptime in ns */
	AGENT_RESULT, /* arg = 0, or an errno value and payload: the message */
	AGENT_EXIT, /* arg = status as waitpid() gives it; container, proc */
	AGENT_MARK, /* payload: a name; value = uptime in ns: for the timeline */
	AGENT_OOM, /* container: the guest kernel killed a process of it */
	AGENT_MEMORY, /* arg = (MiB) of RAM that the guest wants beyond what it started
			 with; answered by its memory device, not by a frame */
};

#define AGENT_KILL_ALL 0xffffffffu /* proc of AGENT_KILL: every process */

struct agent_frame {
	uint32_t len; /* (bytes) of payload behind this header */
	uint16_t type; /* enum agent_type */
	uint16_t container; /* 0..AGENT_MAX_CONTAINERS - 1, chosen by the host */
	uint32_t seq; /* of the request; 0 for events */
	uint32_t proc; /* AGENT_PROC_INIT, or the number of an exec */
	uint32_t arg;
	uint32_t flags; /* enum control_exec_flags: AGENT_EXEC, AGENT_CREATE without
			 * _TTY; otherwise 0 */
	uint64_t value;
};

/*
 * What a process does with a preserved descriptor.  The arg of AGENT_CREATE and
 * AGENT_EXEC has two bits for each, from descriptor 3 on in the lowest; 0: that
 * one and those behind it are not there.
 */
enum agent_fd_ways {
	AGENT_FD_READ = 1, /* host -> guest: a pipe's end to read from */
	AGENT_FD_WRITE = 2, /* guest -> host: a pipe's end to write to */
	AGENT_FD_BOTH = AGENT_FD_READ | AGENT_FD_WRITE, /* a stream socket */
};

/* agent_fd_ways() - of descriptor 3 + @i, @i < AGENT_MAX_PRESERVED; 0: there is none */
static inline unsigned int agent_fd_ways(uint32_t arg, unsigned int i)
{
	return arg >> (2 * i) & 3;
}

/*
 * AGENT_NET: rtnetlink(7) messages, each NLMSG_ALIGNed, as the host's kernel would
 * list what the container's network namespace has there: RTM_NEWLINK, _NEWADDR,
 * _NEWROUTE, _NEWNEIGH, _NEWRULE say that something is there (new, or another now),
 * RTM_DEL* that it is no more.  Every interface index in them is the host's; the agent
 * puts its own in its place.  nlmsg_flags is 0: the agent knows how to apply each.
 *
 * RTM_NEWLINK comes before what names its index: nlmsg_seq is the number of the card
 * (vmm/net/proto.h), or AGENT_NIC_NONE for the loopback interface, nlmsg_pid
 * is enum agent_link_flags; ifi_flags has IFF_UP, IFF_NOARP, IFF_MULTICAST, IFF_ALLMULTI,
 * IFF_PROMISC; attributes IFLA_IFNAME, IFLA_ADDRESS, IFLA_MTU, IFLA_TXQLEN, IFLA_GROUP.
 * A card that is not there yet is on the bus: the agent looks for it (rescan).  After
 * RTM_DELLINK the card is unused.
 *
 * The agent knows card N by its permanent address, AGENT_NIC_MAC then N; it is given
 * IFLA_ADDRESS in its place.
 */
#define AGENT_NIC_NONE 0xffffffffu
#define AGENT_NIC_MAC 0x02, 'h', 'u', 'l', 'l' /* locally administered; N is the sixth */

enum agent_link_flags {
	AGENT_LINK_NO_IPV6 = 1 << 0, /* net.ipv6.conf.NAME.disable_ipv6 */
};

enum agent_stream_kind {
	AGENT_STREAM_IO = 1,
	AGENT_STREAM_STDERR,
	AGENT_STREAM_FD, /* descriptor 3; what follows is descriptor 4, and so on */
	AGENT_STREAM_KINDS = AGENT_STREAM_FD + AGENT_MAX_PRESERVED,
};

/* The first bytes of a stream connection. */
struct agent_stream {
	uint16_t container;
	uint16_t kind; /* enum agent_stream_kind */
	uint32_t proc;
};

/*
 * AGENT_WAKE: what a machine that was saved cannot know, or shares with others that go on
 * from the same image.
 */
struct agent_wake {
	uint64_t realtime_ns; /* CLOCK_REALTIME, to be set */
	uint8_t seed[64]; /* random bytes of the host, for the guest's generator */
	/* 1: a container goes on (CONTROL_CHECKPOINT).  Its cards are put out of use, as those
	 * of another host may be told next. */
	uint32_t restored;
	uint32_t reserved; /* 0 */
};

static_assert(sizeof(struct agent_wake) == 80, "wire format, little endian");
/* The first bytes of a connection to AGENT_PORT_SOCKET. */
struct agent_socket {
	uint64_t node;
	uint32_t type; /* as AGENT_SOCKET said */
	uint32_t reserved; /* 0 */
};

/* Before each message of a SOCK_SEQPACKET. */
struct agent_packet {
	uint32_t len; /* (bytes) <= AGENT_MAX_PACKET */
};

/*
 * In AGENT_NOTICES: one event of an inode of the shared device.  name_len bytes of name
 * follow, then zeros: agent_notice_size() bytes in all.
 */
struct agent_notice {
	uint64_t node;
	uint32_t asked; /* the answer repeats it */
	uint32_t mask; /* inotify's: one event and IN_ISDIR; or IN_Q_OVERFLOW */
	uint32_t cookie; /* of IN_MOVED_* */
	uint32_t
		name_len; /* (bytes) <= 255 of the name in the directory `node`; 0: itself */
};

/* In its answer. */
struct agent_unwatched {
	uint64_t node;
	uint32_t asked;
	uint32_t reserved; /* 0 */
};

/* agent_notice_size() - (bytes) with its name: a name is followed by at least one 0. */
static inline size_t agent_notice_size(uint32_t name_len)
{
	size_t name = name_len ? ((size_t)name_len + 8) & ~(size_t)7 : 0;

	return sizeof(struct agent_notice) + name;
}

static_assert(sizeof(struct agent_notice) == 24, "wire format, little endian");
static_assert(sizeof(struct agent_unwatched) == 16, "wire format, little endian");
static_assert(sizeof(struct agent_socket) == 16, "wire format, little endian");
static_assert(sizeof(struct agent_packet) == 4, "wire format, little endian");
static_assert(sizeof(struct agent_frame) == 32, "wire format, little endian");
static_assert(sizeof(struct agent_stream) == 8, "wire format, little endian");
static_assert(AGENT_MAX_PRESERVED * 2 <= 32, "the ways of all fit into arg");
static_assert(AGENT_STREAM_FD == 3, "a kind is the number of the descriptor");

#endif
