/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interrupts are MSIs only: a gsi for each vector, its address and data in KVM's
 * routing table, an irqfd that raises it.
 */
#include <errno.h>
#include <sys/ioctl.h>

#include "lib/err.h"
#include "vmm/arch/x86/layout.h"
#include "vmm/vm_internal.h"

int vm_irq_init(struct vm *vm, struct err *err)
{
	vm->routes =
		calloc(1, sizeof(*vm->routes) +
				  LAYOUT_GSI_MSI_COUNT * sizeof(vm->routes->entries[0]));
	if (!vm->routes)
		return err_set(err, ENOMEM, "interrupt routes");
	return 0;
}

void vm_irq_release(struct vm *vm)
{
	free(vm->routes);
	vm->routes = NULL;
}

int vm_gsi_alloc(struct vm *vm, struct err *err)
{
	int gsi = -1;

	(void)pthread_mutex_lock(&vm->irq_lock);
	if (vm->n_gsis < LAYOUT_GSI_MSI_COUNT)
		gsi = LAYOUT_GSI_MSI + (int)vm->n_gsis++;
	(void)pthread_mutex_unlock(&vm->irq_lock);
	if (gsi < 0)
		return err_msg(err, ENOSPC, "more than %d interrupt vectors",
			       LAYOUT_GSI_MSI_COUNT);
	return gsi;
}

/* find_route() - the entry of @gsi, a new one (with gsi 0) when it has none yet. */
static struct kvm_irq_routing_entry *find_route(struct kvm_irq_routing *routes,
						uint32_t gsi)
{
	uint32_t i = 0;

	while (i < routes->nr && routes->entries[i].gsi != gsi)
		i++;
	return &routes->entries[i];
}

/* The table is replaced as a whole: that is the only way KVM has. */
static int route_locked(struct vm *vm, uint32_t gsi, uint64_t address, uint32_t data)
{
	struct kvm_irq_routing_entry *e = find_route(vm->routes, gsi);
	struct kvm_irq_routing_entry old = *e;
	struct kvm_irq_routing_entry wanted = {
		.gsi = gsi,
		.type = KVM_IRQ_ROUTING_MSI,
		.u.msi = {
			.address_lo = (uint32_t)address,
			.address_hi = (uint32_t)(address >> 32),
			.data = data,
		},
	};
	uint32_t nr = vm->routes->nr;

	if (old.gsi == gsi && old.u.msi.address_lo == wanted.u.msi.address_lo &&
	    old.u.msi.address_hi == wanted.u.msi.address_hi &&
	    old.u.msi.data == wanted.u.msi.data)
		return 0;
	*e = wanted;
	if (old.gsi != gsi)
		vm->routes->nr++;
	if (ioctl(vm->fd, KVM_SET_GSI_ROUTING, vm->routes) < 0) {
		int code = errno;

		*e = old;
		vm->routes->nr = nr;
		return -code;
	}
	return 0;
}

int vm_msi_route(struct vm *vm, int gsi, uint64_t address, uint32_t data, struct err *err)
{
	int ret;

	(void)pthread_mutex_lock(&vm->irq_lock);
	if (gsi < LAYOUT_GSI_MSI || (unsigned int)(gsi - LAYOUT_GSI_MSI) >= vm->n_gsis)
		ret = -EINVAL;
	else
		ret = route_locked(vm, (uint32_t)gsi, address, data);
	(void)pthread_mutex_unlock(&vm->irq_lock);
	if (ret < 0)
		return err_set(err, -ret, "KVM_SET_GSI_ROUTING: gsi %d", gsi);
	return 0;
}

int vm_irqfd(struct vm *vm, int gsi, int fd, bool add, struct err *err)
{
	struct kvm_irqfd irqfd = {
		.fd = (uint32_t)fd,
		.gsi = (uint32_t)gsi,
		.flags = add ? 0 : KVM_IRQFD_FLAG_DEASSIGN,
	};

	if (ioctl(vm->fd, KVM_IRQFD, &irqfd) < 0)
		return err_set(err, errno, "KVM_IRQFD: gsi %d", gsi);
	return 0;
}

int vm_ioeventfd(struct vm *vm, gpa_t gpa, uint32_t len, int fd, bool add,
		 struct err *err)
{
	struct kvm_ioeventfd ioeventfd = {
		.addr = gpa,
		.len = len,
		.fd = fd,
		.flags = add ? 0 : KVM_IOEVENTFD_FLAG_DEASSIGN,
	};

	if (ioctl(vm->fd, KVM_IOEVENTFD, &ioeventfd) < 0)
		return err_set(err, errno, "KVM_IOEVENTFD at %#llx",
			       (unsigned long long)gpa);
	return 0;
}
