/* SPDX-License-Identifier: Apache-2.0 */
/* CONTROL_CHECKPOINT and its way back: the machine with its container. */
#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "vmm/container.h"
#include "vmm/main.h"
#include "vmm/net_cards.h"
#include "vmm/snapshot/image.h"
#include "vmm/snapshot/saved_ram.h"
#include "vmm/timeline.h"
#include "vmm/virtio/mem.h"

static_assert(MACHINE_FS == VM_FS_DEVICES, "all of them");
static_assert(IMAGE_MACHINE_ROOTS == VM_MAX_ROOTS, "all of them");

struct machine main_machine(const struct vmm *v)
{
	struct machine m = {
		.vm = v->vm,
		.devices = v->devices,
		.n_devices = v->n_devices,
		.cards = v->cards,
		.vsock = v->vsock,
	};

	for (unsigned int i = 0; i < MACHINE_FS; i++)
		m.fs[i] = v->fs[i];
	return m;
}

static int describe(const struct vmm *v, struct image_machine *ret, struct err *err)
{
	const struct vm_config *c = v->config;
	struct image_machine d = {
		.magic = IMAGE_MACHINE_MAGIC,
		.version = IMAGE_VERSION,
		.flags = container_image_flags(v->container),
		.memory = c->memory,
		.boot_memory = c->boot_memory,
		.dax_size = c->dax_size,
		.vcpus = c->vcpus,
		.n_nics = net_cards_count(v->cards),
		.n_roots = c->n_roots,
		.n_preserved = c->n_preserved,
	};
	struct timespec now;

	if (getrandom(d.id, sizeof(d.id), 0) != sizeof(d.id))
		return err_set(err, EIO, "getrandom");
	(void)clock_gettime(CLOCK_REALTIME, &now); /* cannot fail */
	d.saved_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	for (uint32_t i = 0; i < c->n_roots; i++) {
		d.roots[i] = (uint8_t)(c->roots[i].device |
				       (c->roots[i].readonly ? IMAGE_ROOT_READONLY : 0u));
		d.places[i] = c->roots[i].place;
	}
	*ret = d;
	return 0;
}

/* check_same() - is the machine that hull wants the one that was saved? */
static int check_same(const struct vm_config *c, const struct image_machine *d,
		      struct err *err)
{
	if (d->magic != IMAGE_MACHINE_MAGIC || d->version != IMAGE_VERSION)
		return err_msg(err, EPROTO, "it is no image of a container");
	if (d->memory != c->memory || d->boot_memory != c->boot_memory ||
	    d->dax_size != c->dax_size || d->vcpus != c->vcpus ||
	    d->n_nics != c->n_nics ||
	    !(d->flags & IMAGE_HAS_TEMPLATE) != !c->has_template)
		return err_msg(err, EPROTO, "another machine was saved");
	if (!(d->flags & IMAGE_TERMINAL) != !c->terminal)
		return err_msg(err, EPROTO, "the container has %s terminal",
			       c->terminal ? "no" : "a");
	if (d->n_roots != c->n_roots)
		return err_msg(err, EPROTO, "the container has %u file systems, not %u",
			       d->n_roots, c->n_roots);
	for (uint32_t i = 0; i < c->n_roots; i++)
		if ((d->roots[i] & ~IMAGE_ROOT_READONLY) != c->roots[i].device)
			return err_msg(err, EPROTO,
				       "file system %u of the container is another", i);
	return 0;
}

/* look_at_ram() - where it is read from, unless it can be mapped from one file. */
static int look_at_ram(struct vmm *v, const struct image_machine *d, struct err *err)
{
	const struct vm_config *c = v->config;
	int fds[SAVED_RAM_MAX_FILES] = { c->restore_fd };
	unsigned int n = 1;

	for (uint8_t i = 0; i < c->n_parents; i++)
		fds[n++] = c->parent_fd[i];
	if (!(d->flags & IMAGE_HAS_PARENT) != (n == 1))
		return err_msg(err, EPROTO, "%u parents", n - 1);
	if (c->lazy)
		return main_make_lazy(v, d->id, fds, n, err);
	return n > 1 ? saved_ram_open(fds, n, c->memory, &v->ram, err) : 0;
}

int main_look_at_image(struct vmm *v, struct err *err)
{
	const struct vm_config *c = v->config;
	struct image_machine d = { 0 };
	int ret;

	if (c->restore_fd < 0)
		return 0;
	if (pread(c->restore_fd, &d, sizeof(d), 0) != sizeof(d))
		ret = err_msg(err, EPROTO, "it is cut off");
	else
		ret = check_same(c, &d, err);
	if (ret == 0)
		ret = image_read(c->restore_fd, c->memory, &v->state, err);
	if (ret == 0)
		ret = look_at_ram(v, &d, err);
	if (ret < 0)
		return err_wrap(err, ret, "image");
	v->sections = (struct sections){ v->state.data, v->state.len };
	v->image_flags = d.flags;
	v->resumes = true;
	return 0;
}

void main_close_image(const struct vmm *v)
{
	if (v->lazy)
		return;
	close_fd(v->config->restore_fd);
	for (uint8_t i = 0; i < v->config->n_parents; i++)
		close_fd(v->config->parent_fd[i]);
}

