#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# checkpoint --pre-dump, --parent-path: most of the memory is written while the container runs.

load checkpoint

# start_changing - a container that counts, and has 100 MB of which it changes some pages with each
# count; asked with USR1 it ends with 42 if they are what they should be
start_changing() {
	# shellcheck disable=SC2016 # for the container
	args /usr/bin/python3 -c 'import os, signal, time, zlib
b = bytearray(os.urandom(1 << 20) * 100)
crc = zlib.crc32(b)
told = [0] * 64
n = 0
def check(*a):
    for i, v in enumerate(told):
        if b[i * 300000] != v & 255: os._exit(1)
    for i in range(64): b[i * 300000] = old[i]
    os._exit(42 if zlib.crc32(b) == crc else 2)
old = [b[i * 300000] for i in range(64)]
for i in range(64): b[i * 300000] = 0
signal.signal(signal.SIGUSR1, check)
with open("/t/ticks", "a", buffering=1) as f:
    while True:
        n += 1
        told[n % 64] = n
        b[n % 64 * 300000] = n & 255
        print(n, file=f)
        time.sleep(0.05)'
	hull run -d -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>"$BATS_TEST_TMPDIR/err"
	wait_for 100 more_than 3
}

blocks() {
	du -k "$1/machine" | cut -f 1
}

# dump NAME [OPTIONS...] - a pre-dump into $WORK/images/NAME
dump() {
	hull checkpoint --image-path "$WORK/images/$1" --pre-dump "${@:2}" "$ID"
}

setup() {
	ID=${WORK##*/}-$BATS_TEST_NUMBER
	rm -rf "$WORK/images" "$BUNDLE/rootfs/t"
	mkdir -p "$BUNDLE/rootfs/t"
	: >"$BUNDLE/rootfs/t/ticks"
	cp "$BUNDLE/config.default" "$BUNDLE/config.json"
	config '.process.terminal = false | .root.readonly = false'
	IMAGE=$WORK/images/final
}

@test "pre-dump: the last step writes what changed since, and a restore has all of it" {
	start_changing
	hull checkpoint --image-path "$WORK/images/full" --leave-running --status-fd 7 "$ID" 7>"$WORK/full"
	dump 1
	lives_on
	dump 2 --parent-path ../1
	counts
	hull checkpoint --image-path "$IMAGE" --parent-path ../2 --status-fd 7 "$ID" 7>"$WORK/last"
	nothing_left "$ID"
	keep_files
	full=$(tail -c +2 "$WORK/full" | jq .paused_us)
	last=$(tail -c +2 "$WORK/last" | jq .paused_us)
	echo "paused: $full us of a full one, $last us of the last step; KiB: full $(blocks "$WORK/images/full")," \
		"1: $(blocks "$WORK/images/1"), 2: $(blocks "$WORK/images/2"), last: $(blocks "$IMAGE")"
	# bench has the ratio; here the machine may be anything
	[[ $last -lt $full ]]
	# What is changed in a huge page is all of that page.
	[[ $(($(blocks "$IMAGE") * 2)) -lt $(blocks "$WORK/images/full") ]]
	restore "$ID"
	counts
	no_gap
	is_right "$ID"
	hull delete "$ID"

	start_over
	restore "$ID" --lazy-pages
	counts
	no_gap
	is_right "$ID"
}

# flip_all FILE - a bit in each 64 KiB of memory that the image has
flip_all() {
	python3 -c '
import os, sys
fd = os.open(sys.argv[1], os.O_RDWR); at = 2 << 20; size = at + (512 << 20)
while at < size:
    try: at = os.lseek(fd, at, os.SEEK_DATA)
    except OSError: break
    byte = os.pread(fd, 1, at)[0]
    os.pwrite(fd, bytes([byte ^ 4]), at)
    at = (at // 65536 + 1) * 65536' "$1"
}

@test "pre-dump: parents that are missing, foreign or damaged are refused by name" {
	start_changing
	dump 1
	cp -a "$WORK/images/1" "$WORK/images/old"
	dump 1
	run --separate-stderr hull checkpoint --image-path "$IMAGE" --parent-path ../old "$ID"
	# shellcheck disable=SC2154 # bats sets it
	echo "$stderr"
	[[ $status -eq 1 && $stderr == *"the parent image is not the last pre-dump of this container"* ]]
	run --separate-stderr hull checkpoint --image-path "$IMAGE" --parent-path ../none "$ID"
	echo "$stderr"
	[[ $status -eq 1 && $stderr == *"--parent-path '../none': parent '../none': No such file or directory"* ]]
	run --separate-stderr hull checkpoint --image-path "$IMAGE" --parent-path "$WORK/images/1" "$ID"
	echo "$stderr"
	[[ $status -eq 1 && $stderr == *"must be relative to --image-path"* ]]
	[[ ! -e $IMAGE ]]
	lives_on
	hull checkpoint --image-path "$IMAGE" --parent-path ../1 "$ID"
	keep_files

	run --separate-stderr hull restore --image-path "$WORK/images/1" -b "$BUNDLE" -d "$ID"
	echo "$stderr"
	[[ $status -eq 1 && $stderr == *"'$WORK/images/1/machine': it is a pre-dump"* ]]
	mv "$WORK/images/1" "$WORK/images/away"
	refused "$ID" "'$IMAGE/machine': parent '../1': No such file or directory"
	mv "$WORK/images/old" "$WORK/images/1"
	refused "$ID" "parent '../1': it is another image than the one it was made upon"
	rm -r "$WORK/images/1"
	mv "$WORK/images/away" "$WORK/images/1"
	# somewhere in what did not change since
	cp -a "$WORK/images/1/machine" "$WORK/images/whole"
	flip_all "$WORK/images/1/machine"
	refused "$ID" "'$IMAGE/machine', or a parent: it is damaged at byte "
	mv "$WORK/images/whole" "$WORK/images/1/machine"
	restore "$ID"
	counts
	is_right "$ID"
}
