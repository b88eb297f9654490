/* SPDX-License-Identifier: Apache-2.0 */
/* The ports of \_S5 and of the reset register (ACPI 6.4 §4.8.3.7, §4.8.3.6). */
#include "vmm/arch/x86/layout.h"
#include "vmm/vm_internal.h"

#define SLEEP_ENABLE (1u << 5)
#define SLEEP_TYPE_SHIFT 2
#define SLEEP_TYPE_MASK 7u
#define SLEEP_TYPE_S5 5u

static void power_read(void *opaque, uint64_t offset, void *data, uint32_t len)
{
	(void)opaque;
	(void)offset;
	memset(data, 0, len); /* never asleep */
}

static void power_write(void *opaque, uint64_t offset, const void *data, uint32_t len)
{
	const uint8_t *bytes = data;
	struct vm *vm = opaque;

	for (uint32_t i = 0; i < len; i++) {
		switch (LAYOUT_PORT_POWER + offset + i) {
		case LAYOUT_PORT_SLEEP_CONTROL:
			if ((bytes[i] & SLEEP_ENABLE) &&
			    (bytes[i] >> SLEEP_TYPE_SHIFT & SLEEP_TYPE_MASK) ==
				    SLEEP_TYPE_S5)
				vm_tell_stop(vm, VM_STOP_POWEROFF, NULL);
			break;
		case LAYOUT_PORT_RESET:
			vm_tell_stop(vm, VM_STOP_SHUTDOWN, NULL);
			break;
		default: /* sleep status: nothing to clear */
			break;
		}
	}
}

int vm_power_init(struct vm *vm, struct err *err)
{
	static const struct vm_range_ops ops = { .read = power_read,
						 .write = power_write };

	return vm_add_pio(vm, LAYOUT_PORT_POWER, LAYOUT_PORT_POWER_SIZE, &ops, vm, err);
}
