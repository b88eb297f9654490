/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sockets of the host's: which are offered, who waits for it, what the agent's folder
 * answers, and connections - request by request, in the jail, and in a device with its
 * threads.
 */
#include <inttypes.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "tests/unit/fs_jail.h"
#include "tests/unit/fs_rig.h"
#include "vmm/agent_proto.h"

#define TOKEN 77u

static struct fuse_client c;

/* What the agent was asked for, latest last. */
static struct {
	unsigned int root;
	uint64_t node;
	int type;
} asked[256];
static atomic_uint n_asked; /* by a worker, in test_device() */
static bool no_agent;

static bool ask_agent(void *arg, unsigned int root, uint64_t node, int type)
{
	unsigned int i = n_asked;

	(void)arg;
	if (no_agent)
		return false;
	asked[i].root = root;
	asked[i].node = node;
	asked[i].type = type;
	n_asked = i + 1;
	return true;
}

static int connected_fd;
static int connected_pipe[2]; /* a byte when it was told */

static void connected(void *arg, uint64_t token, int fd)
{
	(void)arg;
	fc_check(token == TOKEN);
	connected_fd = fd;
	fc_check(write(connected_pipe[1], "", 1) == 1);
}

static const struct fs_params params = {
	.shared = true,
	.on_socket = ask_agent,
	.on_connected = connected,
};

/* listener() - a socket of the host's in the folder @dir; listens unless @backlog < 0. */
static int listener(int dir, const char *name, int type, int backlog)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "/proc/self/fd/%d/%s", dir,
		       name);
	fc_check(bind(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0);
	fc_check(backlog < 0 || listen(fd, backlog) == 0);
	return fd;
}

static int connect_to(uint64_t node, int type)
{
	char byte;

	connected_fd = -1;
	fc_check(fs_offer_connect(c.fs, node, type, TOKEN) == 0);
	fc_check(fs_offer_work(c.fs) && !fs_offer_work(c.fs));
	fc_check(read(connected_pipe[0], &byte, 1) == 1);
	return connected_fd;
}

static int bind_node(uint64_t dir, uint64_t node, mode_t mode, struct fuse_entry_out *e)
{
	struct fuse_mknod_in in = { .mode = mode };
	char name[32];

	(void)snprintf(name, sizeof(name), "%016" PRIx64, node);
	return fc_entry(
		&c, fc_call(&c, FUSE_MKNOD, dir, FC_ARGS(FC_VAR(in), FC_STR(name))), e);
}

/* agent_dir() - as the agent finds it. */
static uint64_t agent_dir(uint64_t dir)
{
	struct fuse_entry_out e = { 0 };

	c.pid = 1;
	is_int(fc_lookup(&c, dir, AGENT_SOCKET_DIR, &e), 0, "the agent's folder");
	c.pid = 0;
	return e.nodeid;
}

/* ---- request by request ------------------------------------------------------------------ */

static void test_nobody(uint64_t root)
{
	int bound = listener(host, "dead", SOCK_STREAM, -1);
	int dgram = listener(host, "dgram", SOCK_DGRAM, -1);
	struct fuse_entry_out e;

	(void)close(bound);
	is_int(fc_lookup(&c, root, "dead", &e), 0, "a socket that nobody listens at");
	is_int((long)e.entry_valid, 0, "is looked up each time");
	is_int(e.entry_valid_nsec, 0, "really");
	is_int(fc_lookup(&c, root, "dgram", NULL), 0, "one of datagrams");
	is_int(n_asked, 0, "are not offered");
	is_int(connect_to(e.nodeid, SOCK_STREAM), -ECONNREFUSED, "nor connected to");
	is_int(connect_to(fc_root(&c, 0), SOCK_STREAM), -ESTALE, "nor is a folder");
	is_int(connect_to(12345, SOCK_STREAM), -ESTALE, "nor what there is not");
	(void)close(dgram);
}

