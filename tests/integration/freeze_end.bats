#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# freeze, thaw: who holds a freeze, and how it ends.

load freeze

@test "freeze: the holder's death thaws" {
	start_writer
	hold
	still
	kill -9 "$holder"
	goes_on
	wait_for 30 is_freeze_state thawed
}

@test "freeze: two holders are a union" {
	start_writer
	hold
	first=$holder
	hold
	[[ $(hull freeze --status "$ID" | jq '.holders | length') -eq 2 ]]
	kill -9 "$first"
	wait_for 10 gone "$first"
	is_freeze_state frozen
	still
	hull freeze "$ID" -- true
	still
	kill -9 "$holder"
	goes_on
}

@test "freeze: a deadline thaws, and the exit status says so" {
	start_writer
	SECONDS=0
	run --separate-stderr hull freeze --timeout 2 "$ID" -- sh -c 'sleep 5; exit 0'
	echo "$output $stderr"
	[[ $status -eq 1 ]]
	[[ $stderr == *"the freeze has passed its deadline: the container was thawed"* ]]
	hold --timeout 1
	wait_for 10 gone "$holder"
	grep -q 'passed its deadline' "$holder_err"
	goes_on
	is_freeze_state thawed
}

@test "thaw: an administrator ends a freeze" {
	start_writer
	run --separate-stderr hull thaw "$ID"
	[[ $status -eq 1 && $stderr == *"container not frozen"* ]]
	hold
	still
	hull thaw "$ID"
	goes_on
	wait_for 10 gone "$holder"
	grep -q 'an administrator has thawed the container' "$holder_err"
}

@test "freeze: a frozen container can be killed and deleted" {
	start_writer
	hold
	still
	hull kill "$ID" KILL
	wait_for 20 is_stopped "$ID"
	wait_for 10 gone "$holder"
	grep -q 'the container was killed' "$holder_err"
	hull delete "$ID"
	start_writer
	hold
	still
	SECONDS=0
	hull delete --force "$ID"
	[[ $SECONDS -lt 20 ]]
	wait_for 10 gone "$holder"
	grep -q 'the container has ended' "$holder_err"
}

@test "freeze: kill -9 of hull-vmm" {
	start_writer
	hold
	kill -9 "$(pid_of "$ID")"
	wait_for 10 gone "$holder"
	grep -q 'the container has ended' "$holder_err"
	[[ $(status_of "$ID") == stopped ]]
	run --separate-stderr hull freeze "$ID"
	[[ $status -eq 1 && $stderr == *"container not running"* ]]
}
