# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What the files about `hull freeze` share: a container that writes without a pause, and
# a holder of a freeze.

load helpers

# ticks - how far the container's counter has come
ticks() {
	wc -l <"$BUNDLE/rootfs/t/ticks"
}

more_than() {
	[[ $(ticks) -gt $1 ]]
}

# start_writer - a container that appends, makes, renames and removes files without a pause
start_writer() {
	args /usr/bin/python3 -c '
import os
n = 0
log = open("/t/ticks", "a")
while True:
    n += 1
    log.write("%d\n" % n); log.flush()
    with open("/t/new", "w") as f: f.write("x" * n)
    os.rename("/t/new", "/t/file%d" % (n % 5))
    if n % 7 == 0: os.unlink("/t/file%d" % (n % 5))'
	rm -f "$BUNDLE/rootfs/t/"*
	: >"$BUNDLE/rootfs/t/ticks"
	hull run -d -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1
	wait_for 60 more_than 3
}

# hold [OPTIONS...] - a `hull freeze` of its own, frozen when this returns; its pid is $holder
hold() {
	local out

	out=$(mktemp -p "$BATS_TEST_TMPDIR")
	# shellcheck disable=SC2016,SC2094 # for sh; nothing is read
	timeout -s KILL 100 sh -c 'echo $$ >"$1.pid"; shift; exec "$@"' sh "$out" \
		hull --root "$STATE" freeze "$@" "$ID" >"$out" 2>"$out.err" 3>&- 9>&- &
	wait_for 60 grep -q frozen "$out"
	holder=$(<"$out.pid")
	holder_err=$out.err
}

freeze_state() {
	hull freeze --status "$ID" | jq -r .state
}

is_freeze_state() {
	[[ $(freeze_state) == "$1" ]]
}

# still - nothing is written for two seconds
still() {
	local before

	before=$(ticks)
	sleep 2
	[[ $(ticks) -eq $before ]]
}

goes_on() {
	local before

	before=$(ticks)
	wait_for 30 more_than "$before"
}

gone() {
	[[ ! -e /proc/$1 ]]
}
