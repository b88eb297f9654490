#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# Docker in a container of docker's that is hull's: the lab's dockerd, containerd and
# runc (its /usr is bound), with the overlay2 driver on files of the host. In the lab's
# emulated machine a daemon takes half a minute to start, a container ten seconds.

load docker

# make_inner - what the box gets at /inner: a small image, and two scripts
make_inner() {
	local name

	[[ ! -d $WORK/inner ]] || return 0
	mkdir -p "$WORK/inner/root"/{bin,etc,dir,gone,dev,proc,sys,tmp}
	cp /bin/busybox "$WORK/inner/root/bin/"
	for name in sh ls cat rm mv mkdir echo; do ln "$WORK/inner/root/bin/busybox" "$WORK/inner/root/bin/$name"; done
	for name in dir/a dir/b gone/x etc/group; do echo one >"$WORK/inner/root/$name"; done
	cat >"$WORK/inner/daemon" <<-'END'
		# As docker's own image does: a group that hands out controllers has no processes
		mkdir /sys/fs/cgroup/init
		for p in $(cat /sys/fs/cgroup/cgroup.procs); do echo $p >/sys/fs/cgroup/init/cgroup.procs; done 2>/dev/null
		sed 's/^/+/; s/ / +/g' /sys/fs/cgroup/cgroup.controllers >/sys/fs/cgroup/cgroup.subtree_control
		# Started by dockerd it would have 15 seconds
		containerd --config /inner/containerd.toml >/var/containerd.log 2>&1 &
		until [ -S /run/containerd/containerd.sock ]; do sleep 1; done
		exec dockerd --containerd /run/containerd/containerd.sock --data-root "$1" --storage-driver overlay2 \
			--iptables=false --bridge=none >/var/dockerd.log 2>&1
	END
	cat >"$WORK/inner/containerd.toml" <<-'END'
		disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs",
			"io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.devmapper"]
	END
	# A container that deletes, replaces and renames becomes a layer, which another one shows.
	cat >"$WORK/inner/steps" <<-'END'
		set -e
		docker info -f '{{.Driver}}'
		tar -C /inner/root -c . | docker import - base >/dev/null
		docker run --name first --network none base sh -c \
			'rm -r /gone /dir/a; mv /dir/b /dir/c; rm -r /dir; mkdir /dir; echo two >/dir/new; mv /etc/group /etc/moved; ls /dir /etc/moved'
		docker commit first next >/dev/null
		docker run --rm --network none next sh -c 'exec 2>&1; ls -d /gone; ls /dir; cat /dir/new /etc/moved; cat /etc/group; true'
	END
}

# box DATA-ROOT [ARG...] - a privileged container `box` with a daemon in it
box() {
	local data=$1

	shift
	make_inner
	docker run -d --name box --privileged --network none --memory 1g -e PATH=/bin:/sbin:/usr/bin:/usr/sbin \
		-v /usr:/usr:ro -v "$WORK/inner:/inner:ro" "$@" image sh /inner/daemon "$data" >/dev/null
	docker exec box sh -c 'until docker version >/dev/null 2>&1; do sleep 2; done'
}

# steps - what they print
steps() {
	run docker exec box sh /inner/steps
	echo "$output"
	[[ $status -eq 0 ]]
	diff - <(echo "$output" | grep -v '^$') <<-'END'
		overlay2
		/etc/moved
		/dir:
		new
		ls: /gone: No such file or directory
		new
		two
		one
		cat: can't open '/etc/group': No such file or directory
	END
}

@test "docker in docker: overlay2 in the container's root file system, which is one itself" {
	box /var/lib/docker
	steps
	[[ $(docker exec box sh -c 'stat -f -c %T /var/lib/docker') == fuse* ]]
}

@test "docker in docker: overlay2 in a volume" {
	box /docker -v "$WORK/data:/docker"
	steps
	[[ -n $(find "$WORK/data/overlay2" -type c) ]]
}
