#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# Namespaces of the container that are not in the default configuration.

load helpers

@test "time: offsets of a time namespace, and exec joins it" {
	config '.linux.namespaces += [{type: "time"}]
		| .linux.timeOffsets = {boottime: {secs: 1000000, nanosecs: 0}, monotonic: {secs: 2000000, nanosecs: 5}}'
	run_in /bin/sh -c 'cat /proc/uptime; cat /proc/self/timens_offsets'
	echo "$output"
	[[ $status -eq 0 ]]
	[[ ${lines[0]} == 10000[0-9][0-9].* ]]
	[[ ${lines[1]} =~ ^monotonic\ +2000000\ +5$ ]]
	[[ ${lines[2]} =~ ^boottime\ +1000000\ +0$ ]]
	start_sleeper
	run --separate-stderr hull exec "$ID" /bin/cat /proc/uptime
	[[ $status -eq 0 ]]
	[[ $output == 10000[0-9][0-9].* ]]
}

@test "time: offsets without a namespace, or a path, are refused" {
	config '.linux.timeOffsets = {boottime: {secs: 1}}'
	run --separate-stderr hull create -b "$BUNDLE" "$ID"
	[[ $status -eq 1 ]]
	[[ $stderr == *"linux.timeOffsets: time namespace offsets specified, but time namespace isn't enabled"* ]]
	config 'del(.linux.timeOffsets) | .linux.namespaces += [{type: "time", path: "/proc/self/ns/time"}]'
	run --separate-stderr hull create -b "$BUNDLE" "$ID"
	[[ $status -eq 1 ]]
	[[ $stderr == *"joining the time namespace '/proc/self/ns/time' is not supported"* ]]
	nothing_left "$ID"
}

# file_capabilities - those that the default configuration does not give
file_capabilities() {
	config '.process.capabilities |= map_values(. + ["CAP_CHOWN", "CAP_DAC_OVERRIDE"])'
}

# user_namespace - ids 0-65535 of the container are 100000-165535 on the host
user_namespace() {
	config '.linux.namespaces += [{type: "user"}]
		| .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}]
		| .linux.gidMappings = [{containerID: 0, hostID: 100000, size: 65536}]'
	chown 100000:100000 "$BUNDLE/rootfs/t"
}

@test "user: ids are mapped inside, and are the host's on its files" {
	user_namespace
	file_capabilities
	echo mine >"$BUNDLE/rootfs/t/given"
	chown 100033:100033 "$BUNDLE/rootfs/t/given"
	run_in /bin/sh -c 'id -u; cat /proc/self/uid_map | tr -s " "; stat -c "%u %g" /t/given /etc/passwd
		echo x >/t/made; chown 5:6 /t/made; echo y >/t/roots; chown 0:0 /etc/passwd 2>/dev/null || echo not mine'
	echo "$output $stderr"
	[[ $status -eq 0 ]]
	[[ ${lines[0]} == 0 ]]
	[[ ${lines[1]} == " 0 100000 65536" ]]
	[[ ${lines[2]} == "33 33" ]]
	[[ ${lines[3]} == "65534 65534" ]]
	[[ ${lines[4]} == "not mine" ]]
	[[ $(stat -c '%u %g' "$BUNDLE/rootfs/t/made") == "100005 100006" ]]
	[[ $(stat -c '%u %g' "$BUNDLE/rootfs/t/roots") == "100000 100000" ]]
	rm -f "$BUNDLE/rootfs/t/"*
}

@test "user: the usual mounts, devices, network, names, limits" {
	user_namespace
	config '.process.rlimits = [{type: "RLIMIT_NOFILE", soft: 65536, hard: 1048576}] | .process.oomScoreAdj = -500
		| .linux.sysctl = {"net.ipv4.ip_unprivileged_port_start": "0"}'
	run_in /bin/bash -c 'for d in proc sysfs cgroup2 mqueue devpts; do grep -q " - $d " /proc/self/mountinfo && echo $d; done
		hostname; ulimit -Sn; ulimit -Hn; cat /proc/self/oom_score_adj /proc/sys/net/ipv4/ip_unprivileged_port_start
		echo x >/dev/null; head -c 5 /dev/zero | wc -c; cat /sys/class/net/lo/operstate; echo again >/dev/stdout'
	echo "$output $stderr"
	[[ $status -eq 0 ]]
	[[ $output == $'proc\nsysfs\ncgroup2\nmqueue\ndevpts\nhull\n65536\n1048576\n-500\n0\n5\nunknown\nagain' ]]
}

