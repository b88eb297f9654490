/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of linux.resources (config-linux.md#control-groups). */
#include "oci/schema.h"
#include "oci/spec.h"

static const struct oci_field device_rule_fields[] = {
	OCI_FIELD(oci_device_rule, allow, "allow", OCI_BOOL,
		  .flags = OCI_REQUIRED | OCI_ALWAYS),
	OCI_FIELD(oci_device_rule, type, "type", OCI_STR),
	OCI_FIELD(oci_device_rule, major, "major", OCI_OPT_I64),
	OCI_FIELD(oci_device_rule, minor, "minor", OCI_OPT_I64),
	OCI_FIELD(oci_device_rule, access, "access", OCI_STR),
};
static OCI_TYPE(type_device_rule, oci_device_rule, device_rule_fields);

static const struct oci_field memory_fields[] = {
	OCI_FIELD(oci_memory, limit, "limit", OCI_OPT_I64),
	OCI_FIELD(oci_memory, reservation, "reservation", OCI_OPT_I64),
	OCI_FIELD(oci_memory, swap, "swap", OCI_OPT_I64),
	OCI_FIELD(oci_memory, kernel, "kernel", OCI_OPT_I64),
	OCI_FIELD(oci_memory, kernel_tcp, "kernelTCP", OCI_OPT_I64),
	OCI_FIELD(oci_memory, swappiness, "swappiness", OCI_OPT_U64),
	OCI_FIELD(oci_memory, disable_oom_killer, "disableOOMKiller", OCI_OPT_BOOL),
	OCI_FIELD(oci_memory, use_hierarchy, "useHierarchy", OCI_OPT_BOOL),
	OCI_FIELD(oci_memory, check_before_update, "checkBeforeUpdate", OCI_OPT_BOOL),
};
static OCI_TYPE(type_memory, oci_memory, memory_fields);

static const struct oci_field cpu_fields[] = {
	OCI_FIELD(oci_cpu, shares, "shares", OCI_OPT_U64),
	OCI_FIELD(oci_cpu, quota, "quota", OCI_OPT_I64),
	OCI_FIELD(oci_cpu, burst, "burst", OCI_OPT_U64),
	OCI_FIELD(oci_cpu, period, "period", OCI_OPT_U64),
	OCI_FIELD(oci_cpu, realtime_runtime, "realtimeRuntime", OCI_OPT_I64),
	OCI_FIELD(oci_cpu, realtime_period, "realtimePeriod", OCI_OPT_U64),
	OCI_FIELD(oci_cpu, cpus, "cpus", OCI_STR),
	OCI_FIELD(oci_cpu, mems, "mems", OCI_STR),
	OCI_FIELD(oci_cpu, idle, "idle", OCI_OPT_I64),
};
static OCI_TYPE(type_cpu, oci_cpu, cpu_fields);

static const struct oci_field pids_fields[] = {
	OCI_FIELD(oci_pids, limit, "limit", OCI_OPT_I64),
};
static OCI_TYPE(type_pids, oci_pids, pids_fields);

static const struct oci_field weight_device_fields[] = {
	OCI_FIELD(oci_weight_device, major, "major", OCI_I64,
		  .flags = OCI_REQUIRED | OCI_ALWAYS),
	OCI_FIELD(oci_weight_device, minor, "minor", OCI_I64,
		  .flags = OCI_REQUIRED | OCI_ALWAYS),
	OCI_FIELD(oci_weight_device, weight, "weight", OCI_OPT_U16),
	OCI_FIELD(oci_weight_device, leaf_weight, "leafWeight", OCI_OPT_U16),
};
static OCI_TYPE(type_weight_device, oci_weight_device, weight_device_fields);

static const struct oci_field throttle_device_fields[] = {
	OCI_FIELD(oci_throttle_device, major, "major", OCI_I64,
		  .flags = OCI_REQUIRED | OCI_ALWAYS),
	OCI_FIELD(oci_throttle_device, minor, "minor", OCI_I64,
		  .flags = OCI_REQUIRED | OCI_ALWAYS),
	OCI_FIELD(oci_throttle_device, rate, "rate", OCI_U64, .flags = OCI_ALWAYS),
};
static OCI_TYPE(type_throttle_device, oci_throttle_device, throttle_device_fields);

static const struct oci_field block_io_fields[] = {
	OCI_FIELD(oci_block_io, weight, "weight", OCI_OPT_U16),
	OCI_FIELD(oci_block_io, leaf_weight, "leafWeight", OCI_OPT_U16),
	OCI_FIELD(oci_block_io, weight_device, "weightDevice", OCI_LIST,
		  .type = &type_weight_device),
	OCI_FIELD(oci_block_io, throttle_read_bps, "throttleReadBpsDevice", OCI_LIST,
		  .type = &type_throttle_device),
	OCI_FIELD(oci_block_io, throttle_write_bps, "throttleWriteBpsDevice", OCI_LIST,
		  .type = &type_throttle_device),
	OCI_FIELD(oci_block_io, throttle_read_iops, "throttleReadIOPSDevice", OCI_LIST,
		  .type = &type_throttle_device),
	OCI_FIELD(oci_block_io, throttle_write_iops, "throttleWriteIOPSDevice", OCI_LIST,
		  .type = &type_throttle_device),
};
static OCI_TYPE(type_block_io, oci_block_io, block_io_fields);

static const struct oci_field hugepage_limit_fields[] = {
	OCI_FIELD(oci_hugepage_limit, page_size, "pageSize", OCI_STR,
		  .flags = OCI_REQUIRED),
	OCI_FIELD(oci_hugepage_limit, limit, "limit", OCI_U64,
		  .flags = OCI_REQUIRED | OCI_ALWAYS),
};
static OCI_TYPE(type_hugepage_limit, oci_hugepage_limit, hugepage_limit_fields);

static const struct oci_field interface_priority_fields[] = {
	OCI_FIELD(oci_interface_priority, name, "name", OCI_STR, .flags = OCI_REQUIRED),
	OCI_FIELD(oci_interface_priority, priority, "priority", OCI_U32,
		  .flags = OCI_REQUIRED | OCI_ALWAYS),
};
static OCI_TYPE(type_interface_priority, oci_interface_priority,
		interface_priority_fields);

static const struct oci_field network_fields[] = {
	OCI_FIELD(oci_network, class_id, "classID", OCI_OPT_U32),
	OCI_FIELD(oci_network, priorities, "priorities", OCI_LIST,
		  .type = &type_interface_priority),
};
static OCI_TYPE(type_network, oci_network, network_fields);

static const struct oci_field rdma_fields[] = {
	OCI_FIELD(oci_rdma, hca_handles, "hcaHandles", OCI_OPT_U32),
	OCI_FIELD(oci_rdma, hca_objects, "hcaObjects", OCI_OPT_U32),
};
static OCI_TYPE(type_rdma, oci_rdma, rdma_fields);

static const struct oci_field resources_fields[] = {
	OCI_FIELD(oci_resources, devices, "devices", OCI_LIST, .type = &type_device_rule),
	OCI_FIELD(oci_resources, memory, "memory", OCI_POINTER, .type = &type_memory),
	OCI_FIELD(oci_resources, cpu, "cpu", OCI_POINTER, .type = &type_cpu),
	OCI_FIELD(oci_resources, pids, "pids", OCI_POINTER, .type = &type_pids),
	OCI_FIELD(oci_resources, block_io, "blockIO", OCI_POINTER,
		  .type = &type_block_io),
	OCI_FIELD(oci_resources, hugepage_limits, "hugepageLimits", OCI_LIST,
		  .type = &type_hugepage_limit),
	OCI_FIELD(oci_resources, network, "network", OCI_POINTER, .type = &type_network),
	OCI_FIELD(oci_resources, rdma, "rdma", OCI_DICT, .type = &type_rdma),
	OCI_FIELD(oci_resources, unified, "unified", OCI_MAP),
};
OCI_TYPE(oci_type_resources, oci_resources, resources_fields);
