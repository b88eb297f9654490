/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/cpu_list.h"

#include <errno.h>

/* number() - the decimal number at *@p, which moves behind it; -EINVAL. */
static int number(const char **p)
{
	unsigned int n = 0;
	const char *s = *p;

	if (*s < '0' || *s > '9')
		return -EINVAL;
	for (; *s >= '0' && *s <= '9'; s++) {
		n = n * 10 + (unsigned int)(*s - '0');
		if (n >= OCI_CPU_MAX)
			return -EINVAL;
	}
	*p = s;
	return (int)n;
}

int oci_cpu_list(const char *text, struct oci_cpu_set *ret)
{
	struct oci_cpu_set set = { 0 };
	int count = 0;

	for (;;) {
		int first = number(&text);
		int last = first;

		if (first < 0)
			return first;
		if (*text == '-') {
			text++;
			last = number(&text);
		}
		if (last < first)
			return -EINVAL;
		for (int i = first; i <= last; i++) {
			uint64_t *word = &set.bits[(unsigned int)i / 64];
			uint64_t bit = 1ull << ((unsigned int)i % 64);

			count += !(*word & bit);
			*word |= bit;
		}
		if (!*text)
			break;
		if (*text++ != ',')
			return -EINVAL;
	}
	if (ret)
		*ret = set;
	return count;
}
