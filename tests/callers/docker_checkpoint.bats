#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# docker checkpoint, docker start --checkpoint: of an experimental daemon. The image goes
# through tar files, which know no holes: small machines only, or it takes long.

DOCKER_EXPERIMENTAL=true
load docker

more() {
	[[ $(docker logs box | wc -l) -gt $1 ]]
}

@test "docker checkpoint create, docker start --checkpoint: it goes on where it was" {
	docker run -d --name box --network none -m 8m image \
		sh -c 'i=0; while :; do i=$((i+1)); echo $i; sleep 0.5; done' >/dev/null
	wait_for 60 more 2
	docker checkpoint create box one
	[[ $(docker checkpoint ls box | awk 'NR == 2 { print $1 }') == one ]]
	wait_for 30 is Running false
	before=$(docker logs box | wc -l)
	docker start --checkpoint one box
	is Running true
	wait_for 60 more "$before"
	docker logs box >"$WORK/log"
	diff "$WORK/log" <(seq "$(wc -l <"$WORK/log")")
	run docker exec box sh -c 'echo in; exit 3'
	[[ $status -eq 3 && $output == in ]]
}
