#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# docker: files that come in and out, and images

load docker

@test "docker cp: both ways, from a running container and what was written just before a kill" {
	sleeper
	head -c 20000000 /dev/urandom >"$WORK/file"
	docker cp "$WORK/file" box:/tmp/in
	docker exec box sh -c 'cat /tmp/in >/root/out; md5sum /tmp/in >/root/sum'
	docker cp box:/root/sum "$WORK/sum"
	[[ $(cat "$WORK/sum") == "$(md5sum <"$WORK/file" | cut -d ' ' -f 1)  /tmp/in" ]]
	docker kill box >/dev/null
	docker cp box:/root/out "$WORK/back"
	cmp "$WORK/file" "$WORK/back"
}

@test "docker kill: 200 MB that were written and not synced are there" {
	head -c 200000000 /dev/urandom >"$WORK/large"
	sleeper -v "$WORK/large:/in:ro"
	docker exec box sh -c 'cat /in >/root/out'
	docker kill box >/dev/null
	docker cp box:/root/out "$WORK/out"
	cmp "$WORK/large" "$WORK/out"
	rm "$WORK/large" "$WORK/out"
}

@test "docker run -v: a volume and a folder, read-only ones too" {
	mkdir -p "$WORK/folder"
	echo host >"$WORK/folder/file"
	run docker run --rm --network none -v "$WORK/folder:/f" -v "$WORK/folder:/ro:ro" -v vol:/vol image sh -c \
		'exec 2>&1; cat /f/file; echo guest >/f/file; echo x >/ro/file; echo $?; echo kept >/vol/kept'
	echo "$output"
	[[ ${lines[0]} == host && $output == *"Read-only file system"* && ${lines[-1]} == 1 ]]
	[[ $(cat "$WORK/folder/file") == guest ]]
	run docker run --rm --network none -v vol:/vol image cat /vol/kept
	[[ $output == kept ]]
	docker volume rm vol >/dev/null
}

@test "docker commit, diff: what a running container wrote" {
	sleeper
	docker exec box sh -c 'echo new >/root/new; rm /etc/group'
	run docker diff box
	echo "$output"
	[[ $output == *"A /root/new"* && $output == *"D /etc/group"* ]]
	docker commit box changed >/dev/null
	run docker run --rm --network none changed sh -c 'cat /root/new; ls /etc'
	echo "$output"
	[[ ${lines[0]} == new && $output != *group* && $output == *passwd* ]]
}

@test "docker build with RUN" {
	mkdir -p "$WORK/build"
	printf 'FROM image\nRUN echo built >/made && uname -r >/kernel\nRUN ["/bin/sh", "-c", "ls -l /made"]\nUSER user\nCMD ["cat", "/made", "/kernel"]\n' \
		>"$WORK/build/Dockerfile"
	DOCKER_BUILDKIT=0 docker build --network none -t built "$WORK/build"
	run docker run --rm --network none built
	[[ ${lines[0]} == built && ${lines[1]} != "$(uname -r)" ]]
}
