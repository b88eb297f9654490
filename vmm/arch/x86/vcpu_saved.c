/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state of a vCPU (Linux, Documentation/virt/kvm/api.rst).
 *
 * Of the MSRs those are saved that KVM lists and gives; of these, those are set that a
 * new vCPU does not have anyway: many may be read only.
 */
#include <errno.h>
#include <linux/kvm.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "vmm/arch/x86/cpuid.h"
#include "vmm/arch/x86/x86.h"
#include "vmm/snapshot/sections.h"

#define MAX_MSRS 512u
#define MAX_XSAVE (64u << 10)

#define TAG_CPUID SECTION_TAG('c', 'p', 'i', 'd')
#define TAG_VCPU SECTION_TAG('v', 'c', 'p', 'u')
#define TAG_XSAVE SECTION_TAG('x', 's', 'a', 'v')
#define TAG_MSRS SECTION_TAG('m', 's', 'r', 's')

struct saved {
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct kvm_debugregs debugregs;
	struct kvm_xcrs xcrs;
	struct kvm_vcpu_events events;
	struct kvm_lapic_state lapic;
	struct kvm_mp_state mp_state;
};

static struct kvm_msrs *new_msrs(void)
{
	return calloc(1,
		      sizeof(struct kvm_msrs) + MAX_MSRS * sizeof(struct kvm_msr_entry));
}

int x86_msr_list(int kvm_fd, struct kvm_msr_list **ret_list, struct err *err)
{
	auto_free struct kvm_msr_list *list =
		calloc(1, sizeof(*list) + MAX_MSRS * sizeof(list->indices[0]));

	if (!list)
		return err_set(err, ENOMEM, "MSRs");
	list->nmsrs = MAX_MSRS;
	if (ioctl(kvm_fd, KVM_GET_MSR_INDEX_LIST, list) < 0)
		return err_set(err, errno, "KVM_GET_MSR_INDEX_LIST");
	*ret_list = take_ptr(&list);
	return 0;
}

/* ---- saving ----------------------------------------------------------------------- */

static int get(int fd, unsigned long request, void *to, const char *name, struct err *err)
{
	return ioctl(fd, request, to) < 0 ? err_set(err, errno, "%s", name) : 0;
}

/*
 * read_msrs() - the values of @msrs; those that KVM does not give are taken out.  It
 * stops at the first of these.
 */
static int read_msrs(int vcpu_fd, struct kvm_msrs *msrs, struct err *err)
{
	auto_free struct kvm_msrs *part = new_msrs();
	uint32_t done = 0;

	if (!part)
		return err_set(err, ENOMEM, "MSRs");
	while (done < msrs->nmsrs) {
		uint32_t left = msrs->nmsrs - done;
		struct kvm_msr_entry *at = &msrs->entries[done];
		int n;

		part->nmsrs = left;
		memcpy(part->entries, at, left * sizeof(*at));
		n = ioctl(vcpu_fd, KVM_GET_MSRS, part);
		if (n < 0)
			return err_set(err, errno, "KVM_GET_MSRS");
		memcpy(at, part->entries, (uint32_t)n * sizeof(*at));
		done += (uint32_t)n;
		if ((uint32_t)n < left) {
			memmove(at + n, at + n + 1,
				(left - (uint32_t)n - 1) * sizeof(*at));
			msrs->nmsrs--;
		}
	}
	return 0;
}

static int save_msrs(int vcpu_fd, const struct kvm_msr_list *list, struct buf *out,
		     struct err *err)
{
	auto_free struct kvm_msrs *msrs = new_msrs();
	int ret;

	if (!msrs)
		return err_set(err, ENOMEM, "MSRs");
	msrs->nmsrs = list->nmsrs;
	for (uint32_t i = 0; i < list->nmsrs; i++)
		msrs->entries[i].index = list->indices[i];
	ret = read_msrs(vcpu_fd, msrs, err);
	section_put(out, TAG_MSRS, msrs->entries, msrs->nmsrs * sizeof(msrs->entries[0]));
	return ret;
}

/* xsave_size() - (bytes) of KVM_GET_XSAVE's area on this host. */
static size_t xsave_size(int vm_fd)
{
	int size = ioctl(vm_fd, KVM_CHECK_EXTENSION, KVM_CAP_XSAVE2);

	return size > (int)sizeof(struct kvm_xsave) ? (size_t)size
						    : sizeof(struct kvm_xsave);
}

