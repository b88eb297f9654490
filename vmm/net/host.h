/* SPDX-License-Identifier: Apache-2.0 */
/* What hull and hull-net both look at on the host. */
#ifndef HULL_VMM_NET_HOST_H
#define HULL_VMM_NET_HOST_H

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "lib/io.h"

/* net_is_fallback() - has every new network namespace that Ethernet interface, once its
 * module is loaded? */
static inline bool net_is_fallback(const char *name)
{
	return strcmp(name, "gretap0") == 0 || strcmp(name, "erspan0") == 0;
}

/*
 * net_zero_copy() - does vhost_net send large packets as they lie in guest memory?  For
 * the whole host, since it was loaded.
 * Return: 0; -errno, @err says why not
 */
static inline int net_zero_copy(struct err *err)
{
	auto_buf struct buf text = BUF_INIT;
	int ret = io_read_file(
		AT_FDCWD, "/sys/module/vhost_net/parameters/experimental_zcopytx", 16,
		&text, err);

	if (ret == 0 && (!text.len || (text.data[0] != '1' && text.data[0] != 'Y')))
		ret = err_msg(err, ENOTSUP, "vhost_net's experimental_zcopytx is off");
	return ret;
}

#endif
