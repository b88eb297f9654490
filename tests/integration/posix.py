#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""posix.py FOLDER: what programs ask of a file system besides open, read and write.

Runs in a container and, as it is, on the host, which must print the same: "right" when
all of it holds."""
import ctypes
import errno
import os
import stat
import struct
import sys

libc = ctypes.CDLL(None, use_errno=True)
libc.fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_long, ctypes.c_long]
CWD = -100
NOREPLACE, EXCHANGE = 1, 2
KEEP_SIZE, PUNCH_HOLE, ZERO_RANGE = 1, 2, 16
SYMLINK_FOLLOW = 0x400


def check(ret):
    if ret < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return ret


def fails(code, call, *args):
    try:
        call(*args)
    except OSError as e:
        assert e.errno == code, (call, args, e)
    else:
        raise AssertionError((call, args, "succeeded"))


def rename2(old, new, flags):
    check(libc.renameat2(CWD, old.encode(), CWD, new.encode(), flags))


def put(name, data):
    with open(name, "wb") as f:
        f.write(data)


def get(name):
    with open(name, "rb") as f:
        return f.read()


def tmpfile():
    try:
        fd = os.open(".", os.O_TMPFILE | os.O_EXCL | os.O_RDWR, 0o600)
    except OSError as e:
        assert e.errno == errno.EOPNOTSUPP, e
        print("no O_TMPFILE,", end=" ")  # overlayfs before Linux 6.3
        return
    os.write(fd, b"nameless")
    assert os.pread(fd, 100, 0) == b"nameless" and os.fstat(fd).st_nlink == 0
    assert get("/proc/self/fd/%d" % fd) == b"nameless"
    os.close(fd)
    try:
        fd = os.open(".", os.O_TMPFILE | os.O_RDWR, 0o600)
    except OSError as e:
        assert e.errno == errno.EOPNOTSUPP, e  # the host cannot link it later
        return
    os.write(fd, b"linked")
    link = b"/proc/self/fd/%d" % fd
    check(libc.linkat(CWD, link, CWD, b"linked", SYMLINK_FOLLOW))
    assert get("linked") == b"linked" and os.fstat(fd).st_nlink == 1
    assert os.fstat(fd).st_ino == os.stat("linked").st_ino
    os.close(fd)
    assert get("linked") == b"linked"


def renames():
    put("a", b"a")
    put("b", b"b")
    fails(errno.EEXIST, rename2, "a", "b", NOREPLACE)
    rename2("a", "c", NOREPLACE)
    os.mkdir("d")
    put("d/in", b"in")
    rename2("c", "d", EXCHANGE)
    assert get("d") == b"a" and get("c/in") == b"in"
    fails(errno.ENOENT, rename2, "d", "none", EXCHANGE)
    fails(errno.EINVAL, rename2, "d", "b", NOREPLACE | EXCHANGE)


def holes():
    with open("holes", "wb+") as f:
        f.truncate(1 << 20)
        os.pwrite(f.fileno(), b"data", 512 << 10)
        assert os.lseek(f.fileno(), 0, os.SEEK_DATA) == 512 << 10
        assert os.lseek(f.fileno(), 0, os.SEEK_HOLE) == 0
        hole = os.lseek(f.fileno(), 512 << 10, os.SEEK_HOLE)
        assert 512 << 10 < hole < 1 << 20
        fails(errno.ENXIO, os.lseek, f.fileno(), hole, os.SEEK_DATA)
        fails(errno.ENXIO, os.lseek, f.fileno(), 1 << 20, os.SEEK_HOLE)
    with open("room", "wb+") as f:
        f.write(b"x" * 16384)
        f.flush()
        fd = f.fileno()
        check(libc.fallocate(fd, KEEP_SIZE, 0, 1 << 20))
        assert os.fstat(fd).st_size == 16384 and os.fstat(fd).st_blocks >= 2048
        check(libc.fallocate(fd, PUNCH_HOLE | KEEP_SIZE, 4096, 4096))
        check(libc.fallocate(fd, ZERO_RANGE, 12288, 8192))
        assert os.pread(fd, 1 << 20, 0) == (
            b"x" * 4096 + b"\0" * 4096 + b"x" * 4096 + b"\0" * 8192)
        check(libc.fallocate(fd, 0, 0, 65536))
        assert os.fstat(fd).st_size == 65536
        fails(errno.EINVAL, check, libc.fallocate(fd, 0, 0, 0))


def copies():
    put("from", bytes(range(256)) * 1024)
    with open("from", "rb") as f, open("to", "wb+") as t:
        done = 0
        while done < 200000:
            done += os.copy_file_range(f.fileno(), t.fileno(), 200000 - done, 100 + done, 7 + done)
        assert get("to") == b"\0" * 7 + get("from")[100:200100]


def big():
    with open("big", "wb+") as f:
        os.pwrite(f.fileno(), b"far", 5 << 30)
        assert os.fstat(f.fileno()).st_size == (5 << 30) + 3
        assert os.pread(f.fileno(), 10, (5 << 30) - 3) == b"\0\0\0far"
        f.truncate(1 << 32)
        assert os.stat("big").st_size == 1 << 32
        assert os.pread(f.fileno(), 10, (1 << 32) - 1) == b"\0"
    os.unlink("big")


def names():
    longest = "n" * 255
    put(longest, b"long")
    assert longest in os.listdir(".") and get(longest) == b"long"
    os.rename(longest, "m" * 255)
    os.mkdir("é" * 127)
    assert "é" * 127 in os.listdir(".")
    fails(errno.ENAMETOOLONG, put, "n" * 256, b"")
    fails(errno.ENAMETOOLONG, os.mkdir, "n" * 256)
    fails(errno.ENAMETOOLONG, os.rename, "m" * 255, "n" * 256)
    fails(errno.ENAMETOOLONG, os.stat, "n" * 256)


def acls():
    def acl(*entries):
        return struct.pack("<I", 2) + b"".join(struct.pack("<HHi", *e) for e in entries)

    os.mkdir("acl")
    default = acl((1, 7, -1), (2, 5, 1000), (4, 5, -1), (16, 7, -1), (32, 0, -1))
    os.setxattr("acl", "system.posix_acl_default", default)
    assert os.getxattr("acl", "system.posix_acl_default") == default
    put("acl/file", b"")  # the umask does not count where there is a default ACL
    assert stat.S_IMODE(os.stat("acl/file").st_mode) == 0o660
    assert os.getxattr("acl/file", "system.posix_acl_access") == acl(
        (1, 6, -1), (2, 5, 1000), (4, 5, -1), (16, 6, -1), (32, 0, -1))
    os.mkdir("acl/dir")
    assert os.getxattr("acl/dir", "system.posix_acl_default") == default
    os.chmod("acl/file", 0o640)  # is the mask's
    assert struct.unpack_from("<HHi", os.getxattr("acl/file", "system.posix_acl_access"), 28) == (16, 4, -1)
    fails(errno.EINVAL, os.setxattr, "acl/file", "system.posix_acl_access", struct.pack("<Ib", 2, 1))


def capabilities():
    cap = struct.pack("<IIIII", 0x02000001, 1 << 2, 0, 0, 0)
    put("program", b"#!/bin/true\n")
    os.chmod("program", 0o755)
    os.setxattr("program", "security.capability", cap)
    assert os.getxattr("program", "security.capability") == cap
    os.chmod("program", 0o750)
    assert os.getxattr("program", "security.capability") == cap
    with open("program", "ab") as f:
        f.write(b"#")
    fails(errno.ENODATA, os.getxattr, "program", "security.capability")
    os.setxattr("program", "security.capability", cap)
    os.chown("program", 1, 1)
    fails(errno.ENODATA, os.getxattr, "program", "security.capability")
    os.setxattr("program", "security.capability", cap)
    os.truncate("program", 3)
    fails(errno.ENODATA, os.getxattr, "program", "security.capability")


os.umask(0o022)
os.chdir(sys.argv[1])
for test in tmpfile, renames, holes, copies, big, names, acls, capabilities:
    try:
        test()
    except Exception:
        print(test.__name__, file=sys.stderr, flush=True)
        raise
print("right")
