#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# Hooks: where each kind runs, what it is told, and what its failure does.

load helpers

# hook PATH - a program that notes its input and its place in /t/NAME, for the
# container and the host alike; NAME is its first argument
hook() {
	cat >"$1"
	chmod +x "$1"
}

teardown() {
	local id

	for id in $(hull list -q); do
		hull delete -f "$id"
	done
	rm -rf "$BUNDLE/rootfs/t/"* "$WORK"/hook*
}

# noting KIND - hooks.KIND notes that it ran, on the host
noting() {
	hook "$WORK/hook-$1" <<-END
		#!/bin/sh
		cat >"$WORK/hook-of-$1"
		echo $1 >>"$WORK/hook-order"
	END
	config --arg k "$1" --arg p "$WORK/hook-$1" '.hooks[$k] += [{path: $p}]'
}

@test "startContainer: in the container, before the program, with the state" {
	hook "$BUNDLE/rootfs/t/hook" <<-'END'
		#!/bin/sh
		cat >/t/state
		echo "$0 $1 $# $V $(hostname) $$" >/t/place
		readlink /proc/self/ns/pid /proc/1/ns/pid | uniq | wc -l >>/t/place
		tr '\0' ' ' </proc/$$/environ >>/t/place
	END
	config '.annotations = {"a.b": "c"} | .hooks.startContainer = [{path: "/t/hook", args: ["hook", "x"], env: ["V=1", "PATH=/usr/bin:/bin"], timeout: 60}]'
	args /bin/sh -c 'test -e /t/place && echo ran'
	hull create -b "$BUNDLE" "$ID" </dev/null >"$BATS_TEST_TMPDIR/out" 2>&1
	[[ ! -e $BUNDLE/rootfs/t/place ]]
	hull start "$ID"
	wait_for 30 is_stopped "$ID"
	[[ $(cat "$BATS_TEST_TMPDIR/out") == ran ]]
	cat "$BUNDLE/rootfs/t/state" "$BUNDLE/rootfs/t/place"
	jq -e --arg id "$ID" --arg b "$BUNDLE" '.id == $id and .status == "created" and .pid == 1 and .bundle == $b
		and .annotations == {"a.b": "c"} and .ociVersion' "$BUNDLE/rootfs/t/state"
	[[ $(sed -n 1p "$BUNDLE/rootfs/t/place") == "/t/hook x 1 1 hull "[2-9]* ]]
	[[ $(sed -n 2p "$BUNDLE/rootfs/t/place") == 1 ]]
	[[ $(sed -n 3p "$BUNDLE/rootfs/t/place") == "V=1 PATH=/usr/bin:/bin " ]]
}

@test "hooks without an environment have hull's, or in the container the process'" {
	hook "$WORK/hook-host" <<-END
		#!/bin/sh
		echo "\$CALLER" >"$WORK/env-host"
	END
	hook "$WORK/hook-none" <<-END
		#!/bin/sh
		echo "none\$CALLER" >"$WORK/env-none"
	END
	hook "$BUNDLE/rootfs/t/hook" <<-'END'
		#!/bin/sh
		echo "$ONE $CALLER" >/t/env
	END
	config --arg w "$WORK" '.process.env += ["ONE=two"] | .hooks = {
		createRuntime: [{path: ($w + "/hook-host")}, {path: ($w + "/hook-none"), env: []}],
		startContainer: [{path: "/t/hook"}]}'
	CALLER=me run_in /bin/true
	[[ $status -eq 0 ]]
	[[ $(cat "$WORK/env-host") == me ]]
	[[ $(cat "$WORK/env-none") == none ]]
	[[ $(cat "$BUNDLE/rootfs/t/env") == "two " ]]
}

@test "startContainer: with the process' capabilities and filter" {
	hook "$BUNDLE/rootfs/t/hook" <<-'END'
		#!/bin/sh
		grep -E '^(CapEff|Seccomp|NoNewPrivs):' /proc/self/status >/t/status
	END
	config '.hooks.startContainer = [{path: "/t/hook", env: ["PATH=/usr/bin:/bin"]}]
		| .linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["keyctl"], action: "SCMP_ACT_ERRNO"}]}'
	run_in /bin/grep -E '^(CapEff|Seccomp|NoNewPrivs):' /proc/self/status
	[[ $status -eq 0 ]]
	[[ $output == "$(cat "$BUNDLE/rootfs/t/status")" ]]
	[[ $output == *Seccomp:*2* ]]
}

