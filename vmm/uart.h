/* SPDX-License-Identifier: Apache-2.0 */
/*
 * struct uart - a serial port that only listens: what the guest kernel prints
 * goes into a ring, for the error message when it panics or does not come up.
 *
 * It behaves like a 16450 that is always ready to send, never has input and
 * raises no interrupt: enough for earlyprintk=ttyS0 and for Linux's 8250 driver
 * to find it and to print by polling.
 */
#ifndef HULL_VMM_UART_H
#define HULL_VMM_UART_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/vm.h"

#define UART_RING_SIZE 16384u /* (bytes) power of 2 */

struct uart {
	pthread_mutex_t lock; /* all below */
	uint8_t ier, lcr, mcr, scratch, divisor[2];
	uint64_t written; /* (bytes) ever; the ring holds the last of them */
	char ring[UART_RING_SIZE];
};

/* For vm_add_pio(); opaque is the struct uart, offset the register. Any thread. */
extern const struct vm_range_ops uart_ops;

void uart_init(struct uart *uart);
void uart_release(struct uart *uart);

/*
 * uart_tail() - copy the end of what was printed; any thread.
 * @max: (bytes) room in @dst, > 0; the text is terminated
 * Return: (bytes) copied
 */
size_t uart_tail(struct uart *uart, char *dst, size_t max);

#endif
