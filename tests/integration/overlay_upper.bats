#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# An overlayfs in the container with its upper folder on what is the host's, as docker
# in a container has it: what it shows is what one on the host's ext4 shows.

load helpers

setup_file() {
	make_bundle
	cp "$BATS_TEST_DIRNAME/overlay_upper.py" "$BUNDLE/rootfs/t/"
	mkdir "$WORK/native"
	python3 "$BATS_TEST_DIRNAME/overlay_upper.py" "$WORK/native" >"$WORK/native.txt"
}

setup() {
	ID=${WORK##*/}-$BATS_TEST_NUMBER
	cp "$BUNDLE/config.default" "$BUNDLE/config.json"
	config '.process.terminal = false | .root.readonly = false | (["CAP_SYS_ADMIN", "CAP_CHOWN", "CAP_DAC_OVERRIDE",
		"CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_FSETID", "CAP_MKNOD", "CAP_SETUID", "CAP_SETGID"]) as $c
		| .process.capabilities |= (.bounding += $c | .effective += $c | .permitted += $c)'
}

# as_native DIR - overlay_upper.py in the container, with its folders in DIR, prints the same
as_native() {
	run_in /bin/sh -c "mkdir -p $1 && python3 /t/overlay_upper.py $1"
	echo "$stderr"
	[[ $status -eq 0 ]]
	diff "$WORK/native.txt" - <<<"$output"
}

@test "overlay: with its upper folder in a bind mount" {
	mkdir "$WORK/vol"
	share "$WORK/vol" /vol
	as_native /vol/o
	# The host has whiteouts and attributes of its own.
	[[ -c $WORK/vol/o/u/moved && $(stat -c %t:%T "$WORK/vol/o/u/moved") == 0:0 ]]
	[[ $(getfattr --only-values -n user.hull.trusted.overlay.opaque "$WORK/vol/o/u/opaque") == y ]]
	[[ -z $(getfattr -d -m '^trusted' "$WORK/vol/o/u/opaque") ]]
}

@test "overlay: with its upper folder in a root file system that is on ext4" {
	mkdir -p "$WORK/plain"/{proc,dev,sys,etc,usr,t}
	cp -P /bin /lib /lib64 "$WORK/plain"
	share /usr /usr ro
	cp "$BATS_TEST_DIRNAME/overlay_upper.py" "$WORK/plain/t/"
	config --arg r "$WORK/plain" '.root.path = $r'
	as_native /o
	[[ -c $WORK/plain/o/u/moved ]]
}

@test "overlay: with its upper folder in a root file system that is an overlay itself" {
	as_native /o
	# The host's overlayfs can have no whiteouts: see docs/design.md.
	[[ $(readlink "$BUNDLE/rootfs/o/u/moved") == /dev/null/hull:whiteout ]]
	[[ $(readlink "$WORK/upper/o/u/emptied/sub/deep") == /dev/null/hull:whiteout ]]
	[[ $(getfattr --only-values -n user.hull.trusted.overlay.opaque "$BUNDLE/rootfs/o/u/opaque") == y ]]
	rm -r "$BUNDLE/rootfs/o"
}

@test "overlay: trusted.* is for CAP_SYS_ADMIN only, and not to be had by the host's name" {
	mkdir -m 777 "$WORK/x"
	share "$WORK/x" /x
	cat >"$BUNDLE/rootfs/t/trusted.py" <<-'END'
		import errno, os, sys
		def got(fn, *args):
		    try:
		        return fn(*args) or "ok"
		    except OSError as e:
		        return errno.errorcode[e.errno]
		if sys.argv[1] == "make":
		    open("/x/f", "w").close()
		    os.chmod("/x/f", 0o666)
		    print(got(os.setxattr, "/x/f", "trusted.a", b"1"))
		print(os.listxattr("/x/f"), got(os.getxattr, "/x/f", "trusted.a"), got(os.setxattr, "/x/f", "trusted.b", b"1"),
		      got(os.getxattr, "/x/f", "user.hull.trusted.a"), got(os.setxattr, "/x/f", "user.hull.trusted.a", b"2"))
	END
	run_in /bin/sh -c 'python3 /t/trusted.py make
		setpriv --reuid 1000 --regid 1000 --clear-groups python3 /t/trusted.py look
		setpriv --reuid 1000 --regid 1000 --clear-groups unshare --user --map-root-user python3 /t/trusted.py look'
	echo "$output; $stderr"
	[[ ${lines[0]} == ok ]]
	[[ ${lines[1]} == "['trusted.a'] b'1' ok ENODATA EPERM" ]]
	[[ ${lines[2]} == "[] ENODATA EPERM ENODATA EPERM" ]]
	[[ ${lines[3]} == "[] ENODATA EPERM ENODATA EPERM" ]]
}
