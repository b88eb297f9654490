/* SPDX-License-Identifier: Apache-2.0 */
/* The thread that reads the memory of a machine which is restored lazily (lazy.c). */
HULL_SYSCALL(pread64, "the image")
HULL_SYSCALL(lseek, "holes of the image")
HULL_SYSCALL(poll, "is a page asked for")
HULL_SYSCALL(ppoll, "is a page asked for, as libc may say it")
HULL_SYSCALL(pwrite64, "the working set; the status file, when memory cannot be had")
HULL_SYSCALL(sendmsg, "the creating command is told so")
HULL_IOCTL(UFFDIO_COPY, "a page is there")
HULL_IOCTL(UFFDIO_ZEROPAGE, "a page of zeros is there")
HULL_IOCTL(UFFDIO_WAKE, "it was there")
HULL_IOCTL(UFFDIO_UNREGISTER, "all are there")
