/* SPDX-License-Identifier: Apache-2.0 */
/* vmm/snapshot: sections and the file of a saved machine, whole and spoilt. */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "tests/unit/tap.h"
#include "vmm/snapshot/image.h"
#include "vmm/snapshot/sections.h"

#define TAG_A SECTION_TAG('a', 'a', 'a', 'a')
#define TAG_B SECTION_TAG('b', 'b', 'b', ' ')
#define TAG_C SECTION_TAG('c', 'c', 'c', 1)

#define HEAD 16u /* (bytes) of a section */
#define RAM (4ull << 20)

static struct sections of(const struct buf *b)
{
	return (struct sections){ .data = b->data, .len = b->len };
}

/* ---- sections ---------------------------------------------------------------------- */

/* put_three() - of 5, 8 and 0 bytes. */
static void put_three(struct buf *b)
{
	section_put(b, TAG_A, "12345", 5);
	section_put(b, TAG_B, "12345678", 8);
	section_put(b, TAG_C, NULL, 0);
}

static int get_three(struct sections *s, struct err *err)
{
	char five[5], eight[8], none[1];
	int ret = section_get(s, TAG_A, five, sizeof(five), err);

	if (ret == 0)
		ret = section_get(s, TAG_B, eight, sizeof(eight), err);
	if (ret == 0)
		ret = section_get(s, TAG_C, none, 0, err);
	return ret;
}

static void test_sections(void)
{
	auto_buf struct buf b = BUF_INIT;
	struct err err = ERR_INIT;
	const void *data = NULL;
	char text[9] = "";
	struct sections s;
	size_t len = 99;

	put_three(&b);
	is_int(buf_ok(&b), 0, "three sections");
	is_int(b.len, 3 * HEAD + 8 + 8, "are padded to 8 bytes each");
	ok(!memcmp(b.data + HEAD + 5, "\0\0\0", 3), "with zeros");
	s = of(&b);
	is_int(section_get(&s, TAG_A, text, 5, &err), 0, "the first");
	is_str(text, "12345", "as it was");
	is_int(section_look(&s, TAG_B, &data, &len, &err), 0,
	       "the second, of any length");
	ok(len == 8 && !memcmp(data, "12345678", 8), "as it was, where it lies");
	ok((uintptr_t)data % 8 == (uintptr_t)b.data % 8, "aligned as the whole is");
	is_int(section_look(&s, TAG_C, &data, &len, &err), 0, "the third");
	ok(len == 0 && s.len == 0, "is empty, and then there is nothing left");
	is_int(section_look(&s, TAG_C, &data, &len, &err), -EPROTO, "a fourth");
	is_str(err.msg, "section 'ccc?' is missing", "is missing by name");
}

static void test_sections_of_another(void)
{
	auto_buf struct buf b = BUF_INIT;
	struct err err = ERR_INIT;
	char text[8] = "before";
	struct sections s;

	put_three(&b);
	s = of(&b);
	is_int(section_get(&s, TAG_B, text, 8, &err), -EPROTO, "a wrong order");
	is_str(err.msg, "section 'aaaa' stands where 'bbb?' should", "is told by name");
	is_int(s.len, b.len, "and nothing was taken");
	is_int(section_get(&s, TAG_A, text, 4, &err), -EPROTO, "another length");
	is_str(err.msg, "section 'aaaa' has 5 bytes, not 4", "is told by name");
	is_str(text, "before", "nothing was copied");
}

static void test_sections_cut_off(void)
{
	auto_buf struct buf b = BUF_INIT;
	struct err err = ERR_INIT;
	unsigned int wrong = 0;
	struct sections s;

	put_three(&b);
	for (size_t n = 0; n < b.len; n++) {
		/* Of its own size on the heap: a sanitizer sees each byte beyond. */
		auto_free char *copy = malloc(n ? n : 1);

		if (!copy)
			abort();
		memcpy(copy, b.data, n);
		s = (struct sections){ .data = copy, .len = n };
		wrong += get_three(&s, &err) != -EPROTO;
	}
	is_int(wrong, 0, "cut off at any byte: EPROTO");
	s = of(&b);
	is_int(get_three(&s, &err), 0, "whole: none");
}

