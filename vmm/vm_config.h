/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What runtime/ tells hull-vmm: one flat configuration, no JSON to parse.
 *
 * Calling sequence: runtime/ writes struct vm_config, then the payload (the
 * rewritten config.json for the agent), into a memfd; clones a child into the
 * container's namespaces; the child execs `hull-vmm FD`, where FD is the memfd.
 * Every descriptor named here is inherited by the exec and owned by hull-vmm
 * from then on; -1 means absent.  hull-vmm checks every field again.
 *
 * Over sync_fd (SOCK_SEQPACKET, the other end is the creating command) hull-vmm
 * sends struct vm_sync messages: VM_SYNC_MAP_USERS once (answered with one
 * struct vm_sync of the same type: code 0 when the maps stand, or the reason
 * why not; a descriptor with it takes the place of roots[0].fd: the same tree,
 * with what the caller's hooks mounted in it), then either VM_SYNC_CREATED or
 * VM_SYNC_ERROR.  End of file without either means that it was killed.  VM_SYNC_CREATED is
 * answered with the same type when the creating command has nothing left to do that can
 * fail; when it goes away before, so does the container.  After VM_SYNC_ERROR hull-vmm is
 * there, with its namespaces, until the command kills it or closes its end.
 */
#ifndef HULL_VMM_VM_CONFIG_H
#define HULL_VMM_VM_CONFIG_H

#include <assert.h>
#include <stdint.h>

#include "lib/err.h"
#include "vmm/snapshot/saved_ram.h"

#define VM_CONFIG_MAGIC 0x31434d56u /* "VMC1" */
#define VM_MAX_ROOTS 256u
#define VM_MAX_VCPUS 64u
#define VM_DAX_MIN (32ull << 20) /* (bytes) of a DAX window: see oci/options.h */
#define VM_DAX_MAX (64ull << 30)
#define VM_MAX_PRESERVED 16u /* descriptors of a process besides stdio */
#define VM_CMDLINE_SIZE 1024u
#define VM_ID_SIZE 1025u /* a container id: 1024 bytes and the final 0 */
#define VM_MAX_SPEC_SIZE (4u << 20) /* (bytes) of rewritten config.json */

/* The two virtio-fs devices of a VM, by tag and by guest mount point. */
enum vm_fs_device {
	VM_FS_PRIVATE, /* tag "private": roots that only this container writes */
	VM_FS_SHARED, /* tag "shared": volumes */
	VM_FS_DEVICES,
};

/*
 * One exported tree (or single file).  It is seen in the guest below the
 * device's mount point under its index in roots[], written in decimal:
 * /run/hull/private/0, /run/hull/shared/3.
 */
struct vm_root {
	int32_t fd; /* O_PATH, a detached clone of its mount (open_tree) */
	uint8_t device; /* enum vm_fs_device */
	uint8_t readonly; /* the server refuses every change */
	uint8_t reserved[2];
	uint32_t place; /* CRC-32 of where the container has it: for a restore, which gives
			 * each tree the index that it had */
};

/* The phases that the status file tells; written by hull-vmm alone. */
enum vm_phase {
	VM_PHASE_CREATING = 0,
	VM_PHASE_CREATED,
	VM_PHASE_RUNNING,
	VM_PHASE_PAUSED,
	VM_PHASE_STOPPED,
};

/*
 * The status file in the state folder: hull-vmm holds a descriptor for it and
 * rewrites it whole with one pwrite(), so a reader sees one state or the next.
 * A reader checks first whether hull-vmm lives: if it does not, the container is
 * stopped whatever phase stands here.
 */
struct vm_status {
	uint32_t phase; /* enum vm_phase */
	int32_t exit_status; /* 0-255, as a shell shows it; valid when stopped */
};

struct vm_config {
	uint32_t magic; /* VM_CONFIG_MAGIC */
	uint32_t size; /* sizeof(struct vm_config): both sides agree or stop */
	uint64_t memory; /* (bytes) guest RAM at most, a multiple of 2 MiB */
	uint64_t boot_memory; /* (bytes) of it that the guest has when it starts, likewise:
			       * it plugs the rest when it needs it */
	uint64_t memory_limit; /* (bytes) of hull-vmm's cgroup, none of it swap; 0: none */
	uint64_t dax_size; /* (bytes) each device's DAX window, a power of 2; 0: none */
	uint32_t vcpus; /* 1..VM_MAX_VCPUS */
	uint32_t n_roots;
	uint32_t spec_size; /* (bytes) of the payload behind this struct */
	uint32_t boot_timeout_ms; /* the agent must have connected by then */
	int64_t start_ns; /* (CLOCK_MONOTONIC) when the command began: timeline 0 */

	int32_t kvm_fd; /* /dev/kvm */
	int32_t cgroup_fd; /* cgroup.procs of the caller's cgroup, or -1: see vmm/vm.h */
	int32_t kernel_fd; /* ELF vmlinux or bzImage */
	int32_t initrd_fd; /* the agent's initramfs */
	int32_t modules_fd; /* a second cpio archive, put behind the first, or -1 */
	/* A machine that was saved (vmm/snapshot/image.h) in the place of kernel and
	 * initrd, where it fits; or -1. The file is not written to while anybody uses it. */
	int32_t template_fd;
	/* An empty file into which this machine is to be saved once its agent is ready, or
	 * -1; see VM_SYNC_TEMPLATE. */
	int32_t template_new_fd;
	/* A container that was saved (CONTROL_CHECKPOINT) and goes on, with a machine as it
	 * had (struct image_machine); VM_SYNC_CREATED then means that it runs.  Or -1. */
	int32_t restore_fd;
	int32_t parent_fd[SAVED_RAM_MAX_FILES - 1]; /* what that was made upon, the newest
						     * first */
	int32_t working_set_fd; /* with `lazy`: vmm/snapshot/working_set.h, to be read and
				 * written; or -1 */
	int32_t control_fd; /* bound and listening, SOCK_SEQPACKET: vmm/control.h */
	int32_t sync_fd; /* to the creating command */
	int32_t status_fd; /* struct vm_status */
	int32_t log_fd; /* lines of lib/log.h, or -1: none are wanted */
	int32_t stdio_fd[3]; /* the container's; with terminal the third is not used */
	int32_t preserved_fd[VM_MAX_PRESERVED]; /* the container's 3, 4, ... */

	uint8_t terminal; /* process.terminal */
	uint8_t no_cr; /* as CONTROL_EXEC_NO_CR */
	uint8_t console; /* stdio is the slave of a pty made for us: take it as
			  * controlling terminal, SIGWINCH tells of new sizes */
	uint8_t debug; /* log the timeline, the guest's kernel log to the log */
	uint8_t log_format; /* enum log_format */
	uint8_t log_level; /* enum log_level */
	uint8_t no_userns; /* user namespaces are switched off on this host */
	uint8_t n_preserved; /* of preserved_fd */
	uint8_t has_template; /* the devices of a template: one of them is made or used */
	uint8_t n_parents; /* of parent_fd */
	uint8_t lazy; /* with restore_fd: memory is read when it is asked for */
	uint8_t n_nics; /* network cards that are expected: on the bus from the start */

	char id[VM_ID_SIZE]; /* the container's id */
	char cmdline[VM_CMDLINE_SIZE]; /* added to the kernel's command line */
	struct vm_root roots[VM_MAX_ROOTS];
};

enum vm_sync_type {
	VM_SYNC_MAP_USERS = 1,
	VM_SYNC_CREATED,
	VM_SYNC_ERROR,
	/* Before one of these two.  Code 0: template_new_fd holds the machine; answered with
	 * the same type when hull has taken it from there.  No byte of the container's has
	 * reached the guest yet, and none does before the answer.  Otherwise: template_fd
	 * could not be used, nor will it be; not answered. */
	VM_SYNC_TEMPLATE,
};

struct vm_sync {
	uint32_t type; /* enum vm_sync_type */
	struct err err; /* code 0: none */
};

static_assert(sizeof(struct vm_root) == 12, "flat");
static_assert(sizeof(struct vm_status) == 8, "one pwrite");

#endif
