/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where hull's own files are: beside the program in a build tree (build/bin/hull,
 * build/initramfs.cpio), or where `make install` put them (PREFIX/bin/hull,
 * PREFIX/libexec/hull, PREFIX/lib/hull).  Found from /proc/self/exe, so that a
 * tree can be moved.
 */
#ifndef HULL_RUNTIME_INSTALL_H
#define HULL_RUNTIME_INSTALL_H

struct err;

enum install_file {
	INSTALL_VMM, /* the hull-vmm program */
	INSTALL_SYSTEMD, /* the hull-systemd program */
	INSTALL_NET, /* the hull-net program */
	INSTALL_KERNEL, /* the guest kernel; the environment's HULL_KERNEL goes first */
	INSTALL_INITRAMFS, /* the agent's archive */
	INSTALL_FILES,
};

/*
 * install_open() - open one of them (O_RDONLY | O_CLOEXEC).
 * Return: a descriptor the caller owns; -ENOENT names every place looked at
 */
int install_open(enum install_file file, struct err *err);

#endif
