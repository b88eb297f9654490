/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The system calls of virtio-fs worker threads, each with its reason, beyond those
 * of every thread (vmm/jail/common_syscalls.h): vmm/jail/gen_filters.c makes their
 * seccomp filter from this list, so it cannot drift from the code.
 *
 * No include guard, on purpose.
 */
#ifndef HULL_SYSCALL
#error "define HULL_SYSCALL(name, reason) before including this list"
#endif

/* Below a root: always one component, or RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS. */
HULL_SYSCALL(openat2, "a directory from its nearest open ancestor")
HULL_SYSCALL(openat, "one name below an open directory, never following it")
HULL_SYSCALL(newfstatat, "attributes, and whether a name is still the same file")
HULL_SYSCALL(fstat, "libc's other way to say fstatat of an fd")
HULL_SYSCALL(readlinkat, "READLINK")
HULL_SYSCALL(mkdirat, "MKDIR")
HULL_SYSCALL(mknodat, "MKNOD: files, fifos, sockets")
HULL_SYSCALL(symlinkat, "SYMLINK")
HULL_SYSCALL(linkat, "LINK")
HULL_SYSCALL(unlinkat, "UNLINK, RMDIR")
HULL_SYSCALL(renameat2, "RENAME, RENAME2")
HULL_SYSCALL(renameat, "libc's renameat2 without flags")
HULL_SYSCALL(fchmod, "SETATTR of an open file")
HULL_SYSCALL(fchmodat, "SETATTR of a directory or special file")
HULL_SYSCALL(fchownat, "SETATTR")
HULL_SYSCALL(utimensat, "SETATTR")
HULL_SYSCALL(ftruncate, "SETATTR, O_TRUNC")
HULL_SYSCALL(fchdir,
	     "xattrs, connect(), watches have no *at(): the directory, then its name")
HULL_SYSCALL(lgetxattr, "GETXATTR")
HULL_SYSCALL(lsetxattr, "SETXATTR")
HULL_SYSCALL(llistxattr, "LISTXATTR")
HULL_SYSCALL(lremovexattr, "REMOVEXATTR")
HULL_SYSCALL(fgetxattr, "GETXATTR of an unlinked open file")
HULL_SYSCALL(fsetxattr, "SETXATTR of an unlinked open file")
HULL_SYSCALL(flistxattr, "LISTXATTR of an unlinked open file")
HULL_SYSCALL(fremovexattr, "REMOVEXATTR of an unlinked open file")
HULL_SYSCALL(fstatfs, "STATFS")

/* On open files. */
HULL_SYSCALL(preadv, "READ")
HULL_SYSCALL(preadv2, "READ")
HULL_SYSCALL(pwritev, "WRITE")
HULL_SYSCALL(pwritev2, "WRITE that appends or syncs")
HULL_SYSCALL(fsync, "FSYNC")
HULL_SYSCALL(fdatasync, "FSYNC")
HULL_SYSCALL(syncfs, "SYNCFS")
HULL_SYSCALL(fallocate, "FALLOCATE")
HULL_SYSCALL(lseek, "LSEEK, READDIR")
HULL_SYSCALL(copy_file_range, "COPY_FILE_RANGE")
HULL_SYSCALL(getdents64, "READDIR")
HULL_SYSCALL_ARG(fcntl, 1, 0xffffffffu, F_DUPFD_CLOEXEC,
		 "a root that is a file cannot be opened again")

/* What the guest's processes lock: see locks.h.  Nothing that waits. */
HULL_SYSCALL_ARG(fcntl, 1, 0xffffffffu, F_GETFL, "can this descriptor have that lock")
HULL_SYSCALL_ARG(fcntl, 1, 0xffffffffu, F_OFD_SETLK, "SETLK, FLUSH, RELEASE")
HULL_SYSCALL_ARG(fcntl, 1, 0xffffffffu, F_OFD_GETLK, "GETLK")
HULL_SYSCALL_ARG(flock, 1, LOCK_NB, LOCK_NB, "SETLK of a whole file, RELEASE")

/* Who creates. */
HULL_SYSCALL(setfsuid, "owner of what is created")
HULL_SYSCALL(setfsgid, "group of what is created")
HULL_SYSCALL(capget, "with capset")
HULL_SYSCALL(capset, "file capabilities back after setfsuid, without that securebit")
HULL_SYSCALL(umask, "mode of what is created")

/* The guest connects to a socket of the host's: see offer.h. */
HULL_SYSCALL_ARG(socket, 0, 0xffffffffu, AF_UNIX, "for connect")
HULL_SYSCALL(connect, "to a socket beneath a root; is somebody listening there")

/* What the guest watches: see watch.h. */
HULL_SYSCALL(inotify_init1, "with the first watch")
HULL_SYSCALL(inotify_add_watch,
	     "by the working directory and one name, never following it")
HULL_SYSCALL(inotify_rm_watch, "nobody in the guest watches it any more")
HULL_SYSCALL(epoll_ctl, "a worker hears of the host's events")

/* The pool: waiting, waking, one more worker. */
HULL_SYSCALL(epoll_wait, "sleep until a queue is kicked")
HULL_SYSCALL(epoll_pwait, "the same, as some libc spell it")
HULL_SYSCALL_ARG(unshare, 0, 0xffffffffu, CLONE_FS, "a umask and cwd of its own")
HULL_SYSCALL_ARG(prctl, 0, 0xffffffffu, PR_GET_SECUREBITS, "start of a worker")
HULL_SYSCALL_ARG(prctl, 0, 0xffffffffu, PR_SET_NAME, "start of a worker")
HULL_SYSCALL(mremap, "heap")
