/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/err.h"

#include <errno.h>

#include "tests/unit/tap.h"

int main(void)
{
	struct err err = ERR_INIT;
	char longest[2 * ERR_MSG_SIZE];

	is_int(err_set(&err, ENOENT, "open '%s'", "/x"), -ENOENT,
	       "err_set returns -code");
	is_int(err.code, ENOENT, "keeps the code");
	is_str(err.msg, "open '/x': No such file or directory", "adds the reason");
	is_int(err_wrap(&err, -ENOENT, "start %s", "c1"), -ENOENT,
	       "err_wrap returns its code");
	is_str(err.msg, "start c1: open '/x': No such file or directory",
	       "puts context before");
	is_int(err_msg(&err, EINVAL, "args is %s", "empty"), -EINVAL,
	       "err_msg returns -code");
	is_str(err.msg, "args is empty", "adds nothing");
	is_int(err_set(NULL, EPERM, "x"), -EPERM, "err_set without an err");
	is_int(err_msg(NULL, EPERM, "x"), -EPERM, "err_msg without an err");
	is_int(err_wrap(NULL, -EPERM, "x"), -EPERM, "err_wrap without an err");

	memset(longest, 'a', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = 0;
	(void)err_msg(&err, EINVAL, "%s", longest);
	is_int(strlen(err.msg), ERR_MSG_SIZE - 1, "a long message is cut");
	is_str(err.msg + ERR_MSG_SIZE - 5, "a...", "and says so");
	(void)err_set(&err, EINVAL, "%.*s", ERR_MSG_SIZE - 5, longest);
	is_str(err.msg + ERR_MSG_SIZE - 5, ":...", "a reason that does not fit likewise");
	(void)err_msg(&err, EINVAL, "inner");
	(void)err_wrap(&err, -EINVAL, "%s", longest);
	is_str(err.msg + ERR_MSG_SIZE - 5, "a...", "and context that leaves no room");
	(void)err_msg(&err, EINVAL, "%.*s", ERR_MSG_SIZE - 1, longest);
	is_int(strlen(err.msg), ERR_MSG_SIZE - 1, "one that just fits");
	is_str(err.msg + ERR_MSG_SIZE - 5, "aaaa", "is not cut");
	return tap_done();
}