/* agent_binds() - it does what it was asked for. */
static void agent_binds(uint64_t root, unsigned int which)
{
	uint64_t node = asked[which].node;
	struct fuse_entry_out e;

	c.pid = 1;
	fc_check(fc_lookup(&c, root, AGENT_SOCKET_DIR, &e) == 0);
	c.pid = 0;
	fc_check(!asked[which].type || bind_node(e.nodeid, node, S_IFSOCK, NULL) == 0);
	fs_offer_done(c.fs, node, asked[which].type, true);
	if (!asked[which].type)
		fc_forget(&c, node, 1);
}

/* offer_it() - look it up until it stands; its node id */
static uint64_t offer_it(uint64_t root, const char *name, int type)
{
	unsigned int before = n_asked;
	struct fuse_entry_out e = { 0 };

	is_int(fc_lookup(&c, root, name, NULL), -FS_WAIT, "%s: LOOKUP waits", name);
	is_int(n_asked, before + 1, "for the agent");
	is_int(asked[before].type, type, "with its type");
	agent_binds(root, before);
	is_int(fc_lookup(&c, root, name, &e), 0, "and is answered");
	ok(e.nodeid == asked[before].node, "with the node that was offered");
	is_int(n_asked, before + 1, "once");
	return e.nodeid;
}

static void test_agents_folder(uint64_t root, uint64_t node)
{
	struct fuse_entry_out e;
	struct fuse_attr attr = { 0 };
	uint64_t dir = agent_dir(root);

	is_int(fc_lookup(&c, root, AGENT_SOCKET_DIR, NULL), -ENOENT, "nobody else's");
	ok(fs_offer_is_dir(dir) && agent_dir(FUSE_ROOT_ID) != dir, "one for each root");
	is_int(fc_getattr(&c, dir, &attr), 0, "it has attributes");
	is_int((long)attr.mode, S_IFDIR | 0700, "of a folder that is root's");
	is_int(bind_node(dir, node, S_IFSOCK | 0777, &e), 0, "MKNOD of a node id");
	ok(e.nodeid == node, "is that node");
	is_int((long)e.attr.mode, S_IFSOCK | 0640,
	       "with the mode that it has on the host");
	is_int(bind_node(dir, node, S_IFREG | 0777, NULL), -EPERM, "of a file: no");
	is_int(bind_node(agent_dir(FUSE_ROOT_ID), node, S_IFSOCK, NULL), -EPERM,
	       "of another root's: no");
	is_int(bind_node(dir, root, S_IFSOCK, NULL), -EPERM, "of a folder: no");
	is_int(bind_node(dir, 0x1234500001, S_IFSOCK, NULL), -EPERM, "of none: no");
	is_int(fc_entry(&c,
			fc_call(&c, FUSE_MKNOD, dir,
				FC_ARGS(FC_VAR(((struct fuse_mknod_in){
						.mode = S_IFSOCK })),
					FC_STR("zzzzzzzzzzzzzzzz"))),
			NULL),
	       -EPERM, "of no number: no");
	is_int(fc_lookup(&c, dir, "0000000000000001", NULL), -ENOENT, "nothing is in it");
	is_int(fc_call(&c, FUSE_UNLINK, dir, FC_ARGS(FC_STR("a"))), -EPERM,
	       "and nothing else can be done there");
	ok(!fs_offer_is_dir(0) && !fs_offer_is_dir(FUSE_ROOT_ID) &&
		   !fs_offer_is_dir((uint64_t)(AGENT_SOCKET_TOP + 2) << 32),
	   "no other number is one");
}

