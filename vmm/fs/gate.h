/* SPDX-License-Identifier: Apache-2.0 */
/*
 * struct fs_gate - the write gate of a virtio-fs device: while it is closed nothing
 * that the guest does changes a file, and reads go on.
 *
 * A request that may change something passes fs_gate_enter() before it does anything;
 * at a closed gate it is given back to the pool (-FS_PARK), which keeps its chain and
 * serves it from the beginning once the gate is open.  What parks is decided by
 * opcode in dispatch.c (OP_GATED) and, where that says too little, in the operation:
 *
 *	SETATTR, SYMLINK, MKNOD, MKDIR, UNLINK, RMDIR, RENAME, RENAME2, LINK, WRITE,
 *	SETXATTR, REMOVEXATTR, CREATE, FALLOCATE, COPY_FILE_RANGE	all of them
 *	OPEN		with O_TRUNC; for writing on overlayfs, which copies the file up
 *	SETUPMAPPING	for writing (it fills holes)
 *	SETUPMAPPING, REMOVEMAPPING, INIT, DESTROY
 *			when they would drop what the DAX window keeps
 *	FSYNC, SYNCFS	when the window keeps something of that file (of any)
 *	READ		of a file of which the window keeps something; and of any while
 *			that is written back: it may read into the window's pages
 *	everything else	is answered
 *
 *	open ------- fs_gate_close() ------> closing: changes park
 *	closing ---- the last change ends -> closed: the window keeps stores to itself
 *	closed ----- fs_gate_open() -------> opening: READs park as well
 *	opening ---- kept stores written --> open: the pool serves what is parked
 *
 * Each step is made by whoever brings it about; `moved` tells the owner, on any thread.
 */
#ifndef HULL_VMM_FS_GATE_H
#define HULL_VMM_FS_GATE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

struct fs_server;

/* What an operation returns, and fs_serve(), when the request is to wait. */
#define FS_PARK 4095
#define FS_PARKED UINT32_MAX

enum fs_gate_state {
	FS_GATE_OPEN,
	FS_GATE_CLOSING,
	FS_GATE_CLOSED,
	FS_GATE_OPENING,
};

/* What a request may do that has to wait. */
enum fs_gate_kind {
	FS_GATE_CHANGE, /* to files */
	FS_GATE_FILL, /* to guest memory that may be pages of the DAX window */
	FS_GATE_KINDS,
};

struct fs_gate {
	pthread_mutex_t lock; /* guards changes of `state`, and `writing`, `error` */
	atomic_int state; /* enum fs_gate_state */
	atomic_uint busy[FS_GATE_KINDS]; /* requests being served */
	bool writing; /* what the window keeps is being written back */
	int error; /* -errno: why the gate could not be closed, and is open again */
	/* wake() - have a worker call fs_gate_work(), then serve what is parked.  NULL:
	 * there is no pool, whoever serves does both. */
	void (*wake)(void *arg);
	void *wake_arg;
	void (*moved)(void *arg); /* may be NULL */
	void *moved_arg;
};

void fs_gate_init(struct fs_gate *gate);
void fs_gate_release(struct fs_gate *gate);

/*
 * fs_gate_enter() - a request is about to do something of @kind.
 * Return: 0: fs_gate_leave() is due when it has been served; -FS_PARK
 */
int fs_gate_enter(struct fs_server *fs, enum fs_gate_kind kind);
void fs_gate_leave(struct fs_server *fs, enum fs_gate_kind kind);

/* fs_gate_close() / fs_gate_open() - begin; any thread, at any time. */
void fs_gate_close(struct fs_server *fs);
void fs_gate_open(struct fs_server *fs);

/* fs_gate_work() - on a worker: what other threads leave to it. */
void fs_gate_work(struct fs_server *fs);

static inline enum fs_gate_state fs_gate_state(const struct fs_gate *gate)
{
	return (enum fs_gate_state)atomic_load(&gate->state);
}

#endif
