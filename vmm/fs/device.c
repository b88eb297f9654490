/* SPDX-License-Identifier: Apache-2.0 */
/* The virtio half: queues and configuration space around server and pool. */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/virtio_fs.h>
#include <linux/virtio_ids.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/log.h"
#include "vmm/fs/fs.h"
#include "vmm/fs/pool.h"
#include "vmm/fs/server.h"

#define HIPRIO_SIZE 128u
#define REQUEST_SIZE 1024u /* 256 pages of data and 4 more descriptors fit at least */
#define FS_PCI_CLASS 0x018000u /* mass storage, other */

struct fs_device {
	struct virtio_device dev; /* first: ops cast back */
	struct virtio_fs_config config;
	char name[48];
	struct fs_server *server; /* owned */
	struct fs_pool pool;
};

static_assert(offsetof(struct fs_device, dev) == 0, "ops cast back");
static_assert(sizeof(struct virtio_fs_config) == 40, "virtio 1.2 §5.11.4");
static_assert(REQUEST_SIZE <= VQ_MAX_SIZE, "as large as a queue may be");

static int fs_activate(struct virtio_device *dev, struct err *err)
{
	struct fs_device *fd = (struct fs_device *)dev;

	(void)err;
	fs_pool_activate(&fd->pool);
	return 0;
}

static void fs_reset(struct virtio_device *dev)
{
	struct fs_device *fd = (struct fs_device *)dev;

	fs_pool_reset(&fd->pool);
	fs_server_reset(fd->server);
}

static void fs_free(struct virtio_device *dev)
{
	struct fs_device *fd = (struct fs_device *)dev;

	if (!fd)
		return;
	fs_pool_release(&fd->pool);
	fs_server_free(fd->server);
	for (unsigned int i = 0; i < FS_QUEUES; i++)
		vq_release(&fd->dev.queues[i]);
	free(fd);
}

static void fs_device_free(struct fs_device *fd)
{
	fs_free(&fd->dev);
}
DEFINE_CLEANUP(fs_device, struct fs_device, fs_device_free)

static int init_queues(struct fs_device *fd, const struct fs_params *params,
		       struct err *err)
{
	static const uint16_t sizes[FS_QUEUES] = {
		[FS_QUEUE_HIPRIO] = HIPRIO_SIZE,
		[FS_QUEUE_REQUEST] = REQUEST_SIZE,
	};

	fd->dev.n_queues = FS_QUEUES;
	for (unsigned int i = 0; i < FS_QUEUES; i++) {
		int ret = vq_init(&fd->dev.queues[i], params->mem, sizes[i], err);

		if (ret < 0)
			return ret;
	}
	return 0;
}

int fs_new(const struct fs_params *params, struct virtio_device **ret_dev,
	   struct err *err)
{
	static const struct virtio_dev_ops ops = {
		.activate = fs_activate,
		.reset = fs_reset,
		.save = fs_save,
		.load = fs_load,
		.free = fs_free,
	};
	struct fs_device *fd auto_call(cleanup_fs_device_) = calloc(1, sizeof(*fd));
	struct fs_server *server = NULL;
	size_t len = strlen(params->tag);
	int ret;

	/* First of all: from here on the server owns the roots. */
	ret = fs_server_new(params, &server, err);
	if (ret < 0)
		return ret;
	if (!fd) {
		fs_server_free(server);
		return err_set(err, ENOMEM, "virtio-fs");
	}
	fd->server = server;
	if (!len || len > sizeof(fd->config.tag))
		return err_msg(err, EINVAL, "virtio-fs tag '%s': 1 to %zu bytes",
			       params->tag, sizeof(fd->config.tag));
	memcpy(fd->config.tag, params->tag, len);
	fd->config.num_request_queues = 1;
	(void)snprintf(fd->name, sizeof(fd->name), "fs %s", params->tag);
	fd->dev.ops = &ops;
	fd->dev.name = fd->name;
	fd->dev.id = VIRTIO_ID_FS;
	fd->dev.pci_class = FS_PCI_CLASS;
	fd->dev.config = &fd->config;
	fd->dev.config_size = sizeof(fd->config);
	fd->dev.shm = (struct virtio_shm){
		.id = VIRTIO_FS_SHMCAP_ID_CACHE,
		.size = server->dax.size,
		.host = server->dax.window,
	};
	ret = init_queues(fd, params, err);
	if (ret == 0)
		ret = fs_pool_init(&fd->pool, &fd->dev, server, params, err);
	if (ret < 0)
		return ret;
	*ret_dev = &fd->dev;
	(void)take_ptr(&fd);
	return 0;
}

