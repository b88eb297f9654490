#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# docker: a running container's life, and its end

load docker

# logged TEXT - the container's standard output has it
logged() {
	docker logs box 2>/dev/null | grep -q "$1"
}

@test "docker exec: output, status, user, environment, folder, standard input" {
	sleeper
	run --separate-stderr docker exec -u user -e A=b -w /tmp box sh -c 'id -un; echo $A; pwd; echo e >&2; exit 3'
	echo "$output"
	[[ $status -eq 3 && $output == $'user\nb\n/tmp' && $stderr == e ]]
	run bash -c 'echo text | docker exec -i box cat'
	[[ $output == text ]]
	docker exec -d box touch /tmp/made
	wait_for 60 docker exec box test -e /tmp/made
}

@test "docker exec: what cannot be run, in runc's words" {
	sleeper
	docker run -d --name runc --network none --runtime runc image sleep 1000 >/dev/null
	for args in /no/such nosuch /etc/passwd /etc '-w /no/such box true' '-w /etc/passwd box true'; do
		[[ $args == *box* ]] || args="box $args"
		# shellcheck disable=SC2086 # words
		run docker exec ${args/box/runc}
		[[ $status -ne 0 ]]
		runc="$status $output"
		# shellcheck disable=SC2086
		run docker exec $args
		echo "$status $output, as runc: $runc"
		[[ "$status $output" == "$runc" ]]
	done
}

@test "docker exec -it: a terminal" {
	sleeper
	run on_terminal 'expect:/dev/pts/ send:word\n expect:got=word eof' \
		docker exec -it box sh -c 'tty; read x; echo got=$x; exit 9'
	echo "$output"
	[[ $status -eq 9 ]]
}

@test "docker logs: both streams, -f to the end" {
	docker run -d --name box --network none image sh -c 'echo one; echo two >&2; sleep 5; echo last' >/dev/null
	wait_for 30 bash -c '[[ $(docker logs box 2>&1 | wc -l) -eq 2 ]]'
	[[ $(docker logs box 2>/dev/null) == one ]]
	[[ $(docker logs box 2>&1 >/dev/null) == two ]]
	run docker logs -f box
	[[ ${lines[-1]} == last ]]
}

@test "docker stop, start, restart, kill, wait, rm" {
	docker run -d --name box --network none image sh -c 'trap "exit 5" TERM; trap "echo usr1" USR1; echo up; while :; do sleep 0.2; done' >/dev/null
	wait_for 30 logged up
	docker stop -t 60 box
	is ExitCode 5
	docker start box
	is Running true
	docker restart -t 60 box
	is Running true
	docker kill -s USR1 box
	wait_for 30 logged usr1
	docker kill box
	[[ $(docker wait box) == 137 ]]
	is Running false
	is ExitCode 137
	docker rm box
	run docker inspect box
	[[ $status -ne 0 ]]
}

@test "docker stop: a process that has no ear for SIGTERM is killed" {
	sleeper
	docker stop -t 2 box
	is ExitCode 137
}

@test "docker run --restart" {
	docker run -d --name box --network none --restart on-failure:1 image sh -c 'echo run; exit 3' >/dev/null
	wait_for 90 bash -c '[[ $(docker logs box | wc -l) -eq 2 ]]'
	wait_for 30 is Running false
	is ExitCode 3
	[[ $(docker inspect -f '{{.RestartCount}}' box) == 1 ]]
}

@test "docker pause, unpause" {
	docker run -d --name box --network none image sh -c 'while :; do echo; sleep 0.5; done' >/dev/null
	docker pause box
	is Paused true
	before=$(docker logs box | wc -l)
	sleep 2
	[[ $(docker logs box | wc -l) -eq $before ]]
	docker unpause box
	more() { [[ $(docker logs box | wc -l) -gt $before ]]; }
	wait_for 30 more
}

@test "docker: a health check" {
	sleeper --health-cmd 'test -e /tmp/well' --health-interval 1s --health-retries 2
	wait_for 120 is Health.Status unhealthy
	docker exec box touch /tmp/well
	wait_for 120 is Health.Status healthy
}

@test "docker: a container whose hull-vmm is killed has ended" {
	sleeper
	pkill -KILL -x hull-vmm
	wait_for 30 is Running false
	is ExitCode 137
	docker rm box
}
