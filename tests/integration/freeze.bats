#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# freeze, thaw: what a frozen container's files do, its hooks, and what is told of it.

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
	# Not in the writer's folder, which it may keep locked while it waits.
	mkdir -p "$BUNDLE/rootfs/r"
	head -c 5M /dev/urandom >"$BUNDLE/rootfs/r/big"
	echo small >"$BUNDLE/rootfs/r/small"
	start_writer
	hold
	is_freeze_state frozen
	run hull exec "$ID" sh -c 'cat /r/small; ls /usr/share | wc -l; test -s /etc/passwd && md5sum </r/big'
	echo "$output"
	[[ $status -eq 0 && ${lines[0]} == small && ${lines[2]} == "$(md5sum <"$BUNDLE/rootfs/r/big")" ]]
	still
	kill "$holder"
	goes_on
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
