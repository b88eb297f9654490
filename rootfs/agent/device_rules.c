/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: device rules as BPF
 *
 * linux.resources.devices is a list as cgroup v1 took it, one write after the
 * other; the last rule that speaks of a device decides.  The program therefore
 * goes from the last rule to the first and takes from the accesses that are asked
 * for those that a rule allows: when none is left, the answer is yes; when a rule
 * denies one that is left, it is no; after the first rule, it is no.
 *
 * A rule for all devices and all accesses makes the ones before it moot.
 *
 * Context: struct bpf_cgroup_dev_ctx (Linux include/uapi/linux/bpf.h).
 */
#include <errno.h>
#include <linux/bpf.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "oci/spec.h"
#include "rootfs/agent/devices.h"

#define MAX_INSNS 4096
#define MAX_RULE_INSNS 12 /* that one rule becomes */
#define ALL_ACCESS (BPF_DEVCG_ACC_MKNOD | BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE)

enum {
	R0 = BPF_REG_0, /* the answer */
	R1 = BPF_REG_1, /* the context, then scratch */
	R2 = BPF_REG_2, /* BPF_DEVCG_DEV_* */
	R3 = BPF_REG_3, /* accesses not yet allowed */
	R4 = BPF_REG_4, /* major */
	R5 = BPF_REG_5, /* minor */
};

#define ANY (-1)

struct rule {
	bool allow;
	int type; /* BPF_DEVCG_DEV_*, or ANY */
	int64_t major; /* or ANY */
	int64_t minor;
	int access; /* BPF_DEVCG_ACC_* */
};

/* What every container may use, as with runc; it comes after the listed rules. */
static const struct rule default_rules[] = {
	{ true, BPF_DEVCG_DEV_CHAR, ANY, ANY, BPF_DEVCG_ACC_MKNOD },
	{ true, BPF_DEVCG_DEV_BLOCK, ANY, ANY, BPF_DEVCG_ACC_MKNOD },
	{ true, BPF_DEVCG_DEV_CHAR, 1, 3, ALL_ACCESS }, /* null */
	{ true, BPF_DEVCG_DEV_CHAR, 1, 5, ALL_ACCESS }, /* zero */
	{ true, BPF_DEVCG_DEV_CHAR, 1, 7, ALL_ACCESS }, /* full */
	{ true, BPF_DEVCG_DEV_CHAR, 1, 8, ALL_ACCESS }, /* random */
	{ true, BPF_DEVCG_DEV_CHAR, 1, 9, ALL_ACCESS }, /* urandom */
	{ true, BPF_DEVCG_DEV_CHAR, 5, 0, ALL_ACCESS }, /* tty */
	{ true, BPF_DEVCG_DEV_CHAR, 5, 1, ALL_ACCESS }, /* console */
	{ true, BPF_DEVCG_DEV_CHAR, 5, 2, ALL_ACCESS }, /* ptmx */
	{ true, BPF_DEVCG_DEV_CHAR, 136, ANY, ALL_ACCESS }, /* pts */
};

static struct rule to_rule(const struct oci_device_rule *r)
{
	struct rule ret = {
		.allow = r->allow,
		.type = ANY,
		.major = r->major.set ? r->major.value : ANY,
		.minor = r->minor.set ? r->minor.value : ANY,
	};

	if (r->type && r->type[0] == 'c')
		ret.type = BPF_DEVCG_DEV_CHAR;
	else if (r->type && r->type[0] == 'b')
		ret.type = BPF_DEVCG_DEV_BLOCK;
	for (const char *p = r->access ? r->access : ""; *p; p++) {
		if (*p == 'm')
			ret.access |= BPF_DEVCG_ACC_MKNOD;
		if (*p == 'r')
			ret.access |= BPF_DEVCG_ACC_READ;
		if (*p == 'w')
			ret.access |= BPF_DEVCG_ACC_WRITE;
	}
	if (ret.type == ANY) {
		/* "a" is all of everything, whatever else stands there. */
		ret.major = ret.minor = ANY;
		ret.access = ALL_ACCESS;
	}
	return ret;
}

static struct bpf_insn load(int dst, size_t offset)
{
	return (struct bpf_insn){ .code = BPF_LDX | BPF_MEM | BPF_W,
				  .dst_reg = (uint8_t)(dst & 15),
				  .src_reg = R1,
				  .off = (int16_t)offset };
}

static struct bpf_insn alu(int op, int dst, int imm)
{
	return (struct bpf_insn){ .code = (uint8_t)(BPF_ALU | BPF_K | op),
				  .dst_reg = (uint8_t)(dst & 15),
				  .imm = imm };
}

static struct bpf_insn move(int dst, int src)
{
	return (struct bpf_insn){ .code = BPF_ALU | BPF_X | BPF_MOV,
				  .dst_reg = (uint8_t)(dst & 15),
				  .src_reg = (uint8_t)(src & 15) };
}

