/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/create_restore.c: the machine of an image in place of config.json's, and what
 * the two may not disagree about. */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/arena.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "oci/spec.h"
#include "runtime/container.h"
#include "runtime/create_internal.h"
#include "runtime/roots.h"
#include "tests/unit/tap.h"
#include "vmm/vm_config.h"

#define MIB (1ull << 20)

/* One restore, as far as open_machine() and roots_plan() have come. */
static struct {
	struct create_params params;
	struct container container;
	struct vm_config config;
	struct creation cr;
} t;

static void must(bool cond)
{
	if (!cond)
		abort();
}

/* begin() - of a container with a root file system and a read-only volume. */
static void begin(void)
{
	static const char json[] = "{\"ociVersion\":\"1.2.0\",\"root\":{\"path\":\"r\"},"
				   "\"process\":{\"cwd\":\"/\",\"args\":[\"a\"],"
				   "\"selinuxLabel\":\"one\"},\"linux\":{},"
				   "\"mounts\":[{\"destination\":\"/v\","
				   "\"source\":\"/\",\"options\":[\"bind\"]}]}";

	memset(&t, 0, sizeof(t));
	t.params.image_path = "i";
	t.config.memory = 512 * MIB;
	t.config.vcpus = 1;
	t.config.kernel_fd = memfd_create("kernel", MFD_CLOEXEC);
	t.config.initrd_fd = memfd_create("initrd", MFD_CLOEXEC);
	must(write(t.config.kernel_fd, "123456789", 9) == 9);
	t.config.n_roots = 2;
	t.config.roots[0] = (struct vm_root){ .device = VM_FS_PRIVATE,
					      .place = roots_place("/") };
	t.config.roots[1] = (struct vm_root){ .device = VM_FS_SHARED,
					      .readonly = 1,
					      .place = roots_place("/v") };
	t.cr = (struct creation){
		.params = &t.params,
		.container = &t.container,
		.config = &t.config,
		.image = { .flags = IMAGE_HAS_TEMPLATE,
			   .memory = 256 * MIB,
			   .boot_memory = 128 * MIB,
			   .dax_size = VM_DAX_MIN,
			   .vcpus = 3,
			   .n_nics = 2,
			   .n_roots = 2,
			   .roots = { VM_FS_PRIVATE, VM_FS_SHARED | 0x80 },
			   .places = { roots_place("/"), roots_place("/v") } },
	};
	must(oci_spec_parse(json, strlen(json), &t.cr.spec, NULL) == 0);
}

static void end(void)
{
	oci_spec_free(t.cr.spec);
	close_fd(t.config.kernel_fd);
	close_fd(t.config.initrd_fd);
	arena_release(&t.container.arena);
}

static void test_machine(void)
{
	struct err err = ERR_INIT;

	begin();
	is_int(create_restore_machine(&t.cr, &err), 0, "a machine");
	ok(t.config.memory == 256 * MIB && t.config.boot_memory == 128 * MIB &&
		   t.config.dax_size == VM_DAX_MIN && t.config.vcpus == 3 &&
		   t.config.has_template,
	   "is as it was saved");
	ok(t.container.memory == 256 * MIB && t.container.vcpus == 3,
	   "and so is what `state` knows of it");
	ok(!t.container.kernel, "nobody knows its kernel");
	is_int(create_restore_check(&t.cr, &err), 0, "it has what it had");
	is_int(t.config.n_nics, 2, "as many cards, too");
	end();

	begin();
	t.config.memory = 254 * MIB;
	is_int(create_restore_machine(&t.cr, &err), -EINVAL, "one that is too large");
	is_str(err.msg,
	       "the saved machine has 256 MiB of memory, more than the 254 MiB that this "
	       "one may have (org.hull.memory)",
	       "by its size");
	end();
}

static void test_files(void)
{
	struct err err = ERR_INIT;

	begin();
	t.cr.image.kernel = (struct image_file){ .size = 9, .crc = 0xcbf43926 };
	is_int(create_restore_machine(&t.cr, &err), 0, "the kernel that it has");
	t.cr.image.kernel.crc++;
	is_int(create_restore_machine(&t.cr, &err), -EINVAL, "another one");
	ok(strstr(err.msg, "needs another guest kernel"), "%s", err.msg);
	t.cr.image.kernel = (struct image_file){ 0 };
	t.cr.image.initrd = (struct image_file){ .size = 5, .crc = 1 };
	is_int(create_restore_machine(&t.cr, &err), -EINVAL, "another initramfs");
	ok(strstr(err.msg, "needs another guest initramfs"), "%s", err.msg);
	end();
}

