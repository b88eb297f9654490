#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What may pass the container's interfaces: rates, and addresses.

load network

# serve_iperf - in the namespace at the other end
serve_iperf() {
	in_peer iperf3 -s -D >/dev/null
	wait_for 10 eval 'in_peer ss -ltn | grep -q :5201'
}

# speed OPTION... - (kbit/s) that the container's iperf3 gets through in 4 s
speed() {
	hull exec "$ID" iperf3 -c 10.9.0.1 -J -t 4 "$@" | jq '.end.sum_received.bits_per_second / 1000 | floor'
}

# between LEAST MOST NUMBER
between() {
	echo "$3 (between $1 and $2)"
	[[ $3 -ge $1 && $3 -le $2 ]]
}

@test "network limits: net.tx and net.rx hold, are changed and taken back while the container runs" {
	link
	join
	serve_iperf
	config '.annotations["org.hull.net.tx"] = "8M" | .annotations["org.hull.net.rx"] = "12M"'
	start_sleeper
	# A burst of 128 KiB is a twentieth of what goes in 4 s.
	between 2000 9000 "$(speed)"
	between 3000 13500 "$(speed -R)"
	hull --set net.tx=none --set net.rx=4M update "$ID"
	between 16000 100000000 "$(speed)"
	between 1000 4500 "$(speed -R)"
	hull --set net.rx=none update "$ID"
	between 16000 100000000 "$(speed -R)"
}

@test "network limits: an interface that comes later has those of the last update" {
	link
	join
	start_sleeper
	hull --set net.tx=10M --set net.rx=20M update "$ID"
	link net1 1
	wait_for 20 eval 'hull exec "$ID" ip -br addr show dev net1 2>/dev/null | grep -q 10.9.1.2/24'
	[[ $(tc -n "$NS" qdisc show | grep -c 'tbf .*rate 20Mbit') -eq 2 ]]
	[[ $(for tap in $(ip -n "$NS" -br link | grep -o '^hull[0-9]*'); do tc -n "$NS" filter show dev "$tap" ingress; done |
		grep -c 'rate 10Mbit') -eq 2 ]]
	# Before the start there is no hull-net: it begins with them.
	hull delete -f "$ID"
	ip -n "$NS" link del eth0
	ip -n "$NS" link del net1
	args sleep 1000
	hull create -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1
	hull --set net.rx=30M update "$ID"
	link
	hull start "$ID"
	tc -n "$NS" qdisc show | grep -q 'tbf .*rate 30Mbit'
	answers 10.9.0.2
}

# frames - the numbers of tests/integration/spoof.py's frames that arrive
frames() {
	local out=$BATS_TEST_TMPDIR/heard

	in_peer timeout 90 "$BATS_TEST_DIRNAME/spoof.py" hear p0 >"$out" &
	wait_for 30 grep -q ready "$out"
	hull exec "$ID" /t/spoof.py send eth0
	wait
	tail -n 1 "$out"
}

@test "network limits: with net.antispoof only the container's own frames arrive" {
	link
	join
	config '.annotations["org.hull.net.antispoof"] = "on"'
	cp "$BATS_TEST_DIRNAME/spoof.py" "$BUNDLE/rootfs/t/"
	start_sleeper
	[[ $(frames) == '1 2 3 4 99' ]]
	# What ARP and neighbour discovery need passes, in both directions.
	in_peer ip neigh flush dev p0
	answers 10.9.0.2
	answers fd00:9:0::2
	hull exec "$ID" ping -c 1 -W 5 10.9.0.1
	hull exec "$ID" ping -c 1 -W 5 fd00:9:0::1
	# Root in the container may give itself an address: it is of no use.
	hull exec "$ID" ip addr add 10.9.0.3/24 dev eth0
	run -1 answers 10.9.0.3
	# One of the namespace's is.
	ip -n "$NS" addr add 10.9.0.4/24 dev eth0
	wait_for 20 answers 10.9.0.4
	hull --set net.antispoof=off update "$ID"
	[[ $(frames) == '1 2 3 4 11 12 13 14 15 16 17 18 19 20 99' ]]
	hull --set net.antispoof=on update "$ID"
	[[ $(frames) == '1 2 3 4 99' ]]
}

@test "network limits: what cannot be is refused by its name, and nothing changes" {
	link
	join
	start_sleeper
	run --separate-stderr hull --set net.tx=1K update "$ID"
	[[ $status -eq 1 && $stderr == *'--set net.tx=1K: expected none, or 64K to 1T bits per second'* ]] || fail "$stderr"
	hull --set net.rx=20M update "$ID"
	# With a limit that fails the others are put back.
	run --separate-stderr hull --set net.rx=50M update --memory 100G "$ID"
	[[ $status -eq 1 ]] || fail "$output"
	tc -n "$NS" qdisc show | grep -q 'tbf .*rate 20Mbit'
	[[ $(jq -r .netRx "$STATE/$ID/state.json") == 20000000 ]]
}
