/* SPDX-License-Identifier: Apache-2.0 */
/* Which frames the anti-spoof filter lets pass: run by the kernel, on a socket. */
#include "vmm/net/helper/guard.h"

#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/cleanup.h"
#include "tests/unit/tap.h"

#define FRAME_MAX 128u

static const uint8_t our_mac[ETH_ALEN] = { 2, 0, 0, 0, 0x12, 0x34 };
static const struct guard_ip our_ips[] = {
	{ AF_INET, { 10, 1, 0, 2 } },
	{ AF_INET6, { 0xfd, [15] = 2 } },
	{ AF_INET, { 10, 2, 0, 200 } },
	{ AF_INET6, { 0xfe, 0x80, [14] = 0x12, 0x34 } },
	{ AF_INET6, { 0xfd, [14] = 1, 2 } },
};

static int pair[2];

/* passes() - does the filter let a frame go on? -1: neither that nor dropped */
static int passes(const uint8_t *frame, size_t len)
{
	uint8_t in[FRAME_MAX];
	ssize_t n;

	if (send(pair[0], frame, len, 0) != (ssize_t)len)
		return -1;
	/* A socket takes what a program returns for the bytes that it keeps. */
	n = recv(pair[1], in, sizeof(in), MSG_DONTWAIT);
	if (n == (ssize_t)len)
		return 1;
	return n == 2 /* TC_ACT_SHOT */ ? 0 : -1;
}

/* hex() - bytes of digits; blanks do not count. Return: how many */
static size_t hex(const char *text, uint8_t *out)
{
	size_t digits = 0;

	memset(out, 0, FRAME_MAX);
	for (const char *p = text; *p; p++) {
		const char *all = "0123456789abcdef";
		const char *at = strchr(all, *p);

		if (*p == ' ')
			continue;
		out[digits / 2] = (uint8_t)(out[digits / 2] << 4 | (at - all));
		digits++;
	}
	return digits / 2;
}

#define TO "ffffffffffff"
#define OUR_MAC "020000001234"
#define ARP(mac, kinds, sender_mac, ip)                                                  \
	TO mac "0806" kinds "0001" sender_mac ip "000000000000 0a010001"
#define IP4(mac, ip) TO mac "0800 45000014 00000000 40110000" ip "0a010001"
#define IP6(next, source, rest)                                                          \
	TO OUR_MAC "86dd 60000000 0000" next "ff" source                                 \
		   "ff020000000000000000000000000001" rest
#define OURS "fd000000000000000000000000000002"
#define OURS_TOO "fd000000000000000000000000000102"
#define LOCAL "fe800000000000000000000000001234"
#define THEIRS "fd000000000000000000000000000003"
#define NOBODY "00000000000000000000000000000000"
#define ND(type, target) type "000000 00000000" target
#define OPT(kind, mac) kind "01" mac
#define NONCE "0e01a1b2c3d4e5f6"
#define EXT(next, rest) next "00" rest

