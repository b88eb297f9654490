#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# checkpoint, restore: what fails, by which name, and what is left.

load checkpoint

@test "checkpoint: a full disk: the container lives on, nothing half is left" {
	start_counter
	mkdir -p "$IMAGE"
	mount -t tmpfs -o size=4M tmpfs "$IMAGE"
	run --separate-stderr checkpoint
	# shellcheck disable=SC2154 # bats sets it
	echo "$stderr"
	left=$(ls -A "$IMAGE")
	umount "$IMAGE"
	[[ $status -eq 1 && $stderr == *"No space left on device"* && -z $left ]]
	lives_on
	no_gap
	checkpoint
	restore "$ID"
	counts
	no_gap
}

@test "checkpoint: states, options and paths that are wrong" {
	run --separate-stderr checkpoint
	[[ $status -eq 1 && $stderr == *"container does not exist"* ]]
	args /bin/sleep 1000
	hull create -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1
	run --separate-stderr checkpoint
	echo "$stderr"
	[[ $status -eq 1 && $stderr == *"Container cannot be checkpointed in created state"* ]]
	hull start "$ID"
	run --separate-stderr checkpoint --page-server=127.0.0.1:1
	echo "$stderr"
	[[ $status -eq 1 && $stderr == *"--page-server is not supported"* ]]
	touch "$WORK/file"
	run --separate-stderr hull checkpoint --image-path "$WORK/file" "$ID"
	echo "$stderr"
	[[ $status -eq 1 && $stderr == *"'$WORK/file'"* ]]
	[[ ! -e $IMAGE && $(status_of "$ID") == running ]]
	hull kill "$ID" KILL
	wait_for 30 is_stopped "$ID"
	run --separate-stderr checkpoint
	echo "$stderr"
	[[ $status -eq 1 && $stderr == *"Container cannot be checkpointed in stopped state"* ]]
	hull delete "$ID"
	refused "$ID" "--image-path '$IMAGE': No such file or directory"
	mkdir "$IMAGE"
	refused "$ID" "'$IMAGE/machine': open: No such file or directory"
	head -c 3M /dev/zero >"$IMAGE/machine"
	refused "$ID" "'$IMAGE/machine': it is no image of a container"
}

@test "checkpoint: two at once, a freeze that fails" {
	start_counter
	hull checkpoint --leave-running --image-path "$IMAGE-1" "$ID" 2>"$WORK/err1" 3>&- &
	run --separate-stderr hull checkpoint --leave-running --image-path "$IMAGE-2" "$ID"
	echo "$stderr"
	first=0
	wait $! || first=$?
	cat "$WORK/err1"
	# Which one comes first is chance.
	[[ $status -eq 0 || $stderr == *busy* || $stderr == *"checkpoint"* ]]
	[[ $first -eq 0 || $status -eq 0 ]]
	[[ -e $IMAGE-1/machine || $first -ne 0 ]]
	[[ -e $IMAGE-2/machine || $status -ne 0 ]]
	lives_on
	hull delete -f "$ID"
	rm -rf "$IMAGE-1" "$IMAGE-2"

	# shellcheck disable=SC2016 # for the hook
	printf '#!/bin/sh\ntest $1 = thaw || { echo no; exit 3; }\n' >"$BUNDLE/rootfs/usr/local/bin/hook"
	chmod 755 "$BUNDLE/rootfs/usr/local/bin/hook"
	config '.annotations["org.hull.freeze.hooks"] = "/usr/local/bin/hook"'
	: >"$BUNDLE/rootfs/t/ticks"
	start_counter
	run --separate-stderr checkpoint
	echo "$stderr"
	[[ $status -eq 1 && ! -e $IMAGE ]]
	[[ $stderr == *"freeze hook '/usr/local/bin/hook': exit status 3, output: no"* ]]
	lives_on
	checkpoint --no-freeze
	restore "$ID"
	counts
	no_gap
}

@test "checkpoint: what bundle and image do not agree about is refused by name" {
	start_counter
	hull pause "$ID"
	checkpoint --leave-running
	cp -p "$BUNDLE/rootfs/t/ticks" "$WORK/ticks"
	hull resume "$ID"
	# nothing_left looks for hull-vmms of all ids of this file
	run --separate-stderr hull restore --image-path "$IMAGE" -b "$BUNDLE" -d "$ID"
	echo "$stderr"
	[[ $status -eq 1 && $stderr == *"container with given ID already exists"* ]]
	lives_on
	hull delete -f "$ID"
	cp "$BUNDLE/config.json" "$WORK/config.good"
	config '.process.terminal = true'
	refused "$ID" "process.terminal: the saved container has none" --console-socket "$WORK/none"
	cp "$WORK/config.good" "$BUNDLE/config.json"
	# shellcheck disable=SC2016 # jq's
	config --arg w "$WORK" '.mounts += [{destination: "/mnt", source: $w, options: ["bind"]}]'
	refused "$ID" "root and mounts: "
	cp "$WORK/config.good" "$BUNDLE/config.json"
	run --separate-stderr hull --set memory=256M restore --image-path "$IMAGE" -b "$BUNDLE" -d "$ID"
	echo "$stderr"
	[[ $status -eq 1 && $stderr == *"the saved machine has 512 MiB of memory"* ]]
	cp --sparse=always /usr/local/lib/hull/vmlinux "$WORK/vmlinux" 2>/dev/null ||
		cp /hull/build/vmlinux "$WORK/vmlinux"
	printf x >>"$WORK/vmlinux"
	run --separate-stderr hull --set "kernel=$WORK/vmlinux" restore --image-path "$IMAGE" -b "$BUNDLE" -d "$ID"
	echo "$stderr"
	[[ $status -eq 1 && $stderr == *"the image needs another guest kernel"* ]]
	nothing_left "$ID"
	cp -p "$WORK/ticks" "$BUNDLE/rootfs/t/ticks"
	restore "$ID"
	hull resume "$ID"
	counts
}
