#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What the guest's own drivers see of the virtio devices, and what a hostile one gets.

load helpers

# interrupts NAME - how often the interrupt of that queue has come (from $output)
interrupts() {
	awk -v name="$1" '$NF ~ name "$" { for (i = 2; i < NF; i++) if ($i ~ /^[0-9]+$/) n += $i } END { print n + 0 }' <<<"$output"
}

@test "virtio: every queue has an MSI-X vector of its own, and uses it" {
	for vcpus in 1 2; do
		VCPUS=$vcpus run_in /bin/sh -c 'head -c 100000 /etc/services | wc -c; cat /proc/interrupts'
		[[ $status -eq 0 ]]
		for q in config hiprio requests.0 input rx tx event; do
			grep -q "PCI-MSI.*virtio[0-9]-$q\$" <<<"$output"
		done
		[[ $(interrupts requests.0) -gt 0 ]]
		[[ $(interrupts rx) -gt 0 ]]
		run -1 grep 'IO-APIC.*virtio' <<<"$output"
	done
}

@test "virtio: the guest's random numbers come from the host" {
	config '(.mounts[] | select(.type == "sysfs") | .options) = ["nosuid", "nodev", "noexec"]'
	run_in /bin/sh -c 'cat /sys/class/misc/hw_random/rng_current'
	[[ $status -eq 0 ]]
	[[ $output == virtio_rng.* ]]
}

@test "virtio: a hostile driver harms nobody and fills no log" {
	cp "$BATS_TEST_DIRNAME/hostile_driver.py" "$BUNDLE/rootfs/t/"
	config '(.mounts[] | select(.type == "sysfs") | .options) = ["nosuid", "nodev", "noexec"]
		| .linux.readonlyPaths = [] | .linux.maskedPaths = []
		| .process.capabilities |= with_entries(.value = ["CAP_SYS_ADMIN", "CAP_SYS_RAWIO"])'
	args /usr/bin/python3 /t/hostile_driver.py
	for vcpus in 1 2; do
		VCPUS=$vcpus run --separate-stderr hull --log "$WORK/log" run -b "$BUNDLE" "$ID"
		[[ $status -eq 0 ]]
		[[ ${lines[0]} == "driven 15" ]]
		[[ ${lines[2]} == "negotiated 11" ]]
		[[ ${lines[3]} == "queue 65535 0" ]]
		[[ ${lines[4]} == "queue nowhere 75" ]]
		[[ ${lines[5]} == "queue anywhere 15" ]]
		[[ ${lines[6]} == "reset 0" ]]
		[[ ${lines[7]} == alive ]]
		[[ $(grep -c 'virtio rng: ' "$WORK/log") -eq 1 ]]
		grep -q 'virtio rng: queue 0: descriptor table at 0xfffffffffffffff0' "$WORK/log"
		rm "$WORK/log"
	done
}
