/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/mountinfo.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/io.h"

#define MAX_SIZE (16u << 20) /* (bytes) */

/* unescape() - blanks and the like stand there as \ and three octal digits. */
static void unescape(char *text)
{
	char *to = text;

	for (const char *p = text; *p; p++) {
		if (*p == '\\' && strspn(p + 1, "01234567") >= 3) {
			*to++ = (char)((p[1] - '0') * 64 + (p[2] - '0') * 8 + p[3] - '0');
			p += 3;
		} else {
			*to++ = *p;
		}
	}
	*to = 0;
}

/* is_type() - the word behind the optional fields' end. */
static bool is_type(const char *line, const char *type)
{
	const char *at = strstr(line, " - ");
	size_t len = strlen(type);

	return at && strncmp(at + 3, type, len) == 0 && at[3 + len] == ' ';
}

int mountinfo_find(const char *file, const char *type, char ret_point[PATH_MAX])
{
	auto_buf struct buf mounts = BUF_INIT;
	char *rest = NULL;

	if (io_read_file(AT_FDCWD, file, MAX_SIZE, &mounts, NULL) < 0 || !mounts.data)
		return -ENOENT;
	for (const char *line = strtok_r(mounts.data, "\n", &rest); line;
	     line = strtok_r(NULL, "\n", &rest)) {
		char point[PATH_MAX];

		if (!is_type(line, type) ||
		    sscanf(line, "%*s %*s %*s %*s %4095s", point) != 1)
			continue;
		unescape(point);
		memcpy(ret_point, point, sizeof(point));
		return 0;
	}
	return -ENOENT;
}
