#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The container's network: interfaces of its namespace on the host, as the guest has them.

load network

@test "network: name, addresses, routes, neighbours, rules and MTU of the namespace are the container's" {
	link
	ip -n "$NS" link set eth0 mtu 1400 address 02:42:0a:09:00:02
	ip -n "$NS" route add default via 10.9.0.1 metric 7
	ip -n "$NS" route add 192.0.2.0/24 via 203.0.113.1 dev eth0 onlink
	ip -n "$NS" route add blackhole 198.51.100.0/24
	ip -n "$NS" -6 route add default via fd00:9:0::1
	ip -n "$NS" route add 10.77.0.0/16 via 10.9.0.1 table 77
	ip -n "$NS" rule add from 10.9.0.2 lookup 77 priority 1077
	ip -n "$NS" neigh add 10.9.0.9 lladdr 02:00:00:00:00:09 dev eth0
	join
	run_in /bin/sh -c 'ip -br link; ip -br -4 addr; ip -br -6 addr; ip route; ip route show table 77
		ip -6 route; ip rule; ip neigh; cat /sys/class/net/eth0/mtu; ping -c 1 -W 5 10.9.0.1 >/dev/null && echo reached
		ping -c 1 -W 5 fd00:9:0::1 >/dev/null && echo reached6'
	echo "$output $stderr"
	[[ $status -eq 0 ]]
	[[ $output == *'eth0 '*' 02:42:0a:09:00:02 '* ]]
	grep -q '^eth0 .*10.9.0.2/24' <<<"$output"
	grep -q '^eth0 .*fd00:9:.*:2/64' <<<"$output"
	grep -q '^default via 10.9.0.1 dev eth0 metric 7' <<<"$output"
	grep -q '^192.0.2.0/24 via 203.0.113.1 dev eth0 onlink' <<<"$output"
	grep -q '^blackhole 198.51.100.0/24' <<<"$output"
	grep -q '^10.77.0.0/16 via 10.9.0.1 dev eth0' <<<"$output"
	grep -q '^default via fd00:9:.*:1 dev eth0' <<<"$output"
	grep -q '^1077:.*from 10.9.0.2 lookup 77' <<<"$output"
	grep -q '^10.9.0.9 dev eth0 lladdr 02:00:00:00:00:09 PERMANENT' <<<"$output"
	grep -q '^1400$' <<<"$output"
	grep -q '^reached$' <<<"$output"
	grep -q '^reached6$' <<<"$output"
}

@test "network: linux.sysctl of an interface" {
	link
	join
	config '.linux.sysctl = {"net.ipv4.conf.eth0.forwarding": "1", "net.ipv4.conf.all.log_martians": "1"}'
	run_in cat /proc/sys/net/ipv4/conf/eth0/forwarding /proc/sys/net/ipv4/conf/all/log_martians
	[[ $status -eq 0 && $output == $'1\n1' ]]
	config '.linux.sysctl = {"net.ipv4.conf.eth7.forwarding": "1"}'
	run_in true
	[[ $status -eq 1 && $stderr == *"linux.sysctl: open 'net.ipv4.conf.eth7.forwarding': No such file or directory"* ]] || fail "$stderr"
}

@test "network: linux.netDevices: an interface of the host's is moved, with its address and a new name" {
	join
	ip link add "d$$" type dummy
	ip link set "d$$" mtu 1300 address 02:00:00:00:00:0d
	ip addr add 192.0.2.7/24 dev "d$$"
	config --arg d "d$$" '.linux.netDevices = {($d): {name: "ctr_eth0"}}'
	run_in /bin/sh -c 'ip -br link show ctr_eth0; ip -br -4 addr show ctr_eth0; cat /sys/class/net/ctr_eth0/mtu'
	echo "$output $stderr"
	[[ $status -eq 0 ]]
	[[ $output == *'02:00:00:00:00:0d'*'192.0.2.7/24'*'1300' ]]
	run -1 ip link show "d$$"
	ip -n "$NS" addr show ctr_eth0 | grep -q 192.0.2.7/24
	config '.linux.netDevices = {none0: {}}'
	run_in true
	[[ $status -eq 1 ]]
	[[ $stderr == *'config.json: linux.netDevices: link not found for interface none0 on runtime namespace: No such device'* ]] || fail "$stderr"
	nothing_left "$ID"
}

