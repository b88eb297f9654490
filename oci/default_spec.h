/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration that `hull spec` writes, and what `hull features` prints. */
#ifndef HULL_OCI_DEFAULT_SPEC_H
#define HULL_OCI_DEFAULT_SPEC_H

struct buf;
struct err;
struct oci_spec;

/*
 * oci_default_spec() - a container that runs `sh` in ./rootfs, field by field what
 * `runc spec` has on a host with cgroup v2; print it with oci_spec_print().
 * @ret: free with oci_spec_free()
 */
int oci_default_spec(struct oci_spec **ret, struct err *err);

/*
 * oci_features() - append the Features structure (features.md), indented by four
 * spaces and ended by a newline, as runc prints it.
 * @packets: who moves network packets on this host: "vhost, zero-copy", "vhost", "tap"
 */
int oci_features(const char *packets, struct buf *b, struct err *err);

#endif
