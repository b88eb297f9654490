/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's side of vmm/agent_proto.h, for tests: an agent runs in a child
 * process of the test, over socket pairs instead of vsock.
 *
 *	struct host h;
 *	host_start(&h);
 *	seq = host_request(&h, AGENT_CREATE, 0, 0, 0, 0, payload, len);
 *	host_result(&h, seq, msg);		0 or the errno value it answered
 *	fd = host_stream(&h, 0, 0, AGENT_STREAM_IO);
 *	host_exit(&h, 0, 0);			waits for AGENT_EXIT
 *	host_stop(&h);
 *
 * Whatever does not come within DEADLINE_S ends the test.  Needs root and
 * a cgroup v2 mount; host_possible() tells.
 */
#ifndef HULL_TESTS_UNIT_AGENT_HOST_H
#define HULL_TESTS_UNIT_AGENT_HOST_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/magic.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "lib/io.h"
#include "rootfs/agent/agent.h"
#include "tests/unit/tap.h"

#define DEADLINE_S 60
#define HOST_MAX 128

struct host_stream {
	int fd; /* -1: taken */
	struct agent_stream header;
};

struct host_event {
	struct agent_frame frame;
	char payload[ERR_MSG_SIZE];
	bool taken;
};

struct host {
	pid_t agent;
	int control;
	int connections; /* the agent's stream_connect() sends its peers here */
	char cgroup[256];
	char dir[64]; /* roots are made here */
	uint32_t seq;
	struct host_stream streams[HOST_MAX];
	unsigned int n_streams;
	struct host_event events[HOST_MAX];
	unsigned int n_events;
	char *last_payload; /* of the last result, owned */
	size_t last_len;
	uint64_t last_value;
};

/* host_cgroup_root() - where cgroup v2 is, or NULL. */
static inline const char *host_cgroup_root(void)
{
	static const char *const dirs[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/unified" };
	struct statfs sfs;

	for (unsigned int i = 0; i < 2; i++)
		if (statfs(dirs[i], &sfs) == 0 && sfs.f_type == CGROUP2_SUPER_MAGIC)
			return dirs[i];
	return NULL;
}

static inline bool host_possible(void)
{
	if (geteuid() != 0) {
		(void)printf("needs root\n");
		return false;
	}
	if (!host_cgroup_root()) {
		(void)printf("needs cgroup v2\n");
		return false;
	}
	return true;
}

/* ---- the agent's process ------------------------------------------------------- */

static inline int host_connect(void *opaque)
{
	const struct host *h = opaque;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	(void)fcntl(pair[0], F_SETFL, O_NONBLOCK);
	if (sock_send(h->connections, "", 1, &pair[1], 1) < 0)
		return -EIO;
	(void)close(pair[1]);
	return pair[0];
}

static inline void host_finish(void *opaque)
{
	const struct host *h = opaque;
	char path[128];

	(void)!snprintf(path, sizeof(path), "%s/finished", h->dir);
	(void)close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
}

/* agent_params.wake of the next agent, in its process; its @opaque is the struct host. */
static int (*host_wake)(void *opaque, const struct agent_wake *wake, struct err *err);

static inline void host_run_agent(struct host *h, int control)
{
	struct agent_params params = {
		.control_fd = control,
		.cgroup_dir = h->cgroup,
		.cgroup_root = "/sys/fs/cgroup",
		.stream_connect = host_connect,
		.wake = host_wake,
		.finish = host_finish,
		.opaque = h,
		.give_network = unshare(CLONE_NEWNET) == 0,
	};
	struct err err = ERR_INIT;
	int ret;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)signal(SIGPIPE, SIG_DFL);
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	ret = agent_run(&params, &err);
	if (ret < 0)
		(void)printf("# agent: %s\n", err.msg);
	exit(ret < 0 ? 1 : 0);
}

static inline void host_timeout(int sig)
{
	static const char text[] = "# deadline\n";

	(void)sig;
	(void)!write(STDOUT_FILENO, text, sizeof(text) - 1);
	_exit(1);
}

static inline void host_start(struct host *h)
{
	int control[2];
	int connections[2];

	memset(h, 0, sizeof(*h));
	(void)signal(SIGALRM, host_timeout);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)alarm(DEADLINE_S);
	(void)!snprintf(h->cgroup, sizeof(h->cgroup), "%s/hull-test-%d",
			host_cgroup_root(), getpid());
	(void)!snprintf(h->dir, sizeof(h->dir), "/tmp/hull-agent-test-%d", getpid());
	if (mkdir(h->cgroup, 0755) < 0 || mkdir(h->dir, 0755) < 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, control) < 0 ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, connections) < 0) {
		perror("# start agent");
		exit(1);
	}
	(void)fflush(stdout);
	h->agent = fork();
	if (h->agent == 0) {
		(void)close(control[0]);
		(void)close(connections[0]);
		h->connections = connections[1];
		host_run_agent(h, control[1]);
	}
	(void)close(control[1]);
	(void)close(connections[1]);
	h->control = control[0];
	h->connections = connections[0];
}

