# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# podman with storage of its own and hull, for the files podman*.bats. CGROUP_DRIVER: cgroupfs.

load helpers

setup_file() {
	install_hull
	mkdir -p "$WORK/image"
	make_image "$WORK/image"
	tar -C "$WORK/image" -c . | pod import - image >/dev/null
}

teardown() {
	pod rm -f -t 1 -a >/dev/null
}

teardown_file() {
	nothing_left
	umount "$WORK/storage/overlay" 2>/dev/null || true
	rm -rf "$WORK"
}

# pod ARGS... - podman with storage of its own and hull
pod() {
	podman --root "$WORK/storage" --runroot "$WORK/run" --cgroup-manager "${CGROUP_DRIVER:-cgroupfs}" --events-backend file \
		--network-config-dir "$WORK/networks" --runtime "$PREFIX/bin/hull" "$@"
}
