/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/io.h"
#include "oci/spec.h"
#include "rootfs/agent/launch.h"

#define MAX_PASSWD (1u << 20) /* (bytes) of /etc/passwd that are looked at */

/* field() - the @n-th of the ':' separated fields of a line; its length. */
static size_t field(const char *line, unsigned int n, const char **ret)
{
	while (n--) {
		line += strcspn(line, ":\n");
		if (*line != ':') {
			*ret = line;
			return 0;
		}
		line++;
	}
	*ret = line;
	return strcspn(line, ":\n");
}

/* home_of() - "HOME=..." of @uid, from the container's /etc/passwd. */
static char *home_of(uint32_t uid)
{
	auto_buf struct buf passwd = BUF_INIT;
	struct buf ret = BUF_INIT;
	const char *line;
	const char *f;
	size_t len;

	(void)io_read_file(AT_FDCWD, "/etc/passwd", MAX_PASSWD, &passwd, NULL);
	buf_puts(&ret, "HOME=");
	for (line = passwd.data; line && *line;
	     line += strcspn(line, "\n"), line += !!*line) {
		char *end;

		if (!field(line, 2, &f) || strtoul(f, &end, 10) != uid || *end != ':')
			continue;
		len = field(line, 5, &f);
		buf_append(&ret, f, len);
		return buf_take(&ret);
	}
	/* No such user, or no such file: as in runc, the root. */
	buf_puts(&ret, "/");
	return buf_take(&ret);
}

/* overridden() - does a later entry set the same name as v[i]? */
static bool overridden(const struct oci_strings *env, size_t i, size_t name_len)
{
	for (size_t j = i + 1; j < env->n; j++)
		if (strncmp(env->v[j], env->v[i], name_len + 1) == 0)
			return true;
	return false;
}

int env_prepare(const struct oci_strings *env, uint32_t uid, char ***ret_env,
		const char **ret_path, struct err *err)
{
	char **out = calloc(env->n + 2, sizeof(*out));
	const char *path = "";
	bool home = false;
	size_t n = 0;

	if (!out)
		return err_set(err, ENOMEM, "environment");
	for (size_t i = 0; i < env->n; i++) {
		const char *eq = strchr(env->v[i], '=');
		size_t len;

		if (!eq || eq == env->v[i]) {
			free(out);
			return err_msg(err, EINVAL, "invalid environment variable: %s",
				       eq ? "name cannot be empty" : "missing '='");
		}
		len = (size_t)(eq - env->v[i]);
		if (overridden(env, i, len))
			continue;
		if (len == 4 && memcmp(env->v[i], "PATH", 4) == 0)
			path = eq + 1;
		if (len == 4 && memcmp(env->v[i], "HOME", 4) == 0) {
			if (!eq[1])
				continue; /* set below */
			home = true;
		}
		out[n++] = env->v[i];
	}
	if (!home) {
		out[n] = home_of(uid);
		if (!out[n]) {
			free(out);
			return err_set(err, ENOMEM, "environment");
		}
	}
	*ret_env = out;
	*ret_path = path;
	return 0;
}
