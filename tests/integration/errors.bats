#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# What cannot work: one clear line, the right exit status, nothing left behind.

load helpers

# refused STATUS TEXT COMMAND... - it fails so, with one line, and leaves nothing
refused() {
	local want=$1 text=$2

	shift 2
	run --separate-stderr "$@"
	echo "status $status, stderr: $stderr"
	[[ $status -eq $want ]]
	[[ $stderr == *"$text"* ]]
	[[ $(wc -l <<<"$stderr") -eq 1 ]]
	nothing_left "$ID"
}

create() {
	hull create -b "$BUNDLE" "$ID"
}

@test "errors: no bundle, no config.json, broken JSON, a wrong field" {
	refused 1 "bundle '/nonexistent'" hull create -b /nonexistent "$ID"
	mkdir -p "$WORK/empty"
	refused 1 "config.json" hull create -b "$WORK/empty" "$ID"
	echo '{"ociVersion": "1.0.2", ' >"$BUNDLE/config.json"
	refused 1 "config.json" create
	cp "$BUNDLE/config.default" "$BUNDLE/config.json"
	config '.process.user.uid = "root"'
	refused 1 "process.user.uid" create
}

@test "errors: a field that is not honoured is named" {
	config '.linux.netDevices = {eth9: {}}'
	refused 1 "linux.netDevices" create
}

@test "errors: intelRdt on a host without resctrl" {
	[[ ! -e /sys/fs/resctrl/schemata ]] || skip "this one has resctrl"
	config '.linux.intelRdt = {closID: "x"}'
	refused 1 "linux.intelRdt: intelRdt is specified in config, but Intel RDT is not enabled" create
}

@test "errors: a SELinux label on a host without SELinux" {
	[[ ! -e /sys/fs/selinux/enforce ]] || skip "this one has SELinux"
	config '.process.selinuxLabel = "u:r:t:s0"'
	refused 1 "process.selinuxLabel: selinux label is specified in config, but selinux is disabled or not supported" create
	config 'del(.process.selinuxLabel) | .linux.mountLabel = "u:r:t:s0"'
	start_sleeper
	run --separate-stderr hull exec --process-label u:r:t:s0 "$ID" true
	[[ $status -eq 255 && $stderr == *"exec failed: process.selinuxLabel: selinux label is specified"* ]]
	jq '.process | .args = ["true"] | .selinuxLabel = "u:r:t:s0"' "$BUNDLE/config.json" >"$WORK/process.json"
	run --separate-stderr hull exec -p "$WORK/process.json" "$ID"
	[[ $status -eq 255 && $stderr == *"exec failed: process.selinuxLabel: selinux label is specified"* ]]
	hull exec --process-label "" "$ID" true
}

@test "errors: --systemd-cgroup without systemd, and with a cgroupsPath that is none" {
	export DBUS_SYSTEM_BUS_ADDRESS=unix:path=/nonexistent
	refused 1 "--systemd-cgroup: connect to the system bus: No such file" \
		hull --systemd-cgroup create -b "$BUNDLE" "$ID"
	config '.linux.cgroupsPath = "/a/b"'
	refused 1 'expected cgroupsPath to be of format \"slice:prefix:name\" for systemd cgroups, got \"/a/b\" instead' \
		hull --systemd-cgroup run -b "$BUNDLE" "$ID"
}

@test "errors: no root file system" {
	config '.root.path = "nowhere"'
	refused 1 "$BUNDLE/nowhere" create
}

@test "errors: the source of a bind mount is not there" {
	config '.mounts += [{destination: "/x", type: "bind", source: "/nowhere/at/all", options: ["bind"]}]'
	refused 1 "/nowhere/at/all" create
}

@test "errors: the program: absent, not executable, a folder" {
	args nonexistent
	refused 1 'hull create failed: unable to start container process: exec: \"nonexistent\": executable file not found in $PATH' create
	args /etc/passwd
	refused 1 'hull create failed: unable to start container process: exec: \"/etc/passwd\": permission denied' create
	refused 1 'hull run failed' hull run -b "$BUNDLE" "$ID"
	args /etc
	refused 1 'hull create failed: unable to start container process: exec: \"/etc\": permission denied' create
	args /no/such/program
	refused 1 'hull create failed: unable to start container process: exec: \"/no/such/program\": stat /no/such/program: no such file or directory' create
}

@test "errors: a program that only execve() refuses: its words are the container's, its status 255" {
	printf '#!/no/interpreter\n' >"$BUNDLE/rootfs/t/script"
	chmod 755 "$BUNDLE/rootfs/t/script"
	args /t/script
	run --separate-stderr hull run -b "$BUNDLE" "$ID"
	[[ $status -eq 255 && -z $output ]]
	[[ $stderr == "exec /t/script: no such file or directory" ]]
}

@test "errors: ids: illegal, taken, unknown" {
	refused 1 "invalid container ID format" hull create -b "$BUNDLE" ../x
	refused 1 "invalid container ID format" hull state ../x
	refused 1 "container does not exist" hull state nobody
	refused 1 "container does not exist" hull kill nobody
	refused 1 "container does not exist" hull start nobody
	start_sleeper
	run --separate-stderr create
	[[ $status -eq 1 ]]
	[[ $stderr == *"container with given ID already exists"* ]]
	[[ $(status_of "$ID") == running ]]
}

