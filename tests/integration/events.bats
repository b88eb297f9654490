#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# A container's counters and its out-of-memory kills, as lines of JSON.

load helpers

setup() {
	ID=${WORK##*/}-$BATS_TEST_NUMBER
	cp "$BUNDLE/config.default" "$BUNDLE/config.json"
	config '.process.terminal = false | .linux.resources.memory = {limit: 67108864, swap: 67108864}
		| .linux.resources.pids = {limit: 100} | .linux.resources.cpu = {quota: 50000}'
}

# follow ARGS... - `hull events` in the background, its lines in $WORK/events
follow() {
	: >"$WORK/events"
	hull events "$@" "$ID" >"$WORK/events" 2>"$WORK/errors" 3>&- &
	EVENTS=$!
}

# told TYPE N - at least N events of that type are there
told() {
	[[ $(grep -c "^{\"type\":\"$1\",\"id\":\"$ID\"" "$WORK/events") -ge $2 ]]
}

# watched - hull events has its connection: a guest's event would come
watched() {
	hull events --stats "$ID" >/dev/null && told stats 1
}

@test "events: --stats" {
	start_sleeper
	hull exec "$ID" /bin/sh -c 'i=0; while [ $i -lt 20000 ]; do i=$((i + 1)); done'
	run --separate-stderr hull events --stats "$ID"
	echo "$output" "$stderr"
	[[ $status -eq 0 && -z $stderr && ${#lines[@]} -eq 1 ]]
	jq -e --arg id "$ID" '.type == "stats" and .id == $id' <<<"$output"
	jq -e '.data.cpu | .usage.total > 0 and .usage.user > 0 and (.usage.kernel | type) == "number"
		and .throttling.periods > 0' <<<"$output"
	jq -e '.data.memory | .usage.limit == 67108864 and .usage.usage > 0 and .usage.max >= .usage.usage
		and .swap.limit == 67108864 and .raw.anon > 0 and .raw.file == (.cache // 0)
		and (.raw | length) > 30' <<<"$output"
	jq -e '.data.pids == {current: 2, limit: 100}' <<<"$output"
	jq -e '.data.hugetlb | type == "object"' <<<"$output"
	jq -e '.data | has("blkio") and has("cpuset") and .intel_rdt == {} and .network_interfaces == null' \
		<<<"$output"
}

@test "events: every interval, until the container ends" {
	start_sleeper
	follow --interval 300ms
	wait_for 20 told stats 3
	hull kill "$ID" KILL
	wait "$EVENTS"
	[[ ! -s $WORK/errors ]]
	# Each line is whole, and the counters only grow.
	jq -es 'all(.[]; .type == "stats") and (map(.data.cpu.usage.total) | . == sort)' "$WORK/events"
}

@test "events: a kill for want of memory" {
	start_sleeper
	follow --interval 200ms
	wait_for 20 watched
	run --separate-stderr hull exec "$ID" /usr/bin/tail /dev/zero
	[[ $status -eq 137 ]]
	wait_for 20 told oom 1
	grep -xF "{\"type\":\"oom\",\"id\":\"$ID\"}" "$WORK/events"
	[[ $(status_of "$ID") == running ]]
	hull events --stats "$ID" | jq -e '.data.memory.usage.failcnt > 0'
	hull delete -f "$ID"
	wait "$EVENTS"
}

@test "events: the last kill, which ends the container" {
	args /usr/bin/tail /dev/zero
	hull create -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1
	follow --interval 200ms
	wait_for 20 watched
	hull start "$ID"
	wait "$EVENTS"
	told oom 1
	[[ ! -s $WORK/errors ]]
}

@test "events: a created container" {
	args /bin/true
	hull create -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1
	hull events --stats "$ID" | jq -e '.data.pids.current == 1'
	follow --interval 1h
	hull start "$ID"
	wait "$EVENTS"
	[[ ! -s $WORK/errors ]]
}

@test "events: failures" {
	run --separate-stderr hull events "$ID"
	[[ $status -eq 1 && $stderr == *"container does not exist"* ]]
	args /bin/true
	hull run -d -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1
	wait_for 20 is_stopped "$ID"
	run --separate-stderr hull events "$ID"
	[[ $status -eq 1 && $stderr == *"container with id $ID is not running"* ]]
	run --separate-stderr hull events --stats "$ID"
	[[ $status -eq 1 && $stderr == *"container with id $ID is not running"* ]]
	run --separate-stderr hull events --interval 0 "$ID"
	[[ $status -eq 1 && $stderr == *"duration interval must be greater than 0"* ]]
	run --separate-stderr hull events --interval 5 "$ID"
	[[ $status -eq 1 && $stderr == *'invalid value \"5\" for flag -interval'* ]]
}
