# SPDX-License-Identifier: Apache-2.0
"""A hostile driver, run inside the guest as root: mis-uses the registers of the
virtio-rng function. It prints what it sees, one fact a line, and ends with "alive".
"""
import ctypes
import glob
import mmap
import os

RNG = "0x1044"
COMMON, ISR, DEVICE, NOTIFY, TABLE, PBA = range(0, 0x6000, 0x1000)
# The common configuration structure, virtio 1.2 4.1.4.3
STATUS, SELECT, SIZE, ENABLE, DESC, AVAIL, USED = 20, 22, 24, 28, 32, 40, 48
WIDTH = {1: ctypes.c_uint8, 2: ctypes.c_uint16, 4: ctypes.c_uint32, 8: ctypes.c_uint64}

device = next(d for d in glob.glob("/sys/bus/pci/devices/*") if open(d + "/device").read().strip() == RNG)
bar = mmap.mmap(os.open(device + "/resource0", os.O_RDWR | os.O_SYNC), 0x8000)
base = ctypes.addressof(ctypes.c_char.from_buffer(bar))


def read(offset, n):
    return WIDTH[n].from_address(base + offset).value


def write(offset, n, value):
    WIDTH[n].from_address(base + offset).value = value & ((1 << 8 * n) - 1)


def negotiate():
    write(STATUS, 1, 0)
    write(STATUS, 1, 1)
    write(STATUS, 1, 3)
    write(8, 4, 1)  # VERSION_1 is bit 32
    write(12, 4, 1)
    write(STATUS, 1, 11)


def queue(desc, avail, used):
    write(SELECT, 2, 0)
    write(SIZE, 2, 8)
    for at, address in ((DESC, desc), (AVAIL, avail), (USED, used)):
        write(at, 4, address)
        write(at + 4, 4, address >> 32)
    write(ENABLE, 2, 1)


print("driven", read(STATUS, 1))
write(TABLE + 16 + 12, 4, 1)
print("pending", read(PBA, 8))
write(TABLE + 16 + 12, 4, 0)
high = read(TABLE + 16 + 4, 4)
write(TABLE + 16 + 4, 4, 0xFFFFFFFF)
write(TABLE + 16 + 4, 4, high)

negotiate()
print("negotiated", read(STATUS, 1))
write(SELECT, 2, 0xFFFF)
print("queue 65535", read(SIZE, 2))
queue(0xFFFFFFFFFFFFFFF0, 0, 0)
print("queue nowhere", read(STATUS, 1))

negotiate()
queue(0x1000, 0x2000, 0x3000)  # whatever low memory holds
write(STATUS, 1, 15)
print("queue anywhere", read(STATUS, 1) & ~64)
for i in range(100):
    write(NOTIFY, 2, i)

for offset in range(0, 0x7FF8, 4):
    read(offset, 4)
for page in (COMMON, ISR, DEVICE, NOTIFY, TABLE, PBA):
    for offset in range(page, page + 64):
        for n in (1, 2, 4, 8):
            write(offset, n, 0xA5A5A5A5A5A5A5A5)
write(STATUS, 1, 0)
print("reset", read(STATUS, 1))

config = os.open(device + "/config", os.O_RDWR)
for offset in range(64, 256, 4):
    os.pwrite(config, b"\xff\xff\xff\xff", offset)
os.pwrite(config, b"\0\0", 4)  # the BAR goes away ...
os.pwrite(config, b"\xff\xff\xff\xff", 16)  # ... and would come back on the last page
os.pwrite(config, b"\2\0", 4)
print("alive")
