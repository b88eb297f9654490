# SPDX-License-Identifier: Apache-2.0
#
# Both sides of inotify.bats.
#
#   watch PATH...     in the container: says what happens there ("PATH EVENTS NAME"), and
#                     does what it reads on stdin: "now COMMAND..." (below), "end PATH"
#   now COMMAND...    one system call's worth of change, on either side
#   reader DIR        in the container: waits for events, says what DIR/..data/key holds
#   flipper DIR N     on the host: N times as kubelet does it, each when the one before was seen
#   rereader FILE     in the container: the same with a file that is changed in place and
#                     stays open
#   rewriter FILE N   on the host

import ctypes
import os
import select
import struct
import sys
import threading

libc = ctypes.CDLL(None, use_errno=True)

EVENTS = {
    0x2: "MODIFY", 0x4: "ATTRIB", 0x8: "CLOSE_WRITE", 0x40: "MOVED_FROM",
    0x80: "MOVED_TO", 0x100: "CREATE", 0x200: "DELETE", 0x400: "DELETE_SELF",
    0x800: "MOVE_SELF", 0x4000: "Q_OVERFLOW", 0x8000: "IGNORED", 0x40000000: "ISDIR",
}
ALL = 0xfce
DONT_FOLLOW = 0x2000000


def begin():
    fd = libc.inotify_init1(os.O_CLOEXEC)
    assert fd >= 0
    return fd


def add(fd, path, mask=ALL):
    wd = libc.inotify_add_watch(fd, path.encode(), mask)
    if wd < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), path)
    return wd


def events(fd):
    data = os.read(fd, 65536)
    while data:
        wd, mask, cookie, size = struct.unpack_from("iIII", data)
        yield wd, mask, cookie, data[16:16 + size].rstrip(b"\0").decode()
        data = data[16 + size:]


def say(*what):
    print(*what, flush=True)


def now(what, *args):
    if what == "write":  # opened without O_CREAT or O_TRUNC
        fd = os.open(args[0], os.O_WRONLY)
        os.pwrite(fd, args[1].encode(), 0)
        os.close(fd)
    elif what == "create":
        os.close(os.open(args[0], os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644))
    elif what == "mkdir":
        os.mkdir(args[0])
    elif what == "mknod":
        os.mknod(args[0])
    elif what == "symlink":
        os.symlink(args[0], args[1])
    elif what == "link":
        os.link(args[0], args[1])
    elif what == "rename":
        os.rename(args[0], args[1])
    elif what == "unlink":
        os.unlink(args[0])
    elif what == "rmdir":
        os.rmdir(args[0])
    elif what == "chmod":
        os.chmod(args[0], int(args[1], 8))
    elif what == "truncate":
        os.truncate(args[0], int(args[1]))
    elif what == "flood":  # that many events
        for i in range(int(args[1]) // 2):
            os.mknod(args[0] + "/flood%d" % i)
            os.unlink(args[0] + "/flood%d" % i)
    else:
        sys.exit("now what? " + what)


def watch(*paths):
    fd = begin()
    names = {}
    try:
        for path in paths:
            names[add(fd, path, ALL | DONT_FOLLOW)] = path
    except OSError as e:
        say("error", e.errno, e.strerror, len(names))
        return
    say("ready")
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    poll.register(0, select.POLLIN)
    rest = b""
    while True:
        ready = dict(poll.poll())
        if fd in ready:
            for wd, mask, _, name in events(fd):
                what = ",".join(s for bit, s in EVENTS.items() if mask & bit)
                say(names.get(wd, "-"), what, name)
        elif 0 in ready:
            data = os.read(0, 4096)
            if not data:
                return
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                how, *args = line.decode().split()
                if how == "now":
                    now(*args)
                else:
                    for wd in [w for w, path in names.items() if path == args[0]]:
                        libc.inotify_rm_watch(fd, wd)


def storm(path):
    while True:
        try:
            os.stat(path)
            with open(path) as f:
                f.read()
        except OSError:
            pass


def reader(folder):
    key = folder + "/..data/key"
    threading.Thread(target=storm, args=(key,), daemon=True).start()
    fd = begin()
    add(fd, folder)
    seen = None
    say("ready")
    while seen != "end":
        list(events(fd))
        try:
            with open(key) as f:
                text = f.read()
        except OSError as e:
            # Between two looks at names the folder may have been replaced.
            say("error", e.strerror)
            continue
        if text != seen:
            say(text)
        seen = text


def flip(folder, number, text):
    version = "..v%d" % number
    os.mkdir(folder + "/" + version)
    with open(folder + "/" + version + "/key", "w") as f:
        f.write(text)
    os.symlink(version, folder + "/..data_tmp")
    os.rename(folder + "/..data_tmp", folder + "/..data")
    if number:
        os.unlink(folder + "/..v%d/key" % (number - 1))
        os.rmdir(folder + "/..v%d" % (number - 1))


def flipper(folder, n):
    """On stdin: what the reader says."""
    assert sys.stdin.readline() == "ready\n"
    errors = 0
    for i in range(1, int(n) + 1):
        text = "end" if i == int(n) else str(i)
        flip(folder, i, text)
        while True:
            line = sys.stdin.readline()
            if line == text + "\n":
                break
            if not line:
                sys.exit("the reader has ended at flip %d" % i)
            errors += 1
    say("seen", n, "strange", errors)


def rereader(path):
    f = open(path, "rb", buffering=0)
    fd = begin()
    add(fd, path)
    seen = None
    say("ready")
    while seen != b"end     ":
        list(events(fd))
        text = os.pread(f.fileno(), 8, 0)
        if text != seen:
            say(text.decode().strip())
        seen = text


def rewriter(path, n):
    assert sys.stdin.readline() == "ready\n"
    f = open(path, "r+b", buffering=0)
    for i in range(1, int(n) + 1):
        text = "end" if i == int(n) else str(i)
        os.pwrite(f.fileno(), b"%-8s" % text.encode(), 0)
        line = sys.stdin.readline()
        if line != text + "\n":
            sys.exit("write %d was seen as %s" % (i, line.strip() or "the end"))
    say("seen", n)


globals()[sys.argv[1]](*sys.argv[2:])
