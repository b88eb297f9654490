/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `restore` as a `create` whose machine was saved (checkpoint_image.h).
 *
 * What is inside the machine is as it was: its process, its mounts, its limits.  The
 * host's side is made anew from config.json: file systems, cgroup, network namespace,
 * hooks.  Where the two would contradict each other the restore fails and says what.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/log.h"
#include "oci/mount.h"
#include "oci/spec.h"
#include "runtime/boot_file.h"
#include "runtime/checkpoint_image.h"
#include "runtime/container.h"
#include "runtime/create_internal.h"
#include "runtime/roots.h"
#include "vmm/snapshot/uffd.h"
#include "vmm/vm_config.h"

#define MIB(bytes) ((bytes) >> 20)

/* restore_lazily() - if this host lets hull-vmm, which has our rights. */
static void restore_lazily(struct creation *cr)
{
	struct err why = ERR_INIT;
	int uffd = uffd_open(&why);

	if (uffd < 0) {
		log_warn("--lazy-pages: %s: all memory is read first", why.msg);
		return;
	}
	close_fd(uffd);
	cr->config->lazy = 1;
	cr->config->working_set_fd = checkpoint_image_working_set(cr->params->image_path);
}

int create_restore_open(struct creation *cr, struct err *err)
{
	unsigned int n_parents = 0;
	int fd, ret;

	if (!cr->params->image_path)
		return 0;
	fd = checkpoint_image_open(cr->params->image_path, &cr->image, err);
	if (fd < 0)
		return fd;
	cr->config->restore_fd = fd;
	if (cr->image.flags & IMAGE_PRE_DUMP)
		return err_msg(err, EINVAL,
			       "'%s/" CHECKPOINT_IMAGE_MACHINE "': it is a pre-dump: memory "
			       "that a checkpoint can be made upon (--parent-path)",
			       cr->params->image_path);
	ret = checkpoint_image_parents(cr->params->image_path, fd, &cr->image,
				       cr->config->parent_fd, &n_parents, err);
	cr->config->n_parents = (uint8_t)n_parents;
	if (ret == 0 && cr->params->lazy_pages)
		restore_lazily(cr);
	return ret;
}

int create_restore_labels(struct creation *cr, struct err *err)
{
	const char *given = cr->params->lsm_profile;
	const char *name = given ? strchr(given, ':') : NULL;
	struct oci_process *process = cr->spec->process;
	char **to = NULL;

	if (!given || !process)
		return 0;
	if (name && strncmp(given, "selinux:", 8) == 0)
		to = &process->selinux_label;
	else if (name && strncmp(given, "apparmor:", 9) == 0)
		to = &process->apparmor_profile;
	if (!to)
		return err_msg(
			err, EINVAL,
			"invalid --lsm-profile \"%.200s\": expected selinux:LABEL or "
			"apparmor:PROFILE",
			given);
	*to = oci_strdup(cr->spec, name + 1);
	return *to ? 0 : err_set(err, ENOMEM, "--lsm-profile");
}

/* check_boot_file() - @note: what a further checkpoint is to know of it */
static int check_boot_file(struct creation *cr, int fd, const struct image_file *want,
			   const char *what, char **note, struct err *err)
{
	int ret = boot_file_check(fd, want, what, err);

	if (ret == 0 && want->size && boot_file_note(fd, &cr->container->arena, note) < 0)
		ret = err_set(err, ENOMEM, "%s", what);
	return ret;
}

int create_restore_machine(struct creation *cr, struct err *err)
{
	const struct image_machine *m = &cr->image;
	struct container *c = cr->container;
	struct vm_config *config = cr->config;
	int ret;

	ret = check_boot_file(cr, config->kernel_fd, &m->kernel, "guest kernel",
			      &c->kernel, err);
	if (ret == 0)
		ret = check_boot_file(cr, config->initrd_fd, &m->initrd,
				      "guest initramfs", &c->initrd, err);
	if (ret < 0)
		return ret;
	if (config->memory < m->memory)
		return err_msg(err, EINVAL,
			       "the saved machine has %" PRIu64
			       " MiB of memory, more than the %" PRIu64
			       " MiB that this one may have (org.hull.memory)",
			       MIB(m->memory), MIB(config->memory));
	config->memory = c->memory = m->memory;
	config->boot_memory = m->boot_memory;
	config->dax_size = m->dax_size;
	config->vcpus = c->vcpus = m->vcpus;
	config->has_template = !!(m->flags & IMAGE_HAS_TEMPLATE);
	return 0;
}

