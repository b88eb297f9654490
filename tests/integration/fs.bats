#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0

load helpers

# caps NAME... - give the process these capabilities beside its default ones
caps() {
	config --rawfile caps <(printf '%s\n' "$@") '($caps | split("\n")[:-1]) as $c
		| .process.capabilities |= (.bounding += $c | .effective += $c | .permitted += $c)'
}

@test "fs: 200 files written and read back, seen on the host with owner and mode" {
	config '.process.user = {uid: 1000, gid: 1001}'
	install -d -m 777 "$BUNDLE/rootfs/t/many"
	run_in /usr/bin/python3 -c '
import os
for i in range(200):
    with open(f"/t/many/{i}", "w") as f:
        f.write(str(i) * 50)
    os.chmod(f"/t/many/{i}", 0o640)
assert sorted(os.listdir("/t/many"), key=int) == [str(i) for i in range(200)]
assert all(open(f"/t/many/{i}").read() == str(i) * 50 for i in range(200))
print("same")'
	[[ $output == same ]]
	[[ $(find "$BUNDLE/rootfs/t/many" -type f | wc -l) -eq 200 ]]
	[[ $(stat -c '%u %g %a' "$BUNDLE/rootfs/t/many/77") == "1000 1001 640" ]]
	[[ $(cat "$BUNDLE/rootfs/t/many/7") == "$(printf '7%.0s' {1..50})" ]]
	rm -rf "$BUNDLE/rootfs/t/many"
}

@test "fs: links, renames, fifos, sockets, xattrs, chown, setgid folders" {
	caps CAP_CHOWN CAP_FOWNER CAP_FSETID CAP_DAC_OVERRIDE
	run_in /usr/bin/python3 -c '
import os, socket, stat
os.makedirs("/t/d/e")
open("/t/d/f", "w").write("x")
os.link("/t/d/f", "/t/d/g"); os.symlink("f", "/t/d/s"); os.mkfifo("/t/d/p")
assert os.stat("/t/d/f").st_nlink == 2 and os.readlink("/t/d/s") == "f"
s = socket.socket(socket.AF_UNIX); s.bind("/t/d/sock")
os.rename("/t/d/g", "/t/d/e/h"); os.unlink("/t/d/f")
assert open("/t/d/e/h").read() == "x"
os.setxattr("/t/d/e/h", "user.a", b"b"); assert os.getxattr("/t/d/e/h", "user.a") == b"b"
os.chown("/t/d/e", 5, 6); os.chmod("/t/d/e", 0o2775); open("/t/d/e/n", "w")
assert os.stat("/t/d/e/n").st_gid == 6
f = open("/t/d/gone", "w+"); os.unlink("/t/d/gone"); f.write("still"); f.seek(0); assert f.read() == "still"
print("all")'
	echo "$stderr"
	[[ $output == all ]]
	[[ -p $BUNDLE/rootfs/t/d/p && -S $BUNDLE/rootfs/t/d/sock ]]
	rm -rf "$BUNDLE/rootfs/t/d"
}

@test "fs: the copy-up of a file of the lower layer" {
	run_in /bin/sh -c 'exec 3</etc/hostname; echo changed >/etc/hostname; cat /etc/hostname'
	[[ $output == changed ]]
	[[ $(cat "$WORK/upper/etc/hostname") == changed ]]
	[[ $(cat /etc/hostname) != changed ]]
}

@test "fs: a read-only root file system" {
	config '.root.readonly = true'
	run_in /bin/sh -c 'touch /t/x'
	[[ $status -ne 0 ]]
	[[ $stderr == *"Read-only file system"* ]]
	[[ ! -e $BUNDLE/rootfs/t/x ]]
}

@test "fs: bind mounts: folder, file, read-only; changes cross at once" {
	mkdir -p "$WORK/vol"
	echo one >"$WORK/vol/a"
	echo file >"$WORK/single"
	config --arg w "$WORK" '.mounts += [
		{destination: "/vol", type: "bind", source: ($w + "/vol"), options: ["rbind", "rw"]},
		{destination: "/ro", type: "bind", source: ($w + "/vol"), options: ["bind", "ro"]},
		{destination: "/etc/single", type: "bind", source: ($w + "/single"), options: ["bind"]}]'
	start_sleeper
	run --separate-stderr hull exec "$ID" /bin/sh -c 'cat /vol/a /etc/single; echo two >/vol/b; echo more >>/etc/single; touch /ro/x'
	[[ ${lines[0]} == one ]]
	[[ ${lines[1]} == file ]]
	[[ $stderr == *"Read-only file system"* ]]
	[[ $(cat "$WORK/vol/b") == two ]]
	[[ $(tail -n 1 "$WORK/single") == more ]]
	[[ ! -e $WORK/vol/x ]]
	echo three >"$WORK/vol/c"
	wait_for 5 eval '[[ $(hull exec "$ID" /bin/cat /vol/c) == three ]]'
}

