/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A rule list answers calls that it does not know with its default action,
 * usually EPERM; but programs take ENOSYS, not EPERM, as the sign to fall back to
 * an older call.  So, as in runc, calls with numbers above the highest that the
 * rules name are answered with ENOSYS by a few instructions before the filter.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/io.h"
#include "oci/spec.h"
#include "rootfs/agent/seccomp.h"

#define X32_BIT 0x40000000u
#define STUB_MAX 32 /* instructions */
#define OPTIMIZE_FROM 32 /* rules: more are searched as a tree */
#define EPERM_DEFAULT 1u

static const uint32_t arch_of[] = {
	[OCI_ARCH_X86] = SCMP_ARCH_X86,
	[OCI_ARCH_X86_64] = SCMP_ARCH_X86_64,
	[OCI_ARCH_X32] = SCMP_ARCH_X32,
	[OCI_ARCH_ARM] = SCMP_ARCH_ARM,
	[OCI_ARCH_AARCH64] = SCMP_ARCH_AARCH64,
	[OCI_ARCH_MIPS] = SCMP_ARCH_MIPS,
	[OCI_ARCH_MIPS64] = SCMP_ARCH_MIPS64,
	[OCI_ARCH_MIPS64N32] = SCMP_ARCH_MIPS64N32,
	[OCI_ARCH_MIPSEL] = SCMP_ARCH_MIPSEL,
	[OCI_ARCH_MIPSEL64] = SCMP_ARCH_MIPSEL64,
	[OCI_ARCH_MIPSEL64N32] = SCMP_ARCH_MIPSEL64N32,
	[OCI_ARCH_PPC] = SCMP_ARCH_PPC,
	[OCI_ARCH_PPC64] = SCMP_ARCH_PPC64,
	[OCI_ARCH_PPC64LE] = SCMP_ARCH_PPC64LE,
	[OCI_ARCH_S390] = SCMP_ARCH_S390,
	[OCI_ARCH_S390X] = SCMP_ARCH_S390X,
	[OCI_ARCH_PARISC] = SCMP_ARCH_PARISC,
	[OCI_ARCH_PARISC64] = SCMP_ARCH_PARISC64,
	[OCI_ARCH_RISCV64] = SCMP_ARCH_RISCV64,
};

/* to_action() - false: one that is served nowhere (notify). */
static bool to_action(enum oci_seccomp_action act, struct oci_opt_u32 errno_ret,
		      uint32_t *ret)
{
	uint32_t value = errno_ret.set ? errno_ret.value : EPERM_DEFAULT;

	switch (act) {
	case OCI_ACT_KILL:
	case OCI_ACT_KILL_THREAD:
		*ret = SCMP_ACT_KILL_THREAD;
		return true;
	case OCI_ACT_KILL_PROCESS:
		*ret = SCMP_ACT_KILL_PROCESS;
		return true;
	case OCI_ACT_TRAP:
		*ret = SCMP_ACT_TRAP;
		return true;
	case OCI_ACT_ERRNO:
		*ret = SCMP_ACT_ERRNO(value);
		return true;
	case OCI_ACT_TRACE:
		*ret = SCMP_ACT_TRACE(value);
		return true;
	case OCI_ACT_ALLOW:
		*ret = SCMP_ACT_ALLOW;
		return true;
	case OCI_ACT_LOG:
		*ret = SCMP_ACT_LOG;
		return true;
	case OCI_ACT_NOTIFY:
	default:
		return false;
	}
}

static struct scmp_arg_cmp to_cmp(const struct oci_syscall_arg *a)
{
	return (struct scmp_arg_cmp){
		.arg = a->index,
		.op = (enum scmp_compare)a->op,
		.datum_a = a->value,
		.datum_b = a->value_two,
	};
}

