/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/cmdline.h"

#include <errno.h>

#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/err.h"

/*
 * Linux, Documentation/admin-guide/kernel-parameters.txt.  One list for every
 * kernel: a word that a kernel does not know goes to the agent, who ignores it.
 */
static const char *const words[] = {
	/*
	 * The only output there is, each character of it two exits.  What is printed
	 * is decided by the word before it: nothing comes before a panic, which raises
	 * the level by itself (`quiet` would let errors pass, of which ACPI has one).
	 */
	"loglevel=3",
	"earlyprintk=ttyS0,keep",
	/* A panic ends the VM at once, by a triple fault: one exit, no port. */
	"panic=-1",
	"reboot=t",
	/* KVM's clock needs no watchdog that compares it. */
	"tsc=reliable",
	"no_timer_check",
	"nowatchdog",
	/* No search of the bus for chipsets with quirks before PCI is set up. */
	"pci=noearly",
	/* With one vCPU: do not rewrite the LOCK prefixes of the kernel's whole text. */
	"noreplace-smp",
	/* Grace periods by IPI, not by waiting for ticks: mounts, namespaces. */
	"rcupdate.rcu_expedited=1",
	/* No 64 MiB of bounce buffers when there is more than 4 GiB. */
	"swiotlb=noforce",
	/* One container, one trust level: the host's own mitigations guard the host. */
	"mitigations=off",
	/* hull's kernel: /dev/console swallows, no ready-made interfaces. */
	"console=ttynull",
	"dummy.numdummies=0",
	"ifb.numifbs=0",
	/* A distribution's kernel: what is compiled out of ours, or its default. */
	"memhp_default_state=online",
	"cryptomgr.notests",
	"random.trust_cpu=on",
	"init_on_alloc=0",
	"kfence.sample_interval=0",
	"audit=0",
	"apparmor=0",
	"8250.nr_uarts=0",
	"i8042.noaux",
	"i8042.nomux",
	"i8042.nopnp",
	"i8042.dumbkbd",
};

int cmdline_build(struct buf *b, const char *extra, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		(void)buf_printf(b, "%s%s", i ? " " : "", words[i]);
	if (*extra)
		(void)buf_printf(b, " %s", extra);
	return buf_ok(b) < 0 ? err_set(err, ENOMEM, "kernel command line") : 0;
}
