/* SPDX-License-Identifier: Apache-2.0 */
/* One request: header, table of operations, reply. */
#include <errno.h>
#include <string.h>

#include "lib/cleanup.h"
#include "vmm/fs/ops.h"
#include "vmm/fs/server.h"

#define MAX_TRIES 8 /* of a request whose file is renamed all the time */

enum op_flags {
	OP_NO_NODE = 1 << 0, /* the node id is not looked at */
	OP_NO_REPLY = 1 << 1,
	OP_CHANGES = 1 << 2, /* EROFS in a read-only root */
	OP_ANY_TIME = 1 << 3, /* also before INIT */
	OP_ON_TOP = 1 << 4, /* makes sense for the device's own root directory */
	OP_NAMES = 1 << 5, /* calls fs_names_begin() */
	OP_GATED = 1 << 6, /* waits at a closed gate: see gate.h */
	OP_FILLS = 1 << 7, /* writes file data into guest memory: likewise */
};

struct op {
	const char *name;
	fs_op_fn *fn; /* NULL: ENOSYS, and the guest does without from then on */
	uint16_t
		max_out; /* (bytes) of a reply whose length is fixed: room must be there */
	uint16_t flags;
};

#define ENTRY sizeof(struct fuse_entry_out)
#define ATTR sizeof(struct fuse_attr_out)
#define CHANGES (OP_CHANGES | OP_GATED)

/*
 * Those without a function, and why: ACCESS (the guest's kernel decides),
 * SETLKW (op_lock.c), BMAP, POLL (files are always ready).
 */
static const struct op ops[FS_OPCODES] = {
	[FUSE_LOOKUP] = { "LOOKUP", fs_op_lookup, ENTRY, OP_ON_TOP },
	[FUSE_FORGET] = { "FORGET", fs_op_forget, 0, OP_NO_NODE | OP_NO_REPLY },
	[FUSE_GETATTR] = { "GETATTR", fs_op_getattr, ATTR, OP_ON_TOP },
	[FUSE_SETATTR] = { "SETATTR", fs_op_setattr, ATTR, CHANGES },
	[FUSE_READLINK] = { "READLINK", fs_op_readlink, 0, 0 },
	[FUSE_SYMLINK] = { "SYMLINK", fs_op_symlink, ENTRY, CHANGES },
	[FUSE_MKNOD] = { "MKNOD", fs_op_mknod, ENTRY, CHANGES },
	[FUSE_MKDIR] = { "MKDIR", fs_op_mkdir, ENTRY, CHANGES },
	[FUSE_UNLINK] = { "UNLINK", fs_op_unlink, 0, CHANGES | OP_NAMES },
	[FUSE_RMDIR] = { "RMDIR", fs_op_rmdir, 0, CHANGES | OP_NAMES },
	[FUSE_RENAME] = { "RENAME", fs_op_rename, 0, CHANGES | OP_NAMES },
	[FUSE_LINK] = { "LINK", fs_op_link, ENTRY, CHANGES },
	[FUSE_OPEN] = { "OPEN", fs_op_open, sizeof(struct fuse_open_out), 0 },
	[FUSE_READ] = { "READ", fs_op_read, 0, OP_NO_NODE | OP_FILLS },
	[FUSE_WRITE] = { "WRITE", fs_op_write, sizeof(struct fuse_write_out),
			 OP_NO_NODE | OP_GATED },
	[FUSE_STATFS] = { "STATFS", fs_op_statfs, sizeof(struct fuse_statfs_out),
			  OP_ON_TOP },
	[FUSE_RELEASE] = { "RELEASE", fs_op_release, 0, OP_NO_NODE },
	[FUSE_FSYNC] = { "FSYNC", fs_op_fsync, 0, OP_NO_NODE },
	[FUSE_SETXATTR] = { "SETXATTR", fs_op_setxattr, 0, CHANGES },
	[FUSE_GETXATTR] = { "GETXATTR", fs_op_getxattr, 0, OP_ON_TOP },
	[FUSE_LISTXATTR] = { "LISTXATTR", fs_op_listxattr, 0, OP_ON_TOP },
	[FUSE_REMOVEXATTR] = { "REMOVEXATTR", fs_op_removexattr, 0, CHANGES },
	[FUSE_FLUSH] = { "FLUSH", fs_op_flush, 0, OP_NO_NODE },
	[FUSE_INIT] = { "INIT", fs_op_init, sizeof(struct fuse_init_out),
			OP_NO_NODE | OP_ANY_TIME },
	[FUSE_OPENDIR] = { "OPENDIR", fs_op_opendir, sizeof(struct fuse_open_out),
			   OP_ON_TOP },
	[FUSE_READDIR] = { "READDIR", fs_op_readdir, 0, OP_NO_NODE },
	[FUSE_RELEASEDIR] = { "RELEASEDIR", fs_op_releasedir, 0, OP_NO_NODE },
	[FUSE_FSYNCDIR] = { "FSYNCDIR", fs_op_fsyncdir, 0, OP_NO_NODE },
	[FUSE_GETLK] = { "GETLK", fs_op_getlk, sizeof(struct fuse_lk_out), OP_NO_NODE },
	[FUSE_SETLK] = { "SETLK", fs_op_setlk, 0, OP_NO_NODE },
	[FUSE_SETLKW] = { "SETLKW", NULL, 0, OP_NO_NODE },
	[FUSE_ACCESS] = { "ACCESS", NULL, 0, OP_NO_NODE },
	[FUSE_CREATE] = { "CREATE", fs_op_create, ENTRY + sizeof(struct fuse_open_out),
			  CHANGES },
	[FUSE_INTERRUPT] = { "INTERRUPT", fs_op_interrupt, 0, OP_NO_NODE | OP_NO_REPLY },
	[FUSE_BMAP] = { "BMAP", NULL, 0, OP_NO_NODE },
	[FUSE_DESTROY] = { "DESTROY", fs_op_destroy, 0, OP_NO_NODE },
	[FUSE_IOCTL] = { "IOCTL", NULL, 0, OP_NO_NODE },
	[FUSE_POLL] = { "POLL", NULL, 0, OP_NO_NODE },
	[FUSE_BATCH_FORGET] = { "BATCH_FORGET", fs_op_batch_forget, 0,
				OP_NO_NODE | OP_NO_REPLY },
	[FUSE_FALLOCATE] = { "FALLOCATE", fs_op_fallocate, 0, OP_NO_NODE | OP_GATED },
	[FUSE_READDIRPLUS] = { "READDIRPLUS", fs_op_readdirplus, 0, OP_NO_NODE },
	[FUSE_RENAME2] = { "RENAME2", fs_op_rename2, 0, CHANGES | OP_NAMES },
	[FUSE_LSEEK] = { "LSEEK", fs_op_lseek, sizeof(struct fuse_lseek_out),
			 OP_NO_NODE },
	[FUSE_COPY_FILE_RANGE] = { "COPY_FILE_RANGE", fs_op_copy_file_range,
				   sizeof(struct fuse_write_out), OP_NO_NODE | OP_GATED },
	[FUSE_SETUPMAPPING] = { "SETUPMAPPING", fs_op_setupmapping, 0, 0 },
	[FUSE_REMOVEMAPPING] = { "REMOVEMAPPING", fs_op_removemapping, 0, OP_NO_NODE },
	[FUSE_SYNCFS] = { "SYNCFS", fs_op_syncfs, 0, OP_ON_TOP },
	[FUSE_TMPFILE] = { "TMPFILE", fs_op_tmpfile, ENTRY + sizeof(struct fuse_open_out),
			   CHANGES },
	[FUSE_WATCH] = { "WATCH", fs_op_watch, 0, OP_ON_TOP },
};

