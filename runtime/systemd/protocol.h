/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hull and hull-systemd, the program that talks with systemd for it: a program of its own
 * since libsystemd comes as a shared library only, and hull is static.
 *
 *	hull-systemd start UNIT NAME=VALUE...	make the scope UNIT
 *	hull-systemd update UNIT NAME=VALUE...	change its properties
 *	hull-systemd stop UNIT			end it; one that is gone is no error
 *
 * NAME is one of those in runtime/systemd/property.c, VALUE what stands there.
 *
 * Descriptor 0 is a SOCK_SEQPACKET socket.  hull-systemd sends one message on it, a struct
 * err: with code 0 once it is done, or else with one line that says why not.  Then
 *
 *	start	it stands in the scope, which ends with its last process, until hull ends its
 *		side of the socket, at the latest when hull ends: by then another process has
 *		to be there;
 *	update	it waits for one byte, SYSTEMD_KEEP.  At the socket's end without it (the
 *		guest refused its part, or hull was killed) the old properties come back, or
 *		a second message says why not;
 *	stop	it ends.
 */
#ifndef HULL_RUNTIME_SYSTEMD_PROTOCOL_H
#define HULL_RUNTIME_SYSTEMD_PROTOCOL_H

#define SYSTEMD_SOCKET 0
#define SYSTEMD_KEEP 'k'

#endif
