/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of config-vm.md. */
#include "oci/schema.h"
#include "oci/spec.h"

static const struct oci_field hypervisor_fields[] = {
	OCI_FIELD(oci_vm_hypervisor, path, "path", OCI_STR),
	OCI_FIELD(oci_vm_hypervisor, parameters, "parameters", OCI_STRS),
};
static OCI_TYPE(type_hypervisor, oci_vm_hypervisor, hypervisor_fields);

static const struct oci_field kernel_fields[] = {
	OCI_FIELD(oci_vm_kernel, path, "path", OCI_STR),
	OCI_FIELD(oci_vm_kernel, parameters, "parameters", OCI_STRS),
	OCI_FIELD(oci_vm_kernel, initrd, "initrd", OCI_STR),
};
static OCI_TYPE(type_kernel, oci_vm_kernel, kernel_fields);

static const struct oci_field image_fields[] = {
	OCI_FIELD(oci_vm_image, path, "path", OCI_STR),
	OCI_FIELD(oci_vm_image, format, "format", OCI_STR),
};
static OCI_TYPE(type_image, oci_vm_image, image_fields);

static const struct oci_field iomem_fields[] = {
	OCI_FIELD(oci_vm_iomem, first_gfn, "firstGFN", OCI_OPT_U64),
	OCI_FIELD(oci_vm_iomem, first_mfn, "firstMFN", OCI_U64,
		  .flags = OCI_REQUIRED | OCI_ALWAYS),
	OCI_FIELD(oci_vm_iomem, nr_mfns, "nrMFNs", OCI_U64,
		  .flags = OCI_REQUIRED | OCI_ALWAYS),
};
static OCI_TYPE(type_iomem, oci_vm_iomem, iomem_fields);

static const struct oci_field hw_config_fields[] = {
	OCI_FIELD(oci_vm_hw_config, device_tree, "deviceTree", OCI_STR),
	OCI_FIELD(oci_vm_hw_config, vcpus, "vcpus", OCI_OPT_U32),
	OCI_FIELD(oci_vm_hw_config, memory, "memory", OCI_OPT_U64),
	OCI_FIELD(oci_vm_hw_config, dtdevs, "dtdevs", OCI_STRS),
	OCI_FIELD(oci_vm_hw_config, iomems, "iomems", OCI_LIST, .type = &type_iomem),
	OCI_FIELD(oci_vm_hw_config, irqs, "irqs", OCI_U32S),
};
static OCI_TYPE(type_hw_config, oci_vm_hw_config, hw_config_fields);

static const struct oci_field vm_fields[] = {
	OCI_FIELD(oci_vm, hypervisor, "hypervisor", OCI_POINTER,
		  .type = &type_hypervisor),
	OCI_FIELD(oci_vm, kernel, "kernel", OCI_POINTER, .type = &type_kernel),
	OCI_FIELD(oci_vm, image, "image", OCI_POINTER, .type = &type_image),
	OCI_FIELD(oci_vm, hw_config, "hwConfig", OCI_POINTER, .type = &type_hw_config),
};
OCI_TYPE(oci_type_vm, oci_vm, vm_fields);
