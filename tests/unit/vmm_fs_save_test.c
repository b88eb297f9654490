/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vmm/fs/save.c: a mounted file system that the guest has not looked into is saved, its
 * driver goes on with the device of a new machine; one that it uses is not.
 */
#include "lib/buf.h"
#include "tests/unit/fs_rig.h"
#include "vmm/snapshot/sections.h"

static int save(struct rig *r, struct buf *out, struct err *err)
{
	return r->dev->ops->save(r->dev, out, err);
}

static void run(struct rig *r)
{
	fake_device_init(&r->fd, r->dev);
	fake_check(fs_start(r->dev, NULL) == 0);
	fake_check(fake_device_activate(&r->fd, NULL) == 0);
}

/* device() - a new one, with the root `host`; @shared: submounts are offered. */
static void device(struct rig *r, bool shared)
{
	struct fs_root_params root = { .fd = fcntl(host, F_DUPFD_CLOEXEC, 0),
				       .data_fd = -1 };
	struct fs_params params = {
		.mem = &r->fm.mem,
		.tag = "tag",
		.roots = &root,
		.n_roots = 1,
		.max_workers = 2,
		.on_thread = on_thread,
		.shared = shared,
	};

	fake_check(fs_new(&params, &r->dev, NULL) == 0);
}

static void rig_begin(struct rig *r, bool shared)
{
	memset(r, 0, sizeof(*r));
	fake_memory_init(&r->fm, 16 << 20);
	device(r, shared);
	rig_queues(r);
	run(r);
}

static void device_end(struct rig *r)
{
	fake_device_reset(&r->fd);
	r->dev->ops->free(r->dev);
}

static void rig_end(struct rig *r)
{
	int hi = r->hi.call_fd, rq = r->rq.call_fd;

	device_end(r);
	(void)close(hi);
	(void)close(rq);
	fake_memory_release(&r->fm);
}

static void move_queue(struct fake_queue *fq, struct vq *to, struct buf *state)
{
	struct sections in = { .data = state->data, .len = state->len };

	fake_check(vq_load(to, &in, NULL) == 0);
	vq_set_call_fd(to, fq->call_fd);
	fq->vq = to;
}

/* move() - @r goes on with a device of a new machine, in which @state was loaded. */
static int move(struct rig *r, bool shared, const struct buf *state, struct err *err)
{
	struct sections in = { .data = state->data, .len = state->len };
	auto_buf struct buf hi = BUF_INIT;
	auto_buf struct buf rq = BUF_INIT;
	int ret;

	fake_check(vq_save(r->hi.vq, &hi, NULL) == 0);
	fake_check(vq_save(r->rq.vq, &rq, NULL) == 0);
	device_end(r);
	device(r, shared);
	move_queue(&r->hi, &r->dev->queues[0], &hi);
	move_queue(&r->rq, &r->dev->queues[1], &rq);
	ret = r->dev->ops->load(r->dev, &in, err);
	run(r);
	return ret;
}

static void init_with(struct rig *r, uint32_t flags)
{
	struct fuse_init_in in = { .major = 7, .minor = 38, .flags = flags };
	struct fuse_init_out out;

	fake_check(ask(r, FUSE_INIT, 0, &in, sizeof(in), &out, sizeof(out)) == 0);
}

/* saved_and_moved() - Return: is the root directory a submount afterwards? */
static bool saved_and_moved(struct rig *r)
{
	auto_buf struct buf state = BUF_INIT;
	struct fuse_entry_out e = { 0 };
	struct err err = ERR_INIT;

	is_int(save(r, &state, &err), 0, "mounted, and not looked into: saved");
	is_int(move(r, true, &state, &err), 0, "loaded");
	is_int(ask(r, FUSE_LOOKUP, 1, "0", 2, &e, sizeof(e)), 0,
	       "without another INIT requests are served");
	(void)ask_lookup(r, e.nodeid, "file");
	return e.attr.flags & FUSE_ATTR_SUBMOUNT;
}

static void test_mounted(void)
{
	struct rig r;

	rig_begin(&r, true);
	init_with(&r, ~0u);
	ok(saved_and_moved(&r), "with what INIT had agreed on: submounts");
	rig_end(&r);
	rig_begin(&r, true);
	init_with(&r, ~(uint32_t)FUSE_SUBMOUNTS);
	ok(!saved_and_moved(&r), "or none of them");
	rig_end(&r);
}

static void test_not_mounted(void)
{
	auto_buf struct buf state = BUF_INIT;
	struct fuse_entry_out e = { 0 };
	struct err err = ERR_INIT;
	struct rig r;

	rig_begin(&r, false);
	is_int(save(&r, &state, &err), 0, "nobody has mounted it: saved");
	is_int(move(&r, false, &state, &err), 0, "loaded");
	ok(ask(&r, FUSE_LOOKUP, 1, "0", 2, &e, sizeof(e)) < 0,
	   "before INIT no request is served");
	ask_init(&r);
	(void)ask_lookup(&r, 1, "0");
	rig_end(&r);
}

static void not_now(struct rig *r, const char *what)
{
	auto_buf struct buf state = BUF_INIT;
	struct err err = ERR_INIT;

	is_int(save(r, &state, &err), -EAGAIN, "%s: not now", what);
	is_str(err.msg, "the guest uses files", "and why");
	is_int(state.len, 0, "and nothing is written");
}

static void test_used(void)
{
	struct fuse_open_in open = { .flags = O_RDONLY | O_DIRECTORY };
	struct fuse_release_in release = { 0 };
	auto_buf struct buf state = BUF_INIT;
	struct fuse_open_out out;
	uint64_t root;
	struct rig r;

	rig_begin(&r, false);
	ask_init(&r);
	is_int(ask(&r, FUSE_OPENDIR, 1, &open, sizeof(open), &out, sizeof(out)), 0,
	       "OPENDIR");
	not_now(&r, "a directory is open");
	release.fh = out.fh;
	is_int(ask(&r, FUSE_RELEASEDIR, 1, &release, sizeof(release), NULL, 0), 0,
	       "RELEASEDIR");
	is_int(save(&r, &state, NULL), 0, "when it is not any more, it can be saved");
	root = ask_lookup(&r, 1, "0");
	not_now(&r, "a root was looked up");
	(void)ask_lookup(&r, root, "file");
	not_now(&r, "a file was looked up");
	ask_init(&r);
	is_int(save(&r, &state, NULL), 0, "a new mount knows nothing of that");
	rig_end(&r);
}

static void test_of_another(void)
{
	auto_buf struct buf state = BUF_INIT;
	struct err err = ERR_INIT;
	struct fuse_entry_out e;
	struct rig r;

	rig_begin(&r, false);
	section_put(&state, SECTION_TAG('f', 'u', 's', 'e'), "1234", 4);
	is_int(move(&r, false, &state, &err), -EPROTO, "a state of another length");
	is_str(err.msg, "section 'fuse' has 4 bytes, not 8", "is refused by name");
	ok(ask(&r, FUSE_LOOKUP, 1, "0", 2, &e, sizeof(e)) < 0, "and changes nothing");
	rig_end(&r);
}

int main(void)
{
	unsigned int before = fc_count_fds();

	host = fc_tmp(tmp, sizeof(tmp));
	host_write(host, "file", "text");
	test_mounted();
	test_not_mounted();
	test_used();
	test_of_another();
	fc_rm_tree(tmp);
	(void)close(host);
	is_int(fc_count_fds(), before, "no descriptor is left");
	return tap_done();
}