/* ---- requests and what comes back ---------------------------------------------- */

static inline void host_bytes(int fd, void *data, size_t len)
{
	if (io_read_full(fd, data, len) < 0) {
		(void)printf("# the agent has gone\n");
		exit(1);
	}
}

static inline uint32_t host_request(struct host *h, uint16_t type, uint16_t container,
				    uint32_t proc, uint32_t arg, uint32_t flags,
				    const void *payload, size_t len)
{
	const struct agent_frame f = {
		.len = (uint32_t)len,
		.type = type,
		.container = container,
		.seq = ++h->seq,
		.proc = proc,
		.arg = arg,
		.flags = flags,
	};

	if (io_write_full(h->control, &f, sizeof(f)) < 0 ||
	    io_write_full(h->control, payload, len) < 0)
		(void)printf("# cannot send a request\n");
	return f.seq;
}

/* host_receive() - one frame: a result of @seq is returned, others are kept. */
static inline bool host_receive(struct host *h, uint32_t seq, struct agent_frame *ret)
{
	struct agent_frame f;
	char *payload;

	host_bytes(h->control, &f, sizeof(f));
	payload = calloc(1, f.len + 1u);
	host_bytes(h->control, payload, f.len);
	if (seq && f.type == AGENT_RESULT && f.seq == seq) {
		free(h->last_payload);
		h->last_payload = payload;
		h->last_len = f.len;
		h->last_value = f.value;
		*ret = f;
		return true;
	}
	if (f.type != AGENT_MARK) {
		unsigned int i = 0;
		struct host_event *e;

		while (i < h->n_events && !h->events[i].taken)
			i++;
		if (i == HOST_MAX) {
			(void)printf("# too many events that nobody waits for\n");
			exit(1);
		}
		h->n_events = i == h->n_events ? i + 1 : h->n_events;
		e = &h->events[i];
		e->frame = f;
		e->taken = false;
		(void)!snprintf(e->payload, sizeof(e->payload), "%s", payload);
	}
	free(payload);
	return false;
}

/* host_result() - 0, or the errno value; the text is in h->last_payload. */
static inline uint32_t host_result(struct host *h, uint32_t seq)
{
	struct agent_frame f;

	for (unsigned int i = 0; i < h->n_events; i++) {
		struct host_event *e = &h->events[i];

		if (e->taken || e->frame.type != AGENT_RESULT || e->frame.seq != seq)
			continue;
		e->taken = true;
		free(h->last_payload);
		h->last_payload = strdup(e->payload);
		h->last_len = e->frame.len;
		h->last_value = e->frame.value;
		return e->frame.arg;
	}
	while (!host_receive(h, seq, &f))
		;
	return f.arg;
}

/* host_event() - wait for an event of @type. */
static inline struct host_event *host_event(struct host *h, uint16_t type,
					    uint16_t container, uint32_t proc)
{
	struct agent_frame f;

	for (;;) {
		for (unsigned int i = 0; i < h->n_events; i++) {
			struct host_event *e = &h->events[i];

			if (!e->taken && e->frame.type == type &&
			    e->frame.container == container && e->frame.proc == proc) {
				e->taken = true;
				return e;
			}
		}
		(void)host_receive(h, 0, &f);
	}
}

/* host_exit() - the status as waitpid() gives it. */
static inline int host_exit(struct host *h, uint16_t container, uint32_t proc)
{
	return (int)host_event(h, AGENT_EXIT, container, proc)->frame.arg;
}

/* host_take_connection() - one more of the agent; false: none is there. */
static inline bool host_take_connection(struct host *h, bool wait)
{
	struct pollfd p = { .fd = h->connections, .events = POLLIN };
	int fds[SOCK_MAX_FDS];
	unsigned int n = 0;
	char byte;

	if (poll(&p, 1, wait ? -1 : 0) != 1)
		return false;
	if (sock_recv(h->connections, &byte, 1, fds, &n) <= 0 || n != 1 ||
	    h->n_streams == HOST_MAX) {
		(void)printf("# no stream\n");
		exit(1);
	}
	h->streams[h->n_streams++] = (struct host_stream){ .fd = fds[0] };
	return true;
}

