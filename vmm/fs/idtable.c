/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/fs/idtable.h"

#include <errno.h>
#include <stdlib.h>

#define ID_CHUNK 256u
#define ID_FIRST 2u

void idtable_init(struct idtable *t, uint32_t max_slots)
{
	*t = (struct idtable){ .n_slots = ID_FIRST, .max_slots = max_slots };
}

void idtable_release(struct idtable *t)
{
	for (uint32_t i = 0; i < t->n_chunks; i++)
		free(t->chunks[i]);
	free(t->chunks);
	*t = (struct idtable){ 0 };
}

static struct id_slot *slot_at(const struct idtable *t, uint32_t slot)
{
	return &t->chunks[slot / ID_CHUNK][slot % ID_CHUNK];
}

static int add_chunk(struct idtable *t)
{
	struct id_slot *chunk;

	if (t->n_chunks == t->max_chunks) {
		uint32_t max = t->max_chunks ? t->max_chunks * 2 : 8;
		struct id_slot **chunks;

		chunks = reallocarray(t->chunks, max, sizeof(*chunks));
		if (!chunks)
			return -ENOMEM;
		t->chunks = chunks;
		t->max_chunks = max;
	}
	chunk = calloc(ID_CHUNK, sizeof(*chunk));
	if (!chunk)
		return -ENOMEM;
	t->chunks[t->n_chunks++] = chunk;
	return 0;
}

int idtable_add(struct idtable *t, void *obj, uint64_t *ret_id)
{
	struct id_slot *s;
	uint32_t slot;

	if (t->free_head) {
		slot = t->free_head;
		s = slot_at(t, slot);
		t->free_head = (uint32_t)s->id;
	} else {
		int ret;

		if (t->n_slots >= t->max_slots)
			return -ENFILE;
		slot = t->n_slots;
		if (slot / ID_CHUNK >= t->n_chunks) {
			ret = add_chunk(t);
			if (ret < 0)
				return ret;
		}
		t->n_slots++;
		s = slot_at(t, slot);
	}
	s->obj = obj;
	s->id = (uint64_t)++t->sequence << 32 | slot;
	t->used++;
	*ret_id = s->id;
	return 0;
}

/* take_out() - the free @slot is free no more. */
static void take_out(struct idtable *t, uint32_t slot)
{
	uint32_t at = t->free_head;

	if (at == slot) {
		t->free_head = (uint32_t)slot_at(t, slot)->id;
		return;
	}
	while (slot_at(t, at)->id != slot)
		at = (uint32_t)slot_at(t, at)->id;
	slot_at(t, at)->id = slot_at(t, slot)->id;
}

int idtable_put_back(struct idtable *t, void *obj, uint64_t id)
{
	uint32_t slot = (uint32_t)id;

	if (slot < ID_FIRST || slot >= t->max_slots || !(id >> 32))
		return -EINVAL;
	while (t->n_slots <= slot) {
		int ret = t->n_slots / ID_CHUNK >= t->n_chunks ? add_chunk(t) : 0;

		if (ret < 0)
			return ret;
		slot_at(t, t->n_slots)->id = t->free_head;
		t->free_head = t->n_slots++;
	}
	if (slot_at(t, slot)->obj)
		return -EEXIST;
	take_out(t, slot);
	*slot_at(t, slot) = (struct id_slot){ .obj = obj, .id = id };
	t->used++;
	return 0;
}

void *idtable_get(const struct idtable *t, uint64_t id)
{
	uint32_t slot = (uint32_t)id;
	struct id_slot *s;

	if (slot < ID_FIRST || slot >= t->n_slots)
		return NULL;
	s = slot_at(t, slot);
	return s->obj && s->id == id ? s->obj : NULL;
}

void idtable_remove(struct idtable *t, uint64_t id)
{
	uint32_t slot = (uint32_t)id;
	struct id_slot *s;

	if (!idtable_get(t, id))
		return;
	s = slot_at(t, slot);
	s->obj = NULL;
	s->id = t->free_head;
	t->free_head = slot;
	t->used--;
}

void *idtable_next(const struct idtable *t, uint32_t *pos)
{
	uint32_t slot = *pos < ID_FIRST ? ID_FIRST : *pos;

	for (; slot < t->n_slots; slot++) {
		void *obj = slot_at(t, slot)->obj;

		if (obj) {
			*pos = slot + 1;
			return obj;
		}
	}
	*pos = slot;
	return NULL;
}