static const struct {
	const char *what;
	const char *frame;
	int passes;
} cases[] = {
	{ "ARP", ARP(OUR_MAC, "000108000604", OUR_MAC, "0a010002"), 1 },
	{ "ARP, the second address", ARP(OUR_MAC, "000108000604", OUR_MAC, "0a0200c8"),
	  1 },
	{ "ARP, a probe", ARP(OUR_MAC, "000108000604", OUR_MAC, "00000000"), 1 },
	{ "ARP of another's address", ARP(OUR_MAC, "000108000604", OUR_MAC, "0a010003"),
	  0 },
	{ "ARP of another hardware address within",
	  ARP(OUR_MAC, "000108000604", "020000001235", "0a010002"), 0 },
	{ "ARP, a probe of another's",
	  ARP(OUR_MAC, "000108000604", "030000001234", "00000000"), 0 },
	{ "ARP of other hardware", ARP(OUR_MAC, "000608000604", OUR_MAC, "0a010002"), 0 },
	{ "ARP of other sizes", ARP(OUR_MAC, "000108000504", OUR_MAC, "0a010002"), 0 },
	{ "a frame of another hardware address",
	  ARP("020000001235", "000108000604", OUR_MAC, "0a010002"), 0 },
	{ "IPv4", IP4(OUR_MAC, "0a010002"), 1 },
	{ "IPv4, the second address", IP4(OUR_MAC, "0a0200c8"), 1 },
	{ "IPv4 of another's", IP4(OUR_MAC, "0a010003"), 0 },
	{ "IPv4 of nobody", IP4(OUR_MAC, "00000000"), 0 },
	{ "IPv4 of another hardware address", IP4("030000001234", "0a010002"), 0 },
	{ "IPv6, TCP", IP6("06", OURS, ""), 1 },
	{ "IPv6, the second address", IP6("06", LOCAL, ""), 1 },
	{ "IPv6, the third address", IP6("11", OURS_TOO, ""), 1 },
	{ "IPv6 of another's", IP6("06", THEIRS, ""), 0 },
	{ "IPv6 of nobody", IP6("11", NOBODY, ""), 0 },
	{ "IPv6, an echo", IP6("3a", OURS, "8000000000000000"), 1 },
	{ "a solicitation", IP6("3a", OURS, ND("87", THEIRS)), 1 },
	{ "a solicitation with our hardware address",
	  IP6("3a", OURS, ND("87", THEIRS) OPT("01", OUR_MAC)), 1 },
	{ "a solicitation with another's",
	  IP6("3a", OURS, ND("87", THEIRS) OPT("01", "020000001235")), 0 },
	{ "a solicitation from nobody", IP6("3a", NOBODY, ND("87", OURS)), 1 },
	{ "a solicitation from nobody with a nonce",
	  IP6("3a", NOBODY, ND("87", OURS) NONCE), 1 },
	{ "a solicitation with two options",
	  IP6("3a", OURS, ND("87", THEIRS) NONCE OPT("01", "020000001235")), 0 },
	{ "an advertisement", IP6("3a", OURS, ND("88", OURS)), 1 },
	{ "an advertisement of another of ours", IP6("3a", OURS, ND("88", OURS_TOO)), 1 },
	{ "an advertisement with our hardware address",
	  IP6("3a", OURS, ND("88", LOCAL) OPT("02", OUR_MAC)), 1 },
	{ "an advertisement of another's address",
	  IP6("3a", OURS, ND("88", THEIRS) OPT("02", OUR_MAC)), 0 },
	{ "an advertisement of another's hardware address",
	  IP6("3a", OURS, ND("88", OURS) OPT("02", "030000001234")), 0 },
	{ "an advertisement with a nonce", IP6("3a", OURS, ND("88", OURS) NONCE), 0 },
	{ "an advertisement from nobody", IP6("3a", NOBODY, ND("88", OURS)), 0 },
	{ "a router's solicitation", IP6("3a", OURS, "8500000000000000"), 1 },
	{ "a router's solicitation with our hardware address",
	  IP6("3a", OURS, "8500000000000000" OPT("01", OUR_MAC)), 1 },
	{ "a router's solicitation with another's",
	  IP6("3a", OURS, "8500000000000000" OPT("01", "030000001234")), 0 },
	{ "a router's advertisement", IP6("3a", LOCAL, "8600000000000000"), 0 },
	{ "a redirect", IP6("3a", LOCAL, "8900000000000000"), 0 },
	{ "a listener's report", IP6("00", LOCAL, EXT("3a", "050200000000") "8f000000"),
	  1 },
	{ "a listener's report, version 1",
	  IP6("00", LOCAL, EXT("3a", "050200000000") "83000000"), 1 },
	{ "a listener's report from nobody",
	  IP6("00", NOBODY, EXT("3a", "050200000000") "8f000000"), 1 },
	{ "a router's advertisement behind options",
	  IP6("00", LOCAL, EXT("3a", "050200000000") "86000000"), 0 },
	{ "options of 16 bytes",
	  IP6("00", LOCAL, "3a01 050200000000 0000000000000000 8f000000"), 0 },
	{ "TCP behind options", IP6("00", OURS, EXT("06", "050200000000") "00000000"),
	  0 },
	{ "ICMPv6 behind destination options",
	  IP6("3c", OURS, EXT("3a", "010400000000") "88000000"), 0 },
	{ "a routing header", IP6("2b", OURS, EXT("06", "000000000000")), 0 },
	{ "an authentication header", IP6("33", OURS, EXT("3a", "000000000000")), 0 },
	{ "a first fragment of UDP", IP6("2c", OURS, EXT("11", "000100000001")), 1 },
	{ "a first fragment of an echo",
	  IP6("2c", OURS, EXT("3a", "000100000001") "80000000"), 1 },
	{ "another fragment of ICMPv6",
	  IP6("2c", OURS, EXT("3a", "05a800000001") "88000000"), 1 },
	{ "a first fragment of an advertisement",
	  IP6("2c", OURS, EXT("3a", "000100000001") "88000000"), 0 },
	{ "a first fragment of a redirect",
	  IP6("2c", OURS, EXT("3a", "000100000001") "89000000"), 0 },
	{ "a first fragment of a listener's report",
	  IP6("2c", OURS, EXT("3a", "000100000001") "8f000000"), 1 },
	{ "a first fragment behind which options come",
	  IP6("2c", OURS, EXT("3c", "000100000001") "88000000"), 0 },
	{ "a fragment of another's", IP6("2c", THEIRS, EXT("11", "000100000001")), 0 },
	{ "another protocol", TO OUR_MAC "88b5 0000000000000000", 0 },
	{ "a tag within", TO OUR_MAC "8100 0005 0800 45000014 00000000 40110000 0a010002",
	  0 },
};

