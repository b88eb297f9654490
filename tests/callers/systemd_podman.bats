#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# podman with the systemd driver, where systemd is PID 1: check-callers --systemd

CGROUP_DRIVER=systemd
load podman

CONFIG=/etc/containers

# The timer of a health check calls podman without any of the options of `pod`: what they
# say is in the host's configuration as well.
eval "$(declare -f setup_file | sed '1s/setup_file/make_storage/')"
setup_file() {
	[[ ! -e $CONFIG/storage.conf && ! -e $CONFIG/containers.conf ]]
	make_storage
	cat >$CONFIG/storage.conf <<-END
		[storage]
		driver = "overlay"
		graphroot = "$WORK/storage"
		runroot = "$WORK/run"
	END
	cat >$CONFIG/containers.conf <<-END
		[engine]
		events_logger = "file"
		[engine.runtimes]
		hull = ["$PREFIX/bin/hull"]
	END
}

eval "$(declare -f teardown_file | sed '1s/teardown_file/remove_storage/')"
teardown_file() {
	rm -f $CONFIG/storage.conf $CONFIG/containers.conf
	remove_storage
}

is() {
	[[ $(pod inspect -f "{{.State.$1}}" box) == "$2" ]]
}

# unit PROPERTY - of the scope of `box`
unit() {
	systemctl show --value -p "$1" "libpod-$(pod inspect -f '{{.Id}}' box).scope"
}

@test "podman, systemd driver: a scope with the limits, exec, pause, stop" {
	pod run -d --name box --network none -m 64m --cpus 0.5 image sh -c 'trap "exit 5" TERM; while :; do sleep 0.2; done' >/dev/null
	[[ $(unit ActiveState) == active && $(unit Slice) == machine.slice ]]
	[[ $(unit MemoryMax) -gt 67108864 && $(unit CPUQuotaPerSecUSec) == 750ms ]]
	run pod exec box sh -c 'exit 3'
	[[ $status -eq 3 ]]
	pod pause box >/dev/null
	is Status paused
	pod unpause box >/dev/null
	pod stop -t 30 box >/dev/null
	is ExitCode 5
	wait_for 30 eval '[[ $(unit LoadState) == not-found ]]'
}

@test "podman, systemd driver: a health check by its timer" {
	pod run -d --name box --network none --health-cmd 'test -e /tmp/well' --health-interval 2s --health-retries 1 image sleep 1000 >/dev/null
	wait_for 120 is Health.Status unhealthy
	pod exec box touch /tmp/well
	wait_for 120 is Health.Status healthy
}

# kills - how many processes were ended for lack of memory below machine.slice
kills() {
	awk '$1 == "oom_kill" { print $2 }' /sys/fs/cgroup/machine.slice/memory.events
}

# podman says OOMKilled with no runtime here: conmon looks when the process has ended, and
# systemd has removed the scope by then, or not; and puts down what it saw where podman 4.3
# does not look. What it looks at, the host's count, is also the slice's.
@test "podman, systemd driver: a container that ends for lack of memory" {
	local before

	cd "$BATS_TEST_TMPDIR"
	pod run -d --name other --network none image sleep 1000 >/dev/null
	before=$(kills)
	run pod run --name box --network none -m 64m image tail /dev/zero
	[[ $status -eq 137 ]]
	is ExitCode 137
	echo "$before, now $(kills)"
	[[ $(kills) -gt $before ]]
}
