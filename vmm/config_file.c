/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/config_file.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "lib/err.h"
#include "lib/log.h"
#include "vmm/net/proto.h"

#define MEMORY_ALIGN (2u << 20)

static int bad(struct err *err, const char *field)
{
	return err_msg(err, EINVAL, "VM configuration: bad %s", field);
}

static int check_roots(const struct vm_config *c, struct err *err)
{
	if (c->n_roots == 0 || c->n_roots > VM_MAX_ROOTS)
		return bad(err, "n_roots");
	for (uint32_t i = 0; i < c->n_roots; i++)
		if (c->roots[i].fd < 0 || c->roots[i].device >= VM_FS_DEVICES ||
		    c->roots[i].readonly > 1)
			return bad(err, "roots");
	return 0;
}

static int check_descriptors(const struct vm_config *c, struct err *err)
{
	const struct {
		const char *name;
		int32_t fd;
	} needed[] = {
		{ "kvm_fd", c->kvm_fd },	 { "kernel_fd", c->kernel_fd },
		{ "initrd_fd", c->initrd_fd },	 { "control_fd", c->control_fd },
		{ "sync_fd", c->sync_fd },	 { "status_fd", c->status_fd },
		{ "stdio_fd[0]", c->stdio_fd[0] }, { "stdio_fd[1]", c->stdio_fd[1] },
		{ "stdio_fd[2]", c->stdio_fd[2] },
	};

	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
		if (needed[i].fd < 0)
			return bad(err, needed[i].name);
	if (c->has_template > 1 ||
	    (!c->has_template && (c->template_fd >= 0 || c->template_new_fd >= 0)))
		return bad(err, "template_fd");
	if (c->restore_fd >= 0 && (c->template_fd >= 0 || c->template_new_fd >= 0))
		return bad(err, "restore_fd");
	if (c->n_parents >= SAVED_RAM_MAX_FILES || (c->n_parents && c->restore_fd < 0))
		return bad(err, "n_parents");
	for (uint8_t i = 0; i < c->n_parents; i++)
		if (c->parent_fd[i] < 0)
			return bad(err, "parent_fd");
	if (c->lazy > 1 || (c->lazy && c->restore_fd < 0))
		return bad(err, "lazy");
	if (!c->lazy && c->working_set_fd >= 0)
		return bad(err, "working_set_fd");
	if (c->n_preserved > VM_MAX_PRESERVED)
		return bad(err, "n_preserved");
	for (uint8_t i = 0; i < c->n_preserved; i++)
		if (c->preserved_fd[i] < 0)
			return bad(err, "preserved_fd");
	return 0;
}

int config_file_check(const struct vm_config *c, uint64_t size, struct err *err)
{
	int ret;

	if (size < sizeof(*c) || c->magic != VM_CONFIG_MAGIC || c->size != sizeof(*c))
		return err_msg(err, EINVAL,
			       "VM configuration: hull and hull-vmm are not of one version");
	if (c->memory == 0 || c->memory % MEMORY_ALIGN)
		return bad(err, "memory");
	if (c->boot_memory == 0 || c->boot_memory % MEMORY_ALIGN || c->boot_memory > c->memory)
		return bad(err, "boot_memory");
	if (c->vcpus == 0 || c->vcpus > VM_MAX_VCPUS)
		return bad(err, "vcpus");
	if (c->spec_size == 0 || c->spec_size > VM_MAX_SPEC_SIZE ||
	    c->spec_size != size - sizeof(*c))
		return bad(err, "spec_size");
	if (c->dax_size && (c->dax_size < VM_DAX_MIN || c->dax_size > VM_DAX_MAX ||
			    c->dax_size & (c->dax_size - 1)))
		return bad(err, "dax_size");
	if (c->n_nics > NET_MAX_NICS)
		return bad(err, "n_nics");
	if (c->boot_timeout_ms == 0)
		return bad(err, "boot_timeout_ms");
	if (c->log_format > LOG_JSON || c->log_level > LOG_DEBUG)
		return bad(err, "log_format");
	if (!memchr(c->id, 0, sizeof(c->id)) || !memchr(c->cmdline, 0, sizeof(c->cmdline)))
		return bad(err, "id");
	ret = check_descriptors(c, err);
	return ret < 0 ? ret : check_roots(c, err);
}

int config_file_read(int fd, const struct vm_config **ret_config, const char **ret_spec,
		     struct err *err)
{
	struct stat st;
	void *map;
	int ret;

	if (fstat(fd, &st) < 0)
		return err_set(err, errno, "VM configuration");
	if (st.st_size < (off_t)sizeof(struct vm_config))
		return bad(err, "size");
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED)
		return err_set(err, errno, "map the VM configuration");
	ret = config_file_check(map, (uint64_t)st.st_size, err);
	if (ret < 0) {
		(void)munmap(map, (size_t)st.st_size);
		return ret;
	}
	*ret_config = map;
	*ret_spec = (const char *)map + sizeof(struct vm_config);
	return 0;
}
