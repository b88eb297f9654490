#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# Namespaces of the container that are not in the default configuration.

load helpers

@test "time: offsets of a time namespace, and exec joins it" {
	config '.linux.namespaces += [{type: "time"}]
		| .linux.timeOffsets = {boottime: {secs: 1000000, nanosecs: 0}, monotonic: {secs: 2000000, nanosecs: 5}}'
	run_in /bin/sh -c 'cat /proc/uptime; cat /proc/self/timens_offsets'
	echo "$output"
	[[ $status -eq 0 ]]
	[[ ${lines[0]} == 10000[0-9][0-9].* ]]
	[[ ${lines[1]} =~ ^monotonic\ +2000000\ +5$ ]]
	[[ ${lines[2]} =~ ^boottime\ +1000000\ +0$ ]]
	start_sleeper
	run --separate-stderr hull exec "$ID" /bin/cat /proc/uptime
	[[ $status -eq 0 ]]
	[[ $output == 10000[0-9][0-9].* ]]
}

@test "time: offsets without a namespace, or a path, are refused" {
	config '.linux.timeOffsets = {boottime: {secs: 1}}'
	run --separate-stderr hull create -b "$BUNDLE" "$ID"
	[[ $status -eq 1 ]]
	[[ $stderr == *"linux.timeOffsets: time namespace offsets specified, but time namespace isn't enabled"* ]]
	config 'del(.linux.timeOffsets) | .linux.namespaces += [{type: "time", path: "/proc/self/ns/time"}]'
	run --separate-stderr hull create -b "$BUNDLE" "$ID"
	[[ $status -eq 1 ]]
	[[ $stderr == *"joining the time namespace '/proc/self/ns/time' is not supported"* ]]
	nothing_left "$ID"
}
