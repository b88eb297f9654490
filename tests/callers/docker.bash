# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# docker with hull as its default runtime, for the files docker_*.bats: a daemon of
# their own for each of them, with the image `image`. Without a network, unless
# DOCKER_NETWORK has other lines for the daemon's configuration; CGROUP_DRIVER: cgroupfs;
# DOCKER_EXPERIMENTAL: false.

load helpers

setup_file() {
	install_hull
	mkdir -p "$WORK/docker" "$WORK/image"
	make_image "$WORK/image"
	cat >"$WORK/daemon.json" <<-END
		{
			"data-root": "$WORK/docker", "exec-root": "$WORK/exec", "pidfile": "$WORK/pid",
			${DOCKER_NETWORK-\"bridge\": \"none\", \"iptables\": false,}
			"exec-opts": ["native.cgroupdriver=${CGROUP_DRIVER:-cgroupfs}"],
			"experimental": ${DOCKER_EXPERIMENTAL:-false},
			"default-runtime": "hull",
			"runtimes": { "hull": { "path": "$PREFIX/bin/hull" } }
		}
	END
	dockerd --config-file "$WORK/daemon.json" -H "unix://$WORK/docker.sock" >"$WORK/dockerd.log" 2>&1 3>&- &
	export DOCKER_HOST=unix://$WORK/docker.sock DAEMON=$!
	wait_for 120 docker version >/dev/null 2>&1 || { tail -n 8 "$WORK/dockerd.log"; return 1; }
	tar -C "$WORK/image" -c . | docker import - image >/dev/null
}

teardown() {
	local all

	[[ -n $BATS_TEST_COMPLETED ]] || grep -E 'level=(error|fatal)' "$WORK/dockerd.log" | tail -n 8
	all=$(docker ps -aq)
	# shellcheck disable=SC2086 # several ids
	[[ -z $all ]] || docker rm -f $all >/dev/null
	[[ -z ${DOCKER_NETWORK-} ]] || docker network ls -q --filter type=custom | xargs -r docker network rm >/dev/null
}

teardown_file() {
	kill "$DAEMON"
	wait_for 60 [ ! -e "/proc/$DAEMON" ]
	nothing_left
	# docker leaves the host's network namespace mounted once somebody asked for it
	umount "$WORK"/exec/netns/* "$WORK/docker" 2>/dev/null || true
	rm -rf "$WORK"
}

# sleeper [ARG...] - a container `box` that does nothing
sleeper() {
	docker run -d --name box --network none "$@" image sleep 1000 >/dev/null
}

# is FIELD VALUE - the state of `box`
is() {
	[[ $(docker inspect -f "{{.State.$1}}" box) == "$2" ]]
}