/* claim() - a section of 8 bytes that says that it has @len. */
static int claim(uint64_t len)
{
	auto_buf struct buf b = BUF_INIT;
	struct err err = ERR_INIT;
	const void *data;
	struct sections s;
	size_t n;

	section_put(&b, TAG_A, "12345678", 8);
	memcpy(b.data + 8, &len, sizeof(len));
	s = of(&b);
	return section_look(&s, TAG_A, &data, &n, &err);
}

static void test_sections_that_lie(void)
{
	is_int(claim(8), 0, "the length that it has");
	is_int(claim(9), -EPROTO, "one byte more");
	is_int(claim(UINT64_MAX), -EPROTO, "the highest");
	is_int(claim(UINT64_MAX - 6), -EPROTO, "one whose padding wraps around");
	is_int(claim(0ull - HEAD), -EPROTO, "one that with its head wraps around");
}

/* ---- the file ---------------------------------------------------------------------- */

struct image {
	int fd;
	struct buf state;
};

/* image_new() - a whole one with RAM of zeros. */
static void image_new(struct image *im)
{
	*im = (struct image){ .fd = memfd_create("image", MFD_CLOEXEC) };
	put_three(&im->state);
	if (im->fd < 0 || ftruncate(im->fd, (off_t)(IMAGE_RAM_AT + RAM)) < 0 ||
	    image_write(im->fd, &im->state, RAM, NULL) < 0)
		abort();
}

static void image_end(struct image *im)
{
	close_fd(im->fd);
	buf_release(&im->state);
}

static int read_of(const struct image *im, uint64_t ram_size, struct err *err)
{
	auto_buf struct buf state = BUF_INIT;
	int ret = image_read(im->fd, ram_size, &state, err);

	if (ret == 0 &&
	    (state.len != im->state.len || memcmp(state.data, im->state.data, state.len)))
		return -EBADMSG;
	return ret;
}

static void poke(const struct image *im, size_t at, const void *data, size_t len)
{
	if (pwrite(im->fd, data, len, (off_t)at) != (ssize_t)len)
		abort();
}

#define LONG_STATE (3u << 20)
#define HEAD_FIELD(field) (IMAGE_HEAD_AT + offsetof(struct image_head, field))

static void test_image(void)
{
	auto_buf struct buf big = BUF_INIT;
	struct err err = ERR_INIT;
	struct image im;

	image_new(&im);
	is_int(read_of(&im, RAM, &err), 0, "an image gives its state back");
	is_int(read_of(&im, 2 * RAM, &err), -EPROTO, "but not to another machine");
	is_str(err.msg, "its machine has 4 MiB, not 8", "which is told why");
	if (buf_reserve(&big, LONG_STATE) < 0)
		abort();
	memset(big.data, 7, LONG_STATE);
	big.len = IMAGE_MAX_STATE + 1; /* it is not looked at */
	is_int(image_write(im.fd, &big, RAM, &err), -E2BIG, "a state that would not fit");
	is_str(err.msg, "the machine's state has 268435457 bytes",
	       "is refused by its size");
	is_int(read_of(&im, RAM, &err), 0, "and nothing was written");
	big.len = LONG_STATE;
	is_int(image_write(im.fd, &big, RAM, &err), 0, "one too long for its place");
	buf_release(&im.state);
	im.state = big;
	big = BUF_INIT;
	is_int(read_of(&im, RAM, &err), 0, "stands behind RAM, and comes back");
	is_int(image_sum_ram(im.fd, RAM, &err), 0, "the sums of RAM");
	is_int(read_of(&im, RAM, &err), 0, "do not come where it stands");
	image_end(&im);
}

static void refused(const struct image *im, const char *why, const char *what)
{
	struct err err = ERR_INIT;

	is_int(read_of(im, RAM, &err), -EPROTO, "%s", what);
	is_str(err.msg, why, "is refused by name");
}

