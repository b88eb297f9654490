#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# containerd: ctr through io.containerd.runc.v2 with hull as its binary

load helpers

setup_file() {
	install_hull
	mkdir -p "$WORK/image" "$WORK/containerd"
	make_image "$WORK/image"
	cat >"$WORK/config.toml" <<-END
		version = 2
		root = "$WORK/containerd"
		state = "$WORK/state"
		disabled_plugins = ["io.containerd.grpc.v1.cri"]
		[grpc]
		  address = "$WORK/containerd.sock"
	END
	containerd -c "$WORK/config.toml" >"$WORK/log" 2>&1 3>&- &
	export DAEMON=$!
	wait_for 60 con version >/dev/null 2>&1
}

teardown() {
	con tasks kill -s KILL box >/dev/null 2>&1 || true
	wait_for 20 gone
	con containers rm box >/dev/null 2>&1 || true
}

teardown_file() {
	kill "$DAEMON"
	wait_for 60 [ ! -e "/proc/$DAEMON" ]
	nothing_left
	rm -rf "$WORK"
}

con() {
	timeout 120 ctr -a "$WORK/containerd.sock" "$@"
}

gone() {
	con tasks rm -f box >/dev/null 2>&1
	! con tasks ls -q | grep -qx box
}

# start ARG... - ctr run with hull
start() {
	con run --runc-binary "$PREFIX/bin/hull" --rootfs "$@"
}

is() {
	[[ $(con tasks ls | awk '$1 == "box" { print $3 }') == "$1" ]]
}

@test "ctr run: output, status, the guest's kernel" {
	run start --rm "$WORK/image" box sh -c 'echo out; uname -r; exit 7'
	echo "$output"
	[[ $status -eq 7 && ${lines[0]} == out && ${lines[1]} != "$(uname -r)" ]]
}

@test "ctr tasks: exec, pause, resume, metrics, kill, rm" {
	start -d "$WORK/image" box sleep 1000
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
	wait_for 30 is STOPPED
	con tasks rm box
}
