#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# Many containers: in a row they leave nothing behind, and at once they do not disturb
# each other.
#
#	STRESS_ROW	containers in a row (25)
#	STRESS_EXECS	processes in one container, in a row (25)
#	STRESS_ONCE	containers at once (8)

load helpers

# host_state - what a container could leave on the host, as text
host_state() {
	echo mounts
	cut -d' ' -f3- /proc/self/mountinfo
	echo cgroups
	find /sys/fs/cgroup -type d | sort
	echo processes
	pgrep -a hull || true
	echo files
	find "$WORK" /run /tmp /dev/shm -xdev ! -path "$BATS_RUN_TMPDIR*" ! -path "$BUNDLE/rootfs/*" | sort
	echo sockets
	cut -d' ' -f8- /proc/net/unix | sort -u
}

# unchanged BEFORE - the host is as it was: what the kernel still takes apart may take a while
unchanged() {
	host_state >"$BATS_TEST_TMPDIR/after"
	diff "$1" "$BATS_TEST_TMPDIR/after" >"$BATS_TEST_TMPDIR/left"
}

# fds PID - how many it has open
fds() {
	find "/proc/$1/fd" -mindepth 1 | wc -l
}

@test "stress: containers in a row leave nothing behind" {
	local i before=$BATS_TEST_TMPDIR/before row=${STRESS_ROW:-25} files

	args /bin/true
	# What the first one makes for all (the state folder, its parents) is no leak
	hull run -b "$BUNDLE" "$ID-first" </dev/null
	host_state >"$before"
	for ((i = 0; i < row; i++)); do
		hull create -b "$BUNDLE" "$ID-$i" </dev/null >/dev/null 2>"$BATS_TEST_TMPDIR/err"
		hull start "$ID-$i"
		hull delete --force "$ID-$i"
		[[ $i -ne 0 ]] || files=$(cut -f1 /proc/sys/fs/file-nr)
	done
	wait_for 30 unchanged "$before" || {
		cat "$BATS_TEST_TMPDIR/left"
		return 1
	}
	# The kernel's count is exact to 64 or so: one for each container shows in 300
	[[ $(cut -f1 /proc/sys/fs/file-nr) -lt $((files + 100)) ]]
}

@test "stress: processes in a row leave no descriptor in hull-vmm" {
	local i pid before row=${STRESS_EXECS:-25}

	start_sleeper
	pid=$(pid_of "$ID")
	hull exec "$ID" /bin/true </dev/null
	before=$(fds "$pid")
	for ((i = 0; i < row; i++)); do
		[[ $(hull exec "$ID" /bin/echo "$i" </dev/null) == "$i" ]]
	done
	[[ $(fds "$pid") -eq $before ]]
}

@test "stress: containers at once, each with its own output and status" {
	local i n=${STRESS_ONCE:-8} status
	local -a pids=()

	mkdir "$BUNDLE/rootfs/t/once"
	# shellcheck disable=SC2016 # for the container's shell
	args /bin/sh -c 'n=$(cat /proc/sys/kernel/hostname); echo "I am $n"; echo "$n" >"/t/once/$n"; exit "$n"'
	for ((i = 1; i <= n; i++)); do
		mkdir "$WORK/once-$i"
		jq --arg i "$i" --arg root "$BUNDLE/rootfs" '.hostname = $i | .root.path = $root' \
			"$BUNDLE/config.json" >"$WORK/once-$i/config.json"
	done
	for ((i = 1; i <= n; i++)); do
		HULL_DEADLINE=300 hull run -b "$WORK/once-$i" "$ID-$i" </dev/null >"$WORK/once-$i/out" 2>"$WORK/once-$i/err" &
		pids[i]=$!
	done
	for ((i = 1; i <= n; i++)); do
		status=0
		wait "${pids[i]}" || status=$?
		cat "$WORK/once-$i/err"
		[[ $status -eq $i ]]
		[[ $(cat "$WORK/once-$i/out") == "I am $i" ]]
		[[ $(cat "$BUNDLE/rootfs/t/once/$i") == "$i" ]]
	done
	run ! vmms
	rm -r "$BUNDLE/rootfs/t/once" "$WORK"/once-*
}
