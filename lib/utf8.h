/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing past U+10FFFF. */
#ifndef HULL_LIB_UTF8_H
#define HULL_LIB_UTF8_H

#include <stddef.h>

/*
 * utf8_char() - how many bytes (1 to 4) the character at @s has.
 * @left: (bytes) > 0 that may be read
 * Return: 0 when there is no whole and valid character
 */
size_t utf8_char(const char *s, size_t left);

#endif