/* add_args() - one rule, or, when an argument is named twice, one per condition. */
static int add_args(scmp_filter_ctx ctx, uint32_t action, int nr,
		    const struct oci_syscall *call)
{
	struct scmp_arg_cmp cmp[6];
	unsigned int used = 0;
	bool twice = call->args.n > ARRAY_SIZE(cmp);
	int ret = 0;

	for (size_t i = 0; i < call->args.n; i++) {
		twice |= used >> call->args.v[i].index & 1;
		used |= 1u << call->args.v[i].index;
	}
	if (!twice) {
		for (size_t i = 0; i < call->args.n; i++)
			cmp[i] = to_cmp(&call->args.v[i]);
		return seccomp_rule_add_array(ctx, action, nr, (unsigned int)call->args.n,
					      cmp);
	}
	for (size_t i = 0; i < call->args.n && ret == 0; i++) {
		cmp[0] = to_cmp(&call->args.v[i]);
		ret = seccomp_rule_add_array(ctx, action, nr, 1, cmp);
	}
	return ret;
}

static int add_rules(scmp_filter_ctx ctx, const struct oci_seccomp *sc,
		     uint32_t default_action, struct err *err)
{
	for (size_t i = 0; i < sc->syscalls.n; i++) {
		const struct oci_syscall *call = &sc->syscalls.v[i];
		uint32_t action;

		if (!to_action(call->action, call->errno_ret, &action))
			return err_msg(
				err, EINVAL,
				"linux.seccomp.syscalls: SCMP_ACT_NOTIFY is not supported");
		if (action == default_action)
			continue; /* libseccomp calls such a rule an error */
		for (size_t n = 0; n < call->names.n; n++) {
			int nr = seccomp_syscall_resolve_name(call->names.v[n]);
			int ret;

			if (nr == __NR_SCMP_ERROR)
				continue; /* newer than we are: runc ignores it too */
			ret = add_args(ctx, action, nr, call);
			if (ret < 0 && ret != -EEXIST)
				return err_set(
					err, -ret,
					"error adding seccomp filter rule for syscall %s",
					call->names.v[n]);
		}
	}
	return 0;
}

static int add_arches(scmp_filter_ctx ctx, const struct oci_seccomp *sc, struct err *err)
{
	for (size_t i = 0; i < sc->architectures.n; i++) {
		int arch = sc->architectures.v[i];
		uint32_t token = arch < (int)ARRAY_SIZE(arch_of) ? arch_of[arch] : 0;
		int ret = token ? seccomp_arch_add(ctx, token) : -EINVAL;

		if (ret < 0 && ret != -EEXIST)
			return err_set(err, -ret,
				       "error adding architecture to seccomp filter");
	}
	return 0;
}

/* highest() - the highest number that a rule names on @arch; 0: none. */
static uint32_t highest(const struct oci_seccomp *sc, uint32_t arch)
{
	int max = 0;

	for (size_t i = 0; i < sc->syscalls.n; i++) {
		for (size_t n = 0; n < sc->syscalls.v[i].names.n; n++) {
			int nr = seccomp_syscall_resolve_name_arch(
				arch, sc->syscalls.v[i].names.v[n]);

			if (nr > max)
				max = nr;
		}
	}
	return (uint32_t)max;
}

static bool has_arch(const struct oci_seccomp *sc, enum oci_seccomp_arch arch)
{
	for (size_t i = 0; i < sc->architectures.n; i++)
		if (sc->architectures.v[i] == (int)arch)
			return true;
	return false;
}

/*
 * stub_arch() - for one architecture: numbers above @max are answered with ENOSYS,
 * all others go on behind.  The accumulator holds the architecture before.
 * @x32: the highest number of the x32 mode (with X32_BIT); 0: leave them alone
 */
static size_t stub_arch(struct sock_filter *s, uint32_t audit, uint32_t max, uint32_t x32)
{
	const struct sock_filter code[] = {
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, audit, 0, 6),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, X32_BIT, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, max, 1, 2),
		BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, x32 ? x32 : ~0u, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
	};

	memcpy(s, code, sizeof(code));
	return ARRAY_SIZE(code);
}