@test "network: without an interface there is loopback, and no hull-net" {
	join
	args /bin/sh -c 'ls /sys/class/net; trap "exit 42" USR1; while :; do sleep 1000 & wait; done'
	hull run -d -b "$BUNDLE" "$ID" </dev/null >"$BATS_TEST_TMPDIR/out" 2>&1
	wait_for 30 sleeps
	cat "$BATS_TEST_TMPDIR/out"
	[[ $(cat "$BATS_TEST_TMPDIR/out") == lo ]]
	[[ -z $(ip netns pids "$NS" | xargs -rn 1 -I{} cat /proc/{}/comm | grep hull-net || true) ]]
}

@test "network: nobody but the container answers for its address" {
	link
	join
	start_sleeper
	answers 10.9.0.2
	in_peer busybox arping -c 3 -w 5 -I p0 10.9.0.2 >"$BATS_TEST_TMPDIR/arp"
	cat "$BATS_TEST_TMPDIR/arp"
	grep -q 'Received 3 ' "$BATS_TEST_TMPDIR/arp"
	# What the host's stack would refuse goes to the guest as well.
	in_peer timeout 15 tcpdump -i p0 -n -c 40 -w "$BATS_TEST_TMPDIR/pcap" 2>/dev/null &
	sleep 2
	run in_peer timeout 5 socat -u /dev/null TCP:10.9.0.2:81
	answers 10.9.0.2
	answers fd00:9:0::2
	hull kill "$ID" KILL
	wait
	[[ $(in_peer ip neigh show 10.9.0.2 | grep -c lladdr || true) -le 1 ]]
	tcpdump -n -e -r "$BATS_TEST_TMPDIR/pcap" 2>/dev/null >"$BATS_TEST_TMPDIR/packets"
	cat "$BATS_TEST_TMPDIR/packets"
	# One RST for the one SYN.
	[[ $(grep -c 'Flags \[S\]' "$BATS_TEST_TMPDIR/packets") -eq $(grep -c 'Flags \[R' "$BATS_TEST_TMPDIR/packets") ]]
}

@test "network: an interface that a hook brings" {
	cat >"$WORK/hook" <<-END
		#!/bin/sh
		pid=\$(sed -n 's/.*"pid":\([0-9]*\).*/\1/p')
		ip link add p7 netns $PEER type veth peer name eth0 netns \$pid
		ip -n $PEER addr add 10.7.0.1/24 dev p7
		ip -n $PEER link set p7 up
		nsenter -t \$pid -n ip addr add 10.7.0.2/24 dev eth0
		nsenter -t \$pid -n ip link set eth0 up
		nsenter -t \$pid -n ip route add default via 10.7.0.1
	END
	chmod +x "$WORK/hook"
	config --arg h "$WORK/hook" '.hooks = {prestart: [{path: $h}]}'
	run_in /bin/sh -c 'ip route; ping -c 1 -W 5 10.7.0.1'
	echo "$output $stderr"
	[[ $status -eq 0 ]]
	[[ $output == *'default via 10.7.0.1 dev eth0'* ]]
}

@test "network: an interface that comes between create and start" {
	local pid

	args /bin/sh -c 'ip -br addr; ping -c 1 -W 5 10.8.0.1'
	hull create -b "$BUNDLE" "$ID" </dev/null >"$BATS_TEST_TMPDIR/out" 2>&1
	pid=$(pid_of "$ID")
	ip link add p8 netns "$PEER" type veth peer name eth0 netns "$pid"
	ip -n "$PEER" addr add 10.8.0.1/24 dev p8
	ip -n "$PEER" link set p8 up
	nsenter -t "$pid" -n ip addr add 10.8.0.2/24 dev eth0
	nsenter -t "$pid" -n ip link set eth0 up
	hull start "$ID"
	wait_for 30 is_stopped "$ID"
	cat "$BATS_TEST_TMPDIR/out"
	grep -q '^eth0@*[^ ]* .*10.8.0.2/24' "$BATS_TEST_TMPDIR/out"
	grep -q '1 received\|1 packets received' "$BATS_TEST_TMPDIR/out"
}

has_link() {
	hull exec "$ID" ip -br addr show dev "$1" | grep -q "$2"
}

has_no_link() {
	! hull exec "$ID" ip link show dev "$1"
}

