#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# The stock Debian cloud kernel as guest kernel.

load helpers

setup_file() {
	make_bundle
	STOCK=$(ls /boot/vmlinuz-*-cloud-amd64)
	export STOCK
}

@test "kernel: stock, HULL_KERNEL, one vCPU" {
	HULL_KERNEL=$STOCK run_in /bin/sh -c 'uname -r; nproc; echo x >/t/x && cat /t/x'
	echo "$stderr"
	[[ $status -eq 0 ]]
	[[ ${lines[0]} == "${STOCK#*vmlinuz-}" ]]
	[[ ${lines[1]} == 1 ]]
	[[ ${lines[2]} == x ]]
}

@test "kernel: stock, vm.kernel.path, two vCPUs" {
	config --arg k "$STOCK" '.vm = {kernel: {path: $k}}'
	VCPUS=2 run_in /bin/sh -c 'uname -r; nproc'
	echo "$stderr"
	[[ $status -eq 0 ]]
	[[ ${lines[0]} == "${STOCK#*vmlinuz-}" ]]
	[[ ${lines[1]} == 2 ]]
}
