#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# checkpoint, restore: a container goes on where it was.

load checkpoint

@test "checkpoint: the container is gone, and goes on where it was" {
	start_counter
	checkpoint
	run ! hull state "$ID"
	nothing_left "$ID"
	[[ $(stat -c %a "$IMAGE/machine") == 600 ]]
	still
	restore "$ID" --pid-file "$WORK/pid"
	[[ $(status_of "$ID") == running && $(pid_of "$ID") -eq $(<"$WORK/pid") ]]
	counts
	no_gap
	[[ $(hull exec "$ID" sh -c 'echo in; exit 3' || echo $?) == $'in\n3' ]]
	now=$(hull exec "$ID" date +%s)
	[[ $now -le $(date +%s) && $now -ge $(($(date +%s) - 5)) ]]
	hull ps "$ID" | grep -q 'exec 5>>/t/ticks'
	hull kill "$ID" USR1
	wait_for 30 is_stopped "$ID"
	no_gap
	hull delete "$ID"
	nothing_left "$ID"
}

@test "checkpoint: a restore in the foreground has the exit status, and deletes it" {
	start_counter
	checkpoint
	hull restore --image-path "$IMAGE" -b "$BUNDLE" "$ID" </dev/null >"$WORK/out" 2>&1 3>&- &
	counts
	hull kill "$ID" USR1
	wait $! || status=$?
	cat "$WORK/out"
	[[ $status -eq 42 ]]
	nothing_left "$ID"
}

@test "checkpoint: whoever waits for the container sees its end, and one of them deletes it" {
	# shellcheck disable=SC2016 # jq's
	config --arg f "$WORK/hooks" '.hooks.poststop = [{path: "/bin/sh",
		args: ["sh", "-c", "echo end >>\($f)"]}]'
	# shellcheck disable=SC2016 # for the container
	args /bin/sh -c 'while :; do echo tick >>/t/ticks; sleep 0.05; done'
	hull run -b "$BUNDLE" "$ID" </dev/null >"$WORK/out" 2>&1 3>&- &
	wait_for 60 more_than 3
	checkpoint
	wait $! || status=$?
	cat "$WORK/out"
	[[ $status -eq 137 && ! -s $WORK/out && $(<"$WORK/hooks") == end ]]
	nothing_left "$ID"
	rm "$WORK/hooks"
}

@test "checkpoint: --leave-running, and what it had after that is not in the image" {
	start_counter
	run checkpoint --leave-running --status-fd 7 7>"$WORK/status"
	echo "$output"
	[[ $status -eq 0 ]]
	[[ $(od -An -tx1 -N1 "$WORK/status" | tr -d ' ') == 00 ]]
	tail -c +2 "$WORK/status" | jq -e ".paused_us > 0 and .taken_us >= .paused_us"
	lives_on
	no_gap
	# The file that it has open is longer now: of another container's than the image.
	hull pause "$ID"
	checkpoint --leave-running
	cp -p "$BUNDLE/rootfs/t/ticks" "$WORK/ticks"
	hull resume "$ID"
	counts
	hull delete -f "$ID"
	run --separate-stderr hull restore --image-path "$IMAGE" -b "$BUNDLE" -d "$ID"
	# shellcheck disable=SC2154 # bats sets it
	echo "$stderr"
	[[ $status -eq 1 && $stderr == *"'/t/ticks', which is open, was changed since"* ]]
	nothing_left "$ID"
	cp -p "$WORK/ticks" "$BUNDLE/rootfs/t/ticks"
	restore "$ID"
	hull resume "$ID"
	counts
	no_gap
	rm "$WORK/ticks"
}

@test "checkpoint: again of a restored one, with --no-freeze" {
	start_counter
	checkpoint
	restore "$ID"
	counts
	rm -r "$IMAGE"
	checkpoint --no-freeze
	still
	restore "$ID"
	counts
	no_gap
}

@test "checkpoint: hooks, those of a start are not run again" {
	for hook in prestart createRuntime createContainer poststart poststop; do
		# shellcheck disable=SC2016 # jq's
		config --arg k "$hook" --arg f "$WORK/hooks" '.hooks[$k] = [{path: "/bin/sh",
			args: ["sh", "-c", "read -r s; echo \($k) $(echo \"$s\" | jq -r .status) >>\($f)"],
			env: ["PATH=/usr/bin:/bin"]}]'
	done
	start_counter
	checkpoint
	cat "$WORK/hooks"
	[[ $(<"$WORK/hooks") == $'prestart creating\ncreateRuntime creating\ncreateContainer creating\npoststart running\npoststop stopped' ]]
	rm "$WORK/hooks"
	restore "$ID"
	counts
	hull delete -f "$ID"
	cat "$WORK/hooks"
	[[ $(<"$WORK/hooks") == $'prestart creating\ncreateRuntime creating\ncreateContainer creating\npoststop stopped' ]]
	rm "$WORK/hooks"
}

@test "checkpoint: config.json's mounts in another order, and one that is elsewhere" {
	echo one >"$WORK/one"
	echo two >"$WORK/two"
	# shellcheck disable=SC2016 # jq's
	config --arg w "$WORK" '.mounts += [{destination: "/t/one", source: ($w + "/one"), options: ["bind"]},
		{destination: "/t/two", source: ($w + "/two"), options: ["bind"]}]'
	start_counter
	checkpoint
	config '.mounts |= .[:-2] + [.[-1], .[-2]]'
	restore "$ID"
	counts
	run hull exec "$ID" cat /t/one /t/two
	[[ $output == $'one\ntwo' ]]
	rm -r "$IMAGE"
	checkpoint
	config '.mounts[-1].destination = "/t/three"'
	run --separate-stderr hull restore --image-path "$IMAGE" -b "$BUNDLE" -d "$ID"
	echo "$stderr"
	[[ $status -eq 1 && $stderr == *"config.json: mounts: '/t/three': the saved container had no tree of the host there"* ]]
	nothing_left "$ID"
	rm "$WORK/one" "$WORK/two"
}
