/* SPDX-License-Identifier: Apache-2.0 */
/*
 * container_of() - from a pointer to a member to the struct it is embedded in.
 */
#ifndef HULL_LIB_CONTAINER_OF_H
#define HULL_LIB_CONTAINER_OF_H

#include <stddef.h>

#define container_of(ptr, type, member)                                                  \
	((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#endif
