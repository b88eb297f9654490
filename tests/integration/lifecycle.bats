#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# create, start, state, kill, delete

load helpers

@test "create, start, delete: the user's process waits for start" {
	args /bin/sh -c 'echo started >/t/mark; exit 3'
	rm -f "$BUNDLE/rootfs/t/mark"
	hull create --pid-file "$WORK/pid" -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1
	[[ $(status_of "$ID") == created ]]
	[[ $(cat "$WORK/pid") == "$(pid_of "$ID")" ]]
	[[ ! -e $BUNDLE/rootfs/t/mark ]]
	hull start "$ID"
	wait_for 30 is_stopped "$ID"
	[[ $(cat "$BUNDLE/rootfs/t/mark") == started ]]
	hull delete "$ID"
	run ! hull state "$ID"
	nothing_left "$ID"
}

@test "state: every field, and the annotations" {
	config '.annotations = {"a.b/c": "d \"e\""}'
	start_sleeper
	run --separate-stderr hull state "$ID"
	[[ $status -eq 0 ]]
	[[ $(jq -r .id <<<"$output") == "$ID" ]]
	[[ $(jq -r .status <<<"$output") == running ]]
	[[ $(jq -r .bundle <<<"$output") == "$BUNDLE" ]]
	[[ $(jq -r .rootfs <<<"$output") == "$BUNDLE/rootfs" ]]
	[[ $(jq -r .ociVersion <<<"$output") == "$(jq -r .ociVersion "$BUNDLE/config.json")" ]]
	[[ $(jq -r '.annotations["a.b/c"]' <<<"$output") == 'd "e"' ]]
	[[ $(jq -r .created <<<"$output") =~ ^20[0-9-]+T[0-9:.]+Z$ ]]
	[[ $(jq -r .owner <<<"$output") == "" ]]
}

@test "start: twice, or after the end, is refused in runc's words" {
	start_sleeper
	run --separate-stderr hull start "$ID"
	[[ $status -eq 1 ]]
	[[ $stderr == *"cannot start an already running container"* ]]
	hull kill "$ID" KILL
	wait_for 30 is_stopped "$ID"
	run --separate-stderr hull start "$ID"
	[[ $status -eq 1 ]]
	[[ $stderr == *"cannot start a container that has stopped"* ]]
}

@test "list: a root that is not there is an error, the default one is not" {
	run --separate-stderr hull --root "$WORK/nowhere" list
	[[ $status -eq 1 && $stderr == *"open '$WORK/nowhere': No such file or directory"* ]]
	run --separate-stderr command hull list -q
	[[ $status -eq 0 && -z $stderr ]]
}

@test "kill: signal 0 asks whether it runs" {
	start_sleeper
	hull kill "$ID" 0
	hull kill "$ID" KILL
	wait_for 30 is_stopped "$ID"
	run --separate-stderr hull kill "$ID" 0
	[[ $status -eq 1 && $stderr == *"container not running"* ]]
	hull kill -a "$ID" 0
}

@test "kill: signals by name and number, TERM by default" {
	start_sleeper
	hull kill "$ID" USR1
	wait_for 30 is_stopped "$ID"
	run --separate-stderr hull kill "$ID"
	[[ $status -eq 1 ]]
	[[ $stderr == *"container not running"* ]]
	run --separate-stderr hull kill "$ID" NONSENSE
	[[ $status -eq 1 ]]
	[[ $stderr == *'unknown signal \"NONSENSE\"'* ]]
}

@test "kill: SIGKILL where the pid namespace is not its own: nobody left is no error" {
	config '.linux.namespaces -= [{type: "pid"}]'
	start_sleeper
	hull kill "$ID" KILL
	wait_for 30 is_stopped "$ID"
	hull kill "$ID" KILL
	run --separate-stderr hull kill "$ID" TERM
	[[ $status -eq 1 && $stderr == *"container not running"* ]]
}

@test "kill: a created container, before its process ran" {
	args /bin/true
	hull create -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1
	hull kill "$ID" 9
	wait_for 30 is_stopped "$ID"
	hull delete "$ID"
}

@test "kill: a signal to the pid of the state reaches the container's init" {
	start_sleeper
	kill -USR1 "$(pid_of "$ID")"
	wait_for 30 is_stopped "$ID"
}

@test "delete: a running container needs --force" {
	start_sleeper
	run --separate-stderr hull delete "$ID"
	[[ $status -eq 1 ]]
	[[ $stderr == *"cannot delete container $ID that is not stopped: running"* ]]
	[[ $(status_of "$ID") == running ]]
	hull delete --force "$ID"
	nothing_left "$ID"
}

@test "delete: an unknown container is an error, with --force it is none" {
	run --separate-stderr hull delete nobody
	[[ $status -eq 1 ]]
	[[ $stderr == *"container does not exist"* ]]
	hull delete --force nobody
}