@test "fs: a bind mount's ACLs hold, and a write to it is one request" {
	local writes attrs

	mkdir -p "$WORK/acl"
	chmod 755 "$WORK/acl"
	# user::rw- user:1000:r-- group::--- mask::r-- other::---
	python3 -c '
import os, struct, sys
open(sys.argv[1], "w").write("for 1000")
entries = [(1, 6, -1), (2, 4, 1000), (4, 0, -1), (16, 4, -1), (32, 0, -1)]
os.setxattr(sys.argv[1], "system.posix_acl_access", struct.pack("<I", 2) +
	b"".join(struct.pack("<HHi", *e) for e in entries))' "$WORK/acl/file"
	config --arg s "$WORK/acl" '.mounts += [{destination: "/acl", type: "bind", source: $s, options: ["bind"]}]'
	config '.process.user = {uid: 1000, gid: 1000}'
	run_in /bin/cat /acl/file
	[[ $output == "for 1000" ]]
	config '.process.user = {uid: 1001, gid: 1001}'
	run_in /bin/cat /acl/file
	[[ $stderr == *"Permission denied"* ]]
	config '.process.user = {uid: 0, gid: 0}'
	args /bin/dd if=/dev/zero of=/acl/new bs=512 count=100
	hull --debug --log "$WORK/log" run -b "$BUNDLE" "$ID-2"
	writes=$(grep -o 'fs shared: requests:.*' "$WORK/log" | grep -o ' WRITE=[0-9]*' | cut -d= -f2)
	attrs=$(grep -o 'fs shared: requests:.*' "$WORK/log" | grep -o ' GETXATTR=[0-9]*' | cut -d= -f2)
	echo "$writes writes, $attrs looks at attributes"
	[[ $writes -ge 100 && ${attrs:-0} -lt 10 ]]
}

# requests_of ARG... - of a container that runs ARG..., to its root file system
requests_of() {
	: >"$WORK/log"
	args "$@"
	hull --debug --log "$WORK/log" run -b "$BUNDLE" "$ID-$((RUNS++))" >"$WORK/out"
	grep -o 'fs private: requests:.*' "$WORK/log"
	REQUESTS=$(grep -o 'fs private: requests:.*' "$WORK/log" | awk -F= -v RS=' ' '{ n += $2 } END { print n }')
}

@test "fs: an unpacked file costs no more requests than it has to" {
	local n=200 looked each

	RUNS=0
	mkdir -p "$WORK/many/tree"
	for ((i = 0; i < n; i++)); do
		echo "$i" >"$WORK/many/tree/$i"
	done
	tar -C "$WORK/many" -cf "$BUNDLE/rootfs/t/many.tar" tree
	requests_of /bin/tar -C /t -tf /t/many.tar
	looked=$REQUESTS
	requests_of /bin/tar -C /t -xf /t/many.tar
	each=$(((REQUESTS - looked) * 10 / n))
	echo "$each tenths of a request for each file"
	[[ $(cat "$BUNDLE/rootfs/t/tree/77") == 77 ]]
	# CREATE, WRITE, RELEASE, and SETATTR of times, owner and mode; no LOOKUP, no GETXATTR.
	[[ $each -ge 40 && $each -le 67 ]]
	rm -r "$BUNDLE/rootfs/t/tree" "$BUNDLE/rootfs/t/many.tar"
}

