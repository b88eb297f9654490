#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0

load helpers

pty() {
	timeout 120 "$BATS_TEST_DIRNAME/pty.py" "$@"
}

# on_tty SCRIPT ARGS... - hull ARGS... with a terminal; what it showed: $WORK/shown
on_tty() {
	pty run "$WORK/shown" "$1" hull --root "$STATE" --set vcpus=1 --set memory=512M "${@:2}"
}

@test "tty: the caller's terminal: raw while it runs, resized, as it was afterwards" {
	config '.process.terminal = true'
	args /bin/sh -c 'stty size; tty; echo ready; read x; stty size; echo "got $x"; exit 6'
	run on_tty 'expect:"24 80" expect:/dev/pts/ expect:ready size:40x100 send:hello\n expect:"40 100" expect:"got hello" eof' \
		run -b "$BUNDLE" "$ID"
	[[ $status -eq 6 ]]
}

@test "tty: ^C interrupts the container's foreground process" {
	config '.process.terminal = true'
	args /bin/sh -c 'trap "echo interrupted; exit 6" INT; echo ready; while :; do sleep 0.2; done'
	run on_tty 'expect:ready send:\x03 expect:interrupted eof' run -b "$BUNDLE" "$ID"
	[[ $status -eq 6 ]]
}

@test "tty: run -d with --console-socket, resize by the master's holder" {
	config '.process.terminal = true | .process.consoleSize = {height: 30, width: 90}'
	args /bin/sh -c 'stty size; read x; stty size; echo "got $x"'
	pty socket "$WORK/console.sock" "$WORK/shown" \
		'expect:"30 90" size:33x99 send:hi\n expect:"33 99" expect:"got hi" eof' &
	wait_for 20 test -S "$WORK/console.sock"
	hull run -d --console-socket "$WORK/console.sock" -b "$BUNDLE" "$ID"
	wait $!
	wait_for 30 is_stopped "$ID"
	rm -f "$WORK/console.sock"
}

@test "tty: create with --console-socket lets go of its own output" {
	config '.process.terminal = true'
	args /bin/sh -c 'read x; exit 0'
	pty socket "$WORK/console.sock" "$WORK/shown" 'send:\n eof' &
	wait_for 20 test -S "$WORK/console.sock"
	# the end of the pipe, not of the command, is what is waited for
	out=$(timeout 60 cat < <(hull --debug create --console-socket "$WORK/console.sock" -b "$BUNDLE" "$ID" 2>&1))
	[[ $out != *timeline* && $(status_of "$ID") == created ]]
	hull start "$ID"
	wait $!
	wait_for 30 is_stopped "$ID"
	rm -f "$WORK/console.sock"
}

@test "tty: exec -t" {
	start_sleeper
	run on_tty 'expect:"24 80" expect:"$ " send:"exit 12\n" eof' \
		exec -t -e 'PS1=$ ' "$ID" /bin/sh -c 'stty size; exec /bin/sh -i'
	[[ $status -eq 12 ]]
}

@test "tty: exec -d -t with --console-socket" {
	start_sleeper
	pty socket "$WORK/console.sock" "$WORK/shown" 'expect:/dev/pts/ size:20x50 send:\n expect:"20 50" eof' &
	wait_for 20 test -S "$WORK/console.sock"
	hull exec -d -t --console-socket "$WORK/console.sock" "$ID" /bin/sh -c 'tty; read x; stty size' </dev/null >/dev/null 2>&1
	wait $!
	rm -f "$WORK/console.sock"
}

@test "tty: what cannot be is refused in runc's words" {
	config '.process.terminal = true'
	args /bin/true
	run --separate-stderr hull run -d -b "$BUNDLE" "$ID"
	[[ $status -eq 1 ]]
	[[ $stderr == *"cannot allocate tty if runc will detach without setting console socket"* ]]
	run --separate-stderr hull run --console-socket /nonexistent -b "$BUNDLE" "$ID"
	[[ $status -eq 1 ]]
	[[ $stderr == *"cannot use console socket if runc will not detach or allocate tty"* ]]
	run --separate-stderr hull create --console-socket /nonexistent -b "$BUNDLE" "$ID"
	[[ $status -eq 1 ]]
	[[ $stderr == *"/nonexistent"* ]]
	nothing_left "$ID"
}

@test "tty: standard streams that are no terminals are used, and the terminal that is left sized" {
	config '.process.terminal = true'
	args /bin/sh -c 'stty size; read x; echo "got $x"'
	printf 'from a file\n' >"$WORK/in"
	run pty run "$WORK/shown" 'expect:through eof' /bin/sh -c "timeout 60 hull --root '$STATE' --set vcpus=1 \
		--set memory=512M run -b '$BUNDLE' '$ID' <'$WORK/in' 2>&1 | sed 's/^/through /'"
	grep -q '^through 24 80' "$WORK/shown"
	grep -q 'got from a file' "$WORK/shown"
}

@test "tty: output that goes to no terminal has no carriage returns" {
	config '.process.terminal = true'
	args /bin/sh -c 'echo one; echo two; sleep 1000'
	run pty run "$WORK/shown" 'expect:ready eof' /bin/sh -c "{ timeout 60 hull --root '$STATE' --set vcpus=1 \
		--set memory=512M run -b '$BUNDLE' '$ID' >'$WORK/out' & }; until grep -q two '$WORK/out'; do sleep 0.2; done; \
		hull --root '$STATE' exec -t '$ID' echo three >'$WORK/exec'; \
		hull --root '$STATE' kill '$ID' KILL; wait; echo ready"
	[[ $(od -An -c "$WORK/out" | tr -d ' \n') == 'one\ntwo\n' ]]
	[[ $(od -An -c "$WORK/exec" | tr -d ' \n') == 'three\n' ]]
}

@test "tty: no terminal anywhere: an error that names the field" {
	config '.process.terminal = true'
	run --separate-stderr setsid -w timeout 60 hull --root "$STATE" run -b "$BUNDLE" "$ID" </dev/null
	[[ $status -eq 1 ]]
	[[ $stderr == *"process.terminal: no terminal: open '/dev/tty': No such device or address"* ]]
	run hull state "$ID"
	[[ $status -eq 1 ]]
}
