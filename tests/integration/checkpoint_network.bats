#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# checkpoint, restore: the network is the new namespace's.

load network

@test "checkpoint: a restored container has the interfaces of its new namespace" {
	# shellcheck disable=SC2030 # a test has its own
	IMAGE=$WORK/image

	link
	join
	args /bin/sleep 1000
	hull run -d -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1
	wait_for 30 answers 10.9.0.2
	rm -rf "$IMAGE"
	hull checkpoint --image-path "$IMAGE" "$ID"

	# Another veth, with another address behind the same name.
	ip -n "$PEER" link del p0
	link eth0 4
	restored "$ID"
	wait_for 30 answers 10.9.4.2
	run hull exec "$ID" ip -br -4 addr
	echo "$output"
	[[ $output == *10.9.4.2/24* && $output != *10.9.0.2* ]]
	hull delete -f "$ID"

	# Two from one image, each in a namespace of its own.
	restored "$ID"
	wait_for 30 answers 10.9.4.2
	# shellcheck disable=SC2016 # jq's
	config --arg p "/run/netns/$PEER" \
		'.linux.namespaces |= map(if .type == "network" then .path = $p else . end)'
	restored "$ID-2"
	wait_for 30 in_second
	answers_second() { hull exec "$ID-2" ping -c 1 -W 1 10.9.4.2; }
	wait_for 30 answers_second
}

@test "checkpoint: linux.netDevices that stayed in the network namespace" {
	# shellcheck disable=SC2031 # a test has its own
	IMAGE=$WORK/image-devices

	ip link add h0 type veth peer name p0 netns "$PEER"
	ip link set h0 up
	join
	config '.linux.netDevices = {h0: {name: "eth0"}}'
	args /bin/sleep 1000
	hull run -d -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1
	hull checkpoint --image-path "$IMAGE" "$ID"
	ip -n "$NS" link show eth0
	restored "$ID"
	hull exec "$ID" ip link show eth0
	hull delete -f "$ID"

	ip -n "$NS" link del eth0
	run restored "$ID"
	echo "$output"
	[[ $status -ne 0 && $output == *"config.json: linux.netDevices: link not found for interface h0"* ]]
}

in_second() {
	hull exec "$ID-2" ip -br -4 addr | grep -q 10.9.4.1
}

# restored ID - from $IMAGE; why not, if it fails
restored() {
	local out=$BATS_TEST_TMPDIR/restore

	hull restore --image-path "$IMAGE" -b "$BUNDLE" -d "$1" </dev/null >"$out" 2>&1 || {
		cat "$out"
		return 1
	}
}