# Beside each other, as the 1 KiB and the megabyte know different caches.
@test "fs: large and small reads and writes, and mappings, see each other" {
	run_in /usr/bin/python3 -c '
import mmap, os, resource, signal
M = 1 << 20
f = os.open("/t/large", os.O_RDWR | os.O_CREAT | os.O_APPEND)
assert os.write(f, b"a" * M) == M and os.write(f, b"bc") == 2
assert os.write(f, b"d" * (M + 1)) == M + 1
os.close(f)
f = os.open("/t/large", os.O_RDWR)
assert os.fstat(f).st_size == 2 * M + 3
assert os.pread(f, 9, M - 1) == b"abcdddddd"         # is cached now
assert os.pwrite(f, b"e" * M, 5) == M                 # and has to go
assert os.pread(f, 9, 0) == b"aaaaaeeee" and os.pread(f, 4, M + 3) == b"eedd"
m = mmap.mmap(f, 0)
assert m[M + 4] == ord("e")
m[M] = ord("m")                                       # dirty, and mapped by somebody
assert os.pwrite(f, b"f" * M, M + 1) == M
assert m[M] == ord("m") and m[M + 1] == ord("f")
m[6] = ord("n")
m.close()
assert os.pwrite(f, b"g" * M, M // 2) == M            # dirty, and nobody maps it
assert os.pread(f, 3, 5) == b"ene" and os.pread(f, 2, M * 3 // 2 - 1) == b"gf"
assert os.pread(f, 4 * M, 0) == b"aaaaaen" + b"e" * (M // 2 - 7) + b"g" * M + b"f" * (M // 2 + 1) + b"dd"
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (3 * M, 3 * M))
assert os.pwrite(f, b"h" * M, 5 * M // 2) == M // 2   # as far as it may
os.truncate("/t/large", M + 1)
assert os.pread(f, 2 * M, M) == b"g"
print("same")'
	echo "$output $stderr"
	[[ $output == same ]]
	[[ $(stat -c %s "$BUNDLE/rootfs/t/large") -eq 1048577 ]]
	[[ $(head -c 7 "$BUNDLE/rootfs/t/large") == aaaaaen ]]
	rm "$BUNDLE/rootfs/t/large"
}

@test "fs: what is written at large is not kept in the guest, what is written in pieces is" {
	run_in /bin/sh -c '
		cached() { awk "/^Cached:/ { print \$2 }" /proc/meminfo; }
		dd if=/dev/zero of=/t/w bs=1M count=1 # the programs are there from now on
		one=$(cached)
		dd if=/dev/zero of=/t/w bs=1M count=16
		two=$(cached)
		dd if=/dev/zero of=/t/v bs=128K count=128
		echo $((two - one)) $(($(cached) - two))'
	echo "$output $stderr"
	read -r large small <<<"$output"
	[[ $large -lt 4096 && $small -ge 12288 ]]
	rm "$BUNDLE/rootfs/t/w" "$BUNDLE/rootfs/t/v"
}

@test "fs: rbind,ro leaves the mounts below it writable, rro does not" {
	mkdir -p "$WORK/tree/below"
	mount -t tmpfs none "$WORK/tree/below"
	config --arg w "$WORK" '.mounts += [
		{destination: "/ro", type: "bind", source: ($w + "/tree"), options: ["rbind", "ro"]},
		{destination: "/rro", type: "bind", source: ($w + "/tree"), options: ["rbind", "rro"]}]'
	run_in /bin/sh -c 'touch /ro/x; touch /rro/x; touch /rro/below/x; touch /ro/below/y && ls /rro/below'
	umount "$WORK/tree/below"
	[[ $output == y ]]
	[[ $(grep -c "Read-only file system" <<<"$stderr") -eq 3 ]]
}

@test "fs: a bind mount without flags has those of its source, and with some only these" {
	mkdir -p "$WORK/src"
	mount -t tmpfs none "$WORK/src"
	cp /bin/true "$WORK/src"
	mount -o remount,bind,ro,noexec,noatime "$WORK/src"
	config --arg s "$WORK/src" '.mounts += [
		{destination: "/as", type: "bind", source: $s, options: ["rbind", "rprivate"]},
		{destination: "/own", type: "bind", source: $s, options: ["bind", "nosuid"]}]'
	run_in /bin/sh -c "/as/true; echo \$?; /own/true; echo \$?; touch /as/x; touch /own/x; ls /as
		awk '\$2 == \"/as\" || \$2 == \"/own\" { print \$4 }' </proc/self/mounts"
	config '.linux.namespaces += [{type: "user"}] | .mounts[-1].options = ["bind", "rw"]
		| .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}]
		| .linux.gidMappings = .linux.uidMappings'
	first=$output complaints=$stderr
	run_in /bin/true
	refusal=$stderr
	[[ $status -eq 1 ]]
	config '.mounts[-1].options = ["bind"]'
	run_in /bin/sh -c "awk '\$2 == \"/own\" { print \$4 }' </proc/self/mounts"
	umount "$WORK/src"
	echo "$first $complaints $refusal $output $stderr"
	[[ $first == $'126\n0\ntrue\nx\nro,noexec,noatime\nrw,nosuid,noatime' ]]
	[[ $(grep -c "Read-only file system" <<<"$complaints") -eq 1 ]]
	[[ $refusal == *"error during container init: error mounting "*"change locked mount flags: operation not permitted"* ]]
	[[ $status -eq 0 && $output == ro,noexec,noatime ]]
}

