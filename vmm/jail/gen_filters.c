/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Build tool: turns the lists of system calls into seccomp programs, as a C header
 * on stdout.  libseccomp writes the programs here, once, because building them
 * at every container start costs more than loading them.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/if_tun.h>
#include <linux/kvm.h>
#include <linux/seccomp.h>
#include <linux/userfaultfd.h>
#include <linux/vhost.h>
#include <sched.h>
#include <seccomp.h>
#include <stdint.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/io.h"

struct rule {
	int syscall;
	unsigned int n_args;
	struct scmp_arg_cmp arg;
};

#define HULL_SYSCALL(name, why) { .syscall = SCMP_SYS(name) },
#define MASKED(name, index, mask, value)                                       \
	{ .syscall = SCMP_SYS(name),                                           \
	  .n_args = 1,                                                         \
	  .arg = { .arg = (index),                                             \
		   .op = SCMP_CMP_MASKED_EQ,                                   \
		   .datum_a = (uint64_t)(mask),                                \
		   .datum_b = (uint64_t)(value) } },
#define HULL_SYSCALL_ARG(name, index, mask, value, why) MASKED(name, index, mask, value)
#define HULL_IOCTL(request, why) MASKED(ioctl, 1, 0xffffffffu, (request))
#define HULL_SYSCALL_MMAP(why) MASKED(mmap, 2, PROT_EXEC, 0)
#define HULL_SYSCALL_MPROTECT(why) MASKED(mprotect, 2, PROT_EXEC, 0)
/* glibc falls back to clone, whose flags can be seen, when clone3 is not there. */
#define HULL_SYSCALL_CLONE_THREAD(why) MASKED(clone, 0, CLONE_THREAD, CLONE_THREAD)
#define HULL_SYSCALL_FCNTL(why)                                                \
	MASKED(fcntl, 1, 0xffffffffu, F_GETFL)                                 \
	MASKED(fcntl, 1, 0xffffffffu, F_GETFD)                                 \
	MASKED(fcntl, 1, 0xffffffffu, F_SETFD)                                 \
	MASKED(fcntl, 1, 0xffffffffu, F_DUPFD_CLOEXEC)                         \
	MASKED(fcntl, 1, 0xffffffffu, F_GETPIPE_SZ)                            \
	MASKED(fcntl, 1, 0xffffffffu, F_SETPIPE_SZ)

static const struct rule loop_rules[] = {
#include "vmm/jail/common_syscalls.h"
#include "vmm/jail/loop_syscalls.h"
#include "vmm/jail/save_syscalls.h"
};

static const struct rule vcpu_rules[] = {
#include "vmm/jail/common_syscalls.h"
#include "vmm/jail/vcpu_syscalls.h"
};

static const struct rule fs_rules[] = {
#include "vmm/jail/common_syscalls.h"
#include "vmm/fs/syscalls.h"
};

static const struct rule lazy_rules[] = {
#include "vmm/jail/common_syscalls.h"
#include "vmm/snapshot/syscalls.h"
};

static const struct rule net_rules[] = {
#include "vmm/jail/common_syscalls.h"
#include "vmm/net/helper/syscalls.h"
};

static const struct {
	const char *name;
	const struct rule *rules;
	size_t n;
} kinds[] = {
	/* In the order of enum jail_kind. */
	{ "loop", loop_rules, ARRAY_SIZE(loop_rules) },
	{ "vcpu", vcpu_rules, ARRAY_SIZE(vcpu_rules) },
	{ "fs", fs_rules, ARRAY_SIZE(fs_rules) },
	{ "lazy", lazy_rules, ARRAY_SIZE(lazy_rules) },
	{ "net", net_rules, ARRAY_SIZE(net_rules) },
};

/* export() - the program of @ctx as sock_filter values in the header. */
static int export(scmp_filter_ctx ctx, const char *name, struct err *err)
{
	FILE *tmp = tmpfile();
	struct sock_filter insn;
	int ret;

	if (!tmp)
		return err_set(err, errno, "tmpfile");
	ret = seccomp_export_bpf(ctx, fileno(tmp));
	if (ret < 0)
		return err_set(err, -ret, "seccomp_export_bpf");
	rewind(tmp);
	(void)printf("static struct sock_filter jail_%s[] = {\n", name);
	while (fread(&insn, sizeof(insn), 1, tmp) == 1)
		(void)printf("\t{ 0x%x, %u, %u, 0x%x },\n", insn.code, insn.jt, insn.jf,
			     insn.k);
	(void)printf("};\n\n");
	(void)fclose(tmp); /* only read */
	return 0;
}

static int generate(const struct rule *rules, size_t n, const char *name, struct err *err)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int ret;

	if (!ctx)
		return err_msg(err, ENOMEM, "seccomp_init");
	ret = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	if (ret == 0) /* a lookup in a balanced tree instead of a long walk */
		ret = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	for (size_t i = 0; ret == 0 && i < n; i++) {
		ret = seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, rules[i].syscall,
					     rules[i].n_args, &rules[i].arg);
		if (ret == -EEXIST)
			ret = 0; /* in two of the lists */
	}
	if (ret < 0)
		return err_set(err, -ret, "rules of %s", name);
	ret = export(ctx, name, err);
	seccomp_release(ctx);
	return ret;
}

int main(void)
{
	struct err err = ERR_INIT;

	(void)printf("/* Made by gen_filters. */\n");
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (generate(kinds[i].rules, kinds[i].n, kinds[i].name, &err) < 0) {
			(void)fprintf(stderr, "gen_filters: %s\n", err.msg);
			return 1;
		}
	}
	(void)printf("static const struct sock_fprog jail_filters[] = {\n");
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		(void)printf("\t{ sizeof(jail_%s) / sizeof(jail_%s[0]), jail_%s },\n",
			     kinds[i].name, kinds[i].name, kinds[i].name);
	(void)printf("};\n");
	return fflush(stdout) ? 1 : 0;
}
