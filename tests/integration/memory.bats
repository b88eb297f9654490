#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Memory that a guest gets when its container needs it, and gives back.

load helpers

MIB=$((1 << 20))

# limit BYTES - of the container; the machine is made for it
limit() {
	config --argjson n "$1" '.linux.resources.memory = {limit: $n}'
}

# for_limit BYTES - the machine's memory, as hull would choose it
for_limit() {
	echo memory=$((($1 + 64 * MIB + $1 / 50) / MIB + 1))M
}

# take MIB - a command line of python's that takes so many MiB in one piece
take() {
	echo "/usr/bin/python3 -c 'bytearray($1 << 20)'"
}


@test "memory: nine tenths of the limit at once, as the first thing there is" {
	limit $((640 * MIB))
	args /bin/sh -c "head -n 1 /proc/meminfo; $(take 576) && echo taken
		head -n 1 /proc/meminfo; dmesg | grep -c 'oom-kill:'; cat /sys/fs/cgroup/memory.max"
	run --separate-stderr hull --set "$(for_limit $((640 * MIB)))" run -b "$BUNDLE" "$ID"
	echo "$output $stderr"
	[[ $status -eq 0 ]]
	[[ ${lines[0]//[!0-9]/} -lt 131072 ]]
	[[ ${lines[1]} == taken ]]
	[[ ${lines[2]//[!0-9]/} -gt $((640 * 1024)) ]]
	[[ ${lines[3]} == 0 ]]
	[[ ${lines[4]} == $((640 * MIB)) ]]
}

@test "memory: more than the limit is the container's end, not the guest's" {
	limit $((300 * MIB))
	args /bin/sh -c "$(take 330); echo \$?; dmesg | grep -c 'oom-kill:constraint=CONSTRAINT_MEMCG'
		dmesg | grep -c 'oom-kill:constraint=CONSTRAINT_NONE'; $(take 250) && echo taken; exec $(take 330)"
	run --separate-stderr hull --set "$(for_limit $((300 * MIB)))" run -b "$BUNDLE" "$ID"
	echo "$output $stderr"
	[[ $status -eq 137 ]]
	[[ $output == $'137\n1\n0\ntaken' ]]
}

@test "memory: without a limit the machine's size is one" {
	args /bin/sh -c "$(take 380) && echo taken; $(take 600); echo \$?; dmesg | grep -c 'oom-kill:constraint=CONSTRAINT_NONE'
		cat /sys/fs/cgroup/memory.max"
	run --separate-stderr hull run -b "$BUNDLE" "$ID"
	echo "$output $stderr"
	[[ $status -eq 0 ]]
	[[ $output == $'taken\n137\n0\nmax' ]]
}

# resident - (MiB) what hull-vmm of $ID has
resident() {
	echo $(($(sed -n 's/^VmRSS:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$(pid_of "$ID")/status") / 1024))
}

has_more_than() { [[ $(resident) -gt $1 ]]; }
has_less_than() { [[ $(resident) -lt $1 ]]; }

@test "memory: what is freed goes back to the host" {
	limit $((440 * MIB))
	args /usr/bin/python3 -c '
import signal, time
b = bytearray(300 << 20)
def free(*_):
    global b
    b = None
signal.signal(signal.SIGUSR1, free)
while True: time.sleep(1000)'
	hull run -d -b "$BUNDLE" "$ID" </dev/null >/dev/null
	wait_for 60 has_more_than 300
	hull kill "$ID" USR1
	wait_for 60 has_less_than 150
	[[ $(status_of "$ID") == running ]]
}
