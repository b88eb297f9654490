/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: the split virtqueue (virtio 1.2 §2.7).
 *
 * The driver owns the descriptor table and the available ring, the device the
 * used ring.  Both sides run at the same time on shared memory, so there are
 * four places where the order of accesses matters; each is named (A to D) and
 * says what it pairs with on the driver's side.
 *
 * Nothing that was read from guest memory is read again: descriptors go into a
 * local copy (snapshot()), indices into struct vq.
 */
#include "vmm/virtio/vq.h"

#include <assert.h>
#include <errno.h>
#include <linux/virtio_ring.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
	      "the rings are little endian and are accessed without conversion");
static_assert(sizeof(struct vring_desc) == 16, "virtio 1.2 §2.7.5");
static_assert(sizeof(struct vring_used_elem) == 8, "virtio 1.2 §2.7.8");

/* virtio 1.2 §2.7.6, §2.7.8: flags, idx, entries, event index. */
#define RING_FLAGS 0u
#define RING_IDX 2u
#define RING_ENTRIES 4u

static size_t desc_bytes(uint16_t size)
{
	return sizeof(struct vring_desc) * size;
}

static size_t avail_bytes(uint16_t size)
{
	return RING_ENTRIES + sizeof(uint16_t) * ((size_t)size + 1);
}

static size_t used_bytes(uint16_t size)
{
	return RING_ENTRIES + sizeof(struct vring_used_elem) * (size_t)size +
	       sizeof(uint16_t);
}

/* The 16-bit word at @offset of a ring; aligned, since the ring is. */
static uint16_t *word(void *ring, size_t offset)
{
	return (uint16_t *)(void *)((char *)ring + offset);
}

static uint16_t load_relaxed(const uint16_t *p)
{
	return __atomic_load_n(p, __ATOMIC_RELAXED);
}

static void store_relaxed(uint16_t *p, uint16_t v)
{
	__atomic_store_n(p, v, __ATOMIC_RELAXED);
}

static uint16_t *used_event(const struct vq *vq)
{
	return word(vq->avail, RING_ENTRIES + sizeof(uint16_t) * (size_t)vq->size);
}

static uint16_t *avail_event(const struct vq *vq)
{
	return word(vq->used,
		    RING_ENTRIES + sizeof(struct vring_used_elem) * (size_t)vq->size);
}

/* snapshot() - read a descriptor once; @p may be misaligned in an indirect table. */
static struct vring_desc snapshot(const char *p)
{
	struct vring_desc d;

	memcpy(&d, p, sizeof(d));
	/* The compiler must take d from here, never from guest memory again. */
	__asm__ volatile("" : "+m"(d));
	return d;
}

int vq_init(struct vq *vq, const struct guest_memory *mem, uint16_t max_size,
	    struct err *err)
{
	int fd;

	assert(max_size && max_size <= VQ_MAX_SIZE && !(max_size & (max_size - 1)));
	fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (fd < 0)
		return err_set(err, errno, "eventfd");
	*vq = (struct vq){
		.mem = mem,
		.max_size = max_size,
		.kick_fd = fd,
	};
	(void)pthread_mutex_init(&vq->lock, NULL); /* cannot fail on Linux */
	vq_reset(vq);
	return 0;
}

void vq_release(struct vq *vq)
{
	if (!vq->max_size)
		return; /* never initialised */
	close_fd(vq->kick_fd);
	(void)pthread_mutex_destroy(&vq->lock); /* nobody uses it any more */
	*vq = (struct vq){ .kick_fd = -1, .call_fd = -1 };
}

/* map() - where @len bytes at @gpa are, or NULL when the driver may not say so. */
static void *map(const struct vq *vq, gpa_t gpa, size_t len, uint64_t align)
{
	return gpa & (align - 1) ? NULL : gpa_to_host(vq->mem, gpa, len);
}

int vq_enable(struct vq *vq, struct err *err)
{
	void *desc, *avail, *used;

	if (!vq->size || vq->size > vq->max_size || vq->size & (vq->size - 1))
		return err_msg(err, EINVAL, "queue size %u is not allowed", vq->size);
	/* Alignment: virtio 1.2 §2.7. */
	desc = map(vq, vq->desc_gpa, desc_bytes(vq->size), 16);
	avail = map(vq, vq->avail_gpa, avail_bytes(vq->size), 2);
	used = map(vq, vq->used_gpa, used_bytes(vq->size), 4);
	if (!desc || !avail || !used)
		return err_msg(err, EINVAL,
			       "%s at 0x%llx is misaligned or outside of guest memory",
			       !desc    ? "descriptor table"
			       : !avail ? "available ring"
					: "used ring",
			       (unsigned long long)(!desc    ? vq->desc_gpa
						    : !avail ? vq->avail_gpa
							     : vq->used_gpa));

	(void)pthread_mutex_lock(&vq->lock);
	vq->desc = desc;
	vq->avail = avail;
	vq->used = used;
	vq->avail_idx = 0;
	vq->last_avail = 0;
	vq->used_idx = 0;
	vq->signalled_used = 0;
	vq->signalled_valid = true;
	vq->broken = false;
	vq->why = NULL;
	vq->handed_out = false;
	vq->enabled = true;
	(void)pthread_mutex_unlock(&vq->lock);
	return 0;
}