@test "startContainer: its failure fails start, and the poststop hooks run" {
	noting poststop
	config '.hooks.startContainer = [{path: "/bin/sh", args: ["sh", "-c", "echo on no account; exit 3"]}]'
	args /bin/sh -c 'echo ran >/t/ran'
	hull create -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1
	run --separate-stderr hull start "$ID"
	echo "$stderr"
	[[ $status -eq 1 ]]
	[[ $stderr == *"error running startContainer hook #0: hook '/bin/sh': exit status 3, output: on no account"* ]]
	wait_for 30 is_stopped "$ID"
	[[ ! -e $BUNDLE/rootfs/t/ran ]]
	hull delete "$ID"
	jq -e '.status == "stopped"' "$WORK/hook-of-poststop"
	nothing_left "$ID"
}

@test "poststop: one that fails is a warning, and the next one runs" {
	config '.hooks.poststop = [{path: "/bin/sh", args: ["sh", "-c", "echo too bad; exit 4"]}]'
	noting poststop
	run_in /bin/echo ran
	[[ $status -eq 0 && $output == ran ]]
	[[ $stderr == *"error running poststop hook #0: hook '/bin/sh': exit status 4, output: too bad"* ]]
	jq -e '.status == "stopped"' "$WORK/hook-of-poststop"
	nothing_left "$ID"
}

@test "startContainer: hull run fails as well, leaves nothing, runs the poststop hooks" {
	noting poststop
	config '.hooks.startContainer = [{path: "/no/such/hook", timeout: 30}]'
	run_in /bin/true
	echo "$stderr"
	[[ $status -eq 1 ]]
	[[ $stderr == *"startContainer hook #0: hook '/no/such/hook': exit status 127, output: No such file or directory"* ]]
	jq -e '.status == "stopped"' "$WORK/hook-of-poststop"
	nothing_left "$ID"
}

@test "startContainer: past its timeout it is killed, and start fails" {
	config '.hooks.startContainer = [{path: "/bin/sleep", args: ["sleep", "100"], timeout: 1}]'
	run_in /bin/true
	[[ $status -eq 1 ]]
	[[ $stderr == *"startContainer hook #0: hook '/bin/sleep' ran past its timeout of 1 s"* ]]
	nothing_left "$ID"
}

@test "createContainer: after createRuntime, in hull-vmm's network, with the root file system" {
	noting createRuntime
	noting createContainer
	hook "$WORK/hook-look" <<-END
		#!/bin/sh
		{ readlink /proc/self/ns/net; readlink /proc/self/ns/mnt; pwd; echo "\$V"; } >"$WORK/hook-place"
		echo from the hook >etc/hook-was-here
	END
	config --arg p "$WORK/hook-look" '.hooks.createContainer += [{path: $p, env: ["V=1"], timeout: 60}]'
	args /bin/sh -c 'cat /etc/hook-was-here; sleep 1000'
	hull run -d -b "$BUNDLE" "$ID" </dev/null >"$BATS_TEST_TMPDIR/out" 2>&1
	wait_for 30 test -s "$BATS_TEST_TMPDIR/out"
	rm -f "$BUNDLE/rootfs/etc/hook-was-here"
	[[ $(cat "$BATS_TEST_TMPDIR/out") == "from the hook" ]]
	[[ $(cat "$WORK/hook-order") == $'createRuntime\ncreateContainer' ]]
	jq -e --argjson pid "$(pid_of "$ID")" '.status == "creating" and .pid == $pid' "$WORK/hook-of-createContainer"
	cat "$WORK/hook-place"
	[[ $(sed -n 1p "$WORK/hook-place") == "$(readlink "/proc/$(pid_of "$ID")/ns/net")" ]]
	[[ $(sed -n 2p "$WORK/hook-place") != "$(readlink "/proc/$(pid_of "$ID")/ns/mnt")" ]]
	[[ $(sed -n 2p "$WORK/hook-place") != "$(readlink /proc/self/ns/mnt)" ]]
	[[ $(sed -n 3p "$WORK/hook-place") == "$BUNDLE/rootfs" ]]
	[[ $(sed -n 4p "$WORK/hook-place") == 1 ]]
}

@test "createContainer: what it mounts in the root file system is the container's, and not the host's" {
	mkdir -p "$BUNDLE/rootfs/t/mnt" "$WORK/hook-dir"
	echo mounted >"$WORK/hook-dir/file"
	hook "$WORK/hook-mount" <<-END
		#!/bin/sh -e
		PATH=/usr/sbin:/usr/bin:/sbin:/bin
		mount --bind "$WORK/hook-dir" "$BUNDLE/rootfs/t/mnt"
		mount -t tmpfs none /mnt
	END
	config --arg p "$WORK/hook-mount" '.hooks.createContainer = [{path: $p}]'
	args /bin/sh -c 'cat /t/mnt/file; echo written >/t/mnt/back; sleep 1000'
	hull run -d -b "$BUNDLE" "$ID" </dev/null >"$BATS_TEST_TMPDIR/out" 2>&1
	wait_for 30 test -s "$BATS_TEST_TMPDIR/out"
	[[ $(cat "$BATS_TEST_TMPDIR/out") == mounted ]]
	[[ -z $(ls "$BUNDLE/rootfs/t/mnt") ]]
	run ! mountpoint -q /mnt
	wait_for 30 grep -q written "$WORK/hook-dir/back"

	echo "# the jail holds nothing of the host but its roots"
	pid=$(pid_of "$ID")
	[[ $(wc -l <"/proc/$pid/mountinfo") -eq 1 ]]
	[[ $(readlink "/proc/$pid/fd/"*) != *mnt:* ]]
}

