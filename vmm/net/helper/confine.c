/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/net/helper/confine.h"

#include <errno.h>
#include <grp.h>
#include <linux/securebits.h>
#include <sched.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "lib/err.h"
#include "vmm/jail/jail.h"

/* become_nobody() - with the capabilities as they are. */
static int become_nobody(struct err *err)
{
	if (prctl(PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NO_SETUID_FIXUP, 0, 0, 0) < 0)
		return err_set(err, errno, "set securebits");
	if (setgroups(0, NULL) < 0)
		return err_set(err, errno, "setgroups");
	if (setresgid(CONFINE_UID, CONFINE_UID, CONFINE_UID) < 0)
		return err_set(err, errno, "setresgid");
	if (setresuid(CONFINE_UID, CONFINE_UID, CONFINE_UID) < 0)
		return err_set(err, errno, "setresuid");
	return 0;
}

int confine(struct err *err)
{
	static const int kept[] = { CAP_NET_ADMIN };
	int ret;

	if (unshare(CLONE_NEWNS) < 0)
		return err_set(err, errno, "unshare the mount namespace");
	ret = jail_root(NULL, 0, err);
	if (ret == 0)
		ret = become_nobody(err);
	if (ret == 0)
		ret = jail_caps(kept, 1, err);
	if (ret == 0)
		ret = jail_limits(err);
	return ret < 0 ? ret : jail_thread(JAIL_NET, err);
}
