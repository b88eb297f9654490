/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the guest's cgroup v2 of a container counts (Linux
 * Documentation/admin-guide/cgroup-v2.rst): read by the agent, handed on by
 * hull-vmm, printed by `hull events`.
 *
 * Numbers only: a guest may lie, but it gives no text that somebody prints.  What
 * the guest's kernel does not tell is 0 and has no bit in `have`; a limit that
 * is not there is CGROUP_NO_LIMIT.
 */
#ifndef HULL_VMM_CGROUP_STATS_H
#define HULL_VMM_CGROUP_STATS_H

#include <assert.h>
#include <stdint.h>

#define CGROUP_NO_LIMIT UINT64_MAX
#define CGROUP_MAX_IO 16u /* block devices */
#define CGROUP_MAX_HUGETLB 4u /* sizes of huge pages */
#define CGROUP_MAX_MEMORY_KEYS 64u

/* The keys of memory.stat, Linux 6.1 to 6.12.  New ones go to the end. */
#define CGROUP_MEMORY_KEYS(X)                                                            \
	X(anon), X(file), X(kernel), X(kernel_stack), X(pagetables), X(sec_pagetables),  \
		X(percpu), X(sock), X(vmalloc), X(shmem), X(zswap), X(zswapped),         \
		X(file_mapped), X(file_dirty), X(file_writeback), X(swapcached),         \
		X(anon_thp), X(file_thp), X(shmem_thp), X(inactive_anon),                \
		X(active_anon), X(inactive_file), X(active_file), X(unevictable),        \
		X(slab_reclaimable), X(slab_unreclaimable), X(slab),                     \
		X(workingset_refault_anon), X(workingset_refault_file),                  \
		X(workingset_activate_anon), X(workingset_activate_file),                \
		X(workingset_restore_anon), X(workingset_restore_file),                  \
		X(workingset_nodereclaim), X(pgscan), X(pgsteal), X(pgscan_kswapd),      \
		X(pgscan_direct), X(pgscan_khugepaged), X(pgsteal_kswapd),               \
		X(pgsteal_direct), X(pgsteal_khugepaged), X(pgfault), X(pgmajfault),     \
		X(pgrefill), X(pgactivate), X(pgdeactivate), X(pglazyfree),              \
		X(pglazyfreed), X(zswpin), X(zswpout), X(zswpwb), X(thp_fault_alloc),    \
		X(thp_collapse_alloc), X(thp_swpout), X(thp_swpout_fallback)

#define CGROUP_MEMORY_ENUM_(key) CGROUP_MEMORY_##key
enum cgroup_memory_key {
	CGROUP_MEMORY_KEYS(CGROUP_MEMORY_ENUM_),
	CGROUP_MEMORY_N,
};

/* For a table: static const char *const names[] = { CGROUP_MEMORY_KEYS(...) }; */
#define CGROUP_MEMORY_NAME(key) [CGROUP_MEMORY_##key] = #key

enum cgroup_psi {
	CGROUP_PSI_CPU,
	CGROUP_PSI_MEMORY,
	CGROUP_PSI_IO,
	CGROUP_PSI_N,
};

enum cgroup_have {
	CGROUP_HAVE_PSI = 1 << 0, /* << enum cgroup_psi: three bits */
};

/* One line of a *.pressure file. */
struct cgroup_pressure {
	uint32_t avg10; /* (1/100 %); so also the next two */
	uint32_t avg60;
	uint32_t avg300;
	uint32_t reserved;
	uint64_t total; /* (us) */
};

struct cgroup_psi_stats {
	struct cgroup_pressure some;
	struct cgroup_pressure full;
};

struct cgroup_io_stats {
	uint32_t major;
	uint32_t minor;
	uint64_t rbytes;
	uint64_t wbytes;
	uint64_t rios;
	uint64_t wios;
};

struct cgroup_hugetlb_stats {
	uint64_t page_size; /* (bytes) */
	uint64_t usage; /* (bytes) */
	uint64_t failures; /* to stay below the limit */
};

/* The answer to AGENT_STATS and CONTROL_CGROUP_STATS. */
struct cgroup_stats {
	uint32_t have; /* enum cgroup_have */
	uint32_t n_io; /* 0..CGROUP_MAX_IO */
	uint32_t n_hugetlb; /* 0..CGROUP_MAX_HUGETLB */
	uint32_t reserved;

	uint64_t cpu_total; /* (ns); so also the next two */
	uint64_t cpu_user;
	uint64_t cpu_system;
	uint64_t cpu_periods;
	uint64_t cpu_throttled_periods;
	uint64_t cpu_throttled; /* (ns) */

	uint64_t memory_usage; /* (bytes); so also the next five */
	uint64_t memory_peak;
	uint64_t memory_limit;
	uint64_t swap_usage;
	uint64_t swap_peak;
	uint64_t swap_limit;
	uint64_t memory_failures; /* to stay below memory_limit */
	uint64_t memory_keys; /* a bit for each enum cgroup_memory_key that is told */
	uint64_t memory[CGROUP_MAX_MEMORY_KEYS];

	uint64_t pids;
	uint64_t pids_limit;

	struct cgroup_psi_stats psi[CGROUP_PSI_N];
	struct cgroup_io_stats io[CGROUP_MAX_IO];
	struct cgroup_hugetlb_stats hugetlb[CGROUP_MAX_HUGETLB];
};

static_assert((int)CGROUP_MEMORY_N <= (int)CGROUP_MAX_MEMORY_KEYS, "a bit for each");
static_assert(sizeof(struct cgroup_psi_stats) == 48, "flat");
static_assert(sizeof(struct cgroup_io_stats) == 40, "flat");
static_assert(sizeof(struct cgroup_stats) ==
		      16 + 8 * (6 + 8 + 64 + 2) + 3 * 48 + 16 * 40 + 4 * 24,
	      "flat, without holes");

#endif
