/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hull-net - the container's network namespace, carried to its guest.
 *
 *	hull-net follow SOCK PAIRS VHOST	SOCK: the descriptor of a connection to
 *		hull-vmm (vmm/net/proto.h); PAIRS of queues for each card; VHOST: on, off
 *	hull-net clean	take away what an earlier one left that was killed
 *	hull-net move NS NAME NEW_NAME	take an interface from here into the network
 *		namespace of the descriptor NS
 *
 * Started by hull, in that namespace but for `move`.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "vmm/net/helper/confine.h"
#include "vmm/net/helper/follow.h"
#include "vmm/net/helper/move.h"
#include "vmm/net/helper/out.h"
#include "vmm/net/proto.h"

/* number() - all of @text, from @min to @max, or -1. */
static long number(const char *text, long min, long max)
{
	char *end;
	long n;

	errno = 0;
	n = strtol(text, &end, 10);
	return errno || end == text || *end || n < min || n > max ? -1 : n;
}

/* close_others() - but stdio and @sock. */
static int close_others(int sock, struct err *err)
{
	if ((sock > 3 && close_range(3, (unsigned int)sock - 1, 0) < 0) ||
	    close_range((unsigned int)sock + 1, UINT_MAX, 0) < 0)
		return err_set(err, errno, "close_range");
	return 0;
}

static int run_follow(int sock, unsigned int pairs, bool vhost, struct err *err)
{
	struct follow *f = NULL;
	int ret = close_others(sock, err);

	if (ret == 0)
		ret = follow_new(sock, pairs, vhost, CONFINE_UID, &f, err);
	if (ret == 0)
		ret = confine(err);
	if (ret == 0)
		ret = follow_run(f, err);
	if (ret < 0)
		(void)out_failed(sock, err); /* it is on stderr, too */
	follow_free(f);
	return ret;
}

static int run(int argc, char **argv, struct err *err)
{
	long sock = argc == 5 ? number(argv[2], 3, INT_MAX - 1) : -1;
	long pairs = argc == 5 ? number(argv[3], 1, NET_MAX_PAIRS) : -1;

	if (argc == 2 && strcmp(argv[1], "clean") == 0)
		return follow_clean(err);
	if (argc == 5 && strcmp(argv[1], "move") == 0 && sock >= 0)
		return move_device((int)sock, argv[3], argv[4], err);
	if (argc == 5 && strcmp(argv[1], "follow") == 0 && sock >= 0 && pairs >= 0 &&
	    (strcmp(argv[4], "on") == 0 || strcmp(argv[4], "off") == 0))
		return run_follow((int)sock, (unsigned int)pairs,
				  strcmp(argv[4], "on") == 0, err);
	return err_msg(err, EINVAL,
		       "started by hull: follow SOCK PAIRS on|off, clean, or move NS NAME NEW_NAME");
}

int main(int argc, char **argv)
{
	struct err err = ERR_INIT;

	if (run(argc, argv, &err) == 0)
		return 0;
	(void)fprintf(stderr, "hull-net: %s\n", err.msg);
	return 1;
}
