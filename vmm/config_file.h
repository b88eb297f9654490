/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading what runtime/ wrote (vmm/vm_config.h), and checking all of it again.
 */
#ifndef HULL_VMM_CONFIG_FILE_H
#define HULL_VMM_CONFIG_FILE_H

#include "vmm/vm_config.h"

struct err;

/*
 * config_file_read() - map @fd.
 * @ret_config: read-only, for the life of the process
 * @ret_spec: the payload behind it, spec_size bytes
 * Return: 0; -EINVAL names the field
 */
int config_file_read(int fd, const struct vm_config **ret_config, const char **ret_spec,
		     struct err *err);

/* config_file_check() - the checks alone; @size: (bytes) of the whole file. */
int config_file_check(const struct vm_config *c, uint64_t size, struct err *err);

#endif
