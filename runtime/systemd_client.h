/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hull's side of hull-systemd (runtime/systemd/protocol.h).
 *
 *	ret = systemd_begin(&call, program, words, err);	done, if 0
 *	...
 *	systemd_end(&call, keep);	in any case; what `start` and `update` wait for
 */
#ifndef HULL_RUNTIME_SYSTEMD_CLIENT_H
#define HULL_RUNTIME_SYSTEMD_CLIENT_H

#include <stdbool.h>
#include <sys/types.h>

#include "oci/spec.h"

struct err;

struct systemd_call {
	int sock; /* -1: there is none */
	pid_t pid; /* of hull-systemd, our child */
};

#define SYSTEMD_CALL_INIT ((struct systemd_call){ .sock = -1 })

/*
 * systemd_begin() - run hull-systemd, and wait until it has done what was asked for.
 * @program: a descriptor of it; borrowed
 * @words: its arguments: the verb, the unit, properties; with a NULL behind them
 * Return: 0; -errno with its error line: then nothing has happened
 */
int systemd_begin(struct systemd_call *call, int program, const struct oci_strings *words,
		  struct err *err);

/*
 * systemd_end() - let it go, and wait for its end.  Nothing to do for one that never began.
 * @keep: of an update: keep the new properties; else the old ones come back
 */
void systemd_end(struct systemd_call *call, bool keep);

#endif
