#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# freeze: what a copy that is made meanwhile holds.  FREEZE_COPIES: how many are made (a few).

load freeze

@test "freeze: stores to a mapped file wait, and none is lost" {
	head -c 4M /dev/zero >"$BUNDLE/rootfs/t/map"
	args /usr/bin/python3 -c '
import mmap, os, signal
m = mmap.mmap(os.open("/t/map", os.O_RDWR), 0)
def end(*_):
    global on
    on = False
on = True
signal.signal(signal.SIGTERM, end)
print("begin", flush=True)
n = 0
while on:
    n += 1
    text = b"%16d" % n
    for at in (0, 8192, 1 << 20, (2 << 20) - 16, 3 << 20, (4 << 20) - 16):
        m[at : at + 16] = text
print(n, flush=True)'
	mkfifo "$WORK/out"
	exec 9<>"$WORK/out"
	hull run -d -b "$BUNDLE" "$ID" </dev/null >&9 2>/dev/null
	read -r -t 60 line <&9
	[[ $line == begin ]]
	for _ in $(seq "${FREEZE_COPIES:-3}"); do
		# shellcheck disable=SC2016 # for sh
		run --separate-stderr hull freeze "$ID" -- sh -c \
			'a=$(md5sum <"$1"); sleep 2; test "$a" = "$(md5sum <"$1")"' sh "$BUNDLE/rootfs/t/map"
		echo "$output $stderr"
		[[ $status -eq 0 ]]
		before=$(head -c 16 "$BUNDLE/rootfs/t/map")
		sleep 1
		[[ $(head -c 16 "$BUNDLE/rootfs/t/map") -gt $before ]]
	done
	hold
	sleep 1
	kill "$holder"
	wait_for 30 is_freeze_state thawed
	hull kill "$ID" TERM
	read -r -t 60 last <&9
	wait_for 60 is_stopped "$ID"
	for at in 0 8192 1048576 2097136 3145728 4194288; do
		[[ $(dd if="$BUNDLE/rootfs/t/map" bs=16 skip=$((at / 16)) count=1 status=none) -eq $last ]]
	done
	rm "$WORK/out"
}

@test "freeze: what is dirty in the guest comes to the host first" {
	mkdir -p "$WORK/volume"
	: >"$WORK/volume/small"
	truncate -s 100000 "$BUNDLE/rootfs/t/small" "$WORK/volume/small"
	# shellcheck disable=SC2016 # jq's variable
	config --arg volume "$WORK/volume" '.mounts += [
		{destination: "/volume", type: "bind", source: $volume, options: ["bind"]}]'
	args /usr/bin/python3 -c '
import mmap, os, time
maps = [mmap.mmap(os.open(d + "/small", os.O_RDWR), 0) for d in ("/t", "/volume")]
for m in maps:
    m[50000:50006] = b"stored"
print("stored", flush=True)
time.sleep(1000)'
	hull run -d -b "$BUNDLE" "$ID" </dev/null >"$WORK/out" 2>&1
	wait_for 60 grep -q stored "$WORK/out"
	run ! grep -q stored "$WORK/volume/small"
	# shellcheck disable=SC2016 # for sh
	hull freeze "$ID" -- sh -c 'grep -q stored "$1" && grep -q stored "$2"' sh \
		"$BUNDLE/rootfs/t/small" "$WORK/volume/small"
}

@test "freeze: the copies of a database are whole" {
	args /usr/bin/python3 -c '
import os, sqlite3
db = sqlite3.connect("/t/rows.db", isolation_level=None)
db.execute("pragma journal_mode=wal")
db.execute("create table rows (n integer)")
acks = os.open("/t/ticks", os.O_WRONLY | os.O_APPEND)
n = 0
while True:
    n += 1
    db.execute("insert into rows values (?)", (n,))
    os.write(acks, b"%d\n" % n)'
	rm -f "$BUNDLE/rootfs/t/"*
	: >"$BUNDLE/rootfs/t/ticks"
	hull run -d -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>"$WORK/err"
	wait_for 60 more_than 3
	for _ in $(seq "${FREEZE_COPIES:-5}"); do
		rm -rf "$WORK/copy"
		hull freeze "$ID" -- cp -a "$BUNDLE/rootfs/t" "$WORK/copy"
		python3 - "$WORK/copy" <<'END'
import sqlite3, sys
last = int(open(sys.argv[1] + "/ticks").read().split("\n")[-2])
db = sqlite3.connect(sys.argv[1] + "/rows.db")
assert db.execute("pragma integrity_check").fetchall() == [("ok",)]
rows = [n for n, in db.execute("select n from rows order by n")]
assert rows == list(range(1, len(rows) + 1)) and len(rows) >= last, (len(rows), last)
END
		goes_on
	done
}

@test "freeze: a file system on a loop device in the container" {
	head -c 16M /dev/zero >"$BUNDLE/rootfs/t/image"
	mkfs.ext4 -q "$BUNDLE/rootfs/t/image"
	config '.process.capabilities |= map_values(["CAP_SYS_ADMIN", "CAP_MKNOD", "CAP_DAC_OVERRIDE"])
		| .linux.resources.devices = [{allow: true, access: "rwm"}] | del(.linux.seccomp)
		| .mounts += [{destination: "/mnt", type: "tmpfs", source: "tmpfs"}]'
	args /bin/sh -ec '
		mknod /dev/loop-control c 10 237
		mknod /dev/loop0 b 7 0
		mkdir /mnt/fs
		mount -o loop /t/image /mnt/fs
		echo mounted
		while :; do echo >>/mnt/fs/log; done'
	hull run -d -b "$BUNDLE" "$ID" </dev/null >"$WORK/out" 2>&1
	wait_for 60 grep -q mounted "$WORK/out"
	hold
	run hull freeze --status "$ID"
	echo "$output"
	[[ $(jq -r '.mounts[] | select(.destination == "/mnt/fs") | .frozen_by' <<<"$output") == block ]]
	[[ $(jq '.mounts[] | select(.destination == "/mnt")' <<<"$output") == "" ]]
	cp "$BUNDLE/rootfs/t/image" "$WORK/image"
	kill -9 "$holder"
	wait_for 30 is_freeze_state thawed
	e2fsck -fn "$WORK/image"
	lines() { hull exec "$ID" sh -c 'wc -l </mnt/fs/log'; }
	before=$(lines)
	grows() { [[ $(lines) -gt $before ]]; }
	wait_for 30 grows
	# one that ends while it is frozen
	hold
	SECONDS=0
	hull delete --force "$ID"
	[[ $SECONDS -lt 20 ]]
}
