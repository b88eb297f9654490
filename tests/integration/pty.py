#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Terminals for the tests.

pty.py socket PATH OUT SCRIPT   receive a console over the unix socket PATH, play
                                SCRIPT against it, write what it showed to OUT
pty.py run OUT SCRIPT CMD...    run CMD with a terminal of 24 x 80 as its stdio

SCRIPT is a line of steps: `expect:TEXT`, `send:TEXT` (with \\n, \\x03 ...),
`size:ROWSxCOLS`, `eof`. Every wait has a deadline. The exit status is CMD's, or 0.
"""
import array
import fcntl
import os
import select
import shlex
import socket
import struct
import sys
import termios
import time

DEADLINE = 60


def set_size(fd, rows, cols):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))


def receive(path):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(1)
    listener.settimeout(DEADLINE)
    conn, _ = listener.accept()
    _, ancillary, _, _ = conn.recvmsg(4096, socket.CMSG_LEN(4))
    fds = array.array("i")
    for _, _, data in ancillary:
        fds.frombytes(data[:4])
    return fds[0]


class Terminal:
    def __init__(self, fd, out, pid=None):
        self.fd = fd
        self.pid = pid  # whose end is the end, while somebody holds the slave
        self.out = out
        self.seen = b""
        self.shown = b""

    def read(self, timeout):
        if not select.select([self.fd], [], [], timeout)[0]:
            return None
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            data = b""
        self.seen += data
        self.shown += data
        return data

    def expect(self, text):
        end = time.monotonic() + DEADLINE
        while text not in self.seen:
            data = self.read(max(0, end - time.monotonic()))
            if not data:
                sys.exit(f"pty.py: '{text!r}' never came, only {self.shown!r}")
        self.seen = self.seen.split(text, 1)[1]

    def ended(self):
        if self.pid is None:
            return False
        flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return os.waitid(os.P_PID, self.pid, flags) is not None

    def drain(self):
        """Read until the other side is closed, or its process has ended."""
        end = time.monotonic() + DEADLINE
        while time.monotonic() < end:
            over = self.ended()
            data = self.read(0.1)
            if data == b"" or (data is None and over):
                return
        sys.exit(f"pty.py: no end, only {self.shown!r}")

    def play(self, script):
        words = shlex.shlex(script, posix=True, punctuation_chars=False)
        words.whitespace_split = True
        words.escape = ""
        words.commenters = ""
        for step in words:
            verb, _, text = step.partition(":")
            raw = text.encode().decode("unicode_escape").encode("latin-1")
            if verb == "expect":
                self.expect(raw)
            elif verb == "send":
                os.write(self.fd, raw)
            elif verb == "size":
                set_size(self.fd, *map(int, text.split("x")))
            elif verb == "eof":
                self.drain()
            else:
                sys.exit(f"pty.py: unknown step {step}")
        with open(self.out, "wb") as f:
            f.write(self.shown)


def main():
    if sys.argv[1] == "socket":
        Terminal(receive(sys.argv[2]), sys.argv[3]).play(sys.argv[4])
        return 0
    out, script, command = sys.argv[2], sys.argv[3], sys.argv[4:]
    master, slave = os.openpty()
    set_size(slave, 24, 80)
    before = termios.tcgetattr(slave)
    pid = os.fork()
    if pid == 0:
        os.close(master)
        os.login_tty(slave) if hasattr(os, "login_tty") else login(slave)
        os.execvp(command[0], command)
    Terminal(master, out, pid).play(script)
    _, status = os.waitpid(pid, 0)
    if termios.tcgetattr(slave) != before:
        sys.exit("pty.py: the terminal is not as it was")
    return os.waitstatus_to_exitcode(status)


def login(slave):
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    for fd in range(3):
        os.dup2(slave, fd)


if __name__ == "__main__":
    sys.exit(main())
