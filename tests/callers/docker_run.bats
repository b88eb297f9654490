#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# docker run: what its options make of the process

load docker

@test "docker run: output, status, the guest's kernel" {
	run --separate-stderr docker run --rm --network none image sh -c 'echo out; echo err >&2; uname -r; exit 7'
	[[ $status -eq 7 && ${lines[0]} == out && ${lines[1]} != "$(uname -r)" ]]
	[[ $stderr == err ]]
}

@test "docker run -i: standard input to its end" {
	run bash -c 'seq 100000 | docker run --rm -i --network none image md5sum'
	[[ $output == "$(seq 100000 | md5sum)" ]]
}

@test "docker run -it: a terminal, resized" {
	run on_terminal 'expect:/dev/pts/ size:40x100 expect:resized send:word\n expect:got=word eof' \
		docker run --rm -it --network none image \
		sh -c 'tty; until stty size | grep -q "40 100"; do sleep 0.2; done; echo resized; read x; echo got=$x; exit 9'
	echo "$output"
	[[ $status -eq 9 ]]
}

# reason ARG... - what `docker run ARG...` says for an error, of whichever runtime; its status
reason() {
	local said status=0

	said=$(docker run --rm --network none "$@" 2>&1) || status=$?
	# docker itself has a line now and then
	grep '^docker: ' <<<"${said/runc create/RUNTIME create}" | sed 's/hull create/RUNTIME create/'
	return $status
}

# refused STATUS ARG... - docker run fails so, and says what it says of runc
refused() {
	local expected=$1 runc

	shift
	run -"$expected" reason --runtime runc "$@"
	runc=$output
	run -"$expected" reason "$@"
	echo "$output, and of runc: $runc"
	[[ $output == *"unable to start container process"* && $output == "$runc" ]]
}

@test "docker run: an absent program is 127, one that is not executable 126, in runc's words" {
	refused 127 image /no/such
	refused 127 image nosuch
	refused 126 image /etc/passwd
	refused 126 image /etc
	refused 125 image /etc/passwd/x
	refused 127 image ''
}

@test "docker run -e, -w, --entrypoint, --user, --hostname" {
	run docker run --rm --network none -e A=b -w /var --user 1000:1000 --hostname name --entrypoint sh image -c \
		'echo $A; pwd; id -u; id -g; hostname'
	echo "$output"
	[[ $output == $'b\n/var\n1000\n1000\nname' ]]
}

@test "docker run --read-only, --tmpfs, --shm-size, --cap-drop" {
	run docker run --rm --network none --read-only --tmpfs /tmp --shm-size 8m --cap-drop all image sh -c \
		'exec 2>&1; touch /x; echo $?; touch /tmp/x; echo $?; df -k /dev/shm | tail -n 1 | awk "{print \$2}"; grep CapEff /proc/self/status'
	echo "$output"
	[[ ${lines[0]} == *"Read-only file system"* ]]
	[[ ${lines[1]} == 1 && ${lines[2]} == 0 && ${lines[3]} == 8192 && ${lines[4]} == *0000000000000000 ]]
}

@test "docker run: what a container may not do, and a privileged one may" {
	local try='mount -t tmpfs x /tmp && echo mounted; echo 1 >/proc/sys/vm/swappiness && echo set'

	run docker run --rm --network none image sh -c "$try"
	echo "$output"
	[[ $status -ne 0 && $output != *mounted* && $output != *set* ]]
	run docker run --rm --network none --privileged image sh -c "$try"
	echo "$output"
	[[ $status -eq 0 && $output == *mounted* && $output == *set* ]]
}

@test "docker run --init: orphans are reaped, signals forwarded" {
	docker run -d --name box --network none --init image sh -c '(true & exec sleep 1) & trap "exit 5" TERM; echo up; while :; do sleep 0.2; done' >/dev/null
	wait_for 60 bash -c '[[ $(docker logs box) == up ]]'
	run docker exec box cat /proc/1/comm
	[[ $output == docker-init ]]
	docker stop -t 60 box >/dev/null
	is ExitCode 5
}
