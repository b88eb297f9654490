#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# Unix sockets of the host's: who may not, what is refused, and how many at a time.

# shellcheck disable=SC2016 # the container's shell expands these
# shellcheck disable=SC2030,SC2031 # a test's variables are its own
# shellcheck disable=SC2154 # bats' run sets $stderr

load sockets

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
