/* SPDX-License-Identifier: Apache-2.0 */
/*
 * struct idtable - 64-bit names for objects that the guest holds (node ids, file
 * handles): never a pointer, and never the same number twice.
 *
 * An id is a slot number (low half) and the count of ids made before it (high
 * half), so an old id of a slot that is in use again is recognised.  Slot 0 and 1
 * are never given: 0 is "none" and 1 is FUSE's root.  The caller locks.
 */
#ifndef HULL_VMM_FS_IDTABLE_H
#define HULL_VMM_FS_IDTABLE_H

#include <stdint.h>

struct id_slot {
	void *obj; /* NULL: free */
	uint64_t id; /* while free: the next free slot, or 0 */
};

struct idtable {
	struct id_slot **chunks; /* owned, each of ID_CHUNK slots */
	uint32_t n_chunks;
	uint32_t max_chunks; /* room in `chunks` */
	uint32_t n_slots; /* ever used; the next new one */
	uint32_t max_slots; /* limit */
	uint32_t free_head; /* slot, or 0 */
	uint32_t sequence;
	uint32_t used;
};

void idtable_init(struct idtable *t, uint32_t max_slots);
void idtable_release(struct idtable *t);

/* idtable_add() - Return: 0; -ENOMEM; -ENFILE (max_slots are in use) */
int idtable_add(struct idtable *t, void *obj, uint64_t *ret_id);

/*
 * idtable_put_back() - the object that another table had as @id, into one that has nothing
 * else there; the ids of a saved table are put back one by one, then @sequence is set to
 * what it was.
 * Return: 0; -ENOMEM; -EINVAL (no id of such a table); -EEXIST
 */
int idtable_put_back(struct idtable *t, void *obj, uint64_t id);

/* idtable_get() - Return: the object, or NULL: no such id (any more) */
void *idtable_get(const struct idtable *t, uint64_t id);

void idtable_remove(struct idtable *t, uint64_t id);

/*
 * idtable_next() - walk: the first object at or after slot *@pos, which moves
 * behind it.  Objects may be added and removed between two calls.
 * Return: NULL at the end
 */
void *idtable_next(const struct idtable *t, uint32_t *pos);

#endif
