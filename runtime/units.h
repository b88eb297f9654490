/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers with units on the command line, in the forms that runc takes.
 */
#ifndef HULL_RUNTIME_UNITS_H
#define HULL_RUNTIME_UNITS_H

#include <stdint.h>

/*
 * units_bytes() - "4096", "64k", "1.5 GiB", "2mb": K, M, G, T, P are powers of 1024,
 * in either case.
 * Return: 0; -EINVAL; -ERANGE
 */
int units_bytes(const char *text, int64_t *ret);

/*
 * units_duration() - "5s", "100ms", "1m30s", "1.5h", "-1s", "0"; each number has its
 * unit: h, m, s, ms, us, ns.
 * @ret: (ns)
 * Return: 0; -EINVAL; -ERANGE
 */
int units_duration(const char *text, int64_t *ret);

#endif
