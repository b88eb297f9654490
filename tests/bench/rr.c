/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rr serve PORT | rr ADDRESS PORT COUNT - requests and responses of one byte, over TCP
 *
 * The client prints the nanoseconds (CLOCK_MONOTONIC) that one takes, the mean of
 * COUNT after a hundred that do not count.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define WARM 100

static void die(const char *what)
{
	(void)fprintf(stderr, "rr: %s: %m\n", what);
	exit(1);
}

static long long now_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts); /* cannot fail */
	return ts.tv_sec * 1000000000ll + ts.tv_nsec;
}

static in_port_t port_of(const char *text)
{
	return htons((uint16_t)strtoul(text, NULL, 10));
}

static void serve(const struct sockaddr_in *addr)
{
	const int one = 1;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    bind(fd, (const struct sockaddr *)addr, sizeof(*addr)) < 0 ||
	    listen(fd, 8) < 0)
		die("listen");
	for (;;) {
		int c = accept(fd, NULL, NULL);
		char byte;

		if (c < 0)
			die("accept");
		(void)setsockopt(c, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		while (read(c, &byte, 1) == 1 && write(c, &byte, 1) == 1)
			;
		(void)close(c);
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_in addr = { .sin_family = AF_INET };
	const int one = 1;
	long long begin = 0;
	long count;
	char byte = 0;
	int fd;

	if (argc == 3 && strcmp(argv[1], "serve") == 0) {
		addr.sin_port = port_of(argv[2]);
		serve(&addr);
	}
	if (argc != 4 || inet_pton(AF_INET, argv[1], &addr.sin_addr) != 1 ||
	    (count = strtol(argv[3], NULL, 10)) <= 0) {
		(void)fprintf(stderr, "usage: rr serve PORT | rr ADDRESS PORT COUNT\n");
		return 2;
	}
	addr.sin_port = port_of(argv[2]);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0)
		die("connect");
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	for (long i = -WARM; i < count; i++) {
		if (i == 0)
			begin = now_ns();
		if (write(fd, &byte, 1) != 1 || read(fd, &byte, 1) != 1)
			die("exchange");
	}
	(void)printf("%lld\n", (now_ns() - begin) / count);
	return 0;
}
