/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The device with its threads, over a fake driver: requests side by side, slow ones
 * that hold up nobody, reset with work in flight.
 */
#include <linux/virtio_fs.h>

#include "tests/unit/fs_rig.h"

static unsigned int count_threads(void)
{
	DIR *d = opendir("/proc/self/task");
	unsigned int n = 0;

	fc_check(d);
	while (readdir(d))
		n++;
	(void)closedir(d);
	return n - 2;
}

/* threads_left() - one that was joined stands in /proc for a moment more: wait for it. */
static unsigned int threads_left(void)
{
	for (unsigned int i = 0; i < 10000 && count_threads() != 1; i++)
		fake_check(poll(NULL, 0, 1) == 0);
	return count_threads();
}

static void test_errors(void)
{
	char longest[40] = "0123456789012345678901234567890123456";
	struct rig r = { 0 };
	struct err err = ERR_INIT;
	unsigned int before = fc_count_fds();

	fake_memory_init(&r.fm, 1 << 20);
	is_int(make(&r, "", NULL, 0, &err), -EINVAL, "no tag");
	is_int(make(&r, longest, NULL, 0, &err), -EINVAL, "37 bytes of tag");
	longest[36] = '\0';
	is_int(make(&r, longest, NULL, 0, &err), 0, "36 bytes");
	r.dev->ops->free(r.dev);
	is_int(make(&r, "t", &r, 0, &err), 0, "a device");
	is_int(fs_start(r.dev, &err), -EPERM, "whose thread cannot be jailed");
	ok(strstr(err.msg, "no filter"), "says why: %s", err.msg);
	r.dev->ops->free(r.dev);
	is_int(fc_count_fds(), before, "no descriptor is left");
	is_int(threads_left(), 1, "no thread is left");
	fake_memory_release(&r.fm);
}

static void test_config(struct rig *r)
{
	const struct virtio_fs_config *c = r->dev->config;

	is_int(r->dev->id, 26, "device id");
	is_int(r->dev->n_queues, 2, "queues");
	is_int(r->dev->queues[1].max_size, 1024, "size of the request queue");
	ok(r->dev->config_size == sizeof(*c) && memcmp(c->tag, "private\0", 8) == 0 &&
		   c->num_request_queues == 1,
	   "configuration");
}

static void test_many(struct rig *r, uint64_t node)
{
	enum {
		READS = 200,
		SIZE = 512
	};
	struct fuse_open_in open = { .flags = O_RDONLY };
	struct fuse_read_in in = { .size = SIZE };
	struct fuse_open_out out;
	unsigned int good = 0, came = 0;
	bool seen[VQ_MAX_SIZE] = { false };

	is_int(ask(r, FUSE_OPEN, node, &open, sizeof(open), &out, sizeof(out)), 0,
	       "OPEN");
	in.fh = out.fh;
	for (unsigned int i = 0; i < READS; i++) {
		in.offset = i * 7;
		(void)rig_send(r, &r->rq, FUSE_READ, node, &in, sizeof(in), 16 + SIZE);
	}
	while (came < READS) {
		int head = await(&r->rq);

		if (head < 0 || seen[head])
			break;
		seen[head] = true;
		good += error_of(r, head) == 0;
		came++;
	}
	is_int(good, READS, "%d READs at once, all answered", READS);
}

/*
 * Slow requests, made with the server's own waiting: a name change under way that
 * does not end, and GETATTRs of a file that the host took away.
 */
static void test_slow(struct rig *r, struct fs_server *fs, uint64_t root,
		      unsigned int max)
{
	struct fuse_getattr_in in = { 0 };
	uint64_t node;
	unsigned int stale = 0;

	host_write(host, "vanishing", "");
	node = ask_lookup(r, root, "vanishing");
	(void)unlinkat(host, "vanishing", 0);
	fs_names_begin(fs);
	for (unsigned int i = 0; i + 1 < max; i++)
		(void)rig_send(r, &r->rq, FUSE_GETATTR, node, &in, sizeof(in), 200);
	for (int i = 0; i < 20; i++)
		fc_check(ask_lookup(r, root, "file"));
	ok(count_threads() <= 1 + max, "%u slow requests hold up nobody, with %u threads",
	   max - 1, count_threads() - 1);
	fs_names_end(fs, true);
	for (unsigned int i = 0; i + 1 < max; i++)
		stale += error_of(r, await(&r->rq)) == -ESTALE;
	is_int(stale, max - 1, "and are answered in the end");
}

/* test_relaxed() - what is flushed to disk before a VM's end, and what no more. */
static void test_relaxed(struct rig *r)
{
	/* The files of proc refuse fsync(): so one that was called is seen. */
	struct fs_root_params proc = { .fd = open("/proc/self", O_RDONLY | O_CLOEXEC),
				       .data_fd = -1,
				       .index = 1 };
	struct fuse_open_in in = { .flags = O_RDONLY };
	struct fuse_open_out out;
	struct fuse_fsync_in sync = { 0 };
	uint64_t node;

	is_int(fs_add_root(r->dev, &proc, NULL), 0, "fs_add_root");
	node = ask_lookup(r, ask_lookup(r, 1, "1"), "comm");
	is_int(ask(r, FUSE_OPEN, node, &in, sizeof(in), &out, sizeof(out)), 0, "OPEN");
	sync.fh = out.fh;
	is_int(ask(r, FUSE_FSYNC, node, &sync, sizeof(sync), NULL, 0), -EINVAL,
	       "FSYNC is the host's fsync()");
	fs_relax_sync(r->dev);
	is_int(ask(r, FUSE_FSYNC, node, &sync, sizeof(sync), NULL, 0), 0,
	       "and after fs_relax_sync() it is not");
	is_int(ask(r, FUSE_SYNCFS, 1, &(struct fuse_syncfs_in){ 0 },
		   sizeof(struct fuse_syncfs_in), NULL, 0),
	       0, "SYNCFS is answered");
}

