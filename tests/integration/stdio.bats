#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0

load helpers

@test "stdio: 100 MB through a pipe, byte by byte, both ways" {
	args /bin/cat
	head -c 104857600 /dev/zero | openssl enc -aes-128-ctr -K 0 -iv 0 2>/dev/null >"$WORK/in"
	status=0
	HULL_DEADLINE=300 hull run -b "$BUNDLE" "$ID" < <(cat "$WORK/in") > >(cat >"$WORK/out") || status=$?
	echo "status $status"
	complete() { [[ $(stat -c %s "$WORK/out") -eq 104857600 ]]; }
	wait_for 20 complete
	cmp "$WORK/in" "$WORK/out"
	[[ $status -eq 0 ]]
	rm "$WORK/in" "$WORK/out"
}

@test "stdio: the end of stdin is seen, and stdout still open" {
	args /bin/sh -c 'cat >/dev/null; echo after'
	run --separate-stderr hull run -b "$BUNDLE" "$ID" < <(echo before)
	[[ $output == after ]]
	[[ $status -eq 0 ]]
}

@test "stdio: a reader that goes away ends the writer" {
	args /usr/bin/yes
	hull run -b "$BUNDLE" "$ID" </dev/null 2>/dev/null | head -n 2 >"$WORK/out"
	[[ $(wc -l <"$WORK/out") -eq 2 ]]
}

@test "stdio: a stalled reader of stdout stalls nothing else" {
	args /bin/sh -c 'yes & exec sleep 1000'
	mkfifo "$WORK/fifo"
	sleep 1000 <"$WORK/fifo" &
	reader=$!
	hull run -d -b "$BUNDLE" "$ID" </dev/null >"$WORK/fifo" 2>/dev/null
	run --separate-stderr hull exec "$ID" /bin/echo alive
	[[ $output == alive ]]
	hull kill "$ID" KILL
	wait_for 30 is_stopped "$ID"
	kill "$reader"
}

@test "stdio: what is written right before the end is not lost" {
	args /bin/sh -c 'seq 1 20000'
	[[ $(hull run -b "$BUNDLE" "$ID" | tail -n 1) == 20000 ]]
}

@test "stdio: the caller's descriptors keep their flags" {
	args /bin/true
	cat >"$WORK/flags.py" <<-'END'
		import fcntl, os, subprocess, sys
		r, w = os.pipe()
		before = fcntl.fcntl(w, fcntl.F_GETFL)
		status = subprocess.call(sys.argv[1:], stdout=w, stdin=subprocess.DEVNULL)
		sys.exit(status or fcntl.fcntl(w, fcntl.F_GETFL) != before)
	END
	python3 "$WORK/flags.py" hull --root "$STATE" --set memory=512M run -b "$BUNDLE" "$ID"
}

@test "stdio: stdout is a file, stdin /dev/null, descriptors closed" {
	args /bin/sh -c 'cat; echo to the file; ls /proc/self/fd | wc -l'
	hull run -b "$BUNDLE" "$ID" </dev/null >"$WORK/out"
	[[ $(head -n 1 "$WORK/out") == "to the file" ]]
	args /bin/sh -c 'exit 8'
	hull run -b "$BUNDLE" "$ID" <&- >&- 2>&- && got=0 || got=$?
	[[ $got -eq 8 ]]
}

@test "stdio: /dev/stdout and /dev/stderr can be opened" {
	run_in /bin/sh -c 'echo a >/dev/stdout; echo b >/dev/stderr; cat /dev/stdin'
	[[ $output == a ]]
	[[ $stderr == b ]]
}