static void test_stream(uint64_t root)
{
	int fd = listener(host, "stream", SOCK_STREAM, 4);
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct fuse_entry_out e;
	uint64_t node;
	char text[8];
	int conn;

	fc_check(fchmodat(host, "stream", 0640, 0) == 0);
	is_int(fc_lookup(&c, root, "stream", NULL), -FS_WAIT, "a listener: LOOKUP waits");
	is_int(fc_lookup(&c, root, "stream", NULL), -FS_WAIT, "as does the next");
	is_int(n_asked, 1, "the agent is asked once");
	is_int((long)asked[0].root, 0, "for the root");
	is_int(asked[0].type, SOCK_STREAM, "for its type");
	node = asked[0].node;
	test_agents_folder(root, node);
	c.pid = 1;
	is_int(fc_lookup(&c, root, "stream", NULL), 0, "the agent itself never waits");
	c.pid = 0;
	fs_offer_done(c.fs, node, SOCK_STREAM, true);
	is_int(fc_lookup(&c, root, "stream", &e), 0, "then it is answered");
	ok(e.nodeid == node, "with that node");
	is_int(poll(&p, 1, 0), 0, "no listener saw anything");
	is_int(bind_node(agent_dir(root), node, S_IFSOCK, NULL), -EPERM,
	       "who was not asked binds to nothing");

	conn = connect_to(node, SOCK_STREAM);
	ok(conn >= 0, "it is connected to");
	(void)close(accept(fd, NULL, NULL));
	is_int(read(conn, text, sizeof(text)), 0, "the host's end is the other");
	(void)close(conn);
	is_int(connect_to(node, SOCK_SEQPACKET), -EPROTOTYPE, "of one type only");
	(void)close(fd);
}

static void test_gone(uint64_t root)
{
	int fd = listener(host, "gone", SOCK_STREAM, 4);
	uint64_t node = offer_it(root, "gone", SOCK_STREAM);
	unsigned int before = n_asked;

	(void)close(fd);
	is_int(connect_to(node, SOCK_STREAM), -ECONNREFUSED, "its listener has gone");
	is_int(fc_lookup(&c, root, "gone", NULL), -FS_WAIT, "LOOKUP sees that");
	ok(n_asked == before + 1 && asked[before].node == node && !asked[before].type,
	   "and has it taken away");
	agent_binds(root, before);
	is_int(fc_lookup(&c, root, "gone", NULL), 0, "then there is none");
	is_int(n_asked, before + 1, "any more");
	fc_check(unlinkat(host, "gone", 0) == 0);
	is_int(connect_to(node, SOCK_STREAM), -ESTALE, "the name has gone, too");
}

static void test_seqpacket(uint64_t root)
{
	int fd = listener(host, "seq", SOCK_SEQPACKET, 4);
	uint64_t node = offer_it(root, "seq", SOCK_SEQPACKET);
	int conn = connect_to(node, SOCK_SEQPACKET);

	ok(conn >= 0, "it is connected to");
	(void)close(conn);
	(void)close(fd);
}

static void test_full(uint64_t root)
{
	int fd = listener(host, "full", SOCK_STREAM, 0);
	uint64_t node = offer_it(root, "full", SOCK_STREAM);
	int first = connect_to(node, SOCK_STREAM);

	ok(first >= 0, "a backlog with room");
	is_int(connect_to(node, SOCK_STREAM), -EAGAIN, "without: not now");
	(void)close(first);
	(void)close(fd);
}

/* The guest swaps the socket for a link: it leads nowhere. */
static void test_swapped(uint64_t root)
{
	int fd = listener(host, "swap", SOCK_STREAM, 4);
	uint64_t node = offer_it(root, "swap", SOCK_STREAM);

	fc_check(renameat(host, "swap", host, "moved") == 0 &&
		 symlinkat("moved", host, "swap") == 0);
	is_int(connect_to(node, SOCK_STREAM), -ESTALE, "a link is not followed");
	(void)close(fd);
}

