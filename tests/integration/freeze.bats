#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# freeze, thaw: what a frozen container's files do, who holds a freeze, and how it ends.

load freeze

@test "freeze: copies under a freeze are alike, while a container writes without a pause" {
	start_writer
	cat >"$WORK/copies" <<'END'
set -e
cp -a "$1" "$2/one"
sleep 1
cp -a "$1" "$2/two"
find "$1" -printf '%P %s %T@ %C@\n' | sort >"$2/list"
sleep 0.5
find "$1" -printf '%P %s %T@ %C@\n' | sort | cmp - "$2/list"
diff -r "$2/one" "$2/two"
diff -r "$1" "$2/two"
exit 7
END
	for _ in 1 2 3; do
		rm -rf "$WORK/one" "$WORK/two"
		run --separate-stderr hull freeze "$ID" -- sh "$WORK/copies" "$BUNDLE/rootfs/t" "$WORK"
		echo "$output $stderr"
		[[ $status -eq 7 ]]
		goes_on
	done
	is_freeze_state thawed
}

@test "freeze: reads go on" {
	start_writer
	head -c 5M /dev/urandom >"$BUNDLE/rootfs/t/big"
	echo small >"$BUNDLE/rootfs/t/small"
	hold
	is_freeze_state frozen
	run hull exec "$ID" sh -c 'cat /t/small; ls /usr/share | wc -l; test -s /etc/passwd && cmp /t/big /t/big && echo same'
	echo "$output"
	[[ $status -eq 0 && ${lines[0]} == small && ${lines[2]} == same ]]
	[[ $(hull exec "$ID" md5sum /t/big) == "$(md5sum <"$BUNDLE/rootfs/t/big" | cut -d' ' -f1)"* ]]
	still
	kill "$holder"
	goes_on
}

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

@test "freeze: hooks are called with freeze and thaw" {
	for hook in one two; do
		# shellcheck disable=SC2016 # for the hook
		printf '#!/bin/sh\necho %s $1 >>/run/hooks\n' "$hook" >"$BUNDLE/rootfs/usr/local/bin/hook-$hook"
		chmod 755 "$BUNDLE/rootfs/usr/local/bin/hook-$hook"
	done
	config '.annotations["org.hull.freeze.hooks"] = "/usr/local/bin/hook-one,/usr/local/bin/hook-two"'
	config '.mounts += [{destination: "/run", type: "tmpfs", source: "tmpfs"}]'
	start_writer
	hull freeze "$ID" -- sh -c 'exit 0'
	run hull exec "$ID" cat /run/hooks
	echo "$output"
	[[ $output == $'one freeze\ntwo freeze\ntwo thaw\none thaw' ]]
	# shellcheck disable=SC2016 # for the hook
	printf '#!/bin/sh\ntest $1 = thaw || { echo no; exit 3; }\n' >"$BUNDLE/rootfs/usr/local/bin/hook-two"
	run --separate-stderr hull freeze "$ID" -- true
	echo "$stderr"
	[[ $status -eq 1 ]]
	[[ $stderr == *"freeze hook '/usr/local/bin/hook-two': exit status 3, output: no"* ]]
	[[ $(hull exec "$ID" tail -n 2 /run/hooks) == $'one freeze\none thaw' ]]
	# shellcheck disable=SC2016 # for the hook
	printf '#!/bin/sh\ntest $1 = thaw || exec sleep 1000\n' >"$BUNDLE/rootfs/usr/local/bin/hook-two"
	run --separate-stderr hull freeze "$ID" -- true
	echo "$stderr"
	[[ $status -eq 1 && $stderr == *"ran past its timeout of 10 s"* ]]
	run --separate-stderr hull freeze --timeout 2 "$ID" -- true
	echo "$stderr"
	[[ $status -eq 1 && $stderr == *"the guest did not answer within 2.0 s"* ]]
	goes_on
	wait_for 30 is_freeze_state thawed
	run ! hull exec "$ID" pgrep -f 'sleep 1000'
}

@test "freeze: status and events tell who, since when, until when and what" {
	start_writer
	hull events --interval 1h "$ID" >"$WORK/events" 3>&- &
	sleep 1
	hold --timeout 50
	run hull freeze --status "$ID"
	echo "$output"
	[[ $(jq -r '.state, (.holders | length), .holders[0].uid, .holders[0].holds' <<<"$output" | paste -sd ' ') == "frozen 1 0 true" ]]
	[[ $(jq -r '.holders[0].pid' <<<"$output") -eq $holder ]]
	[[ $(jq -r '.mounts[] | select(.destination == "/") | .frozen_by' <<<"$output") == gate ]]
	since=$(date -d "$(jq -r '.holders[0].since' <<<"$output")" +%s)
	deadline=$(date -d "$(jq -r '.holders[0].deadline' <<<"$output")" +%s)
	[[ $((deadline - since)) -eq 50 ]]
	waits() { [[ $(hull freeze --status "$ID" | jq .waiting_requests) -gt 0 ]]; }
	wait_for 20 waits
	kill -9 "$holder"
	wait_for 20 grep -q thaw "$WORK/events"
	cat "$WORK/events"
	[[ $(jq -r 'select(.type == "freeze") | .data.pid' "$WORK/events") -eq $holder ]]
	[[ $(jq -r 'select(.type == "thaw") | .data.reason' "$WORK/events") == released ]]
}
