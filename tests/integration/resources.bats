#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# linux.resources: the container's limits in the guest, hull-vmm's on the host

load helpers

on_host() {
	cat "/sys/fs/cgroup/$ID/$1"
}

@test "resources: limits act in the guest, and with room on the host" {
	config '.linux.resources = {memory: {limit: 134217728, reservation: 67108864}, cpu: {quota: 50000, period: 100000, shares: 512},
		pids: {limit: 50}, blockIO: {weight: 100}}
		| .mounts += [{destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup", options: ["ro"]}]'
	start_sleeper
	run hull exec "$ID" /bin/sh -c 'cd /sys/fs/cgroup && cat memory.max memory.low cpu.max cpu.weight pids.max'
	echo "$output"
	[[ ${lines[0]} -eq 134217728 && ${lines[1]} -eq 67108864 ]]
	[[ ${lines[2]} == "50000 100000" && ${lines[4]} -eq 50 ]]
	weight=${lines[3]}
	# the machine's memory, which the tests set, and room
	[[ $(on_host memory.max) -gt $((512 << 20)) ]]
	[[ $(on_host memory.max) -lt $((640 << 20)) ]]
	[[ $(on_host memory.low) -eq 67108864 ]]
	[[ $(on_host cpu.max) == "75000 100000" ]]
	[[ $(on_host cpu.weight) -eq $weight ]]
	[[ $(on_host pids.max) -gt 50 ]]
	[[ $(on_host pids.max) -gt $(on_host pids.current) ]]
}

@test "resources: without limits the host's cgroup has none" {
	config 'del(.linux.resources)'
	start_sleeper
	[[ $(on_host memory.max) == max && $(on_host cpu.max) == max* && $(on_host pids.max) == max ]]
	[[ $(on_host memory.current) -gt 0 ]]
}

@test "resources: a container that fills its memory does not harm its machine" {
	config '.linux.resources = {memory: {limit: 134217728, swap: 134217728}}'
	start_sleeper
	run hull exec "$ID" python3 -c 'b = bytearray(200 << 20)'
	echo "$output"
	[[ $status -eq 137 ]]
	run hull exec "$ID" echo alive
	[[ $output == alive ]]
	grep -qx "oom_kill 0" "/sys/fs/cgroup/$ID/memory.events"
}

@test "resources: a disk's limit holds for the file server" {
	disk=$(lsblk -dnro MAJ:MIN | head -n 1)
	config '.linux.resources = {blockIO: {throttleWriteBpsDevice: [{major: '"${disk%:*}"', minor: '"${disk#*:}"', rate: 1048576}]}}'
	start_sleeper
	grep -qx "$disk rbps=max wbps=1048576 riops=max wiops=max" "/sys/fs/cgroup/$ID/io.max"
}

@test "resources: a device that the host does not have fails create by its file" {
	config '.linux.resources = {blockIO: {throttleReadBpsDevice: [{major: 999, minor: 1, rate: 1}]}}'
	args true
	run --separate-stderr hull run -b "$BUNDLE" "$ID"
	[[ $status -eq 1 ]]
	[[ $stderr == *"host: cgroup: write '999:1 rbps=1' to 'io.max'"* ]]
	nothing_left "$ID"
}

# loop_device NAME - disk=MAJOR:MINOR of a new one, which ends with the test
loop_device() {
	local dev

	truncate -s 1M "$WORK/$1"
	dev=$(losetup -f --show "$WORK/$1")
	exec {loop}<"$dev"
	losetup -d "$dev" # once nobody has it open
	disk=$(lsblk -dnro MAJ:MIN "$dev")
}

@test "resources: unified's io files are the host's, line by line, also for update" {
	loop_device a
	a=$disk
	loop_device b
	b=$disk
	config '.linux.resources.unified = {"io.max": "'"$a"' riops=333 wiops=444\n'"$b"' riops=555 wiops=666\n", "cpu.weight": "42"}
		| .mounts += [{destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup", options: ["ro"]}]'
	start_sleeper
	grep -qx "$a rbps=max wbps=max riops=333 wiops=444" "/sys/fs/cgroup/$ID/io.max"
	grep -qx "$b rbps=max wbps=max riops=555 wiops=666" "/sys/fs/cgroup/$ID/io.max"
	[[ $(on_host cpu.weight) == 42 && $(hull exec "$ID" cat /sys/fs/cgroup/cpu.weight) == 42 ]]
	hull update -r - "$ID" <<<'{"unified": {"io.max": "'"$a"' riops=7"}}'
	grep -qx "$a rbps=max wbps=max riops=7 wiops=444" "/sys/fs/cgroup/$ID/io.max"
	# The guest refuses its part: the host's is put back.
	run --separate-stderr hull update -r - "$ID" <<<'{"unified": {"io.max": "'"$b"' rbps=9", "memory.high": "lots"}}'
	echo "$stderr"
	[[ $status -eq 1 && $stderr == *"unified resource "*memory.high* ]]
	grep -qx "$b rbps=max wbps=max riops=555 wiops=666" "/sys/fs/cgroup/$ID/io.max"
	run --separate-stderr hull update -r - "$ID" <<<'{"unified": {"io.max": "999:1 rbps=1"}}'
	[[ $status -eq 1 && $stderr == *"host: unable to set unified resource "*io.max*": write '999:1 rbps=1': No such device"* ]]
	run --separate-stderr hull update -r - "$ID" <<<'{"unified": {"cpuset.cpus.partition": "root"}}'
	[[ $status -eq 1 && $stderr == *"linux.resources.unified: "*cpuset.cpus.partition*" is not supported"* ]]
}

@test "resources: cgroupsPath below folders that are made, with controllers on" {
	config '.linux.cgroupsPath = "/'"$ID"'-outer/inner/leaf" | .linux.resources = {pids: {limit: 20}}'
	start_sleeper
	[[ $(cat "/sys/fs/cgroup/$ID-outer/inner/leaf/pids.max") -gt 20 ]]
	hull delete -f "$ID"
	[[ ! -e /sys/fs/cgroup/$ID-outer/inner/leaf ]]
	rmdir "/sys/fs/cgroup/$ID-outer/inner" "/sys/fs/cgroup/$ID-outer"
}

@test "resources: a cgroup that somebody else is in, or that is frozen, is refused and stays" {
	local cgroup=/sys/fs/cgroup/$ID-taken pid
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
	rmdir "$cgroup/below"
	echo 1 >"$cgroup/cgroup.freeze"
	run --separate-stderr hull run -b "$BUNDLE" "$ID"
	[[ $status -eq 1 && $stderr == *"container's cgroup unexpectedly frozen: '$cgroup'"* ]]
	[[ -d $cgroup ]]
	nothing_left "$ID"
	echo 0 >"$cgroup/cgroup.freeze"
	hull run -b "$BUNDLE" "$ID"
	[[ ! -e $cgroup ]]
}
