/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The filter of an interface's tap against frames that pretend to come from somebody
 * else.
 *
 * DOC: Theory of operation.  It is a program of classic BPF, run by tc on what the guest
 * sends, before anything else there.  It is a list of what may pass; everything else is
 * dropped:
 *
 * - frames without a VLAN tag, from the interface's hardware address, which are
 * - IPv4, from an address of the namespace;
 * - ARP for IPv4, whose sender is such an address (or 0.0.0.0: a probe) at the
 *   interface's hardware address;
 * - IPv6, from an address of the namespace; or from :: where a host without an address
 *   has to speak: neighbour solicitations and reports of multicast listeners;
 * - and of IPv6 no router advertisement, no redirect, no neighbour advertisement for
 *   another's address and no neighbour discovery that names another hardware address.
 *   So that none is hidden behind them, extension headers are those that such a
 *   host needs: fragments, and the router alert of multicast listeners.
 *
 * A load behind a frame's end would end a program with 0, which lets the frame into the
 * host's stack: each is preceded by a look at the length.
 */
#ifndef HULL_VMM_NET_HELPER_GUARD_H
#define HULL_VMM_NET_HELPER_GUARD_H

#include <linux/filter.h>
#include <linux/if_ether.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct nl;

#define GUARD_PRIO 0x6871u
#define GUARD_MAX_INSNS 4096u /* BPF_MAXINSNS */

struct guard_ip {
	uint8_t family; /* AF_INET, AF_INET6 */
	uint8_t addr[16];
};

/* Who may send. */
struct guard_who {
	const uint8_t *mac; /* ETH_ALEN bytes */
	const struct guard_ip *ips;
	size_t n_ips;
};

/*
 * guard_program() - which returns TC_ACT_UNSPEC (the next filter's turn) or TC_ACT_SHOT.
 * @prog: GUARD_MAX_INSNS places
 * Return: how many instructions; -E2BIG: too many addresses (about 200 of IPv6)
 */
int guard_program(const struct guard_who *who, struct sock_filter *prog);

/* guard_set() - put it at the tap @index, in place of the one that is there. */
int guard_set(uint32_t index, const struct guard_who *who, struct nl *nl,
	      struct err *err);
int guard_remove(uint32_t index, struct nl *nl, struct err *err);

#endif
