#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# What config.json says about the process and its surroundings acts in the guest.

load helpers

@test "process: capabilities, no_new_privs, rlimits, oom_score_adj" {
	config '.process.capabilities = {bounding: ["CAP_KILL", "CAP_CHOWN"], effective: ["CAP_KILL"],
			permitted: ["CAP_KILL"], inheritable: ["CAP_KILL"], ambient: ["CAP_KILL"]}
		| .process.noNewPrivileges = true | .process.oomScoreAdj = 321
		| .process.rlimits = [{type: "RLIMIT_NOFILE", soft: 100, hard: 200}]'
	run_in /bin/sh -c 'grep -E "^(Cap|NoNewPrivs)" /proc/self/status; ulimit -Sn; ulimit -Hn; cat /proc/self/oom_score_adj'
	[[ $output == *$'CapInh:\t0000000000000020'* ]]
	[[ $output == *$'CapEff:\t0000000000000020'* ]]
	[[ $output == *$'CapBnd:\t0000000000000021'* ]]
	[[ $output == *$'CapAmb:\t0000000000000020'* ]]
	[[ $output == *$'NoNewPrivs:\t1'* ]]
	[[ ${lines[6]} == 100 && ${lines[7]} == 200 && ${lines[8]} == 321 ]]
}

@test "process: an ambient capability that is not inheritable: a warning" {
	config '.process.capabilities.inheritable = ["CAP_KILL"] | .process.capabilities.ambient = ["CAP_KILL", "CAP_CHOWN"]
		| .process.capabilities.permitted += ["CAP_KILL", "CAP_CHOWN"] | .process.capabilities.bounding += ["CAP_KILL", "CAP_CHOWN"]'
	run_in /bin/grep CapAmb /proc/self/status
	[[ $output == $'CapAmb:\t0000000000000020' ]]
	[[ $stderr == *"can't raise ambient capability CAP_CHOWN: "* && $stderr != *CAP_KILL* ]]
}

@test "process: a filter may forbid what the way into the program needs" {
	config '.process.noNewPrivileges = false | .process.cwd = "/t" | .linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW",
		syscalls: [{names: ["getcwd", "chdir", "umask"], action: "SCMP_ACT_ERRNO"}]}'
	run_in /bin/sh -c 'readlink /proc/self/cwd; cd / || echo forbidden'
	echo "$stderr"
	[[ $status -eq 0 ]]
	[[ $output == $'/t\nforbidden' ]]
}

