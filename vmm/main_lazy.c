/* SPDX-License-Identifier: Apache-2.0 */
/* A container that was saved goes on before its memory is there (vmm/snapshot/lazy.h). */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "lib/io.h"
#include "lib/log.h"
#include "vmm/container.h"
#include "vmm/jail/jail.h"
#include "vmm/main.h"
#include "vmm/snapshot/lazy.h"

#define KILLED 137 /* as of a guest that stopped by itself: container.h */

/*
 * on_failed() - on lazy's thread.  All others may wait for memory that does not come, the main
 * thread as well, so nobody is asked: here is the end.
 */
static void on_failed(void *opaque, const struct err *err)
{
	const struct vm_status status = {
		.phase = VM_PHASE_STOPPED,
		.exit_status = KILLED,
	};
	const struct vm_sync sync = { .type = VM_SYNC_ERROR, .err = *err };
	struct vmm *v = opaque;

	(void)pthread_mutex_lock(&v->gate_lock);
	log_error("the container is killed, for its memory is not there: %s", err->msg);
	/* Who does not hear it sees our end. */
	if (!v->made)
		(void)sock_send(v->config->sync_fd, &sync, sizeof(sync), NULL, 0);
	(void)!pwrite(v->config->status_fd, &status, sizeof(status), 0);
	_exit(KILLED);
}

int main_make_lazy(struct vmm *v, const uint8_t id[IMAGE_ID_SIZE], const int *fds,
		   unsigned int n_fds, struct err *err)
{
	const struct vm_config *c = v->config;
	struct lazy_params params = {
		.fds = fds,
		.n_fds = n_fds,
		.ram_size = c->memory,
		.working_set_fd = c->working_set_fd,
		.on_failed = on_failed,
		.opaque = v,
	};

	memcpy(params.id, id, sizeof(params.id));
	return lazy_new(&params, &v->lazy, err);
}

void main_stop_lazy(struct vmm *v)
{
	if (v->lazy)
		lazy_stop(v->lazy);
}

static int on_thread(void *opaque, struct err *err)
{
	(void)opaque; /* it needs nothing but its filter */
	return jail_thread(JAIL_LAZY, err);
}

int main_start_lazy(struct vmm *v, struct err *err)
{
	return v->lazy ? lazy_start(v->lazy, on_thread, err) : 0;
}

void main_go_on_lazy(struct vmm *v)
{
	(void)pthread_mutex_lock(&v->gate_lock);
	v->made = true;
	(void)pthread_mutex_unlock(&v->gate_lock);
	if (v->lazy)
		lazy_all(v->lazy);
}

bool main_memory_is_there(void *opaque)
{
	const struct vmm *v = opaque;

	return !v->lazy || lazy_done(v->lazy);
}
