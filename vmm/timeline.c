/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/timeline.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "lib/log.h"

struct mark {
	char name[TIMELINE_NAME];
	int64_t host_ns;
	uint64_t guest_ns;
	bool is_guest;
};

static struct {
	int64_t start_ns;
	int64_t boot_ns; /* host time of the guest's uptime 0; INT64_MAX: unknown */
	unsigned int n;
	struct mark marks[TIMELINE_MAX];
} timeline = { .boot_ns = INT64_MAX };

int64_t timeline_now(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts); /* cannot fail */
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

void timeline_start(int64_t start_ns)
{
	timeline.start_ns = start_ns;
	timeline.boot_ns = INT64_MAX;
	timeline.n = 0;
}

static struct mark *add(const char *name)
{
	struct mark *m;

	if (timeline.n == TIMELINE_MAX)
		return NULL;
	m = &timeline.marks[timeline.n++];
	*m = (struct mark){ 0 };
	if (snprintf(m->name, sizeof(m->name), "%s", name) < 0)
		m->name[0] = 0;
	return m;
}

void timeline_mark_at(const char *name, int64_t host_ns)
{
	struct mark *m = add(name);

	if (m)
		m->host_ns = host_ns;
}

void timeline_mark(const char *name)
{
	timeline_mark_at(name, timeline_now());
}

void timeline_guest_mark(const char *name, uint64_t uptime_ns)
{
	int64_t now = timeline_now();
	struct mark *m = add(name);

	/* A guest that has run for longer than this host is lying. */
	if (uptime_ns > (uint64_t)now)
		uptime_ns = (uint64_t)now;
	/* Boot is no later than any mark's arrival less its uptime. */
	if (now - (int64_t)uptime_ns < timeline.boot_ns)
		timeline.boot_ns = now - (int64_t)uptime_ns;
	if (!m)
		return;
	m->host_ns = now;
	m->guest_ns = uptime_ns;
	m->is_guest = true;
}

static int by_time(const void *a, const void *b)
{
	const struct mark *x = a;
	const struct mark *y = b;

	return (x->host_ns > y->host_ns) - (x->host_ns < y->host_ns);
}

void timeline_log(void)
{
	int64_t last = timeline.start_ns;

	if (log_level() < LOG_DEBUG)
		return;
	for (unsigned int i = 0; i < timeline.n; i++) {
		struct mark *m = &timeline.marks[i];

		if (m->is_guest)
			m->host_ns = timeline.boot_ns + (int64_t)m->guest_ns;
	}
	qsort(timeline.marks, timeline.n, sizeof(timeline.marks[0]), by_time);
	log_debug(
		"timeline: phase, ms since the command began, ms since the line before, "
		"guest uptime in ms");
	for (unsigned int i = 0; i < timeline.n; i++) {
		const struct mark *m = &timeline.marks[i];
		char uptime[32] = "-";

		if (m->host_ns < timeline.start_ns)
			continue; /* of the machine that was saved */
		if (m->is_guest && snprintf(uptime, sizeof(uptime), "%.3f",
					    (double)m->guest_ns / 1e6) < 0)
			uptime[0] = 0;
		log_debug("timeline: %-32s %10.3f %+9.3f %10s", m->name,
			  (double)(m->host_ns - timeline.start_ns) / 1e6,
			  (double)(m->host_ns - last) / 1e6, uptime);
		last = m->host_ns;
	}
}
