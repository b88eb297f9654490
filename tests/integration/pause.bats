#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# pause, resume

load helpers

# ticks - how far the container's counter has come
ticks() {
	wc -l <"$BUNDLE/rootfs/t/ticks"
}

start_ticker() {
	args /bin/sh -c 'while :; do echo >>/t/ticks; sleep 0.05; done'
	: >"$BUNDLE/rootfs/t/ticks"
	hull run -d -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1
}

more_than() {
	[[ $(ticks) -gt $1 ]]
}

@test "pause stops every process, resume lets them go on" {
	start_ticker
	wait_for 30 more_than 2
	hull pause "$ID"
	[[ $(status_of "$ID") == paused ]]
	hull list | grep -E "^$ID +[0-9]+ +paused "
	# what the guest still had to write back
	sleep 2
	before=$(ticks)
	sleep 2
	[[ $(ticks) -eq $before ]]
	hull resume "$ID"
	[[ $(status_of "$ID") == running ]]
	wait_for 30 more_than "$before"
}

@test "pause: a paused container refuses in runc's words" {
	start_sleeper
	hull pause "$ID"
	run --separate-stderr hull pause "$ID"
	[[ $status -eq 1 ]]
	[[ $stderr == *"container not running"* ]]
	run --separate-stderr hull exec "$ID" true
	[[ $status -eq 255 ]]
	[[ $stderr == *"cannot exec in a paused container (use --ignore-paused to override)"* ]]
	run --separate-stderr hull start "$ID"
	[[ $status -eq 1 ]]
	[[ $stderr == *"cannot start a container in the paused state"* ]]
	run --separate-stderr hull delete "$ID"
	[[ $status -eq 1 ]]
	[[ $stderr == *"cannot delete container $ID that is not stopped: paused"* ]]
	hull ps "$ID" | grep -q sleep
	hull resume "$ID"
	run --separate-stderr hull resume "$ID"
	[[ $status -eq 1 ]]
	[[ $stderr == *"container not paused"* ]]
	run hull exec "$ID" echo after
	[[ $output == after ]]
}

@test "pause: exec --ignore-paused waits with the others" {
	start_sleeper
	hull pause "$ID"
	hull exec --ignore-paused "$ID" echo through >"$WORK/out" &
	sleep 1
	[[ ! -s $WORK/out ]]
	hull resume "$ID"
	wait $!
	[[ $(cat "$WORK/out") == through ]]
}

@test "pause: signals wait, SIGKILL does not" {
	start_sleeper
	hull pause "$ID"
	hull kill "$ID" USR1
	sleep 1
	[[ $(status_of "$ID") == paused ]]
	hull resume "$ID"
	wait_for 30 is_stopped "$ID"
	hull delete "$ID"
	start_sleeper
	hull pause "$ID"
	hull kill "$ID" KILL
	wait_for 30 is_stopped "$ID"
}

@test "pause: a paused container can be deleted by force" {
	start_sleeper
	hull pause "$ID"
	hull delete -f "$ID"
	nothing_left "$ID"
}

@test "pause: a created container; one that has stopped, one that is not there" {
	args /bin/sh -c 'exit 7'
	hull create -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1
	hull pause "$ID"
	[[ $(status_of "$ID") == paused ]]
	hull resume "$ID"
	[[ $(status_of "$ID") == created ]]
	hull start "$ID"
	wait_for 30 is_stopped "$ID"
	run --separate-stderr hull pause "$ID"
	[[ $status -eq 1 ]]
	[[ $stderr == *"container not running"* ]]
	run --separate-stderr hull resume "$ID"
	[[ $status -eq 1 ]]
	[[ $stderr == *"container not paused"* ]]
	run --separate-stderr hull pause nobody
	[[ $status -eq 1 ]]
	[[ $stderr == *"container does not exist"* ]]
}
