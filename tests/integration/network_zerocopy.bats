#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Packets that vhost sends as they lie in guest memory: whose the pages are, and when.
#
# Linux copies such a packet where it leaves for another interface of the same host or
# for a socket, and vhost then uses zero-copy for one packet in 64 only. What waits in
# a queue of the host (here netem's) or leaves by a card (here dummy's) is not copied.

load network

TRACING=/sys/kernel/tracing

setup_file() {
	make_bundle
	mountpoint -q $TRACING || mount -t tracefs tracefs $TRACING
	# Packets whose pages the host gives back: success is 1 where nobody has copied them.
	echo 'p:hull_zerocopy vhost_net:vhost_zerocopy_callback success=%dx:u8' >>$TRACING/kprobe_events
	echo 1 >$TRACING/events/kprobes/hull_zerocopy/enable
	cat >"$BUNDLE/rootfs/t/send.py" <<-'END'
		# send.py ADDRESS NUMBER: prints how many the guest's own kernel has copied, and
		# the longest (ms) that a page was away
		import select, socket, sys, time
		MSG_ZEROCOPY, SO_ZEROCOPY, COPIED = 0x4000000, 60, 1
		s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
		s.setsockopt(socket.SOL_SOCKET, SO_ZEROCOPY, 1)
		s.connect((sys.argv[1], 9000))
		done = select.poll()
		done.register(s, 0)
		buf = bytearray(8000)
		copied, longest = 0, 0
		for i in range(int(sys.argv[2])):
		    buf[:] = b"%08d" % i * 1000
		    begin = time.monotonic()
		    s.send(buf, MSG_ZEROCOPY)
		    while True:
		        if not done.poll(20000):
		            sys.exit("the page never came back")
		        try:
		            _, control, _, _ = s.recvmsg(0, 512, socket.MSG_ERRQUEUE)
		            break
		        except BlockingIOError:
		            pass
		    # It is ours again: at once something else is in it.
		    buf[:] = b"\xee" * 8000
		    longest = max(longest, time.monotonic() - begin)
		    copied += control[0][2][6] & COPIED  # ee_code of struct sock_extended_err
		print(copied, int(longest * 1000))
	END
}

setup() {
	setup_network
	echo >$TRACING/trace
}

teardown_file() {
	echo 0 >$TRACING/events/kprobes/hull_zerocopy/enable
	echo '-:hull_zerocopy' >>$TRACING/kprobe_events
	teardown_bundle
}

# callbacks SUCCESS
callbacks() {
	grep -c "hull_zerocopy: .*success=$1" $TRACING/trace || true
}

@test "network: zero-copy: a page comes back when its last reader has let go" {
	local copied longest

	# The reader does not look before all has been sent: everything waits in its queue.
	cat >"$WORK/receive.py" <<-'END'
		import socket, sys
		s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
		s.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE
		s.bind(("10.9.0.1", 9000))
		s.settimeout(5)
		print("ready", flush=True)
		sys.stdin.read()
		right = 0
		for i in range(int(sys.argv[1])):
		    right += s.recv(9000) == b"%08d" % i * 1000
		print(right)
	END
	link
	ip -n "$NS" link set eth0 mtu 9000
	ip -n "$PEER" link set p0 mtu 9000
	tc -n "$NS" qdisc add dev eth0 root netem delay 300ms
	join
	start_sleeper
	mkfifo "$WORK/go"
	in_peer timeout 100 python3 "$WORK/receive.py" 300 <"$WORK/go" >"$BATS_TEST_TMPDIR/got" &
	exec {go}>"$WORK/go"
	wait_for 20 grep -q ready "$BATS_TEST_TMPDIR/got"
	read -r copied longest < <(hull exec "$ID" python3 /t/send.py 10.9.0.1 300)
	exec {go}>&-
	wait
	echo "$(tail -n 1 "$BATS_TEST_TMPDIR/got") right, $copied copied by the guest, a page was away for $longest ms, $(callbacks 0) zero-copy"
	[[ $(tail -n 1 "$BATS_TEST_TMPDIR/got") == 300 ]]
	[[ $copied == 0 ]]
	[[ $(callbacks 0) -ge 3 ]]
	[[ $longest -ge 300 ]]
}

@test "network: zero-copy: nobody copies what leaves by a card" {
	local copied longest

	ip -n "$NS" link add eth0 type dummy
	ip -n "$NS" link set eth0 up mtu 9000
	ip -n "$NS" addr add 10.9.0.2/24 dev eth0
	ip -n "$NS" neigh add 10.9.0.1 lladdr 02:00:00:00:00:01 dev eth0
	join
	start_sleeper
	read -r copied longest < <(hull exec "$ID" python3 /t/send.py 10.9.0.1 200)
	echo "$copied copied by the guest, a page was away for $longest ms, $(callbacks 1) zero-copy, $(callbacks 0) copied"
	[[ $copied == 0 && $(callbacks 1) -ge 190 ]]
}