@test "delete --force loses no written data" {
	rm -f "$BUNDLE/rootfs/t/data"
	args /bin/sh -c 'dd if=/dev/urandom of=/t/data bs=1M count=20 2>/dev/null; sha256sum </t/data >/t/sum; echo done >/t/done; sleep 1000'
	hull run -d -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1
	wait_for 60 test -e "$BUNDLE/rootfs/t/done"
	hull delete -f "$ID"
	[[ $(sha256sum <"$BUNDLE/rootfs/t/data") == "$(cat "$BUNDLE/rootfs/t/sum")" ]]
	rm -f "$BUNDLE/rootfs/t/"*
}

@test "kill -9 of hull-vmm: state tells stopped, delete cleans up" {
	start_sleeper
	kill -9 "$(pid_of "$ID")"
	wait_for 10 is_stopped "$ID"
	hull delete "$ID"
	nothing_left "$ID"
}

@test "kill -9 of hull create: nobody lives on, the id can be used again" {
	# held by a hook, so that it is killed before its end
	mkfifo "$BATS_TEST_TMPDIR/reached" "$BATS_TEST_TMPDIR/go_on"
	config --arg d "$BATS_TEST_TMPDIR" '.hooks.createRuntime = [{path: "/bin/sh",
		args: ["sh", "-c", "echo >\($d)/reached; read -r _ <\($d)/go_on"]}]'
	args /bin/true
	HULL_DEADLINE=60 hull create -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1 &
	read -r -t 30 _ <"$BATS_TEST_TMPDIR/reached"
	vmms
	pkill -9 -f -- "hull --root $STATE.*create -b"
	wait || true
	echo >"$BATS_TEST_TMPDIR/go_on"
	wait_for 20 eval '! vmms'
	hull delete --force "$ID"
	nothing_left "$ID"
	config 'del(.hooks)'
	run_in /bin/true
	[[ $status -eq 0 ]]
}

@test "list: table, ids, JSON" {
	[[ $(hull list | head -n 1) =~ ^ID\ +PID\ +STATUS\ +BUNDLE\ +CREATED\ +OWNER$ ]]
	[[ -z $(hull list -q) ]]
	[[ $(hull list -f json) == null ]]
	start_sleeper
	[[ $(hull list -q) == "$ID" ]]
	[[ $(hull list | sed -n 2p) =~ ^$ID\ +[0-9]+\ +running\ +$BUNDLE\ +20.*\ +root$ ]]
	[[ $(hull list -f json | jq -r '.[0].id + " " + .[0].status + " " + .[0].owner') == "$ID running root" ]]
	run --separate-stderr hull list -f nonsense
	[[ $status -eq 1 ]]
	[[ $stderr == *"invalid format option"* ]]
}

@test "ps: the guest's processes for people, the host's pid as JSON" {
	start_sleeper
	run --separate-stderr hull ps "$ID"
	[[ $status -eq 0 ]]
	[[ ${lines[0]} =~ ^UID\ +PID\ +PPID\ +C\ +STIME\ +TTY\ +TIME\ +CMD$ ]]
	[[ ${lines[1]} =~ ^root\ +1\ +0\ +[0-9]+\ [0-9:]{5}\ \?\ +00:00:[0-9]{2}\ /bin/sh ]]
	[[ $output == *"sleep 1000"* ]]
	[[ $(hull ps "$ID" -x | sed -n 2p) =~ ^\ +1\ \?\ +S.*\ /bin/sh ]]
	[[ $(hull ps -f json "$ID") == "[$(pid_of "$ID")]" ]]
	hull kill "$ID" KILL
	wait_for 30 is_stopped "$ID"
	[[ $(hull ps "$ID") =~ ^UID\ +PID[^$'\n']*$ ]]
}

@test "two containers side by side, with roots of their own" {
	start_sleeper
	cp "$BUNDLE/config.json" "$BUNDLE/config.first"
	args /bin/sh -c 'echo second; ls /proc | grep -c "^[0-9]"'
	run --separate-stderr hull run -b "$BUNDLE" "$ID-b"
	[[ $status -eq 0 ]]
	[[ ${lines[0]} == second ]]
	[[ $(status_of "$ID") == running ]]
}

@test "lifecycle: nobody waits for the end of the virtual machine" {
	local pid cgroup

	start_sleeper
	pid=$(pid_of "$ID")
	# the kernel closes the machine's file later (vmm/late_close.h) ...
	[[ -n $(find "/proc/$pid/fd" -lname '*io_uring*') ]]
	# ... and its thread for the machine is not in the cgroup that delete removes
	cgroup=/sys/fs/cgroup$(sed -n 's/^0:://p' "/proc/$pid/cgroup")
	grep -qx "$pid" "$cgroup/cgroup.procs"
	# shellcheck disable=SC2046 # several files
	run grep -l '^kvm-' $(sed 's,.*,/proc/&/comm,' "$cgroup/cgroup.procs")
	[[ $status -ne 0 ]]
	hull delete -f "$ID"
	[[ ! -e $cgroup ]]
}