static int save_xsave(int vm_fd, int vcpu_fd, struct buf *out, struct err *err)
{
	size_t size = xsave_size(vm_fd);
	auto_free void *xsave = NULL;
	int ret;

	if (size > MAX_XSAVE)
		return err_msg(err, E2BIG, "%zu bytes of vector registers", size);
	xsave = calloc(1, size);
	if (!xsave)
		return err_set(err, ENOMEM, "vector registers");
	ret = size > sizeof(struct kvm_xsave)
		      ? get(vcpu_fd, KVM_GET_XSAVE2, xsave, "KVM_GET_XSAVE2", err)
		      : get(vcpu_fd, KVM_GET_XSAVE, xsave, "KVM_GET_XSAVE", err);
	section_put(out, TAG_XSAVE, xsave, size);
	return ret;
}

int x86_vcpu_save(int vm_fd, int vcpu_fd, const struct kvm_msr_list *list,
		  struct buf *out, struct err *err)
{
	auto_free struct saved *s = calloc(1, sizeof(*s));
	int ret;

	if (!s)
		return err_set(err, ENOMEM, "save");
	/* First of all: KVM brings the others up to date with it. */
	ret = get(vcpu_fd, KVM_GET_MP_STATE, &s->mp_state, "KVM_GET_MP_STATE", err);
	if (ret == 0)
		ret = get(vcpu_fd, KVM_GET_REGS, &s->regs, "KVM_GET_REGS", err);
	if (ret == 0)
		ret = get(vcpu_fd, KVM_GET_SREGS, &s->sregs, "KVM_GET_SREGS", err);
	if (ret == 0)
		ret = get(vcpu_fd, KVM_GET_DEBUGREGS, &s->debugregs, "KVM_GET_DEBUGREGS",
			  err);
	if (ret == 0)
		ret = get(vcpu_fd, KVM_GET_XCRS, &s->xcrs, "KVM_GET_XCRS", err);
	if (ret == 0)
		ret = get(vcpu_fd, KVM_GET_VCPU_EVENTS, &s->events, "KVM_GET_VCPU_EVENTS",
			  err);
	if (ret == 0)
		ret = get(vcpu_fd, KVM_GET_LAPIC, &s->lapic, "KVM_GET_LAPIC", err);
	section_put(out, TAG_VCPU, s, sizeof(*s));
	if (ret == 0)
		ret = save_xsave(vm_fd, vcpu_fd, out, err);
	if (ret == 0)
		ret = save_msrs(vcpu_fd, list, out, err);
	return ret;
}

/* ---- CPUID ---------------------------------------------------------------------- */

static int read_cpuid(int vcpu_fd, struct kvm_cpuid2 **ret_cpuid, struct err *err)
{
	auto_free struct kvm_cpuid2 *cpuid =
		calloc(1, sizeof(*cpuid) + CPUID_MAX_ENTRIES * sizeof(cpuid->entries[0]));

	if (!cpuid)
		return err_set(err, ENOMEM, "CPUID");
	cpuid->nent = CPUID_MAX_ENTRIES;
	if (ioctl(vcpu_fd, KVM_GET_CPUID2, cpuid) < 0)
		return err_set(err, errno, "KVM_GET_CPUID2");
	*ret_cpuid = take_ptr(&cpuid);
	return 0;
}

int x86_cpuid_save(int vcpu_fd, struct buf *out, struct err *err)
{
	auto_free struct kvm_cpuid2 *cpuid = NULL;
	int ret = read_cpuid(vcpu_fd, &cpuid, err);

	if (ret == 0)
		section_put(out, TAG_CPUID, cpuid->entries,
			    cpuid->nent * sizeof(cpuid->entries[0]));
	return ret;
}

int x86_cpuid_check(int vcpu_fd, struct sections *in, struct err *err)
{
	auto_free struct kvm_cpuid2 *cpuid = NULL;
	const void *saved;
	size_t len;
	int ret = section_look(in, TAG_CPUID, &saved, &len, err);

	if (ret == 0)
		ret = read_cpuid(vcpu_fd, &cpuid, err);
	if (ret < 0)
		return ret;
	if (len != cpuid->nent * sizeof(cpuid->entries[0]) ||
	    memcmp(saved, cpuid->entries, len))
		return err_msg(err, EPROTO, "it was saved on another processor (CPUID)");
	return 0;
}

/* ---- restoring ------------------------------------------------------------------- */

/* set() - an ioctl that takes what get() gave; it only reads. */
static int set(int fd, unsigned long request, const void *from, const char *name,
	       struct err *err)
{
	return ioctl(fd, request, from) < 0 ? err_set(err, errno, "%s", name) : 0;
}

