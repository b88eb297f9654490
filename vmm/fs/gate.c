/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/fs/gate.h"

#include <errno.h>

#include "vmm/fs/dax.h"
#include "vmm/fs/server.h"

void fs_gate_init(struct fs_gate *gate)
{
	(void)pthread_mutex_init(&gate->lock, NULL); /* cannot fail on Linux */
}

void fs_gate_release(struct fs_gate *gate)
{
	(void)pthread_mutex_destroy(&gate->lock);
}

static void tell_moved(const struct fs_gate *gate)
{
	if (gate->moved)
		gate->moved(gate->moved_arg);
}

/* try_close() - Return: whether the gate moved */
static bool try_close_locked(struct fs_server *fs)
{
	struct fs_gate *gate = &fs->gate;

	if (atomic_load(&gate->busy[FS_GATE_CHANGE]))
		return false; /* the last one comes here again */
	gate->error = fs_dax_hold(fs);
	atomic_store(&gate->state, gate->error < 0 ? FS_GATE_OPENING : FS_GATE_CLOSED);
	return gate->error == 0;
}

/* opened_locked() - nothing is kept back any more. */
static void opened_locked(struct fs_gate *gate)
{
	gate->writing = false;
	atomic_store(&gate->state, FS_GATE_OPEN);
}

/*
 * step() - as far as it goes.  @worker: may write back, which takes its time; others
 * leave that to one.
 */
static void step(struct fs_server *fs, bool worker)
{
	struct fs_gate *gate = &fs->gate;
	bool moved = false, wake = false, write_back = false;

	(void)pthread_mutex_lock(&gate->lock);
	if (fs_gate_state(gate) == FS_GATE_CLOSING)
		moved = try_close_locked(fs);
	if (fs_gate_state(gate) == FS_GATE_OPENING && !gate->writing) {
		if (!fs_dax_holds(fs, NULL)) {
			opened_locked(gate);
			moved = wake = true;
		} else if (atomic_load(&gate->busy[FS_GATE_FILL]) == 0) {
			gate->writing = write_back = worker;
			wake = !worker;
		}
	}
	if (write_back) {
		(void)pthread_mutex_unlock(&gate->lock);
		fs_dax_let_go(fs);
		(void)pthread_mutex_lock(&gate->lock);
		opened_locked(gate);
		moved = wake = true;
	}
	(void)pthread_mutex_unlock(&gate->lock);
	if (wake && gate->wake)
		gate->wake(gate->wake_arg);
	if (moved)
		tell_moved(gate);
}

/*
 * Whoever enters counts first and looks then; whoever moves the gate sets the state
 * first and counts then (both sequentially consistent): one of them sees the other.
 */
int fs_gate_enter(struct fs_server *fs, enum fs_gate_kind kind)
{
	struct fs_gate *gate = &fs->gate;
	enum fs_gate_state state;

	atomic_fetch_add(&gate->busy[kind], 1);
	state = fs_gate_state(gate);
	if (kind == FS_GATE_FILL ? state != FS_GATE_OPENING : state == FS_GATE_OPEN)
		return 0;
	fs_gate_leave(fs, kind);
	return -FS_PARK;
}

void fs_gate_leave(struct fs_server *fs, enum fs_gate_kind kind)
{
	struct fs_gate *gate = &fs->gate;
	enum fs_gate_state state;

	if (atomic_fetch_sub(&gate->busy[kind], 1) != 1)
		return;
	state = fs_gate_state(gate);
	if (state == FS_GATE_CLOSING || state == FS_GATE_OPENING)
		step(fs, false);
}

void fs_gate_close(struct fs_server *fs)
{
	struct fs_gate *gate = &fs->gate;
	bool closing;

	(void)pthread_mutex_lock(&gate->lock);
	closing = fs_gate_state(gate) == FS_GATE_OPEN;
	if (closing) {
		gate->error = 0;
		atomic_store(&gate->state, FS_GATE_CLOSING);
	}
	(void)pthread_mutex_unlock(&gate->lock);
	if (closing)
		step(fs, false);
}

void fs_gate_open(struct fs_server *fs)
{
	struct fs_gate *gate = &fs->gate;
	bool opening;

	(void)pthread_mutex_lock(&gate->lock);
	opening = fs_gate_state(gate) == FS_GATE_CLOSING ||
		  fs_gate_state(gate) == FS_GATE_CLOSED;
	if (opening)
		atomic_store(&gate->state, FS_GATE_OPENING);
	(void)pthread_mutex_unlock(&gate->lock);
	if (opening)
		step(fs, false);
}

void fs_gate_work(struct fs_server *fs)
{
	if (fs_gate_state(&fs->gate) != FS_GATE_OPEN)
		step(fs, true);
}