/* refused() - as it stands, with @says. */
static void refused(const char *says)
{
	struct err err = ERR_INIT;

	is_int(create_restore_check(&t.cr, &err), -EINVAL, "refused");
	is_str(err.msg, says, "by name");
	end();
}

static void test_contradictions(void)
{
	begin();
	t.cr.image.flags |= IMAGE_TERMINAL;
	refused("config.json: process.terminal: the saved container has a terminal");
	begin();
	t.cr.spec->process->terminal = true;
	refused("config.json: process.terminal: the saved container has none");
	begin();
	t.cr.image.n_preserved = 2;
	refused("0 descriptors besides stdio (--preserve-fds, LISTEN_FDS), the saved "
		"container has 2");
	begin();
	t.config.n_roots = 1;
	refused("config.json: root and mounts: 1 trees of the host, the saved container "
		"had 2");
	begin();
	t.config.roots[1].readonly = 0;
	refused("config.json: root and mounts: tree 1 of the host is shared, read-write; "
		"of the saved container it was shared, read-only");
	begin();
	t.config.roots[0].device = VM_FS_SHARED;
	refused("config.json: root and mounts: tree 0 of the host is shared, read-write; "
		"of the saved container it was the container's own, read-write");
	begin();
	t.cr.image.places[1] = roots_place("/w");
	refused("config.json: mounts: '/v': the saved container had no tree of the host "
		"there");
	begin();
	t.params.image_path = NULL;
	t.config.n_roots = 1;
	is_int(create_restore_check(&t.cr, NULL), 0, "a create has nothing to compare");
	end();
}

/* Each tree is where the saved machine knows it, whatever the order of config.json. */
static void test_order(void)
{
	struct vm_root *roots = t.config.roots;

	begin();
	t.config.n_roots = t.cr.image.n_roots = 4;
	roots[2] = roots[1];
	for (int i = 1; i < 4; i++) {
		roots[i] = roots[2];
		t.cr.image.roots[i] = VM_FS_SHARED | 0x80;
	}
	for (int i = 0; i < 4; i++)
		roots[i].fd = i;
	roots[1].place = t.cr.image.places[3] = roots_place("/a");
	roots[2].place = t.cr.image.places[1] = roots_place("/v");
	roots[3].place = t.cr.image.places[2] = roots_place("/v");
	is_int(create_restore_check(&t.cr, NULL), 0, "mounts in another order");
	ok(roots[0].fd == 0 && roots[3].fd == 1, "are where they were");
	ok(roots[1].fd == 2 && roots[2].fd == 3, "those of one place in their order");
	end();
}

static void test_labels(void)
{
	struct err err = ERR_INIT;

	begin();
	is_int(create_restore_labels(&t.cr, &err), 0, "no label is given");
	is_str(t.cr.spec->process->selinux_label, "one", "config.json's holds");
	t.params.lsm_profile = "selinux:u:r:t:s0:c1,c2";
	is_int(create_restore_labels(&t.cr, &err), 0, "one is");
	is_str(t.cr.spec->process->selinux_label, "u:r:t:s0:c1,c2", "in its place");
	t.params.lsm_profile = "apparmor:p";
	is_int(create_restore_labels(&t.cr, &err), 0, "AppArmor's");
	is_str(t.cr.spec->process->apparmor_profile, "p", "as config.json's");
	t.params.lsm_profile = "smack:x";
	is_int(create_restore_labels(&t.cr, &err), -EINVAL, "another kind");
	ok(strstr(err.msg, "invalid --lsm-profile \"smack:x\""), "%s", err.msg);
	end();
}

static void test_open(void)
{
	struct err err = ERR_INIT;

	begin();
	t.params.image_path = "/nonexistent/image";
	is_int(create_restore_open(&t.cr, &err), -ENOENT, "no image");
	is_str(err.msg, "--image-path '/nonexistent/image': No such file or directory",
	       "by its name");
	end();
}

int main(void)
{
	test_machine();
	test_files();
	test_contradictions();
	test_order();
	test_labels();
	test_open();
	return tap_done();
}