static bool had_place(const struct image_machine *m, uint32_t place)
{
	for (uint32_t i = 0; i < m->n_roots; i++)
		if (m->places[i] == place)
			return true;
	return false;
}

/* new_place() - where config.json mounts something and the saved container had nothing */
static const char *new_place(const struct creation *cr)
{
	const struct oci_spec *spec = cr->spec;

	for (size_t i = 0; i < spec->mounts.n; i++) {
		const struct oci_mount *mount = &spec->mounts.v[i];

		if (oci_mount_is_bind(mount) &&
		    !had_place(&cr->image, roots_place(mount->destination)))
			return mount->destination;
	}
	return "one of them";
}

/*
 * place_roots() - the order of config.json's mounts may be another one, as podman's is
 * each time; the saved machine knows its trees by their indices.
 */
static int place_roots(struct creation *cr, struct err *err)
{
	const struct image_machine *m = &cr->image;
	struct vm_config *c = cr->config;

	for (uint32_t i = 0; i < c->n_roots; i++) {
		uint32_t k = i;

		while (k < c->n_roots && c->roots[k].place != m->places[i])
			k++;
		if (k < c->n_roots) {
			const struct vm_root found = c->roots[k];

			/* The others stay in order: the later of two at one place is on top. */
			memmove(&c->roots[i + 1], &c->roots[i], (k - i) * sizeof(found));
			c->roots[i] = found;
			continue;
		}
		return err_msg(err, EINVAL,
			       "config.json: mounts: '%s': the saved container had no tree "
			       "of the host there",
			       new_place(cr));
	}
	return 0;
}

static int check_roots(struct creation *cr, struct err *err)
{
	static const char *const kinds[VM_FS_DEVICES] = {
		[VM_FS_PRIVATE] = "the container's own",
		[VM_FS_SHARED] = "shared",
	};
	const struct image_machine *m = &cr->image;
	const struct vm_config *c = cr->config;
	int ret;

	if (c->n_roots != m->n_roots)
		return err_msg(err, EINVAL,
			       "config.json: root and mounts: %" PRIu32
			       " trees of the host, the saved container had %" PRIu32,
			       c->n_roots, m->n_roots);
	ret = place_roots(cr, err);
	if (ret < 0)
		return ret;
	for (uint32_t i = 0; i < c->n_roots; i++) {
		const struct vm_root *r = &c->roots[i];
		unsigned int was = m->roots[i];

		if (was == (r->device | (r->readonly ? IMAGE_ROOT_READONLY : 0)))
			continue;
		return err_msg(
			err, EINVAL,
			"config.json: root and mounts: tree %" PRIu32
			" of the host is %s, read-%s; of the saved container it was "
			"%s, read-%s",
			i, kinds[r->device], r->readonly ? "only" : "write",
			kinds[was & ~IMAGE_ROOT_READONLY], was & IMAGE_ROOT_READONLY ? "only" : "write");
	}
	return 0;
}

int create_restore_check(struct creation *cr, struct err *err)
{
	const struct image_machine *m = &cr->image;
	bool terminal = m->flags & IMAGE_TERMINAL;

	if (!cr->params->image_path)
		return 0;
	if (cr->spec->process->terminal != terminal)
		return err_msg(
			err, EINVAL,
			"config.json: process.terminal: the saved container has %s",
			terminal ? "a terminal" : "none");
	if (cr->preserved.n != m->n_preserved)
		return err_msg(
			err, EINVAL,
			"%u descriptors besides stdio (--preserve-fds, LISTEN_FDS), "
			"the saved container has %" PRIu32,
			cr->preserved.n, m->n_preserved);
	/* More interfaces than cards: the rest is plugged. */
	cr->config->n_nics = (uint8_t)m->n_nics;
	return check_roots(cr, err);
}

int create_restore_verify(struct creation *cr, struct err *err)
{
	const struct create_params *p = cr->params;

	/* Or each chunk when it is needed, or copied from several files. */
	if (!p->image_path || cr->config->lazy || cr->config->n_parents)
		return 0;
	return checkpoint_image_verify(p->image_path, cr->config->restore_fd, &cr->image,
				       err);
}
