/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/date.h"

#include <errno.h>
#include <stdio.h>

int date_text(const struct timespec *ts, char ret[DATE_SIZE])
{
	char date[DATE_SIZE / 2];
	struct tm tm;
	int n;

	if (!gmtime_r(&ts->tv_sec, &tm) ||
	    !strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm))
		return -EOVERFLOW;
	n = snprintf(ret, DATE_SIZE, "%s.%09ldZ", date, ts->tv_nsec);
	return n > 0 && n < (int)DATE_SIZE ? 0 : -EOVERFLOW;
}
