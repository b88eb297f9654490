/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/uart.h"

#include <linux/serial_reg.h>

void uart_init(struct uart *uart)
{
	*uart = (struct uart){ 0 };
	(void)pthread_mutex_init(&uart->lock, NULL); /* cannot fail on Linux */
}

void uart_release(struct uart *uart)
{
	(void)pthread_mutex_destroy(&uart->lock); /* nobody holds it any more */
}

/* With loopback the modem outputs come back as inputs: drivers test for that. */
static uint8_t modem_status(uint8_t mcr)
{
	uint8_t msr = 0;

	if (!(mcr & UART_MCR_LOOP))
		return UART_MSR_DCD | UART_MSR_DSR | UART_MSR_CTS;
	if (mcr & UART_MCR_RTS)
		msr |= UART_MSR_CTS;
	if (mcr & UART_MCR_DTR)
		msr |= UART_MSR_DSR;
	if (mcr & UART_MCR_OUT1)
		msr |= UART_MSR_RI;
	if (mcr & UART_MCR_OUT2)
		msr |= UART_MSR_DCD;
	return msr;
}

static uint8_t read_locked(const struct uart *uart, uint64_t reg)
{
	switch (reg) {
	case UART_RX:
		return uart->lcr & UART_LCR_DLAB ? uart->divisor[0] : 0;
	case UART_IER:
		return uart->lcr & UART_LCR_DLAB ? uart->divisor[1] : uart->ier;
	case UART_IIR:
		return UART_IIR_NO_INT;
	case UART_LCR:
		return uart->lcr;
	case UART_MCR:
		return uart->mcr;
	case UART_LSR:
		return UART_LSR_TEMT | UART_LSR_THRE;
	case UART_MSR:
		return modem_status(uart->mcr);
	default:
		return uart->scratch;
	}
}

static void write_locked(struct uart *uart, uint64_t reg, uint8_t value)
{
	switch (reg) {
	case UART_TX:
		if (uart->lcr & UART_LCR_DLAB)
			uart->divisor[0] = value;
		else if (!(uart->mcr & UART_MCR_LOOP))
			uart->ring[uart->written++ % UART_RING_SIZE] = (char)value;
		break;
	case UART_IER:
		if (uart->lcr & UART_LCR_DLAB)
			uart->divisor[1] = value;
		else
			uart->ier = value & 0x0f;
		break;
	case UART_LCR:
		uart->lcr = value;
		break;
	case UART_MCR:
		uart->mcr = value & 0x1f;
		break;
	case UART_SCR:
		uart->scratch = value;
		break;
	default: /* FCR: no FIFO; LSR, MSR: read-only */
		break;
	}
}

static void uart_read(void *opaque, uint64_t offset, void *data, uint32_t len)
{
	struct uart *uart = opaque;
	uint8_t *bytes = data;

	(void)pthread_mutex_lock(&uart->lock);
	for (uint32_t i = 0; i < len; i++)
		bytes[i] = read_locked(uart, offset + i);
	(void)pthread_mutex_unlock(&uart->lock);
}

static void uart_write(void *opaque, uint64_t offset, const void *data, uint32_t len)
{
	struct uart *uart = opaque;
	const uint8_t *bytes = data;

	(void)pthread_mutex_lock(&uart->lock);
	for (uint32_t i = 0; i < len; i++)
		write_locked(uart, offset + i, bytes[i]);
	(void)pthread_mutex_unlock(&uart->lock);
}

const struct vm_range_ops uart_ops = {
	.read = uart_read,
	.write = uart_write,
};

size_t uart_tail(struct uart *uart, char *dst, size_t max)
{
	uint64_t from;
	size_t n;

	(void)pthread_mutex_lock(&uart->lock);
	n = uart->written < UART_RING_SIZE ? (size_t)uart->written : UART_RING_SIZE;
	if (n > max - 1)
		n = max - 1;
	from = uart->written - n;
	for (size_t i = 0; i < n; i++)
		dst[i] = uart->ring[(from + i) % UART_RING_SIZE];
	(void)pthread_mutex_unlock(&uart->lock);
	dst[n] = 0;
	return n;
}
