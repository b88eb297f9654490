/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The folder that `checkpoint` fills and `restore` reads (--image-path):
 *
 *	machine		the machine (vmm/snapshot/image.h), mode 0600
 *	inventory.img	a line of text, for podman, which looks whether there is a file of
 *			that name, as CRIU leaves one, before it asks for a restore
 *	parent		a link to the folder of what the image was made upon, if it was, as
 *			CRIU leaves one; for callers, as the machine has that path itself
 *	working-set	what a lazy restore asked for first (vmm/snapshot/working_set.h),
 *			mode 0600; a hint for the next one
 *
 * The machine is written into a file without a name, where the file system has such, so
 * that not even a SIGKILL leaves a part of one; and has its name when all of it is on
 * the disk, in the place of the one that was there.
 *
 * Calling sequence: checkpoint_image_begin(), somebody fills in fd,
 * checkpoint_image_commit(); checkpoint_image_release() in any case.
 */
#ifndef HULL_RUNTIME_CHECKPOINT_IMAGE_H
#define HULL_RUNTIME_CHECKPOINT_IMAGE_H

#include <stdbool.h>

#include "vmm/snapshot/image.h"
#include "vmm/snapshot/saved_ram.h"

struct err;

#define CHECKPOINT_IMAGE_MACHINE "machine"
#define CHECKPOINT_IMAGE_MARK "inventory.img"
#define CHECKPOINT_IMAGE_PARENT "parent"
#define CHECKPOINT_IMAGE_WORKING_SET "working-set"
#define CHECKPOINT_DEFAULT_PATH "checkpoint" /* below the current folder, as runc's */

struct checkpoint_image {
	const char *path; /* of the folder, borrowed */
	int dir; /* the folder, locked: one checkpoint at a time writes there */
	int fd; /* the new file */
	int parents[SAVED_RAM_MAX_FILES - 1]; /* what it is made upon, the newest first */
	unsigned int n_parents;
	const char *parent_path; /* of the first one, borrowed */
	struct image_machine parent; /* what that one is */
	bool made; /* the folder is new */
	bool named; /* the file has a temporary name */
	bool marked; /* the mark is ours, and new */
};

#define CHECKPOINT_IMAGE_INIT ((struct checkpoint_image){ .dir = -1, .fd = -1 })

/*
 * checkpoint_image_begin() - make the folder, if need be with those above it, and an
 * empty file.
 * Errors: -EBUSY: a checkpoint is being written there
 */
int checkpoint_image_begin(const char *path, struct checkpoint_image *image,
			   struct err *err);

/*
 * checkpoint_image_upon() - a pre-dump of which the new image has the changes only, with
 * those that that was made upon.
 * @parent_path: of its folder, relative to the image's; borrowed
 * Errors: -EINVAL: an absolute path, the image itself, not a pre-dump; -EPROTO: damaged;
 *	what opening says
 */
int checkpoint_image_upon(struct checkpoint_image *image, const char *parent_path,
			  struct err *err);

/*
 * checkpoint_image_head() - what hull-vmm has written about the machine.
 * Errors: -EPROTO: that is none
 */
int checkpoint_image_head(const struct checkpoint_image *image, struct image_machine *ret,
			  struct err *err);

/*
 * checkpoint_image_commit() - with @machine as head, summed, durable and under its name.
 * Errors: what the file system says; then the folder is as it was
 */
int checkpoint_image_commit(struct checkpoint_image *image,
			    const struct image_machine *machine, struct err *err);

/* checkpoint_image_release() - without a commit nothing is left. */
void checkpoint_image_release(struct checkpoint_image *image);

/*
 * checkpoint_image_open() - the machine in the folder @path, with a head that is as it
 * was written; the state is hull-vmm's to check.
 * Return: a descriptor, the caller's
 * Errors: -EPROTO: it is no image, of another version, or cut off
 */
int checkpoint_image_open(const char *path, struct image_machine *ret, struct err *err);

/*
 * checkpoint_image_parents() - the files that an image was made upon.
 * @fd, @machine: as checkpoint_image_open() has given them
 * @fds: room for SAVED_RAM_MAX_FILES - 1; the caller owns *@ret_n of them, after an
 *	error as well
 * Errors: -EPROTO: one is damaged, or another image than it was; what opening says
 */
int checkpoint_image_parents(const char *path, int fd,
			     const struct image_machine *machine, int *fds,
			     unsigned int *ret_n, struct err *err);

/*
 * checkpoint_image_verify() - is its memory as it was written?  All of it is read.
 * @fd, @machine: as checkpoint_image_open() has given them
 * Errors: -EPROTO: damaged, cut off
 */
int checkpoint_image_verify(const char *path, int fd, const struct image_machine *machine,
			    struct err *err);

/*
 * checkpoint_image_working_set() - the file beside the machine, made if need be.
 * Return: a descriptor, the caller's; -1: there is none, which the log says
 */
int checkpoint_image_working_set(const char *path);

#endif
