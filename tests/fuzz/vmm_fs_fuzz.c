/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hostile guest's FUSE requests, against a small tree.
 *
 * Input: a sequence of requests.  Each is an opcode (u8), a choice of node id (u8),
 * how the buffers are cut (u8), room for the reply (u16), the number of bytes that
 * follow the header (u8), and these bytes.  The top bit of how they are cut: it is the
 * agent that asks, the guest's PID 1.  In them 0xfe and a digit k at an 8-byte
 * boundary stand for the k-th id that a reply has given (a node, a handle).
 *
 * The tree is made anew for each input: what an input leaves behind is removed.
 */
#include "tests/fuzz/input.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/cleanup.h"
#include "vmm/agent_proto.h"
#include "vmm/fs/server.h"

#define MAX_REQUESTS 64u
#define N_IDS 16u
#define ROOM 8192u
#define MAX_IOV 64u

struct guest {
	struct fs_server *fs;
	struct fs_worker w;
	uint64_t ids[N_IDS];
	unsigned int n_ids;
};

static int listener = -1; /* of the socket in the tree */
static struct {
	uint64_t node;
	int type;
} asked[2]; /* what one request may ask of the agent for */
static unsigned int n_asked;

static int base = -1, tree = -1; /* the directory around, the root in it */
static int cwd = -1; /* the fuzzer's: a worker has one of its own, and moves it */

static void remove_all(int dirfd, const char *name)
{
	auto_dir DIR *d = NULL;
	const struct dirent *e;
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return;
	d = fdopendir(fd);
	must(d != NULL);
	while ((e = readdir(d))) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (unlinkat(fd, e->d_name, 0) == 0)
			continue;
		remove_all(fd, e->d_name);
		(void)unlinkat(fd, e->d_name,
			       AT_REMOVEDIR); /* tried: else the next one fails */
	}
}

static void put_file(int dir, const char *name, const char *text)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	must(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	must(close(fd) == 0);
}

/* begin() - once: a directory of our own, and no large files. */
static void begin(void)
{
	struct rlimit limit = { .rlim_cur = 1 << 20, .rlim_max = 1 << 20 };
	const char *places = getenv("TMPDIR");
	char path[256];

	must(signal(SIGXFSZ, SIG_IGN) != SIG_ERR && setrlimit(RLIMIT_FSIZE, &limit) == 0);
	(void)snprintf(path, sizeof(path), "%s/hull-fuzz-XXXXXX",
		       places ? places : "/dev/shm");
	must(mkdtemp(path) != NULL);
	cwd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	must(cwd >= 0);
	base = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	must(base >= 0);
	put_file(base, "beside", "untouched");
}

static void put_socket(const char *name)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "/proc/self/fd/%d/%s", tree,
		       name);
	must(bind(listener, (const struct sockaddr *)&addr, sizeof(addr)) == 0);
	must(listen(listener, 1) == 0);
}

static bool on_socket(void *arg, unsigned int root, uint64_t node, int type)
{
	(void)arg;
	must(root == 0 && n_asked < 2);
	asked[n_asked].node = node;
	asked[n_asked++].type = type;
	return true;
}

static void on_connected(void *arg, uint64_t token, int fd)
{
	(void)arg;
	must(token == 1);
	if (fd >= 0)
		(void)close(fd);
}

static void on_notices(void *arg)
{
	(void)arg;
}

/* notices() - the agent is told of what is watched, and answers that nobody does. */
static void notices(struct guest *g)
{
	struct agent_unwatched u = { 0 };
	struct buf out = BUF_INIT;
	size_t at = 0;

	fs_watch_work(g->fs);
	must(fs_watch_take(g->fs, &out) == 0);
	while (at < out.len) {
		struct agent_notice n;

		must(out.len - at >= sizeof(n));
		memcpy(&n, out.data + at, sizeof(n));
		must(n.name_len < FS_NAME_SIZE);
		at += agent_notice_size(n.name_len);
		u.node = n.node;
		u.asked = n.asked;
	}
	must(at == out.len);
	if (u.node % 2)
		fs_watch_ended(g->fs, &u, 1);
	buf_release(&out);
}

/* agent() - it answers what a request asked of it, and connects. */
static void agent(struct guest *g)
{
	if (!n_asked)
		return;
	must(fs_offer_connect(g->fs, asked[0].node, SOCK_STREAM, 1) == 0);
	must(fs_offer_work(g->fs));
	while (n_asked) {
		n_asked--;
		fs_offer_done(g->fs, asked[n_asked].node, asked[n_asked].type, true);
	}
}

