#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# hull-vmm's jail, seen from outside while a container runs.

load helpers

# thread_status PID - "NAME SECCOMP NO_NEW_PRIVS CAP_EFF" of each thread
thread_status() {
	awk '/^Name:/ {n = $2} /^NoNewPrivs:/ {p = $2} /^Seccomp:/ {print n, $2, p, c} /^CapEff:/ {c = $2}' \
		/proc/"$1"/task/*/status
}

@test "jail: capabilities, seccomp, namespaces, root, descriptors" {
	mkdir -p "$WORK/vol"
	config --arg v "$WORK/vol" '.mounts += [{destination: "/vol", type: "bind", source: $v, options: ["bind"]}]'
	start_sleeper
	pid=$(pid_of "$ID")

	echo "# every thread: seccomp filter, no_new_privs, seven capabilities for files"
	thread_status "$pid"
	[[ $(thread_status "$pid" | wc -l) -ge 3 ]]
	# CHOWN DAC_OVERRIDE FOWNER FSETID SETGID SETUID SETFCAP
	[[ -z $(thread_status "$pid" | grep -v ' 2 1 00000000800000db$') ]]
	[[ $(awk '/^CapBnd/ {print $2}' "/proc/$pid/status") == 00000000800000db ]]
	[[ $(awk '/^CapInh/ {print $2}' "/proc/$pid/status") == 0000000000000000 ]]
	[[ $(awk '/^CapAmb/ {print $2}' "/proc/$pid/status") == 0000000000000000 ]]

	echo "# namespaces of its own, and it is PID 1 in its pid namespace"
	for ns in user mnt pid net ipc uts cgroup; do
		[[ $(readlink "/proc/$pid/ns/$ns") != "$(readlink "/proc/self/ns/$ns")" ]]
	done
	[[ $(awk '/^NSpid/ {print $NF}' "/proc/$pid/status") == 1 ]]
	echo "# in the user namespace every id is itself"
	[[ $(awk '{print $1 - $2}' "/proc/$pid/uid_map") == 0 ]]
	[[ $(awk '{print $1 - $2}' "/proc/$pid/gid_map") == 0 ]]

	echo "# an empty, read-only root; not dumpable"
	[[ -z $(ls -A "/proc/$pid/root/") ]]
	! touch "/proc/$pid/root/x"
	[[ $(stat -c %u "/proc/$pid/maps") == 0 ]]
	[[ $(grep -c . "/proc/$pid/mounts") -eq 1 ]]

	echo "# what it holds of file systems is its roots: no descriptor is on a mount that the host sees"
	host_mounts=$(awk '{print $1}' /proc/self/mountinfo)
	for fd in "/proc/$pid/fd/"*; do
		target=$(readlink "$fd" || true)
		[[ $target == /* && $target != /dev/null ]] || continue
		[[ $target != "$BATS_TEST_TMPDIR/err" ]] || continue # its stderr
		id=$(awk '/^mnt_id:/ {print $2}' "/proc/$pid/fdinfo/${fd##*/}" || true)
		if grep -qx "$id" <<<"$host_mounts"; then
			[[ $target == "$STATE/$ID/"* ]] || fail "holds $target"
		fi
	done
	[[ $(awk '/Max open files/ {print $4}' "/proc/$pid/limits") -le 4096 ]]
	[[ $(awk '/Max core file size/ {print $5}' "/proc/$pid/limits") == 0 ]]
}

@test "jail: it sits in the cgroup that config.json names" {
	[[ -e /sys/fs/cgroup/cgroup.controllers ]]
	config --arg c "/${WORK##*/}-parent/inner" '.linux.cgroupsPath = $c'
	start_sleeper
	[[ $(cat "/proc/$(pid_of "$ID")/cgroup") == "0::"*"/${WORK##*/}-parent/inner" ]]
	hull delete -f "$ID"
	[[ ! -e /sys/fs/cgroup/${WORK##*/}-parent/inner ]]
	rmdir "/sys/fs/cgroup/${WORK##*/}-parent"
}

@test "jail: in the container's network namespace, without rights there" {
	ip netns add hulltest
	config '.linux.namespaces |= map(if .type == "network" then .path = "/run/netns/hulltest" else . end)'
	start_sleeper
	[[ $(readlink "/proc/$(pid_of "$ID")/ns/net") == "net:[$(stat -L -c %i /run/netns/hulltest)]" ]]
	run --separate-stderr hull exec "$ID" /bin/sh -c 'cat /proc/net/dev | grep -c :'
	[[ $output == 1 ]]
	hull delete -f "$ID"
	ip netns del hulltest
}

@test "jail: hooks see the namespaces of hull-vmm, and the state on stdin" {
	cat >"$WORK/hook" <<-END
		#!/bin/sh
		out=$WORK/hook-\$1
		cat >\$out
		echo >>\$out
		readlink /proc/\$(sed -n 's/.*"pid":\([0-9]*\).*/\1/p' \$out)/ns/net >>\$out
		true
	END
	chmod +x "$WORK/hook"
	config --arg h "$WORK/hook" '.hooks = {
		createRuntime: [{path: $h, args: ["hook", "create"]}],
		poststart: [{path: $h, args: ["hook", "start"]}],
		poststop: [{path: $h, args: ["hook", "stop"]}]}'
	start_sleeper
	[[ $(head -n 1 "$WORK/hook-create") == *'"status":"creating"'* ]]
	[[ $(tail -n 1 "$WORK/hook-create") == "$(readlink "/proc/$(pid_of "$ID")/ns/net")" ]]
	[[ $(cat "$WORK/hook-start") == *'"status":"running"'* ]]
	hull delete -f "$ID"
	[[ $(cat "$WORK/hook-stop") == *'"status":"stopped"'* ]]
}
