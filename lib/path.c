/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/path.h"

#include <string.h>

bool path_is_below(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	return strncmp(path, dir, len) == 0 && (path[len] == '/' || !path[len]);
}
