#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""overlay_upper.py DIR - an overlayfs with all of its folders in DIR, and what it does.

Prints a line for each step and what the tree looks like afterwards, mounted, mounted
again, and as the lower layer of a second one; nothing in it depends on where it runs.
"""
import errno
import os
import socket
import stat
import subprocess
import sys
import zlib

base = os.path.abspath(sys.argv[1])
M = base + "/m"


def call(name, fn, *args, **kwargs):
    """One step, and how it ended."""
    try:
        ret = fn(*args, **kwargs)
        end = "ok" if ret is None else ret
    except OSError as e:
        end = errno.errorcode[e.errno]
    print(f"{name}: {end}")


def put(path, text, mode="w"):
    with open(path, mode) as f:
        f.write(text)


def get(path):
    """The first bytes: what is read in small pieces is a request each, and slow in the lab."""
    with open(path, "rb", buffering=0) as f:
        return f.read(40)


def crc(path):
    with open(path, "rb", buffering=0) as f:
        return zlib.crc32(f.read(8 << 20))


def mount(lower, upper, work, at, options=""):
    for d in (upper, work, at):
        os.makedirs(d, exist_ok=True)
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o",
                    f"lowerdir={lower},upperdir={upper},workdir={work}{options}", at], check=True)


def umount(at):
    subprocess.run(["umount", at], check=True)


def xattrs(path):
    """All but the origin, which is a file handle, and which a link does not have everywhere."""
    return {n: os.getxattr(path, n, follow_symlinks=False)
            for n in sorted(os.listxattr(path, follow_symlinks=False)) if n != "trusted.overlay.origin"}


def view(title, top):
    """All that a program can see of the tree, but inode numbers and times."""
    print(f"== {title}")
    inodes = {}
    for folder, dirs, files in os.walk(top):
        dirs.sort()
        for name in [""] * (folder == top) + sorted(dirs + files):
            path = os.path.join(folder, name) if name else folder
            s = os.lstat(path)
            what = stat.filemode(s.st_mode)
            line = f"{os.path.relpath(path, top)} {what} {s.st_uid}:{s.st_gid} {xattrs(path)}"
            if not stat.S_ISDIR(s.st_mode):
                line += f" links={s.st_nlink} first={inodes.setdefault(s.st_ino, os.path.relpath(path, top))}"
            if stat.S_ISLNK(s.st_mode):
                line += " -> " + os.readlink(path)
            elif stat.S_ISREG(s.st_mode):
                line += f" {s.st_size} {get(path)!r}"
            elif stat.S_ISCHR(s.st_mode):
                line += f" {s.st_rdev}"
            print(line)
        # Both kinds of listing tell the same types.
        for e in os.scandir(folder):
            assert e.is_symlink() == stat.S_ISLNK(os.lstat(e.path).st_mode), e.path


def make_lower(d):
    os.makedirs(d)
    for name in "keep change delete chmod chown xattr trunc append big moved replaced again over".split():
        put(f"{d}/{name}", f"lower {name}\n")
    put(f"{d}/big", "b" * 5000000)
    os.setxattr(f"{d}/xattr", "user.old", b"1")
    os.setxattr(f"{d}/change", "user.kept", b"2")
    for name in "dir opaque emptied tree removed swapped".split():
        os.makedirs(f"{d}/{name}/sub")
        put(f"{d}/{name}/file", f"lower {name}/file\n")
        put(f"{d}/{name}/sub/deep", f"lower {name}/sub/deep\n")
    for name in "link link-chown link-moved link-deleted".split():
        os.symlink("keep", f"{d}/{name}")
    for name in "fifo fifo-moved fifo-chmod".split():
        os.mkfifo(f"{d}/{name}")
    s = socket.socket(socket.AF_UNIX)
    os.chdir(d)
    s.bind("sock")
    s.close()
    os.chdir("/")
    put(f"{d}/h1", "lower links\n")
    os.link(f"{d}/h1", f"{d}/h2")


def files():
    call("read", get, f"{M}/keep")
    call("create", put, f"{M}/new", "new\n")
    call("change", put, f"{M}/change", "changed\n")
    call("append", put, f"{M}/append", "more\n", "a")
    call("append to big", put, f"{M}/big", "more\n", "a")
    call("big", lambda: crc(f"{M}/big"))
    call("truncate", os.truncate, f"{M}/trunc", 3)
    call("delete", os.unlink, f"{M}/delete")
    call("deleted", os.stat, f"{M}/delete")
    call("delete again", os.unlink, f"{M}/delete")
    call("chmod", os.chmod, f"{M}/chmod", 0o4750)
    call("chown", os.chown, f"{M}/chown", 1000, 1001)
    call("setxattr", os.setxattr, f"{M}/xattr", "user.new", b"3")
    call("trusted.*", os.setxattr, f"{M}/xattr", "trusted.mine", b"4")
    call("trusted.overlay.*", os.setxattr, f"{M}/xattr", "trusted.overlay.mine", b"4")
    call("getxattr", lambda: os.getxattr(f"{M}/xattr", "trusted.mine"))
    call("removexattr", os.removexattr, f"{M}/xattr", "user.old")
    call("rename", os.rename, f"{M}/moved", f"{M}/moved2")
    call("its old name", os.stat, f"{M}/moved")
    call("rename over", os.rename, f"{M}/over", f"{M}/replaced")
    call("rename to a deleted name", os.rename, f"{M}/moved2", f"{M}/delete")
    call("rename a new one", os.rename, f"{M}/new", f"{M}/new2")
    call("rename a new one over", os.rename, f"{M}/new2", f"{M}/keep")
    call("delete", os.unlink, f"{M}/again")
    call("create again", put, f"{M}/again", "again\n")
    call("hard link", os.link, f"{M}/again", f"{M}/again2")
    call("hard link of a lower file", os.link, f"{M}/h1", f"{M}/h3")
    call("write to it", put, f"{M}/h3", "all?\n", "a")
    call("create in a sub folder", put, f"{M}/dir/sub/new", "new\n")
    with open(f"{M}/gone", "w+") as f:
        call("unlink while open", os.unlink, f"{M}/gone")
        f.write("still")
        f.flush()
        call("fsync", os.fsync, f.fileno())
    call("exclusive", lambda: os.close(os.open(f"{M}/excl", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o640)))
    call("not twice", lambda: os.close(os.open(f"{M}/excl", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o640)))


def folders():
    call("mkdir", os.mkdir, f"{M}/newdir")
    call("create in it", put, f"{M}/newdir/f", "f\n")
    call("rename a new folder", os.rename, f"{M}/newdir", f"{M}/newdir2")
    call("rename a lower folder", os.rename, f"{M}/tree", f"{M}/tree2")
    call("rmdir of a full one", os.rmdir, f"{M}/opaque")
    for name in ("opaque", "removed", "swapped"):
        for path in ("sub/deep", "file"):
            call(f"unlink {name}/{path}", os.unlink, f"{M}/{name}/{path}")
        for path in ("/sub", ""):
            call(f"rmdir {name}{path}", os.rmdir, f"{M}/{name}{path}")
    call("mkdir again", os.mkdir, f"{M}/opaque", 0o750)
    call("what is in it", lambda: os.listdir(f"{M}/opaque"))
    call("create in it", put, f"{M}/opaque/new", "new\n")
    # A folder that hides a lower one is renamed: its old name has to become a whiteout.
    call("mkdir again", os.mkdir, f"{M}/swapped")
    call("create in it", put, f"{M}/swapped/new", "new\n")
    call("rename it", os.rename, f"{M}/swapped", f"{M}/swapped2")
    call("its old name", os.stat, f"{M}/swapped")
    call("mkdir again", os.mkdir, f"{M}/swapped")
    call("mkdir", os.mkdir, f"{M}/target")
    call("rename over an empty one", os.rename, f"{M}/swapped", f"{M}/target")
    call("its old name", os.stat, f"{M}/swapped")
    call("rename over a full one", os.rename, f"{M}/target", f"{M}/swapped2")
    for path in ("sub/deep", "file"):
        call(f"unlink emptied/{path}", os.unlink, f"{M}/emptied/{path}")
    call("chmod of a folder", os.chmod, f"{M}/dir", 0o2770)
    call("chown of a folder", os.chown, f"{M}/dir/sub", 1000, 1001)


def special():
    call("chown of a link", os.chown, f"{M}/link-chown", 1000, 1001, follow_symlinks=False)
    call("rename of a link", os.rename, f"{M}/link-moved", f"{M}/link-moved2")
    call("unlink of a link", os.unlink, f"{M}/link-deleted")
    call("new link", os.symlink, "link-moved2", f"{M}/link-new")
    call("rename of a fifo", os.rename, f"{M}/fifo-moved", f"{M}/fifo-moved2")
    call("chmod of a fifo", os.chmod, f"{M}/fifo-chmod", 0o600)
    call("chown of a socket", os.chown, f"{M}/sock", 1000, 1001)
    call("whiteout in an overlay", os.mknod, f"{M}/node", stat.S_IFCHR, 0)


def numbers():
    """An inode number outlives the copy-up of its file."""
    before = os.stat(f"{M}/keep-ino"), os.lstat(f"{M}/link-ino")
    os.chmod(f"{M}/keep-ino", 0o600)
    os.chown(f"{M}/link-ino", 5, 5, follow_symlinks=False)
    after = os.stat(f"{M}/keep-ino"), os.lstat(f"{M}/link-ino")
    print("inode numbers:", [a.st_ino == b.st_ino for a, b in zip(before, after)])


def layers():
    """The upper folder as a layer of an image, beneath another one."""
    mount(f"{base}/u:{base}/l", f"{base}/u2", f"{base}/w2", M)
    view("as a lower layer", M)
    call("change", put, f"{M}/opaque/new", "changed\n")
    call("delete", os.unlink, f"{M}/h1")
    call("rename over a whiteout", os.rename, f"{M}/h2", f"{M}/removed")
    view("changed there", M)
    umount(M)


def main():
    os.umask(0o022)
    make_lower(f"{base}/l")
    put(f"{base}/l/keep-ino", "x")
    os.symlink("keep", f"{base}/l/link-ino")
    mount(f"{base}/l", f"{base}/u", f"{base}/w", M)
    view("new", M)
    files()
    folders()
    special()
    numbers()
    view("changed", M)
    umount(M)
    mount(f"{base}/l", f"{base}/u", f"{base}/w", M)
    view("mounted again", M)
    umount(M)
    view("the upper folder", f"{base}/u")
    layers()
    view("the upper folder of that", f"{base}/u2")


main()
