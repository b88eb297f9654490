#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# restore --lazy-pages: a container goes on before its memory is read.

load checkpoint

# lazily ID - a detached restore, with a log of its own
lazily() {
	hull --log "$WORK/log" --debug restore --image-path "$IMAGE" -b "$BUNDLE" -d --lazy-pages "$1" \
		</dev/null >/dev/null 2>"$BATS_TEST_TMPDIR/err" ||
		fail "restore: $(<"$BATS_TEST_TMPDIR/err")"
}

logged() {
	grep -q "$1" "$WORK/log"
}

# all_read ID - its memory is there
all_read() {
	wait_for 100 logged "'$IMAGE/machine': all memory is read"
}

teardown() {
	local id

	[[ ! -e $WORK/log ]] || cat "$WORK/log"
	rm -f "$WORK/log"
	for id in $(hull list -q); do
		hull delete -f "$id"
	done
}

@test "lazy: it goes on where it was; what was asked for first is noted, damage of that ignored" {
	start_big
	checkpoint --lazy-pages
	keep_files
	lazily "$ID"
	counts
	no_gap
	all_read
	[[ $(stat -c '%a %s' "$IMAGE/working-set") =~ ^600\ [1-9] ]]
	is_right "$ID"
	hull delete "$ID"
	rm "$WORK/log"

	printf x | dd of="$IMAGE/working-set" bs=1 seek=50 conv=notrunc status=none
	start_over
	lazily "$ID"
	counts
	logged "'$IMAGE/machine': its working set is not used: it is damaged (CRC)"
	is_right "$ID"
}

@test "lazy: a checkpoint of one whose memory is still being read is whole" {
	start_big
	checkpoint
	lazily "$ID"
	mv "$IMAGE" "$IMAGE-1"
	checkpoint
	restore "$ID"
	counts
	no_gap
	is_right "$ID"
	rm -r "$IMAGE-1"
}

@test "lazy: clones, each with its own random numbers" {
	# shellcheck disable=SC2016 # for the container
	args /bin/sh -c 'exec 5</dev/urandom; echo 1 >/t/ticks; while [ ! -e /t/end ]; do sleep 0.05; done
		head -c 16 <&5 | od -An -tx1; cat /proc/sys/kernel/random/uuid'
	hull run -d -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1
	wait_for 30 more_than 0
	checkpoint
	for n in 1 2 3; do
		hull restore --image-path "$IMAGE" -b "$BUNDLE" -d --lazy-pages "$ID-$n" \
			</dev/null >"$WORK/clone$n" 2>&1 3>&- &
	done
	wait
	for n in 1 2 3; do
		[[ $(status_of "$ID-$n") == running ]]
	done
	touch "$BUNDLE/rootfs/t/end"
	for n in 1 2 3; do
		wait_for 30 is_stopped "$ID-$n"
		[[ $(wc -l <"$WORK/clone$n") -eq 2 ]]
	done
	cat "$WORK"/clone?
	[[ $(cat "$WORK"/clone? | sort -u | wc -l) -eq 6 ]]
}

@test "lazy: a flipped bit ends it, by name, whenever that is found" {
	start_big
	checkpoint
	keep_files
	last=$(last_byte)
	flip "$last"
	if hull --log "$WORK/log" restore --image-path "$IMAGE" -b "$BUNDLE" -d --lazy-pages "$ID" \
		</dev/null >/dev/null 2>"$WORK/err" 3>&-; then
		wait_for 60 is_stopped "$ID"
		hull delete "$ID"
	fi
	chunk=$((last / 65536 * 65536))
	logged "the container is killed, for its memory is not there: '$IMAGE/machine': it is damaged at byte $chunk (CRC of 65536 bytes)"
	nothing_left "$ID"
	flip "$last"
	start_over
	lazily "$ID"
	counts
	is_right "$ID"
}

@test "lazy: a killed hull-vmm, a host that forbids it" {
	start_big
	checkpoint
	keep_files
	lazily "$ID"
	kill -9 "$(pid_of "$ID")"
	wait_for 30 is_stopped "$ID"
	hull delete "$ID"
	nothing_left "$ID"

	start_over
	# Whoever has neither the capability nor the device asks in vain.
	[[ ! -e /dev/userfaultfd ]] || mount --bind /dev/null /dev/userfaultfd
	status=0
	capsh --drop=cap_sys_ptrace -- -c "exec hull --root '$STATE' restore --image-path '$IMAGE' \
		-b '$BUNDLE' -d --lazy-pages '$ID'" </dev/null >/dev/null 2>"$WORK/err" 3>&- || status=$?
	[[ ! -e /dev/userfaultfd ]] || umount /dev/userfaultfd
	cat "$WORK/err"
	[[ $status -eq 0 ]]
	grep -q -- "--lazy-pages: userfaultfd: Operation not permitted: all memory is read first" "$WORK/err"
	counts
	is_right "$ID"
}
