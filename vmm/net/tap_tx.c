/* SPDX-License-Identifier: Apache-2.0 */
/* From the driver to the tap.  The kernel reads header and packet once, out of guest
 * memory, and checks them: nothing of them is looked at here. */
#include <assert.h>
#include <errno.h>
#include <stddef.h>

#include "vmm/net/tap_internal.h"

static_assert(VQ_MAX_INDIRECT <= IOV_MAX, "a chain is one writev()");

/* send_chain() - Return: whether the chain is done with; false: the tap is full */
static bool send_chain(struct tap_tx *tx)
{
	const struct vq_chain *c = &tx->chain;

	if (c->out_len > NET_HDR_SIZE && c->out_len <= NET_MAX_PACKET) {
		if (writev(tx->fd, c->out, (int)c->n_out) >= 0) {
			tap_count(&tx->counters->tx_packets);
			return true;
		}
		if (errno == EAGAIN)
			return false;
	}
	/* Malformed, or the interface is down: a packet is lost, as on any wire. */
	tap_count(&tx->counters->tx_dropped);
	return true;
}

/* next() - Return: TAP_READY: a chain is held now */
static enum tap_wait next(struct tap_tx *tx)
{
	while (!tx->held) {
		int ret = vq_pop(tx->vq, &tx->chain, tx->iov, VQ_MAX_INDIRECT);

		if (ret < 0)
			return TAP_BROKEN;
		if (ret == 0 && !vq_enable_kicks(tx->vq))
			return TAP_KICK;
		tx->held = ret > 0;
	}
	return TAP_READY;
}

enum tap_wait tap_tx_serve(struct tap_tx *tx)
{
	struct vq_used done[NET_ROUND];
	enum tap_wait wait = TAP_READY;
	unsigned int n = 0;

	vq_disable_kicks(tx->vq);
	while (n < NET_ROUND) {
		wait = next(tx);
		if (wait != TAP_READY)
			break;
		if (!send_chain(tx)) {
			wait = TAP_FD;
			break;
		}
		tx->held = false;
		done[n++] = (struct vq_used){ .head = tx->chain.head };
	}
	vq_push_many(tx->vq, done, n);
	vq_notify(tx->vq);
	return wait;
}

void tap_tx_stop(struct tap_tx *tx)
{
	if (tx->held)
		vq_unpop(tx->vq, 1);
	tx->held = false;
}
