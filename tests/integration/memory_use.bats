#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What goes on beside it while a guest grows, and what the kernel makes by the size of its
# memory.

load helpers

MIB=$((1 << 20))

limit() {
	config --argjson n "$1" '.linux.resources.memory = {limit: $n}'
}

# start_taker - a container that takes 10 MiB ever so often, up to 300, and writes how
# many it has
start_taker() {
	limit $((400 * MIB))
	args /usr/bin/python3 -c '
import time
b = []
for i in range(30):
    b.append(bytearray(10 << 20))
    open("/t/taken", "w").write(str(len(b)))
open("/t/taken", "w").write("all")
while True: time.sleep(1000)'
	rm -f "$BUNDLE/rootfs/t/taken"
	hull run -d -b "$BUNDLE" "$ID" </dev/null >/dev/null
}

taken() { [[ $(cat "$BUNDLE/rootfs/t/taken") == "$1" ]]; }
begun() { [[ -s $BUNDLE/rootfs/t/taken ]]; }

@test "memory: exec, pause and counters while a guest grows" {
	start_taker
	wait_for 60 begun
	[[ $(hull exec "$ID" /bin/echo here) == here ]]
	hull pause "$ID"
	[[ $(hull events --stats "$ID" | jq '.data.memory.usage.limit') == $((400 * MIB)) ]]
	hull resume "$ID"
	[[ $(hull exec "$ID" /bin/echo there) == there ]]
	wait_for 60 taken all
	[[ $(status_of "$ID") == running ]]
	[[ $(hull exec "$ID" /bin/sh -c "dmesg | grep -c 'oom-kill:'") == 0 ]]
	hull freeze "$ID" -- /bin/true
}

@test "memory: limits that change, and the container's own memory.high" {
	limit $((200 * MIB))
	config '.linux.resources.unified = {"memory.high": "104857600"}'
	args /bin/sh -c 'trap "exit 42" USR1; while :; do sleep 1000 & wait; done'
	hull run -d -b "$BUNDLE" "$ID" </dev/null >/dev/null
	[[ $(hull exec "$ID" /bin/cat /sys/fs/cgroup/memory.high) == 104857600 ]]
	hull update --memory 400M "$ID"
	run ! hull update --memory 600M "$ID"
	[[ $output == *"is more than the machine's memory"* ]]
	hull update -r - "$ID" <<<'{"unified": {"memory.high": "max"}}'
	[[ $(hull exec "$ID" /bin/cat /sys/fs/cgroup/memory.high) == max ]]
	hull exec "$ID" /usr/bin/python3 -c 'bytearray(300 << 20)'
	hull update --memory 100M "$ID"
	run -137 hull exec "$ID" /usr/bin/python3 -c 'bytearray(150 << 20)'
	[[ $(hull exec "$ID" /bin/sh -c "dmesg | grep -c 'oom-kill:constraint=CONSTRAINT_NONE'") == 0 ]]
}

@test "memory: a tmpfs and the kernel's tables are made for all that the container may have" {
	limit $((400 * MIB))
	config '.mounts += [{destination: "/mnt", type: "tmpfs", source: "tmpfs", options: ["size=90%"]},
		{destination: "/opt", type: "tmpfs", source: "tmpfs"}]'
	args /bin/sh -c 'df -m --output=size /mnt /opt | tail -n 2; cat /proc/sys/kernel/threads-max
		head -c 360M /dev/zero >/mnt/file; stat -c %s /mnt/file; dmesg | grep -c "oom-kill:"; :'
	run --separate-stderr hull run -b "$BUNDLE" "$ID"
	echo "$output $stderr"
	[[ $status -eq 0 ]]
	[[ ${lines[0]} -gt 400 && ${lines[1]} -gt 220 && ${lines[2]} -gt 3000 ]]
	[[ ${lines[3]} == $((360 * MIB)) ]]
	[[ ${lines[4]} == 0 ]]
}

@test "memory: many processes that take theirs at once" {
	limit $((440 * MIB))
	args /usr/bin/python3 -c '
import os
pids = []
for i in range(24):
    pid = os.fork()
    if not pid:
        bytearray(16 << 20)
        os._exit(0)
    pids.append(pid)
print([os.waitpid(pid, 0)[1] for pid in pids].count(0), flush=True)
os.system("dmesg | grep -c oom-kill:")'
	VCPUS=2 run --separate-stderr hull run -b "$BUNDLE" "$ID"
	echo "$output $stderr"
	[[ $status -eq 0 ]]
	[[ $output == $'24\n0' ]]
}
