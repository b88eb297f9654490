/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/err.h"
#include "lib/log.h"
#include "rootfs/agent/launch.h"

const char *reason(int code)
{
	static char text[128];

	(void)!snprintf(text, sizeof(text), "%s", strerror(code));
	if (!isupper((unsigned char)text[1]))
		text[0] = (char)tolower((unsigned char)text[0]);
	return text;
}

/* executable() - 0, or why not (errno). @ret_stat: it does not even exist */
static int executable(const char *path, bool *ret_stat)
{
	struct stat st;

	*ret_stat = true;
	if (stat(path, &st) < 0)
		return errno;
	*ret_stat = false;
	if (S_ISDIR(st.st_mode))
		return EACCES; /* as execve() says; callers know it, not all know EISDIR */
	if (faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == 0)
		return 0;
	if (errno != ENOSYS && errno != EPERM)
		return errno;
	/* A filter took the call away: look at the bits. */
	return st.st_mode & 0111 ? 0 : EACCES;
}

int lookup_program(const char *name, const char *path, char *ret, struct err *err)
{
	char quoted[256];
	bool no_stat;
	int code;

	(void)log_quote(quoted, sizeof(quoted), name);
	if (strchr(name, '/')) {
		code = executable(name, &no_stat);
		if (code)
			return err_msg(err, code, "exec: \"%s\": %s%s%s%s", quoted,
				       no_stat ? "stat " : "", no_stat ? name : "",
				       no_stat ? ": " : "", reason(code));
		if (strlen(name) >= PATH_MAX)
			return err_msg(err, ENAMETOOLONG, "exec: \"%s\": %s", quoted,
				       reason(ENAMETOOLONG));
		memcpy(ret, name, strlen(name) + 1);
		return 0;
	}
	while (*name && *path) {
		size_t len = strcspn(path, ":");
		int n = snprintf(ret, PATH_MAX, "%.*s/%s", (int)len, len ? path : ".",
				 name);

		if (n > 0 && n < PATH_MAX && executable(ret, &no_stat) == 0) {
			if (ret[0] == '/')
				return 0;
			return err_msg(
				err, EACCES,
				"exec: \"%s\": cannot run executable found relative "
				"to current directory",
				quoted);
		}
		path += len;
		path += *path == ':';
	}
	return err_msg(err, ENOENT, "exec: \"%s\": executable file not found in $PATH",
		       quoted);
}