@test "fs: a bind mount's source in the root file system is as the container has it then" {
	mkdir -p "$WORK/vol/sub" "$BUNDLE/rootfs/t/in" "$BUNDLE/rootfs/t/again"
	echo one >"$WORK/vol/sub/a"
	config --arg w "$WORK" --arg r "$BUNDLE/rootfs" '.mounts += [
		{destination: "/t/in", type: "bind", source: ($w + "/vol"), options: ["bind"]},
		{destination: ($r + "/t/again"), type: "bind", source: ($r + "/t/in/sub"), options: ["bind"]},
		{destination: "/t/absent", type: "bind", source: "rootfs/t/in", options: ["rbind"]}]'
	run_in /bin/cat /t/again/a /t/absent/sub/a
	[[ $output == $'one\none' ]]
	config --arg r "$BUNDLE/rootfs" '.mounts[-1].source = $r + "/t/nowhere"'
	run_in /bin/true
	[[ $status -eq 1 && $stderr == *"/t/nowhere"*"No such file or directory"* ]]
	nothing_left "$ID"
}

@test "fs: a file is mounted where a link of the image leads, though there is nothing" {
	ln -s /t/jump/hosts "$BUNDLE/rootfs/t/link"
	ln -s /t/deep "$BUNDLE/rootfs/t/jump"
	echo here >"$WORK/single"
	config --arg w "$WORK" '.mounts += [{destination: "/t/link", type: "bind", source: ($w + "/single"), options: ["bind"]}]'
	run_in /bin/cat /t/deep/hosts
	[[ $output == here ]]
}

@test "fs: bind mounts of the host's /proc and /sys are the guest's own" {
	config '.linux.namespaces -= [{type: "pid"}] | .mounts |= map(select(.type != "proc")) + [
		{destination: "/proc", type: "none", source: "/proc", options: ["rbind", "nosuid", "nodev", "noexec"]},
		{destination: "/host/sys", type: "bind", source: "/sys", options: ["rbind", "ro"]},
		{destination: "/host/net", type: "bind", source: "/proc/../sys/class/net", options: ["bind"]}]'
	run_in /bin/sh -c 'cat /proc/version; ls /host/net; test -e /host/sys/fs/cgroup/cgroup.procs && echo cgroups; mkdir /host/sys/x; test -d /proc/$$ && echo $$'
	echo "$output"
	[[ ${lines[0]} != "$(cat /proc/version)" && ${lines[0]} == Linux* ]]
	[[ ${lines[1]} == lo && ${lines[2]} == cgroups && ${lines[3]} -gt 1 ]]
	[[ $stderr == *"Read-only file system"* ]]
}

@test "fs: symlinks of the image lead nowhere but into the image" {
	echo secret >"$WORK/secret"
	ln -sfn "$WORK" "$BUNDLE/rootfs/t/out"
	ln -sfn / "$BUNDLE/rootfs/t/slash"
	run_in /bin/sh -c 'cat /t/out/secret; ls /t/slash/t'
	[[ $stderr == *"No such file"* ]]
	[[ $output == *slash* ]]
	rm -f "$BUNDLE/rootfs/t/out" "$BUNDLE/rootfs/t/slash"
}

@test "fs: device nodes cannot be made on it; one of the image is the guest's device" {
	caps CAP_MKNOD
	run_in /bin/mknod /t/null c 1 3
	[[ $status -ne 0 ]]
	[[ $stderr == *"Operation not permitted"* ]]
	[[ ! -e $BUNDLE/rootfs/t/null ]]
	mknod "$BUNDLE/rootfs/t/ours" c 10 232
	run_in /bin/sh -c 'exec 3<>/t/ours'
	[[ $status -ne 0 ]]
	rm -f "$BUNDLE/rootfs/t/ours"
}
