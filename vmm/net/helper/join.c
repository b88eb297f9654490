/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/net/helper/join.h"

#include <errno.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/tc_act/tc_mirred.h>
#include <stdbool.h>
#include <string.h>

#include "lib/err.h"
#include "vmm/net/helper/nl.h"
#include "vmm/net/helper/tc.h"

#define INGRESS_HANDLE TC_H_MAKE(TC_H_INGRESS, 0)

static struct tcmsg ingress_of(uint32_t index)
{
	return (struct tcmsg){
		.tcm_ifindex = (int)index,
		.tcm_parent = TC_H_INGRESS,
		.tcm_handle = INGRESS_HANDLE,
	};
}

static void put_redirect(struct nlmsghdr *nlh, const void *what)
{
	const uint32_t *to = what;
	struct tc_mirred mirred = { .action = TC_ACT_STOLEN,
				    .eaction = TCA_EGRESS_REDIR,
				    .ifindex = *to };

	mnl_attr_put(nlh, TCA_MIRRED_PARMS, sizeof(mirred), &mirred);
}

static int add_filter(uint32_t from, uint32_t to, uint32_t prio, struct nl *nl,
		      struct err *err)
{
	const struct tc_action redirect = { "mirred", put_redirect, &to };
	int ret = tc_add_all(from, prio, &redirect, nl);

	return ret < 0 ? err_set(err, -ret, "redirect what comes in (tc filter)") : 0;
}

/* What there is on an interface's ingress side. */
struct ingress {
	uint32_t index;
	bool is_ingress; /* the qdisc is an ingress one, not clsact */
	uint32_t prio; /* of the filter that is ours, or 0 */
	uint32_t to; /* where that redirects to; 0: that one has gone */
	bool others; /* there are other filters */
};

/* redirect_of() - the interface that the filter's action names, or 0. */
static uint32_t redirect_of(const struct nlattr *const *tb)
{
	const char *kind = nl_str(tb[TCA_KIND]);
	uint16_t act = strcmp(kind, "u32") == 0 ? TCA_U32_ACT : TCA_MATCHALL_ACT;
	const struct nlattr *options[TCA_U32_MAX + 1];
	const struct nlattr *list[TC_ACT_ORDER + 1];
	const struct nlattr *action[TCA_ACT_MAX + 1];
	const struct nlattr *parms[TCA_MIRRED_MAX + 1];
	struct tc_mirred mirred;

	nl_parse_nested(tb[TCA_OPTIONS], options, TCA_U32_MAX);
	nl_parse_nested(options[act], list, TC_ACT_ORDER);
	nl_parse_nested(list[TC_ACT_ORDER], action, TCA_ACT_MAX);
	nl_parse_nested(action[TCA_ACT_OPTIONS], parms, TCA_MIRRED_MAX);
	if (!parms[TCA_MIRRED_PARMS] ||
	    mnl_attr_get_payload_len(parms[TCA_MIRRED_PARMS]) < sizeof(mirred))
		return 0;
	memcpy(&mirred, mnl_attr_get_payload(parms[TCA_MIRRED_PARMS]), sizeof(mirred));
	return mirred.ifindex;
}

static int see_filter(const struct nlmsghdr *nlh, void *data)
{
	const struct tcmsg *tcm = nl_family(nlh, sizeof(*tcm));
	const struct nlattr *tb[TCA_MAX + 1];
	struct ingress *in = data;
	uint32_t prio, to;

	if (nlh->nlmsg_type != RTM_NEWTFILTER || !tcm)
		return 0;
	prio = TC_H_MAJ(tcm->tcm_info) >> 16;
	if (prio != JOIN_PRIO && prio != JOIN_PRIO_GUEST) {
		in->others = true;
		return 0;
	}
	nl_parse(nlh, sizeof(*tcm), tb, TCA_MAX);
	to = redirect_of(tb);
	in->prio = prio;
	if (to)
		in->to = to;
	return 0;
}

static int see_qdisc(const struct nlmsghdr *nlh, void *data)
{
	const struct tcmsg *tcm = nl_family(nlh, sizeof(*tcm));
	const struct nlattr *tb[TCA_MAX + 1];
	struct ingress *in = data;

	if (nlh->nlmsg_type != RTM_NEWQDISC || !tcm ||
	    (uint32_t)tcm->tcm_ifindex != in->index || tcm->tcm_parent != TC_H_INGRESS)
		return 0;
	nl_parse(nlh, sizeof(*tcm), tb, TCA_MAX);
	in->is_ingress = strcmp(nl_str(tb[TCA_KIND]), "ingress") == 0;
	return 0;
}

static int look(struct ingress *in, struct nl *nl, struct err *err)
{
	struct tcmsg tcm = { .tcm_ifindex = (int)in->index,
			     .tcm_parent = TC_INGRESS_BLOCK };
	struct tcmsg all = { 0 };
	int ret = nl_dump(nl, RTM_GETQDISC, &all, sizeof(all), see_qdisc, in);

	/* Where there is no such qdisc the list is empty. */
	if (ret == 0)
		ret = nl_dump(nl, RTM_GETTFILTER, &tcm, sizeof(tcm), see_filter, in);
	return ret < 0 ? err_set(err, -ret, "list the filters of interface %u", in->index)
		       : 0;
}

static int remove_ingress(uint32_t index, struct nl *nl)
{
	struct tcmsg tcm = ingress_of(index);
	struct nl_request r;

	return nl_ask(nl, tc_begin(&r, RTM_DELQDISC, 0, &tcm, NULL), NULL, NULL);
}

int unjoin(uint32_t index, struct nl *nl, struct err *err)
{
	struct ingress in = { .index = index };
	int ret = look(&in, nl, err);

	if (ret < 0 || !in.prio)
		return ret;
	ret = tc_remove(index, in.prio, nl);
	if (ret == 0 && in.prio == JOIN_PRIO && in.is_ingress && !in.others)
		ret = remove_ingress(index, nl);
	return ret < 0 ? err_set(err, -ret, "leave interface %u as it was", index) : 0;
}

int join_clean(uint32_t index, uint32_t *ret_to, struct nl *nl, struct err *err)
{
	struct ingress in = { .index = index };
	int ret = look(&in, nl, err);

	if (ret == 0 && in.prio && !in.to)
		ret = unjoin(index, nl, err);
	if (ret == 0)
		*ret_to = in.to;
	return ret;
}

int join(uint32_t from, uint32_t to, struct nl *nl, struct err *err)
{
	struct tcmsg tcm = ingress_of(from);
	struct nl_request r;
	uint32_t prio = JOIN_PRIO;
	uint32_t other;
	int ret = join_clean(from, &other, nl, err);

	if (ret < 0)
		return ret;
	if (other)
		return err_msg(err, EBUSY,
			       "it is another container's already (tc redirects it to "
			       "interface %u)",
			       other);
	ret = nl_ask(nl,
		     tc_begin(&r, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, &tcm,
			      "ingress"),
		     NULL, NULL);
	if (ret == -EEXIST)
		prio = JOIN_PRIO_GUEST;
	else if (ret < 0)
		return err_set(err, -ret, "add an ingress qdisc");
	ret = add_filter(from, to, prio, nl, err);
	if (ret < 0 && prio == JOIN_PRIO)
		(void)remove_ingress(from, nl); /* the first error is the one to tell */
	return ret;
}
