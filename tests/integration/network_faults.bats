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

# hull_net - the pid of the container's hull-net
hull_net() {
	local pid

	for pid in $(ip netns pids "$NS"); do
		[[ $(cat "/proc/$pid/comm") != hull-net ]] || echo "$pid"
	done
}

@test "network: hull-net is killed: the container keeps its network, and nothing is left" {
	link
	note
	join
	start_sleeper
	answers 10.9.0.2
	kill -KILL "$(hull_net)"
	wait_for 10 eval '[[ -z $(hull_net) ]]'
	answers 10.9.0.2
	hull exec "$ID" ping -c 1 -W 5 10.9.0.1
	hull delete -f "$ID"
	as_before
}

# has_all_of_eth0 - the container's net7 has the routes, addresses and neighbour that eth0 had
has_all_of_eth0() {
	hull exec "$ID" /bin/sh -c 'ip route show default dev net7; ip -6 route show default dev net7; ip -br addr show dev net7; ip neigh show dev net7' \
		>"$BATS_TEST_TMPDIR/has" 2>&1
	grep -q '^default via 10.9.0.1' "$BATS_TEST_TMPDIR/has" &&
		grep -q '^default via fd00:9::1' "$BATS_TEST_TMPDIR/has" &&
		grep -q '^net7 .*10.9.0.2/24.*fd00:9::2/64' "$BATS_TEST_TMPDIR/has" &&
		grep -q '^10.9.0.9 lladdr 02:00:00:00:00:09' "$BATS_TEST_TMPDIR/has"
}

@test "network: an interface that is renamed keeps its routes, addresses and neighbours" {
	local pid

	fill() {
		ip -n "$NS" link set "$1" up
		ip -n "$NS" addr replace fd00:9:0::2/64 dev "$1" nodad
		ip -n "$NS" route replace default via 10.9.0.1 dev "$1"
		ip -n "$NS" -6 route replace default via fd00:9:0::1 dev "$1"
		ip -n "$NS" neigh replace 10.9.0.9 lladdr 02:00:00:00:00:09 dev "$1"
	}
	link
	fill eth0
	join
	start_sleeper
	# Seen by hull-net as one change, as of a host whose kernel renames what is up
	pid=$(hull_net)
	kill -STOP "$pid"
	ip -n "$NS" link set eth0 down
	ip -n "$NS" link set eth0 name net7
	fill net7
	kill -CONT "$pid"
	wait_for 20 has_all_of_eth0 || fail "$(cat "$BATS_TEST_TMPDIR/has")"
	answers 10.9.0.2
	answers fd00:9:0::2
}

@test "network: an interface that vanishes under a stream; the next one has its card" {
	link
	join
	start_sleeper
	link net1 1
	wait_for 20 eval 'hull exec "$ID" ip -br addr show dev net1 2>/dev/null | grep -q 10.9.1.2/24'
	in_peer socat -u TCP-LISTEN:9000,bind=10.9.1.1 OPEN:/dev/null &
	wait_for 10 eval 'in_peer ss -ltn | grep -q :9000'
	hull exec -d "$ID" /bin/sh -c 'socat -u FILE:/dev/zero TCP:10.9.1.1:9000 2>/dev/null'
	wait_for 20 eval '[[ $(in_peer cat /sys/class/net/p1/statistics/rx_bytes) -gt 1000000 ]]'
	ip -n "$PEER" link del p1
	wait_for 20 eval '! hull exec "$ID" ip link show dev net1 2>/dev/null'
	answers 10.9.0.2
	link other0 2
	wait_for 20 eval 'hull exec "$ID" ip -br addr show dev other0 2>/dev/null | grep -q 10.9.2.2/24'
	answers 10.9.2.2
}

@test "network: names that taps have are taken already" {
	link
	ip -n "$NS" tuntap add dev hull0 mode tap
	ip -n "$NS" link add hull1 type veth peer name q1 netns "$PEER"
	note
	join
	run_in /bin/sh -c 'ip -br link; ping -c 1 -W 5 10.9.0.1'
	echo "$output $stderr"
	[[ $status -eq 0 ]]
	grep -q '^eth0 ' <<<"$output"
	grep -q '^hull1 ' <<<"$output"
	as_before
}

# without NODE - a /dev that lacks it, in a mount namespace of its own, for `hull`
without() {
	mkdir -p "$WORK/dev"
	rm -rf "$WORK/dev"/*
	cp -a /dev/{null,zero,full,random,urandom,tty,ptmx,kvm,net,vhost-net} "$WORK/dev/"
	rm "$WORK/dev/$1"
	cat >"$WORK/hull" <<-END
		#!/bin/sh
		exec unshare -m sh -c 'mount --bind "$WORK/dev" /dev && exec "\$0" "\$@"' "$(type -P hull)" "\$@"
	END
	chmod +x "$WORK/hull"
}

@test "network: a host without /dev/vhost-net: it is told, and packets go all the same" {
	link
	join
	without vhost-net
	args /bin/sh -c 'ping -c 1 -W 5 10.9.0.1'
	run --separate-stderr timeout -k 5 120 "$WORK/hull" --debug --log "$WORK/log" --root "$STATE" \
		--set vcpus=1 --set memory=512M run -b "$BUNDLE" "$ID"
	echo "$output $stderr"
	[[ $status -eq 0 ]]
	grep -q 'net eth0: no vhost (open /dev/vhost-net: No such file or directory)' "$WORK/log"
}

@test "network: a host without /dev/net/tun is told by its name, and nothing is left" {
	link
	note
	join
	without net/tun
	args true
	run --separate-stderr timeout -k 5 120 "$WORK/hull" --root "$STATE" --set vcpus=1 --set memory=512M \
		run -b "$BUNDLE" "$ID"
	echo "$output $stderr"
	[[ $status -eq 1 ]]
	[[ $stderr == *"network interface 'eth0': open /dev/net/tun: No such file or directory"* ]]
	nothing_left "$ID"
	as_before
}
