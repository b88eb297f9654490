#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# docker: hull as its default runtime

load helpers

setup_file() {
	install_hull
	mkdir -p "$WORK/docker" "$WORK/image"
	make_image "$WORK/image"
	cat >"$WORK/daemon.json" <<-END
		{
			"data-root": "$WORK/docker", "exec-root": "$WORK/exec", "pidfile": "$WORK/pid",
			"bridge": "none", "iptables": false, "default-runtime": "hull",
			"runtimes": { "hull": { "path": "$PREFIX/bin/hull" } }
		}
	END
	dockerd --config-file "$WORK/daemon.json" -H "unix://$WORK/docker.sock" >"$WORK/dockerd.log" 2>&1 3>&- &
	export DOCKER_HOST=unix://$WORK/docker.sock DAEMON=$!
	wait_for 120 docker version >/dev/null 2>&1
	tar -C "$WORK/image" -c . | docker import - image >/dev/null
}

teardown() {
	local all

	[[ -n $BATS_TEST_COMPLETED ]] || grep -E 'level=(error|fatal)' "$WORK/dockerd.log" | tail -n 8
	all=$(docker ps -aq)
	# shellcheck disable=SC2086 # several ids
	[[ -z $all ]] || docker rm -f $all >/dev/null
}

teardown_file() {
	kill "$DAEMON"
	wait_for 60 [ ! -e "/proc/$DAEMON" ]
	nothing_left
	umount "$WORK/docker" 2>/dev/null || true
	rm -rf "$WORK"
}

# sleeper [ARG...] - a container `box` that does nothing
sleeper() {
	docker run -d --name box --network none "$@" image sleep 1000 >/dev/null
}

is() {
	[[ $(docker inspect -f "{{.State.$1}}" box) == "$2" ]]
}

@test "docker run: output, status, the guest's kernel" {
	run --separate-stderr docker run --rm --network none image sh -c 'echo out; echo err >&2; uname -r; exit 7'
	[[ $status -eq 7 && ${lines[0]} == out && ${lines[1]} != "$(uname -r)" ]]
	[[ $stderr == err ]]
}

@test "docker run -i: standard input to its end" {
	run bash -c 'seq 100000 | docker run --rm -i --network none image md5sum'
	[[ $output == "$(seq 100000 | md5sum)" ]]
}

@test "docker run -it: a terminal" {
	run expect -c 'set timeout 60; spawn docker run --rm -it --network none image sh -c "tty; read x; echo got=\$x; stty size"
		expect "/dev/pts/"; send "word\r"; expect "got=word"; expect eof'
	echo "$output"
	[[ $output == *got=word* ]]
}

@test "docker run: an absent program is 127, one that is not executable 126" {
	run docker run --rm --network none image /no/such
	[[ $status -eq 127 && $output == *"no such file or directory"* ]]
	run docker run --rm --network none image /etc/passwd
	[[ $status -eq 126 && $output == *"ermission denied"* ]]
}

@test "docker exec: output, status, user, environment, folder, terminal" {
	sleeper
	run --separate-stderr docker exec -u user -e A=b -w /tmp box sh -c 'id -un; echo $A; pwd; echo e >&2; exit 3'
	echo "$output"
	[[ $status -eq 3 && $output == $'user\nb\n/tmp' && $stderr == e ]]
	run bash -c 'echo text | docker exec -i box cat'
	[[ $output == text ]]
	docker exec -d box touch /tmp/made
	wait_for 20 docker exec box test -e /tmp/made
	run docker exec box /no/such
	[[ $status -eq 127 || $status -eq 126 ]]
}

@test "docker logs" {
	docker run -d --name box --network none image sh -c 'echo one; echo two >&2; sleep 1000' >/dev/null
	wait_for 30 bash -c '[[ $(docker logs box 2>&1 | wc -l) -eq 2 ]]'
	[[ $(docker logs box 2>/dev/null) == one ]]
	[[ $(docker logs box 2>&1 >/dev/null) == two ]]
}

@test "docker stop, start, restart, kill, rm" {
	docker run -d --name box --network none image sh -c 'trap "exit 5" TERM; while :; do sleep 1; done' >/dev/null
	docker stop -t 30 box
	is ExitCode 5
	docker start box
	is Running true
	docker restart -t 30 box
	is Running true
	docker kill box
	wait_for 30 is Running false
	is ExitCode 137
	docker rm box
	run docker inspect box
	[[ $status -ne 0 ]]
}

