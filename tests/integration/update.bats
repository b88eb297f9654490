#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# New limits for a running container, seen in its own cgroup.

load helpers

setup_file() {
	make_bundle
	cp "$BUNDLE/config.default" "$BUNDLE/config.json"
	config '.process.terminal = false | .linux.resources.memory = {limit: 134217728, swap: 268435456}
		| .linux.resources.pids = {limit: 100} | .linux.resources.cpu = {quota: 80000, period: 100000}'
	args /bin/sh -c 'while :; do sleep 1000 & wait; done'
	hull run -d -b "$BUNDLE" "${WORK##*/}-update" </dev/null >/dev/null 2>&1
}

setup() {
	ID=${WORK##*/}-update
}

teardown() {
	:
}

# The helpers' own look at what is left comes after the container's end.
eval "$(declare -f teardown_file | sed '1s/teardown_file/look_around/')"
teardown_file() {
	hull delete -f "${WORK##*/}-update"
	look_around
}

# has FILE TEXT - what the container's cgroup says, on one line
has() {
	local text

	text=$(hull exec "$ID" /bin/cat "/sys/fs/cgroup/$1" | tr '\n' ' ')
	echo "$1: '$text'"
	[[ ${text% } == "$2" ]]
}

# on_host FILE TEXT - what hull-vmm's cgroup says
on_host() {
	local text

	text=$(<"/sys/fs/cgroup/$ID/$1")
	echo "host: $1: '$text'"
	[[ $text == "$2" ]]
}

# refused TEXT ARGS... - the update fails with one line that has TEXT
refused() {
	local text=$1

	shift
	run --separate-stderr hull update "$@" "$ID"
	echo "status $status, stderr: $stderr"
	[[ $status -eq 1 ]]
	[[ -z $output ]]
	[[ $stderr == *"$text"* ]]
	[[ $(wc -l <<<"$stderr") -eq 1 ]]
}

@test "update: memory, and swap with it" {
	has memory.max 134217728
	hull update --memory 64m --memory-reservation 33554432 "$ID"
	has memory.max 67108864
	has memory.low 33554432
	on_host memory.low 33554432
	[[ $(<"/sys/fs/cgroup/$ID/memory.max") -gt $((512 << 20)) ]]
	# The sum of memory and swap has stayed.
	has memory.swap.max 201326592
	hull update --memory 0.125g --memory-swap -1 "$ID"
	has memory.max 134217728
	has memory.swap.max max
	hull update --memory=-1 "$ID"
	has memory.max max
	on_host memory.max max
	hull update --memory 134217728 --memory-swap 268435456 "$ID"
	has memory.max 134217728
	has memory.swap.max 134217728
}

@test "update: quota and period of the CPU, together and alone" {
	has cpu.max "80000 100000"
	hull update --cpu-quota 50000 "$ID"
	has cpu.max "50000 100000"
	on_host cpu.max "75000 100000"
	hull update --cpu-period 200000 "$ID"
	has cpu.max "50000 200000"
	on_host cpu.max "100000 200000"
	hull update --cpu-burst 20000 "$ID"
	has cpu.max.burst 20000
	# Both fall below what the other one was.
	hull update --cpu-quota 10000 --cpu-burst 5000 "$ID"
	has cpu.max "10000 200000"
	has cpu.max.burst 5000
	hull update --cpu-quota -1 --cpu-burst 0 "$ID"
	has cpu.max "max 200000"
	on_host cpu.max "max 200000"
	# More than there are vCPUs: allowed, and bounded by them.
	hull update --cpu-quota 6400000 --cpu-period 100000 "$ID"
	has cpu.max "6400000 100000"
}

@test "update: shares, idle, processes, block IO" {
	hull update --cpu-share 512 --pids-limit 50 --blkio-weight 500 "$ID"
	has cpu.weight 59
	has pids.max 50
	has io.bfq.weight "default 500" || has io.weight "default 4950"
	# One vCPU and room for hull-vmm's own threads.
	on_host pids.max 83
	on_host cpu.weight 59
	hull update --pids-limit -1 "$ID"
	has pids.max max
	hull update --pids-limit 0 --memory 0 "$ID"
	has pids.max max
	has memory.max 134217728
	hull update --cpu-idle 1 "$ID"
	has cpu.idle 1
	hull update --cpu-idle 0 "$ID"
	has cpu.idle 0
}

@test "update: from a file and from standard input" {
	echo '{"memory": {"limit": 100663296, "swap": 201326592, "checkBeforeUpdate": true},
		"unified": {"memory.high": "90001408"}, "devices": [{"allow": false, "access": "rwm"}]}' \
		>"$WORK/limits.json"
	hull update --pids-limit 7 -r "$WORK/limits.json" "$ID"
	has memory.max 100663296
	has memory.high 90001408
	has pids.max max
	hull update --resources - "$ID" <<<'{"pids": {"limit": 80}, "cpu": {"shares": 1024}}'
	has pids.max 80
	has cpu.weight 100
	hull exec "$ID" /bin/sh -c 'echo >/dev/null' # the devices are as they were
	run --separate-stderr hull update -r - "$ID" <<<'{"memory": {"limit": "1m"}}'
	[[ $status -eq 1 && $stderr == *"resources: memory.limit: expected a number"* ]]
	refused "open '/nonexistent'" -r /nonexistent
}

