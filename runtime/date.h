/* SPDX-License-Identifier: Apache-2.0 */
/* Dates as JSON has them: RFC 3339, UTC, nanoseconds. */
#ifndef HULL_RUNTIME_DATE_H
#define HULL_RUNTIME_DATE_H

#include <time.h>

#define DATE_SIZE 64u

/* date_text() - "2026-11-22T06:13:43.000000000Z"; -EOVERFLOW */
int date_text(const struct timespec *ts, char ret[DATE_SIZE]);

#endif
