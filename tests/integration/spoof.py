#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
#
# spoof.py send DEVICE - frames, some of which pretend to come from somebody else
# spoof.py hear DEVICE - the numbers of those that arrive, up to the last; first "ready"
#
# The sender is 10.9.0.2, fd00:9:0::2 at the hardware address of DEVICE. Each frame has a
# number, behind a mark.
import socket
import struct
import sys

MARK = b"\xab\x48\x4c"
LAST = 99
ETH_P_ALL = 3
OWN4, OTHER4, PEER4 = (socket.inet_aton(a) for a in ("10.9.0.2", "10.9.0.3", "10.9.0.1"))
OWN6, OTHER6, PEER6 = (socket.inet_pton(socket.AF_INET6, a) for a in ("fd00:9::2", "fd00:9::3", "fd00:9::1"))
OTHER_MAC = b"\x02\xee\x00\x00\x00\x01"


def open_device(name):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    s.bind((name, ETH_P_ALL))
    return s


def eth(source, kind, payload):
    return b"\xff" * 6 + source + struct.pack("!H", kind) + payload


def arp(mac, ip, tag):
    return struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + mac + ip + bytes(6) + PEER4 + tag.ljust(18, b"\0")


def ip4(source, tag):
    body = struct.pack("!HHHH", 4000, 4001, 8 + len(tag), 0) + tag
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), 0, 0, 64, 17, 0) + source + PEER4
    return head + body


def ip6(source, body, protocol=17):
    return struct.pack("!IHBB", 0x60000000, len(body), protocol, 255) + source + PEER6 + body


def udp6(source, tag):
    return ip6(source, struct.pack("!HHHH", 4000, 4001, 8 + len(tag), 1) + tag)


# an advertisement; its reserved field has the mark
def nd(kind, target, mac, tag):
    return ip6(OWN6, struct.pack("!BBH", kind, 0, 0) + tag + target + b"\x02\x01" + mac, 58)


def frames(mac):
    def tag(n):
        return MARK + bytes([n])

    return [
        eth(mac, 0x0806, arp(mac, OWN4, tag(1))),
        eth(mac, 0x0800, ip4(OWN4, tag(2))),
        eth(mac, 0x86DD, udp6(OWN6, tag(3))),
        eth(mac, 0x86DD, nd(136, OWN6, mac, tag(4))),
        # others', from here on
        eth(mac, 0x0806, arp(mac, OTHER4, tag(11))),
        eth(mac, 0x0806, arp(OTHER_MAC, OWN4, tag(12))),
        eth(OTHER_MAC, 0x0800, ip4(OWN4, tag(13))),
        eth(mac, 0x0800, ip4(OTHER4, tag(14))),
        eth(mac, 0x86DD, udp6(OTHER6, tag(15))),
        eth(mac, 0x86DD, nd(136, OTHER6, mac, tag(16))),
        eth(mac, 0x86DD, nd(136, OWN6, OTHER_MAC, tag(17))),
        eth(mac, 0x86DD, nd(134, OWN6, mac, tag(18))),
        eth(mac, 0x8100, struct.pack("!HH", 5, 0x0800) + ip4(OWN4, tag(19))),
        eth(mac, 0x88B5, bytes(46) + tag(20)),
        eth(mac, 0x0806, arp(mac, OWN4, tag(LAST))),
    ]


def send(device):
    s = open_device(device)
    for frame in frames(s.getsockname()[4]):
        s.send(frame)


def hear(device):
    s = open_device(device)
    s.settimeout(60)
    print("ready", flush=True)
    seen = []
    while LAST not in seen:
        frame = s.recv(2048)
        at = frame.find(MARK)
        if at >= 0:
            seen.append(frame[at + 3])
    print(*seen)


{"send": send, "hear": hear}[sys.argv[1]](sys.argv[2])
