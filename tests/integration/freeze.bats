#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# freeze, thaw: what a frozen container's files do, who holds a freeze, and how it ends.

load helpers

# ticks - how far the container's counter has come
ticks() {
	wc -l <"$BUNDLE/rootfs/t/ticks"
}

more_than() {
	[[ $(ticks) -gt $1 ]]
}

# start_writer - a container that appends, makes, renames and removes files without a pause
start_writer() {
	args /usr/bin/python3 -c '
import os
n = 0
log = open("/t/ticks", "a")
while True:
    n += 1
    log.write("%d\n" % n); log.flush()
    with open("/t/new", "w") as f: f.write("x" * n)
    os.rename("/t/new", "/t/file%d" % (n % 5))
    if n % 7 == 0: os.unlink("/t/file%d" % (n % 5))'
	rm -f "$BUNDLE/rootfs/t/"*
	: >"$BUNDLE/rootfs/t/ticks"
	hull run -d -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1
	wait_for 60 more_than 3
}

# hold [OPTIONS...] - a `hull freeze` of its own, frozen when this returns; its pid is $holder
hold() {
	local out

	out=$(mktemp -p "$BATS_TEST_TMPDIR")
	# shellcheck disable=SC2016,SC2094 # for sh; nothing is read
	timeout -s KILL 100 sh -c 'echo $$ >"$1.pid"; shift; exec "$@"' sh "$out" \
		hull --root "$STATE" freeze "$@" "$ID" >"$out" 2>"$out.err" 3>&- 9>&- &
	wait_for 60 grep -q frozen "$out"
	holder=$(<"$out.pid")
	holder_err=$out.err
}

freeze_state() {
	hull freeze --status "$ID" | jq -r .state
}

is_freeze_state() {
	[[ $(freeze_state) == "$1" ]]
}

# still - nothing is written for two seconds
still() {
	local before

	before=$(ticks)
	sleep 2
	[[ $(ticks) -eq $before ]]
}

goes_on() {
	local before

	before=$(ticks)
	wait_for 30 more_than "$before"
}

gone() {
	[[ ! -e /proc/$1 ]]
}

@test "freeze: copies under a freeze are alike, while a container writes without a pause" {
	start_writer
	cat >"$WORK/copies" <<'END'
set -e
cp -a "$1" "$2/one"
sleep 1
cp -a "$1" "$2/two"
find "$1" -printf '%P %s %T@ %C@\n' | sort >"$2/list"
sleep 0.5
find "$1" -printf '%P %s %T@ %C@\n' | sort | cmp - "$2/list"
diff -r "$2/one" "$2/two"
diff -r "$1" "$2/two"
exit 7
END
	for _ in 1 2 3; do
		rm -rf "$WORK/one" "$WORK/two"
		run --separate-stderr hull freeze "$ID" -- sh "$WORK/copies" "$BUNDLE/rootfs/t" "$WORK"
		echo "$output $stderr"
		[[ $status -eq 7 ]]
		goes_on
	done
	is_freeze_state thawed
}

@test "freeze: reads go on" {
	start_writer
	head -c 5M /dev/urandom >"$BUNDLE/rootfs/t/big"
	echo small >"$BUNDLE/rootfs/t/small"
	hold
	is_freeze_state frozen
	run hull exec "$ID" sh -c 'cat /t/small; ls /usr/share | wc -l; test -s /etc/passwd && cmp /t/big /t/big && echo same'
	echo "$output"
	[[ $status -eq 0 && ${lines[0]} == small && ${lines[2]} == same ]]
	[[ $(hull exec "$ID" md5sum /t/big) == "$(md5sum <"$BUNDLE/rootfs/t/big" | cut -d' ' -f1)"* ]]
	still
	kill "$holder"
	goes_on
}

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
	for _ in 1 2 3; do
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

@test "freeze: the holder's death thaws" {
	start_writer
	hold
	still
	kill -9 "$holder"
	goes_on
	wait_for 30 is_freeze_state thawed
}

@test "freeze: two holders are a union" {
	start_writer
	hold
	first=$holder
	hold
	[[ $(hull freeze --status "$ID" | jq '.holders | length') -eq 2 ]]
	kill -9 "$first"
	wait_for 10 gone "$first"
	is_freeze_state frozen
	still
	hull freeze "$ID" -- true
	still
	kill -9 "$holder"
	goes_on
}

@test "freeze: a deadline thaws, and the exit status says so" {
	start_writer
	SECONDS=0
	run --separate-stderr hull freeze --timeout 2 "$ID" -- sh -c 'sleep 5; exit 0'
	echo "$output $stderr"
	[[ $status -eq 1 ]]
	[[ $stderr == *"the freeze has passed its deadline: the container was thawed"* ]]
	hold --timeout 1
	wait_for 10 gone "$holder"
	grep -q 'passed its deadline' "$holder_err"
	goes_on
	is_freeze_state thawed
}

