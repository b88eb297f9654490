#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# What programs ask of a file system besides open, read and write, in the root file system
# (overlayfs) and in a bind mount: as on the host.

load helpers

# as_on_host HOST CONTAINER - the same folder, as both call it
as_on_host() {
	local host

	mkdir "$1" "$1/host" "$1/container"
	host=$(python3 "$BATS_TEST_DIRNAME/posix.py" "$1/host")
	cp "$BATS_TEST_DIRNAME/posix.py" "$BUNDLE/rootfs/t/"
	config --args '.process.capabilities |= map_values(. + $ARGS.positional)' \
		CAP_CHOWN CAP_DAC_OVERRIDE CAP_FOWNER CAP_FSETID CAP_SETFCAP
	run_in /usr/bin/python3 /t/posix.py "$2/container"
	echo "host: $host; container: $output $stderr"
	[[ $output == "$host" && $output == *right ]]
}

@test "posix: the root file system" {
	as_on_host "$BUNDLE/rootfs/t/root" /t/root
}

@test "posix: a bind mount" {
	config --arg s "$WORK/volume" '.mounts += [{destination: "/vol", type: "bind", source: $s, options: ["bind"]}]'
	as_on_host "$WORK/volume" /vol
}
