/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hull-net - the container's network namespace, carried to its guest.
 *
 *	hull-net follow SOCK LEFT PAIRS VHOST RX TX ANTISPOOF	SOCK: the descriptor of
 *		a connection to hull-vmm (vmm/net/proto.h); LEFT: 1, when stdout is a file
 *		that is emptied once nothing is left to be cleaned, or 0; PAIRS of queues
 *		for each card; VHOST, ANTISPOOF: on, off; RX, TX: (bits/s) as struct
 *		net_limits has them
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

/* word() - is @text on (1) or off (0)? or neither (-1) */
static int word(const char *text)
{
	return strcmp(text, "on") == 0 ? 1 : strcmp(text, "off") == 0 ? 0 : -1;
}

/* take_params() - from what follows "follow". Return: is that how hull says it? */
static bool take_params(char **argv, struct follow_params *p)
{
	long sock = number(argv[0], 3, INT_MAX - 1);
	long left = number(argv[1], 0, STDOUT_FILENO);
	long pairs = number(argv[2], 1, NET_MAX_PAIRS);
	long rx = number(argv[4], 0, LONG_MAX);
	long tx = number(argv[5], 0, LONG_MAX);
	int vhost = word(argv[3]);
	int antispoof = word(argv[6]);

	if (sock < 0 || left < 0 || pairs < 0 || rx < 0 || tx < 0 || vhost < 0 || antispoof < 0)
		return false;
	*p = (struct follow_params){
		.sock = (int)sock,
		.left = (int)left,
		.pairs = (unsigned int)pairs,
		.vhost = vhost,
		.limits = { .rx = (uint64_t)rx,
			    .tx = (uint64_t)tx,
			    .antispoof = (uint8_t)antispoof },
		.uid = CONFINE_UID,
	};
	return net_limits_valid(&p->limits);
}

static int run_follow(const struct follow_params *params, struct err *err)
{
	struct follow *f = NULL;
	int ret = close_others(params->sock, err);

	if (ret == 0)
		ret = follow_new(params, &f, err);
	if (ret == 0)
		ret = confine(err);
	if (ret == 0)
		ret = follow_run(f, err);
	if (ret < 0)
		(void)out_failed(params->sock, err); /* it is on stderr, too */
	follow_free(f);
	return ret;
}

static int run(int argc, char **argv, struct err *err)
{
	struct follow_params params;
	long ns = argc == 5 ? number(argv[2], 3, INT_MAX - 1) : -1;

	if (argc == 2 && strcmp(argv[1], "clean") == 0)
		return follow_clean(err);
	if (argc == 5 && strcmp(argv[1], "move") == 0 && ns >= 0)
		return move_device((int)ns, argv[3], argv[4], err);
	if (argc == 9 && strcmp(argv[1], "follow") == 0 && take_params(argv + 2, &params))
		return run_follow(&params, err);
	return err_msg(err, EINVAL,
		       "started by hull: follow SOCK LEFT PAIRS VHOST RX TX ANTISPOOF, "
		       "clean, or move NS NAME NEW_NAME");
}

int main(int argc, char **argv)
{
	struct err err = ERR_INIT;

	if (run(argc, argv, &err) == 0)
		return 0;
	(void)fprintf(stderr, "hull-net: %s\n", err.msg);
	return 1;
}