@test "user: another user, and exec" {
	user_namespace
	config '.process.user = {uid: 1000, gid: 1000, additionalGids: [7]}'
	start_sleeper
	run --separate-stderr hull exec "$ID" /bin/sh -c 'id -u; id -G; tr -s " " </proc/self/uid_map; cat /proc/1/comm; readlink /proc/1/ns/user /proc/self/ns/user | uniq | wc -l'
	echo "$output $stderr"
	[[ $status -eq 0 ]]
	[[ $output == $'1000\n1000 7\n 0 100000 65536\nsh\n1' ]]
	run --separate-stderr script -qec "hull --root '$STATE' exec -u 0 -t '$ID' /bin/sh -c 'tty; id -u; stat -c %u /dev/pts/0'" /dev/null
	echo "$output $stderr"
	[[ $status -eq 0 ]]
	[[ ${output//$'\r'/} == *$'/dev/pts/0\n0\n0' ]]
}

@test "user: a volume, read-only root, tmpfs with copy, a startContainer hook" {
	user_namespace
	mkdir -p "$WORK/vol"
	chown 100000:100000 "$WORK/vol"
	config --arg v "$WORK/vol" '.root.readonly = true
		| .mounts += [{destination: "/mnt", type: "bind", source: $v, options: ["rbind", "nosuid", "nodev"]},
			{destination: "/opt", type: "tmpfs", source: "tmpfs", options: ["mode=750", "uid=3"]}]
		| .hooks.startContainer = [{path: "/bin/sh", args: ["sh", "-c", "id -u >/mnt/hook"], env: ["PATH=/usr/bin:/bin"]}]'
	run_in /bin/sh -c 'cat /mnt/hook; stat -c "%u %a" /mnt /opt; touch /x 2>/dev/null || echo read-only; echo 1 >/mnt/file'
	echo "$output $stderr"
	[[ $status -eq 0 ]]
	[[ $output == $'0\n0 755\n3 750\nread-only' ]]
	[[ $(stat -c %u "$WORK/vol/file") == 100000 ]]
}

@test "user: without a cgroup namespace the guest's cgroups are seen" {
	user_namespace
	config '.linux.namespaces |= map(select(.type != "cgroup"))'
	run_in /bin/sh -c 'grep -c " - cgroup2 " /proc/self/mountinfo; cat /proc/self/cgroup; cd /sys/fs/cgroup/containers; test -d 0 && echo seen; cat memory.min memory.low; mkdir /sys/fs/cgroup/x 2>/dev/null || echo not mine'
	echo "$output $stderr"
	[[ $status -eq 0 ]]
	[[ $output == $'1\n0::/containers/0\nseen\nmax\nmax\nnot mine' ]]
}

@test "user: contradictions are refused" {
	user_namespace
	config 'del(.linux.gidMappings)'
	run --separate-stderr hull create -b "$BUNDLE" "$ID"
	[[ $status -eq 1 ]]
	[[ $stderr == *"linux.gidMappings: containerID 0 is not mapped"* ]]
	config '.linux.namespaces |= map(select(.type != "user"))'
	run --separate-stderr hull create -b "$BUNDLE" "$ID"
	[[ $status -eq 1 ]]
	[[ $stderr == *"user namespace mappings specified, but user namespace isn't enabled"* ]]
	config 'del(.linux.uidMappings) | .linux.namespaces += [{type: "user", path: "/proc/self/ns/user"}]'
	run --separate-stderr hull create -b "$BUNDLE" "$ID"
	[[ $status -eq 1 ]]
	[[ $stderr == *"joining the user namespace '/proc/self/ns/user' is not supported"* ]]
	nothing_left "$ID"
}

@test "mounts: id-mapped, with maps of their own and with the container's" {
	mkdir -p "$WORK/mapped"
	echo x >"$WORK/mapped/roots"
	echo x >"$WORK/mapped/users"
	chown 33:34 "$WORK/mapped/users"
	file_capabilities
	config --arg v "$WORK/mapped" '.mounts += [{destination: "/mnt", type: "bind", source: $v, options: ["bind"],
		uidMappings: [{containerID: 0, hostID: 5000, size: 10}, {containerID: 33, hostID: 0, size: 1}],
		gidMappings: [{containerID: 0, hostID: 6000, size: 10}, {containerID: 34, hostID: 0, size: 1}]}]'
	run_in /bin/sh -c 'stat -c "%u %g" /mnt/roots /mnt/users; echo y >/mnt/made; stat -c "%u %g" /mnt/made; chown 5003:6004 /mnt/made'
	echo "$output $stderr"
	[[ $status -eq 0 ]]
	[[ $output == $'5000 6000\n0 0\n0 0' ]]
	[[ $(stat -c '%u %g' "$WORK/mapped/made") == "3 4" ]]
	rm "$WORK/mapped/made"

	user_namespace
	config '.mounts[-1] |= (del(.uidMappings) | del(.gidMappings) | .options = ["bind", "idmap"])'
	run_in /bin/sh -c 'stat -c "%u %g" /mnt/roots /mnt/users; echo y >/mnt/made'
	echo "$output $stderr"
	[[ $status -eq 0 ]]
	[[ $output == $'0 0\n33 34' ]]
	[[ $(stat -c '%u %g' "$WORK/mapped/made") == "0 0" ]]
}

@test "mounts: id-mapped where that cannot be: an error that names the mount" {
	config '.mounts += [{destination: "/mnt", type: "bind", source: "/proc", options: ["bind"],
		uidMappings: [{containerID: 0, hostID: 5, size: 1}], gidMappings: [{containerID: 0, hostID: 5, size: 1}]}]'
	run --separate-stderr hull create -b "$BUNDLE" "$ID"
	echo "$stderr"
	[[ $status -eq 1 ]]
	[[ $stderr == *'error mounting \"/proc\" to rootfs at \"/mnt\": '*"no id-mapped mounts"* ]]
	nothing_left "$ID"
}
