#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# docker's networks: whether what is sent arrives, in all sizes and many times

load docker_network

# with_echo ARG... - docker run ARG..., where the container has echo.py, and the lab's programs for it
with_echo() {
	cp "$BATS_TEST_DIRNAME/echo.py" "$WORK/"
	docker run -v /usr:/usr:ro -v "$WORK/echo.py:/echo.py:ro" "$@"
}

# connections HOST COUNT - how many of them were answered
connections() {
	timeout $((100 + $2)) python3 "$BATS_TEST_DIRNAME/echo.py" connect "$1" 9000 "$2"
}

@test "docker run: an MTU of 1400 and one of 9000, and packets of that size" {
	local mtu address

	for mtu in 1400 9000; do
		docker network create -o com.docker.network.driver.mtu=$mtu "mtu$mtu" >/dev/null
		docker run -d --name box --network "mtu$mtu" image sleep 1000 >/dev/null
		[[ $(docker exec box cat /sys/class/net/eth0/mtu) == "$mtu" ]]
		address=$(docker inspect -f "{{.NetworkSettings.Networks.mtu$mtu.IPAddress}}" box)
		wait_for 20 ping -c 1 -W 5 -M do -s $((mtu - 28)) "$address"
		run -1 ping -c 1 -W 5 -M do -s $((mtu - 27)) "$address"
		docker rm -f box >/dev/null
	done
}

@test "docker network create --ipv6: a name's addresses of both families, datagrams of 64 KiB" {
	docker network create --ipv6 --subnet fd00:30::/64 six >/dev/null
	with_echo -d --name echo --network six image python3 /echo.py serve 9000 >/dev/null
	run with_echo --rm --network six image sh -c '
		for i in 1 2 3 4 5 6 7 8 9; do
			[ "$(python3 /echo.py connect echo 9000 1)" = 2 ] && exec python3 /echo.py send echo 9000 65507
			sleep 1
		done'
	echo "$output"
	[[ $status -eq 0 && ${lines[-1]} == 2 ]]
}

@test "docker run -p: a thousand short connections (or NET_CONNECTIONS) to a published port, each answered" {
	local n=${NET_CONNECTIONS:-1000}

	with_echo -d --name echo -p 9000:9000 image python3 /echo.py serve 9000 >/dev/null
	wait_for 60 connections 172.30.0.1 1
	[[ $(connections 172.30.0.1 "$n") == "$n" ]]
}

@test "docker run: a big file by HTTP (64 MiB, or NET_MIB), as it was sent" {
	local sum

	mkdir -p "$WORK/www"
	head -c "${NET_MIB:-64}M" /dev/urandom >"$WORK/www/big"
	sum=$(md5sum <"$WORK/www/big")
	busybox httpd -f -p 172.30.0.1:8000 -h "$WORK/www" &
	run docker run --rm image sh -c 'wget -qO- http://172.30.0.1:8000/big | md5sum'
	kill %1
	rm "$WORK/www/big"
	[[ $output == "$sum" ]]
}
