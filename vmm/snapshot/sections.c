/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/snapshot/sections.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/err.h"

/* Sections are padded, so that each head and its data are aligned. */
#define ALIGN 8u

struct head {
	uint32_t tag;
	uint32_t zero;
	uint64_t len; /* (bytes) without the padding */
};

static_assert(sizeof(struct head) % ALIGN == 0, "the data is aligned");

static size_t padding(uint64_t len)
{
	return (size_t)(-len & (ALIGN - 1));
}

void section_put(struct buf *b, uint32_t tag, const void *data, size_t len)
{
	static const char zeros[ALIGN];
	const struct head head = { .tag = tag, .len = len };

	(void)buf_append(b, &head, sizeof(head));
	(void)buf_append(b, data, len);
	(void)buf_append(b, zeros, padding(len));
}

/* name() - of @tag, for a message. */
static const char *name(uint32_t tag, char text[5])
{
	for (unsigned int i = 0; i < 4; i++) {
		unsigned int c = tag >> (8 * i) & 0xff;

		text[i] = c > 0x20 && c < 0x7f ? (char)c : '?';
	}
	text[4] = 0;
	return text;
}

int section_look(struct sections *s, uint32_t tag, const void **ret_data, size_t *ret_len,
		 struct err *err)
{
	char wanted[5], found[5];
	struct head head;

	if (s->len < sizeof(head))
		return err_msg(err, EPROTO, "section '%s' is missing", name(tag, wanted));
	memcpy(&head, s->data, sizeof(head));
	if (head.tag != tag)
		return err_msg(err, EPROTO, "section '%s' stands where '%s' should",
			       name(head.tag, found), name(tag, wanted));
	if (head.len > s->len - sizeof(head) ||
	    padding(head.len) > s->len - sizeof(head) - head.len)
		return err_msg(err, EPROTO, "section '%s' is cut off", name(tag, wanted));
	*ret_data = s->data + sizeof(head);
	*ret_len = (size_t)head.len;
	s->data += sizeof(head) + head.len + padding(head.len);
	s->len -= sizeof(head) + head.len + padding(head.len);
	return 0;
}

int section_get(struct sections *s, uint32_t tag, void *dst, size_t len, struct err *err)
{
	char text[5];
	const void *data;
	size_t n;
	int ret = section_look(s, tag, &data, &n, err);

	if (ret < 0)
		return ret;
	if (n != len)
		return err_msg(err, EPROTO, "section '%s' has %zu bytes, not %zu",
			       name(tag, text), n, len);
	memcpy(dst, data, len);
	return 0;
}