static inline void host_read_headers(struct host *h)
{
	for (unsigned int i = 0; i < h->n_streams; i++) {
		struct host_stream *s = &h->streams[i];

		if (s->fd >= 0 && !s->header.kind &&
		    recv(s->fd, &s->header, sizeof(s->header), MSG_DONTWAIT) < 0)
			s->header.kind = 0;
	}
}

/* host_forget_streams() - of a process that had the numbers before. */
static inline void host_forget_streams(struct host *h, uint16_t container)
{
	unsigned int left = 0;

	while (host_take_connection(h, false))
		;
	host_read_headers(h);
	for (unsigned int i = 0; i < h->n_streams; i++) {
		struct host_stream *s = &h->streams[i];

		if (s->fd >= 0 && s->header.kind && s->header.container == container)
			(void)close(s->fd);
		else if (s->fd >= 0)
			h->streams[left++] = *s;
	}
	h->n_streams = left;
}

/* host_stream() - the connection of a process; the caller closes it. */
static inline int host_stream(struct host *h, uint16_t container, uint32_t proc,
			      uint16_t kind)
{
	for (;;) {
		host_read_headers(h);
		for (unsigned int i = 0; i < h->n_streams; i++) {
			struct host_stream *s = &h->streams[i];

			if (s->fd >= 0 && s->header.kind == kind &&
			    s->header.proc == proc && s->header.container == container) {
				int fd = s->fd;

				s->fd = -1;
				return fd;
			}
		}
		(void)host_take_connection(h, true);
	}
}

/* host_read_all() - to the end of file; the caller frees. */
static inline char *host_read_all(int fd)
{
	struct buf b = BUF_INIT;
	char chunk[65536];
	ssize_t n;

	buf_puts(&b, "");
	while ((n = read(fd, chunk, sizeof(chunk))) > 0)
		buf_append(&b, chunk, (size_t)n);
	(void)close(fd);
	return buf_take(&b);
}

/* host_read_until() - until @text has come; the caller frees. */
static inline char *host_read_until(int fd, const char *text)
{
	struct buf b = BUF_INIT;
	char byte;

	buf_puts(&b, "");
	while ((!b.data || !strstr(b.data, text)) && read(fd, &byte, 1) == 1)
		buf_append(&b, &byte, 1);
	return buf_take(&b);
}

/* host_stop() - end the agent and see that nothing is left. */
static inline void host_stop(struct host *h)
{
	int status = -1;
	char path[128];

	(void)close(h->control);
	(void)waitpid(h->agent, &status, 0);
	is_int(status, 0, "the agent ends when the host has gone");
	is_int(rmdir(h->cgroup), 0, "no cgroup is left");
	for (unsigned int i = 0; i < h->n_streams; i++)
		if (h->streams[i].fd >= 0)
			(void)close(h->streams[i].fd);
	(void)close(h->connections);
	free(h->last_payload);
	(void)!snprintf(path, sizeof(path), "rm -rf --one-file-system %s", h->dir);
	(void)!system(path);
	(void)alarm(0);
}

/* ---- containers ------------------------------------------------------------------ */

/* host_root() - a root whose programs are this machine's, bound by HOST_USR. */
static inline void host_root(const struct host *h, const char *name, char path[128])
{
	static const char *const links[][2] = {
		{ "usr/bin", "bin" },
		{ "usr/lib", "lib" },
		{ "usr/lib64", "lib64" },
		{ "usr/sbin", "sbin" },
	};
	static const char *const dirs[] = { "usr", "etc", "tmp", "proc", "dev" };
	char file[192];
	FILE *f;

	(void)!snprintf(path, 128, "%s/%s", h->dir, name);
	(void)mkdir(path, 0755);
	for (unsigned int i = 0; i < 4; i++) {
		(void)!snprintf(file, sizeof(file), "%s/%s", path, links[i][1]);
		(void)!symlink(links[i][0], file);
	}
	for (unsigned int i = 0; i < 5; i++) {
		(void)!snprintf(file, sizeof(file), "%s/%s", path, dirs[i]);
		(void)mkdir(file, 0755);
	}
	(void)!snprintf(file, sizeof(file), "%s/etc/passwd", path);
	f = fopen(file, "we");
	(void)fputs("root:x:0:0:root:/root:/bin/sh\n"
		    "user:x:1000:1000:user:/home/user:/bin/sh\n",
		    f);
	(void)fclose(f);
}

