#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# podman container checkpoint, restore. podman asks a program `criu` for its version first,
# and Debian 12 has none: one of ours answers (criu), and is asked nothing else.

load podman

# checked ARG... - podman, which finds a criu
checked() {
	PATH=$BATS_TEST_DIRNAME:$PATH pod "$@"
}

# counter [ARG...] - a container `box` that counts, in its memory, on its standard output
counter() {
	pod run -d --name box --network none -m 64m "$@" image \
		sh -c 'i=0; while :; do i=$((i+1)); echo $i; sleep 0.5; done' >/dev/null
	counts box
}

# counts NAME - some numbers more are in its log
counts() {
	local before

	before=$(pod logs "$1" | wc -l)
	wait_for 60 more "$1" $((before + 1))
}

more() {
	[[ $(pod logs "$1" | wc -l) -gt $2 ]]
}

# no_gap NAME - nothing of its output is lost or there twice
no_gap() {
	pod logs "$1" >"$WORK/log"
	diff "$WORK/log" <(seq "$(wc -l <"$WORK/log")")
}

@test "podman container checkpoint: without criu it is podman that refuses" {
	counter
	run pod container checkpoint box
	echo "$output"
	[[ $status -eq 125 && $output == *"requires at least CRIU"* ]]
}

@test "podman container checkpoint, restore: it goes on where it was" {
	counter
	checked container checkpoint box
	[[ $(pod inspect -f '{{.State.Status}} {{.State.Checkpointed}}' box) == "exited true" ]]
	checked container restore box
	counts box
	no_gap box
	checked container checkpoint --leave-running box
	counts box
	no_gap box
	run pod exec box sh -c 'echo in; exit 3'
	[[ $status -eq 3 && $output == in ]]
}

@test "podman container checkpoint --print-stats" {
	counter
	run checked container checkpoint --print-stats box
	echo "$output"
	[[ $status -eq 0 ]]
	jq -e '.container_statistics[0].criu_statistics | .frozen_time > 0 and .pages_scanned >= .pages_written and .pages_written > 0' <<<"$output"
}

@test "podman container checkpoint --export, restore --import: its files go along" {
	counter
	pod exec box sh -c 'echo kept >/root/kept'
	run checked container checkpoint --export "$WORK/box.tar" box
	echo "$output"
	[[ $status -eq 0 && $output != *error* ]]
	pod rm box >/dev/null
	checked container restore --import "$WORK/box.tar"
	wait_for 60 more box 1
	[[ $(pod exec box cat /root/kept) == kept ]]
	checked container restore --import "$WORK/box.tar" --name other
	wait_for 60 more other 1
	[[ $(pod exec other cat /root/kept) == kept ]]
}

@test "podman container checkpoint --pre-checkpoint, then --with-previous: it goes on where it was" {
	counter
	checked container checkpoint --pre-checkpoint --export "$WORK/pre.tar" box
	counts box
	checked container checkpoint --with-previous --export "$WORK/box.tar" box
	pod rm box >/dev/null
	checked container restore --import-previous "$WORK/pre.tar" --import "$WORK/box.tar"
	wait_for 60 more box 1
}
