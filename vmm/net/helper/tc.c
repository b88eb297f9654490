/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/net/helper/tc.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/rtnetlink.h>

#include "vmm/net/helper/nl.h"

struct nlmsghdr *tc_begin(struct nl_request *r, uint16_t type, uint16_t flags,
			  const struct tcmsg *tcm, const char *kind)
{
	struct nlmsghdr *nlh = nl_begin(r, type, flags, tcm, sizeof(*tcm));

	if (kind)
		mnl_attr_put_strz(nlh, TCA_KIND, kind);
	return nlh;
}

struct tcmsg tc_filter(uint32_t index, uint32_t prio)
{
	return (struct tcmsg){
		.tcm_ifindex = (int)index,
		.tcm_parent = TC_INGRESS_BLOCK,
		.tcm_info = TC_H_MAKE(prio << 16, (uint32_t)__builtin_bswap16(ETH_P_ALL)),
	};
}

/* put_action() - as the nested attribute @type */
static void put_action(struct nlmsghdr *nlh, uint16_t type,
		       const struct tc_action *action)
{
	struct nlattr *list = mnl_attr_nest_start(nlh, type);
	struct nlattr *first = mnl_attr_nest_start(nlh, TC_ACT_ORDER);
	struct nlattr *options;

	mnl_attr_put_strz(nlh, TCA_ACT_KIND, action->kind);
	options = mnl_attr_nest_start(nlh, TCA_ACT_OPTIONS);
	action->put(nlh, action->what);
	mnl_attr_nest_end(nlh, options);
	mnl_attr_nest_end(nlh, first);
	mnl_attr_nest_end(nlh, list);
}

static int add_matchall(const struct tcmsg *tcm, const struct tc_action *action,
			struct nl *nl)
{
	struct nl_request r;
	struct nlmsghdr *nlh =
		tc_begin(&r, RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, tcm, "matchall");
	struct nlattr *options = mnl_attr_nest_start(nlh, TCA_OPTIONS);

	put_action(nlh, TCA_MATCHALL_ACT, action);
	mnl_attr_nest_end(nlh, options);
	return nl_ask(nl, nlh, NULL, NULL);
}

/* add_u32() - with no key at all: that matches everything, even an empty frame. */
static int add_u32(const struct tcmsg *tcm, const struct tc_action *action, struct nl *nl)
{
	struct tc_u32_sel sel = { .flags = TC_U32_TERMINAL };
	struct nl_request r;
	struct nlmsghdr *nlh =
		tc_begin(&r, RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, tcm, "u32");
	struct nlattr *options = mnl_attr_nest_start(nlh, TCA_OPTIONS);

	mnl_attr_put(nlh, TCA_U32_SEL, sizeof(sel), &sel);
	put_action(nlh, TCA_U32_ACT, action);
	mnl_attr_nest_end(nlh, options);
	return nl_ask(nl, nlh, NULL, NULL);
}

int tc_add_all(uint32_t index, uint32_t prio, const struct tc_action *action,
	       struct nl *nl)
{
	struct tcmsg tcm = tc_filter(index, prio);
	int ret = add_matchall(&tcm, action, nl);

	return ret == -ENOENT ? add_u32(&tcm, action, nl) : ret;
}

int tc_remove(uint32_t index, uint32_t prio, struct nl *nl)
{
	struct tcmsg tcm = tc_filter(index, prio);
	struct nl_request r;

	return nl_ask(nl, tc_begin(&r, RTM_DELTFILTER, 0, &tcm, NULL), NULL, NULL);
}
