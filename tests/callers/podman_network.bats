#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# podman's networks, by netavark and aardvark-dns

load podman

teardown() {
	pod rm -f -t 1 -a >/dev/null
	pod network rm one >/dev/null 2>&1 || true
}

page() {
	timeout 5 busybox wget -qO- "http://$1/"
}

www() {
	pod run -d --name "$1" --hostname "$1" "${@:2}" image sh -c 'mkdir /www; hostname >/www/index.html; exec httpd -f -p 80 -h /www' >/dev/null
}

@test "podman run: an address of its network, a gateway that answers" {
	run pod run --rm --cap-add NET_RAW image sh -c 'ip -4 addr show dev eth0; ip route; ping -c 1 -W 5 $(ip route | awk "/default/ { print \$3 }")'
	echo "$output"
	[[ $status -eq 0 && $output == *'default via '*' dev eth0'* ]]
}

@test "podman run -p: a published port" {
	www box -p 8082:80
	wait_for 30 page 127.0.0.1:8082
	[[ $(page 127.0.0.1:8082) == box ]]
}

@test "podman network create: IPv4 and IPv6, an MTU of 9000, names of others" {
	pod network create --ipv6 -o mtu=9000 one >/dev/null
	www web --network one
	run pod run --rm --cap-add NET_RAW --network one image sh -c 'ip -6 addr show dev eth0 scope global; cat /sys/class/net/eth0/mtu
		for i in 1 2 3 4 5; do timeout 5 wget -qO- http://web/ && ping -6 -c 1 -W 5 -s 8000 web && exit; sleep 1; done; exit 1'
	echo "$output"
	[[ $status -eq 0 && $output == *inet6*$'\n9000\n'*web*'1 packets received'* ]]
}

@test "podman network connect, disconnect: while the container runs" {
	pod network create one >/dev/null
	www box
	pod network connect one box
	wait_for 20 pod exec box ip link show dev eth1
	pod network disconnect one box
	wait_for 20 eval '! pod exec box ip link show dev eth1'
}
