/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/net/helper/guard.h"

#include <errno.h>
#include <linux/pkt_cls.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>

#include "lib/cleanup.h"

#define PASS ((uint32_t)TC_ACT_UNSPEC)
#define DROP ((uint32_t)TC_ACT_SHOT)

/* Where things are in a frame. */
enum {
	AT_SOURCE = ETH_ALEN,
	AT_TYPE = 2 * ETH_ALEN,
	AT_NET = ETH_HLEN,

	/* RFC 826 */
	AT_ARP_KINDS = AT_NET, /* hardware, protocol */
	AT_ARP_SIZES = AT_NET + 4,
	AT_ARP_MAC = AT_NET + 8,
	AT_ARP_IP = AT_NET + 14,
	ARP_END = AT_NET + 28,

	/* RFC 791 */
	AT_IP4_SOURCE = AT_NET + 12,
	IP4_END = AT_NET + 20,

	/* RFC 8200 */
	AT_IP6_NEXT = AT_NET + 6,
	AT_IP6_SOURCE = AT_NET + 8,
	IP6_END = AT_NET + 40,
	/* §4.3, §4.5: a first extension header of 8 bytes, and ICMPv6 behind it */
	AT_EXT_NEXT = IP6_END,
	AT_EXT_LEN = IP6_END + 1,
	AT_EXT_FRAGMENT = IP6_END + 2,
	EXT_END = IP6_END + 8,
	AT_EXT_ICMP = EXT_END,

	/* RFC 4861 §4 */
	AT_ICMP = IP6_END,
	RS_END = IP6_END + 8,
	AT_ND_TARGET = IP6_END + 8,
	ND_END = IP6_END + 24,
	OPTION = 8, /* (bytes) of one with a hardware address, or a nonce */
};

#define ARP_KINDS 0x00010800u /* Ethernet, IPv4 */
#define ARP_SIZES 0x0604u
#define FRAGMENT_OFFSET 0xfff8u
#define OPTION_SOURCE 0x0101u /* source link-layer address, 8 bytes */
#define OPTION_TARGET 0x0201u
#define MLD2_REPORT 143 /* RFC 3810 §5.2 */
#define OPTION_NONCE 0x0e01u /* RFC 3971 §5.3.2, which RFC 7527 has in a solicitation */

struct program {
	const struct guard_who *who;
	struct sock_filter *at; /* GUARD_MAX_INSNS places */
	size_t n; /* more than that: it did not fit */
};

static void put(struct program *p, uint16_t code, uint32_t k, uint8_t jt, uint8_t jf)
{
	if (p->n < GUARD_MAX_INSNS)
		p->at[p->n] = (struct sock_filter){ code, jt, jf, k };
	p->n++;
}

static void load(struct program *p, uint16_t size, uint32_t offset)
{
	put(p, (uint16_t)(BPF_LD | BPF_ABS | size), offset, 0, 0);
}

static void end(struct program *p, uint32_t action)
{
	put(p, BPF_RET | BPF_K, action, 0, 0);
}

/* must() - drop the frame unless the comparison @op of what was loaded with @k holds. */
static void must(struct program *p, uint16_t op, uint32_t k)
{
	put(p, (uint16_t)(BPF_JMP | BPF_K | op), k, 1, 0);
	end(p, DROP);
}

/* must_not() - drop the frame if it is @k. */
static void must_not(struct program *p, uint32_t k)
{
	put(p, BPF_JMP | BPF_JEQ | BPF_K, k, 0, 1);
	end(p, DROP);
}

/*
 * when() - what comes behind is for the value @k of what was loaded, up to otherwise(),
 * where all others go on.
 * Return: for otherwise()
 */
static size_t when(struct program *p, uint16_t op, uint32_t k)
{
	put(p, (uint16_t)(BPF_JMP | BPF_K | op), k, 1, 0);
	put(p, BPF_JMP | BPF_JA, 0, 0, 0);
	return p->n;
}

static void otherwise(struct program *p, size_t from)
{
	if (from <= GUARD_MAX_INSNS)
		p->at[from - 1].k = (uint32_t)(p->n - from);
}

static void must_be_long(struct program *p, uint32_t len)
{
	put(p, BPF_LD | BPF_W | BPF_LEN, 0, 0, 0);
	must(p, BPF_JGE, len);
}

static uint32_t be32(const uint8_t *at)
{
	uint32_t n;

	memcpy(&n, at, sizeof(n));
	return ntohl(n);
}

static uint32_t be16(const uint8_t *at)
{
	return (uint32_t)at[0] << 8 | at[1];
}

static void must_be_mac(struct program *p, uint32_t offset)
{
	load(p, BPF_W, offset);
	must(p, BPF_JEQ, be32(p->who->mac));
	load(p, BPF_H, offset + 4);
	must(p, BPF_JEQ, be16(p->who->mac + 4));
}

