#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The container's network: many interfaces, many connections.

load network

# dummies FIRST LAST - interfaces of these numbers in $NS
dummies() {
	local i

	for ((i = $1; i <= $2; i++)); do
		echo "link add d$i type dummy"
		echo "link set d$i up"
		echo "addr add 10.20.$i.1/24 dev d$i"
	done | ip -n "$NS" -batch -
}

@test "network: 24 interfaces; what is more is refused by its name" {
	dummies 1 24
	join
	run_in /bin/sh -c 'ip -br -4 addr | grep -c "^d[0-9]* .*10\.20\."; ls -d /sys/class/net/d* | wc -l'
	echo "$output $stderr"
	[[ $status -eq 0 && $output == $'24\n24' ]]
	dummies 25 32
	run_in true
	echo "$output $stderr"
	[[ $status -eq 1 ]]
	[[ $stderr == *"network interface 'd25': a machine has no more than 24 network cards"* ]]
	nothing_left "$ID"
}

@test "network: a thousand short connections (or NET_CONNECTIONS), each answered" {
	local n=${NET_CONNECTIONS:-1000}

	cat >"$BUNDLE/rootfs/t/echo.py" <<-'END'
		import socket
		s = socket.create_server(("10.9.0.2", 9000), backlog=128)
		while True:
		    c, _ = s.accept()
		    c.sendall(c.recv(64)[::-1])
		    c.close()
	END
	cat >"$WORK/connect.py" <<-'END'
		import socket, sys
		right = 0
		for i in range(int(sys.argv[1])):
		    with socket.create_connection(("10.9.0.2", 9000), timeout=20) as c:
		        c.sendall(b"%08d" % i)
		        right += c.recv(64) == (b"%08d" % i)[::-1]
		print(right)
	END
	link
	join
	start_sleeper
	hull exec -d "$ID" python3 /t/echo.py
	wait_for 60 in_peer timeout 5 python3 "$WORK/connect.py" 1
	[[ $(in_peer timeout 300 python3 "$WORK/connect.py" "$n") == "$n" ]]
}
