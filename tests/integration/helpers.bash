# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What every test file loads. A file has one bundle (make_bundle in setup_file): a
# Debian root file system under overlayfs, the host's own as the lower layer. A
# test has an id of its own; teardown ends what it left and teardown_file looks
# whether anything is left on the host.
#
#	BUNDLE	the bundle	STATE	hull's --root	ID	the test's container

bats_require_minimum_version 1.5.0

# hull ARGS... - the command under test, with a deadline
hull() {
	timeout -k 5 "${HULL_DEADLINE:-120}" hull --root "$STATE" --set "vcpus=${VCPUS:-1}" \
		--set memory=512M "$@"
}

# make_bundle - for setup_file
make_bundle() {
	local base=/var/tmp

	[[ ! -d /data ]] || base=/data
	WORK=$(mktemp -d "$base/hull-test.XXXXXX")
	BUNDLE=$WORK/bundle
	STATE=$WORK/state
	export WORK BUNDLE STATE
	mkdir -p "$BUNDLE/rootfs" "$WORK/upper" "$WORK/work"
	mount -t overlay overlay \
		-o "lowerdir=/,upperdir=$WORK/upper,workdir=$WORK/work" "$BUNDLE/rootfs"
	mkdir -p "$BUNDLE/rootfs/t"
	(cd "$BUNDLE" && command hull spec)
	mv "$BUNDLE/config.json" "$BUNDLE/config.default"
}

setup_file() {
	make_bundle
}

setup() {
	ID=${WORK##*/}-$BATS_TEST_NUMBER
	cp "$BUNDLE/config.default" "$BUNDLE/config.json"
	config '.process.terminal = false | .root.readonly = false'
}

teardown() {
	local id

	for id in $(hull list -q); do
		hull delete -f "$id"
	done
}

teardown_file() {
	teardown_bundle
}

# teardown_bundle - for teardown_file: is anything left on the host?
teardown_bundle() {
	local left

	left=$(pgrep -f -- "--root $STATE" || true)
	umount "$BUNDLE/rootfs"
	[[ -z $left ]] || { echo "# processes left: $left" >&3; return 1; }
	if vmms >&3; then
		echo "# hull-vmm is left" >&3
		return 1
	fi
	[[ ! -d $STATE || -z $(ls -A "$STATE") ]] || { echo "# state is left: $(ls "$STATE")" >&3; return 1; }
	if cgroups_of "${WORK##*/}*" >&3; then
		echo "# cgroups are left" >&3
		return 1
	fi
	rm -rf "$WORK"
}

# config [JQ-OPTIONS...] FILTER - change config.json with jq
config() {
	jq "$@" <"$BUNDLE/config.json" >"$BUNDLE/config.new"
	mv "$BUNDLE/config.new" "$BUNDLE/config.json"
}

# args ARG... - what the container runs
args() {
	config --rawfile args <(printf '%s\0' "$@") '.process.args = ($args | split("\u0000")[:-1])'
}

# run_in ARG... - bats' run of a container that runs ARG...
run_in() {
	args "$@"
	run --separate-stderr hull run -b "$BUNDLE" "$ID"
}

# start_sleeper - a running container $ID that does nothing until it is killed; its
# signal handler is set
start_sleeper() {
	args /bin/sh -c 'trap "exit 42" USR1; while :; do sleep 1000 & wait; done'
	hull run -d -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>"$BATS_TEST_TMPDIR/err" && wait_for 30 sleeps
}

# sleeps - there is a process `sleep`: the shell's own arguments name it from the beginning
sleeps() {
	hull ps "$ID" | grep -q 'sleep 1000$'
}

# vmms - the pids of this file's hull-vmms, found by their cgroups; none: status 1
vmms() {
	local found

	# grep's own status tells of processes that went away meanwhile
	found=$(grep -l "/${WORK##*/}-" /proc/[0-9]*/cgroup 2>/dev/null || true)
	[[ -n $found ]] && echo "$found"
}

status_of() {
	hull state "$1" | jq -r .status
}

pid_of() {
	hull state "$1" | jq -r .pid
}

# wait_for SECONDS COMMAND... - until it succeeds
wait_for() {
	local end=$((SECONDS + $1))

	shift
	until "$@"; do
		[[ $SECONDS -lt $end ]] || { echo "never happened: $*"; return 1; }
		sleep 0.1
	done
}

is_stopped() {
	[[ $(status_of "$1") == stopped ]]
}

# nothing_left ID - a failed create leaves nothing on the host
nothing_left() {
	[[ ! -e $STATE/$1 ]]
	! cgroups_of "$1"
	! vmms
}

# cgroups_of PATTERN - the host's cgroups of that name, of either version; none: status 1
cgroups_of() {
	compgen -G "/sys/fs/cgroup/$1" || compgen -G "/sys/fs/cgroup/*/$1"
}

fail() {
	echo "$*"
	return 1
}

# share SOURCE DESTINATION OPTION... - a bind mount
share() {
	config --arg s "$1" --arg d "$2" --args \
		'.mounts += [{source: $s, destination: $d, type: "bind", options: (["bind"] + $ARGS.positional)}]' "${@:3}"
}
