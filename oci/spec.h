/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config.json of the OCI runtime-spec, 1.0 to 1.3, as plain C.
 *
 *	struct oci_spec *spec = NULL;
 *	ret = oci_spec_parse(text, len, &spec, err);	types, ranges, enums
 *	ret = oci_validate(spec, ...);			oci/validate.h: meaning
 *	ret = oci_check_honoured(spec, ...);		oci/honoured.h
 *	spec->root->path = oci_strdup(spec, "/run/hull/private/0");
 *	ret = oci_spec_write(spec, &buf, err);		JSON again, for the agent
 *	oci_spec_free(spec);
 *
 * Conventions:
 *   - Every pointer belongs to the spec's arena; replace a string by assigning
 *     one from oci_strdup() (or any that outlives the spec); add elements to a list
 *     with oci_list_add().
 *   - A string member is NULL when absent or empty; elements of lists and values
 *     of maps may be empty, never NULL.
 *   - An object member is NULL when absent (null counts as absent).
 *   - A scalar whose absence means something is {set, value}; a plain one is 0 or
 *     false when absent.
 *   - Lists are {v, n}; v[n] of a list of strings is NULL, so it fits execve().
 *     v is NULL when the list is absent and not NULL when it is there and empty
 *     (only for seccomp's flags is that a difference).
 *   - Enums are 0 when absent.
 *   - Properties that the spec does not know are ignored, as it demands.
 *
 * A spec belongs to one thread at a time.
 */
#ifndef HULL_OCI_SPEC_H
#define HULL_OCI_SPEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/arena.h"
#include "lib/cleanup.h"

struct buf;
struct err;

struct oci_opt_bool {
	bool set;
	bool value;
};

struct oci_opt_i32 {
	bool set;
	int32_t value;
};

struct oci_opt_i64 {
	bool set;
	int64_t value;
};

struct oci_opt_u16 {
	bool set;
	uint16_t value;
};

struct oci_opt_u32 {
	bool set;
	uint32_t value;
};

struct oci_opt_u64 {
	bool set;
	uint64_t value;
};

struct oci_strings {
	char **v; /* v[n] is NULL; v itself is NULL when the list is absent */
	size_t n;
};

struct oci_u32s {
	uint32_t *v;
	size_t n;
};

/* A list of enum values. */
struct oci_enums {
	int *v;
	size_t n;
};

struct oci_pair {
	char *key;
	char *value;
};

struct oci_map {
	struct oci_pair *v; /* in the order of the file */
	size_t n;
};

/* ---- process: config.md#process ------------------------------------------- */

struct oci_box {
	uint32_t height; /* (rows) */
	uint32_t width; /* (columns) */
};

struct oci_user {
	uint32_t uid;
	uint32_t gid;
	struct oci_opt_u32 umask;
	struct oci_u32s additional_gids;
};

struct oci_capabilities {
	/* Names ("CAP_KILL"); oci_capability() gives their numbers. */
	struct oci_strings bounding;
	struct oci_strings effective;
	struct oci_strings inheritable;
	struct oci_strings permitted;
	struct oci_strings ambient;
};

struct oci_rlimit {
	int type; /* RLIMIT_* of <sys/resource.h> */
	uint64_t soft; /* UINT64_MAX is RLIM_INFINITY */
	uint64_t hard;
};

/* sched_setattr(2); the values are the kernel's plus one (0: absent). */
enum oci_sched_policy {
	OCI_SCHED_OTHER = 1,
	OCI_SCHED_FIFO,
	OCI_SCHED_RR,
	OCI_SCHED_BATCH,
	OCI_SCHED_ISO,
	OCI_SCHED_IDLE,
	OCI_SCHED_DEADLINE,
};

/* The values are SCHED_FLAG_* of <linux/sched.h>. */
enum oci_sched_flag {
	OCI_SCHED_FLAG_RESET_ON_FORK = 0x01,
	OCI_SCHED_FLAG_RECLAIM = 0x02,
	OCI_SCHED_FLAG_DL_OVERRUN = 0x04,
	OCI_SCHED_FLAG_KEEP_POLICY = 0x08,
	OCI_SCHED_FLAG_KEEP_PARAMS = 0x10,
	OCI_SCHED_FLAG_UTIL_CLAMP_MIN = 0x20,
	OCI_SCHED_FLAG_UTIL_CLAMP_MAX = 0x40,
};

struct oci_scheduler {
	enum oci_sched_policy policy;
	int32_t nice;
	int32_t priority;
	struct oci_enums flags; /* enum oci_sched_flag */
	uint64_t runtime; /* (ns) */
	uint64_t deadline; /* (ns) */
	uint64_t period; /* (ns) */
};

/* The values are IOPRIO_CLASS_* of <linux/ioprio.h>. */
enum oci_io_class {
	OCI_IO_CLASS_RT = 1,
	OCI_IO_CLASS_BE,
	OCI_IO_CLASS_IDLE,
};

struct oci_io_priority {
	enum oci_io_class class;
	int32_t priority;
};

struct oci_cpu_affinity {
	char *initial; /* "0-1,4" */
	char *final;
};

struct oci_process {
	bool terminal;
	struct oci_box *console_size;
	struct oci_user user;
	struct oci_strings args;
	struct oci_strings env;
	char *cwd;
	struct oci_capabilities *capabilities;
	struct {
		struct oci_rlimit *v;
		size_t n;
	} rlimits;
	bool no_new_privileges;
	char *apparmor_profile;
	struct oci_opt_i32 oom_score_adj;
	struct oci_scheduler *scheduler;
	char *selinux_label;
	struct oci_io_priority *io_priority;
	struct oci_cpu_affinity *exec_cpu_affinity;
};

/* ---- root, mounts, hooks: config.md ---------------------------------------- */

struct oci_root {
	char *path;
	bool readonly;
};

struct oci_id_mapping {
	uint32_t container_id;
	uint32_t host_id;
	uint32_t size;
};

struct oci_id_mappings {
	struct oci_id_mapping *v;
	size_t n;
};

struct oci_mount {
	char *destination; /* absolute: the parser puts a missing '/' before it */
	bool relative; /* it was missing (deprecated: oci_warnings() tells) */
	char *type; /* NULL: a bind mount, if the options say so */
	char *source;
	struct oci_strings options; /* oci/mount.h reads them */
	struct oci_id_mappings uid_mappings;
	struct oci_id_mappings gid_mappings;
};

struct oci_hook {
	char *path;
	struct oci_strings args; /* with args[0] */
	struct oci_strings env;
	struct oci_opt_i32 timeout; /* (s) */
};

struct oci_hook_list {
	struct oci_hook *v;
	size_t n;
};

struct oci_hooks {
	struct oci_hook_list prestart;
	struct oci_hook_list create_runtime;
	struct oci_hook_list create_container;
	struct oci_hook_list start_container;
	struct oci_hook_list poststart;
	struct oci_hook_list poststop;
};

/* ---- linux: config-linux.md -------------------------------------------------- */

enum oci_ns_type {
	OCI_NS_PID = 1,
	OCI_NS_NETWORK,
	OCI_NS_MOUNT,
	OCI_NS_IPC,
	OCI_NS_UTS,
	OCI_NS_USER,
	OCI_NS_CGROUP,
	OCI_NS_TIME,
	OCI_NS_MAX,
};

struct oci_namespace {
	enum oci_ns_type type;
	char *path; /* NULL: a new one */
};

struct oci_device {
	char *path;
	char type; /* 'c', 'b', 'u' (as 'c') or 'p' */
	int64_t major;
	int64_t minor;
	struct oci_opt_u32 file_mode; /* permission bits, at most 07777 */
	struct oci_opt_u32 uid;
	struct oci_opt_u32 gid;
};

struct oci_device_rule {
	bool allow;
	char *type; /* "a" (or NULL), "b", "c" */
	struct oci_opt_i64 major; /* absent or -1: all */
	struct oci_opt_i64 minor;
	char *access; /* letters of "rwm" */
};

struct oci_memory {
	struct oci_opt_i64 limit; /* (bytes); -1: none; so also the next four */
	struct oci_opt_i64 reservation;
	struct oci_opt_i64 swap; /* memory + swap */
	struct oci_opt_i64 kernel; /* deprecated */
	struct oci_opt_i64 kernel_tcp;
	struct oci_opt_u64 swappiness; /* 0..100 */
	struct oci_opt_bool disable_oom_killer;
	struct oci_opt_bool use_hierarchy;
	struct oci_opt_bool check_before_update;
};

struct oci_cpu {
	struct oci_opt_u64 shares; /* cgroup v1's scale: 2..262144 */
	struct oci_opt_i64 quota; /* (us); <= 0: none */
	struct oci_opt_u64 burst; /* (us) */
	struct oci_opt_u64 period; /* (us); absent or 0: 100000 */
	struct oci_opt_i64 realtime_runtime; /* (us) */
	struct oci_opt_u64 realtime_period; /* (us) */
	char *cpus; /* "0-3,5" */
	char *mems;
	struct oci_opt_i64 idle; /* 0 or 1 */
};

struct oci_pids {
	struct oci_opt_i64 limit; /* < 0: none; 0: as 1, as runc does */
};

struct oci_weight_device {
	int64_t major;
	int64_t minor;
	struct oci_opt_u16 weight;
	struct oci_opt_u16 leaf_weight;
};

struct oci_throttle_device {
	int64_t major;
	int64_t minor;
	uint64_t rate; /* (bytes or operations per s) */
};

struct oci_throttle_devices {
	struct oci_throttle_device *v;
	size_t n;
};

struct oci_block_io {
	struct oci_opt_u16 weight; /* cgroup v1's scale: 10..1000 */
	struct oci_opt_u16 leaf_weight;
	struct {
		struct oci_weight_device *v;
		size_t n;
	} weight_device;
	struct oci_throttle_devices throttle_read_bps;
	struct oci_throttle_devices throttle_write_bps;
	struct oci_throttle_devices throttle_read_iops;
	struct oci_throttle_devices throttle_write_iops;
};

struct oci_hugepage_limit {
	char *page_size; /* "2MB" */
	uint64_t limit; /* (bytes) */
};

struct oci_interface_priority {
	char *name;
	uint32_t priority;
};

struct oci_network {
	struct oci_opt_u32 class_id;
	struct {
		struct oci_interface_priority *v;
		size_t n;
	} priorities;
};

struct oci_rdma {
	char *key; /* the device's name */
	struct oci_opt_u32 hca_handles;
	struct oci_opt_u32 hca_objects;
};

struct oci_resources {
	struct {
		struct oci_device_rule *v;
		size_t n;
	} devices;
	struct oci_memory *memory;
	struct oci_cpu *cpu;
	struct oci_pids *pids;
	struct oci_block_io *block_io;
	struct {
		struct oci_hugepage_limit *v;
		size_t n;
	} hugepage_limits;
	struct oci_network *network;
	struct {
		struct oci_rdma *v;
		size_t n;
	} rdma;
	struct oci_map unified; /* cgroup v2 file name -> what to write */
};

enum oci_seccomp_action {
	OCI_ACT_KILL = 1, /* the same as OCI_ACT_KILL_THREAD */
	OCI_ACT_KILL_PROCESS,
	OCI_ACT_KILL_THREAD,
	OCI_ACT_TRAP,
	OCI_ACT_ERRNO,
	OCI_ACT_TRACE,
	OCI_ACT_ALLOW,
	OCI_ACT_LOG,
	OCI_ACT_NOTIFY,
};

enum oci_seccomp_arch {
	OCI_ARCH_X86 = 1,
	OCI_ARCH_X86_64,
	OCI_ARCH_X32,
	OCI_ARCH_ARM,
	OCI_ARCH_AARCH64,
	OCI_ARCH_LOONGARCH64,
	OCI_ARCH_M68K,
	OCI_ARCH_MIPS,
	OCI_ARCH_MIPS64,
	OCI_ARCH_MIPS64N32,
	OCI_ARCH_MIPSEL,
	OCI_ARCH_MIPSEL64,
	OCI_ARCH_MIPSEL64N32,
	OCI_ARCH_PPC,
	OCI_ARCH_PPC64,
	OCI_ARCH_PPC64LE,
	OCI_ARCH_S390,
	OCI_ARCH_S390X,
	OCI_ARCH_SH,
	OCI_ARCH_SHEB,
	OCI_ARCH_PARISC,
	OCI_ARCH_PARISC64,
	OCI_ARCH_RISCV64,
};

/* The values are SECCOMP_FILTER_FLAG_* of <linux/seccomp.h>. */
enum oci_seccomp_flag {
	OCI_SECCOMP_FLAG_TSYNC = 1 << 0,
	OCI_SECCOMP_FLAG_LOG = 1 << 1,
	OCI_SECCOMP_FLAG_SPEC_ALLOW = 1 << 2,
	OCI_SECCOMP_FLAG_WAIT_KILLABLE_RECV = 1 << 5,
};

/* The values are enum scmp_compare of <seccomp.h>. */
enum oci_seccomp_op {
	OCI_CMP_NE = 1,
	OCI_CMP_LT,
	OCI_CMP_LE,
	OCI_CMP_EQ,
	OCI_CMP_GE,
	OCI_CMP_GT,
	OCI_CMP_MASKED_EQ,
};

struct oci_syscall_arg {
	uint32_t index; /* 0..5 */
	uint64_t value; /* OCI_CMP_MASKED_EQ: the mask */
	uint64_t value_two; /* OCI_CMP_MASKED_EQ: what must be left */
	enum oci_seccomp_op op;
};

struct oci_syscall {
	struct oci_strings names;
	enum oci_seccomp_action action;
	struct oci_opt_u32 errno_ret; /* absent: EPERM */
	struct {
		struct oci_syscall_arg *v;
		size_t n;
	} args;
};

struct oci_seccomp {
	enum oci_seccomp_action default_action;
	struct oci_opt_u32 default_errno_ret;
	struct oci_enums architectures; /* enum oci_seccomp_arch */
	struct oci_enums flags; /* enum oci_seccomp_flag; absent (v NULL):
				   SPEC_ALLOW, as runc does */
	char *listener_path;
	char *listener_metadata;
	struct {
		struct oci_syscall *v;
		size_t n;
	} syscalls;
};

struct oci_intel_rdt {
	char *clos_id;
	struct oci_strings schemata;
	char *l3_cache_schema;
	char *mem_bw_schema;
	bool enable_monitoring;
};

/* The values are MPOL_* of <linux/mempolicy.h> plus one (0: absent). */
enum oci_mempolicy_mode {
	OCI_MPOL_DEFAULT = 1,
	OCI_MPOL_PREFERRED,
	OCI_MPOL_BIND,
	OCI_MPOL_INTERLEAVE,
	OCI_MPOL_LOCAL,
	OCI_MPOL_PREFERRED_MANY,
	OCI_MPOL_WEIGHTED_INTERLEAVE,
};

/* The values are MPOL_F_* of <linux/mempolicy.h>. */
enum oci_mempolicy_flag {
	OCI_MPOL_F_STATIC_NODES = 1 << 15,
	OCI_MPOL_F_RELATIVE_NODES = 1 << 14,
	OCI_MPOL_F_NUMA_BALANCING = 1 << 13,
};

struct oci_memory_policy {
	enum oci_mempolicy_mode mode;
	char *nodes; /* "0-1,3" */
	struct oci_enums flags; /* enum oci_mempolicy_flag */
};

enum oci_personality_domain {
	OCI_PER_LINUX = 1,
	OCI_PER_LINUX32,
};

struct oci_personality {
	enum oci_personality_domain domain;
	struct oci_strings flags; /* none is defined */
};

struct oci_time_offset {
	char *key; /* "monotonic" or "boottime" */
	int64_t secs;
	uint32_t nanosecs;
};

struct oci_net_device {
	char *key; /* its name on the host */
	char *name; /* in the container; NULL: the same */
};

enum oci_propagation {
	OCI_PROPAGATION_PRIVATE = 1,
	OCI_PROPAGATION_RPRIVATE,
	OCI_PROPAGATION_SHARED,
	OCI_PROPAGATION_RSHARED,
	OCI_PROPAGATION_SLAVE,
	OCI_PROPAGATION_RSLAVE,
	OCI_PROPAGATION_UNBINDABLE,
	OCI_PROPAGATION_RUNBINDABLE,
};

struct oci_linux {
	struct oci_id_mappings uid_mappings;
	struct oci_id_mappings gid_mappings;
	struct oci_map sysctl;
	struct oci_resources *resources;
	char *cgroups_path;
	struct {
		struct oci_namespace *v;
		size_t n;
	} namespaces;
	struct {
		struct oci_device *v;
		size_t n;
	} devices;
	struct {
		struct oci_net_device *v;
		size_t n;
	} net_devices;
	struct oci_seccomp *seccomp;
	enum oci_propagation rootfs_propagation;
	struct oci_strings masked_paths;
	struct oci_strings readonly_paths;
	char *mount_label;
	struct oci_intel_rdt *intel_rdt;
	struct oci_memory_policy *memory_policy;
	struct oci_personality *personality;
	struct {
		struct oci_time_offset *v;
		size_t n;
	} time_offsets;
};

/* ---- vm: config-vm.md -------------------------------------------------------- */

struct oci_vm_hypervisor {
	char *path;
	struct oci_strings parameters;
};

struct oci_vm_kernel {
	char *path;
	struct oci_strings parameters;
	char *initrd;
};

struct oci_vm_image {
	char *path;
	char *format;
};

struct oci_vm_iomem {
	struct oci_opt_u64 first_gfn;
	uint64_t first_mfn;
	uint64_t nr_mfns;
};

struct oci_vm_hw_config {
	char *device_tree;
	struct oci_opt_u32 vcpus;
	struct oci_opt_u64 memory; /* (bytes) */
	struct oci_strings dtdevs;
	struct {
		struct oci_vm_iomem *v;
		size_t n;
	} iomems;
	struct oci_u32s irqs;
};

struct oci_vm {
	struct oci_vm_hypervisor *hypervisor;
	struct oci_vm_kernel *kernel;
	struct oci_vm_image *image;
	struct oci_vm_hw_config *hw_config;
};

/* ---- the whole --------------------------------------------------------------- */

struct oci_spec {
	struct arena arena; /* holds the spec itself and all that it points to */

	char *oci_version;
	struct oci_process *process;
	struct oci_root *root;
	char *hostname;
	char *domainname;
	struct {
		struct oci_mount *v;
		size_t n;
	} mounts;
	struct oci_hooks *hooks;
	struct oci_map annotations;
	struct oci_linux *linux_; /* never NULL in what oci_spec_parse() returns
				     (`linux` is a macro of the compiler) */
	struct oci_vm *vm;
};

/*
 * oci_spec_parse() - config.json as a struct.
 *
 * Checks syntax, types, ranges, enum values and the members that are required in
 * their object ("config.json: process.user.uid: ..."); what the values mean is
 * oci_validate()'s.
 *
 * Return: 0; -EINVAL; -EFBIG; -ENOMEM
 */
int oci_spec_parse(const char *text, size_t len, struct oci_spec **ret, struct err *err);

/*
 * oci_process_parse() - a `process` object of its own (hull exec --process).
 * @ret: a spec in which only process is set; free it with oci_spec_free()
 */
int oci_process_parse(const char *text, size_t len, struct oci_spec **ret,
		      struct err *err);

/*
 * oci_resources_parse() - a `linux.resources` object of its own (hull update).
 * @ret: a spec in which only linux.resources is set; free it with oci_spec_free()
 */
int oci_resources_parse(const char *text, size_t len, struct oci_spec **ret,
			struct err *err);

/* oci_spec_new() - an empty spec to fill in; NULL when out of memory. */
struct oci_spec *oci_spec_new(void);

/* oci_spec_free() - @spec may be NULL. */
void oci_spec_free(struct oci_spec *spec);

DEFINE_CLEANUP(oci_spec, struct oci_spec, oci_spec_free)
#define auto_oci_spec auto_call(cleanup_oci_spec_)

/*
 * Append the JSON of the struct to @b, in the order of the spec's own types, on
 * one line.  What the struct holds comes back the same from the parser.
 */
int oci_spec_write(const struct oci_spec *spec, struct buf *b, struct err *err);
int oci_process_write(const struct oci_process *process, struct buf *b, struct err *err);
int oci_resources_write(const struct oci_resources *resources, struct buf *b,
			struct err *err);

/* oci_spec_print() - like oci_spec_write(), indented with tabs (`hull spec`). */
int oci_spec_print(const struct oci_spec *spec, struct buf *b, struct err *err);

/* ---- helpers for those who change a spec --------------------------------------- */

/* Memory that lives as long as the spec: zeroed; NULL when there is none. */
void *oci_alloc(struct oci_spec *spec, size_t size);
char *oci_strdup(struct oci_spec *spec, const char *s);

/*
 * oci_list_add() - one more zeroed element at the end of a list {v, n}:
 *
 *	struct oci_mount *m = oci_list_add(spec, &spec->mounts);
 *
 * Elements move: pointers into the list are stale afterwards.  NULL: no memory.
 */
#define oci_list_add(spec, list)                                                         \
	((__typeof__((list)->v))oci_list_grow_((spec), &(list)->n, (list)->v,            \
					       &(list)->v, sizeof(*(list)->v)))
void *oci_list_grow_(struct oci_spec *spec, size_t *n, const void *old, void *ret_v,
		     size_t size);

/* oci_strings_add() - append a copy of @s; 0 or -ENOMEM. */
int oci_strings_add(struct oci_spec *spec, struct oci_strings *list, const char *s);

bool oci_strings_has(const struct oci_strings *list, const char *s);

/* oci_namespace() - the entry of that type, or NULL. */
const struct oci_namespace *oci_namespace(const struct oci_spec *spec,
					  enum oci_ns_type type);

/* oci_ns_name() - "pid", "network", ... as in config.json. */
const char *oci_ns_name(enum oci_ns_type type);

/* oci_annotation() - the value, or NULL. */
const char *oci_annotation(const struct oci_spec *spec, const char *key);

/* oci_seccomp_flags() - SECCOMP_FILTER_FLAG_*, as runc has them where there is no list */
unsigned int oci_seccomp_flags(const struct oci_seccomp *sc);

/* oci_capability() - the number of "CAP_KILL", or -1. */
int oci_capability(const char *name);

/* oci_capability_name() - "CAP_KILL", or NULL past the last one that is known. */
const char *oci_capability_name(int cap);

/* oci_rlimit_name() - "RLIMIT_NOFILE", or NULL. */
const char *oci_rlimit_name(int type);

#endif