@test "update: all of it or none" {
	hull update --pids-limit 60 --memory 128m --memory-swap 256m --cpu-quota -1 "$ID"
	run --separate-stderr hull update -r - "$ID" \
		<<<'{"pids": {"limit": 70}, "memory": {"limit": 67108864}, "unified": {"memory.high": "lots"}}'
	echo "$stderr"
	[[ $status -eq 1 && $stderr == *"unable to set unified resource "*memory.high*": write 'lots': Invalid argument"* ]]
	has pids.max 60
	on_host pids.max 93
	has memory.max 134217728
	refused "linux.resources.memory.limit: 1073741824 is more than the machine's memory" \
		--memory 1g --memory-swap 2g --pids-limit 70
	has pids.max 60
	refused "rejecting memory limit 4096 <= usage" -r - \
		<<<'{"memory": {"limit": 4096, "checkBeforeUpdate": true}, "pids": {"limit": 70}}'
	has pids.max 60
	has memory.max 134217728
	refused "memory+swap limit should be >= memory limit" --memory 300m
	has memory.max 134217728
}

@test "update: what is not supported is named" {
	refused "Intel RDT/CAT: l3 cache schema is not enabled" --l3-cache-schema L3:0=f
	refused "Intel RDT/MBA: memory bandwidth schema is not enabled" --mem-bw-schema MB:0=50
	refused "linux.resources.cpu.mems" --cpuset-mems 7
	refused "linux.resources.cpu.cpus: bind hull-vmm" --cpuset-cpus 1023 --pids-limit 1
	has pids.max 60
	run --separate-stderr hull update --kernel-memory 1m "$ID"
	[[ $status -eq 0 && $stderr == *"Kernel memory settings are ignored"* ]]
	run --separate-stderr hull update --cpu-rt-runtime 1000 "$ID"
	[[ $status -eq 0 && $stderr == *"linux.resources.cpu.realtimeRuntime: ignored, cgroup v2 has none"* ]]
}

@test "update: values that are none" {
	refused 'invalid value for memory: \"lots\" is not a size' --memory lots
	refused 'invalid value for cpu-share: \"-5\" is out of range' --cpu-share -5
	refused 'linux.resources.blockIO.weight: 5 is not between 10 and 1000' --blkio-weight 5
	refused 'flag provided but not defined: -nonsense' --nonsense
	refused '\"update\" requires exactly 1 argument(s)' another
}

# affinity - the lists of CPUs of hull-vmm's threads
affinity() {
	sed -n 's/^Cpus_allowed_list:\t//p' /proc/"$(pid_of "$ID")"/task/*/status | sort -u
}

@test "update: --cpuset-cpus binds every thread of the machine" {
	local before last

	last=$(($(getconf _NPROCESSORS_ONLN) - 1))
	hull update --cpuset-cpus "$last" --cpuset-mems 0 "$ID"
	[[ $(affinity) == "$last" ]]
	hull exec "$ID" /bin/true
	[[ $(affinity) == "$last" ]]
	# The guest refuses: the CPUs are what they were.
	hull update --cpuset-cpus "0-$last" "$ID"
	before=$(affinity)
	run --separate-stderr hull update -r - "$ID" <<<"{\"cpu\": {\"cpus\": \"$last\"}, \"unified\": {\"no.file\": \"1\"}}"
	[[ $status -eq 1 && $stderr == *"unified resource "*no.file*" can't be set: controller "*no*" not available"* ]]
	[[ $(affinity) == "$before" ]]
}

@test "update: a created container, a stopped one, an unknown one" {
	local other=${WORK##*/}-other

	args /bin/cat /sys/fs/cgroup/pids.max
	hull create -b "$BUNDLE" "$other" >"$WORK/out" </dev/null
	hull update --pids-limit 33 "$other"
	hull start "$other"
	wait_for 20 is_stopped "$other"
	[[ $(<"$WORK/out") == 33 ]]
	run --separate-stderr hull update --pids-limit 5 "$other"
	[[ $status -eq 1 && $stderr == *"container not running"* ]]
	hull delete "$other"
	run --separate-stderr hull update --pids-limit 5 "$other"
	[[ $status -eq 1 && $stderr == *"container does not exist"* ]]
}
