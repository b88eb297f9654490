#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# podman: --runtime

load podman

is() {
	[[ $(pod inspect -f "{{.State.$1}}" box) == "$2" ]]
}

@test "podman run: output, status, standard input, the guest's kernel" {
	run --separate-stderr pod run --rm --network none image sh -c 'echo out; echo err >&2; uname -r; exit 7'
	echo "$output $stderr"
	[[ $status -eq 7 && ${lines[0]} == out && ${lines[1]} != "$(uname -r)" && $stderr == err ]]
	run pod run --rm -i --network none image md5sum < <(seq 100000)
	[[ $output == "$(seq 100000 | md5sum)" ]]
}

@test "podman run -it: a terminal" {
	export -f pod
	run on_terminal 'expect:/dev/pts/ send:word\n expect:got=word eof' \
		bash -c 'pod run --rm -it --network none image sh -c '\''tty; read x; echo got=$x; exit 9'\'
	echo "$output"
	[[ $status -eq 9 ]]
}

@test "podman exec, logs, stop, inspect" {
	pod run -d --name box --network none image sh -c 'trap "exit 5" TERM; echo up; while :; do sleep 0.2; done' >/dev/null
	run pod exec -e A=b -w /tmp box sh -c 'echo $A; pwd; exit 3'
	echo "$output"
	[[ $status -eq 3 && $output == $'b\n/tmp' ]]
	[[ $(pod logs box) == up ]]
	pod stop -t 30 box >/dev/null
	is ExitCode 5
	is Running false
}

@test "podman pause, unpause, stats, kill" {
	pod run -d --name box --network none -m 64m image sleep 1000 >/dev/null
	pod pause box >/dev/null
	is Status paused
	pod unpause box >/dev/null
	is Status running
	run pod stats --no-stream --format '{{.MemUsage}}' box
	echo "$output"
	[[ $status -eq 0 && $output == *B* ]]
	pod kill box >/dev/null
	wait_for 30 is Running false
	is ExitCode 137
}

# killed ARG... - a container of `podman ARG... run` ends for lack of memory; what podman makes of it
killed() {
	local status=0

	pod "$@" run --name box --network none -m 64m image tail /dev/zero || status=$?
	echo "$status $(pod inspect -f '{{.State.OOMKilled}} {{.State.ExitCode}}' box) $(ls)"
	rm -f oom
	pod rm box >/dev/null
}

# Debian's conmon (2.1.6) notes the kill in the folder that podman was called in, where podman (4.3.1) does
# not look: OOMKilled is false with every runtime. So the note is what there is to see.
@test "podman: conmon hears of an end for lack of memory, as with runc" {
	mkdir "$WORK/here"
	cd "$WORK/here"
	run --separate-stderr killed
	echo "$output"
	[[ $output == "137 "*" 137 oom" ]]
	[[ $(killed --runtime runc) == "$output" ]]
	pod run --network none -m 64m image true
	[[ -z $(ls) ]]
}

@test "podman: a health check" {
	pod run -d --name box --network none --health-cmd 'test -e /tmp/well' --health-interval disable image sleep 1000 >/dev/null
	run pod healthcheck run box
	[[ $status -ne 0 ]]
	pod exec box touch /tmp/well
	pod healthcheck run box
}

@test "podman run -v, -m, --cpus, --read-only, --cap-drop, --user, --hostname" {
	mkdir -p "$WORK/folder"
	echo host >"$WORK/folder/file"
	run pod run --rm --network none -v "$WORK/folder:/f:ro" -m 64m --cpus 0.5 --pids-limit 33 --cgroupns private \
		--read-only --read-only-tmpfs=false --cap-drop all --user 1000:1000 --hostname name image sh -c \
		'exec 2>&1; cat /f/file; cd /sys/fs/cgroup; cat memory.max cpu.max pids.max; id -u; hostname; grep CapEff /proc/self/status; touch /tmp/x; echo $?'
	echo "$output"
	[[ ${lines[0]} == host && ${lines[1]} -eq 67108864 && ${lines[2]} == "50000 100000" && ${lines[3]} -eq 33 ]]
	[[ ${lines[4]} -eq 1000 && ${lines[5]} == name && ${lines[6]} == *0000000000000000 ]]
	[[ $output == *"Read-only file system"* && ${lines[-1]} -eq 1 ]]
}

@test "podman cp: both ways, of a stopped and of a paused container" {
	pod run --name box --network none image sh -c 'cat /root/in && exec sleep 1000; echo text >/root/out'
	pod cp box:/root/out "$WORK/back"
	[[ $(cat "$WORK/back") == text ]]
	pod cp "$WORK/back" box:/root/in
	pod start box
	wait_for 30 eval '[[ $(pod logs box 2>/dev/null) == text ]]'
	pod exec box sh -c 'echo more >/root/more'
	pod pause box
	pod cp box:/root/more "$WORK/more"
	pod cp "$WORK/more" box:/root/again
	pod unpause box
	[[ $(cat "$WORK/more") == more && $(pod exec box cat /root/again) == more ]]
}
