/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/uart.h"

#include <linux/serial_reg.h>

#include "tests/unit/tap.h"

static struct uart uart;

static uint8_t in(uint64_t reg)
{
	uint8_t value;

	uart_ops.read(&uart, reg, &value, 1);
	return value;
}

static void out(uint64_t reg, uint8_t value)
{
	uart_ops.write(&uart, reg, &value, 1);
}

static void print(const char *s)
{
	while (*s)
		out(UART_TX, (uint8_t)*s++);
}

/* What Linux's 8250 driver does to find out whether there is a port. */
static void test_probe(void)
{
	uart_init(&uart);
	is_int(in(UART_LSR), UART_LSR_TEMT | UART_LSR_THRE, "always ready to send");
	out(UART_IER, 0);
	is_int(in(UART_IER), 0, "IER takes 0");
	out(UART_IER, 0xff);
	is_int(in(UART_IER), 0x0f, "IER has four bits");
	out(UART_MCR, UART_MCR_LOOP | 0x0a);
	is_int(in(UART_MSR)&0xf0, 0x90, "loopback: RTS and OUT2 come back");
	out(UART_TX, 'x');
	out(UART_MCR, 0);
	is_int(in(UART_IIR), UART_IIR_NO_INT, "no interrupt, no FIFO");
	out(UART_SCR, 0xa5);
	is_int(in(UART_SCR), 0xa5, "the scratch register keeps");
	out(UART_LCR, UART_LCR_DLAB | UART_LCR_WLEN8);
	out(UART_DLL, 12);
	out(UART_DLM, 1);
	ok(in(UART_DLL) == 12 && in(UART_DLM) == 1, "the divisor keeps");
	out(UART_LCR, UART_LCR_WLEN8);
	is_int(in(UART_IER), 0x0f, "and is apart from IER");
	is_int(in(UART_RX), 0, "nothing was received");
	uart_release(&uart);
}

static void test_tail(void)
{
	char text[64];

	uart_init(&uart);
	is_int(uart_tail(&uart, text, sizeof(text)), 0, "empty at first");
	is_str(text, "", "and terminated");
	print("hello world");
	is_int(uart_tail(&uart, text, sizeof(text)), 11, "all that was printed");
	is_str(text, "hello world", "is there");
	is_int(uart_tail(&uart, text, 6), 5, "with less room");
	is_str(text, "world", "the end of it");
	is_int(uart_tail(&uart, text, 1), 0, "no room at all");
	uart_release(&uart);
}

static void test_ring(void)
{
	static char text[UART_RING_SIZE + 100];
	bool same = true;

	uart_init(&uart);
	for (unsigned int i = 0; i < 3 * UART_RING_SIZE + 7; i++)
		out(UART_TX, (uint8_t)('a' + i % 26));
	is_int(uart_tail(&uart, text, sizeof(text)), UART_RING_SIZE,
	       "the ring's size is kept");
	for (unsigned int i = 0; i < UART_RING_SIZE; i++)
		same = same && text[i] == (char)('a' + (2 * UART_RING_SIZE + 7 + i) % 26);
	ok(same, "in order");
	uart_release(&uart);
}

static void test_wide(void)
{
	uint8_t data[8];

	uart_init(&uart);
	uart_ops.read(&uart, 0, data, sizeof(data));
	is_int(data[UART_LSR], UART_LSR_TEMT | UART_LSR_THRE,
	       "a wide read is eight registers");
	uart_release(&uart);
}

int main(void)
{
	test_probe();
	test_tail();
	test_ring();
	test_wide();
	return tap_done();
}