static void test_image_head(void)
{
	const uint64_t too_long = IMAGE_MAX_STATE + 1;
	const uint32_t version = IMAGE_VERSION + 1;
	struct image im;

	image_new(&im);
	poke(&im, HEAD_FIELD(version), &version, sizeof(version));
	refused(&im, "its format is 4, not 3", "another version");
	image_end(&im);

	image_new(&im);
	poke(&im, HEAD_FIELD(magic), "X", 1);
	refused(&im, "it is no image of a machine", "another magic");
	image_end(&im);

	image_new(&im);
	poke(&im, HEAD_FIELD(state_len), &too_long, sizeof(too_long));
	refused(&im, "it is cut off: 6291456 bytes", "a state that reaches into RAM");
	image_end(&im);
}

static void test_image_cut_off(void)
{
	static const struct {
		uint64_t size;
		const char *why;
	} cuts[] = {
		{ IMAGE_RAM_AT + RAM - 1, "it is cut off: 6291455 bytes" },
		{ IMAGE_RAM_AT, "it is cut off: 2097152 bytes" },
		{ IMAGE_RAM_AT - 1, "it is cut off: 2097151 bytes" },
		{ IMAGE_STATE_AT - 1, "it is cut off: 4135 bytes" },
		{ 0, "it is cut off: 0 bytes" },
	};
	struct image im;

	image_new(&im);
	for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
		if (ftruncate(im.fd, (off_t)cuts[i].size) < 0)
			abort();
		refused(&im, cuts[i].why, "a file that is cut off");
	}
	image_end(&im);
}

static void test_image_flipped_bits(void)
{
	const char *why = "its state is damaged (CRC)";
	unsigned int taken = 0, otherwise = 0;
	struct image im;

	image_new(&im);
	for (size_t i = 0; i < 8 * im.state.len; i++) {
		char was = im.state.data[i / 8];
		char is = (char)(was ^ 1 << i % 8);
		struct err err = ERR_INIT;

		poke(&im, IMAGE_STATE_AT + i / 8, &is, 1);
		taken += read_of(&im, RAM, &err) != -EPROTO;
		otherwise += strcmp(err.msg, why) != 0;
		poke(&im, IMAGE_STATE_AT + i / 8, &was, 1);
	}
	is_int(taken, 0, "a flipped bit anywhere in the state is seen");
	is_int(otherwise, 0, "and told as such");
	is_int(read_of(&im, RAM, NULL), 0, "with none the state is as before");
	image_end(&im);
}

/* ---- RAM ---------------------------------------------------------------------------- */

static void test_image_ram(void)
{
	const size_t byte = IMAGE_RAM_AT + (3u << 20) + 5;
	struct err err = ERR_INIT;
	struct image im;

	image_new(&im);
	poke(&im, byte, "x", 1);
	is_int(image_check_ram(im.fd, RAM, &err), -EPROTO, "RAM that nobody has summed");
	is_str(err.msg, "it is cut off: RAM has no sums", "is refused by name");
	is_int(image_sum_ram(im.fd, RAM, &err), 0, "RAM is summed");
	is_int(image_check_ram(im.fd, RAM, &err), 0, "and is whole");
	is_int(read_of(&im, RAM, &err), 0, "as the state is");
	poke(&im, byte, "y", 1);
	is_int(image_check_ram(im.fd, RAM, &err), -EPROTO, "a byte that has changed");
	is_str(err.msg, "it is damaged at byte 5242880 (CRC of 65536 bytes)",
	       "is told by its place");
	poke(&im, byte, "x", 1);
	poke(&im, IMAGE_RAM_AT, "z", 1);
	is_int(image_check_ram(im.fd, RAM, &err), -EPROTO, "so is one where were zeros");
	poke(&im, IMAGE_RAM_AT, "\0", 1);
	is_int(image_check_ram(im.fd, RAM, &err), 0, "put right it is whole");
	poke(&im, IMAGE_RAM_AT + RAM, "z", 1);
	is_int(image_check_ram(im.fd, RAM, &err), -EPROTO, "sums are not to change");
	image_end(&im);
}

int main(void)
{
	test_sections();
	test_sections_of_another();
	test_sections_cut_off();
	test_sections_that_lie();
	test_image();
	test_image_head();
	test_image_cut_off();
	test_image_flipped_bits();
	test_image_ram();
	return tap_done();
}
