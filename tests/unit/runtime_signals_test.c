/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/signals.h"

#include <errno.h>
#include <signal.h>

#include "lib/err.h"
#include "tests/unit/tap.h"

int main(void)
{
	static const struct {
		const char *text;
		int sig;
	} good[] = {
		{ "KILL", SIGKILL },   { "SIGKILL", SIGKILL }, { "sigterm", SIGTERM },
		{ "9", SIGKILL },      { "64", 64 },	       { "HUP", SIGHUP },
		{ "0", 0 },
		{ "SIGCLD", SIGCHLD }, { "IOT", SIGABRT },     { "POLL", SIGPOLL },
		{ "RTMIN", 34 },       { "RTMIN+1", 35 },      { "SIGRTMAX", 64 },
		{ "RTMAX-2", 62 },     { "WINCH", SIGWINCH },
	};
	static const char *const bad[] = { "",	  "0x",	    "65",	"9x",	    "NONSENSE",
					   "SIG", "RTMIN-", "RTMIN+31", "RTMAX+1", "-9" };
	struct err err = ERR_INIT;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		is_int(signal_parse(good[i].text, &err), good[i].sig, "%s", good[i].text);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		is_int(signal_parse(bad[i], &err), -EINVAL, "'%s' is none", bad[i]);
	(void)signal_parse("NONSENSE", &err);
	is_str(err.msg, "unknown signal \"NONSENSE\"", "in runc's words");
	return tap_done();
}