@test "createContainer: a failure or a timeout fails create, and the poststop hooks run" {
	noting poststop
	config '.hooks.createContainer = [{path: "/bin/sh", args: ["sh", "-c", "echo on no account; exit 3"]}]'
	run --separate-stderr hull create -b "$BUNDLE" "$ID"
	echo "$stderr"
	[[ $status -eq 1 ]]
	[[ $stderr == *"error running createContainer hook #0: hook '/bin/sh': exit status 3, output: on no account"* ]]
	jq -e '.status == "stopped"' "$WORK/hook-of-poststop"
	nothing_left "$ID"
	config '.hooks.createContainer = [{path: "/bin/sleep", args: ["sleep", "100"], timeout: 1}]'
	run --separate-stderr hull create -b "$BUNDLE" "$ID"
	[[ $status -eq 1 ]]
	[[ $stderr == *"createContainer hook #0: hook '/bin/sleep' ran past its timeout of 1 s"* ]]
	nothing_left "$ID"
}

@test "createRuntime, prestart: a failure or a timeout fails create; what a good one prints is not shown" {
	noting poststop
	for kind in prestart createRuntime; do
		config --arg k $kind '.hooks |= {poststop} | .hooks[$k] = [{path: "/bin/sh", args: ["sh", "-c", "echo on no account >&2; exit 3"]}]'
		run --separate-stderr hull create -b "$BUNDLE" "$ID"
		echo "$stderr"
		[[ $status -eq 1 && $(wc -l <<<"$stderr") -eq 1 ]]
		[[ $stderr == *"error running $kind hook #0: hook '/bin/sh': exit status 3, output: on no account"* ]]
		jq -e '.status == "stopped"' "$WORK/hook-of-poststop"
		nothing_left "$ID"
		config --arg k $kind '.hooks[$k] = [{path: "/bin/sleep", args: ["sleep", "100"], timeout: 1}]'
		run --separate-stderr hull run -b "$BUNDLE" "$ID"
		[[ $status -eq 1 ]]
		[[ $stderr == *"$kind hook #0: hook '/bin/sleep' ran past its timeout of 1 s"* ]]
		nothing_left "$ID"
	done
	config '.hooks |= {createRuntime: [{path: "/bin/sh", args: ["sh", "-c", "echo noise; echo more noise >&2"]}]}'
	run_in /bin/echo ran
	[[ $status -eq 0 && $output == ran && -z $stderr ]]
}

@test "createRuntime: finds hull-vmm's namespaces though the guest has refused the program by then" {
	hook "$WORK/hook-late" <<-END
		#!/bin/sh
		pid=\$(jq .pid) n=0
		until [ "\$("$(type -P hull)" --root "$STATE" state "$ID" | jq -r .status)" = stopped ]; do
			[ \$((n += 1)) -lt 300 ] || exit 9
			sleep 0.1
		done
		readlink "/proc/\$pid/ns/net" >"$WORK/hook-net"
	END
	config --arg p "$WORK/hook-late" '.hooks.createRuntime = [{path: $p}]'
	args /no/such/program
	run --separate-stderr hull create -b "$BUNDLE" "$ID"
	echo "$stderr"
	[[ $status -eq 1 && $stderr == *'exec: \"/no/such/program\": stat /no/such/program: no such file or directory'* ]]
	[[ $(cat "$WORK/hook-net") == net:* ]]
	nothing_left "$ID"
}

@test "poststart: its failure fails start, and the container goes on; hull run ends it" {
	noting poststop
	config '.hooks.poststart = [{path: "/bin/sh", args: ["sh", "-c", "echo too late; exit 3"]}]'
	args /bin/sleep 1000
	hull create -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1
	run --separate-stderr hull start "$ID"
	echo "$stderr"
	[[ $status -eq 1 ]]
	[[ $stderr == *"error running poststart hook #0: hook '/bin/sh': exit status 3, output: too late"* ]]
	[[ $(status_of "$ID") == running && ! -e $WORK/hook-of-poststop ]]
	hull delete --force "$ID"
	rm "$WORK/hook-of-poststop"
	run --separate-stderr hull run -b "$BUNDLE" "$ID"
	[[ $status -eq 1 ]]
	[[ $stderr == *"error running poststart hook #0: hook '/bin/sh': exit status 3, output: too late"* ]]
	jq -e '.status == "stopped"' "$WORK/hook-of-poststop"
	nothing_left "$ID"
}