@test "docker pause, unpause" {
	docker run -d --name box --network none image sh -c 'while :; do echo; sleep 0.1; done' >/dev/null
	docker pause box
	is Paused true
	before=$(docker logs box | wc -l)
	sleep 2
	[[ $(docker logs box | wc -l) -eq $before ]]
	docker unpause box
	more() { [[ $(docker logs box | wc -l) -gt $before ]]; }
	wait_for 30 more
}

@test "docker top, stats, inspect" {
	sleeper -m 64m
	docker top box | grep -q .
	run docker stats --no-stream --format '{{.MemUsage}} {{.PIDs}}' box
	echo "$output"
	[[ $status -eq 0 && $output == *MiB* ]]
	[[ $(docker inspect -f '{{.HostConfig.Runtime}}' box) == hull ]]
}

@test "docker cp: both ways, also what was written just before a kill" {
	sleeper
	head -c 20000000 /dev/urandom >"$WORK/file"
	docker cp "$WORK/file" box:/tmp/in
	docker exec box sh -c 'cat /tmp/in >/root/out'
	docker kill box >/dev/null
	docker cp box:/root/out "$WORK/back"
	cmp "$WORK/file" "$WORK/back"
}

@test "docker run -v: a volume and a folder, read-only ones too" {
	mkdir -p "$WORK/folder"
	echo host >"$WORK/folder/file"
	run docker run --rm --network none -v "$WORK/folder:/f" -v "$WORK/folder:/ro:ro" -v vol:/vol image sh -c \
		'cat /f/file; echo guest >/f/file; echo x >/ro/file; echo $?; echo kept >/vol/kept'
	echo "$output"
	[[ ${lines[0]} == host && $output == *"Read-only file system"* && ${lines[-1]} == 1 ]]
	[[ $(cat "$WORK/folder/file") == guest ]]
	run docker run --rm --network none -v vol:/vol image cat /vol/kept
	[[ $output == kept ]]
	docker volume rm vol >/dev/null
}

@test "docker run -m, --cpus, --pids-limit" {
	run docker run --rm --network none -m 64m --cpus 0.5 --pids-limit 33 --cgroupns private image sh -c \
		'cd /sys/fs/cgroup; cat memory.max cpu.max pids.max; nproc'
	echo "$output"
	[[ ${lines[0]} -eq 67108864 && ${lines[1]} == "50000 100000" && ${lines[2]} -eq 33 && ${lines[3]} -eq 1 ]]
}

@test "docker run --read-only, --tmpfs, --shm-size, --cap-drop, --user, --hostname" {
	run docker run --rm --network none --read-only --tmpfs /tmp --shm-size 8m --cap-drop all --user 1000:1000 --hostname name image sh -c \
		'touch /x; echo $?; touch /tmp/x; echo $?; df -k /dev/shm | tail -n 1 | awk "{print \$2}"; grep CapEff /proc/self/status; id -u; hostname'
	echo "$output"
	[[ $output == *"Read-only file system"* ]]
	[[ ${lines[1]} == 1 && ${lines[2]} == 0 && ${lines[3]} == 8192 ]]
	[[ ${lines[4]} == *0000000000000000 && ${lines[5]} == 1000 && ${lines[6]} == name ]]
}

@test "docker run --privileged, --init" {
	run docker run --rm --network none --privileged image sh -c 'grep CapEff /proc/self/status; mount -t tmpfs x /tmp && echo mounted'
	echo "$output"
	[[ $output == *mounted* ]]
	run docker run --rm --network none --init image ps
	echo "$output"
	[[ $output == *docker-init* ]]
}

@test "docker: a health check" {
	sleeper --health-cmd 'test -e /tmp/well' --health-interval 1s --health-retries 2
	wait_for 60 is Health.Status unhealthy
	docker exec box touch /tmp/well
	wait_for 60 is Health.Status healthy
}

@test "docker run -m: a container that needs more is killed" {
	run docker run --name box --network none -m 32m image sh -c 'tail -c 200000000 /dev/zero >/dev/null'
	[[ $status -eq 137 ]]
}

@test "docker build with RUN" {
	mkdir -p "$WORK/build"
	printf 'FROM image\nRUN echo built >/made && uname -r >/kernel\nRUN ["/bin/sh", "-c", "ls -l /made"]\nUSER user\nCMD ["cat", "/made", "/kernel"]\n' \
		>"$WORK/build/Dockerfile"
	DOCKER_BUILDKIT=0 docker build --network none -t built "$WORK/build"
	run docker run --rm --network none built
	[[ ${lines[0]} == built && ${lines[1]} != "$(uname -r)" ]]
}

@test "docker: a container whose hull-vmm is killed has ended" {
	sleeper
	pkill -KILL -x hull-vmm
	wait_for 30 is Running false
	is ExitCode 137
	docker rm box
}