const char *fs_opcode_name(unsigned int opcode)
{
	return opcode < FS_OPCODES ? ops[opcode].name : NULL;
}

int fs_pass_gate(struct fs_req *r, enum fs_gate_kind kind)
{
	int ret = r->entered[kind] ? 0 : fs_gate_enter(r->fs, kind);

	if (ret == 0)
		r->entered[kind] = true;
	return ret;
}

static void leave_gate(const struct fs_req *r)
{
	for (unsigned int i = 0; i < FS_GATE_KINDS; i++)
		if (r->entered[i])
			fs_gate_leave(r->fs, (enum fs_gate_kind)i);
}

/* call() - what fails anyway has failed before: it need not wait. */
static int call(struct fs_req *r, const struct op *op, struct fs_inode *inode)
{
	int ret = op->flags & OP_GATED ? fs_pass_gate(r, FS_GATE_CHANGE) : 0;

	if (ret == 0 && op->flags & OP_FILLS)
		ret = fs_pass_gate(r, FS_GATE_FILL);
	if (ret == 0)
		ret = op->fn(r, inode);
	fs_touch_end(r, ret);
	return ret;
}

static int run_node(struct fs_req *r, const struct op *op)
{
	struct fs_inode *inode = fs_inode_get(r->fs, r->h.nodeid);
	int ret;

	if (!inode)
		return -ESTALE;
	if (!inode->root && !(op->flags & OP_ON_TOP))
		ret = op->flags & OP_CHANGES ? -EROFS : -EOPNOTSUPP;
	else if (inode->root && inode->root->readonly && (op->flags & OP_CHANGES))
		ret = -EROFS;
	else
		ret = call(r, op, inode);
	fs_inode_put(r->fs, inode);
	return ret;
}