int main_resume(struct vmm *v, struct err *err)
{
	const struct machine machine = main_machine(v);
	int ret = machine_load(&machine, &v->sections, err);

	if (ret == 0)
		ret = container_restore(v->container, &v->sections, err);
	buf_release(&v->state);
	timeline_mark("container loaded");
	return ret < 0 ? err_wrap(err, ret, "restore") : 0;
}

/* ram_size() - (bytes) of it that may hold anything. */
static uint64_t ram_size(const struct vmm *v)
{
	return vm_ram_size(v->vm) + (v->mem ? mem_extent(v->mem) : 0);
}

/* dump_size() - likewise, now or in a dump: what was taken away is zeros now. */
static uint64_t dump_size(const struct vmm *v)
{
	uint64_t size = ram_size(v);

	return size > v->dump_size ? size : v->dump_size;
}

/* check_parent() - are its changes known? */
static int check_parent(const struct vmm *v, const uint8_t *parent, struct err *err)
{
	if (!parent || (v->has_dumped && !memcmp(v->dumped, parent, IMAGE_ID_SIZE)))
		return 0;
	return err_msg(err, EINVAL,
		       "the parent image is not the last pre-dump of this container");
}

/* write_head() - @d, as it stands or upon @parent. */
static int write_head(const struct vmm *v, int fd, struct image_machine *d,
		      const uint8_t *parent, struct err *err)
{
	int ret = 0;

	if (parent) {
		d->flags |= IMAGE_HAS_PARENT;
		memcpy(d->parent, parent, sizeof(d->parent));
		ret = vm_dump_changes(v->vm, fd, v->config->memory, err);
	}
	if (ret == 0 && pwrite(fd, d, sizeof(*d), 0) != sizeof(*d))
		ret = err_set(err, errno ? errno : EIO, "write the image");
	return ret;
}

static int save_held(struct vmm *v, const struct machine *m, int fd,
		     const uint8_t *parent, struct err *err)
{
	struct image_machine d;
	auto_buf struct buf container = BUF_INIT;
	auto_buf struct buf state = BUF_INIT;
	/* The file is as long as if all of the memory were there: what is not is a hole. */
	uint64_t memory = v->config->memory;
	int ret = describe(v, &d, err);

	if (ret == 0)
		ret = container_save(v->container, &container, err);
	if (ret == 0)
		ret = machine_save(m, fd, parent ? dump_size(v) : ram_size(v), parent, &state,
				   err);
	(void)buf_append(&state, container.data, container.len);
	if (ret == 0 && (buf_ok(&container) < 0 || buf_ok(&state) < 0))
		ret = err_set(err, ENOMEM, "the container's state");
	if (ret == 0 && ftruncate(fd, (off_t)(IMAGE_RAM_AT + memory)) < 0)
		ret = err_set(err, errno, "make the image as long as the memory");
	if (ret == 0)
		ret = image_write(fd, &state, memory, err);
	return ret == 0 ? write_head(v, fd, &d, parent, err) : ret;
}

int main_save(void *opaque, int fd, const uint8_t *parent, struct err *err)
{
	struct vmm *v = opaque;
	const struct machine m = main_machine(v);
	int ret = check_parent(v, parent, err);

	if (ret == 0)
		ret = machine_hold(&m, err);
	if (ret < 0)
		return ret;
	ret = save_held(v, &m, fd, parent, err);
	if (ret < 0)
		machine_let_go(&m);
	return ret;
}

int main_dump_begin(void *opaque, int fd, const uint8_t *parent, struct err *err)
{
	struct vmm *v = opaque;
	const struct machine m = main_machine(v);
	int ret = check_parent(v, parent, err);

	if (ret == 0)
		ret = describe(v, &v->dump, err);
	if (ret == 0)
		ret = machine_hold(&m, err);
	if (ret < 0)
		return ret;
	v->has_dumped = false; /* until it is there */
	v->dump.flags |= IMAGE_PRE_DUMP;
	v->dump_size = dump_size(v);
	v->dump_at = 0;
	ret = vm_dump_begin(v->vm, parent, v->dump_size, err);
	/* Now, what changes while it is written is the next one's. */
	if (ret == 0 && ftruncate(fd, (off_t)image_size(v->config->memory)) < 0)
		ret = err_set(err, errno, "make the image as long as the memory");
	if (ret == 0)
		ret = write_head(v, fd, &v->dump, parent, err);
	machine_let_go(&m);
	return ret;
}

int main_dump_some(void *opaque, int fd, struct err *err)
{
	struct vmm *v = opaque;
	int ret = vm_dump_some(v->vm, fd, &v->dump_at, v->dump_size, err);

	if (ret < 0 || v->dump_at < v->dump_size)
		return ret < 0 ? ret : 1;
	memcpy(v->dumped, v->dump.id, sizeof(v->dumped));
	v->has_dumped = true;
	return 0;
}

void main_let_go(void *opaque)
{
	const struct machine m = main_machine(opaque);

	machine_let_go(&m);
}
