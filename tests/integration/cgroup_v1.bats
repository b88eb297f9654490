#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# A host whose controllers are cgroup v1's, with an empty v2 tree beside them: the lab is
# one with LAB_CGROUP1=1 (tests/integration-in-lab --cgroup1).

load helpers

setup_file() {
	[[ $(stat -f -c %T /sys/fs/cgroup) == tmpfs ]] || skip "the host has cgroup v2"
	make_bundle
}

# The helpers' own look at what is left, where there was something.
eval "$(declare -f teardown_file | sed '1s/teardown_file/look_around/')"
teardown_file() {
	[[ -z ${WORK-} ]] || look_around
}

# on_host CONTROLLER FILE - what hull-vmm's cgroup says
on_host() {
	cat "/sys/fs/cgroup/$1/$ID/$2"
}

# is_on_host CONTROLLER FILE NUMBER
is_on_host() {
	local text

	text=$(on_host "$1" "$2")
	echo "$1: $2: '$text', expected '$3'"
	[[ $text == "$3" ]]
}

in_guest() {
	hull exec "$ID" /bin/cat "/sys/fs/cgroup/$1"
}

@test "cgroup v1: hull-vmm is in every hierarchy, the container in its own cgroup v2" {
	local line

	config '.mounts += [{destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup", options: ["ro"]}]'
	start_sleeper
	while read -r line; do
		echo "$line"
		[[ $line == *":/$ID" ]]
	done <"/proc/$(pid_of "$ID")/cgroup"
	for file in /sys/fs/cgroup/*/"$ID"/cgroup.procs; do
		grep -qx "$(pid_of "$ID")" "$file" # a thread of KVM's is there as well
	done
	[[ $(in_guest cgroup.controllers) == *memory* ]]
	hull delete -f "$ID"
	nothing_left "$ID"
}

@test "cgroup v1: limits act in the guest, and with room on the host" {
	config '.linux.resources = {memory: {limit: 134217728, swap: 134217728, reservation: 67108864, swappiness: 7},
		cpu: {quota: 50000, period: 100000, shares: 512, cpus: "0", mems: "0"}, pids: {limit: 50},
		hugepageLimits: [{pageSize: "2MB", limit: 4194304}], network: {classID: 1048577, priorities: [{name: "lo", priority: 5}]}}
		| .mounts += [{destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup", options: ["ro"]}]'
	start_sleeper
	[[ ! -s $BATS_TEST_TMPDIR/err ]]
	[[ $(in_guest memory.max) -eq 134217728 && $(in_guest pids.max) -eq 50 ]]
	[[ $(in_guest cpu.max) == "50000 100000" ]]
	# the machine's memory, which the tests set, and room
	[[ $(on_host memory memory.limit_in_bytes) -gt $((512 << 20)) ]]
	[[ $(on_host memory memory.limit_in_bytes) -lt $((640 << 20)) ]]
	[[ ! -e /sys/fs/cgroup/memory/memory.memsw.limit_in_bytes ]] ||
		is_on_host memory memory.memsw.limit_in_bytes "$(on_host memory memory.limit_in_bytes)"
	is_on_host memory memory.soft_limit_in_bytes 67108864
	is_on_host memory memory.swappiness 7
	[[ $(on_host memory memory.usage_in_bytes) -gt $((8 << 20)) ]]
	is_on_host cpu cpu.cfs_quota_us 75000
	is_on_host cpu cpu.shares 512
	is_on_host cpuset cpuset.cpus 0
	is_on_host cpuset cpuset.mems 0
	[[ $(on_host pids pids.max) -gt 50 && $(on_host pids pids.max) -gt $(on_host pids pids.current) ]]
	is_on_host hugetlb hugetlb.2MB.limit_in_bytes 4194304
	is_on_host net_cls net_cls.classid 1048577
	on_host net_prio net_prio.ifpriomap | grep -qx 'lo 5'
}

@test "cgroup v1: without limits the host's folders have none, and cpuset what is above it" {
	config 'del(.linux.resources) | .linux.cgroupsPath = "/'"$ID"'-outer/inner"'
	start_sleeper
	[[ $(<"/sys/fs/cgroup/memory/$ID-outer/inner/memory.limit_in_bytes") -gt $((1 << 60)) ]]
	[[ $(<"/sys/fs/cgroup/cpu/$ID-outer/inner/cpu.cfs_quota_us") -eq -1 ]]
	[[ $(<"/sys/fs/cgroup/pids/$ID-outer/inner/pids.max") == max ]]
	cmp "/sys/fs/cgroup/cpuset/$ID-outer/inner/cpuset.cpus" /sys/fs/cgroup/cpuset/cpuset.cpus
	hull delete -f "$ID"
	[[ ! -e /sys/fs/cgroup/memory/$ID-outer/inner && -d /sys/fs/cgroup/memory/$ID-outer ]]
	# without the links to hierarchies of several controllers
	find /sys/fs/cgroup -mindepth 2 -maxdepth 2 -name "$ID-outer" -exec rmdir {} +
}

@test "cgroup v1: a path that is not absolute is below the caller's own cgroups" {
	local outer=/sys/fs/cgroup/memory/$ID-caller

	mkdir "$outer"
	config '.linux.cgroupsPath = "mine"'
	args true
	(
		echo 0 >"$outer/cgroup.procs"
		hull create -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1
	)
	grep -qx "$(pid_of "$ID")" "$outer/mine/cgroup.procs"
	grep -qx "$(pid_of "$ID")" /sys/fs/cgroup/pids/mine/cgroup.procs
	hull delete -f "$ID"
	[[ ! -e $outer/mine && ! -e /sys/fs/cgroup/pids/mine ]]
	rmdir "$outer"
}

@test "cgroup v1: update writes the host's files, or none" {
	local before

	config '.linux.resources = {memory: {limit: 134217728, swap: 134217728}, pids: {limit: 100}, cpu: {quota: 80000, period: 100000}}
		| .mounts += [{destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup", options: ["ro"]}]'
	start_sleeper
	before=$(on_host pids pids.max)
	hull update --memory 64m --memory-swap 128m --memory-reservation 33554432 --pids-limit 110 "$ID"
	[[ $(in_guest memory.max) -eq $((64 << 20)) ]]
	is_on_host memory memory.soft_limit_in_bytes 33554432
	[[ ! -e /sys/fs/cgroup/memory/memory.memsw.limit_in_bytes ]] ||
		is_on_host memory memory.memsw.limit_in_bytes $(($(on_host memory memory.limit_in_bytes) + (64 << 20)))
	is_on_host pids pids.max $((before + 10))
	hull update --memory=-1 "$ID"
	[[ $(on_host memory memory.limit_in_bytes) -gt $((1 << 60)) ]]
	hull update --memory 128m --memory-swap 128m "$ID"
	[[ $(on_host memory memory.limit_in_bytes) -lt $((640 << 20)) ]]
	hull update --cpu-period 50000 "$ID"
	is_on_host cpu cpu.cfs_period_us 50000
	is_on_host cpu cpu.cfs_quota_us 92500 # the container's 80000 and a quarter of a CPU
	hull update --cpu-share 300 --cpuset-cpus 1 "$ID"
	is_on_host cpu cpu.shares 300
	is_on_host cpuset cpuset.cpus 1
	run --separate-stderr hull update -r - "$ID" <<<'{"pids": {"limit": 7}, "network": {"priorities": [{"name": "none0", "priority": 1}]}}'
	echo "$stderr"
	[[ $status -eq 1 && $stderr == *"host: cgroup: write 'none0 1' to 'net_prio.ifpriomap'"* ]]
	is_on_host pids pids.max $((before + 10))
	run --separate-stderr hull update -r - "$ID" <<<'{"unified": {"memory.high": "1000000"}}'
	[[ $status -eq 1 && $stderr == *"linux.resources.unified: invalid configuration: cannot use unified on cgroup v1"* ]]
}

@test "cgroup v1: unified resources are refused" {
	config '.linux.resources = {unified: {"cpuset.cpus": "0"}}'
	args true
	run --separate-stderr hull run -b "$BUNDLE" "$ID"
	[[ $status -eq 1 ]]
	[[ $stderr == *"config.json: linux.resources.unified: invalid configuration: cannot use unified on cgroup v1"* ]]
	nothing_left "$ID"
}

@test "cgroup v1: a limit that the host cannot keep fails create by its file, and nothing is left" {
	config '.linux.resources = {cpu: {realtimeRuntime: 1000}}'
	args true
	[[ ! -e /sys/fs/cgroup/cpu/cpu.rt_runtime_us ]] || skip "this kernel has realtime groups"
	run --separate-stderr hull run -b "$BUNDLE" "$ID"
	echo "$stderr"
	[[ $status -eq 1 && $stderr == *"host: cgroup: write '1000' to 'cpu.rt_runtime_us'"* ]]
	nothing_left "$ID"
}

@test "cgroup v1: a disk's limit holds for the file server" {
	disk=$(lsblk -dnro MAJ:MIN | head -n 1)
	config '.linux.resources = {blockIO: {throttleWriteBpsDevice: [{major: '"${disk%:*}"', minor: '"${disk#*:}"', rate: 1048576}]}}'
	start_sleeper
	on_host blkio blkio.throttle.write_bps_device | grep -qx "$disk 1048576"
}

@test "cgroup v1: a cgroup that somebody else is in, or that is frozen, is refused and stays" {
	local cgroup=/sys/fs/cgroup/pids/$ID-taken pid

	config '.linux.cgroupsPath = "/'"$ID"'-taken"'
	args true
	mkdir -p "$cgroup/below"
	sleep 1000 &
	pid=$!
	echo "$pid" >"$cgroup/below/cgroup.procs"
	run --separate-stderr hull create -b "$BUNDLE" "$ID"
	[[ $status -eq 1 && $stderr == *"container's cgroup is not empty: '$cgroup'"* ]]
	kill "$pid"
	wait "$pid" || true
	rmdir "$cgroup/below" "$cgroup"
	cgroup=/sys/fs/cgroup/freezer/$ID-taken
	mkdir "$cgroup"
	echo FROZEN >"$cgroup/freezer.state"
	run --separate-stderr hull run -b "$BUNDLE" "$ID"
	[[ $status -eq 1 && $stderr == *"container's cgroup unexpectedly frozen: '$cgroup'"* ]]
	[[ -d $cgroup && ! -e /sys/fs/cgroup/memory/$ID-taken ]]
	nothing_left "$ID"
	echo THAWED >"$cgroup/freezer.state"
	hull run -b "$BUNDLE" "$ID"
	[[ ! -e $cgroup ]]
}

@test "cgroup v1: delete --force of a machine that is frozen on the host" {
	start_sleeper
	echo FROZEN >"/sys/fs/cgroup/freezer/$ID/freezer.state"
	hull delete -f "$ID"
	nothing_left "$ID"
}

@test "cgroup v1: a container that ends for lack of memory is counted in the host's cgroup" {
	config '.linux.resources = {memory: {limit: 67108864, swap: 67108864}}'
	args python3 -c 'b = bytearray(100 << 20)'
	# small: hull-vmm has seconds to reach its limit
	timeout 120 env hull --root "$STATE" --set vcpus=1 --set memory=192M create -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1
	on_host memory memory.oom_control | grep -qx 'oom_kill 0'
	hull start "$ID"
	wait_for 60 is_stopped "$ID"
	wait_for 10 grep -qx 'oom_kill 1' "/sys/fs/cgroup/memory/$ID/memory.oom_control"
}
