/* SPDX-License-Identifier: Apache-2.0 */
/* The answer to CONTROL_FREEZE_STATUS (vmm/control.h) as JSON. */
#ifndef HULL_RUNTIME_FREEZE_STATUS_H
#define HULL_RUNTIME_FREEZE_STATUS_H

#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;

/*
 * freeze_status_json() - append the object that `freeze --status` prints.
 * @data: @len bytes from hull-vmm; the text in it is the guest's
 * Errors: -EPROTO (malformed), -ENOMEM
 */
int freeze_status_json(const char *id, const char *data, size_t len, const char *indent,
		       struct buf *b, struct err *err);

/* thaw_reason() - enum control_thaw in one word, for programs. */
const char *thaw_reason(uint32_t why);

#endif
