#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# What programs ask of a file system besides open, read and write, in the root file system
# (overlayfs) and in a bind mount. posix.py says the same of the host's own.

load helpers

# everything FOLDER - as seen in the container
everything() {
	cp "$BATS_TEST_DIRNAME/posix.py" "$BUNDLE/rootfs/t/"
	config '(["CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "SETFCAP"] | map("CAP_" + .)) as $more |
		.process.capabilities |= map_values(. + $more)'
	run_in /usr/bin/python3 /t/posix.py "$1"
	echo "$output $stderr"
	[[ $output == right ]]
}

@test "posix: the host's own file system" {
	mkdir "$WORK/host"
	run python3 "$BATS_TEST_DIRNAME/posix.py" "$WORK/host"
	echo "$output"
	[[ $output == right ]]
}

@test "posix: the root file system" {
	mkdir "$BUNDLE/rootfs/t/root"
	everything /t/root
}

@test "posix: a bind mount" {
	mkdir "$WORK/volume"
	config --arg s "$WORK/volume" '.mounts += [{destination: "/vol", type: "bind", source: $s, options: ["bind"]}]'
	everything /vol
}
