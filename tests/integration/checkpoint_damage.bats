#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# checkpoint, restore: images that are not whole, and processes that are killed.

load checkpoint

@test "checkpoint: an image that is cut off or has a flipped bit is refused" {
	start_counter
	checkpoint
	cp --sparse=always "$IMAGE/machine" "$WORK/whole"
	# of the head, the state, the first and the last page of memory that are there
	size=$(stat -c %s "$WORK/whole")
	last=$(python3 -c '
import os, sys
fd = os.open(sys.argv[1], os.O_RDONLY); at = 2 << 20; found = 0
size = os.fstat(fd).st_size
while at < size:
    try: at = os.lseek(fd, at, os.SEEK_DATA)
    except OSError: break
    end = os.lseek(fd, at, os.SEEK_HOLE)
    data = os.pread(fd, end - at, at).rstrip(b"\0")
    if data: found = at + len(data) - 1
    at = end
print(found)' "$WORK/whole")
	for offset in 0 9 4097 5000 "$last"; do
		cp --sparse=always "$WORK/whole" "$IMAGE/machine"
		flip "$offset"
		echo "flipped at $offset of $size"
		refused "$ID" "image"
	done
	for size in 0 100 5000 3000000 $((size - 1)) $((size / 2)); do
		cp --sparse=always "$WORK/whole" "$IMAGE/machine"
		truncate -s "$size" "$IMAGE/machine"
		echo "cut off at $size"
		refused "$ID" "it is"
	done
	cp --sparse=always "$WORK/whole" "$IMAGE/machine"
	restore "$ID"
	counts
	no_gap
}

@test "checkpoint: kill -9 of hull-vmm, and of hull, while the machine is saved" {
	# Enough memory that nobody is too late.
	start_big 200
	mkdir -p "$IMAGE"
	mount -t tmpfs -o size=600M tmpfs "$IMAGE"
	saving() { [[ $(df --output=used "$IMAGE" | tail -n 1) -gt 2000 ]]; }
	free() { [[ $(df --output=used "$IMAGE" | tail -n 1) -lt 100 ]]; }

	command hull --root "$STATE" checkpoint --image-path "$IMAGE" "$ID" 2>"$WORK/err" 3>&- &
	wait_for 60 saving
	kill -9 $!
	wait $! || true
	wait_for 60 free
	lives_on
	no_gap

	pid=$(pid_of "$ID")
	hull checkpoint --image-path "$IMAGE" "$ID" 2>"$WORK/err" 3>&- &
	wait_for 60 saving
	kill -9 "$pid"
	status=0
	wait $! || status=$?
	cat "$WORK/err"
	[[ $(status_of "$ID") == stopped || $status -eq 0 ]]
	# All of it, if it was quicker than we; or nothing.
	if [[ $status -eq 0 ]]; then
		[[ $(stat -c %s "$IMAGE/machine") -gt $((512 << 20)) ]]
		rm "$IMAGE"/*
	else
		[[ $status -eq 1 ]]
		grep -q 'hull-vmm has ended' "$WORK/err"
	fi
	[[ -z $(ls -A "$IMAGE") ]]
	wait_for 60 free
	umount "$IMAGE"
}
