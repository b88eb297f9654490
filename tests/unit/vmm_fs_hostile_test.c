/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest that breaks every rule of the protocol: requests of wrong lengths, with
 * stale ids, unterminated names, replies without room.  The tree holds a way out at
 * each step (links to what lies beside it), and nothing beside it may change.
 */
#include <signal.h>
#include <sys/resource.h>

#include "tests/unit/fuse_client.h"

static char tmp[256];
static int base, host; /* O_PATH: the directory around; the root */
static struct fuse_client c;

static uint64_t random_state = 88172645463325252u;

/* next_random() - xorshift: the same numbers in every run. */
static uint64_t next_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static void plant(void)
{
	static const char *const links[][2] = {
		{ "../beside", "out-file" },
		{ "..", "out-dir" },
		{ "../../../../../../etc", "out-etc" },
		{ "/", "out-root" },
		{ "out-dir", "twice" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(links); i++)
		if (symlinkat(links[i][0], host, links[i][1]) < 0)
			fc_check(errno == EEXIST);
	host_write(host, "file", "inside");
	(void)mkdirat(host, "dir", 0755);
}

static void test_out(uint64_t root)
{
	static const char *const names[] = { "out-file", "out-dir", "out-etc", "out-root",
					     "twice" };
	static const char *const below[] = { "beside", "passwd", "etc", "file", "x" };
	struct fuse_setattr_in sa = { .valid = FATTR_MODE | FATTR_SIZE | FATTR_UID,
				      .mode = 0,
				      .uid = 1 };
	struct fuse_entry_out e = { 0 };
	uint64_t fh = 0;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		uint64_t n = fc_node(&c, root, names[i]);

		is_int(fc_open(&c, n, O_RDWR, &fh), -ENXIO, "OPEN of %s", names[i]);
		is_int(fc_open_as(&c, FUSE_OPENDIR, n, O_RDONLY, &fh), -ENOTDIR,
		       "OPENDIR");
		is_int(fc_lookup(&c, n, below[i], &e), -ENOTDIR, "LOOKUP through it");
		is_int(fc_create(&c, n, "x", 0600, 0, O_RDWR, &e, &fh), -ENOTDIR,
		       "CREATE");
		is_int(fc_rename(&c, root, "file", n, "x", 0), -ENOTDIR, "RENAME");
		ok(fc_setattr(&c, n, &sa, NULL) < 0, "SETATTR");
		is_int(fc_create(&c, root, names[i], 0600, 0, O_RDWR, &e, &fh), -ESTALE,
		       "CREATE over it");
		is_int(fc_create(&c, root, names[i], 0600, 0, O_RDWR | O_EXCL, &e, &fh),
		       -EEXIST, "and exclusively");
	}
	is_str(host_read(base, "beside"), "untouched",
	       "what lies beside the root is untouched");
}

/* Each opcode, each length of arguments, and room for each length of reply. */
static void test_lengths(uint64_t root)
{
	uint64_t nodes[4] = { 1, root, fc_node(&c, root, "file"),
			      fc_node(&c, root, "dir") };
	static char args[300];
	unsigned int replies = 0;
	bool sane = true;

	for (uint32_t op = 0; op < FS_OPCODES; op++) {
		/* What ends the session or the tree is not what is tested here. */
		if (op == FUSE_DESTROY || op == FUSE_INIT)
			continue;
		for (size_t len = 0; len < 120; len += 1 + len / 16) {
			for (size_t n = 0; n < ARRAY_SIZE(nodes); n++) {
				struct fuse_in_header h = {
					.len = (uint32_t)(sizeof(h) + len),
					.opcode = op,
					.unique = 7,
					.nodeid = nodes[n],
				};
				struct fuse_out_header out;
				char buf[sizeof(h) + sizeof(args)];
				uint32_t written;

				memset(args, (int)(len & 1 ? 'a' : 0), sizeof(args));
				memcpy(buf, &h, sizeof(h));
				memcpy(buf + sizeof(h), args, len);
				c.room = len % 5 ? 0 : 1 + (len * 3) % 160;
				written = fc_raw(&c, buf, h.len);
				if (written >= sizeof(out)) {
					memcpy(&out, c.in, sizeof(out));
					sane = sane && out.len == written &&
					       out.unique == 7 && out.error <= 0 &&
					       out.error > -512;
					replies++;
				} else {
					sane = sane && written == 0;
				}
			}
		}
	}
	c.room = 0;
	ok(sane && replies > 1000, "%u replies to wrong lengths are well-formed",
	   replies);
}