@test "errors: no /dev/kvm, or one that is not KVM" {
	# shellcheck disable=SC2016 # expanded by the inner shell
	refused 1 "open '/dev/kvm': No such file or directory" unshare -m sh -c 'mount -t tmpfs none /dev; exec timeout 60 hull --root "$0" create -b "$1" "$2"' \
		"$STATE" "$BUNDLE" "$ID"
	# shellcheck disable=SC2016 # expanded by the inner shell
	refused 1 "/dev/kvm: KVM_GET_API_VERSION" unshare -m sh -c 'mount --bind /dev/null /dev/kvm; exec timeout 60 hull --root "$0" create -b "$1" "$2"' \
		"$STATE" "$BUNDLE" "$ID"
}

@test "errors: a kernel that is none, or not there" {
	HULL_KERNEL=/nonexistent refused 1 "/nonexistent" create
	echo nonsense >"$WORK/kernel"
	HULL_KERNEL=$WORK/kernel refused 1 "kernel" create
}

@test "errors: a kernel that panics: its last lines are in the error" {
	echo not-an-archive-but-long-enough >"$WORK/initrd"
	run --separate-stderr hull --set "initrd=$WORK/initrd" create -b "$BUNDLE" "$ID"
	echo "$stderr"
	[[ $status -eq 1 ]]
	[[ $stderr == *"panic"* ]]
	nothing_left "$ID"
}

@test "errors: a guest that never answers: a deadline, then an error" {
	mkdir -p "$WORK/never"
	printf 'int main(void) { for (;;) __builtin_ia32_pause(); }' >"$WORK/never/init.c"
	gcc -static -o "$WORK/never/init" "$WORK/never/init.c"
	(cd "$WORK/never" && echo init | cpio -o -H newc --quiet >"$WORK/never.cpio")
	refused 1 "did not answer" hull --set "initrd=$WORK/never.cpio" --set boot-timeout=8 create -b "$BUNDLE" "$ID"
}

@test "errors: memory that cannot be had" {
	# shellcheck disable=SC2016 # expanded by the inner shell
	refused 1 "memory" sh -c 'ulimit -v 400000; exec timeout 60 hull --root "$0" --set memory=2G create -b "$1" "$2"' "$STATE" "$BUNDLE" "$ID"
}

@test "errors: a full disk for the state" {
	mkdir -p "$WORK/full"
	mount -t tmpfs -o size=4k,nr_inodes=3 none "$WORK/full"
	run --separate-stderr timeout 60 hull --root "$WORK/full/state" create -b "$BUNDLE" "$ID"
	echo "$stderr"
	[[ $status -eq 1 ]]
	[[ $stderr == *"No space left on device"* ]]
	[[ ! -e $WORK/full/state/$ID ]]
	umount "$WORK/full"
}

@test "errors: a full disk in the container is the container's" {
	mkdir -p "$WORK/small"
	mount -t tmpfs -o size=1M none "$WORK/small"
	config --arg s "$WORK/small" '.mounts += [{destination: "/small", type: "bind", source: $s, options: ["bind"]}]'
	run_in /bin/sh -c 'dd if=/dev/zero of=/small/x bs=64k count=100 2>&1 | grep -o "No space left on device"; echo alive'
	umount "$WORK/small"
	[[ ${lines[0]} == "No space left on device" ]]
	[[ ${lines[1]} == alive ]]
}

@test "errors: as JSON in --log, and on stderr" {
	run --separate-stderr timeout 60 hull --root "$STATE" --log "$WORK/log" --log-format json create -b /nonexistent "$ID"
	[[ $status -eq 1 ]]
	[[ $(jq -r .level "$WORK/log") == error ]]
	[[ $(jq -r .msg "$WORK/log") == *"/nonexistent"* ]]
	[[ $stderr == "$(jq -r .msg "$WORK/log")" ]]
}

# in_json FILTER TEXT - with that change of config.json the one line is TEXT, in JSON too
in_json() {
	cp "$BUNDLE/config.default" "$BUNDLE/config.json"
	config "$1"
	refused 1 "$2" create
	rm -f "$WORK/log"
	refused 1 "$2" hull --log "$WORK/log" --log-format json create -b "$BUNDLE" "$ID"
	[[ $(jq -r '[.level, .msg] | join(" ")' "$WORK/log") == "error $stderr" ]]
	run --separate-stderr hull --log-format json create -b "$BUNDLE" "$ID"
	[[ $status -eq 1 && $(jq -r .msg <<<"$stderr") == *"$2"* ]]
}

@test "errors: a wrong type, a value out of range, a contradiction, an unknown name: path and value" {
	in_json '.process.args = "sh"' 'process.args: expected an array, got a string'
	in_json '.process.oomScoreAdj = 1001' 'process.oomScoreAdj: 1001 is not between -1000 and 1000'
	in_json '.process.rlimits = [{type: "RLIMIT_CORE", soft: 2, hard: 1}]' 'process.rlimits[0]: soft 2 is above hard 1'
	in_json '.linux.namespaces += [{type: "galaxy"}]' 'linux.namespaces['
	in_json '.linux.seccomp = {defaultAction: "SCMP_ACT_WHAT"}' 'linux.seccomp.defaultAction: '
}

@test "errors: the command line" {
	refused 1 "flag provided but not defined: -nonsense" hull run --nonsense x
	refused 1 'hull: \"state\" requires exactly 1 argument(s)' hull state
	refused 1 "No help topic for 'nonsense'" hull nonsense
	refused 1 "invalid log-format: x" timeout 10 hull --log-format x list
}
