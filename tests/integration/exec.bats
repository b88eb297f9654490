#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0

load helpers

setup_file() {
	make_bundle
	ID=${WORK##*/}-exec
	export ID
	cp "$BUNDLE/config.default" "$BUNDLE/config.json"
	config '.process.terminal = false | .root.readonly = false | .process.env += ["BASE=yes"]
		| .process.capabilities.inheritable = ["CAP_KILL"]'
	start_sleeper_in_file
}

start_sleeper_in_file() {
	args /bin/sh -c 'while :; do sleep 1000 & wait; done'
	hull run -d -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1
}

setup() {
	ID=${WORK##*/}-exec
}

teardown() {
	:
}

# The helpers' own look at what is left comes after the container's end.
eval "$(declare -f teardown_file | sed '1s/teardown_file/look_around/')"
teardown_file() {
	hull delete -f "${WORK##*/}-exec"
	look_around
}

@test "exec: output, errors, exit status" {
	run --separate-stderr hull exec "$ID" /bin/sh -c 'echo out; echo err >&2; exit 9'
	[[ $status -eq 9 ]]
	[[ $output == out ]]
	[[ $stderr == err ]]
}

@test "exec: sees the container's processes, is not PID 1" {
	run --separate-stderr hull exec "$ID" /bin/sh -c 'echo $$; cat /proc/1/cmdline | tr "\0" " "'
	[[ ${lines[0]} != 1 ]]
	[[ ${lines[1]} == "/bin/sh -c while"* ]]
}

@test "exec: stdin, byte by byte" {
	head -c 3000000 /dev/urandom >"$WORK/in"
	hull exec "$ID" /bin/cat <"$WORK/in" >"$WORK/out"
	cmp "$WORK/in" "$WORK/out"
	run --separate-stderr hull exec "$ID" /usr/bin/wc -c < <(printf 12345)
	[[ $output == 5 ]]
}

@test "exec: --cwd, --env, --user, --additional-gids" {
	run --separate-stderr hull exec --cwd /tmp -e A=1 -e B=2 -u 1000:1001 -g 7 "$ID" \
		/bin/sh -c 'pwd; echo $BASE$A$B; id -u; id -g; id -G'
	[[ ${lines[0]} == /tmp ]]
	[[ ${lines[1]} == yes12 ]]
	[[ ${lines[2]} == 1000 ]]
	[[ ${lines[3]} == 1001 ]]
	[[ ${lines[4]} == "1001 7" ]]
}

@test "exec: --cap, --no-new-privs" {
	run --separate-stderr hull exec --cap CAP_SYS_ADMIN --no-new-privs "$ID" \
		/bin/grep -E 'CapEff|NoNewPrivs' /proc/self/status
	[[ $((16#$(awk '/CapEff/ {print $2}' <<<"$output") & (1 << 21))) -ne 0 ]]
	[[ $output == *$'NoNewPrivs:\t1'* ]]
}

@test "exec: --cap of one that is inheritable is ambient too" {
	run --separate-stderr hull exec --cap CAP_KILL --cap CAP_CHOWN "$ID" /bin/grep CapAmb /proc/self/status
	[[ $output == $'CapAmb:\t0000000000000020' ]]
}

@test "exec: --cgroup" {
	hull exec --cap CAP_SYS_ADMIN "$ID" /bin/sh -c 'mkdir -p /t/cg && mount -t cgroup2 none /t/cg && mkdir /t/cg/below'
	[[ $(hull exec --cgroup below "$ID" /bin/cat /proc/self/cgroup) == 0::/below ]]
	[[ $(hull exec --cgroup / "$ID" /bin/cat /proc/self/cgroup) == 0::/ ]]
	run --separate-stderr hull exec --cgroup .. "$ID" /bin/true
	[[ $status -eq 255 && $stderr == *"bad sub cgroup path: .."* ]]
	run --separate-stderr hull exec --cgroup none "$ID" /bin/true
	[[ $status -eq 255 && $stderr == *"cgroup 'none': No such file or directory"* ]]
	run --separate-stderr hull exec --cgroup memory:below "$ID" /bin/true
	[[ $status -eq 255 && $stderr == *"bad --cgroup argument: memory:below"* ]]
}

@test "exec: --process" {
	echo '{"args": ["/bin/sh", "-c", "echo from $X; exit 4"], "cwd": "/", "user": {"uid": 0, "gid": 0},
		"env": ["X=file"]}' >"$WORK/process.json"
	run --separate-stderr hull exec -p "$WORK/process.json" "$ID"
	[[ $status -eq 4 ]]
	[[ $output == "from file" ]]
}

@test "exec: --debug says that the process runs" {
	run --separate-stderr hull --debug exec "$ID" true
	[[ $status -eq 0 ]]
	[[ $stderr == *"level=debug msg=\"exec: 'true' runs in the container\""* ]]
}

@test "exec: options behind the command are the command's" {
	run --separate-stderr hull exec "$ID" /bin/echo -d --tty
	[[ $output == "-d --tty" ]]
}

@test "exec: a program that is not there, or not executable: 255 and runc's words" {
	run --separate-stderr hull exec "$ID" nonexistent
	[[ $status -eq 255 ]]
	[[ $stderr == *'exec failed: unable to start container process: exec: \"nonexistent\": executable file not found in $PATH"'* ]]
	run --separate-stderr hull exec "$ID" /etc/passwd
	[[ $status -eq 255 ]]
	[[ $stderr == *'exec failed: unable to start container process: exec: \"/etc/passwd\": permission denied"'* ]]
	run --separate-stderr hull exec "$ID" /etc
	[[ $status -eq 255 ]]
	[[ $stderr == *'exec failed: unable to start container process: exec: \"/etc\": permission denied"'* ]]
	run --separate-stderr hull exec --cwd /no/such "$ID" true
	[[ $status -eq 255 ]]
	[[ $stderr == *'exec failed: unable to start container process: chdir to cwd (\"/no/such\") set in config.json failed: no such file or directory"'* ]]
	run --separate-stderr hull exec "$ID"
	[[ $status -eq 255 ]]
}

@test "exec: death by a signal is 128 + its number" {
	run --separate-stderr hull exec "$ID" /bin/sh -c 'kill -KILL $$'
	[[ $status -eq 137 ]]
}

@test "exec -d: a pid on the host that ends with the process' status" {
	rm -f "$BUNDLE/rootfs/t/go"
	hull exec -d --pid-file "$WORK/epid" "$ID" /bin/sh -c 'until test -e /t/go; do sleep 0.2; done' </dev/null >/dev/null 2>&1
	pid=$(cat "$WORK/epid")
	kill -0 "$pid"
	touch "$BUNDLE/rootfs/t/go"
	wait_for 30 eval "! kill -0 $pid 2>/dev/null"
	rm -f "$BUNDLE/rootfs/t/go"
}

@test "exec: kill -9 of the command kills the process in the container" {
	hull exec "$ID" /bin/sleep 777 &
	wait_for 30 eval 'hull ps "$ID" | grep -q "sleep 777"'
	pkill -9 -f -- "exec $ID /bin/sleep 777"
	wait || true
	wait_for 30 eval '! hull ps "$ID" | grep -q "sleep 777"'
}

@test "exec: into the cgroup of a container that has cgroups of its own" {
	# As docker in a container: no process may be beside cgroups with controllers.
	hull exec --cap CAP_SYS_ADMIN "$ID" /bin/sh -c 'mkdir -p /t/own && mount -t cgroup2 none /t/own && cd /t/own && mkdir init &&
		for p in $(cat cgroup.procs); do echo $p >init/cgroup.procs; done; echo +pids >cgroup.subtree_control'
	[[ $(hull exec "$ID" /bin/cat /proc/self/cgroup) == 0::/init ]]
}

@test "exec: many side by side" {
	for i in 1 2 3 4 5 6; do
		hull exec "$ID" /bin/sh -c "echo $i; exit $i" >"$WORK/out.$i" &
		pids[i]=$!
	done
	for i in 1 2 3 4 5 6; do
		wait "${pids[i]}" && got=0 || got=$?
		[[ $got -eq $i ]]
		[[ $(cat "$WORK/out.$i") == "$i" ]]
	done
}

@test "exec: in a container that is not there, or stopped" {
	run --separate-stderr hull exec nobody /bin/true
	[[ $status -eq 255 ]]
	[[ $stderr == *"container does not exist"* ]]
}