/* must_be_ip4() - the end: it passes, or does not. */
static void must_be_ip4(struct program *p, uint32_t offset)
{
	load(p, BPF_W, offset);
	for (size_t i = 0; i < p->who->n_ips; i++) {
		if (p->who->ips[i].family != AF_INET)
			continue;
		put(p, BPF_JMP | BPF_JEQ | BPF_K, be32(p->who->ips[i].addr), 0, 1);
		end(p, PASS);
	}
	end(p, DROP);
}

/* arp() - the end, for a packet of ARP. */
static void arp(struct program *p)
{
	must_be_long(p, ARP_END);
	load(p, BPF_W, AT_ARP_KINDS);
	must(p, BPF_JEQ, ARP_KINDS);
	load(p, BPF_H, AT_ARP_SIZES);
	must(p, BPF_JEQ, ARP_SIZES);
	must_be_mac(p, AT_ARP_MAC);
	load(p, BPF_W, AT_ARP_IP);
	put(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1); /* a probe, RFC 5227 §1.1 */
	end(p, PASS);
	must_be_ip4(p, AT_ARP_IP);
}

/* is_ip6() - compare with @addr: the next instruction runs where it is, or is skipped. */
static void is_ip6(struct program *p, uint32_t offset, const uint8_t *addr)
{
	static const uint8_t skip[] = { 7, 5, 3, 1 };

	for (uint32_t i = 0; i < 4; i++) {
		load(p, BPF_W, offset + 4 * i);
		put(p, BPF_JMP | BPF_JEQ | BPF_K, be32(addr + 4 * (size_t)i), 0, skip[i]);
	}
}

/* must_be_ip6() - an address of the namespace's, or the frame is dropped. */
static void must_be_ip6(struct program *p, uint32_t offset)
{
	size_t first = 0;
	size_t n = 0;

	/* Each hit jumps to the jump behind it, and so on, to what comes next. */
	for (size_t i = 0; i < p->who->n_ips; i++) {
		if (p->who->ips[i].family != AF_INET6)
			continue;
		is_ip6(p, offset, p->who->ips[i].addr);
		put(p, BPF_JMP | BPF_JA, 0, 0, 0);
		first = n++ ? first : p->n;
	}
	end(p, DROP);
	for (size_t i = 0; i < n; i++)
		otherwise(p, first + 9 * i);
}

/*
 * nd_options() - ends the program for neighbour discovery whose fixed part ends at @from:
 * with no option, or with the one that is @option and our hardware address.
 * @nonce: or a nonce
 */
static void nd_options(struct program *p, uint32_t from, uint32_t option, bool nonce)
{
	put(p, BPF_LD | BPF_W | BPF_LEN, 0, 0, 0);
	put(p, BPF_JMP | BPF_JEQ | BPF_K, from, 0, 1);
	end(p, PASS);
	must(p, BPF_JEQ, from + OPTION);
	load(p, BPF_H, from);
	if (nonce) {
		put(p, BPF_JMP | BPF_JEQ | BPF_K, OPTION_NONCE, 0, 1);
		end(p, PASS);
	}
	must(p, BPF_JEQ, option);
	must_be_mac(p, from + 2);
	end(p, PASS);
}

/* solicitation() - the end, for one of a neighbour. */
static void solicitation(struct program *p)
{
	must_be_long(p, ND_END);
	nd_options(p, ND_END, OPTION_SOURCE, true);
}

/* icmp6() - the end, for a packet of ICMPv6. */
static void icmp6(struct program *p)
{
	size_t from;

	must_be_long(p, RS_END);
	load(p, BPF_B, AT_ICMP);
	must_not(p, ND_ROUTER_ADVERT);
	must_not(p, ND_REDIRECT);
	from = when(p, BPF_JEQ, ND_ROUTER_SOLICIT);
	nd_options(p, RS_END, OPTION_SOURCE, false);
	otherwise(p, from);
	from = when(p, BPF_JEQ, ND_NEIGHBOR_SOLICIT);
	solicitation(p);
	otherwise(p, from);
	from = when(p, BPF_JEQ, ND_NEIGHBOR_ADVERT);
	must_be_long(p, ND_END);
	must_be_ip6(p, AT_ND_TARGET);
	nd_options(p, ND_END, OPTION_TARGET, false);
	otherwise(p, from);
	end(p, PASS);
}