void vq_reset(struct vq *vq)
{
	(void)pthread_mutex_lock(&vq->lock);
	vq->size = vq->max_size;
	vq->desc_gpa = vq->avail_gpa = vq->used_gpa = 0;
	vq->desc = vq->avail = vq->used = NULL;
	vq->event_idx = vq->indirect = vq->enabled = vq->handed_out = false;
	vq->call_fd = -1;
	vq->broken = false;
	vq->why = NULL;
	vq->avail_idx = vq->last_avail = vq->used_idx = 0;
	vq->signalled_used = 0;
	vq->signalled_valid = false;
	(void)pthread_mutex_unlock(&vq->lock);
}

void vq_set_call_fd(struct vq *vq, int fd)
{
	(void)pthread_mutex_lock(&vq->lock);
	vq->call_fd = fd;
	(void)pthread_mutex_unlock(&vq->lock);
	if (vq->on_call_fd)
		vq->on_call_fd(vq, vq->call_opaque);
}

/* usable_locked() - the rings are there and ours. */
static bool usable_locked(const struct vq *vq)
{
	return vq->enabled && !vq->broken && !vq->handed_out;
}

/* One chain while it is being gathered. */
struct walk {
	struct iovec *iov;
	unsigned int max_iov;
	unsigned int n_out;
	unsigned int n_in;
	uint64_t out_len;
	uint64_t in_len;
};

/* add_buffer() - Return: NULL, or what is wrong with the descriptor. */
static const char *add_buffer(const struct vq *vq, struct walk *w,
			      const struct vring_desc *d)
{
	bool in = d->flags & VRING_DESC_F_WRITE;
	struct iovec *iov;
	void *host;

	if (!in && w->n_in)
		return "a readable buffer behind a writable one";
	if (!d->len)
		return NULL;
	if (w->n_out + w->n_in == w->max_iov)
		return "a chain of too many buffers";
	host = gpa_to_host(vq->mem, d->addr, d->len);
	if (!host)
		return "a buffer outside of guest memory";
	iov = &w->iov[w->n_out + w->n_in];
	iov->iov_base = host;
	iov->iov_len = d->len;
	if (in) {
		w->n_in++;
		w->in_len += d->len;
	} else {
		w->n_out++;
		w->out_len += d->len;
	}
	/* Lengths are 32 bits and counts are bounded: these sums cannot wrap. */
	if (w->out_len + w->in_len > UINT32_MAX)
		return "a chain of 4 GiB or more";
	return NULL;
}

/* walk_indirect() - the table that @d points to (virtio 1.2 §2.7.5.3). */
static const char *walk_indirect(const struct vq *vq, struct walk *w,
				 const struct vring_desc *d)
{
	uint32_t n = d->len / (uint32_t)sizeof(struct vring_desc);
	const char *table, *why;
	uint32_t i = 0;

	if (!vq->indirect)
		return "an indirect descriptor that was not negotiated";
	if (d->flags & VRING_DESC_F_NEXT)
		return "an indirect descriptor that has a next one";
	if (!n || d->len % sizeof(struct vring_desc) || n > VQ_MAX_INDIRECT)
		return "an indirect table of a wrong length";
	table = gpa_to_host(vq->mem, d->addr, d->len);
	if (!table)
		return "an indirect table outside of guest memory";

	for (uint32_t steps = 0; steps < n; steps++) {
		struct vring_desc e = snapshot(table + sizeof(e) * (size_t)i);

		if (e.flags & VRING_DESC_F_INDIRECT)
			return "an indirect table inside of an indirect table";
		why = add_buffer(vq, w, &e);
		if (why)
			return why;
		if (!(e.flags & VRING_DESC_F_NEXT))
			return NULL;
		if (e.next >= n)
			return "a next index beyond the indirect table";
		i = e.next;
	}
	return "a loop in an indirect table";
}

