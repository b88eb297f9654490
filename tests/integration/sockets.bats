#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# Unix sockets of the host's: as the source of a bind mount, and in a shared folder.

# shellcheck disable=SC2016 # the container's shell expands these
# shellcheck disable=SC2030,SC2031 # a test's variables are its own
# shellcheck disable=SC2154 # bats' run sets $stderr

load helpers

setup_file() {
	make_bundle
	cp "$BATS_TEST_DIRNAME/sockets.py" "$BUNDLE/rootfs/t/"
}

setup() {
	ID=${WORK##*/}-$BATS_TEST_NUMBER
	cp "$BUNDLE/config.default" "$BUNDLE/config.json"
	config '.process.terminal = false | .root.readonly = false'
	VOLUME=$BATS_TEST_TMPDIR/v
	mkdir -p "$VOLUME"
	SERVERS=()
}

teardown() {
	local id

	for id in $(hull list -q); do
		hull delete -f "$id"
	done
	for id in "${SERVERS[@]}"; do
		kill "$id" 2>/dev/null || true
	done
}

# serve NAME TYPE HOW... - a server of the host's at $VOLUME/NAME; says what it says in
# $BATS_TEST_TMPDIR/NAME.out
serve() {
	local out=$BATS_TEST_TMPDIR/$1.out

	mkfifo "$BATS_TEST_TMPDIR/$1.in"
	python3 "$BATS_TEST_DIRNAME/sockets.py" serve "$VOLUME/$1" "${@:2}" \
		<"$BATS_TEST_TMPDIR/$1.in" >"$out" 2>&1 3>&- 6>&- 7>&- 8>&- &
	SERVERS+=($!)
	exec 7>"$BATS_TEST_TMPDIR/$1.in"
	wait_for 20 grep -q ready "$out"
}

# share SOURCE DESTINATION OPTION... - a bind mount
share() {
	config --arg s "$1" --arg d "$2" --args \
		'.mounts += [{source: $s, destination: $d, type: "bind", options: (["bind"] + $ARGS.positional)}]' "${@:3}"
}

# ask NAME ARGS... - a client in a container
ask() {
	run_in /usr/bin/python3 /t/sockets.py ask "$@"
	echo "$output $stderr"
}

@test "sockets: a bind mount of one, as docker.sock is" {
	serve sock stream echo
	share "$VOLUME/sock" /run/docker.sock
	ask /run/docker.sock stream text hello
	[[ $status -eq 0 && $output == hello ]]
}

@test "sockets: one that lies in a shared folder, and one below it" {
	serve sock stream echo
	mkdir "$VOLUME/deep"
	python3 "$BATS_TEST_DIRNAME/sockets.py" serve "$VOLUME/deep/er" stream echo \
		</dev/null >"$BATS_TEST_TMPDIR/deep.out" 2>&1 3>&- &
	SERVERS+=($!)
	wait_for 20 grep -q ready "$BATS_TEST_TMPDIR/deep.out"
	share "$VOLUME" /v
	run_in /bin/sh -c 'python3 /t/sockets.py ask /v/sock stream text one; ls -l /v/deep >/dev/null
		python3 /t/sockets.py ask /v/deep/er stream text two; python3 /t/sockets.py ask /v/sock stream text three'
	[[ $status -eq 0 && $output == $'one\ntwo\nthree' ]]
}

@test "sockets: messages stay whole (SOCK_SEQPACKET)" {
	serve sock seqpacket echo
	share "$VOLUME" /v
	ask /v/sock seqpacket messages
	[[ $status -eq 0 && $output == "1 1 1000 1 100000 1" ]]
	ask /v/sock stream text x
	[[ $output == "Protocol wrong type for socket" ]]
}

@test "sockets: 20 MB each way" {
	serve sock stream source 20000000
	share "$VOLUME" /v
	ask /v/sock stream sink
	[[ $status -eq 0 && $output == 20000000 ]]
	wait_for 20 grep -q "came 20000000" "$BATS_TEST_TMPDIR/sock.out"
}

@test "sockets: nobody listens: refused; somebody does from then on, and no more" {
	local pid

	python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "$VOLUME/dead"
	serve sock stream echo
	share "$VOLUME" /v
	args /bin/sh -c 'while read -r name; do python3 /t/sockets.py ask /v/$name stream text x; done'
	mkfifo "$BATS_TEST_TMPDIR/names"
	hull run -b "$BUNDLE" "$ID" <"$BATS_TEST_TMPDIR/names" >"$BATS_TEST_TMPDIR/said" 2>&1 3>&- 7>&- &
	pid=$!
	exec 8>"$BATS_TEST_TMPDIR/names"
	echo dead >&8
	wait_for 60 grep -q "Connection refused" "$BATS_TEST_TMPDIR/said"
	echo sock >&8
	wait_for 60 grep -qx x "$BATS_TEST_TMPDIR/said"
	kill "${SERVERS[0]}"
	wait "${SERVERS[0]}" || true
	echo sock >&8
	wait_for 60 eval '[[ $(grep -c refused "$BATS_TEST_TMPDIR/said") -eq 2 ]]'
	rm "$VOLUME/sock" "$BATS_TEST_TMPDIR/sock.in"
	serve sock stream echo
	echo sock >&8
	wait_for 60 eval '[[ $(grep -cx x "$BATS_TEST_TMPDIR/said") -eq 2 ]]'
	exec 8>&-
	wait "$pid"
}

@test "sockets: who may not write to it may not connect" {
	serve sock stream echo
	chmod 600 "$VOLUME/sock"
	share "$VOLUME" /v
	config '.process.user = {uid: 1000, gid: 1000}'
	ask /v/sock stream text x
	[[ $output == "Permission denied" ]]
}

@test "sockets: passing descriptors is refused, either way" {
	serve sock stream echo
	share "$VOLUME" /v
	ask /v/sock stream rights
	[[ $output == "Connection reset by peer" || $output == "read 0" ]]
	serve giver stream rights
	args /usr/bin/python3 /t/sockets.py ask /v/giver stream text x
	run --separate-stderr hull --log "$BATS_TEST_TMPDIR/log" run -b "$BUNDLE" "$ID-b"
	[[ $output == "" ]]
	grep -q "passing descriptors (SCM_RIGHTS) is not supported" "$BATS_TEST_TMPDIR/log"
}

@test "sockets: a listener that does not accept stalls its own connection only" {
	serve full stream hold
	exec 6>&7
	serve sock stream echo
	share "$VOLUME" /v
	args /bin/sh -c 'python3 /t/sockets.py ask /v/full stream text late >/v/late & python3 /t/sockets.py ask /v/sock stream text now; wait'
	hull run -b "$BUNDLE" "$ID" </dev/null >"$BATS_TEST_TMPDIR/said" 2>&1 3>&- 6>&- 7>&- 8>&- &
	wait_for 60 grep -qx now "$BATS_TEST_TMPDIR/said"
	[[ ! -s $VOLUME/late ]]
	exec 6>&- # it accepts
	wait_for 60 grep -qx late "$VOLUME/late"
	wait $!
}

@test "sockets: 200 connections at a time" {
	serve sock stream echo
	share "$VOLUME" /v
	ask /v/sock stream many 200
	[[ $status -eq 0 && $output == 19900 ]]
}

@test "sockets: of datagrams is refused; the peer is hull-vmm; the container's own is its own" {
	serve dgram dgram none
	serve cred stream cred
	share "$VOLUME" /v
	ask /v/dgram stream text x
	[[ $output == "Connection refused" ]]
	ID=$ID-b ask /v/cred stream text x
	[[ $output == "hull-vmm 0" ]]
	ID=$ID-c run_in /bin/sh -c 'python3 /t/sockets.py serve /v/own stream echo >/t/own.out </dev/null &
		until grep -q ready /t/own.out; do :; done
		python3 /t/sockets.py ask /v/own stream text mine; kill $!'
	[[ $output == mine ]]
}

@test "sockets: a folder of the host's named as the agent's is the host's" {
	mkdir "$VOLUME/.hull.sockets"
	touch "$VOLUME/.hull.sockets/file"
	share "$VOLUME" /v
	run_in /bin/ls /v/.hull.sockets
	[[ $output == file ]]
}
