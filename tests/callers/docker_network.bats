#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# docker's networks: the default bridge, user networks, published ports, names

load docker_network

# www NAME ARG... - a web server whose page is its name
www() {
	docker run -d --name "$1" "${@:2}" image sh -c 'mkdir /www; hostname >/www/index.html; exec httpd -f -p 80 -h /www' >/dev/null
}

# page OF - what the server says, to the host
page() {
	timeout 5 busybox wget -qO- "http://$1/"
}

@test "docker run: an address on the default bridge, a gateway that answers" {
	run docker run --rm --hostname box image sh -c 'ip -4 addr show dev eth0; ip route; ping -c 1 -W 5 172.30.0.1'
	echo "$output"
	[[ $status -eq 0 ]]
	[[ $output == *'inet 172.30.0.'*'/24 '* ]]
	[[ $output == *'default via 172.30.0.1 dev eth0'* ]]
}

@test "docker run -p: a published port" {
	www box -p 8081:80 --hostname box
	wait_for 30 page 127.0.0.1:8081
	[[ $(page 127.0.0.1:8081) == box ]]
	[[ $(page "$(docker inspect -f '{{.NetworkSettings.IPAddress}}' box)") == box ]]
}

@test "docker network create: two containers know each other by name" {
	docker network create one >/dev/null
	www web --network one --hostname web
	run docker run --rm --network one image sh -c 'for i in 1 2 3 4 5; do timeout 5 wget -qO- http://web/ && exit; sleep 1; done; exit 1'
	echo "$output"
	[[ $status -eq 0 && $output == web ]]
}

@test "docker network connect, disconnect: while the container runs" {
	local address

	docker network create one >/dev/null
	docker network create two >/dev/null
	www box --network one --hostname box
	[[ $(docker exec box ls /sys/class/net | xargs) == 'eth0 lo' ]]
	docker network connect two box
	wait_for 20 docker exec box ip link show dev eth1
	address=$(docker inspect -f '{{.NetworkSettings.Networks.two.IPAddress}}' box)
	wait_for 20 page "$address"
	[[ $(page "$address") == box ]]
	docker network disconnect two box
	wait_for 20 eval '! docker exec box ip link show dev eth1'
	address=$(docker inspect -f '{{.NetworkSettings.Networks.one.IPAddress}}' box)
	[[ $(page "$address") == box ]]
}

@test "docker restart: the network is there again" {
	www box -p 8081:80 --hostname box
	wait_for 30 page 127.0.0.1:8081
	docker restart -t 1 box >/dev/null
	wait_for 30 page 127.0.0.1:8081
}

@test "docker run --network container:, host: refused by name" {
	www box
	run docker run --rm --network container:box image true
	echo "$output"
	[[ $status -ne 0 && $output == *'joining the network namespace'*'is not supported'* ]]
	run docker run --rm --network host image true
	echo "$output"
	[[ $status -ne 0 && $output == *"the host's network cannot be the machine's"* ]]
}
