#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# spec, features, --version, --help, and config.json.example

load helpers

@test "spec: writes config.json, never over another" {
	mkdir -p "$WORK/spec"
	hull spec -b "$WORK/spec"
	[[ $(jq -r '.process.args[0]' "$WORK/spec/config.json") == sh ]]
	run --separate-stderr hull spec -b "$WORK/spec"
	[[ $status -eq 1 ]]
	[[ $stderr == *"File config.json exists. Remove it first"* ]]
}

@test "features: JSON that tells versions, hooks, mount options" {
	run --separate-stderr hull features
	[[ $status -eq 0 ]]
	[[ $(jq -r '.ociVersionMin' <<<"$output") == 1.0.0 ]]
	jq -e '.mountOptions | index("rbind")' <<<"$output"
	jq -e '.linux.namespaces | index("pid")' <<<"$output"
	jq -e '.linux.seccomp.enabled' <<<"$output"
}

@test "--version and --help" {
	run --separate-stderr hull --version
	[[ ${lines[0]} == "hull version "* ]]
	[[ ${lines[1]} == "spec: 1."* ]]
	run --separate-stderr hull --help
	[[ $output == *"COMMANDS:"*"create"*"exec"* ]]
	run --separate-stderr hull run --help
	[[ $output == *"--bundle, -b DIR"* && $output == *"hull run [command options]"* ]]
	# Who calls it runc reads of runc
	ln -s "$(type -P hull)" "$WORK/runc"
	run "$WORK/runc" run --help
	[[ ${lines[1]} == "   runc run - "* ]]
	run "$WORK/runc" state
	[[ $status -eq 1 && $output == *'"runc: \"state\" requires exactly 1 argument(s)"'* ]]
	rm "$WORK/runc"
}

@test "config.json.example runs" {
	# a disk of this host, not the example's
	IFS=: read -r major minor <<<"$(lsblk -dnro MAJ:MIN | head -n 1)"
	cp "$BATS_TEST_DIRNAME/../../config.json.example" "$BUNDLE/config.json"
	config '.process.terminal = false | .process.rlimits = [] | .root = {path: "rootfs"} | del(.hooks) | del(.vm) | .mounts |= map(select(.type != "bind" and .type != "overlay"))
		| .process.cwd = "/" | .linux.namespaces |= map(del(.path)) | .process.args = ["/bin/true"] | del(.annotations)
		| .linux.resources.blockIO |= walk(if type == "object" and has("major") then .major = '"$major"' | .minor = '"$minor"' else . end)'
	ip link add example0 type dummy
	run --separate-stderr hull run -b "$BUNDLE" "$ID"
	ip link del example0 2>/dev/null || true
	echo "$stderr"
	[[ $status -eq 0 ]]
}
