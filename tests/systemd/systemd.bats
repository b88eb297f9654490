#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# --systemd-cgroup, where systemd is PID 1: a machine with KVM, or the lab (lab --systemd).

load ../integration/helpers

SLICE=hulltest-a_b.slice
FOLDER=/sys/fs/cgroup/hulltest.slice/hulltest-a_b.slice

hull() {
	timeout -k 5 120 hull --systemd-cgroup --root "$STATE" --set vcpus=1 "$@"
}

eval "$(declare -f setup | sed '1s/setup/make_config/')"
setup() {
	make_config
	UNIT=pre-$ID.scope
	config --arg path "$SLICE:pre:$ID" '.linux.cgroupsPath = $path'
}

eval "$(declare -f teardown | sed '1s/teardown/delete_all/')"
teardown() {
	delete_all
	systemctl stop "pre-$ID.scope" 2>/dev/null || true
}

eval "$(declare -f teardown_file | sed '1s/teardown_file/look_around/')"
teardown_file() {
	look_around
	[[ -z $(units) ]] || { echo "# units are left: $(units)" >&3; return 1; }
}

# units - those of this file's containers, whatever their state
units() {
	systemctl list-units --all --plain --no-legend "*${WORK##*/}*"
}

# shows NAME VALUE - a property of $UNIT
shows() {
	local text

	text=$(systemctl show -p "$1" --value "$UNIT")
	echo "$1: '$text'"
	[[ $text == "$2" ]]
}

# has FILE TEXT - what the unit's cgroup says
has() {
	local text

	text=$(<"$FOLDER/$UNIT/$1")
	echo "$1: '$text'"
	[[ $text == "$2" ]]
}

# limits MEMORY CPU_MAX PIDS CPUS - what all files say
limits() {
	has memory.max "$1"
	has cpu.max "$2"
	has pids.max "$3"
	has cpuset.cpus "$4"
	has memory.low 1048576
	has memory.swap.max 33554432
	has cpu.weight 59
	has cpuset.mems 0
}

# bound_to CPUS - hull-vmm and all its threads
bound_to() {
	local pid line

	pid=$(pid_of "$ID")
	for line in /proc/"$pid"/task/*/status; do
		grep -qx "Cpus_allowed_list:	$1" "$line" || { grep Cpus_allowed_list "$line"; return 1; }
	done
}

# refused TEXT [CGROUPSPATH] - create fails with that line, and leaves nothing
refused() {
	[[ $# -eq 1 ]] || config --arg path "$2" '.linux.cgroupsPath = $path'
	run --separate-stderr hull create -b "$BUNDLE" "$ID"
	echo "status $status, stderr: $stderr"
	[[ $status -eq 1 && $stderr == *"$1"* ]]
	[[ $(wc -l <<<"$stderr") -eq 1 ]]
	nothing_left "$ID"
	[[ -z $(units) ]]
}

@test "systemd: a scope in its slice, gone after delete" {
	start_sleeper
	shows ControlGroup "/hulltest.slice/$SLICE/$UNIT"
	shows Slice "$SLICE"
	shows Delegate yes
	shows DefaultDependencies no
	shows Transient yes
	shows ActiveState active
	shows Description "hull container $ID"
	grep -qx "0::/hulltest.slice/$SLICE/$UNIT" "/proc/$(pid_of "$ID")/cgroup"
	# Nobody but hull-vmm (its other processes are its namespace's)
	run ! grep -l hull-systemd /proc/[0-9]*/comm
	hull delete -f "$ID"
	[[ -z $(units) ]]
	[[ ! -e $FOLDER/$UNIT ]]
}

@test "systemd: without cgroupsPath hull-ID.scope in system.slice" {
	config 'del(.linux.cgroupsPath)'
	UNIT=hull-$ID.scope
	start_sleeper
	shows ControlGroup "/system.slice/$UNIT"
	hull delete -f "$ID"
	[[ -z $(units) ]]
}

@test "systemd: run ends with the container's status, and its scope" {
	run_in /bin/sh -c 'exit 7'
	echo "status $status, stderr: $stderr"
	[[ $status -eq 7 && -z $stderr ]]
	[[ -z $(units) ]]
}

