#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# Docker in a container of docker's that is hull's: the lab's dockerd, containerd and
# runc (its /usr is bound), with the overlay2 driver on files of the host.

load docker

# box DATA-ROOT [ARG...] - a privileged container `box` with a daemon in it
box() {
	local data=$1

	shift
	cat >"$WORK/image/etc/daemon" <<-END
		# As docker's own image does: controllers are for groups that are no root with processes
		mkdir /sys/fs/cgroup/init
		for p in \$(cat /sys/fs/cgroup/cgroup.procs); do echo \$p >/sys/fs/cgroup/init/cgroup.procs; done
		sed 's/^/+/; s/ / +/g' /sys/fs/cgroup/cgroup.controllers >/sys/fs/cgroup/cgroup.subtree_control
		exec dockerd --data-root $data --storage-driver overlay2 --iptables=false --bridge=none >/var/log-of-daemon 2>&1
	END
	docker run -d --name box --privileged --network none --memory 1g -e PATH=/bin:/sbin:/usr/bin:/usr/sbin \
		-v /usr:/usr:ro -v "$WORK/image:/image:ro" "$@" image sh /image/etc/daemon >/dev/null
	wait_for 180 inner version >/dev/null 2>&1 || { docker exec box cat /var/log-of-daemon | tail -n 20; return 1; }
}

# inner ARG... - docker in the box
inner() {
	docker exec -i box docker "$@"
}

# layers - images of layers that delete, replace and rename, built, saved, loaded and run
layers() {
	docker exec box sh -c 'tar -C /image -c . | docker import - base' >/dev/null
	[[ $(inner info -f '{{.Driver}}') == overlay2 ]]
	[[ $(inner run --rm --network none base sh -c 'rm /etc/group; mv /etc/passwd /etc/moved; echo /etc/*') == "/etc/daemon /etc/moved" ]]
	inner build --network none -t built - <<-'END' >"$WORK/build.log" 2>&1 || { tail "$WORK/build.log"; return 1; }
		FROM base
		RUN mkdir /dir /gone && echo one >/dir/a && echo one >/dir/b && echo one >/gone/x
		RUN rm -r /gone /etc/group && rm /dir/a && mv /dir/b /dir/c && ln -s c /dir/link
		RUN rm -r /dir && mkdir /dir && echo two >/dir/new
	END
	inner run --rm --network none built sh -c 'ls -d /gone; ls /dir /etc; cat /dir/new' >"$WORK/first" 2>&1
	cat "$WORK/first"
	[[ $(sed 1d "$WORK/first" | xargs) == "/dir: new /etc: daemon passwd two" ]]
	docker exec box sh -c 'docker save built >/saved && docker rmi built >/dev/null && docker load </saved' >/dev/null
	inner run --rm --network none built sh -c 'ls -d /gone; ls /dir /etc; cat /dir/new' >"$WORK/second" 2>&1
	diff "$WORK/first" "$WORK/second"
}

@test "docker in docker: overlay2 in the container's root file system" {
	box /var/lib/docker
	layers
	[[ $(docker exec box stat -f -c %T /var/lib/docker) == fuse* ]]
}

@test "docker in docker: overlay2 in a volume, which outlives the container" {
	box /docker -v data:/docker
	layers
	docker rm -f box >/dev/null
	box /docker -v data:/docker
	[[ $(inner run --rm --network none built cat /dir/new) == two ]]
	docker rm -f box >/dev/null
	docker volume rm data >/dev/null
}