@test "network: interfaces that come, change and go while the container runs" {
	link
	join
	start_sleeper
	answers 10.9.0.2
	link net1 1
	wait_for 20 has_link net1 10.9.1.2/24
	answers 10.9.1.2
	ip -n "$NS" addr add 10.9.1.77/32 dev net1
	ip -n "$NS" addr del 10.9.1.2/24 dev net1
	wait_for 20 has_link net1 10.9.1.77/32
	run has_link net1 10.9.1.2/24
	[[ $status -ne 0 ]]
	ip -n "$NS" link set net1 mtu 9000
	wait_for 20 hull exec "$ID" grep -q 9000 /sys/class/net/net1/mtu
	ip -n "$NS" link del net1
	wait_for 20 has_no_link net1
	answers 10.9.0.2
	# The card is used again.
	link other0 2
	wait_for 20 has_link other0 10.9.2.2/24
	answers 10.9.2.2
	hull exec "$ID" ls /sys/bus/pci/devices | grep -c . >"$BATS_TEST_TMPDIR/cards"
}

@test "network: a container with an interface goes on from a template, and the first one makes it" {
	local i

	link
	join
	args /bin/sh -c 'ping -c 1 -W 5 10.9.0.1'
	for i in 1 2; do
		hull --debug --log "$WORK/log" run -b "$BUNDLE" "$ID"
	done
	cat "$WORK/log"
	grep -q 'timeline: template loaded' "$WORK/log"
	run -1 grep 'no template is made' "$WORK/log"
	rm "$WORK/log"
}

@test "network: nothing is left in a namespace that stays, also after a kill" {
	link
	note
	join
	run_in /bin/sh -c 'ping -c 1 -W 5 10.9.0.1'
	[[ $status -eq 0 ]]
	as_before
	start_sleeper
	run as_before
	[[ $status -ne 0 ]]
	kill -KILL "$(pid_of "$ID")"
	hull delete -f "$ID"
	wait_for 10 as_before
	answers 10.9.0.2 # the host's own stack again
}

@test "network: the caller's own ingress rules are used and left" {
	link
	tc -n "$NS" qdisc add dev eth0 clsact
	tc -n "$NS" filter add dev eth0 egress protocol ip prio 1 matchall action pass
	note
	join
	run_in /bin/sh -c 'ping -c 1 -W 5 10.9.0.1'
	echo "$output $stderr"
	[[ $status -eq 0 ]]
	as_before
}

@test "network: names of 15 bytes, two interfaces with each other's names" {
	link abcdefghijklmno 0
	link eth1 1
	ip -n "$NS" link add eth0 type veth peer name q0 netns "$PEER"
	join
	run_in ip -br link
	echo "$output $stderr"
	[[ $status -eq 0 ]]
	grep -q '^abcdefghijklmno ' <<<"$output"
	grep -q '^eth1 ' <<<"$output"
	grep -q '^eth0 .*DOWN' <<<"$output"
}

@test "network: what cannot be is refused by its name, and nothing is left" {
	refused() {
		run --separate-stderr hull create -b "$BUNDLE" "$ID" </dev/null
		[[ $status -eq 1 ]]
		[[ $stderr == *"$1"* ]] || fail "$stderr"
		nothing_left "$ID"
	}

	args true
	config '.linux.namespaces |= map(select(.type != "network"))'
	refused "config.json: linux.namespaces: the host's network cannot be the machine's"
	config '.linux.namespaces += [{type: "network", path: "/proc/self/ns/net"}]'
	refused "config.json: linux.namespaces: the host's network cannot be the machine's"
	config '.annotations["org.hull.net.host"] = "allow" | .process.args = ["ls", "/sys/class/net"]'
	run --separate-stderr hull run -b "$BUNDLE" "$ID"
	echo "$output $stderr"
	[[ $status -eq 0 && $output == lo ]]
	config 'del(.annotations) | .linux.namespaces[-1].path = "/run/netns/none"'
	refused "config.json: linux.namespaces: network '/run/netns/none': No such file or directory"
	config '.linux.namespaces[-1].path = "/etc/passwd"'
	refused "config.json: linux.namespaces: '/etc/passwd' is not a network namespace"
	config '.annotations["org.hull.net.vhost"] = "maybe"'
	refused 'annotation org.hull.net.vhost=maybe: expected on or off'
}

@test "network: another container's namespace is refused by its name" {
	link
	join
	start_sleeper
	run --separate-stderr hull create -b "$BUNDLE" "$ID-2" </dev/null
	[[ $status -eq 1 ]]
	[[ $stderr == *"joining the network namespace '/run/netns/$NS' of container '$ID' is not supported"* ]]
	nothing_left "$ID-2" || [[ -e $STATE/$ID ]]
	answers 10.9.0.2
}