/* make_stub() - @s: room for STUB_MAX; how many instructions, 0: none is needed. */
static size_t make_stub(const struct oci_seccomp *sc, struct sock_filter *s)
{
	uint32_t max;
	size_t n = 0;

	if (sc->default_action == OCI_ACT_ALLOW || sc->default_action == OCI_ACT_LOG ||
	    sc->default_action == OCI_ACT_TRACE)
		return 0;
	s[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
					      offsetof(struct seccomp_data, arch));
#if defined(__x86_64__)
	max = highest(sc, SCMP_ARCH_X86_64);
	if (max)
		n += stub_arch(s + n, AUDIT_ARCH_X86_64, max,
			       has_arch(sc, OCI_ARCH_X32) ? highest(sc, SCMP_ARCH_X32)
							  : 0);
	max = has_arch(sc, OCI_ARCH_X86) ? highest(sc, SCMP_ARCH_X86) : 0;
	if (max)
		n += stub_arch(s + n, AUDIT_ARCH_I386, max, 0);
#elif defined(__aarch64__)
	max = highest(sc, SCMP_ARCH_AARCH64);
	if (max)
		n += stub_arch(s + n, AUDIT_ARCH_AARCH64, max, 0);
	max = has_arch(sc, OCI_ARCH_ARM) ? highest(sc, SCMP_ARCH_ARM) : 0;
	if (max)
		n += stub_arch(s + n, AUDIT_ARCH_ARM, max, 0);
#endif
	return n > 1 ? n : 0;
}

/* export() - the compiled filter behind the stub. */
static int export(scmp_filter_ctx ctx, const struct oci_seccomp *sc,
		  struct sock_fprog **ret, struct err *err)
{
	auto_fd int fd = memfd_create("seccomp", MFD_CLOEXEC);
	struct sock_filter stub[STUB_MAX];
	size_t n_stub = make_stub(sc, stub);
	struct sock_fprog *prog;
	size_t size;
	off_t len;
	int code;

	if (fd < 0)
		return err_set(err, errno, "memfd_create");
	code = seccomp_export_bpf(ctx, fd);
	if (code < 0)
		return err_set(err, -code, "compile linux.seccomp");
	len = lseek(fd, 0, SEEK_END);
	size = n_stub * sizeof(stub[0]) + (size_t)(len < 0 ? 0 : len);
	if (size / sizeof(stub[0]) > BPF_MAXINSNS)
		return err_set(err, E2BIG, "linux.seccomp");
	prog = malloc(sizeof(*prog) + size);
	if (!prog)
		return err_set(err, ENOMEM, "linux.seccomp");
	prog->filter = (struct sock_filter *)(void *)(prog + 1);
	prog->len = (unsigned short)(size / sizeof(stub[0]));
	memcpy(prog->filter, stub, n_stub * sizeof(stub[0]));
	if (pread(fd, prog->filter + n_stub, (size_t)len, 0) != len) {
		free(prog);
		return err_set(err, EIO, "compile linux.seccomp");
	}
	*ret = prog;
	return 0;
}

int filter_compile(const struct oci_seccomp *sc, struct sock_fprog **ret, struct err *err)
{
	scmp_filter_ctx ctx;
	uint32_t action;
	int code;

	if (!to_action(sc->default_action, sc->default_errno_ret, &action))
		return err_msg(
			err, EINVAL,
			"linux.seccomp.defaultAction: SCMP_ACT_NOTIFY is not supported");
	ctx = seccomp_init(action);
	if (!ctx)
		return err_set(err, ENOMEM, "linux.seccomp");
	(void)seccomp_attr_set(ctx, SCMP_FLTATR_CTL_NNP, 0);
	if (sc->syscalls.n > OPTIMIZE_FROM)
		(void)seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	code = add_arches(ctx, sc, err);
	if (code == 0)
		code = add_rules(ctx, sc, action, err);
	if (code == 0)
		code = export(ctx, sc, ret, err);
	seccomp_release(ctx);
	return code;
}

void filter_free(struct sock_fprog *prog)
{
	free(prog);
}

int filter_load(const struct oci_seccomp *sc, const struct sock_fprog *prog,
		struct err *err)
{
	unsigned int flags = oci_seccomp_flags(sc);

	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, prog) < 0)
		return err_set(err, errno, "error loading seccomp filter into kernel");
	return 0;
}
