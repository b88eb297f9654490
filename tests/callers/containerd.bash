# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# containerd with a state of its own, for the files about ctr.

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
	# --foreground: it may read its terminal
	timeout --foreground ${CTR_DEADLINE:-120} ctr -a "$WORK/containerd.sock" "$@"
}

gone() {
	con tasks rm -f box >/dev/null 2>&1
	! con tasks ls -q | grep -qx box
}
