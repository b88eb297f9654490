# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# shellcheck disable=SC2016 # the container's shell expands these
#
# What the files about unix sockets of the host's share: a bundle with a client, servers.

load helpers

setup_file() {
	make_bundle
	cp "$BATS_TEST_DIRNAME/sockets.py" "$BUNDLE/rootfs/t/"
}

setup() {
	ID=${WORK##*/}-$BATS_TEST_NUMBER
	cp "$BUNDLE/config.default" "$BUNDLE/config.json"
	config '.process.terminal = false | .root.readonly = false'
	VOLUME=$BATS_TEST_TMPDIR/v
	mkdir -p "$VOLUME"
	SERVERS=()
}

teardown() {
	local id

	for id in $(hull list -q); do
		hull delete -f "$id"
	done
	for id in "${SERVERS[@]}"; do
		kill "$id" 2>/dev/null || true
	done
}

# serve NAME TYPE HOW... - a server of the host's at $VOLUME/NAME; says what it says in
# $BATS_TEST_TMPDIR/NAME.out
serve() {
	local out=$BATS_TEST_TMPDIR/$1.out

	mkfifo "$BATS_TEST_TMPDIR/$1.in"
	python3 "$BATS_TEST_DIRNAME/sockets.py" serve "$VOLUME/$1" "${@:2}" \
		<"$BATS_TEST_TMPDIR/$1.in" >"$out" 2>&1 3>&- 6>&- 7>&- 8>&- &
	SERVERS+=($!)
	exec 7>"$BATS_TEST_TMPDIR/$1.in"
	wait_for 20 grep -q ready "$out"
}

# ask NAME ARGS... - a client in a container
ask() {
	run_in /usr/bin/python3 /t/sockets.py ask "$@"
	echo "$output $stderr"
}
