/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The statistics that CRIU leaves of a dump in --work-path, in a file stats-dump:
 * `podman container checkpoint` reads them for --print-stats, and packs the file with
 * --export.  The format is CRIU's (images/stats.proto, magic.h): two magic numbers and a
 * length, 32 bits each, then a protocol buffer.
 */
#ifndef HULL_RUNTIME_CRIU_STATS_H
#define HULL_RUNTIME_CRIU_STATS_H

#include <stdint.h>

struct err;

#define CRIU_STATS_DUMP "stats-dump"

struct criu_stats {
	uint32_t freezing_us; /* until everything stood still */
	uint32_t frozen_us; /* how long that was; the memory was written meanwhile */
	uint64_t pages_scanned; /* of 4 KiB: of the machine's memory */
	uint64_t pages_written; /* into the image */
};

/*
 * criu_stats_write() - into the folder @path, which is made if it is not there.
 * Errors: what the file system says
 */
int criu_stats_write(const char *path, const struct criu_stats *stats, struct err *err);

#endif
