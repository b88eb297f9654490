#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# containerd with systemd's scopes, where systemd is PID 1: check-callers --systemd

load containerd

@test "ctr run --runc-systemd-cgroup: a scope with the limits" {
	con run -d --runc-binary "$PREFIX/bin/hull" --runc-systemd-cgroup --cgroup system.slice:ctr:box \
		--memory-limit 67108864 --env PATH=/bin --rootfs "$WORK/image" box sleep 1000
	[[ $(systemctl show --value -p ActiveState ctr-box.scope) == active ]]
	[[ $(systemctl show --value -p MemoryMax ctr-box.scope) -gt 67108864 ]]
	run con tasks exec --exec-id one box sh -c 'echo in; exit 4'
	[[ $status -eq 4 && $output == in ]]
	run con tasks metrics box
	[[ $status -eq 0 && $output == *memory* ]]
	con tasks kill -s KILL box
	wait_for 60 gone
	wait_for 30 eval '[[ $(systemctl show --value -p LoadState ctr-box.scope) == not-found ]]'
}
