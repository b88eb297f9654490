#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The container's network: who moves the packets, and whether they arrive as they were sent.

load network

# serve FILE - by HTTP, in the namespace at the other end
serve() {
	ip netns exec "$PEER" busybox httpd -p 10.9.0.1:8000 -h "$1"
}

# transfer - 16 MiB in each direction, by the container; sums are compared
transfer() {
	local sum got

	mkdir -p "$WORK/www"
	[[ -e $WORK/www/big ]] || head -c 16M /dev/urandom >"$WORK/www/big"
	sum=$(md5sum <"$WORK/www/big")
	serve "$WORK/www"
	in_peer timeout 100 socat -u -b 262144 TCP-LISTEN:9000,bind=10.9.0.1 - </dev/null | md5sum >"$BATS_TEST_TMPDIR/up" &
	start_sleeper
	got=$(hull exec "$ID" /bin/sh -c 'busybox wget -qO /dev/shm/big http://10.9.0.1:8000/big && md5sum </dev/shm/big')
	[[ $got == "$sum" ]]
	hull exec "$ID" socat -u -b 262144 FILE:/dev/shm/big TCP:10.9.0.1:9000
	wait
	[[ $(cat "$BATS_TEST_TMPDIR/up") == "$sum" ]]
}

@test "network: 32 MiB through vhost, for which hull-vmm makes no system call" {
	local calls

	link
	join
	hull() { timeout -k 5 120 hull --debug --log "$WORK/log" --root "$STATE" --set vcpus=1 --set memory=512M "$@"; }
	start_sleeper
	grep -q 'net eth0: vhost, zero-copy' "$WORK/log"
	mkdir -p "$WORK/www"
	head -c 32M /dev/urandom >"$WORK/www/big"
	serve "$WORK/www"
	hull exec "$ID" busybox wget -qO /dev/null http://10.9.0.1:8000/big # everything is mapped and warm
	strace -f -c -o "$BATS_TEST_TMPDIR/calls" -p "$(pid_of "$ID")" &
	sleep 2
	hull exec "$ID" busybox wget -qO /dev/null http://10.9.0.1:8000/big
	kill -INT %1
	wait %1 || true
	cat "$BATS_TEST_TMPDIR/calls"
	# 32 MiB are five hundred packets of 64 KiB at the least, each of two buffers or more.
	calls=$(awk '$NF ~ /^(read|write|readv|writev|recvmsg|sendmsg|epoll_wait|ioctl)$/ { n += $4 } END { print n + 0 }' "$BATS_TEST_TMPDIR/calls")
	[[ $calls -lt 400 ]]
}

@test "network: bytes arrive as they were sent, through vhost and without" {
	local vhost

	link
	join
	for vhost in on off; do
		config --arg v "$vhost" '.annotations["org.hull.net.vhost"] = $v'
		transfer
		hull delete -f "$ID"
		# shellcheck disable=SC2046 # several pids
		kill $(ip netns pids "$PEER")
	done
}

@test "network: a card of two queue pairs, datagrams of 64 KiB, an MTU of 9000" {
	link
	ip -n "$NS" link set eth0 mtu 9000
	ip -n "$PEER" link set p0 mtu 9000
	join
	VCPUS=2 start_sleeper
	[[ $(VCPUS=2 hull exec "$ID" /bin/sh -c 'ls -d /sys/class/net/eth0/queues/rx-* | wc -l') == 2 ]]
	in_peer timeout 60 socat -u -b 65507 UDP-RECV:9001,bind=10.9.0.1 - </dev/null >"$BATS_TEST_TMPDIR/got" &
	sleep 1
	head -c 65507 /dev/urandom >"$BUNDLE/rootfs/t/datagram"
	hull exec "$ID" socat -u -b 65507 FILE:/t/datagram UDP-SENDTO:10.9.0.1:9001
	wait_for 20 cmp "$BATS_TEST_TMPDIR/got" "$BUNDLE/rootfs/t/datagram"
	in_peer ping -c 1 -W 5 -M do -s 8900 10.9.0.2
}

@test "network: a big file by HTTP from a server in another namespace (64 MiB, or NET_MIB), as it was sent" {
	local sum

	mkdir -p "$WORK/www"
	head -c "${NET_MIB:-64}M" /dev/urandom >"$WORK/www/big"
	sum=$(md5sum <"$WORK/www/big")
	link
	join
	serve "$WORK/www"
	args /bin/sh -c 'busybox wget -qO- http://10.9.0.1:8000/big | md5sum'
	HULL_DEADLINE=600 run --separate-stderr hull run -b "$BUNDLE" "$ID"
	rm "$WORK/www/big"
	echo "$output $stderr"
	[[ $status -eq 0 && $output == "$sum" ]]
}
