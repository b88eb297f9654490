/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of linux.seccomp (config-linux.md#seccomp). */
#include "oci/schema.h"
#include "oci/spec.h"

static const struct oci_name action_names[] = {
	{ "SCMP_ACT_ALLOW", OCI_ACT_ALLOW },
	{ "SCMP_ACT_ERRNO", OCI_ACT_ERRNO },
	{ "SCMP_ACT_KILL", OCI_ACT_KILL },
	{ "SCMP_ACT_KILL_PROCESS", OCI_ACT_KILL_PROCESS },
	{ "SCMP_ACT_KILL_THREAD", OCI_ACT_KILL_THREAD },
	{ "SCMP_ACT_LOG", OCI_ACT_LOG },
	{ "SCMP_ACT_NOTIFY", OCI_ACT_NOTIFY },
	{ "SCMP_ACT_TRACE", OCI_ACT_TRACE },
	{ "SCMP_ACT_TRAP", OCI_ACT_TRAP },
	{ NULL, 0 },
};

const struct oci_names oci_names_seccomp_action = {
	action_names, "string ", " is not a valid action for seccomp"
};

static const struct oci_name arch_names[] = {
	{ "SCMP_ARCH_AARCH64", OCI_ARCH_AARCH64 },
	{ "SCMP_ARCH_ARM", OCI_ARCH_ARM },
	{ "SCMP_ARCH_LOONGARCH64", OCI_ARCH_LOONGARCH64 },
	{ "SCMP_ARCH_M68K", OCI_ARCH_M68K },
	{ "SCMP_ARCH_MIPS", OCI_ARCH_MIPS },
	{ "SCMP_ARCH_MIPS64", OCI_ARCH_MIPS64 },
	{ "SCMP_ARCH_MIPS64N32", OCI_ARCH_MIPS64N32 },
	{ "SCMP_ARCH_MIPSEL", OCI_ARCH_MIPSEL },
	{ "SCMP_ARCH_MIPSEL64", OCI_ARCH_MIPSEL64 },
	{ "SCMP_ARCH_MIPSEL64N32", OCI_ARCH_MIPSEL64N32 },
	{ "SCMP_ARCH_PARISC", OCI_ARCH_PARISC },
	{ "SCMP_ARCH_PARISC64", OCI_ARCH_PARISC64 },
	{ "SCMP_ARCH_PPC", OCI_ARCH_PPC },
	{ "SCMP_ARCH_PPC64", OCI_ARCH_PPC64 },
	{ "SCMP_ARCH_PPC64LE", OCI_ARCH_PPC64LE },
	{ "SCMP_ARCH_RISCV64", OCI_ARCH_RISCV64 },
	{ "SCMP_ARCH_S390", OCI_ARCH_S390 },
	{ "SCMP_ARCH_S390X", OCI_ARCH_S390X },
	{ "SCMP_ARCH_SH", OCI_ARCH_SH },
	{ "SCMP_ARCH_SHEB", OCI_ARCH_SHEB },
	{ "SCMP_ARCH_X32", OCI_ARCH_X32 },
	{ "SCMP_ARCH_X86", OCI_ARCH_X86 },
	{ "SCMP_ARCH_X86_64", OCI_ARCH_X86_64 },
	{ NULL, 0 },
};

const struct oci_names oci_names_seccomp_arch = { arch_names, "string ",
						  " is not a valid arch for seccomp" };

static const struct oci_name flag_names[] = {
	{ "SECCOMP_FILTER_FLAG_LOG", OCI_SECCOMP_FLAG_LOG },
	{ "SECCOMP_FILTER_FLAG_SPEC_ALLOW", OCI_SECCOMP_FLAG_SPEC_ALLOW },
	{ "SECCOMP_FILTER_FLAG_TSYNC", OCI_SECCOMP_FLAG_TSYNC },
	{ "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", OCI_SECCOMP_FLAG_WAIT_KILLABLE_RECV },
	{ NULL, 0 },
};

const struct oci_names oci_names_seccomp_flag = { flag_names, "seccomp flag \"",
						  "\" is not known" };

static const struct oci_name op_names[] = {
	{ "SCMP_CMP_EQ", OCI_CMP_EQ }, { "SCMP_CMP_GE", OCI_CMP_GE },
	{ "SCMP_CMP_GT", OCI_CMP_GT }, { "SCMP_CMP_LE", OCI_CMP_LE },
	{ "SCMP_CMP_LT", OCI_CMP_LT }, { "SCMP_CMP_MASKED_EQ", OCI_CMP_MASKED_EQ },
	{ "SCMP_CMP_NE", OCI_CMP_NE }, { NULL, 0 },
};

const struct oci_names oci_names_seccomp_op = { op_names, "string ",
						" is not a valid operator for seccomp" };

static const struct oci_field arg_fields[] = {
	OCI_FIELD(oci_syscall_arg, index, "index", OCI_U32,
		  .flags = OCI_REQUIRED | OCI_ALWAYS),
	OCI_FIELD(oci_syscall_arg, value, "value", OCI_U64,
		  .flags = OCI_REQUIRED | OCI_ALWAYS),
	OCI_FIELD(oci_syscall_arg, value_two, "valueTwo", OCI_U64),
	OCI_FIELD(oci_syscall_arg, op, "op", OCI_ENUM, .flags = OCI_REQUIRED,
		  .names = &oci_names_seccomp_op),
};
static OCI_TYPE(type_arg, oci_syscall_arg, arg_fields);

static const struct oci_field syscall_fields[] = {
	OCI_FIELD(oci_syscall, names, "names", OCI_STRS, .flags = OCI_REQUIRED),
	OCI_FIELD(oci_syscall, action, "action", OCI_ENUM, .flags = OCI_REQUIRED,
		  .names = &oci_names_seccomp_action),
	OCI_FIELD(oci_syscall, errno_ret, "errnoRet", OCI_OPT_U32),
	OCI_FIELD(oci_syscall, args, "args", OCI_LIST, .type = &type_arg),
};
static OCI_TYPE(type_syscall, oci_syscall, syscall_fields);

static const struct oci_field seccomp_fields[] = {
	OCI_FIELD(oci_seccomp, default_action, "defaultAction", OCI_ENUM,
		  .names = &oci_names_seccomp_action),
	OCI_FIELD(oci_seccomp, default_errno_ret, "defaultErrnoRet", OCI_OPT_U32),
	OCI_FIELD(oci_seccomp, architectures, "architectures", OCI_ENUMS,
		  .names = &oci_names_seccomp_arch),
	OCI_FIELD(oci_seccomp, flags, "flags", OCI_ENUMS,
		  .names = &oci_names_seccomp_flag),
	OCI_FIELD(oci_seccomp, listener_path, "listenerPath", OCI_STR),
	OCI_FIELD(oci_seccomp, listener_metadata, "listenerMetadata", OCI_STR),
	OCI_FIELD(oci_seccomp, syscalls, "syscalls", OCI_LIST, .type = &type_syscall),
};
OCI_TYPE(oci_type_seccomp, oci_seccomp, seccomp_fields);
