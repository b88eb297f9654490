/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/signals.h"

#include <errno.h>
#include <signal.h>
#include <strings.h>

#include "lib/cleanup.h"
#include "lib/err.h"

#define MAX_SIGNAL 64
/* The kernel's first real-time signal; the C library keeps two for itself. */
#define FIRST_RT 34

/* Names that sigabbrev_np() does not give back. */
static const struct {
	const char *name;
	int sig;
} second_names[] = {
	{ "CLD", SIGCHLD },
	{ "IO", SIGIO },
	{ "IOT", SIGABRT },
	{ "POLL", SIGPOLL },
};

/* parse_rt() - "RTMIN", "RTMIN+3", "RTMAX-2"; 0: something else. */
static int parse_rt(const char *name)
{
	char *end;
	long n = 0;
	int base;

	if (!strncasecmp(name, "RTMIN", 5))
		base = FIRST_RT;
	else if (!strncasecmp(name, "RTMAX", 5))
		base = MAX_SIGNAL;
	else
		return 0;
	name += 5;
	if (*name) {
		if (*name != (base == FIRST_RT ? '+' : '-'))
			return 0;
		n = strtol(name, &end, 10);
		if (*end || !name[1])
			return 0;
	}
	n += base;
	return n >= FIRST_RT && n <= MAX_SIGNAL ? (int)n : 0;
}

int signal_parse(const char *text, struct err *err)
{
	const char *name = text;
	int sig = 0;

	if (*text >= '0' && *text <= '9') {
		char *end;
		long n = strtol(text, &end, 10);

		if (!*end && n <= MAX_SIGNAL)
			return (int)n;
		return err_msg(err, EINVAL, "unknown signal \"%s\"", text);
	}
	if (!strncasecmp(name, "SIG", 3))
		name += 3;
	for (int i = 1; i < FIRST_RT && !sig; i++) {
		const char *known = sigabbrev_np(i);

		if (known && !strcasecmp(known, name))
			sig = i;
	}
	for (size_t i = 0; i < ARRAY_SIZE(second_names) && !sig; i++)
		if (!strcasecmp(second_names[i].name, name))
			sig = second_names[i].sig;
	if (!sig)
		sig = parse_rt(name);
	return sig ? sig : err_msg(err, EINVAL, "unknown signal \"%s\"", text);
}
