/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files that a machine boots from, kernel and initramfs: which ones they were, for
 * templates (template.c) and for a machine that is saved much later (checkpoint).
 */
#ifndef HULL_RUNTIME_BOOT_FILE_H
#define HULL_RUNTIME_BOOT_FILE_H

#include <stdint.h>

struct arena;
struct err;
struct image_file;

/* A file that was not changed since: no file of ours is changed in place. */
struct file_identity {
	uint64_t dev;
	uint64_t ino;
	uint64_t size;
	int64_t mtime_ns;
};

/* file_identify() - Return: 0; -errno */
int file_identify(int fd, struct file_identity *ret);

/*
 * boot_file_note() - where @fd is and its identity, as a text for state.json.
 * @ret: in @arena; NULL: it has no path that could be written down
 * Return: 0; -ENOMEM
 */
int boot_file_note(int fd, struct arena *arena, char **ret);

/*
 * boot_file_recall() - size and CRC of the file that @note is of, if it is still the
 * same; else all 0.
 * @note: may be NULL
 */
void boot_file_recall(const char *note, struct image_file *ret);

/*
 * boot_file_check() - @fd is the file that a machine was started with.
 * @want: all 0: not known, so anything is
 * @what: "guest kernel", for the message
 * Errors: -EINVAL: another one
 */
int boot_file_check(int fd, const struct image_file *want, const char *what,
		    struct err *err);

#endif