static int run(struct fs_req *r, const struct op *op)
{
	if (!op->fn)
		return r->h.opcode == FUSE_IOCTL ? -ENOTTY : -ENOSYS;
	if (!(op->flags & OP_ANY_TIME) && !atomic_load(&r->fs->initialised))
		return -EIO;
	if (r->reply.left < op->max_out)
		return -EIO;
	if (op->flags & OP_NO_NODE)
		return call(r, op, NULL);
	return fs_offer_is_dir(r->h.nodeid) ? fs_offer_serve(r) : run_node(r, op);
}

/*
 * run_again() - as long as names change under it, a missing file may be a moved one.
 * In the end the others have to wait for this one.
 */
static int run_again(struct fs_req *r, const struct op *op)
{
	struct fs_cursor args = r->args, reply = r->reply;
	uint64_t count;
	int ret;

	if (op->flags & OP_NO_NODE)
		return run(r, op); /* by handle: nothing is looked for */
	for (int i = 0; i < MAX_TRIES; i++) {
		count = fs_names_count(r->fs);
		ret = run(r, op);
		if (ret != -ESTALE || !fs_names_wait(r->fs, count))
			return ret;
		r->args = args;
		r->reply = reply;
		r->replied = 0;
	}
	if (op->flags & OP_NAMES)
		return ret;
	fs_names_hold(r->fs);
	ret = run(r, op);
	fs_names_release(r->fs);
	return ret;
}

/* to_guest() - an error number that means the same to the guest. */
static int32_t to_guest(int ret)
{
	if (ret == -EMFILE)
		return -ENFILE; /* our limit of descriptors, not the caller's */
	return ret < -511 ? -EIO : ret;
}

static uint32_t reply(struct fs_req *r, struct fs_cursor *at, int ret)
{
	struct fuse_out_header h = { .unique = r->h.unique };

	if (ret < 0)
		r->replied = 0;
	h.len = (uint32_t)(sizeof(h) + r->replied);
	h.error = ret < 0 ? to_guest(ret) : 0;
	if (fs_cursor_put(at, &h, sizeof(h)) < 0)
		return 0;
	return h.len;
}

/*
 * keep_head() - where the reply's header goes, in as many pieces as the guest made of
 * it: it is written last, and READ changes the list of buffers.
 */
static unsigned int keep_head(struct iovec *head, size_t len, const struct iovec *in,
			      unsigned int n_in)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < n_in && len; i++) {
		if (!in[i].iov_len)
			continue;
		head[n] = in[i];
		if (head[n].iov_len > len)
			head[n].iov_len = len;
		len -= head[n++].iov_len;
	}
	return n;
}

uint32_t fs_refuse(struct iovec *out, unsigned int n_out, struct iovec *in,
		   unsigned int n_in, int ret)
{
	struct fs_req r = { 0 };

	fs_cursor_init(&r.args, out, n_out);
	fs_cursor_init(&r.reply, in, n_in);
	if (fs_req_get(&r, &r.h, sizeof(r.h)) < 0)
		return 0;
	return reply(&r, &r.reply, ret);
}

uint32_t fs_serve(struct fs_worker *w, struct iovec *out, unsigned int n_out,
		  struct iovec *in, unsigned int n_in)
{
	static const struct op unknown = { "?", NULL, 0, OP_NO_NODE };
	struct fs_req r = { .fs = w->fs, .worker = w };
	struct fuse_out_header room;
	struct iovec head[sizeof(room)];
	struct fs_cursor at;
	const struct op *op;
	unsigned int opcode, n_head;
	size_t body;
	int ret;

	fs_cursor_init(&r.args, out, n_out);
	fs_cursor_init(&r.reply, in, n_in);
	if (fs_req_get(&r, &r.h, sizeof(r.h)) < 0)
		return 0; /* not even a number to answer to */

	n_head = keep_head(head, sizeof(room), in, n_in);
	fs_cursor_init(&at, head, n_head);

	opcode = r.h.opcode < FS_OPCODES && ops[r.h.opcode].name ? r.h.opcode : 0;
	atomic_fetch_add_explicit(&w->fs->counts[opcode], 1, memory_order_relaxed);
	op = opcode ? &ops[opcode] : &unknown;
	if (!(op->flags & OP_NO_REPLY) &&
	    fs_cursor_get(&r.reply, &room, sizeof(room)) < 0)
		return 0;

	body = r.h.len - sizeof(r.h);
	if (r.h.len < sizeof(r.h) || body > r.args.left) {
		ret = -EIO;
	} else {
		r.args.left = body;
		ret = run_again(&r, op);
	}
	leave_gate(&r);
	if (ret == -FS_PARK)
		return FS_PARKED;
	if (ret == -FS_WAIT)
		return FS_WAITS;
	return op->flags & OP_NO_REPLY ? 0 : reply(&r, &at, ret);
}
