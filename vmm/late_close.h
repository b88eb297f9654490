/* SPDX-License-Identifier: Apache-2.0 */
/*
 * late_close() - the kernel closes @fd after the end of this process, not on its way.
 *
 * The last reference to a virtual machine is three waits for grace periods, tens of
 * milliseconds in which nobody works and everybody waits for the process to be gone.
 * An io_uring with the file registered (io_uring_register(2)) is taken apart by a kernel
 * worker; it has no other use here, and the filters of the jail allow none.
 *
 * Return: 0; -errno: there is no io_uring here, all is as ever
 * Thread: main, before the jail
 */
#ifndef HULL_VMM_LATE_CLOSE_H
#define HULL_VMM_LATE_CLOSE_H

int late_close(int fd);

#endif
