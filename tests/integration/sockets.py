# SPDX-License-Identifier: Apache-2.0
"""
Both ends of a unix socket, for sockets.bats.

    sockets.py serve PATH TYPE HOW	listens; writes "ready" when it does; HOW:
            echo        gives back what comes, and ends when it ends
            hold        listens with no room, and accepts when standard input ends
            rights      passes a descriptor to whoever connects
            source N    sends N bytes, then says how many came
            cred        says who the peer is to us
    sockets.py ask PATH TYPE HOW	connects and prints what comes back; HOW:
            text TEXT   sends it, shuts its side, reads to the end
            messages    sends messages of 1, 1000 and 100000 bytes, prints their lengths
            rights      passes a descriptor, then reads
            sink        reads to the end, prints the length, sends as much
            many N      N connections at a time
"""
import os
import socket
import struct
import sys

TYPES = {"stream": socket.SOCK_STREAM, "seqpacket": socket.SOCK_SEQPACKET,
         "dgram": socket.SOCK_DGRAM}


def read_all(conn):
    data = b""
    while True:
        chunk = conn.recv(1 << 20)
        if not chunk:
            return data
        data += chunk


def echo(conn):
    while True:
        data = conn.recv(1 << 20)
        if not data:
            break
        conn.sendall(data)
    conn.close()


def handle(conn, how, args):
    if how == "rights":
        socket.send_fds(conn, [b"x"], [0])
        print("got", len(conn.recv(100)), flush=True)
    elif how == "source":
        conn.sendall(bytes(int(args[0])))
        conn.shutdown(socket.SHUT_WR)
        print("came", len(read_all(conn)), flush=True)
    elif how == "cred":
        pid, uid, _ = struct.unpack("3i", conn.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        with open(f"/proc/{pid}/comm") as f:
            conn.sendall(f"{f.read().strip()} {uid}".encode())
        conn.close()
    else:
        echo(conn)


def serve(path, kind, how, *args):
    sock = socket.socket(socket.AF_UNIX, TYPES[kind])
    sock.bind(path)
    os.chmod(path, 0o666)
    if kind != "dgram":
        sock.listen(0 if how == "hold" else 300)
    if how == "hold":
        other = socket.socket(socket.AF_UNIX, TYPES[kind])
        other.connect(path)
    print("ready", flush=True)
    if how == "hold":
        sys.stdin.read()
        sock.accept()
    conns = []
    while kind != "dgram":
        conn, _ = sock.accept()
        if os.fork() == 0:
            handle(conn, how, args)
            os._exit(0)
        conn.close()
    sys.stdin.read()


def connect(path, kind):
    sock = socket.socket(socket.AF_UNIX, TYPES[kind])
    sock.connect(path)
    return sock


def ask(path, kind, how, *args):
    try:
        sock = connect(path, kind)
    except OSError as e:
        print(e.strerror)
        return
    if how == "text":
        sock.sendall(args[0].encode())
        sock.shutdown(socket.SHUT_WR)
        print(read_all(sock).decode())
    elif how == "messages":
        got = []
        for size in (1, 1000, 100000):
            sock.sendall(b"m" * size)
            sock.sendall(b"n")
            got += [len(sock.recv(1 << 20)), len(sock.recv(1 << 20))]
        print(*got)
    elif how == "rights":
        socket.send_fds(sock, [b"x"], [0])
        try:
            print("read", len(sock.recv(100)))
        except OSError as e:
            print(e.strerror)
    elif how == "sink":
        n = len(read_all(sock))
        print(n, flush=True)
        sock.sendall(bytes(n))
    elif how == "many":
        socks = [sock] + [connect(path, kind) for _ in range(int(args[0]) - 1)]
        for i, s in enumerate(socks):
            s.sendall(b"%d" % i)
        print(sum(int(s.recv(100)) for s in socks))


{"serve": serve, "ask": ask}[sys.argv[1]](*sys.argv[2:])
