/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of oci_validate(): each 0 or -EINVAL, messages begin with the place. */
#ifndef HULL_OCI_VALIDATE_INTERNAL_H
#define HULL_OCI_VALIDATE_INTERNAL_H

#include <errno.h>

#include "lib/err.h"
#include "oci/spec.h"

#define invalid(err, ...) err_msg((err), EINVAL, __VA_ARGS__)

/* validate_mappings() - ranges that are not empty, do not overlap, do not wrap. */
int validate_mappings(const char *place, const struct oci_id_mappings *m,
		      struct err *err);
int validate_linux(const struct oci_spec *spec, struct err *err);
int validate_sysctl(const struct oci_spec *spec, struct err *err);
int validate_resources(const struct oci_resources *res, struct err *err);
int validate_seccomp(const struct oci_seccomp *seccomp, struct err *err);
int validate_vm(const struct oci_vm *vm, struct err *err);

#endif
