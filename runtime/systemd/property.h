/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Properties of units as words, and as D-Bus has them (org.freedesktop.systemd1(5)).
 * One thread.
 */
#ifndef HULL_RUNTIME_SYSTEMD_PROPERTY_H
#define HULL_RUNTIME_SYSTEMD_PROPERTY_H

#include "runtime/systemd/bus.h"

struct err;

/*
 * struct property - one that was read.  Texts are as they stand, numbers decimal or
 * "infinity", masks bytes in hexadecimal, the lowest first.
 */
struct property {
	const char *name;
	const char *type; /* of D-Bus: "s", "t", "ay" */
	const char *value; /* within the word */
};

/* property_parse() - @word is "NAME=VALUE"; 0, or -EINVAL. */
int property_parse(const char *word, struct property *ret, struct err *err);

/* property_append() - as (sv) to an array of them in @m; 0 or -errno (of sd-bus). */
int property_append(sd_bus_message *m, const struct property *p);

#endif
