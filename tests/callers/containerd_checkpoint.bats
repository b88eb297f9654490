#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# ctr tasks checkpoint; ctr containers checkpoint and restore, which put the image through the
# content store as a tar file, which knows no holes: small machines only.

load containerd

counter=': >/count; i=0; while :; do i=$((i + 1)); echo $i >>/count; sleep 0.5; done'

import_image() {
	umoci init --layout "$WORK/oci"
	umoci new --image "$WORK/oci:one"
	umoci insert --image "$WORK/oci:one" "$WORK/image" /
	tar -C "$WORK/oci" -cf "$WORK/oci.tar" .
	con image import --base-name image "$WORK/oci.tar"
}

start() {
	con run -d --runc-binary "$PREFIX/bin/hull" --env PATH=/bin --memory-limit 8388608 "$@"
}

count() {
	con tasks exec --exec-id "count-$((execs++))" box cat /count | tail -n 1
}

more() {
	[[ $(count) -gt $1 ]]
}

@test "ctr tasks checkpoint: an image in a folder, and the task goes on or ends" {
	mkdir "$WORK/checkpoint"
	start --rootfs "$WORK/image" box sh -c "$counter"
	wait_for 60 more 1
	con tasks checkpoint --image-path "$WORK/checkpoint" box
	[[ -s $WORK/checkpoint/machine ]]
	wait_for 60 more "$(count)"
	con tasks checkpoint --exit --image-path "$WORK/checkpoint" box
	ended() { [[ $(con tasks ls | awk '$1 == "box" { print $3 }') == STOPPED ]]; }
	wait_for 30 ended
}

@test "ctr containers checkpoint and restore: it goes on where it was" {
	import_image
	start image:one box sh -c "$counter"
	wait_for 60 more 1
	con containers checkpoint --rw --task box saved
	before=$(count)
	con tasks kill -s KILL box
	wait_for 20 gone
	con containers rm box
	con containers restore --rw --live box saved
	wait_for 60 more "$before"
	con tasks exec --exec-id all box cat /count >"$WORK/count"
	diff "$WORK/count" <(seq "$(wc -l <"$WORK/count")")
}
