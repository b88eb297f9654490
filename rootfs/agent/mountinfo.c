/* SPDX-License-Identifier: Apache-2.0 */
#include "rootfs/agent/mountinfo.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

/* decode() - "\040" is a space; false: too long. */
static bool decode(const char *from, char to[PATH_MAX])
{
	size_t n = 0;

	while (*from && n < PATH_MAX - 1) {
		if (from[0] == '\\' && from[1] >= '0' && from[1] <= '3' &&
		    from[2] >= '0' && from[2] <= '7' && from[3] >= '0' &&
		    from[3] <= '7') {
			to[n++] = (char)((from[1] - '0') << 6 | (from[2] - '0') << 3 |
					 (from[3] - '0'));
			from += 4;
		} else {
			to[n++] = *from++;
		}
	}
	to[n] = 0;
	return !*from;
}

static bool parse_dev(const char *text, dev_t *ret)
{
	char *end;
	unsigned long maj = strtoul(text, &end, 10);
	unsigned long min;

	if (end == text || *end != ':')
		return false;
	text = end + 1;
	min = strtoul(text, &end, 10);
	*ret = makedev((unsigned int)maj, (unsigned int)min);
	return end != text && !*end;
}

/* has_option() - in a list like "ro,relatime". */
static bool has_option(const char *list, const char *name)
{
	size_t len = strlen(name);

	for (const char *p = list; p; p = strchr(p, ',')) {
		p += *p == ',';
		if (strncmp(p, name, len) == 0 && (!p[len] || p[len] == ','))
			return true;
	}
	return false;
}

/* parse() - ID PARENT MAJOR:MINOR ROOT POINT OPTIONS [TAG...] - TYPE SOURCE OPTIONS */
static bool parse(char *line, struct mount_line *m)
{
	char *rest = NULL;
	const char *word = strtok_r(line, " ", &rest);
	const char *options;

	for (unsigned int i = 0; word && i < 2; i++)
		word = strtok_r(NULL, " ", &rest);
	if (!word || !parse_dev(word, &m->dev))
		return false;
	(void)strtok_r(NULL, " ", &rest);
	m->escaped = strtok_r(NULL, " ", &rest);
	do {
		word = strtok_r(NULL, " ", &rest);
	} while (word && strcmp(word, "-") != 0);
	m->type = strtok_r(NULL, " ", &rest);
	(void)strtok_r(NULL, " ", &rest);
	options = strtok_r(NULL, " ", &rest);
	m->fs_readonly = options && has_option(options, "ro");
	return m->escaped && m->type && decode(m->escaped, m->path);
}

bool mount_line_next(char **rest, struct mount_line *ret)
{
	while (*rest && **rest) {
		char *line = *rest;
		char *end = strchr(line, '\n');

		*rest = end ? end + 1 : line + strlen(line);
		if (end)
			*end = 0;
		if (parse(line, ret))
			return true;
	}
	return false;
}