@test "thaw: an administrator ends a freeze" {
	start_writer
	run --separate-stderr hull thaw "$ID"
	[[ $status -eq 1 && $stderr == *"container not frozen"* ]]
	hold
	still
	hull thaw "$ID"
	goes_on
	wait_for 10 gone "$holder"
	grep -q 'an administrator has thawed the container' "$holder_err"
}

@test "freeze: a frozen container can be killed and deleted" {
	start_writer
	hold
	still
	hull kill "$ID" KILL
	wait_for 20 is_stopped "$ID"
	wait_for 10 gone "$holder"
	grep -q 'the container was killed' "$holder_err"
	hull delete "$ID"
	start_writer
	hold
	still
	SECONDS=0
	hull delete --force "$ID"
	[[ $SECONDS -lt 20 ]]
	wait_for 10 gone "$holder"
	grep -q 'the container has ended' "$holder_err"
}

@test "freeze: kill -9 of hull-vmm" {
	start_writer
	hold
	kill -9 "$(pid_of "$ID")"
	wait_for 10 gone "$holder"
	grep -q 'the container has ended' "$holder_err"
	[[ $(status_of "$ID") == stopped ]]
	run --separate-stderr hull freeze "$ID"
	[[ $status -eq 1 && $stderr == *"container not running"* ]]
}

@test "freeze: hooks are called with freeze and thaw" {
	for hook in one two; do
		# shellcheck disable=SC2016 # for the hook
		printf '#!/bin/sh\necho %s $1 >>/run/hooks\n' "$hook" >"$BUNDLE/rootfs/usr/local/bin/hook-$hook"
		chmod 755 "$BUNDLE/rootfs/usr/local/bin/hook-$hook"
	done
	config '.annotations["org.hull.freeze.hooks"] = "/usr/local/bin/hook-one,/usr/local/bin/hook-two"'
	config '.mounts += [{destination: "/run", type: "tmpfs", source: "tmpfs"}]'
	start_writer
	hull freeze "$ID" -- sh -c 'exit 0'
	run hull exec "$ID" cat /run/hooks
	echo "$output"
	[[ $output == $'one freeze\ntwo freeze\ntwo thaw\none thaw' ]]
	# shellcheck disable=SC2016 # for the hook
	printf '#!/bin/sh\ntest $1 = thaw || { echo no; exit 3; }\n' >"$BUNDLE/rootfs/usr/local/bin/hook-two"
	run --separate-stderr hull freeze "$ID" -- true
	echo "$stderr"
	[[ $status -eq 1 ]]
	[[ $stderr == *"freeze hook '/usr/local/bin/hook-two': exit status 3, output: no"* ]]
	[[ $(hull exec "$ID" tail -n 2 /run/hooks) == $'one freeze\none thaw' ]]
	# shellcheck disable=SC2016 # for the hook
	printf '#!/bin/sh\ntest $1 = thaw || exec sleep 1000\n' >"$BUNDLE/rootfs/usr/local/bin/hook-two"
	run --separate-stderr hull freeze "$ID" -- true
	echo "$stderr"
	[[ $status -eq 1 && $stderr == *"ran past its timeout of 10 s"* ]]
	run --separate-stderr hull freeze --timeout 2 "$ID" -- true
	echo "$stderr"
	[[ $status -eq 1 && $stderr == *"the guest did not answer within 2.0 s"* ]]
	goes_on
	wait_for 30 is_freeze_state thawed
	run ! hull exec "$ID" pgrep -f 'sleep 1000'
}

@test "freeze: status and events tell who, since when, until when and what" {
	start_writer
	hull events --interval 1h "$ID" >"$WORK/events" 3>&- &
	sleep 1
	hold --timeout 50
	run hull freeze --status "$ID"
	echo "$output"
	[[ $(jq -r '.state, (.holders | length), .holders[0].uid, .holders[0].holds' <<<"$output" | paste -sd ' ') == "frozen 1 0 true" ]]
	[[ $(jq -r '.holders[0].pid' <<<"$output") -eq $holder ]]
	[[ $(jq -r '.mounts[] | select(.destination == "/") | .frozen_by' <<<"$output") == gate ]]
	since=$(date -d "$(jq -r '.holders[0].since' <<<"$output")" +%s)
	deadline=$(date -d "$(jq -r '.holders[0].deadline' <<<"$output")" +%s)
	[[ $((deadline - since)) -eq 50 ]]
	waits() { [[ $(hull freeze --status "$ID" | jq .waiting_requests) -gt 0 ]]; }
	wait_for 20 waits
	kill -9 "$holder"
	wait_for 20 grep -q thaw "$WORK/events"
	cat "$WORK/events"
	[[ $(jq -r 'select(.type == "freeze") | .data.pid' "$WORK/events") -eq $holder ]]
	[[ $(jq -r 'select(.type == "thaw") | .data.reason' "$WORK/events") == released ]]
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
	for _ in 1 2 3 4 5; do
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
