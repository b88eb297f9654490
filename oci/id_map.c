/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/id_map.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "lib/io.h"
#include "oci/spec.h"

int oci_id_map_write(pid_t pid, const char *file, const struct oci_id_mappings *map,
		     const char *field, struct err *err)
{
	auto_buf struct buf text = BUF_INIT;
	char path[64];
	int ret;

	for (size_t i = 0; i < map->n; i++)
		(void)buf_printf(&text, "%u %u %u\n", map->v[i].container_id,
				 map->v[i].host_id, map->v[i].size);
	if (buf_ok(&text) < 0 || !text.data)
		return err_set(err, text.data ? ENOMEM : EINVAL, "%s", file);
	(void)!snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	ret = io_write_file(AT_FDCWD, path, text.data, NULL);
	return ret < 0 ? err_set(err, -ret, "%s", field) : 0;
}
