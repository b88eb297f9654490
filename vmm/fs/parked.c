/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/fs/parked.h"

#include <stdlib.h>
#include <string.h>

#include "vmm/virtio/vq.h"

void fs_parked_init(struct fs_parked_list *l)
{
	STAILQ_INIT(&l->list);
	atomic_init(&l->n, 0);
}

struct fs_parked *fs_parked_new(unsigned int queue, const struct vq_chain *chain)
{
	size_t n = (size_t)chain->n_out + chain->n_in;
	struct fs_parked *e = malloc(sizeof(*e) + n * sizeof(e->iov[0]));

	if (!e)
		return NULL;
	*e = (struct fs_parked){
		.queue = queue,
		.head = chain->head,
		.n_out = chain->n_out,
		.n_in = chain->n_in,
	};
	if (e->n_out)
		memcpy(e->iov, chain->out, e->n_out * sizeof(e->iov[0]));
	if (e->n_in)
		memcpy(e->iov + e->n_out, chain->in, e->n_in * sizeof(e->iov[0]));
	return e;
}

void fs_parked_add(struct fs_parked_list *l, struct fs_parked *e)
{
	STAILQ_INSERT_TAIL(&l->list, e, link);
	atomic_fetch_add(&l->n, 1);
}

void fs_parked_put_back(struct fs_parked_list *l, struct fs_parked *e)
{
	STAILQ_INSERT_HEAD(&l->list, e, link);
	atomic_fetch_add(&l->n, 1);
}

struct fs_parked *fs_parked_take(struct fs_parked_list *l)
{
	struct fs_parked *e = STAILQ_FIRST(&l->list);

	if (e) {
		STAILQ_REMOVE_HEAD(&l->list, link);
		atomic_fetch_sub(&l->n, 1);
	}
	return e;
}

void fs_parked_drop(struct fs_parked_list *l)
{
	struct fs_parked *e;

	while ((e = fs_parked_take(l)))
		free(e);
}