int fs_start(struct virtio_device *dev, struct err *err)
{
	return fs_pool_start(&((struct fs_device *)dev)->pool, err);
}

int fs_add_root(struct virtio_device *dev, const struct fs_root_params *root,
		struct err *err)
{
	return fs_server_add_root(((struct fs_device *)dev)->server, root, err);
}

void fs_relax_sync(struct virtio_device *dev)
{
	atomic_store(&((struct fs_device *)dev)->server->relaxed, true);
}

bool fs_mend(struct virtio_device *dev)
{
	return fs_dax_mend(&((struct fs_device *)dev)->server->dax);
}

int fs_hold(struct virtio_device *dev)
{
	return fs_pool_hold(&((struct fs_device *)dev)->pool);
}

void fs_let_go(struct virtio_device *dev)
{
	fs_pool_let_go(&((struct fs_device *)dev)->pool);
}

void fs_freeze(struct virtio_device *dev)
{
	fs_gate_close(((struct fs_device *)dev)->server);
}

void fs_thaw(struct virtio_device *dev)
{
	fs_gate_open(((struct fs_device *)dev)->server);
}

int fs_gate(struct virtio_device *dev)
{
	struct fs_gate *gate = &((struct fs_device *)dev)->server->gate;
	enum fs_gate_state state;
	int error;

	(void)pthread_mutex_lock(&gate->lock);
	state = fs_gate_state(gate);
	error = gate->error;
	(void)pthread_mutex_unlock(&gate->lock);
	if (state == FS_GATE_OPEN)
		return error < 0 ? error : FS_GATE_IS_OPEN;
	return state == FS_GATE_CLOSED ? FS_GATE_IS_CLOSED : FS_GATE_IS_MOVING;
}

unsigned int fs_waiting(struct virtio_device *dev)
{
	return atomic_load(&((struct fs_device *)dev)->pool.parked[FS_WAIT_GATE].n);
}

void fs_socket_done(struct virtio_device *dev, uint64_t node, int type, bool ok)
{
	fs_offer_done(((struct fs_device *)dev)->server, node, type, ok);
}

void fs_sockets_off(struct virtio_device *dev)
{
	fs_offer_give_up(((struct fs_device *)dev)->server);
}

int fs_connect(struct virtio_device *dev, uint64_t node, int type, uint64_t token)
{
	return fs_offer_connect(((struct fs_device *)dev)->server, node, type, token);
}

int fs_take_notices(struct virtio_device *dev, struct buf *out)
{
	return fs_watch_take(((struct fs_device *)dev)->server, out);
}

void fs_unwatched(struct virtio_device *dev, const struct agent_unwatched *u, size_t n)
{
	fs_watch_ended(((struct fs_device *)dev)->server, u, n);
}

struct fs_server *fs_device_server(struct virtio_device *dev)
{
	return ((struct fs_device *)dev)->server;
}

static uint64_t count_of(const struct virtio_device *dev, unsigned int opcode)
{
	const struct fs_device *fd = (const struct fs_device *)dev;

	return atomic_load_explicit(&fd->server->counts[opcode], memory_order_relaxed);
}

uint64_t fs_requests(const struct virtio_device *dev)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < FS_OPCODES; i++)
		sum += count_of(dev, i);
	return sum;
}

void fs_log_requests(const struct virtio_device *dev)
{
	struct buf line auto_buf = BUF_INIT;

	for (unsigned int i = 0; i < FS_OPCODES; i++) {
		uint64_t n = count_of(dev, i);
		const char *name = fs_opcode_name(i);

		if (n)
			(void)buf_printf(&line, " %s=%" PRIu64, name ? name : "unknown",
					 n);
	}
	if (buf_ok(&line) == 0)
		log_debug("%s: requests:%s", dev->name, line.data ? line.data : " none");
}
