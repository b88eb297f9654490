#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# Unix sockets of the host's: as the source of a bind mount, and in a shared folder.

# shellcheck disable=SC2016 # the container's shell expands these
# shellcheck disable=SC2030,SC2031 # a test's variables are its own
# shellcheck disable=SC2154 # bats' run sets $stderr

load sockets

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
