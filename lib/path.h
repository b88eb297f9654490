/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Paths as texts: nothing is looked up.
 */
#ifndef HULL_LIB_PATH_H
#define HULL_LIB_PATH_H

#include <stdbool.h>

/* path_is_below() - is @path the folder @dir, or in it?  Neither ends with a slash. */
bool path_is_below(const char *path, const char *dir);

#endif