static void test_headers(uint64_t root)
{
	struct fuse_in_header h = { .opcode = FUSE_GETATTR, .nodeid = root, .unique = 9 };
	struct fuse_getattr_in ga = { 0 };
	struct fuse_out_header out;
	char short_name[40 + 5];

	for (uint32_t len = 0; len < 40; len++)
		fc_check(fc_raw(&c, &h, len) == 0);
	ok(true, "less than a header has no answer");
	for (uint32_t i = 0; i < 3; i++) {
		static const uint32_t lies[] = { 0, 39, 0xffffffff };

		h.len = lies[i];
		is_int(fc_raw(&c, &h, sizeof(h)), sizeof(out), "a header that says %u",
		       lies[i]);
		memcpy(&out, c.in, sizeof(out));
		is_int(out.error, -EIO, "is an error");
	}
	h.opcode = FUSE_LOOKUP;
	h.len = sizeof(short_name);
	memcpy(short_name, &h, sizeof(h));
	memset(short_name + 40, 'n', 5);
	is_int(fc_raw(&c, short_name, sizeof(short_name)), sizeof(out),
	       "a name without end");
	memcpy(&out, c.in, sizeof(out));
	is_int(out.error, -EINVAL, "is an error");
	is_int(fc_call(&c, FUSE_RENAME, root, FC_ARGS({ "\1\0\0\0\0\0\0\0a", 10 })),
	       -EINVAL, "RENAME with one name");
	is_int(fc_call(&c, FUSE_SYMLINK, root, FC_ARGS({ "x\0no end", 8 })), -EINVAL,
	       "SYMLINK without an end");
	is_int(fc_write_as(&c, 0x100000002, 0, "x", 1, 0, 0), -EBADF,
	       "a handle of nobody");
	fc_forget(&c, root, -1ull);
	fc_forget(&c, 1, -1ull);
	fc_forget(&c, 77, 1);
	is_int(fc_getattr(&c, root, NULL), 0, "roots cannot be forgotten");
	c.room = 15;
	is_int(fc_call(&c, FUSE_GETATTR, root, FC_ARGS(FC_VAR(ga))), 0,
	       "no room for a reply's header");
	ok(c.no_reply, "has no reply");
	c.room = 16 + 103;
	is_int(fc_getattr(&c, root, NULL), -EIO, "no room for the reply");
	c.room = 0;
}

/*
 * Requests made of valid parts in random order: ids that were given out, or nearly;
 * names from a short list; numbers at the edges.
 */
static void one_random(uint64_t *ids, size_t n_ids)
{
	static const char *const names[] = { "file",    "dir",      "a",     "b",
					     "out-dir", "out-file", "..",    ".",
					     "a/b",     "",         "twice", "0" };
	static const uint64_t edges[] = { 0,          1,     2,         4096,
					  0x7fffffff, -1ull, INT64_MAX, 1ull << 32 };
	struct fuse_in_header h = {
		.opcode = (uint32_t)(next_random() % FS_OPCODES),
		.unique = 1,
		.nodeid = ids[next_random() % n_ids],
		.uid = next_random() % 4 ? 0 : 1000,
	};
	char buf[512];
	size_t len = sizeof(h), fixed = next_random() % 13 * 8;
	struct fuse_out_header out;
	uint64_t id;

	if (h.opcode == FUSE_DESTROY || h.opcode == FUSE_INIT || h.opcode == FUSE_SYNCFS)
		return;
	if (next_random() % 64 == 0)
		h.nodeid += 1ull << 32;
	for (size_t i = 0; i < fixed; i += 8) {
		uint64_t v = next_random() % 3 ? edges[next_random() % ARRAY_SIZE(edges)]
					       : ids[next_random() % n_ids];

		memcpy(buf + len, &v, sizeof(v));
		len += sizeof(v);
	}
	for (uint64_t i = next_random() % 3; i; i--) {
		const char *s = names[next_random() % ARRAY_SIZE(names)];

		memcpy(buf + len, s, strlen(s) + 1);
		len += strlen(s) + 1;
	}
	h.len = (uint32_t)len;
	memcpy(buf, &h, sizeof(h));
	c.split = next_random() % 4 ? 0 : 1 + next_random() % 64;
	c.room = next_random() % 8 ? 8192 : 1 + next_random() % 300;
	if (fc_raw(&c, buf, len) < sizeof(out) + sizeof(id))
		return;
	memcpy(&out, c.in, sizeof(out));
	memcpy(&id, c.in + sizeof(out), sizeof(id));
	if (out.error == 0 && id)
		ids[next_random() % (n_ids - 4) + 4] =
			id; /* a node, a handle, whatever */
}

static void test_random(uint64_t root)
{
	enum {
		ROUNDS = 100000
	};
	uint64_t ids[32];

	for (size_t i = 0; i < ARRAY_SIZE(ids); i++)
		ids[i] = root;
	ids[0] = 1;
	ids[1] = fc_node(&c, root, "file");
	ids[2] = fc_node(&c, root, "dir");
	for (int i = 0; i < ROUNDS; i++)
		one_random(ids, ARRAY_SIZE(ids));
	c.split = c.room = 0;
	is_int(fc_getattr(&c, root, NULL), 0, "alive after %d random requests", ROUNDS);
	is_str(host_read(base, "beside"), "untouched",
	       "what lies beside the root is untouched");
}

/* keep_small() - what the random requests write must not fill the disk. */
static void keep_small(void)
{
	struct rlimit limit = { .rlim_cur = 1 << 20, .rlim_max = 1 << 20 };

	fc_check(setrlimit(RLIMIT_FSIZE, &limit) == 0);
	fc_check(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
}

int main(void)
{
	unsigned int before = fc_count_fds();
	uint64_t root;

	keep_small();
	base = fc_tmp(tmp, sizeof(tmp));
	fc_check(mkdirat(base, "root", 0755) == 0);
	host_write(base, "beside", "untouched");
	host = openat(base, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	plant();
	fc_new(&c, &host, 1, false, true, 4);
	fc_check(fc_init(&c) == 0);
	root = fc_root(&c, 0);
	test_out(root);
	test_headers(root);
	test_lengths(root);
	plant();
	test_random(root);
	is_int(fc_call(&c, FUSE_DESTROY, 0, NULL, 0), 0, "DESTROY");
	is_int(c.fs->inodes.used, 1, "frees all records but the root");
	is_int(c.fs->handles.used, 0, "and all handles");
	is_int(c.fs->pins, 0, "and what was kept without a name");
	fc_free(&c);
	fc_rm_tree(tmp);
	(void)close(host);
	(void)close(base);
	is_int(fc_count_fds(), before, "no descriptor is left");
	return tap_done();
}
