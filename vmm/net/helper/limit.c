/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/net/helper/limit.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>

#include "lib/err.h"
#include "vmm/net/helper/nl.h"
#include "vmm/net/helper/tc.h"

#define MIN_BURST (128u << 10) /* (bytes) two of the largest packets */
#define BURST_MS 50u
#define QUEUE_MS 100u /* how long what the guest receives may wait */
#define TICK_NS 64u /* of the kernel's packet scheduler (PSCHED_SHIFT) */
#define RTAB_SIZE 1024u /* of a table that newer kernels want and do not read */

/* rate64() - (bytes/s) */
static uint64_t rate64(uint64_t bits)
{
	return bits / 8;
}

static struct tc_ratespec ratespec(uint64_t bits)
{
	uint64_t rate = rate64(bits);

	return (struct tc_ratespec){
		.cell_log = 10, /* of the table; 0 is refused */
		.linklayer = TC_LINKLAYER_ETHERNET, /* or the table is looked at */
		.rate = rate < UINT32_MAX ? (uint32_t)rate : UINT32_MAX,
	};
}

/* burst_of() - (bytes) that may go at once. */
static uint32_t burst_of(uint64_t bits)
{
	uint64_t burst = rate64(bits) * BURST_MS / 1000;

	burst = burst > MIN_BURST ? burst : MIN_BURST;
	return burst < UINT32_MAX ? (uint32_t)burst : UINT32_MAX;
}

static uint32_t ticks(uint64_t bytes, uint64_t bits)
{
	return (uint32_t)(bytes * 1000000000u / rate64(bits) / TICK_NS);
}

static int explain(int ret, const char *what, const char *part, struct err *err)
{
	if (ret == -ENOENT)
		return err_msg(err, ENOTSUP, "%s: this host's tc has no %s", what, part);
	return ret < 0 ? err_set(err, -ret, "%s (tc %s)", what, part) : 0;
}

static void put_police(struct nlmsghdr *nlh, const void *what)
{
	static const char rtab[RTAB_SIZE];
	const uint64_t *rate = what;
	struct tc_police police = {
		.action = TC_ACT_SHOT,
		.limit = UINT32_MAX,
		.burst = ticks(burst_of(*rate), *rate),
		.mtu = UINT32_MAX,
		.rate = ratespec(*rate),
	};

	mnl_attr_put(nlh, TCA_POLICE_TBF, sizeof(police), &police);
	mnl_attr_put(nlh, TCA_POLICE_RATE, sizeof(rtab), rtab);
	mnl_attr_put_u64(nlh, TCA_POLICE_RATE64, rate64(*rate));
	mnl_attr_put_u32(nlh, TCA_POLICE_RESULT, (uint32_t)TC_ACT_UNSPEC);
}

int limit_tx(uint32_t index, uint64_t rate, uint32_t *prio, struct nl *nl,
	     struct err *err)
{
	static const char what[] = "limit what the container sends";
	const struct tc_action police = { "police", put_police, &rate };
	uint32_t next = *prio == LIMIT_PRIO ? LIMIT_PRIO_OTHER : LIMIT_PRIO;
	int ret = rate ? tc_add_all(index, next, &police, nl) : 0;

	if (ret < 0)
		return explain(ret, what, "police", err);
	if (*prio)
		ret = tc_remove(index, *prio, nl);
	if (ret < 0) {
		if (rate)
			(void)tc_remove(index, next, nl); /* the first error counts */
		return explain(ret, what, "filter", err);
	}
	*prio = rate ? next : 0;
	return 0;
}

int limit_rx(uint32_t index, uint64_t was, uint64_t rate, struct nl *nl, struct err *err)
{
	static const char what[] = "limit what the container receives";
	struct tcmsg tcm = { .tcm_ifindex = (int)index, .tcm_parent = TC_H_ROOT };
	struct tc_tbf_qopt tbf = { 0 };
	struct nl_request r;
	struct nlmsghdr *nlh;
	struct nlattr *options;
	uint64_t queue;

	if (!rate && !was)
		return 0;
	if (!rate)
		return explain(nl_ask(nl, tc_begin(&r, RTM_DELQDISC, 0, &tcm, NULL), NULL,
				      NULL),
			       what, "qdisc", err);
	queue = burst_of(rate) + rate64(rate) * QUEUE_MS / 1000;
	tbf.rate = ratespec(rate);
	tbf.limit = queue < UINT32_MAX ? (uint32_t)queue : UINT32_MAX;
	tbf.buffer = ticks(burst_of(rate), rate);
	tcm.tcm_handle = TC_H_MAKE(1u << 16, 0);
	nlh = tc_begin(&r, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE, &tcm, "tbf");
	options = mnl_attr_nest_start(nlh, TCA_OPTIONS);
	mnl_attr_put(nlh, TCA_TBF_PARMS, sizeof(tbf), &tbf);
	mnl_attr_put_u32(nlh, TCA_TBF_BURST, burst_of(rate));
	mnl_attr_put_u64(nlh, TCA_TBF_RATE64, rate64(rate));
	mnl_attr_nest_end(nlh, options);
	return explain(nl_ask(nl, nlh, NULL, NULL), what, "tbf", err);
}
