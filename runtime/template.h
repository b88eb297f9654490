/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Templates on the host: files in TEMPLATE_DIR, each a machine that was saved when its
 * agent was ready (vmm/template.h), which further containers go on from instead of
 * booting.
 *
 * A file is found by its key: all that the machine depends on (kernel, initramfs,
 * hull-vmm, sizes, devices, host).  It is named by the key's hash, begins with the key
 * itself, and is never written to again: made as a file without a name by us alone,
 * mode 0400, and linked when it is whole.  So neither a crash nor a fallen
 * hull-vmm leaves a bad one.  The oldest go when there are more than TEMPLATE_MAX.
 *
 * TEMPLATE_DIR is a tmpfs of its own, with huge pages: what the machines only read of
 * a template is mapped 2 MiB at a time.
 */
#ifndef HULL_RUNTIME_TEMPLATE_H
#define HULL_RUNTIME_TEMPLATE_H

#include <stdint.h>

struct buf;
struct err;
struct vm_config;

#define TEMPLATE_DIR "/run/hull-templates"
#define TEMPLATE_MAX 8u
#define TEMPLATE_NAME_SIZE 17u /* (bytes) 16 hexadecimal digits and the final 0 */

/* What one create has to do with templates. */
struct template_use {
	int dir; /* of the files; -1: none are used */
	int lock; /* held by the one create that makes a template; or -1 */
	int file; /* the new one, which has no name yet; or -1 */
	char name[TEMPLATE_NAME_SIZE]; /* of the file */
	void *key; /* owned: how it begins */
};

#define TEMPLATE_USE_INIT ((struct template_use){ .dir = -1, .lock = -1, .file = -1 })

/*
 * template_plan() - have @c's machine go on from a template, or become one.  Nothing
 * that fails here is an error: the machine boots.
 * @vmm_fd: the program
 * @group: whose templates it may use, HULL_TEMPLATE_GROUP_MAX bytes at most; NULL: those
 *	of nobody in particular
 * @c: complete but for its template's fields
 */
void template_plan(struct template_use *use, int vmm_fd, const char *group,
		   struct vm_config *c);

/* template_store() - the machine that hull-vmm has saved into c->template_new_fd: a copy of
 * ours, for nobody yet. */
int template_store(struct template_use *use, const struct vm_config *c, struct err *err);

/* template_sum() - sums of what was stored, by which damage is found later; without them
 * it is not kept.  Takes a while: best when nobody waits. */
int template_sum(struct template_use *use, const struct vm_config *c, struct err *err);

/* template_publish() - what was stored is there for others, now that it has made a
 * container; nothing was stored: nothing to do. */
int template_publish(struct template_use *use, const struct vm_config *c,
		     struct err *err);

/* template_drop() - hull-vmm could not use it: the next one is to make it anew. */
void template_drop(const struct template_use *use);

void template_release(struct template_use *use);

/* ---- those that there are ----------------------------------------------------------- */

/* template_list() - append a table of them: name, sizes, when it was used last. */
int template_list(struct buf *out, struct err *err);

/*
 * template_verify() - is it whole: key, size, state and RAM by their CRCs?  One that is
 * not is removed.
 * Errors: EINVAL (no such name), ENOENT, EPROTO
 */
int template_verify(const char *name, struct err *err);

/* template_remove() - Errors: EINVAL, ENOENT */
int template_remove(const char *name, struct err *err);

/*
 * template_names() - append their names, each with a final 0, in no order.
 */
int template_names(struct buf *out, struct err *err);

#endif