@test "systemd: limits that stay after daemon-reload, and update" {
	local memory

	config '.linux.resources = {
		memory: {limit: 536870912, reservation: 1048576, swap: 570425344},
		cpu: {shares: 512, quota: 55555, period: 50000, cpus: "0", mems: "0"}, pids: {limit: 50}}'
	start_sleeper
	memory=$(<"$FOLDER/$UNIT/memory.max")
	[[ $memory -gt 536870912 ]]
	# 55555 + 12500, rounded up to per cents
	limits "$memory" '68500 50000' 83 0
	bound_to 0
	shows MemoryMax "$memory"
	shows MemoryLow 1048576
	shows MemorySwapMax 33554432
	shows CPUWeight 59
	shows CPUQuotaPerSecUSec 1.370000s
	shows CPUQuotaPeriodUSec 50ms
	shows AllowedCPUs 0
	shows AllowedMemoryNodes 0
	shows TasksMax 83
	systemctl daemon-reload
	limits "$memory" '68500 50000' 83 0

	hull update --cpu-quota 25000 --pids-limit 60 --cpuset-cpus 0-1 "$ID"
	limits "$memory" '37500 50000' 93 0-1
	bound_to 0-1
	shows CPUQuotaPerSecUSec 750ms
	shows TasksMax 93
	systemctl daemon-reload
	limits "$memory" '37500 50000' 93 0-1

	# The guest cannot: nothing has changed, for systemd neither.
	run --separate-stderr hull update --cpu-quota 12500 --pids-limit 70 --cpuset-cpus 1 \
		--memory 100G "$ID"
	echo "status $status, stderr: $stderr"
	[[ $status -eq 1 && $stderr == *memory.limit* ]]
	[[ $(wc -l <<<"$stderr") -eq 1 ]]
	limits "$memory" '37500 50000' 93 0-1
	bound_to 0-1
	shows TasksMax 93
	shows CPUQuotaPerSecUSec 750ms
	shows AllowedCPUs 0-1
	systemctl daemon-reload
	limits "$memory" '37500 50000' 93 0-1
}

@test "systemd: idle, and not any more" {
	config '.linux.resources = {cpu: {idle: 1}, blockIO: {weight: 100}}'
	start_sleeper
	has cpu.idle 1
	shows CPUWeight idle
	shows IOWeight 910
	systemctl daemon-reload
	has cpu.idle 1
	hull update --cpu-idle 0 "$ID"
	has cpu.idle 0
	has cpu.weight 100
	systemctl daemon-reload
	has cpu.idle 0
	has cpu.weight 100
}

@test "systemd: delete after hull-vmm was killed" {
	start_sleeper
	kill -KILL "$(pid_of "$ID")"
	wait_for 10 is_stopped "$ID"
	hull delete "$ID"
	[[ -z $(units) ]]
}

@test "systemd: delete does not need the option again" {
	start_sleeper
	timeout 60 hull --root "$STATE" delete -f "$ID"
	[[ -z $(units) ]]
}

@test "systemd: a create that fails later leaves no scope" {
	args /nonexistent
	refused /nonexistent
	config '.linux.resources.blockIO.throttleReadBpsDevice = [{major: 999, minor: 1, rate: 1}]'
	refused "host: cgroup: write '999:1 rbps=1' to 'io.max'"
}

@test "systemd: a scope of that name that lives is not taken over" {
	systemd-run --scope --unit="$UNIT" --slice="$SLICE" sleep 1000 </dev/null >/dev/null 2>&1 3>&- &
	wait_for 10 systemctl -q is-active "$UNIT"
	run --separate-stderr hull create -b "$BUNDLE" "$ID"
	echo "status $status, stderr: $stderr"
	[[ $status -eq 1 && $stderr == *"systemd: start '$UNIT': Unit $UNIT was already loaded"* ]]
	systemctl -q is-active "$UNIT"
}

@test "systemd: a failed scope of that name is cleared away" {
	systemd-run --scope --unit="$UNIT" --slice="$SLICE" -p RuntimeMaxSec=1 sleep 1000 </dev/null >/dev/null 2>&1 3>&- &
	wait_for 20 systemctl -q is-failed "$UNIT"
	wait || true
	start_sleeper
	shows ActiveState active
}

@test "systemd: a cgroupsPath that is none" {
	refused 'expected cgroupsPath to be of format \"slice:prefix:name\" for systemd cgroups, got \"/a/b\" instead' /a/b
	refused 'invalid slice name: a--b.slice' a--b.slice:pre:c
	refused 'invalid unit name: pre-../c.scope' a.slice:pre:../c
}
