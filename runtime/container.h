/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A container's state folder, <root>/<id>, mode 0700:
 *
 *	state.json	what does not change after create (replaced atomically)
 *	config.json	the container's configuration as it was at create
 *	status		struct vm_status, written by hull-vmm
 *	control.sock	vmm/control.h
 *	network		emptied by hull-net when it has put the namespace in order
 *
 * Calling sequence: container_new() claims the id (mkdir), container_save() makes the
 * container known, container_load() finds it again, container_remove() ends it.
 * A folder without state.json is a create that was cut off: it is as good as not there
 * for every verb but `delete --force`, and for a create of the same id.
 */
#ifndef HULL_RUNTIME_CONTAINER_H
#define HULL_RUNTIME_CONTAINER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/cleanup.h"
#include "oci/spec.h"
#include "runtime/intel_rdt.h"

struct err;

enum container_status {
	CONTAINER_CREATING,
	CONTAINER_CREATED,
	CONTAINER_RUNNING,
	CONTAINER_PAUSED,
	CONTAINER_STOPPED,
};

struct container {
	char *id;
	char *root; /* the folder of all state folders */
	int dir; /* the state folder */
	pid_t pid; /* hull-vmm's; 0 before it exists */
	uint64_t start_time; /* of pid: field 22 of /proc/PID/stat */
	char *oci_version;
	char *bundle; /* absolute */
	char *rootfs; /* absolute */
	char *created; /* RFC 3339, UTC */
	char *cgroup; /* cgroup v2 folder made for it (absolute path), or NULL */
	struct oci_map cgroup1; /* folders of cgroup v1: controllers, path; in arena */
	char *unit; /* systemd's scope whose folder that is, or NULL */
	char *net_vhost; /* "on" or "off": what hull-net is told */
	char *net_rx; /* (bits/s) decimal, "0": no limit: as well */
	char *net_tx;
	char *net_antispoof; /* "on" or "off" */
	char *net_joined; /* path of the network namespace, or NULL: one of its own */
	char *net_followed; /* not NULL: a hull-net was started */
	struct intel_rdt rdt; /* resctrl groups of hull-vmm */
	char *kernel; /* boot_file_note() of what its machine booted from, or NULL */
	char *initrd;
	uint64_t memory; /* (bytes) of its machine */
	uint32_t vcpus; /* of its machine */
	uid_t owner;
	struct oci_map annotations; /* in arena */
	struct arena arena;
};

/* container_check_id() - -EINVAL "invalid container ID format: ..." as runc. */
int container_check_id(const char *id, struct err *err);

/*
 * container_new() - make the state folder (and @root above it).
 * Return: 0; -EEXIST "container with given ID already exists"
 */
int container_new(const char *root, const char *id, struct container **ret,
		  struct err *err);

/* container_describe() - what `state` and the hooks tell of it: when it was created (now),
 * and a copy of @annotations. */
int container_describe(struct container *c, const struct oci_map *annotations,
		       struct err *err);

/* container_load() - -ENOENT "container does not exist". */
int container_load(const char *root, const char *id, struct container **ret,
		   struct err *err);

/* container_save() - write state.json. */
int container_save(const struct container *c, struct err *err);

/*
 * container_remove() - take away the state folder and all in it; hull-vmm must
 * be gone.  What is not there any more is no error.
 */
int container_remove(struct container *c, struct err *err);

void container_free(struct container *c);
DEFINE_CLEANUP(container, struct container, container_free)
#define auto_container auto_call(cleanup_container_)

/* container_set_pid() - remember hull-vmm's pid and when it started. */
int container_set_pid(struct container *c, pid_t pid, struct err *err);

/* container_alive() - whether hull-vmm runs (a zombie does not). */
bool container_alive(const struct container *c);

enum container_status container_status(const struct container *c);
const char *container_status_name(enum container_status status);

/* container_pidfd() - a pidfd of hull-vmm; -ESRCH when it is gone. */
int container_pidfd(const struct container *c, struct err *err);

/* container_pidfd_to_end() - the same also of a zombie, whose other threads may run yet. */
int container_pidfd_to_end(const struct container *c);

/* container_spec() - the configuration as it was at create. */
int container_spec(const struct container *c, struct oci_spec **ret, struct err *err);

/* container_put_state() - one object, with the members that `state` and `list` share. */
struct json_writer;
void container_put_state(struct json_writer *w, const struct container *c,
			 const char *status, pid_t pid, const char *owner);

/* container_state_json() - append the JSON that `state` prints and hooks read. */
struct buf;
int container_state_json(const struct container *c, const char *status, pid_t pid,
			 const char *indent, struct buf *b);

/* Where the state is unless --root says otherwise. */
#define CONTAINER_DEFAULT_ROOT "/run/hull"

/*
 * container_list() - the ids below @root, sorted; -ENOENT when it is not there.
 * @ret_ids: in @arena
 */
int container_list(const char *root, struct oci_strings *ret_ids, struct arena *arena,
		   struct err *err);

#endif
