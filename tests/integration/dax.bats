#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# Files of 4 MiB and more are mapped into the guest, not copied: what that must not change,
# and what it is for.

load helpers

# big NAME - 4 MiB of "b" in the container's /t, made on the host
big() {
	head -c 4M /dev/zero | tr '\0' b >"$BUNDLE/rootfs/t/$1"
}

# debug_in ARG... - as run_in, with hull-vmm's counts of requests in $WORK/log
debug_in() {
	args "$@"
	rm -f "$WORK/log"
	run --separate-stderr hull --debug --log "$WORK/log" run -b "$BUNDLE" "$ID"
}

@test "dax: a big file is mapped: stores, writes and the host's changes are seen on both sides" {
	big file
	debug_in /usr/bin/python3 -c '
import mmap, os
f = open("/t/file", "r+b")
m = mmap.mmap(f.fileno(), 0)
assert m[:] == b"b" * (4 << 20)
m[3 << 20] = ord("m")
os.pwrite(f.fileno(), b"w", 1 << 20)
assert m[1 << 20] == ord("w")
f.seek(0, 2); f.write(b"end"); f.flush()
assert open("/t/file", "rb").read()[-4:] == b"bend"
print("same")'
	echo "$output $stderr"
	[[ $output == same ]]
	grep -q 'fs private: requests:.* SETUPMAPPING=[1-9]' "$WORK/log"
	[[ $(dd if="$BUNDLE/rootfs/t/file" bs=1 skip=3145728 count=1 status=none) == m ]]
	[[ $(dd if="$BUNDLE/rootfs/t/file" bs=1 skip=1048576 count=1 status=none) == w ]]
	[[ $(stat -c %s "$BUNDLE/rootfs/t/file") -eq 4194307 ]]
}

@test "dax: what is read at large goes straight, and sees what was stored" {
	big file
	debug_in /bin/dd if=/t/file of=/t/copy bs=1M
	echo "$output $stderr"
	cmp "$BUNDLE/rootfs/t/file" "$BUNDLE/rootfs/t/copy"
	rm "$BUNDLE/rootfs/t/copy"
	run ! grep -q 'fs private: requests:.* SETUPMAPPING=' "$WORK/log"
	run_in /usr/bin/python3 -c '
import mmap, os
f = os.open("/t/file", os.O_RDWR)
assert os.pwrite(f, b"w", 1 << 20) == 1
m = mmap.mmap(f, 0)
m[3 << 20] = ord("m")
assert os.pread(f, 8 << 20, 0).replace(b"b", b"") == b"wm"
m.close()
assert os.pread(f, 8 << 20, 0).replace(b"b", b"") == b"wm"
buf = mmap.mmap(os.open("/t/file", os.O_RDWR), 1 << 20)
assert os.preadv(f, [buf], 3 << 20) == 1 << 20
assert buf[0] == ord("m")
print("same")'
	echo "$output $stderr"
	[[ $output == same ]]
}

@test "dax: a file of the lower layer is mapped, then changed" {
	big lower
	mkdir "$WORK/upper2" "$WORK/work2"
	umount "$BUNDLE/rootfs"
	mount -t overlay overlay \
		-o "lowerdir=$WORK/upper:/,upperdir=$WORK/upper2,workdir=$WORK/work2" "$BUNDLE/rootfs"
	run_in /usr/bin/python3 -c '
import mmap, os
r = os.open("/t/lower", os.O_RDONLY)
m = mmap.mmap(r, 0, prot=mmap.PROT_READ)
assert m[0] == ord("b") and m[3 << 20] == ord("b")
w = os.open("/t/lower", os.O_WRONLY)
os.pwrite(w, b"W", 0); os.pwrite(w, b"X" * 10, (4 << 20) - 5)
assert m[0] == ord("W") and m[(4 << 20) - 1] == ord("X"), (m[0], m[-1])
assert os.pread(r, 1, 0) == b"W"
print("right")'
	echo "$output $stderr"
	[[ $output == right ]]
	[[ $(head -c 1 "$WORK/upper/t/lower") == b && $(head -c 1 "$WORK/upper2/t/lower") == W ]]
}

@test "dax: direct I/O from and to mapped pages" {
	big from
	big to
	run_in /usr/bin/python3 -c '
import mmap, os
a = mmap.mmap(os.open("/t/from", os.O_RDWR), 0)
a[0:4096] = b"a" * 4096
f = os.open("/t/small", os.O_RDWR | os.O_CREAT | os.O_DIRECT)
assert os.pwritev(f, [memoryview(a)[0:4096]], 0) == 4096
b = mmap.mmap(os.open("/t/to", os.O_RDWR), 0)
assert os.preadv(f, [memoryview(b)[8192:12288]], 0) == 4096
assert b[8192:12288] == b"a" * 4096 and b[0] == ord("b")
print("direct")'
	echo "$output $stderr"
	[[ $output == direct ]]
	cmp -n 4096 "$BUNDLE/rootfs/t/small" "$BUNDLE/rootfs/t/from"
	cmp -n 4096 -i 0:8192 "$BUNDLE/rootfs/t/small" "$BUNDLE/rootfs/t/to"
}

@test "dax: the host shortens a file that is mapped: the container lives, and sees it grow again" {
	big file
	args /usr/bin/python3 -c '
import mmap, os, time
f = os.open("/t/file", os.O_RDWR)
m = mmap.mmap(f, 0)
assert m[3 << 20] == ord("b")
print("mapped", flush=True)
while not os.path.exists("/t/go"): time.sleep(0.1)
print("after", m[3 << 20], flush=True)
while os.stat("/t/file").st_size < 4 << 20: time.sleep(0.1)
while m[3 << 20] != ord("g"): time.sleep(0.1); os.stat("/t/file")
print("grown", flush=True)'
	hull run -d -b "$BUNDLE" "$ID" </dev/null >"$WORK/out" 2>&1
	wait_for 60 grep -q mapped "$WORK/out"
	truncate -s 5000 "$BUNDLE/rootfs/t/file"
	touch "$BUNDLE/rootfs/t/go"
	wait_for 60 grep -q after "$WORK/out"
	[[ $(status_of "$ID") == running ]]
	head -c 4M /dev/zero | tr '\0' g >"$BUNDLE/rootfs/t/file"
	wait_for 60 grep -q grown "$WORK/out"
	cat "$WORK/out"
	grep -qx 'after 0' "$WORK/out"
	rm "$BUNDLE/rootfs/t/go"
}

@test "dax: fs.dax=0 maps nothing, and a window of 32M is enough" {
	local size

	big file
	for size in 0 32M; do
		args /bin/sh -c 'md5sum </t/file; /usr/bin/python3 -c "print(1)"'
		rm -f "$WORK/log"
		run --separate-stderr hull --debug --log "$WORK/log" --set fs.dax=$size run -b "$BUNDLE" "$ID-$size"
		echo "$output $stderr"
		[[ ${lines[0]} == "$(md5sum <"$BUNDLE/rootfs/t/file")" && ${lines[1]} == 1 ]]
		[[ $size != 0 ]] || ! grep -q SETUPMAPPING "$WORK/log"
		[[ $size == 0 ]] || grep -q SETUPMAPPING "$WORK/log"
	done
}