static void test_no_answer(uint64_t root)
{
	int fd = listener(host, "late", SOCK_STREAM, 4);
	int other = listener(host, "fails", SOCK_STREAM, 4);
	unsigned int before = n_asked;

	is_int(fc_lookup(&c, root, "late", NULL), -FS_WAIT, "it waits");
	fs_offer_give_up(c.fs);
	is_int(fc_lookup(&c, root, "late", NULL), 0, "not for ever");
	is_int(fc_lookup(&c, root, "fails", NULL), 0, "nor does another");
	agent_binds(root, before);
	is_int(fc_lookup(&c, root, "late", NULL), 0, "it stands after all");
	is_int(fc_lookup(&c, root, "fails", NULL), -FS_WAIT, "so others wait again");
	fs_offer_done(c.fs, asked[n_asked - 1].node, SOCK_STREAM, false);
	is_int(fc_lookup(&c, root, "fails", NULL), 0, "one that cannot be offered");
	is_int(n_asked, before + 2, "is not asked for again");
	(void)close(other);
	other = listener(host, "none", SOCK_STREAM, 4);
	no_agent = true;
	is_int(fc_lookup(&c, root, "none", NULL), 0,
	       "where nobody can be asked nobody waits");
	no_agent = false;
	(void)close(other);
	(void)close(fd);
}

static void test_many(uint64_t root)
{
	int fds[FS_MAX_OFFERS + 1];
	char name[16];
	unsigned int before;
	uint64_t first = 0;

	n_asked = 0;
	for (unsigned int i = 0; i < FS_MAX_OFFERS; i++) {
		(void)snprintf(name, sizeof(name), "many%u", i);
		fds[i] = listener(host, name, SOCK_STREAM, 4);
		fc_check(fc_lookup(&c, root, name, NULL) == -FS_WAIT);
		if (i == 1)
			first = asked[n_asked - 1].node;
		for (unsigned int k = 0; k < n_asked; k++)
			agent_binds(root, k);
		fc_check(fc_lookup(&c, root, name, NULL) == 0);
		n_asked = 0;
	}
	fc_check(fc_lookup(&c, root, "many0", NULL) == 0);
	before = n_asked;
	fds[FS_MAX_OFFERS] = listener(host, "more", SOCK_STREAM, 4);
	is_int(fc_lookup(&c, root, "more", NULL), -FS_WAIT,
	       "one more than there is room for");
	is_int(n_asked, before + 2, "asks twice");
	ok(asked[before].node == first && !asked[before].type,
	   "that which was looked up longest ago makes room");
	is_int(asked[before + 1].type, SOCK_STREAM, "for the new one");
	for (unsigned int i = 0; i <= FS_MAX_OFFERS; i++)
		(void)close(fds[i]);
}

static void request_by_request(void)
{
	uint64_t root;

	fc_new_with(&c, &host, 1, false, params);
	fc_check(fc_init(&c) == 0);
	root = fc_root(&c, 0);
	test_nobody(root);
	test_stream(root);
	test_gone(root);
	test_seqpacket(root);
	test_full(root);
	test_swapped(root);
	test_no_answer(root);
	test_many(root);
	fs_server_reset(c.fs);
	fc_free(&c);
}

/* ---- a root that is a socket ----------------------------------------------------------- */

static void test_root(void)
{
	int fd = listener(host, "itself", SOCK_STREAM, 4);
	struct fs_root_params root = { .fd = openat(host, "itself", O_PATH | O_CLOEXEC),
				       .data_fd = -1,
				       .index = 3,
				       .place = "itself" };
	struct fuse_entry_out e = { 0 };
	uint64_t node;
	int conn;

	n_asked = 0;
	fc_new_with(&c, NULL, 0, false, params);
	is_int(fs_server_add_root(c.fs, &root, NULL), 0, "a root that is a socket");
	fc_check(fc_init(&c) == 0 && fchdir(host) == 0);
	is_int(fc_lookup(&c, FUSE_ROOT_ID, "3", NULL), -FS_WAIT,
	       "is offered like others");
	is_int((long)asked[0].root, AGENT_SOCKET_TOP, "in the device's own root");
	node = asked[0].node;
	is_int(bind_node(agent_dir(FUSE_ROOT_ID), node, S_IFSOCK, &e), 0, "bound to");
	ok(e.nodeid == node, "as itself");
	fs_offer_done(c.fs, node, SOCK_STREAM, true);
	is_int(fc_lookup(&c, FUSE_ROOT_ID, "3", &e), 0, "answered");
	is_int((long)e.entry_valid, 0, "and not believed for longer");
	conn = connect_to(node, SOCK_STREAM);
	ok(conn >= 0, "connected to");
	(void)close(conn);
	(void)close(fd);
	fc_free(&c);
}

