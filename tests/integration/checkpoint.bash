# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What the files about checkpoint and restore share: a container that counts, into a
# file that it has open and with a variable that is in its memory only.

load helpers

setup() {
	ID=${WORK##*/}-$BATS_TEST_NUMBER
	IMAGE=$WORK/image
	rm -rf "$IMAGE" "$BUNDLE/rootfs/t"
	mkdir -p "$BUNDLE/rootfs/t"
	: >"$BUNDLE/rootfs/t/ticks"
	cp "$BUNDLE/config.default" "$BUNDLE/config.json"
	config '.process.terminal = false | .root.readonly = false'
}

ticks() {
	wc -l <"$BUNDLE/rootfs/t/ticks"
}

more_than() {
	[[ $(ticks) -gt $1 ]]
}

# counts - the container $ID goes on counting
counts() {
	wait_for 30 more_than "$(ticks)"
}

# still - nobody counts for a second
still() {
	local before

	before=$(ticks)
	sleep 1
	[[ $(ticks) -eq $before ]]
}

# no_gap - from 1 on, and no number is missing or there twice
no_gap() {
	local n

	n=$(ticks)
	cmp <(seq "$n") <(head -n "$n" "$BUNDLE/rootfs/t/ticks")
}

# start_counter - a container that runs and counts; USR1 ends it with 42
start_counter() {
	# shellcheck disable=SC2016 # for the container
	args /bin/sh -c 'exec 5>>/t/ticks; trap "exit 42" USR1; n=0
		while :; do n=$((n + 1)); echo $n >&5; sleep 0.05; done'
	hull run -d -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>"$BATS_TEST_TMPDIR/err"
	wait_for 60 more_than 3
}

# start_big [MIB] - a container that counts, and knows the sum of so much memory (100) that it
# has: asked with USR1 it ends with 42 if that is right
start_big() {
	args /usr/bin/python3 -c "import os, signal, time, zlib
b = bytearray(os.urandom(1 << 20) * ${1-100})
crc = zlib.crc32(b)
signal.signal(signal.SIGUSR1, lambda *a: os._exit(42 if zlib.crc32(b) == crc else 1))
with open('/t/ticks', 'a', buffering=1) as f:
    n = 0
    while True:
        n += 1
        print(n, file=f)
        time.sleep(0.05)"
	hull run -d -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>"$BATS_TEST_TMPDIR/err"
	wait_for 100 more_than 3
}

# is_right ID - it has the memory that it had; this ends it
is_right() {
	hull kill "$1" USR1
	wait_for 60 is_stopped "$1"
	[[ $(od -An -td4 "$STATE/$1/status" | tr -s ' ') == " 4 42" ]]
}

# checkpoint [OPTIONS...] - of $ID, into $IMAGE
checkpoint() {
	hull checkpoint --image-path "$IMAGE" "$@" "$ID"
}

# restore ID [OPTIONS...] - detached, from $IMAGE
restore() {
	hull restore --image-path "$IMAGE" -b "$BUNDLE" -d "${@:2}" "$1" \
		</dev/null >/dev/null 2>"$BATS_TEST_TMPDIR/err" ||
		fail "restore: $(<"$BATS_TEST_TMPDIR/err")"
}

# lives_on - as if no checkpoint had been asked for
lives_on() {
	[[ $(status_of "$ID") == running ]]
	counts
	[[ $(hull exec "$ID" echo alive) == alive ]]
	[[ $(hull freeze --status "$ID" | jq -r .state) == thawed ]]
}

# refused ID TEXT [OPTIONS...] - a restore that fails with TEXT and leaves nothing
refused() {
	local err=$BATS_TEST_TMPDIR/refused status=0

	# into a file: one that is not refused would keep a pipe open
	hull restore --image-path "$IMAGE" -b "$BUNDLE" -d "${@:3}" "$1" \
		</dev/null >/dev/null 2>"$err" || status=$?
	cat "$err"
	[[ $status -eq 1 && $(<"$err") == *"$2"* ]]
	nothing_left "$1"
}

# flip OFFSET - one bit of the image
flip() {
	local byte

	byte=$(od -An -tu1 -j "$1" -N1 "$IMAGE/machine" | tr -d ' ')
	# shellcheck disable=SC2059 # the format is made here
	printf "\\x$(printf %x $((byte ^ 4)))" |
		dd of="$IMAGE/machine" bs=1 seek="$1" conv=notrunc status=none
}

# last_byte - the offset in the image of the last byte of memory (512 MiB) that is not zero
last_byte() {
	python3 -c '
import os, sys
fd = os.open(sys.argv[1], os.O_RDONLY); at = 2 << 20; found = 0
size = (2 << 20) + (512 << 20)
while at < size:
    try: at = os.lseek(fd, at, os.SEEK_DATA)
    except OSError: break
    end = min(size, os.lseek(fd, at, os.SEEK_HOLE))
    data = os.pread(fd, max(0, end - at), at).rstrip(b"\0")
    if data: found = at + len(data) - 1
    at = end
print(found)' "$IMAGE/machine"
}

# keep_files - what the container has open is, when the checkpoint was; start_over() puts it back
keep_files() {
	cp -p "$BUNDLE/rootfs/t/ticks" "$WORK/ticks"
}

start_over() {
	cp -p "$WORK/ticks" "$BUNDLE/rootfs/t/ticks"
}
