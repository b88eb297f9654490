#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# docker with the systemd driver, where systemd is PID 1: check-callers --systemd

CGROUP_DRIVER=systemd
load docker

# unit PROPERTY - of the scope of `box`
unit() {
	systemctl show --value -p "$1" "docker-$(docker inspect -f '{{.Id}}' box).scope"
}

@test "docker, systemd driver: a scope with the limits, which docker update changes" {
	[[ $(docker info -f '{{.CgroupDriver}}') == systemd ]]
	sleeper -m 64m --memory-swap 64m --cpus 0.5 --pids-limit 33
	[[ $(unit ActiveState) == active && $(unit Slice) == system.slice ]]
	grep -q "/system.slice/docker-.*\.scope$" "/proc/$(docker inspect -f '{{.State.Pid}}' box)/cgroup"
	[[ $(unit MemoryMax) -gt 67108864 && $(unit CPUQuotaPerSecUSec) == 750ms ]]
	run docker exec box sh -c 'cd /sys/fs/cgroup; cat memory.max cpu.max pids.max'
	echo "$output"
	[[ ${lines[0]} -eq 67108864 && ${lines[1]} == "50000 100000" && ${lines[2]} -eq 33 ]]
	docker update --cpus 0.75 box
	[[ $(unit CPUQuotaPerSecUSec) == 1s ]]
	[[ $(docker exec box cat /sys/fs/cgroup/cpu.max) == "75000 100000" ]]
	run docker stats --no-stream --format '{{.MemUsage}} {{.PIDs}}' box
	echo "$output"
	[[ $status -eq 0 && $output =~ ^[1-9][0-9.]*MiB\ /\ [1-9][0-9.]*MiB\ [1-9][0-9]*$ ]]
}

@test "docker, systemd driver: pause, restart, kill, and the scope is gone" {
	sleeper
	docker pause box
	is Paused true
	docker unpause box
	docker restart -t 1 box
	is Running true
	[[ $(unit ActiveState) == active ]]
	docker kill box
	wait_for 30 is Running false
	is ExitCode 137
	wait_for 30 eval '[[ $(unit LoadState) == not-found ]]'
}

@test "docker, systemd driver: OOMKilled" {
	run docker run --name box --network none -m 64m image tail /dev/zero
	[[ $status -eq 137 ]]
	is OOMKilled true
}
