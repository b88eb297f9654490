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
#include <pthread.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/err.h"
#include "vmm/arch/x86/x86.h"
#include "vmm/vm_internal.h"

struct creation {
	pthread_t thread;
	int kvm_fd;
	int cgroup_fd; /* cgroup.procs of another cgroup, or -1 */
	int fd; /* the result */
	int code; /* (errno) when fd < 0 */
	bool outside; /* the VM's thread is in that cgroup */
	char stack[16u << 10]; /* of the child */
};

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
	if (pid < 0)
		create(c);
	else
		(void)waitpid(pid, NULL, (int)__WCLONE); /* it has ended */
	return NULL;
}

/* prepare_memory() - all of the guest's memory that does not depend on the VM. */
static int prepare_memory(struct vm *vm, struct err *err)
{
	const struct vm_boot *boot = vm->params.boot;
	const struct vm_image *image = vm->params.image;
	int ret = vm_memory_new(vm, err);

	if (ret == 0 && image) {
		ret = vm_ram_map(vm, image, err);
	} else if (ret == 0 && boot) {
		ret = x86_load_image(&vm->memory, boot, &vm->image, err);
		vm->image_loaded = ret == 0;
	}
	return ret;
}

int vm_create(struct vm *vm, bool *ret_outside, struct err *err)
{
	struct creation c = {
		.kvm_fd = vm->params.kvm_fd,
		.cgroup_fd = vm->params.cgroup_fd,
		.fd = -1,
	};
	int code = pthread_create(&c.thread, NULL, create_thread, &c);
	int ret;

	if (code)
		return err_set(err, code, "start a thread");
	ret = prepare_memory(vm, err);
	vm->params.boot = NULL; /* the caller's for the call only */
	(void)pthread_join(c.thread, NULL); /* cannot fail */
	vm->fd = c.fd;
	*ret_outside = c.outside;
	if (ret == 0 && c.fd < 0)
		ret = err_set(err, c.code, "KVM_CREATE_VM");
	return ret;
}