/* Strings of config.json that most containers here have in common. */
#define HOST_USR                                                                         \
	"{\"destination\":\"/usr\",\"type\":\"bind\",\"source\":\"/usr\","               \
	"\"options\":[\"rbind\",\"ro\"]}"
#define HOST_PROC "{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":\"proc\"}"
#define HOST_DEV                                                                         \
	"{\"destination\":\"/dev\",\"type\":\"tmpfs\",\"source\":\"tmpfs\","             \
	"\"options\":[\"nosuid\",\"strictatime\",\"mode=755\",\"size=65536k\"]},"        \
	"{\"destination\":\"/dev/pts\",\"type\":\"devpts\",\"source\":\"devpts\","       \
	"\"options\":[\"nosuid\",\"noexec\",\"newinstance\",\"ptmxmode=0666\","          \
	"\"mode=0620\",\"gid=5\"]}"
#define HOST_MOUNTS "[" HOST_USR "," HOST_PROC "," HOST_DEV "]"
#define HOST_NS                                                                          \
	"[{\"type\":\"pid\"},{\"type\":\"network\"},{\"type\":\"ipc\"},"                 \
	"{\"type\":\"uts\"},{\"type\":\"mount\"},{\"type\":\"cgroup\"}]"
#define HOST_ENV "[\"PATH=/usr/sbin:/usr/bin:/sbin:/bin\"]"
#define HOST_CAPS3                                                                       \
	"\"bounding\":[\"CAP_KILL\",\"CAP_CHOWN\"],"                                     \
	"\"effective\":[\"CAP_KILL\",\"CAP_CHOWN\"],"                                    \
	"\"permitted\":[\"CAP_KILL\",\"CAP_CHOWN\"]"

/*
 * host_create() - a container that runs @args (a JSON list); @process and @spec
 * are more members of the process, of the whole ("" or ",\"k\":v").
 * Return: the result
 */
static inline uint32_t host_create(struct host *h, uint16_t number, const char *args,
				   const char *process, const char *mounts,
				   const char *linux_, const char *spec)
{
	struct buf b = BUF_INIT;
	char name[16];
	char root[128];
	uint32_t seq;
	uint32_t ret;

	(void)!snprintf(name, sizeof(name), "root%u", number);
	host_root(h, name, root);
	host_forget_streams(h, number);
	buf_printf(&b, "c%u", number);
	buf_append(&b, "", 1);
	/* The members that are given replace the usual ones. */
	buf_printf(&b,
		   "{\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"%s\"%s},"
		   "\"process\":{\"args\":%s%s%s%s%s},"
		   "\"mounts\":%s,\"linux\":{%s%s}%s}",
		   root, strstr(spec, "readonly root") ? ",\"readonly\":true" : "", args,
		   strstr(process, "\"user\"") ? "" : ",\"user\":{\"uid\":0,\"gid\":0}",
		   strstr(process, "\"cwd\"") ? "" : ",\"cwd\":\"/\"",
		   strstr(process, "\"env\"") ? "" : ",\"env\":" HOST_ENV, process,
		   mounts,
		   strstr(linux_, "\"namespaces\"") ? "" : "\"namespaces\":" HOST_NS,
		   linux_, spec);
	seq = host_request(h, AGENT_CREATE, number, 0, 0, 0, b.data, b.len);
	ret = host_result(h, seq);
	buf_release(&b);
	return ret;
}

static inline uint32_t host_begin(struct host *h, uint16_t number)
{
	return host_result(h, host_request(h, AGENT_START, number, 0, 0, 0, NULL, 0));
}

/*
 * host_run() - create, start, collect stdout, wait.
 * @ret_out: what it wrote; the caller frees
 * Return: the status, or -1: it could not be started
 */
static inline int host_run(struct host *h, uint16_t number, const char *args,
			   const char *process, const char *mounts, const char *linux_,
			   const char *spec, char **ret_out)
{
	int io;
	int err_fd;
	int status;

	*ret_out = NULL;
	if (host_create(h, number, args, process, mounts, linux_, spec) ||
	    host_begin(h, number))
		return -1;
	io = host_stream(h, number, 0, AGENT_STREAM_IO);
	err_fd = host_stream(h, number, 0, AGENT_STREAM_STDERR);
	(void)shutdown(io, SHUT_WR);
	*ret_out = host_read_all(io);
	(void)close(err_fd);
	status = host_exit(h, number, 0);
	return status;
}

#define host_sh(h, script, process, linux_, out)                                         \
	host_run((h), 0, "[\"sh\",\"-c\",\"" script "\"]", process, HOST_MOUNTS, linux_, \
		 "", out)

#endif