static void make_tree(void)
{
	must(mkdirat(base, "root", 0755) == 0);
	tree = openat(base, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	must(tree >= 0);
	put_file(tree, "f", "text");
	must(mkdirat(tree, "d", 0755) == 0);
	must(symlinkat("../beside", tree, "l") == 0);
	put_socket("s");
}

static void drop_tree(void)
{
	char text[16];
	int fd;

	remove_all(base, "root");
	must(unlinkat(base, "root", AT_REMOVEDIR) == 0);
	(void)close(tree);
	(void)close(listener);
	/* Nothing got out. */
	fd = openat(base, "beside", O_RDONLY | O_CLOEXEC);
	must(fd >= 0 && read(fd, text, sizeof(text)) == 9 &&
	     memcmp(text, "untouched", 9) == 0);
	(void)close(fd);
}

static unsigned int cut(char *p, size_t len, size_t piece, struct iovec *iov)
{
	unsigned int n = 0;

	while (len) {
		size_t one = piece && piece < len && n < MAX_IOV - 1 ? piece : len;

		iov[n++] = (struct iovec){ p, one };
		p += one;
		len -= one;
	}
	return n;
}

/* put_ids() - replace marks by ids that were given. */
static void put_ids(const struct guest *g, char *p, size_t len)
{
	for (size_t i = 0; i + 8 <= len; i += 8)
		if ((uint8_t)p[i] == 0xfe)
			memcpy(p + i, &g->ids[(uint8_t)p[i + 1] % N_IDS], 8);
}

/* learn() - remember the first number of a reply, and CREATE's handle. */
static void learn(struct guest *g, uint32_t opcode, const char *reply, size_t len)
{
	size_t handle = sizeof(struct fuse_entry_out);

	if (len >= 8)
		memcpy(&g->ids[g->n_ids++ % N_IDS], reply, 8);
	if (opcode == FUSE_CREATE && len >= handle + 8)
		memcpy(&g->ids[g->n_ids++ % N_IDS], reply + handle, 8);
}

static void request(struct guest *g, struct input *in)
{
	struct fuse_in_header h = { .opcode = input_u8(in), .unique = 5 };
	uint8_t node = input_u8(in), piece = input_u8(in);
	uint16_t room = input_u16(in);
	uint8_t len = input_u8(in);
	struct iovec out[MAX_IOV], reply[MAX_IOV];
	char *sent = malloc(sizeof(h) + len); /* exact, so that ASan sees an overrun */
	char *back = malloc(ROOM);
	struct fuse_out_header r;
	uint32_t written;
	size_t space = room & 0x8000 ? room % 256u : ROOM;

	must(sent && back);
	h.pid = piece >> 7;
	if (!h.pid)
		agent(g); /* what it does before it answers comes from it */
	h.len = (uint32_t)sizeof(h) + len;
	h.nodeid = node < 0x80 ? g->ids[node % N_IDS] : node - 0x80u;
	input_bytes(in, sent + sizeof(h), len);
	put_ids(g, sent + sizeof(h), len);
	memcpy(sent, &h, sizeof(h));
	written = fs_serve(&g->w, out, cut(sent, h.len, piece, out), reply,
			   cut(back, space, piece, reply));
	must(written <= space || written == FS_WAITS);
	if (written && written != FS_WAITS) {
		must(written >= sizeof(r));
		memcpy(&r, back, sizeof(r));
		must(r.len == written && r.unique == 5 && r.error <= 0 && r.error > -512);
		must(!r.error || written == sizeof(r));
		if (!r.error)
			learn(g, h.opcode, back + sizeof(r), written - sizeof(r));
	}
	free(sent);
	free(back);
	(void)fs_dax_mend(&g->fs->dax); /* a vCPU may ask at any time */
	must(TAILQ_EMPTY(&g->fs->watches.touches));
	notices(g);
}

static void init(struct guest *g)
{
	struct fuse_init_in in = { .major = 7, .minor = 38, .flags = ~0u, .flags2 = ~0u };
	struct fuse_in_header h = { .opcode = FUSE_INIT, .len = sizeof(h) + sizeof(in) };
	char sent[sizeof(h) + sizeof(in)], back[256];
	struct iovec out = { sent, sizeof(sent) }, reply = { back, sizeof(back) };

	memcpy(sent, &h, sizeof(h));
	memcpy(sent + sizeof(h), &in, sizeof(in));
	must(fs_serve(&g->w, &out, 1, &reply, 1) == 16 + sizeof(struct fuse_init_out));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	struct fs_root_params root = { .data_fd = -1 };
	struct fs_params params = {
		.roots = &root,
		.n_roots = 1,
		.max_dir_fds = 4,
		.dax_size = 4 * FS_DAX_SLOT,
		.on_socket = on_socket,
		.on_connected = on_connected,
		.on_notices = on_notices,
	};
	struct guest g = { 0 };

	if (base < 0)
		begin();
	make_tree();
	root.fd = fcntl(tree, F_DUPFD_CLOEXEC, 0);
	must(root.fd >= 0);
	must(fs_server_new(&params, &g.fs, NULL) == 0);
	g.fs->policy.locks = true; /* beside all that is private's */
	must(fs_worker_init(&g.w, g.fs, NULL) == 0);
	init(&g);
	g.ids[g.n_ids++] = FUSE_ROOT_ID;
	g.ids[g.n_ids++] = atomic_load(&g.fs->roots[0])->inode->id;
	for (unsigned int i = 0; in.left && i < MAX_REQUESTS; i++)
		request(&g, &in);
	fs_server_reset(g.fs);
	n_asked = 0;
	must(g.fs->inodes.used == 1 && g.fs->handles.used == 0 && g.fs->pins == 0);
	must(atomic_load(&g.fs->locks.n) == 0 && g.fs->locks.n_files == 0);
	must(atomic_load(&g.fs->watches.n) == 0 && g.fs->watches.fd < 0);
	fs_worker_release(&g.w);
	fs_server_free(g.fs);
	drop_tree();
	must(fchdir(cwd) == 0);
	return 0;
}
