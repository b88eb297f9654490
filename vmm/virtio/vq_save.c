/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "lib/err.h"
#include "vmm/snapshot/sections.h"
#include "vmm/virtio/vq.h"

#define TAG_VQ SECTION_TAG('v', 'q', ' ', ' ')

/* The rings are guest memory and saved as such; this is what we remember of them. */
struct saved {
	uint64_t desc_gpa;
	uint64_t avail_gpa;
	uint64_t used_gpa;
	uint16_t size;
	uint16_t last_avail;
	uint16_t used_idx;
	uint16_t signalled_used;
	uint8_t event_idx;
	uint8_t indirect;
	uint8_t enabled;
	uint8_t signalled_valid;
	uint8_t reserved[4];
};

int vq_save(struct vq *vq, struct buf *out, struct err *err)
{
	struct saved s = { 0 };
	unsigned int under_way;
	bool usable;

	(void)pthread_mutex_lock(&vq->lock);
	usable = !vq->broken && !vq->handed_out;
	under_way = (uint16_t)(vq->last_avail - vq->used_idx);
	s = (struct saved){
		.desc_gpa = vq->desc_gpa,
		.avail_gpa = vq->avail_gpa,
		.used_gpa = vq->used_gpa,
		.size = vq->size,
		.last_avail = vq->last_avail,
		.used_idx = vq->used_idx,
		.signalled_used = vq->signalled_used,
		.event_idx = vq->event_idx,
		.indirect = vq->indirect,
		.enabled = vq->enabled,
		.signalled_valid = vq->signalled_valid,
	};
	(void)pthread_mutex_unlock(&vq->lock);
	if (!usable)
		return err_msg(err, EAGAIN, "a queue that cannot be saved");
	if (s.enabled && under_way)
		return err_msg(err, EAGAIN, "%u requests are under way", under_way);
	section_put(out, TAG_VQ, &s, sizeof(s));
	return 0;
}

int vq_load(struct vq *vq, struct sections *in, struct err *err)
{
	struct saved s;
	int ret = section_get(in, TAG_VQ, &s, sizeof(s), err);

	if (ret < 0)
		return ret;
	vq->size = s.size;
	vq->desc_gpa = s.desc_gpa;
	vq->avail_gpa = s.avail_gpa;
	vq->used_gpa = s.used_gpa;
	if (!s.enabled)
		return 0;
	vq->event_idx = s.event_idx;
	vq->indirect = s.indirect;
	ret = vq_enable(vq, err);
	if (ret < 0)
		return ret;
	(void)pthread_mutex_lock(&vq->lock);
	vq->avail_idx = vq->last_avail = s.last_avail;
	vq->used_idx = s.used_idx;
	vq->signalled_used = s.signalled_used;
	vq->signalled_valid = s.signalled_valid;
	(void)pthread_mutex_unlock(&vq->lock);
	return 0;
}