static void *resetter(void *arg)
{
	struct rig *r = arg;

	fake_device_reset(&r->fd);
	return NULL;
}

static void test_reset(struct rig *r, struct fs_server *fs, uint64_t root)
{
	struct fuse_getattr_in in = { 0 };
	pthread_t t;
	uint64_t node;

	host_write(host, "vanishing", "");
	node = ask_lookup(r, root, "vanishing");
	(void)unlinkat(host, "vanishing", 0);
	fs_names_begin(fs);
	(void)rig_send(r, &r->rq, FUSE_GETATTR, node, &in, sizeof(in), 200);
	fc_check(ask_lookup(
		r, root, "file")); /* the other one is being served by now, or will be */
	fc_check(pthread_create(&t, NULL, resetter, r) == 0);
	fs_names_end(fs, true);
	fc_check(pthread_join(t, NULL) == 0);
	ok(true, "reset waits for what is in flight");
	is_int(atomic_load(&fs->initialised), 0, "the session is over");
	fake_queue_release(&r->hi);
	fake_queue_release(&r->rq);
	rig_queues(r);
	is_int(fake_device_activate(&r->fd, NULL), 0, "activate again");
	ask_init(r);
	is_int(ask(r, FUSE_GETATTR, node, &in, sizeof(in), NULL, 104), -ESTALE,
	       "old node ids are gone");
	ok(ask_lookup(r, ask_lookup(r, 1, "0"), "file"), "and it works");
}

static void test_broken(struct rig *r)
{
	fake_offer(&r->rq, 5000);
	fake_kick(&r->rq);
	for (int i = 0;
	     i < DEADLINE_MS && !__atomic_load_n(&r->fd.needs_reset, __ATOMIC_SEQ_CST);
	     i++)
		(void)poll(NULL, 0, 1);
	is_int(r->fd.needs_reset, 1, "a broken queue asks for a reset, once");
}

int main(void)
{
	enum {
		WORKERS = 4
	};
	struct fuse_forget_in forget = { .nlookup = 1 };
	struct fuse_getattr_in ga = { 0 };
	struct rig r = { 0 };
	struct err err = ERR_INIT;
	struct fs_server *fs;
	uint64_t root, node;
	unsigned int before;
	char data[4096];

	before = fc_count_fds();
	host = fc_tmp(tmp, sizeof(tmp));
	memset(data, 'x', sizeof(data) - 1);
	data[sizeof(data) - 1] = '\0';
	host_write(host, "file", data);
	thread_calls = 0;
	test_errors();
	thread_calls = 0;
	fake_memory_init(&r.fm, 16 << 20);
	is_int(make(&r, "private", NULL, WORKERS, &err), 0, "fs_new");
	test_config(&r);
	fake_device_init(&r.fd, r.dev);
	rig_queues(&r);
	is_int(threads_left(), 1, "no thread before fs_start");
	is_int(fs_start(r.dev, &err), 0, "fs_start");
	is_int(count_threads(), 2, "starts one");
	is_int(fake_device_activate(&r.fd, &err), 0, "activate");
	ask_init(&r);
	root = ask_lookup(&r, 1, "0");
	node = ask_lookup(&r, root, "file");
	is_int(count_threads(), 3, "one works, one listens");
	is_int(thread_calls, 1, "on_thread was called in the first one only");
	test_many(&r, node);
	fs = fs_device_server(r.dev);
	test_slow(&r, fs, root, WORKERS);
	(void)rig_send(&r, &r.hi, FUSE_FORGET, node, &forget, sizeof(forget), 0);
	ok(await(&r.hi) >= 0, "FORGET on the other queue");
	for (int i = 0; i < 20; i++) {
		forget.nlookup = 1;
		(void)rig_send(&r, &r.hi, FUSE_FORGET, node, &forget, sizeof(forget), 0);
		fc_check(await(&r.hi) >= 0);
	}
	is_int(ask(&r, FUSE_GETATTR, node, &ga, sizeof(ga), NULL, 104), -ESTALE,
	       "is done when it comes back");
	ok(fs_requests(r.dev) > 200, "%llu requests are counted",
	   (unsigned long long)fs_requests(r.dev));
	test_reset(&r, fs, root);
	test_relaxed(&r);
	test_broken(&r);
	fake_device_reset(&r.fd);
	fake_queue_release(&r.hi);
	fake_queue_release(&r.rq);
	r.dev->ops->free(r.dev);
	fake_memory_release(&r.fm);
	fc_rm_tree(tmp);
	(void)close(host);
	is_int(threads_left(), 1, "no thread is left");
	is_int(fc_count_fds(), before, "no descriptor is left");
	return tap_done();
}
