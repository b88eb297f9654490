#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""File locks, asked for line by line; the same on the host and in containers.

locks.py ask FILE       commands on stdin, an answer on stdout for each
	posix|ofd|flock try|wait|drop [read|write] [START LEN]
		"yes", or "no" (somebody else has it); wait: then also what is in FILE
	posix test [read|write] [START LEN]
		what keeps it from being had, as type (0: read, 1: write, 2: nothing), start,
		length and pid
	write TEXT	FILE has that now
	close		the file that posix has; it is opened again
locks.py count FILE KIND N	N times: lock, add one to the number in FILE, unlock
locks.py sqlite FILE N NAME	N rows into a table, each in a transaction of its own
"""

import errno
import fcntl
import os
import sqlite3
import struct
import sys

OFD = {fcntl.F_SETLK: 37, fcntl.F_SETLKW: 38}  # F_OFD_SETLK, F_OFD_SETLKW
TYPES = {"read": fcntl.F_RDLCK, "write": fcntl.F_WRLCK}
FLOCKS = {"read": fcntl.LOCK_SH, "write": fcntl.LOCK_EX}


def lock(fd, kind, how, mode="write", start=0, length=0):
    """Take or drop it; OSError when somebody else has it."""
    if kind == "flock":
        what = fcntl.LOCK_UN if how == "drop" else FLOCKS[mode]
        fcntl.flock(fd, what | (fcntl.LOCK_NB if how == "try" else 0))
        return
    cmd = fcntl.F_SETLKW if how == "wait" else fcntl.F_SETLK
    what = fcntl.F_UNLCK if how == "drop" else TYPES[mode]
    # struct flock: l_type, l_whence, l_start, l_len, l_pid
    fcntl.fcntl(fd, OFD[cmd] if kind == "ofd" else cmd,
                struct.pack("hhqqi4x", what, 0, int(start), int(length), 0))


def test(fd, mode, start=0, length=0):
    what = struct.pack("hhqqi4x", TYPES[mode], 0, int(start), int(length), 0)
    found = struct.unpack("hhqqi4x", fcntl.fcntl(fd, fcntl.F_GETLK, what))
    return "%d %d %d %d" % (found[0], *found[2:])


def answer(path, fds, words):
    # With any descriptor of the file that is closed go this process' posix locks.
    if words[0] == "write":
        os.ftruncate(fds["ofd"], 0)
        os.pwrite(fds["ofd"], words[1].encode(), 0)
        return "written"
    if words[0] == "close":
        os.close(fds["posix"])
        fds["posix"] = os.open(path, os.O_RDWR)
        return "closed"
    if words[1] == "test":
        return test(fds["posix"], *words[2:])
    try:
        lock(fds[words[0]], *words)
    except OSError as e:
        if e.errno not in (errno.EAGAIN, errno.EACCES):
            return e.strerror
        return "no"
    if words[1] == "wait":
        return "yes " + os.pread(fds["ofd"], 100, 0).decode().strip()
    return "yes"


def ask(path):
    fds = {kind: os.open(path, os.O_RDWR) for kind in ("posix", "ofd", "flock")}
    print("pid", os.getpid(), flush=True)
    for line in sys.stdin:
        print(answer(path, fds, line.split()), flush=True)


def count(path, kind, n):
    fd = os.open(path, os.O_RDWR)
    for _ in range(int(n)):
        lock(fd, kind, "wait")
        number = int(os.pread(fd, 32, 0) or b"0")
        os.pwrite(fd, b"%d\n" % (number + 1), 0)
        lock(fd, kind, "drop")


def sqlite(path, n, name):
    db = sqlite3.connect(path, timeout=100, isolation_level=None)
    for i in range(int(n)):
        db.execute("BEGIN IMMEDIATE")
        rows = db.execute("SELECT count(*) FROM t").fetchone()[0]
        db.execute("INSERT INTO t VALUES (?, ?, ?)", (rows, name, i))
        db.execute("COMMIT")
    db.close()


if __name__ == "__main__":
    {"ask": ask, "count": count, "sqlite": sqlite}[sys.argv[1]](*sys.argv[2:])
