/* SPDX-License-Identifier: Apache-2.0 */
/*
 * KVM_CREATE_VM, which waits for a grace period of the host's, beside what needs no VM.
 *
 * KVM gives each VM a thread of the kernel's and puts it into the cgroup of whoever makes
 * the VM, until that is gone, later than its process (late_close.h).  So that the
 * container's cgroup can be removed when the container has ended, a child that shares our
 * memory and descriptors leaves that cgroup before it makes the VM.
 */
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/err.h"
#include "vmm/vm_internal.h"

struct creation {
	atomic_int asked; /* (a futex) 1: the waiting begins */
	int kvm_fd;
	int cgroup_fd; /* cgroup.procs of another cgroup, or -1 */
	int fd; /* the result */
	int code; /* (errno) when fd < 0 */
	bool outside; /* the VM's thread is in that cgroup */
	char stack[16u << 10]; /* of the child */
};

/* tell_asked() - what follows waits for a grace period. */
static void tell_asked(struct creation *c)
{
	atomic_store(&c->asked, 1);
	(void)syscall(SYS_futex, &c->asked, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void create(struct creation *c)
{
	do {
		c->fd = ioctl(c->kvm_fd, KVM_CREATE_VM, 0);
		c->code = errno;
	} while (c->fd < 0 && c->code == EINTR);
}

/* child_main() - with our memory: nothing but system calls. */
static int child_main(void *opaque)
{
	struct creation *c = opaque;

	tell_asked(c);
	/* Waits as KVM_CREATE_VM does, which then need not any more. */
	c->outside = write(c->cgroup_fd, "0", 1) == 1;
	create(c);
	_exit(0);
}

static void *create_thread(void *opaque)
{
	struct creation *c = opaque;
	int pid = -1;

	/* CLONE_VFORK: this thread, whose errno the child uses, stands still meanwhile. */
	if (c->cgroup_fd >= 0)
		pid = clone(child_main, c->stack + sizeof(c->stack),
			    CLONE_VM | CLONE_FILES | CLONE_VFORK, c);
	if (pid < 0) {
		tell_asked(c);
		create(c);
	} else {
		(void)waitpid(pid, NULL, (int)__WCLONE); /* it has ended */
	}
	return NULL;
}

/*
 * wait_until_asked() - with one CPU to run on, what we have to do would come first, and
 * the wait for KVM after it.  A thread of SCHED_BATCH, when it is woken, does not take the
 * CPU from the one that is about to ask.
 */
static void wait_until_asked(struct creation *c)
{
	const struct sched_param param = { 0 };
	bool normal = sched_getscheduler(0) == SCHED_OTHER;

	/* That it fails is a matter of time only. */
	if (normal)
		(void)sched_setscheduler(0, SCHED_BATCH, &param);
	while (!atomic_load(&c->asked))
		(void)syscall(SYS_futex, &c->asked, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
	if (normal)
		(void)sched_setscheduler(0, SCHED_OTHER, &param);
}

int vm_create(struct vm *vm, int (*beside)(struct vm *vm, struct err *err),
	      bool *ret_outside, struct err *err)
{
	struct creation c = {
		.kvm_fd = vm->params.kvm_fd,
		.cgroup_fd = vm->params.cgroup_fd,
		.fd = -1,
	};
	pthread_t thread;
	int code = pthread_create(&thread, NULL, create_thread, &c);
	int ret = 0;

	if (code)
		return err_set(err, code, "start a thread");
	if (beside) {
		wait_until_asked(&c);
		ret = beside(vm, err);
	}
	(void)pthread_join(thread, NULL); /* cannot fail */
	vm->fd = c.fd;
	*ret_outside = c.outside;
	if (ret == 0 && c.fd < 0)
		ret = err_set(err, c.code, "KVM_CREATE_VM");
	return ret;
}