static void test_cases(void)
{
	uint8_t frame[FRAME_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		is_int(passes(frame, hex(cases[i].frame, frame)), cases[i].passes, "%s",
		       cases[i].what);
}

/* test_cut() - no end of a frame is read behind: that would let it in. */
static void test_cut(void)
{
	uint8_t frame[FRAME_MAX];
	unsigned int wrong = 0, dropped = 0;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		size_t len = hex(cases[i].frame, frame);

		/* Of 2 bytes the socket's answer means nothing. */
		for (size_t n = 3; n < len; n++) {
			int is = passes(frame, n);

			wrong += is < 0;
			dropped += is == 0;
		}
	}
	is_int(wrong, 0, "frames that end anywhere pass, or are dropped");
	ok(dropped > 1000, "dropped, where they say too little: %u", dropped);
}

/* test_noise() - whatever is in a frame: the program answers one of two things. */
static void test_noise(void)
{
	uint8_t frame[FRAME_MAX];
	unsigned int wrong = 0;
	uint32_t x = 12345;

	for (unsigned int round = 0; round < 20000; round++) {
		size_t len = hex(cases[round % ARRAY_SIZE(cases)].frame, frame);

		for (unsigned int k = 0; k < 3; k++) {
			x = x * 1664525 + 1013904223;
			frame[12 + (x >> 16) % (len - 12)] = (uint8_t)(x >> 8);
		}
		wrong += passes(frame, len) < 0;
	}
	is_int(wrong, 0, "20,000 broken frames");
}

static int attach(const struct guard_who *who)
{
	static struct sock_filter prog[GUARD_MAX_INSNS];
	int n = guard_program(who, prog);
	struct sock_fprog fprog = { .len = (unsigned short)(n > 0 ? n : 0),
				    .filter = prog };

	if (n < 0)
		return n;
	/* Both at once would be too much for a socket. */
	(void)setsockopt(pair[1], SOL_SOCKET, SO_DETACH_FILTER, NULL, 0);
	return setsockopt(pair[1], SOL_SOCKET, SO_ATTACH_FILTER, &fprog, sizeof(fprog)) <
			       0
		       ? -errno
		       : n;
}

static void test_many(void)
{
	static struct sock_filter prog[GUARD_MAX_INSNS];
	static struct guard_ip ips[4096];
	struct guard_who who = { our_mac, ips, 0 };
	uint8_t frame[FRAME_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(ips); i++)
		ips[i] = (struct guard_ip){
			AF_INET6, { 0xfd, [14] = (uint8_t)(i >> 8), (uint8_t)i }
		};
	who.n_ips = 200;
	ok(guard_program(&who, prog) > 0, "200 addresses of IPv6");
	who.n_ips = 100; /* a socket may have shorter programs than tc */
	ok(attach(&who) > 0, "100 of them");
	is_int(passes(frame, hex(IP6("3a", OURS, ND("88", OURS)), frame)), 1,
	       "the third");
	is_int(passes(frame, hex(IP6("06", OURS_TOO, ""), frame)), 0, "the 258th");
	who.n_ips = ARRAY_SIZE(ips);
	is_int(attach(&who), -E2BIG, "4096 are too many");
	for (size_t i = 0; i < 300; i++)
		ips[i] = (struct guard_ip){ AF_INET,
					    { 10, 9, (uint8_t)(i >> 8), (uint8_t)i } };
	who.n_ips = 300;
	ok(attach(&who) > 0, "300 of IPv4");
	is_int(passes(frame, hex(IP4(OUR_MAC, "0a09012b"), frame)), 1, "the 300th");
	is_int(passes(frame, hex(IP4(OUR_MAC, "0a09012c"), frame)), 0, "the 301st");
	who.n_ips = 0;
	ok(attach(&who) > 0, "none at all");
	is_int(passes(frame, hex(cases[0].frame, frame)), 0, "nothing of ARP passes");
	is_int(passes(frame, hex(IP6("3a", NOBODY, ND("87", OURS)), frame)), 1,
	       "but for a solicitation of nobody's");
}

int main(void)
{
	const struct guard_who who = { our_mac, our_ips, ARRAY_SIZE(our_ips) };

	if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair) < 0)
		return 1;
	ok(attach(&who) > 0, "the kernel takes the program");
	test_cases();
	test_cut();
	test_noise();
	test_many();
	return tap_done();
}
