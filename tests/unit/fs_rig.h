/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A virtio-fs device with its threads over a fake driver: requests go out with
 * rig_send(), come back with await(), or both with ask().  One root: the folder `host`.
 */
#ifndef HULL_TESTS_UNIT_FS_RIG_H
#define HULL_TESTS_UNIT_FS_RIG_H

#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>

#include "tests/unit/fake_driver.h"
#include "tests/unit/fuse_client.h"
#include "vmm/fs/pool.h"

#define DEADLINE_MS 20000

static char tmp[256];
static int host;

struct rig {
	struct fake_memory fm;
	struct fake_queue hi, rq;
	struct fake_device fd;
	struct virtio_device *dev;
	gpa_t replies[VQ_MAX_SIZE]; /* by head */
	uint64_t unique;
};

static int thread_calls;

static inline int on_thread(void *arg, struct err *err)
{
	thread_calls++;
	return arg ? err_msg(err, EPERM, "no filter") : 0;
}

static inline int make(struct rig *r, const char *tag, void *arg, unsigned int max,
		       struct err *err)
{
	struct fs_root_params root = { .fd = fcntl(host, F_DUPFD_CLOEXEC, 0),
				       .data_fd = -1 };
	struct fs_params params = {
		.mem = &r->fm.mem,
		.tag = tag,
		.roots = &root,
		.n_roots = 1,
		.max_workers = max,
		.on_thread = on_thread,
		.on_thread_arg = arg,
	};

	return fs_new(&params, &r->dev, err);
}

static inline void rig_queues(struct rig *r)
{
	fake_queue_init(&r->hi, &r->fm, &r->dev->queues[0], 128, FAKE_EVENT_IDX);
	fake_queue_init(&r->rq, &r->fm, &r->dev->queues[1], 1024,
			FAKE_EVENT_IDX | FAKE_INDIRECT);
}

/* rig_send() - Return: the head */
static inline uint16_t rig_send(struct rig *r, struct fake_queue *q, uint32_t opcode,
				uint64_t node, const void *arg, size_t len, uint32_t room)
{
	struct fuse_in_header h = {
		.len = (uint32_t)(sizeof(h) + len),
		.opcode = opcode,
		.unique = ++r->unique,
		.nodeid = node,
	};
	gpa_t reply = room ? fake_alloc(&r->fm, room, 8) : 0;
	struct fake_buf out[] = {
		{ fake_data(&r->fm, &h, sizeof(h)), sizeof(h) },
		{ fake_data(&r->fm, arg, len), (uint32_t)len },
	};
	struct fake_buf in = { reply, room };
	uint16_t head = fake_add(q, out, len ? 2 : 1, &in, room ? 1 : 0);

	r->replies[head] = reply;
	fake_kick(q);
	return head;
}

/* await() - the next chain that comes back, or -1 after the deadline. */
static inline int await(struct fake_queue *q)
{
	uint16_t head;

	for (;;) {
		struct pollfd p = { .fd = q->call_fd, .events = POLLIN };

		if (fake_used(q, &head, NULL))
			return head;
		if (poll(&p, 1, DEADLINE_MS) <= 0)
			return -1;
		(void)fake_interrupts(q);
	}
}

static inline int error_of(struct rig *r, int head)
{
	struct fuse_out_header h;

	fc_check(head >= 0);
	memcpy(&h, fake_host(&r->fm, r->replies[head], sizeof(h)), sizeof(h));
	return h.error;
}

static inline int ask(struct rig *r, uint32_t opcode, uint64_t node, const void *arg,
		      size_t len, void *out, size_t out_len)
{
	int head, ret;

	(void)rig_send(r, &r->rq, opcode, node, arg, len, (uint32_t)(16 + out_len));
	head = await(&r->rq);
	ret = error_of(r, head);
	if (ret == 0 && out_len)
		memcpy(out,
		       (char *)fake_host(&r->fm, r->replies[head], 16 + out_len) + 16,
		       out_len);
	return ret;
}

static inline uint64_t ask_lookup(struct rig *r, uint64_t dir, const char *name)
{
	struct fuse_entry_out e = { 0 };

	is_int(ask(r, FUSE_LOOKUP, dir, name, strlen(name) + 1, &e, sizeof(e)), 0,
	       "LOOKUP of %s", name);
	return e.nodeid;
}

static inline void ask_init(struct rig *r)
{
	struct fuse_init_in in = { .major = 7, .minor = 38, .flags = ~0u };
	struct fuse_init_out out;

	is_int(ask(r, FUSE_INIT, 0, &in, sizeof(in), &out, sizeof(out)), 0, "INIT");
}

/* rig_begin_with() - a device of @params, one root @root and guest memory, mounted. */
static inline void rig_begin_with(struct rig *r, const struct fs_params *params,
				  const struct fs_root_params *root)
{
	struct fs_params p = *params;

	fake_memory_init(&r->fm, 16 << 20);
	p.mem = &r->fm.mem;
	p.tag = "rig";
	p.roots = root;
	p.n_roots = 1;
	fc_check(fs_new(&p, &r->dev, NULL) == 0);
	fake_device_init(&r->fd, r->dev);
	rig_queues(r);
	fc_check(fs_start(r->dev, NULL) == 0);
	fc_check(fake_device_activate(&r->fd, NULL) == 0);
	ask_init(r);
}

#endif
