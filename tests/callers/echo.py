#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
#
# echo.py serve PORT              - answers what it is sent, reversed: TCP and UDP, IPv4 and IPv6
# echo.py connect HOST PORT COUNT - so many connections, one after the other
# echo.py send HOST PORT BYTES    - one datagram of random bytes
#
# The two last ones print how many answers were right. A name that has several addresses
# is asked at each of them.
import os
import socket
import sys
import threading

DEADLINE = 30  # (s) of one answer


def answer_datagrams(port):
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as s:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        s.bind(("::", port))
        while True:
            data, peer = s.recvfrom(65536)
            s.sendto(data[::-1], peer)


def serve(port):
    threading.Thread(target=answer_datagrams, args=(port,), daemon=True).start()
    with socket.create_server(("", port), family=socket.AF_INET6, backlog=128, dualstack_ipv6=True) as s:
        while True:
            c, _ = s.accept()
            with c:
                c.sendall(c.recv(64)[::-1])


def addresses(host, port, kind):
    return [(info[0], info[4]) for info in socket.getaddrinfo(host, port, type=kind)]


def connect(host, port, count):
    right = 0
    for _, address in addresses(host, port, socket.SOCK_STREAM):
        for i in range(count):
            with socket.create_connection(address[:2], timeout=DEADLINE) as c:
                c.sendall(b"%08d" % i)
                right += c.recv(64) == (b"%08d" % i)[::-1]
    return right


def send(host, port, size):
    right = 0
    for family, address in addresses(host, port, socket.SOCK_DGRAM):
        with socket.socket(family, socket.SOCK_DGRAM) as s:
            data = os.urandom(size)
            s.settimeout(DEADLINE)
            s.connect(address)
            s.send(data)
            right += s.recv(65536) == data[::-1]
    return right


if sys.argv[1] == "serve":
    serve(int(sys.argv[2]))
elif sys.argv[1] == "connect":
    print(connect(sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
else:
    print(send(sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
