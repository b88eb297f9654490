#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The container's network: callers, interfaces and packets that are not as one would like.

load network

# adopt COMMAND... - by a caller to whom orphans come, and who reaps none of them
adopt() {
	timeout -k 5 60 python3 -c '
import ctypes, subprocess, sys
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER
sys.exit(subprocess.run(sys.argv[1:]).returncode)' "$@"
}

@test "network: a run ends under a caller that adopts hull-net and does not reap it" {
	link
	join
	args /bin/sh -c 'ping -c 1 -W 5 10.9.0.1 >/dev/null; exit 5'
	run adopt "$(type -P hull)" --root "$STATE" --set vcpus=1 --set memory=512M run -b "$BUNDLE" "$ID"
	echo "$output"
	[[ $status -eq 5 ]]
}