/* keep_changes() - of @wanted, what @now is not. */
static void keep_changes(struct kvm_msrs *wanted, const struct kvm_msrs *now)
{
	uint32_t n = 0;

	for (uint32_t i = 0, k = 0; i < wanted->nmsrs; i++) {
		const struct kvm_msr_entry e = wanted->entries[i];

		/* Of one list, in one order; what is missing in `now` is a change. */
		while (k < now->nmsrs && now->entries[k].index != e.index)
			k++;
		if (k == now->nmsrs)
			k = 0;
		if (now->nmsrs && now->entries[k].index == e.index &&
		    now->entries[k].data == e.data)
			continue;
		wanted->entries[n++] = e;
	}
	wanted->nmsrs = n;
}

static int restore_msrs(int vcpu_fd, struct sections *in, struct err *err)
{
	auto_free struct kvm_msrs *wanted = new_msrs();
	auto_free struct kvm_msrs *now = new_msrs();
	const void *data;
	size_t len;
	int ret = section_look(in, TAG_MSRS, &data, &len, err);
	int n;

	if (ret < 0)
		return ret;
	if (!wanted || !now)
		return err_set(err, ENOMEM, "MSRs");
	if (len % sizeof(wanted->entries[0]) ||
	    len / sizeof(wanted->entries[0]) > MAX_MSRS)
		return err_msg(err, EPROTO, "section 'msrs' has %zu bytes", len);
	wanted->nmsrs = now->nmsrs = (uint32_t)(len / sizeof(wanted->entries[0]));
	memcpy(wanted->entries, data, len);
	memcpy(now->entries, data, len);
	ret = read_msrs(vcpu_fd, now, err);
	if (ret < 0)
		return ret;
	keep_changes(wanted, now);
	n = ioctl(vcpu_fd, KVM_SET_MSRS, wanted);
	if (n < 0)
		return err_set(err, errno, "KVM_SET_MSRS");
	if ((uint32_t)n < wanted->nmsrs)
		return err_msg(err, EPROTO, "KVM refuses to set MSR %#x",
			       wanted->entries[n].index);
	return 0;
}

static int restore_xsave(int vcpu_fd, struct sections *in, struct err *err)
{
	const void *xsave;
	size_t len;
	int ret = section_look(in, TAG_XSAVE, &xsave, &len, err);

	if (ret == 0 && len < sizeof(struct kvm_xsave))
		ret = err_msg(err, EPROTO, "section 'xsav' has %zu bytes", len);
	return ret < 0 ? ret : set(vcpu_fd, KVM_SET_XSAVE, xsave, "KVM_SET_XSAVE", err);
}

int x86_vcpu_restore(int vcpu_fd, struct sections *in, struct err *err)
{
	auto_free struct saved *s = calloc(1, sizeof(*s));
	int ret;

	if (!s)
		return err_set(err, ENOMEM, "restore");
	ret = section_get(in, TAG_VCPU, s, sizeof(*s), err);
	/* Control registers before what depends on the mode that they set. */
	if (ret == 0)
		ret = set(vcpu_fd, KVM_SET_SREGS, &s->sregs, "KVM_SET_SREGS", err);
	if (ret == 0)
		ret = set(vcpu_fd, KVM_SET_REGS, &s->regs, "KVM_SET_REGS", err);
	if (ret == 0)
		ret = set(vcpu_fd, KVM_SET_XCRS, &s->xcrs, "KVM_SET_XCRS", err);
	if (ret == 0)
		ret = restore_xsave(vcpu_fd, in, err);
	if (ret == 0)
		ret = set(vcpu_fd, KVM_SET_DEBUGREGS, &s->debugregs, "KVM_SET_DEBUGREGS",
			  err);
	if (ret == 0)
		ret = restore_msrs(vcpu_fd, in, err);
	/* Behind the MSRs, which have its base and mode. */
	if (ret == 0)
		ret = set(vcpu_fd, KVM_SET_LAPIC, &s->lapic, "KVM_SET_LAPIC", err);
	if (ret == 0)
		ret = set(vcpu_fd, KVM_SET_VCPU_EVENTS, &s->events, "KVM_SET_VCPU_EVENTS",
			  err);
	if (ret == 0)
		ret = set(vcpu_fd, KVM_SET_MP_STATE, &s->mp_state, "KVM_SET_MP_STATE",
			  err);
	return ret;
}
