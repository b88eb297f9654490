/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/net/helper/guard.h"

#include <errno.h>
#include <linux/pkt_cls.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "vmm/net/helper/nl.h"
#include "vmm/net/helper/tc.h"

/* Big: not for the stack. */
struct guard_request {
	struct sock_filter prog[GUARD_MAX_INSNS];
	struct nl_request head; /* and what follows it */
	char rest[sizeof(struct sock_filter[GUARD_MAX_INSNS])];
};

int guard_set(uint32_t index, const struct guard_who *who, struct nl *nl, struct err *err)
{
	auto_free struct guard_request *g = malloc(sizeof(*g));
	struct tcmsg tcm = tc_filter(index, GUARD_PRIO);
	int n = g ? guard_program(who, g->prog) : -ENOMEM;
	struct nlmsghdr *nlh;
	struct nlattr *options;
	int ret;

	if (n == -E2BIG)
		return err_msg(err, E2BIG,
			       "anti-spoof filter: more than about 200 addresses");
	if (n < 0)
		return err_set(err, -n, "anti-spoof filter");
	tcm.tcm_handle = 1; /* the one that is there is replaced, at once */
	nlh = tc_begin(&g->head, RTM_NEWTFILTER, NLM_F_CREATE, &tcm, "bpf");
	options = mnl_attr_nest_start(nlh, TCA_OPTIONS);
	mnl_attr_put_u32(nlh, TCA_BPF_FLAGS, TCA_BPF_FLAG_ACT_DIRECT);
	mnl_attr_put_u16(nlh, TCA_BPF_OPS_LEN, (uint16_t)n);
	mnl_attr_put(nlh, TCA_BPF_OPS, (size_t)n * sizeof(g->prog[0]), g->prog);
	mnl_attr_nest_end(nlh, options);
	ret = nl_ask(nl, nlh, NULL, NULL);
	if (ret == -ENOENT)
		return err_msg(err, ENOTSUP,
			       "anti-spoof filter: this host's tc has no bpf filter");
	return ret < 0 ? err_set(err, -ret, "anti-spoof filter (tc filter)") : 0;
}

int guard_remove(uint32_t index, struct nl *nl, struct err *err)
{
	int ret = tc_remove(index, GUARD_PRIO, nl);

	return ret < 0 ? err_set(err, -ret, "remove the anti-spoof filter") : 0;
}
