# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What every file of tests/callers loads: hull on the lab's own disk, and an
# image made of busybox. Runs in a lab with LAB_CALLERS=1.
#
#	PREFIX	where hull is installed	WORK	a folder on a real disk

bats_require_minimum_version 1.5.0

PATH=$PATH:/usr/sbin:/sbin

# install_hull - for setup_file
install_hull() {
	local base=/var/tmp checkout

	[[ ! -d /data ]] || base=/data
	checkout=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
	WORK=$(mktemp -d "$base/hull-callers.XXXXXX")
	PREFIX=$WORK/prefix
	export WORK PREFIX
	mkdir -p "$PREFIX/bin"
	cp "$checkout"/build/bin/{hull,hull-vmm,hull-net,hull-systemd} "$PREFIX/bin/"
	cp "$checkout"/build/{vmlinux,initramfs.cpio} "$PREFIX/"
}

# make_image DIR - a small root file system: busybox, and what tests look at
make_image() {
	local dir=$1

	mkdir -p "$dir"/{bin,etc,tmp,root,proc,sys,dev,var}
	ln -s usr/lib usr/lib64 "$dir/" # for programs of the lab's, where its /usr is bound
	cp /bin/busybox "$dir/bin/"
	chroot "$dir" /bin/busybox --install -s /bin
	chmod 1777 "$dir/tmp"
	echo 'root:x:0:0:root:/root:/bin/sh' >"$dir/etc/passwd"
	echo 'user:x:1000:1000:user:/:/bin/sh' >>"$dir/etc/passwd"
	printf 'root:x:0:\nuser:x:1000:\n' >"$dir/etc/group"
}

# on_terminal SCRIPT COMMAND... - COMMAND with a terminal of 24 lines of 80 (pty.py)
on_terminal() {
	timeout 120 "$BATS_TEST_DIRNAME/../integration/pty.py" run "$WORK/shown" "$@"
}

# wait_for SECONDS COMMAND... - until it succeeds
wait_for() {
	local end=$((SECONDS + $1))

	shift
	until "$@"; do
		[[ $SECONDS -lt $end ]] || { echo "never happened: $*"; return 1; }
		sleep 0.2
	done
}

# nothing_left - no process of hull's, no state, no mount
nothing_left() {
	! pgrep -x hull-vmm
	[[ -z $(ls /run/hull 2>/dev/null) ]]
}