/* listener() - the end, behind an extension header of hop-by-hop options. */
static void listener(struct program *p)
{
	must_be_long(p, AT_EXT_ICMP + 1);
	load(p, BPF_B, AT_EXT_NEXT);
	must(p, BPF_JEQ, IPPROTO_ICMPV6);
	load(p, BPF_B, AT_EXT_LEN);
	must(p, BPF_JEQ, 0);
	load(p, BPF_B, AT_EXT_ICMP);
	put(p, BPF_JMP | BPF_JEQ | BPF_K, MLD_LISTENER_REPORT, 3, 0);
	put(p, BPF_JMP | BPF_JEQ | BPF_K, MLD_LISTENER_REDUCTION, 2, 0);
	put(p, BPF_JMP | BPF_JEQ | BPF_K, MLD2_REPORT, 1, 0);
	end(p, DROP);
	end(p, PASS);
}

static void must_be_no_extension(struct program *p)
{
	static const uint8_t headers[] = {
		IPPROTO_HOPOPTS, IPPROTO_ROUTING, IPPROTO_FRAGMENT, IPPROTO_AH,
		IPPROTO_DSTOPTS, IPPROTO_MH,      139 /* HIP */,    140 /* shim6 */,
	};

	for (size_t i = 0; i < ARRAY_SIZE(headers); i++)
		must_not(p, headers[i]);
}

/* fragment() - the end. The first one has what follows; others carry no header. */
static void fragment(struct program *p)
{
	size_t from;

	must_be_long(p, EXT_END);
	load(p, BPF_B, AT_EXT_NEXT);
	must_be_no_extension(p);
	from = when(p, BPF_JEQ, IPPROTO_ICMPV6);
	load(p, BPF_H, AT_EXT_FRAGMENT);
	put(p, BPF_JMP | BPF_JSET | BPF_K, FRAGMENT_OFFSET, 0, 1);
	end(p, PASS);
	/* RFC 6980: neighbour discovery is never fragmented. */
	must_be_long(p, AT_EXT_ICMP + 1);
	load(p, BPF_B, AT_EXT_ICMP);
	put(p, BPF_JMP | BPF_JGE | BPF_K, ND_ROUTER_SOLICIT, 0, 2);
	put(p, BPF_JMP | BPF_JGT | BPF_K, ND_REDIRECT, 1, 0);
	end(p, DROP);
	otherwise(p, from);
	end(p, PASS);
}

/* ip6() - the end. */
static void ip6(struct program *p)
{
	static const uint8_t nobody[16];
	size_t from, other;

	must_be_long(p, IP6_END);
	is_ip6(p, AT_IP6_SOURCE, nobody);
	put(p, BPF_JMP | BPF_JA, 1, 0, 0); /* from :: */
	put(p, BPF_JMP | BPF_JA, 0, 0, 0); /* not so: patched */
	from = p->n;
	load(p, BPF_B, AT_IP6_NEXT);
	other = when(p, BPF_JEQ, IPPROTO_HOPOPTS);
	listener(p);
	otherwise(p, other);
	must(p, BPF_JEQ, IPPROTO_ICMPV6);
	must_be_long(p, RS_END);
	load(p, BPF_B, AT_ICMP);
	must(p, BPF_JEQ, ND_NEIGHBOR_SOLICIT);
	solicitation(p);
	otherwise(p, from);

	must_be_ip6(p, AT_IP6_SOURCE);
	load(p, BPF_B, AT_IP6_NEXT);
	from = when(p, BPF_JEQ, IPPROTO_ICMPV6);
	icmp6(p);
	otherwise(p, from);
	from = when(p, BPF_JEQ, IPPROTO_HOPOPTS);
	listener(p);
	otherwise(p, from);
	from = when(p, BPF_JEQ, IPPROTO_FRAGMENT);
	fragment(p);
	otherwise(p, from);
	must_be_no_extension(p);
	end(p, PASS);
}

int guard_program(const struct guard_who *who, struct sock_filter *prog)
{
	struct program p = { .who = who, .at = prog };
	size_t from;

	put(&p, BPF_LD | BPF_B | BPF_ABS,
	    (uint32_t)(SKF_AD_OFF + SKF_AD_VLAN_TAG_PRESENT), 0, 0);
	must(&p, BPF_JEQ, 0);
	must_be_long(&p, AT_NET);
	must_be_mac(&p, AT_SOURCE);
	load(&p, BPF_H, AT_TYPE);
	from = when(&p, BPF_JEQ, ETH_P_IP);
	must_be_long(&p, IP4_END);
	must_be_ip4(&p, AT_IP4_SOURCE);
	otherwise(&p, from);
	from = when(&p, BPF_JEQ, ETH_P_ARP);
	arp(&p);
	otherwise(&p, from);
	must(&p, BPF_JEQ, ETH_P_IPV6);
	ip6(&p);
	return p.n > GUARD_MAX_INSNS ? -E2BIG : (int)p.n;
}
