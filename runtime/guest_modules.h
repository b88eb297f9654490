/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The modules a stock guest kernel needs, as a second initramfs.
 *
 * hull's own kernel has every driver built in.  A distribution's kernel has
 * them as modules below /lib/modules/RELEASE on the host; those that hull's
 * machine needs are put into a cpio archive ("newc"), which the boot loader
 * places right behind the base initramfs:
 *
 *	/mod/NAME.ko	the modules
 *	/modules	their paths, one a line, in the order to load them
 *
 * The agent loads what /modules lists, with finit_module(2), before it does
 * anything else.  No /modules: nothing to load.
 *
 * Any thread may call it; nothing is kept between calls.
 */
#ifndef HULL_RUNTIME_GUEST_MODULES_H
#define HULL_RUNTIME_GUEST_MODULES_H

#include <stdbool.h>

struct err;

/* What hull's own kernel releases end in: everything is built in there. */
#define GUEST_OWN_RELEASE_SUFFIX "-hull"

/* guest_kernel_is_own() - is @release one of hull's own kernel? */
bool guest_kernel_is_own(const char *release);

/*
 * guest_modules_build() - make the archive for the kernel @release.
 * @release: as uname(2) reports it in the guest, see kernel_release()
 * @modules_root: (path) normally "/lib/modules"
 * @ret_memfd: a sealed memfd whose length is a multiple of 4, owned by the
 *	caller; -1 when the kernel needs none (hull's own, or all built in)
 *
 * Return: 0; -EINVAL for a release that is no file name or a module index that
 * breaks its format; -ENOENT with the module's name when one that hull cannot do
 * without is neither built in nor there; -errno of the failing call
 */
int guest_modules_build(const char *release, const char *modules_root,
			int *ret_memfd, struct err *err);

#endif
