#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# checkpoint, restore: what a container has from outside: streams, a terminal, volumes; and what
# it has to have anew.

load checkpoint

@test "checkpoint: stdout is another's afterwards, no byte is lost or doubled" {
	mkfifo "$WORK/pipe"
	# shellcheck disable=SC2016 # for the container
	args /bin/sh -c 'n=0; while [ ! -e /t/end ]; do n=$((n + 1)); echo $n; done'
	cat "$WORK/pipe" >"$WORK/first" &
	hull run -d -b "$BUNDLE" "$ID" </dev/null >"$WORK/pipe" 2>/dev/null
	wait_for 30 test -s "$WORK/first"
	checkpoint
	wait $!
	hull restore --image-path "$IMAGE" -b "$BUNDLE" -d "$ID" </dev/null >"$WORK/second" 2>/dev/null
	wait_for 30 test -s "$WORK/second"
	touch "$BUNDLE/rootfs/t/end"
	wait_for 60 is_stopped "$ID"
	cat "$WORK/first" "$WORK/second" >"$WORK/all"
	cmp <(seq "$(wc -l <"$WORK/all")") "$WORK/all"
	rm "$WORK/pipe"
}

@test "checkpoint: stdin is the new caller's" {
	# shellcheck disable=SC2016 # for the container
	args /bin/sh -c 'n=0; while read x; do n=$((n + 1)); echo "$n $x"; done; echo end'
	mkfifo "$WORK/in"
	exec 8<>"$WORK/in"
	hull run -d -b "$BUNDLE" "$ID" <"$WORK/in" >"$WORK/out" 2>/dev/null 8>&-
	echo one >&8
	wait_for 30 grep -q '1 one' "$WORK/out"
	checkpoint
	exec 8>&-
	printf 'two\nthree\n' | hull restore --image-path "$IMAGE" -b "$BUNDLE" "$ID" >>"$WORK/out" 2>/dev/null
	cat "$WORK/out"
	[[ $(<"$WORK/out") == $'1 one\n2 two\n3 three\nend' ]]
	rm "$WORK/in"
}

@test "checkpoint: a terminal" {
	config '.process.terminal = true'
	# shellcheck disable=SC2016 # for the container
	args /bin/sh -c 'n=0; while read x; do n=$((n + 1)); echo "$n-$x"; stty size; done'
	timeout 120 "$BATS_TEST_DIRNAME/pty.py" socket "$WORK/console.sock" "$WORK/shown" \
		'send:one\n expect:1-one eof' &
	wait_for 20 test -S "$WORK/console.sock"
	hull run -d --console-socket "$WORK/console.sock" -b "$BUNDLE" "$ID"
	wait_for 30 grep -q 1-one "$WORK/shown" || true # it is written at its end
	checkpoint
	wait $!
	rm -f "$WORK/console.sock"
	timeout 120 "$BATS_TEST_DIRNAME/pty.py" socket "$WORK/console.sock" "$WORK/shown" \
		'size:33x99 send:two\n expect:2-two expect:"33 99" send:\x04 eof' &
	wait_for 20 test -S "$WORK/console.sock"
	hull restore -d --console-socket "$WORK/console.sock" --image-path "$IMAGE" -b "$BUNDLE" "$ID"
	wait $!
	wait_for 30 is_stopped "$ID"
	rm -f "$WORK/console.sock"
}

@test "checkpoint: bind mounts" {
	mkdir -p "$WORK/rw" "$WORK/ro"
	echo open >"$WORK/ro/file"
	echo before >"$WORK/ro/other"
	# shellcheck disable=SC2016 # jq's
	config --arg w "$WORK" '.mounts += [
		{destination: "/rw", source: ($w + "/rw"), options: ["bind"]},
		{destination: "/ro", source: ($w + "/ro"), options: ["bind", "ro"]}]'
	# shellcheck disable=SC2016 # for the container
	args /bin/sh -c 'exec 5>/rw/open 6</ro/file; n=0; mkdir /rw/d; cd /rw/d; cat /ro/other
		while [ ! -e /t/end ]; do n=$((n + 1)); echo $n >&5; echo $n >>/t/ticks; sleep 0.05; done
		cat <&6; cat /ro/other; touch here; touch /ro/no || echo read-only'
	hull run -d -b "$BUNDLE" "$ID" </dev/null >"$WORK/out" 2>&1
	wait_for 30 more_than 3
	checkpoint
	echo after >"$WORK/ro/other"
	hull restore --image-path "$IMAGE" -b "$BUNDLE" -d "$ID" </dev/null >>"$WORK/out" 2>&1
	counts
	touch "$BUNDLE/rootfs/t/end"
	wait_for 30 is_stopped "$ID"
	cat "$WORK/out"
	no_gap
	cmp "$WORK/rw/open" "$BUNDLE/rootfs/t/ticks"
	[[ -e $WORK/rw/d/here ]]
	cmp "$WORK/out" - <<-END
		before
		open
		after
		$(grep /ro/no "$WORK/out")
		read-only
	END
}

@test "checkpoint: clones of one image have nothing random in common" {
	# shellcheck disable=SC2016 # for the container
	args /bin/sh -c 'exec 5</dev/urandom; echo 1 >/t/ticks; while [ ! -e /t/end ]; do sleep 0.05; done
		head -c 16 <&5 | od -An -tx1; cat /proc/sys/kernel/random/uuid; head -c 16 /dev/random | od -An -tx1'
	hull run -d -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1
	wait_for 30 more_than 0
	checkpoint
	for n in 1 2; do
		hull restore --image-path "$IMAGE" -b "$BUNDLE" -d "$ID-$n" </dev/null >"$WORK/clone$n" 2>&1
		hull exec "$ID-$n" cat /proc/sys/kernel/random/uuid >"$WORK/exec$n"
	done
	touch "$BUNDLE/rootfs/t/end"
	for n in 1 2; do
		wait_for 30 is_stopped "$ID-$n"
		[[ $(wc -l <"$WORK/clone$n") -eq 3 ]]
	done
	run ! grep -xFf "$WORK/clone1" "$WORK/clone2"
	run ! cmp "$WORK/exec1" "$WORK/exec2"
}

@test "checkpoint: a paused container is restored paused" {
	start_counter
	hull pause "$ID"
	checkpoint
	restore "$ID"
	[[ $(status_of "$ID") == paused ]]
	still
	hull resume "$ID"
	counts
	no_gap
}

@test "checkpoint: a paused container goes on where containerd restores it" {
	start_counter
	hull pause "$ID"
	checkpoint
	restore "$ID" --no-subreaper
	[[ $(status_of "$ID") == running ]]
	counts
	no_gap
}