/* walk_chain() - gather the chain that begins at descriptor @head. */
static const char *walk_chain(const struct vq *vq, struct walk *w, uint16_t head)
{
	const char *why;
	uint16_t i = head;

	if (head >= vq->size)
		return "a head index beyond the descriptor table";
	for (uint32_t steps = 0; steps < vq->size; steps++) {
		struct vring_desc d =
			snapshot((const char *)vq->desc + sizeof(d) * (size_t)i);

		if (d.flags & VRING_DESC_F_INDIRECT)
			return walk_indirect(vq, w, &d);
		why = add_buffer(vq, w, &d);
		if (why)
			return why;
		if (!(d.flags & VRING_DESC_F_NEXT))
			return NULL;
		if (d.next >= vq->size)
			return "a next index beyond the descriptor table";
		i = d.next;
	}
	return "a loop in a chain";
}

/*
 * refresh_locked() - read the driver's index.
 * Return: NULL, or what is wrong with it
 */
static const char *refresh_locked(struct vq *vq)
{
	/*
	 * A: acquire.  Pairs with the driver's write barrier between filling in
	 * ring entry and descriptors, and advancing idx.
	 */
	uint16_t idx = __atomic_load_n(word(vq->avail, RING_IDX), __ATOMIC_ACQUIRE);

	/* Between used_idx and idx lies all that the driver has not got back:
	 * never more than there are descriptors. */
	if ((uint16_t)(idx - vq->used_idx) > vq->size ||
	    (uint16_t)(idx - vq->last_avail) > vq->size)
		return "an available index that jumps";
	vq->avail_idx = idx;
	return NULL;
}

/* pop_locked() - Return: 1, 0, or -EPROTO with vq->why set. */
static int pop_locked(struct vq *vq, struct vq_chain *chain, struct walk *w)
{
	const char *why = NULL;
	uint16_t head;

	if (!vq->enabled || vq->handed_out)
		return 0;
	if (vq->broken)
		return -EPROTO;
	if (vq->last_avail == vq->avail_idx) {
		why = refresh_locked(vq);
		if (!why && vq->last_avail == vq->avail_idx)
			return 0;
	}
	if (!why) {
		uint16_t slot = vq->last_avail & (uint16_t)(vq->size - 1);

		head = load_relaxed(
			word(vq->avail, RING_ENTRIES + sizeof(uint16_t) * (size_t)slot));
		why = walk_chain(vq, w, head);
	}
	if (why) {
		vq->broken = true;
		vq->why = why;
		return -EPROTO;
	}
	vq->last_avail++;
	*chain = (struct vq_chain){
		.head = head,
		.n_out = w->n_out,
		.n_in = w->n_in,
		.out = w->iov,
		.in = w->iov + w->n_out,
		.out_len = (uint32_t)w->out_len,
		.in_len = (uint32_t)w->in_len,
	};
	return 1;
}

int vq_pop(struct vq *vq, struct vq_chain *chain, struct iovec *iov, unsigned int max_iov)
{
	struct walk w = { .iov = iov, .max_iov = max_iov };
	bool was_broken;
	int ret;

	(void)pthread_mutex_lock(&vq->lock);
	was_broken = vq->broken;
	ret = pop_locked(vq, chain, &w);
	(void)pthread_mutex_unlock(&vq->lock);
	if (ret < 0 && !was_broken && vq->on_broken)
		vq->on_broken(vq, vq->opaque);
	return ret;
}

/* put_used_locked() - the next entry of the used ring, not yet published. */
static void put_used_locked(struct vq *vq, const struct vq_used *used)
{
	uint16_t slot = vq->used_idx & (uint16_t)(vq->size - 1);
	struct vring_used_elem *e =
		(void *)((char *)vq->used + RING_ENTRIES + sizeof(*e) * (size_t)slot);

	__atomic_store_n(&e->id, used->head, __ATOMIC_RELAXED);
	__atomic_store_n(&e->len, used->written, __ATOMIC_RELAXED);
	vq->used_idx++;
	if (vq->used_idx == vq->signalled_used)
		vq->signalled_valid = false; /* went round: cannot tell */
}

void vq_push_many(struct vq *vq, const struct vq_used *used, unsigned int n)
{
	(void)pthread_mutex_lock(&vq->lock);
	if (usable_locked(vq)) {
		for (unsigned int i = 0; i < n; i++)
			put_used_locked(vq, &used[i]);
		/*
		 * B: release.  Pairs with the driver's read barrier between idx
		 * and the entries (and the data in the buffers).
		 */
		__atomic_store_n(word(vq->used, RING_IDX), vq->used_idx,
				 __ATOMIC_RELEASE);
	}
	(void)pthread_mutex_unlock(&vq->lock);
}

