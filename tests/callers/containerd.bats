#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# containerd: ctr through io.containerd.runc.v2 with hull as its binary

load containerd

# start ARG... - ctr run with hull; without an image's configuration there is no PATH
start() {
	con run --runc-binary "$PREFIX/bin/hull" --env PATH=/bin --rootfs "$@"
}

is() {
	[[ $(con tasks ls | awk '$1 == "box" { print $3 }') == "$1" ]]
}

@test "ctr run: output, status, the guest's kernel" {
	run start --rm "$WORK/image" box sh -c 'echo out; uname -r; exit 7'
	echo "$output"
	[[ $status -eq 7 && ${lines[0]} == out && ${lines[1]} != "$(uname -r)" ]]
}

@test "ctr run: standard input to its end, a terminal" {
	run start --rm "$WORK/image" box md5sum < <(seq 100000)
	[[ $output == "$(seq 100000 | md5sum)" ]]
	wait_for 20 gone
	export -f con start
	run on_terminal 'expect:/dev/pts/ send:word\n expect:got=word eof' \
		bash -c 'start --rm -t "$WORK/image" box sh -c '\''tty; read x; echo got=$x; exit 9'\'
	echo "$output"
	[[ $status -eq 9 ]]
}

@test "ctr run: an absent program, limits, a mount" {
	run start --rm "$WORK/image" box /no/such
	echo "$output"
	[[ $status -ne 0 && $output == *"no such file or directory"* ]]
	wait_for 20 gone
	mkdir -p "$WORK/folder"
	echo host >"$WORK/folder/file"
	run start --rm --memory-limit 67108864 --cpus 0.5 --mount "type=bind,src=$WORK/folder,dst=/f,options=rbind:ro" \
		--mount type=cgroup,src=cgroup,dst=/sys/fs/cgroup,options=ro:nosuid:noexec:nodev "$WORK/image" box \
		sh -c 'cat /f/file; cd /sys/fs/cgroup/$(cut -d : -f 3 /proc/self/cgroup); cat memory.max cpu.max'
	echo "$output"
	[[ $output == $'host\n67108864\n50000 100000' ]]
}

@test "ctr tasks: exec, pause, resume, metrics, kill, rm" {
	start -d "$WORK/image" box sh -c 'trap "exit 5" TERM; while :; do sleep 0.5; done'
	is RUNNING
	run con tasks exec --exec-id one box sh -c 'echo in; exit 4'
	[[ $status -eq 4 && $output == in ]]
	con tasks pause box
	is PAUSED
	con tasks resume box
	is RUNNING
	run con tasks metrics box
	echo "$output"
	[[ $status -eq 0 && $output == *memory* ]]
	[[ $(con tasks ps box | wc -l) -gt 1 ]]
	con tasks kill -s TERM box
	wait_for 60 is STOPPED
	run con tasks rm box
	echo "$output"
	[[ $status -eq 0 && $output == *"exit code 5"* ]]
}

@test "ctr events: a container that ended for lack of memory" {
	con events >"$WORK/events" 2>&1 3>&- &
	events=$!
	run start --rm --memory-limit 67108864 "$WORK/image" box tail /dev/zero
	[[ $status -eq 137 ]]
	wait_for 20 grep -q '/tasks/oom.*"box"' "$WORK/events"
	kill $events
}

@test "ctr tasks kill: a process that has no ear for SIGTERM" {
	start -d "$WORK/image" box sleep 1000
	con tasks kill -s TERM box
	con tasks kill -s KILL box
	wait_for 60 is STOPPED
	run con tasks rm box
	echo "$output"
	[[ $status -eq 0 && $output == *"exit code 137"* ]]
}
