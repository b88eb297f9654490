#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# docker: limits, and what is told of a container's use

load docker

@test "docker run -m, --cpus, --pids-limit" {
	run docker run --rm --network none -m 64m --cpus 0.5 --pids-limit 33 --cgroupns private image sh -c \
		'cd /sys/fs/cgroup; cat memory.max cpu.max pids.max; nproc'
	echo "$output"
	[[ ${lines[0]} -eq 67108864 && ${lines[1]} == "50000 100000" && ${lines[2]} -eq 33 && ${lines[3]} -eq 1 ]]
}

@test "docker inspect: OOMKilled of a container that ended for lack of memory" {
	run docker run --name oom --network none -m 64m image tail /dev/zero
	[[ $status -eq 137 ]]
	[[ $(docker inspect -f '{{.State.OOMKilled}} {{.State.ExitCode}}' oom) == "true 137" ]]
	docker rm oom
	docker run --name no-oom --network none -m 64m image true
	[[ $(docker inspect -f '{{.State.OOMKilled}}' no-oom) == false ]]
	docker rm no-oom
}

@test "docker run --ulimit, --sysctl, --oom-score-adj" {
	run docker run --rm --network none --ulimit nofile=100:200 --sysctl net.ipv4.ip_forward=1 --oom-score-adj 500 image sh -c \
		'ulimit -Sn; ulimit -Hn; cat /proc/sys/net/ipv4/ip_forward /proc/self/oom_score_adj'
	echo "$output"
	[[ $output == $'100\n200\n1\n500' ]]
}

@test "docker run -m: a container that needs more is killed" {
	run docker run --name box --network none -m 32m image sh -c 'tail /dev/zero'
	echo "$output"
	[[ $status -eq 137 ]]
}

@test "docker update: new limits of a running container" {
	sleeper -m 64m --memory-swap 64m --cpus 0.5
	docker update -m 48m --memory-swap 48m --cpus 0.75 --pids-limit 44 box
	run docker exec box sh -c 'cd /sys/fs/cgroup; cat memory.max cpu.max pids.max'
	echo "$output"
	[[ ${lines[0]} -eq 50331648 && ${lines[1]} == "75000 100000" && ${lines[2]} -eq 44 ]]
}

@test "docker top, stats, inspect" {
	sleeper -m 64m
	run docker top box -o pid,comm
	echo "$output"
	[[ $status -eq 0 && ${lines[1]} == "$(docker inspect -f '{{.State.Pid}}' box) "*hull-vmm ]]
	run docker stats --no-stream --format '{{.MemUsage}} {{.PIDs}}' box
	echo "$output"
	# what is used, of how much, and its tasks on the host
	[[ $status -eq 0 && $output =~ ^[1-9][0-9.]*MiB\ /\ [1-9][0-9.]*MiB\ [1-9][0-9]*$ ]]
	[[ $(docker inspect -f '{{.HostConfig.Runtime}}' box) == hull ]]
}
