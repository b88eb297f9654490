/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/net/helper/ifaces.h"

#include <string.h>

#include "vmm/net/proto.h"

struct iface *ifaces_begin(const struct ifaces *all)
{
	return (struct iface *)(void *)all->list.data;
}

struct iface *ifaces_end(const struct ifaces *all)
{
	return ifaces_begin(all) + all->list.len / sizeof(struct iface);
}

struct iface *ifaces_find(const struct ifaces *all, uint32_t index)
{
	for (struct iface *i = ifaces_begin(all); i < ifaces_end(all); i++)
		if (i->index == index)
			return i;
	return NULL;
}

bool ifaces_carry(const struct ifaces *all, uint32_t index)
{
	const struct iface *i = ifaces_find(all, index);

	return i && !i->failed && !i->gone;
}

uint32_t ifaces_free_nic(const struct ifaces *all)
{
	bool taken[NET_MAX_NICS + 1] = { false };
	uint32_t n = 0;

	for (const struct iface *i = ifaces_begin(all); i < ifaces_end(all); i++)
		if (i->nic < NET_MAX_NICS)
			taken[i->nic] = true;
	while (n < NET_MAX_NICS && taken[n])
		n++;
	return n;
}

int ifaces_add(struct ifaces *all, const struct iface *iface)
{
	return buf_append(&all->list, iface, sizeof(*iface));
}

void ifaces_remove(struct ifaces *all, struct iface *iface)
{
	size_t behind = (size_t)(ifaces_end(all) - (iface + 1));

	memmove(iface, iface + 1, behind * sizeof(*iface));
	all->list.len -= sizeof(*iface);
}
