/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions that nobody may call: each has a bounded or checked replacement.
 * Force-included into every source file by the Makefile, so that the compiler
 * keeps the rule.
 */
#ifndef HULL_LIB_BANNED_H
#define HULL_LIB_BANNED_H

/* The libc headers that declare them come first: poison is for later uses. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* With _FORTIFY_SOURCE and clang some of them are macros, which cannot be poisoned. */
#undef sprintf
#undef vsprintf

#pragma GCC poison strcpy strncpy strcat strncat sprintf vsprintf gets
/* ctime is also a member of struct fuse_attr (linux/fuse.h) and cannot be here. */
#pragma GCC poison strtok asctime gmtime localtime
#pragma GCC poison atoi atol atoll tmpnam mktemp

#endif
