#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# What a container has written is on the host when its end was asked for right after the
# last write returned: no fsync, most of it still in the guest's memory.
#
#	DURABILITY_MIB	how much it writes (64)

load helpers

setup_file() {
	make_bundle
	MIB=${DURABILITY_MIB:-64}
	export MIB HULL_DEADLINE=300
	mkdir "$WORK/bind" "$WORK/source"
	head -c "${MIB}M" /dev/urandom >"$WORK/source/bytes"
}

# writer FILE [map] - a running container that has just written FILE, by write(2) or into a
# mapping, has it open yet (a close writes back) and does no more
writer() {
	# shellcheck disable=SC2016 # jq's variables
	config --arg source "$WORK/source" --arg bind "$WORK/bind" '.mounts += [
		{destination: "/source", type: "bind", source: $source, options: ["bind", "ro"]},
		{destination: "/bind", type: "bind", source: $bind, options: ["bind"]}]'
	args /usr/bin/python3 -c '
import mmap, os, sys, time
source = os.open("/source/bytes", os.O_RDONLY)
fd = os.open(sys.argv[1], os.O_CREAT | os.O_TRUNC | os.O_RDWR)
if sys.argv[2:]:
    os.ftruncate(fd, os.fstat(source).st_size)
    mapping, at = mmap.mmap(fd, 0), 0
while block := os.read(source, 1 << 20):
    if sys.argv[2:]:
        mapping[at : at + len(block)] = block
        at += len(block)
    else:
        assert os.write(fd, block) == len(block)
os.write(1, b"written\n")
time.sleep(10000)' "$@"
	rm -f "$WORK/out"
	mkfifo "$WORK/out"
	exec 9<>"$WORK/out"
	hull run -d -b "$BUNDLE" "$ID" </dev/null >&9 2>"$BATS_TEST_TMPDIR/err"
	read -r -t 300 line <&9
	[[ $line == written ]]
}

# all_there FILE - as soon as the container is stopped
all_there() {
	[[ $(stat -c %s "$1") -eq $((MIB << 20)) ]]
	cmp "$WORK/source/bytes" "$1"
	rm "$1"
}

@test "durability: kill KILL right after the last write to the root file system" {
	writer /t/bytes
	hull kill "$ID" KILL
	wait_for 120 is_stopped "$ID"
	all_there "$BUNDLE/rootfs/t/bytes"
}

@test "durability: delete --force right after it" {
	writer /t/bytes
	hull delete --force "$ID"
	all_there "$BUNDLE/rootfs/t/bytes"
}

@test "durability: kill KILL right after the last write to a bind mount" {
	writer /bind/bytes
	hull kill "$ID" KILL
	wait_for 120 is_stopped "$ID"
	all_there "$WORK/bind/bytes"
}

@test "durability: delete --force right after it, bind mount" {
	writer /bind/bytes
	hull delete --force "$ID"
	all_there "$WORK/bind/bytes"
}

@test "durability: a mapping's pages, kill KILL" {
	writer /bind/bytes map
	hull kill "$ID" KILL
	wait_for 120 is_stopped "$ID"
	all_there "$WORK/bind/bytes"
}

@test "durability: a mapping's pages, delete --force" {
	writer /t/bytes map
	hull delete --force "$ID"
	all_there "$BUNDLE/rootfs/t/bytes"
}
