/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/cpu_list.h"

#include <errno.h>

#include "tests/unit/tap.h"

static const struct {
	const char *list;
	int count;
} cases[] = {
	{ "0", 1 },         { "0-3", 4 },         { "0-3,5", 5 },
	{ "5,0-3,2", 5 },   { "1023", 1 },        { "0-1023", 1024 },
	{ "007", 1 },       { "", -EINVAL },      { "1024", -EINVAL },
	{ "3-1", -EINVAL }, { "-1", -EINVAL },    { "1-", -EINVAL },
	{ "1,", -EINVAL },  { ",1", -EINVAL },    { "1 ", -EINVAL },
	{ "a", -EINVAL },   { "1-2-3", -EINVAL }, { "99999999999", -EINVAL },
};

int main(void)
{
	struct oci_cpu_set set;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		is_int(oci_cpu_list(cases[i].list, NULL), cases[i].count, "\"%s\"",
		       cases[i].list);
	is_int(oci_cpu_list("1,64-65,1023", &set), 4, "a set");
	ok(oci_cpu_isset(&set, 1) && oci_cpu_isset(&set, 64) && oci_cpu_isset(&set, 65) &&
		   oci_cpu_isset(&set, 1023),
	   "has these");
	ok(!oci_cpu_isset(&set, 0) && !oci_cpu_isset(&set, 63) &&
		   !oci_cpu_isset(&set, 66) && !oci_cpu_isset(&set, 1024) &&
		   !oci_cpu_isset(&set, 99999),
	   "and no others");
	return tap_done();
}