/* ---- in the jail: no /proc, an empty root ---------------------------------------------- */

static int jailed_listener;

static void in_the_jail(void)
{
	uint64_t root, node;
	int conn;

	n_asked = 0;
	fc_new_with(&c, &host, 1, false, params);
	fc_check(fc_init(&c) == 0);
	root = fc_root(&c, 0);
	node = offer_it(root, "jailed", SOCK_STREAM);
	conn = connect_to(node, SOCK_STREAM);
	ok(conn >= 0, "connected to from the jail");
	(void)close(conn);
	fc_free(&c);
}

/* ---- a device with its threads --------------------------------------------------------- */

static void wait_connected(void)
{
	struct pollfd p = { .fd = connected_pipe[0], .events = POLLIN };
	char byte;

	is_int(poll(&p, 1, DEADLINE_MS), 1, "connected on a worker");
	fc_check(read(connected_pipe[0], &byte, 1) == 1);
}

static void test_device(void)
{
	static struct rig r;
	struct fs_root_params root = { .fd = fcntl(host, F_DUPFD_CLOEXEC, 0),
				       .data_fd = -1 };
	struct {
		struct fuse_mknod_in in;
		char name[17];
	} bind = { .in.mode = S_IFSOCK };
	int fd = listener(host, "threads", SOCK_STREAM, 4);
	struct fuse_entry_out e;
	uint64_t node;
	uint16_t waiting;

	n_asked = 0;
	rig_begin_with(&r, &params, &root);
	node = ask_lookup(&r, FUSE_ROOT_ID, "0");
	waiting = rig_send(&r, &r.rq, FUSE_LOOKUP, node, "threads", 8, 16 + sizeof(e));
	is_int(ask(&r, FUSE_LOOKUP, node, "nothing", 8, &e, sizeof(e)), -ENOENT,
	       "while one waits others are served");
	/* The other worker may not have come as far yet. */
	for (int ms = 0; !n_asked && ms < DEADLINE_MS; ms++)
		(void)usleep(1000);
	is_int(n_asked, 1, "the agent is asked");
	is_int(fs_waiting(r.dev), 0, "it does not wait for the gate");
	(void)snprintf(bind.name, sizeof(bind.name), "%016" PRIx64, asked[0].node);
	is_int(ask(&r, FUSE_MKNOD, UINT64_C(1) << 32, &bind, sizeof(bind), &e, sizeof(e)),
	       0, "it binds");
	fs_socket_done(r.dev, asked[0].node, SOCK_STREAM, true);
	is_int(await(&r.rq), waiting, "the answer lets it go");
	is_int(error_of(&r, waiting), 0, "without an error");
	fc_check(fs_connect(r.dev, asked[0].node, SOCK_STREAM, TOKEN) == 0);
	wait_connected();
	ok(connected_fd >= 0, "with a descriptor");
	(void)close(connected_fd);
	(void)rig_send(&r, &r.rq, FUSE_LOOKUP, node, "nothing2", 9, 16 + sizeof(e));
	is_int(error_of(&r, await(&r.rq)), -ENOENT, "all is as before");
	fake_device_reset(&r.fd);
	fake_queue_release(&r.hi);
	fake_queue_release(&r.rq);
	r.dev->ops->free(r.dev);
	fake_memory_release(&r.fm);
	(void)close(fd);
}

int main(void)
{
	char empty[300];

	fc_check(pipe(connected_pipe) == 0);
	host = fc_tmp(tmp, sizeof(tmp));
	request_by_request();
	test_root();
	test_device();
	(void)snprintf(empty, sizeof(empty), "%s/empty", tmp);
	fc_check(mkdir(empty, 0755) == 0);
	jailed_listener = listener(host, "jailed", SOCK_STREAM, 4);
	if (fs_jail_possible())
		fs_jail_run(in_the_jail, empty, false);
	(void)close(jailed_listener);
	fc_rm_tree(tmp);
	return tap_done();
}