@test "process: seccomp" {
	config '.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", architectures: ["SCMP_ARCH_X86_64"],
		syscalls: [{names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO", errnoRet: 95}]}'
	run_in /bin/sh -c 'mkdir /t/x; grep Seccomp: /proc/self/status'
	[[ $stderr == *"Operation not supported"* ]]
	[[ $output == *2* ]]
}

@test "process: namespaces, hostname, domain name, masked and read-only paths, sysctls" {
	config '.hostname = "inside" | .linux.maskedPaths = ["/etc/passwd", "/opt"] | .linux.readonlyPaths = ["/t"]
		| .linux.sysctl = {"net.ipv4.ip_forward": "1", "kernel.msgmax": "9999"}'
	run_in /bin/sh -c 'hostname; wc -c </etc/passwd; touch /t/x 2>&1; cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/msgmax; ls /proc/self/ns'
	[[ ${lines[0]} == inside ]]
	[[ ${lines[1]} == 0 ]]
	[[ ${lines[2]} == *"Read-only file system"* ]]
	[[ ${lines[3]} == 1 && ${lines[4]} == 9999 ]]
}

@test "process: a masked path that is named twice is covered once" {
	config '.linux.maskedPaths = ["/etc/passwd", "/opt", "/opt", "/etc/passwd"]'
	run_in /bin/grep -cE ' (/opt|/etc/passwd) ' /proc/self/mounts
	[[ $output == 2 ]]
}

@test "process: devices" {
	config '.linux.devices = [{path: "/dev/mine", type: "c", major: 1, minor: 5, fileMode: 438, uid: 3, gid: 4}]'
	run_in /bin/sh -c 'head -c 3 /dev/mine | od -An -tx1; stat -c "%t %T %a %u %g" /dev/mine; for d in null zero full random urandom tty; do test -c /dev/$d || echo $d; done; readlink /dev/stdout /dev/fd; ls /dev/pts'
	[[ ${lines[0]} == " 00 00 00" ]]
	[[ ${lines[1]} == "1 5 666 3 4" ]]
	[[ ${lines[2]} == /proc/self/fd/1 && ${lines[3]} == /proc/self/fd ]]
}

@test "process: the memory policy is that of hull-vmm, whose memory is the guest's" {
	[[ -e /proc/self/numa_maps ]] # of a kernel with NUMA, as the lab's is
	config '.linux.memoryPolicy = {mode: "MPOL_INTERLEAVE", nodes: "0", flags: ["MPOL_F_STATIC_NODES"]}'
	start_sleeper
	grep -q ' interleave=static:0 ' "/proc/$(pid_of "$ID")/numa_maps"
	hull delete -f "$ID"
	config '.linux.memoryPolicy = {mode: "MPOL_BIND", nodes: "1000"}'
	run --separate-stderr hull create -b "$BUNDLE" "$ID"
	[[ $status -eq 1 && $stderr == *"linux.memoryPolicy: set_mempolicy: Invalid argument"* ]]
	nothing_left "$ID"
}

@test "process: the memory limit holds in the guest: exit 137 when it is exceeded" {
	config '.linux.resources.memory = {limit: 67108864}'
	run_in /usr/bin/python3 -c 'bytearray(200 << 20); print("never")'
	[[ $status -eq 137 ]]
	[[ $output != *never* ]]
}

@test "process: an end for lack of memory is counted in the host's cgroup" {
	local kills=/sys/fs/cgroup/hull-test-oom-$$/memory.events
	config --arg g "/hull-test-oom-$$" '.linux.resources.memory = {limit: 67108864, swap: 67108864} | .linux.cgroupsPath = $g'
	args /usr/bin/tail /dev/zero
	hull create -b "$BUNDLE" --pid-file "$WORK/pid" "$ID" </dev/null >/dev/null 2>&1
	grep -x 'oom_kill 0' "$kills"
	hull start "$ID"
	wait_for 60 is_stopped "$ID"
	grep -x 'oom_kill 1' "$kills"
	hull delete "$ID"
	nothing_left "$ID"
	# What ends otherwise is not.
	args /bin/sh -c 'tail /dev/zero; exit 3'
	hull run --keep -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1 || [[ $? -eq 3 ]]
	grep -x 'oom_kill 0' "$kills"
	hull delete "$ID"
}

@test "process: the pids limit holds in the guest" {
	config '.linux.resources.pids = {limit: 10}'
	run_in /bin/sh -c 'for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 5 & done; wait'
	[[ $status -ne 0 ]]
	[[ $stderr == *"annot fork"* ]]
}

@test "process: tmpfs, devpts, mqueue, cgroup mounts" {
	config '.mounts += [{destination: "/tmp/fs", type: "tmpfs", source: "tmpfs", options: ["size=1m", "mode=1700", "nosuid"]}]'
	run_in /bin/sh -c 'stat -f -c %T /tmp/fs; stat -c %a /tmp/fs; df -k /tmp/fs | tail -n 1 | awk "{print \$2}"; stat -f -c %T /sys/fs/cgroup /dev/mqueue /dev/pts; cat /proc/self/cgroup'
	[[ ${lines[0]} == tmpfs && ${lines[1]} == 1700 && ${lines[2]} == 1024 ]]
	[[ ${lines[3]} == cgroup2fs && ${lines[4]} == mqueue && ${lines[5]} == devpts ]]
	[[ ${lines[6]} == "0::/" ]]
}