static struct bpf_insn jump(int op, int dst, int imm, size_t skip)
{
	return (struct bpf_insn){ .code = (uint8_t)(BPF_JMP32 | BPF_K | op),
				  .dst_reg = (uint8_t)(dst & 15),
				  .imm = imm,
				  .off = (int16_t)skip };
}

/* answer() - two instructions. */
static size_t answer(struct bpf_insn *p, bool yes)
{
	p[0] = alu(BPF_MOV, R0, yes);
	p[1] = (struct bpf_insn){ .code = BPF_JMP | BPF_EXIT };
	return 2;
}

/* emit_rule() - at most MAX_RULE_INSNS. */
static size_t emit_rule(struct bpf_insn *p, const struct rule *r)
{
	struct bpf_insn body[4];
	size_t n_body = 0;
	size_t matches;
	size_t n = 0;

	if (r->allow) {
		body[n_body++] = alu(BPF_AND, R3, ~r->access);
		body[n_body++] = jump(BPF_JNE, R3, 0, 2);
	} else {
		body[n_body++] = move(R1, R3);
		body[n_body++] = alu(BPF_AND, R1, r->access);
		body[n_body++] = jump(BPF_JEQ, R1, 0, 2);
	}
	matches = (r->type != ANY ? 1u : 0u) + (r->major != ANY ? 1u : 0u) +
		  (r->minor != ANY ? 1u : 0u);
	/* A mismatch skips the matches that follow, the body and its answer. */
	if (r->type != ANY)
		p[n++] = jump(BPF_JNE, R2, r->type, --matches + n_body + 2);
	if (r->major != ANY)
		p[n++] = jump(BPF_JNE, R4, (int)r->major, --matches + n_body + 2);
	if (r->minor != ANY)
		p[n++] = jump(BPF_JNE, R5, (int)r->minor, --matches + n_body + 2);
	memcpy(p + n, body, n_body * sizeof(body[0]));
	n += n_body;
	return n + answer(p + n, r->allow);
}

int devices_program(const struct oci_resources *res, struct bpf_insn *insns, size_t max)
{
	size_t i = res ? res->devices.n : 0;
	bool allow = false;
	size_t n = 0;

	insns[n++] = load(R2, offsetof(struct bpf_cgroup_dev_ctx, access_type));
	insns[n++] = move(R3, R2);
	insns[n++] = alu(BPF_AND, R2, 0xffff);
	insns[n++] = alu(BPF_RSH, R3, 16);
	insns[n++] = load(R4, offsetof(struct bpf_cgroup_dev_ctx, major));
	insns[n++] = load(R5, offsetof(struct bpf_cgroup_dev_ctx, minor));
	for (size_t d = ARRAY_SIZE(default_rules); d; d--)
		n += emit_rule(insns + n, &default_rules[d - 1]);
	for (bool all = false; i && !all; i--) {
		struct rule r = to_rule(&res->devices.v[i - 1]);

		if (n + MAX_RULE_INSNS + 2 > max)
			return -E2BIG;
		all = r.type == ANY;
		if (all)
			allow = r.allow;
		else
			n += emit_rule(insns + n, &r);
		/* Nothing denied after "allow all": no program at all. */
		if (all && allow && i == res->devices.n)
			return 0;
	}
	n += answer(insns + n, allow);
	return (int)n;
}

static long bpf(int cmd, union bpf_attr *attr)
{
	return syscall(SYS_bpf, cmd, attr, sizeof(*attr));
}

static int attach(int cgroup, const struct bpf_insn *insns, size_t n, struct err *err)
{
	union bpf_attr attr;
	auto_fd int prog = -1;

	memset(&attr, 0, sizeof(attr));
	attr.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
	attr.insns = (uint64_t)(uintptr_t)insns;
	attr.insn_cnt = (uint32_t)n;
	attr.license = (uint64_t)(uintptr_t) "Apache-2.0";
	prog = (int)bpf(BPF_PROG_LOAD, &attr);
	if (prog < 0)
		return err_set(err, errno, "linux.resources.devices: load BPF program");
	memset(&attr, 0, sizeof(attr));
	attr.target_fd = (uint32_t)cgroup;
	attr.attach_bpf_fd = (uint32_t)prog;
	attr.attach_type = BPF_CGROUP_DEVICE;
	attr.attach_flags = BPF_F_ALLOW_MULTI;
	if (bpf(BPF_PROG_ATTACH, &attr) < 0)
		return err_set(err, errno, "linux.resources.devices: attach BPF program");
	return 0;
}

int devices_restrict(int cgroup, const struct oci_resources *res, struct err *err)
{
	static struct bpf_insn insns[MAX_INSNS];
	int n = devices_program(res, insns, MAX_INSNS);

	if (n < 0)
		return err_set(err, -n, "linux.resources.devices");
	return n ? attach(cgroup, insns, (size_t)n, err) : 0;
}

int devices_restrict_nothing(int cgroup, struct err *err)
{
	struct bpf_insn insns[2];

	return attach(cgroup, insns, answer(insns, true), err);
}
