#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# Machines that go on from a template. A word of its own on the guest's command line gives
# this file templates of its own.

load helpers

DIR=/run/hull-templates
KERNEL=$(dirname "$(command -v hull)")/../vmlinux # hull's own

# warm ARGS... - hull with this file's templates
warm() {
	hull --set "cmdline=hull.test=${WORK##*.}" "$@"
}

# run_warm ARG... - bats' run of a container that runs ARG...; its log is in $LOG
run_warm() {
	LOG=$BATS_TEST_TMPDIR/log
	rm -f "$LOG"
	args "$@"
	run --separate-stderr warm --debug --log "$LOG" run -b "$BUNDLE" "$ID"
	cat "$LOG"
}

templates() {
	find "$DIR" -type f -name '????????????????' -printf '%f\n' 2>/dev/null | sort
}

setup_file() {
	make_bundle
	templates >"$WORK/before"
}

teardown_file() {
	remove_ours
	teardown_bundle
}

# ours - this file's templates
ours() {
	templates | comm -13 "$WORK/before" -
}

@test "template: the first machine boots and becomes one, the second goes on from it" {
	local before

	run_warm /bin/sh -c 'echo first; cat /proc/sys/kernel/random/boot_id'
	[[ $status -eq 0 && ${lines[0]} == first ]]
	grep -q 'kernel loaded' "$LOG"
	grep -q 'template saved' "$LOG"
	before=${lines[1]}
	[[ $(ours | wc -l) -eq 1 ]]
	[[ $(stat -c '%a %U' "$DIR/$(ours)") == '400 root' ]]

	run_warm /bin/sh -c 'echo second; cat /proc/sys/kernel/random/boot_id'
	[[ $status -eq 0 && ${lines[0]} == second ]]
	grep -q 'template loaded' "$LOG"
	[[ ${lines[1]} != "$before" ]]
	run ! grep -qE 'kernel loaded|template saved' "$LOG"
	[[ $(ours | wc -l) -eq 1 ]]
}

