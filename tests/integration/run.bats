#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0

load helpers

@test "run: another kernel, PID 1, the root file system, exit status 0" {
	run_in /bin/sh -c 'uname -r; echo $$; cat /etc/debian_version'
	[[ $status -eq 0 ]]
	[[ ${lines[0]} == *-hull ]]
	[[ ${lines[0]} != "$(uname -r)" ]]
	[[ ${lines[1]} == 1 ]]
	[[ ${lines[2]} == "$(cat /etc/debian_version)" ]]
	[[ -z $stderr ]]
	nothing_left "$ID"
}

@test "run: exit statuses come back" {
	for n in 1 7 127 255; do
		run_in /bin/sh -c "exit $n"
		[[ $status -eq $n ]]
	done
}

@test "run: death by a signal is 128 + its number" {
	run_in /usr/bin/python3 -c 'import os, signal; os.kill(os.fork() or os.getpid(), 0); os.abort()'
	# PID 1 is protected from its own signals, as under runc; a child is not
	run_in /bin/sh -c 'sh -c "kill -SEGV \$\$"; exit $?'
	[[ $status -eq 139 ]]
}

@test "run: stdout and stderr are separate" {
	run_in /bin/sh -c 'echo out; echo err >&2'
	[[ $status -eq 0 ]]
	[[ $output == out ]]
	[[ $stderr == err ]]
}

@test "run: a shell pipeline" {
	run_in /bin/sh -c 'seq 1 1000 | grep 7 | sort -rn | head -n 3 | tr "\n" " "'
	[[ $output == "997 987 979 " ]]
}

@test "run: python3" {
	run_in /usr/bin/python3 -c 'import json, os; print(json.dumps({"sum": sum(range(1000)), "pid": os.getpid()}))'
	[[ $status -eq 0 ]]
	[[ $output == '{"sum": 499500, "pid": 1}' ]]
}

@test "run: gcc compiles and the program runs" {
	run_in /bin/sh -c 'cd /t && echo "int main(void) { return 33; }" >m.c && gcc -o m m.c && ./m'
	[[ $status -eq 33 ]]
}

@test "run: two vCPUs" {
	VCPUS=2 run_in /bin/sh -c 'nproc; cat /proc/sys/kernel/hostname'
	[[ $status -eq 0 ]]
	[[ ${lines[0]} == 2 ]]
	[[ ${lines[1]} == hull || ${lines[1]} == runc ]]
}

@test "run: as a non-root user, with its groups, folder, umask and environment" {
	config '.process.user = {uid: 1234, gid: 2345, additionalGids: [10, 20], umask: 23}
		| .process.cwd = "/tmp" | .process.env += ["GREETING=hello world"]'
	run_in /bin/sh -c 'id -u; id -g; id -G; pwd; umask; echo "$GREETING"; cat /etc/shadow'
	[[ ${lines[0]} == 1234 ]]
	[[ ${lines[1]} == 2345 ]]
	[[ ${lines[2]} == "2345 10 20" ]]
	[[ ${lines[3]} == /tmp ]]
	[[ ${lines[4]} == 0027 ]]
	[[ ${lines[5]} == "hello world" ]]
	[[ $stderr == *"Permission denied"* ]]
	[[ $status -ne 0 ]]
}

@test "run --keep leaves the stopped container" {
	args /bin/true
	hull run --keep -b "$BUNDLE" "$ID"
	[[ $(status_of "$ID") == stopped ]]
	[[ $(pid_of "$ID") == 0 ]]
}

@test "run -d returns, --pid-file has hull-vmm's pid" {
	args /bin/sleep 100
	hull run -d --pid-file "$WORK/pid" -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1
	[[ $(status_of "$ID") == running ]]
	[[ $(cat "$WORK/pid") == "$(pid_of "$ID")" ]]
	[[ $(cat "/proc/$(cat "$WORK/pid")/comm") == hull-vmm ]]
}

@test "run: signals to the command in the foreground reach the container" {
	args /bin/sh -c 'trap "echo got it; exit 5" TERM; echo ready; while :; do sleep 0.1; done'
	hull run -b "$BUNDLE" "$ID" >"$BATS_TEST_TMPDIR/out" &
	wait_for 60 grep -q ready "$BATS_TEST_TMPDIR/out"
	kill -TERM "$(pgrep -f -- "hull --root $STATE.*run -b" | tail -n 1)"
	wait $! && got=0 || got=$?
	[[ $got -eq 5 ]]
	grep -q 'got it' "$BATS_TEST_TMPDIR/out"
}
