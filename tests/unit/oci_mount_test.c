/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/mount.h"

#include <errno.h>
#include <linux/mount.h>
#include <sys/mount.h>

#include "lib/err.h"
#include "tests/unit/tap.h"

static struct arena arena;

/* options() - read a list of options that ends in NULL. */
static int options(const char *const *list, struct oci_mount_options *ret,
		   struct err *err)
{
	struct oci_mount m = { 0 };
	size_t n = 0;

	while (list[n])
		n++;
	m.destination = arena_strdup(&arena, "/d");
	m.options.v = arena_array(&arena, n + 1, sizeof(*m.options.v));
	for (m.options.n = 0; m.options.n < n; m.options.n++)
		m.options.v[m.options.n] = arena_strdup(&arena, list[m.options.n]);
	return oci_mount_options(&m, &arena, ret, err);
}

#define LIST(...) ((const char *const[]){ __VA_ARGS__ __VA_OPT__(, ) NULL })

static void test_flags(void)
{
	struct oci_mount_options o;
	struct err err = ERR_INIT;

	is_int(options(LIST(), &o, &err), 0, "no options");
	ok(!o.flags && !o.cleared && !o.n_propagation && !o.rec_set && !o.tmpcopyup &&
		   !o.idmap,
	   "ask for nothing");
	is_str(o.data, "", "and have no data");
	is_int(options(LIST("nosuid", "ro", "suid", "defaults", "rbind"), &o, &err), 0,
	       "flags");
	ok(o.flags == (MS_RDONLY | MS_BIND | MS_REC), "the later one wins");
	ok(o.cleared == MS_NOSUID, "what was asked to be off is known");
	(void)options(LIST("rw", "ro"), &o, &err);
	ok(o.flags == MS_RDONLY && !o.cleared, "and off again when it is on");
	(void)options(LIST("strictatime", "nosymfollow"), &o, &err);
	ok(o.flags == (MS_STRICTATIME | 256), "also newer ones");
}

static void test_data(void)
{
	struct oci_mount_options o;
	struct err err = ERR_INIT;

	(void)options(LIST("mode=755", "nosuid", "size=64k", "newinstance"), &o, &err);
	is_str(o.data, "mode=755,size=64k,newinstance",
	       "what is unknown is for the file system");
	ok(o.flags == MS_NOSUID, "what is known is not");
}

static void test_propagation(void)
{
	struct oci_mount_options o;
	struct err err = ERR_INIT;

	(void)options(LIST("rslave", "shared"), &o, &err);
	is_int(o.n_propagation, 2, "two operations");
	ok(o.propagation[0] == (MS_SLAVE | MS_REC) && o.propagation[1] == MS_SHARED,
	   "in their order");
	is_int(options(LIST("private", "private", "private", "private", "private",
			    "private", "private", "private", "private"),
		       &o, &err),
	       -EINVAL, "nine of them are refused");
	is_str(err.msg, "mount '/d': more than 8 propagation options", "the message");
}

static void test_recursive(void)
{
	struct oci_mount_options o;
	struct err err = ERR_INIT;

	(void)options(LIST("rro", "rnosuid", "rsuid"), &o, &err);
	ok(o.rec_set == MOUNT_ATTR_RDONLY && o.rec_clear == MOUNT_ATTR_NOSUID,
	   "recursive ones, the later wins");
	(void)options(LIST("rnoatime"), &o, &err);
	ok(o.rec_set == MOUNT_ATTR_NOATIME && o.rec_clear == MOUNT_ATTR__ATIME,
	   "an access time clears the others");
	(void)options(LIST("rrelatime"), &o, &err);
	ok(o.rec_set == 0 && o.rec_clear == MOUNT_ATTR__ATIME,
	   "relatime is none of them");
}

static void test_extensions(void)
{
	struct oci_mount_options o;
	struct err err = ERR_INIT;
	struct oci_id_mapping mapping = { 0, 1000, 1 };
	struct oci_mount m = { .uid_mappings = { &mapping, 1 } };

	(void)options(LIST("tmpcopyup"), &o, &err);
	ok(o.tmpcopyup, "tmpcopyup");
	(void)options(LIST("idmap"), &o, &err);
	ok(o.idmap && !o.idmap_recursive, "idmap");
	(void)options(LIST("ridmap"), &o, &err);
	ok(o.idmap && o.idmap_recursive, "ridmap");
	(void)oci_mount_options(&m, &arena, &o, &err);
	ok(o.idmap, "mappings mean idmap");
}

static void test_bind(void)
{
	char bind[] = "bind";
	char rbind[] = "rbind";
	char ro[] = "ro";
	char *v[] = { ro, bind, NULL };
	struct oci_mount m = { .options = { v, 2 } };

	ok(oci_mount_is_bind(&m), "bind");
	v[1] = rbind;
	ok(oci_mount_is_bind(&m), "rbind");
	m.options.n = 1;
	ok(!oci_mount_is_bind(&m), "neither");
}

static void test_names(void)
{
	const char *last = "";
	size_t n = 0;
	bool sorted = true;

	for (const char *name; (name = oci_mount_option_name(n)); n++) {
		sorted = sorted && strcmp(last, name) < 0;
		last = name;
	}
	ok(sorted, "the names are sorted: they are searched by halves");
	is_int(n, 62, "and all there");
}

int main(void)
{
	test_flags();
	test_data();
	test_propagation();
	test_recursive();
	test_extensions();
	test_bind();
	test_names();
	arena_release(&arena);
	return tap_done();
}
