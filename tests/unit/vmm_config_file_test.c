/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/config_file.h"

#include <errno.h>

#include "lib/err.h"
#include "tests/unit/tap.h"

static struct vm_config good(void)
{
	struct vm_config c = {
		.magic = VM_CONFIG_MAGIC,
		.size = sizeof(c),
		.memory = 128u << 20,
		.boot_memory = 64u << 20,
		.vcpus = 1,
		.n_roots = 1,
		.spec_size = 2,
		.boot_timeout_ms = 1000,
		.modules_fd = -1,
		.template_fd = -1,
		.template_new_fd = -1,
		.working_set_fd = -1,
		.log_fd = -1,
	};

	return c;
}

static void refused(const struct vm_config *c, const char *message)
{
	struct err err = ERR_INIT;

	is_int(config_file_check(c, sizeof(*c) + 2, &err), -EINVAL, "refused: %s", message);
	is_str(err.msg, message, "says why");
}

#define REFUSED(message, change)               \
	do {                                   \
		struct vm_config c = good();   \
		change;                        \
		refused(&c, message);          \
	} while (0)

int main(void)
{
	struct vm_config taken = good();

	is_int(config_file_check(&taken, sizeof(taken) + 2, NULL), 0, "a good one is taken");
	is_int(config_file_check(&taken, sizeof(taken) + 3, NULL), -EINVAL, "payload size");
	is_int(config_file_check(&taken, sizeof(taken) - 1, NULL), -EINVAL, "too short");
	REFUSED("VM configuration: hull and hull-vmm are not of one version", c.magic++);
	REFUSED("VM configuration: hull and hull-vmm are not of one version", c.size++);
	REFUSED("VM configuration: bad memory", c.memory = 0);
	REFUSED("VM configuration: bad memory", c.memory++);
	REFUSED("VM configuration: bad boot_memory", c.boot_memory = 0);
	REFUSED("VM configuration: bad boot_memory", c.boot_memory++);
	REFUSED("VM configuration: bad boot_memory", c.boot_memory = c.memory + (2 << 20));
	REFUSED("VM configuration: bad vcpus", c.vcpus = 0);
	REFUSED("VM configuration: bad vcpus", c.vcpus = VM_MAX_VCPUS + 1);
	REFUSED("VM configuration: bad spec_size", c.spec_size = 0);
	REFUSED("VM configuration: bad boot_timeout_ms", c.boot_timeout_ms = 0);
	REFUSED("VM configuration: bad dax_size", c.dax_size = 16 << 20);
	REFUSED("VM configuration: bad dax_size", c.dax_size = 48 << 20);
	REFUSED("VM configuration: bad dax_size", c.dax_size = UINT64_C(1) << 37);
	REFUSED("VM configuration: bad log_format", c.log_format = 9);
	REFUSED("VM configuration: bad id", memset(c.id, 'x', sizeof(c.id)));
	REFUSED("VM configuration: bad kvm_fd", c.kvm_fd = -1);
	REFUSED("VM configuration: bad stdio_fd[2]", c.stdio_fd[2] = -1);
	REFUSED("VM configuration: bad template_fd", c.has_template = 2);
	REFUSED("VM configuration: bad template_fd", c.template_fd = 5);
	REFUSED("VM configuration: bad template_fd", c.template_new_fd = 5);
	REFUSED("VM configuration: bad n_roots", c.n_roots = 0);
	REFUSED("VM configuration: bad n_roots", c.n_roots = VM_MAX_ROOTS + 1);
	REFUSED("VM configuration: bad roots", c.roots[0].fd = -1);
	REFUSED("VM configuration: bad roots", c.roots[0].device = VM_FS_DEVICES);
	return tap_done();
}