# changed_text FILE - pages of the kernel's first segment (all that is read-only), and of what
# pads it to whole pieces of 2 MiB, that the container has changed: the bits behind RAM and sums
changed_text() {
	python3 - "$1" "$KERNEL" <<-'END'
		import struct, sys
		image, kernel = (open(name, "rb") for name in sys.argv[1:])
		elf = kernel.read(4096)
		phoff, size = struct.unpack_from("<Q", elf, 32)[0], struct.unpack_from("<H", elf, 54)[0]
		kind, _, _, _, start, length = struct.unpack_from("<IIQQQQ", elf, phoff)
		assert kind == 1 and size == 56
		ram = struct.unpack("<Q", image.seek(4096 + 32) and image.read(8))[0]
		image.seek((2 << 20) + ram + ram // 65536 * 4)
		bits = image.read(ram // 4096 // 8)
		end = (start + length + (2 << 20) - 1) >> 21 << 21
		assert any(bits), "nothing was noted"
		print(*(hex(p << 12) for p in range(start >> 12, end >> 12) if bits[p // 8] >> p % 8 & 1))
	END
}

@test "template: what is read-only of the kernel stays one copy for all machines" {
	[[ -z $(changed_text "$DIR/$(ours)") ]]
}

@test "template: with off there is none" {
	args /bin/true
	run --separate-stderr warm --set template=off --set cmdline=hull.test=off --debug \
		--log "$BATS_TEST_TMPDIR/log" run -b "$BUNDLE" "$ID"
	[[ $status -eq 0 ]]
	grep -q 'kernel loaded' "$BATS_TEST_TMPDIR/log"
	run ! grep -q template "$BATS_TEST_TMPDIR/log"
	[[ $(ours | wc -l) -eq 1 ]]
}

@test "template: the clock is the host's, and none goes back" {
	local before after

	before=$(date +%s)
	run_warm /bin/sh -c 'date +%s; cat /proc/uptime; sleep 1; cat /proc/uptime; date +%s'
	after=$(date +%s)
	[[ $status -eq 0 ]]
	grep -q 'template loaded' "$LOG"
	[[ ${lines[0]} -ge $before && ${lines[3]} -le $after ]]
	[[ ${lines[3]} -gt ${lines[0]} ]]
	awk -v a="${lines[1]% *}" -v b="${lines[2]% *}" 'BEGIN { exit !(b - a >= 1 && b - a < 60 && a < 300) }'
}

@test "template: no two machines share a random byte, a uuid or an address' randomness" {
	local i seen=()

	for i in 1 2 3; do
		run_warm /bin/sh -c 'head -c 16 /dev/urandom | od -An -tx1; cat /proc/sys/kernel/random/uuid
			grep -m 1 stack /proc/self/maps'
		[[ $status -eq 0 && ${#lines[@]} -eq 3 ]]
		grep -q 'template loaded' "$LOG"
		seen+=("${lines[@]}")
	done
	[[ $(printf '%s\n' "${seen[@]}" | sort -u | wc -l) -eq 9 ]]
}

@test "template: volumes, exec, an exit status, a second container beside it" {
	mkdir -p "$WORK/volume"
	echo outside >"$WORK/volume/file"
	config --arg v "$WORK/volume" '.mounts += [{destination: "/v", type: "bind", source: $v, options: ["bind"]}]'
	args /bin/sh -c 'trap "exit 42" USR1; while :; do sleep 1000 & wait; done'
	warm run -d -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1
	wait_for 30 sleeps
	warm run -d -b "$BUNDLE" "$ID-b" </dev/null >/dev/null 2>&1
	run hull exec "$ID" cat /v/file
	[[ $output == outside ]]
	hull exec "$ID-b" /bin/sh -c 'echo inside >/v/other'
	[[ $(cat "$WORK/volume/other") == inside ]]
	hull kill "$ID" USR1
	wait_for 30 is_stopped "$ID"
	[[ $(status_of "$ID-b") == running ]]
}

@test "template: two vCPUs are there from the first instruction" {
	local i

	for i in make use; do
		VCPUS=2 run_warm /bin/sh -c 'nproc; taskset -c 1 cat /proc/self/stat | cut -d" " -f39'
		[[ $status -eq 0 ]]
		[[ ${lines[0]} == 2 && ${lines[1]} == 1 ]]
	done
	grep -q 'template loaded' "$LOG"
}

@test "template: several at once" {
	local i pids=()

	args /bin/sh -c 'head -c 8 /dev/urandom | od -An -tx1'
	for i in 1 2 3 4; do
		warm run -b "$BUNDLE" "$ID-$i" </dev/null >"$WORK/out.$i" 2>"$WORK/err.$i" &
		pids+=($!)
	done
	for i in "${pids[@]}"; do
		wait "$i"
	done
	[[ $(sort -u "$WORK"/out.? | wc -l) -eq 4 ]]
}

remove_ours() {
	(cd "$DIR" && ours | xargs -r rm --)
}

# damaged COMMAND... - COMMAND with the file of a template, then a start that would use it
damaged() {
	remove_ours
	run_warm /bin/true
	[[ $status -eq 0 ]]
	"$@" "$DIR/$(ours)"
	run_warm /bin/echo alive
	[[ $status -eq 0 && $output == alive ]]
	grep -q 'kernel loaded' "$LOG"
}

flip() {
	printf '\377' | dd of="$1" bs=1 seek=$((4096 + 40 + 1000)) conv=notrunc status=none
}

@test "template: a damaged one is not used, and made anew" {
	damaged flip
	grep -q 'the template is not used: its state is damaged (CRC)' "$LOG"
	run_warm /bin/true
	[[ $status -eq 0 ]]
	grep -q 'template saved' "$LOG"
	run_warm /bin/true
	grep -q 'template loaded' "$LOG"
}

@test "template: one that is cut off is not used" {
	damaged truncate -s 1M
	grep -q 'the template is not used: it is cut off' "$LOG"
}

# other_cpu FILE - as saved on another processor: CPUID, and the CRC of the state
other_cpu() {
	python3 - "$1" <<-'END'
		import os, struct, sys, zlib
		fd = os.open(sys.argv[1], os.O_RDWR)
		head = bytearray(os.pread(fd, 40, 4096))
		state = bytearray(os.pread(fd, struct.unpack_from("<Q", head, 24)[0], 4096 + 40))
		state[state.index(b"cpid") + 16 + 40] ^= 1
		struct.pack_into("<I", head, 12, zlib.crc32(state))
		os.pwrite(fd, head + state, 4096)
	END
}

@test "template: one of another processor is not used: the machine boots in its place" {
	damaged other_cpu
	grep -q 'the template is not used: it was saved on another processor (CPUID)' "$LOG"
	run_warm /bin/true
	grep -q 'template saved' "$LOG"
}

another_key() {
	printf 'x' | dd of="$1" bs=1 conv=notrunc status=none
}

@test "template: one of another key, under the right name, is made anew" {
	damaged another_key
	grep -q 'template saved' "$LOG"
	run_warm /bin/true
	grep -q 'template loaded' "$LOG"
}

# flip_ram FILE - the last byte of its RAM that is not zero
flip_ram() {
	python3 - "$1" <<-'END'
		import os, sys
		fd = os.open(sys.argv[1], os.O_RDWR)
		at = os.lseek(fd, 2 << 20, os.SEEK_DATA)
		page = os.pread(fd, 65536, at)
		i = max(i for i in range(len(page)) if page[i])
		os.pwrite(fd, bytes([page[i] ^ 1]), at + i)
	END
}

@test "template: memory that was damaged is found, and made anew" {
	local name

	remove_ours
	warm template build
	name=$(ours)
	hull template verify "$name"
	flip_ram "$DIR/$name"
	run --separate-stderr hull template verify "$name"
	[[ $status -eq 1 ]]
	[[ $stderr == *"template '$name': it is damaged at byte "* ]]
	[[ -z $(ours) ]]
	run_warm /bin/true
	[[ $status -eq 0 ]]
	grep -q 'template saved' "$LOG"
	hull template verify "$(ours)"
}

@test "template: a group has its own" {
	local first

	remove_ours
	run_warm /bin/true
	first=$(ours)
	config '.annotations["org.hull.template.group"] = "alice"'
	run_warm /bin/true
	[[ $status -eq 0 ]]
	grep -q 'template saved' "$LOG"
	[[ $(ours | wc -l) -eq 2 ]]
	run_warm /bin/true
	grep -q 'template loaded' "$LOG"
	config '.annotations["org.hull.template.group"] = "bob/"'
	run_warm /bin/true
	[[ $status -eq 1 && $stderr == *"org.hull.template.group=bob/: expected "* ]]
	config 'del(.annotations["org.hull.template.group"])'
	run_warm /bin/true
	grep -q 'template loaded' "$LOG"
	hull template rm "$first"
}

# vmm_runs - hull-vmm's pid, once it has its threads
vmm_runs() {
	local tasks

	VMM=$(vmms | sed -n '1s|/proc/\([0-9]*\)/.*|\1|p')
	tasks=$(ls "/proc/${VMM:-none}/task" 2>/dev/null | wc -l)
	[[ $tasks -ge 3 ]]
}

# vmm_saves - there is something in the file that it was given for its machine
vmm_saves() {
	local fd

	fd=$(find "/proc/$VMM/fd" -lname '/memfd:hull-template*')
	[[ $(stat -L -c %b "$fd") -gt 0 ]]
}

# killed COMMAND - hull-vmm is killed once COMMAND is true, and hull, which would take what
# was saved, does nothing meanwhile
killed() {
	local waits hull status=0

	timeout 60 hull --root "$STATE" --set vcpus=1 --set memory=512M --set "cmdline=hull.test=${WORK##*.}" \
		run -b "$BUNDLE" "$ID" </dev/null >"$WORK/out" 2>"$WORK/err" &
	waits=$!
	wait_for 30 vmm_runs
	hull=$(pgrep -P "$waits" -x hull)
	kill -STOP "$hull"
	wait_for 30 "$1"
	kill -KILL "$VMM"
	kill -CONT "$hull"
	wait "$waits" || status=$?
	[[ $status -eq 1 ]]
	grep -q 'hull-vmm ended unexpectedly: signal 9 (Killed)' "$WORK/err"
	nothing_left "$ID"
	[[ -z $(ours) ]]
}

@test "template: hull-vmm killed while it makes one leaves none" {
	remove_ours
	args /bin/true
	killed vmm_runs
	killed vmm_saves
	run_warm /bin/true
	[[ $status -eq 0 ]]
	grep -q 'template saved' "$LOG"
	run_warm /bin/true
	[[ $status -eq 0 ]]
	grep -q 'template loaded' "$LOG"
}

@test "template: a full folder costs the template, not the container" {
	local blocks free

	remove_ours
	read -r blocks free < <(stat -f -c '%b %f' "$DIR")
	mount -o "remount,nr_blocks=$((blocks - free + 100))" "$DIR"
	run_warm /bin/echo alive
	mount -o remount,size=1G "$DIR"
	[[ $status -eq 0 && $output == alive ]]
	grep -q 'template: sendfile: No space left on device' "$LOG"
	[[ -z $(ours) ]]
	run_warm /bin/true
	[[ $status -eq 0 ]]
	[[ $(ours | wc -l) -eq 1 ]]
}

@test "template: built ahead, listed, verified and removed" {
	local name

	remove_ours
	warm template build
	name=$(ours)
	[[ ${#name} -eq 16 ]]
	run hull template list
	[[ $status -eq 0 ]]
	[[ ${lines[0]} =~ ^NAME\ +VCPUS\ +CARDS\ +BOOT-M\ +SIZE-M\ +USED$ ]]
	grep -qE "^$name +1 +0 +128 +[0-9]+  20.*Z$" <<<"$output"
	warm template build
	[[ $(ours) == "$name" ]]
	run_warm /bin/true
	grep -q 'template loaded' "$LOG"

	hull template verify "$name"
	flip "$DIR/$name"
	run --separate-stderr hull template verify "$name"
	[[ $status -eq 1 ]]
	[[ $stderr == *"template '$name': its state is damaged (CRC)"* ]]
	[[ -z $(ours) ]]
	warm template build
	hull template rm "$name"
	[[ -z $(ours) ]]
	run --separate-stderr hull template rm "$name"
	[[ $status -eq 1 && $stderr == *"template '$name': No such file or directory"* ]]
	run --separate-stderr hull template verify ../lock
	[[ $status -eq 1 && $stderr == *"'../lock' is no template's name"* ]]
	run --separate-stderr hull template frob
	[[ $status -eq 1 && $stderr == *"'frob' is none of build, list, rm, verify"* ]]
}