void vq_push(struct vq *vq, uint16_t head, uint32_t written)
{
	vq_push_many(vq, &(struct vq_used){ head, written }, 1);
}

void vq_unpop(struct vq *vq, unsigned int n)
{
	(void)pthread_mutex_lock(&vq->lock);
	if (usable_locked(vq)) {
		assert(n <= (uint16_t)(vq->last_avail - vq->used_idx));
		vq->last_avail = (uint16_t)(vq->last_avail - n);
	}
	(void)pthread_mutex_unlock(&vq->lock);
}

/* wants_interrupt_locked() - virtio 1.2 §2.7.7.2 */
static bool wants_interrupt_locked(struct vq *vq)
{
	uint16_t old = vq->signalled_used;
	bool valid = vq->signalled_valid;

	if (valid && old == vq->used_idx)
		return false; /* nothing was pushed since */
	/*
	 * C: full barrier.  Our store of used idx comes before our load of
	 * used_event (or flags); pairs with the driver's full barrier between its
	 * store of used_event and its load of used idx.  One of the two sees the
	 * other: no wake-up is lost.
	 */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	vq->signalled_used = vq->used_idx;
	vq->signalled_valid = true;
	if (!vq->event_idx)
		return !(load_relaxed(word(vq->avail, RING_FLAGS)) &
			 VRING_AVAIL_F_NO_INTERRUPT);
	return !valid ||
	       vring_need_event(load_relaxed(used_event(vq)), vq->used_idx, old);
}

void vq_notify(struct vq *vq)
{
	static const uint64_t one = 1;
	int fd = -1;

	(void)pthread_mutex_lock(&vq->lock);
	if (usable_locked(vq) && wants_interrupt_locked(vq))
		fd = vq->call_fd;
	(void)pthread_mutex_unlock(&vq->lock);
	/* The counter is full only when an interrupt is pending anyway. */
	if (fd >= 0 && write(fd, &one, sizeof(one)) < 0)
		return;
}

void vq_disable_kicks(struct vq *vq)
{
	(void)pthread_mutex_lock(&vq->lock);
	/* With event idx there is nothing to do: the driver kicks when its index
	 * passes avail_event, and we leave that behind. */
	if (usable_locked(vq) && !vq->event_idx)
		store_relaxed(word(vq->used, RING_FLAGS), VRING_USED_F_NO_NOTIFY);
	(void)pthread_mutex_unlock(&vq->lock);
}

bool vq_enable_kicks(struct vq *vq)
{
	bool more = false;

	(void)pthread_mutex_lock(&vq->lock);
	if (usable_locked(vq)) {
		if (vq->event_idx)
			store_relaxed(avail_event(vq), vq->last_avail);
		else
			store_relaxed(word(vq->used, RING_FLAGS), 0);
		/*
		 * D: full barrier.  Our store of avail_event (or flags) comes
		 * before our load of avail idx; pairs with the driver's full
		 * barrier between its store of idx and its load of avail_event.
		 */
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		more = load_relaxed(word(vq->avail, RING_IDX)) != vq->last_avail;
	}
	(void)pthread_mutex_unlock(&vq->lock);
	return more;
}

bool vq_hand_out(struct vq *vq, struct vq_rings *rings)
{
	bool usable;

	(void)pthread_mutex_lock(&vq->lock);
	usable = usable_locked(vq);
	if (usable) {
		*rings = (struct vq_rings){
			.size = vq->size,
			.last_avail = vq->last_avail,
			.desc = vq->desc,
			.avail = vq->avail,
			.used = vq->used,
			.kick_fd = vq->kick_fd,
			.call_fd = vq->call_fd,
		};
		vq->handed_out = true;
	}
	(void)pthread_mutex_unlock(&vq->lock);
	return usable;
}

void vq_take_back(struct vq *vq, uint16_t last_avail)
{
	bool broken = false;

	(void)pthread_mutex_lock(&vq->lock);
	if (vq->enabled && vq->handed_out) {
		uint16_t used = load_relaxed(word(vq->used, RING_IDX));

		vq->handed_out = false;
		vq->avail_idx = vq->last_avail = last_avail;
		vq->used_idx = vq->signalled_used = used;
		vq->signalled_valid = false; /* the other knew, we do not */
		broken = (uint16_t)(last_avail - used) > vq->size;
		if (broken) {
			vq->broken = true;
			vq->why = "a used index that jumps";
		}
	}
	(void)pthread_mutex_unlock(&vq->lock);
	if (broken && vq->on_broken)
		vq->on_broken(vq, vq->opaque);
}
