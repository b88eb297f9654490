#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# inotify across the boundary: what is changed on the host in a shared folder wakes who
# watches it in the container.

# shellcheck disable=SC2016 # jq and eval expand these
# shellcheck disable=SC2030,SC2031 # a test's variables are its own
# shellcheck disable=SC2154 # bats' run sets $stderr

load helpers

PROGRAM=$BATS_TEST_DIRNAME/inotify.py

setup_file() {
	make_bundle
	cp "$PROGRAM" "$BUNDLE/rootfs/t/"
}

setup() {
	ID=${WORK##*/}-$BATS_TEST_NUMBER
	cp "$BUNDLE/config.default" "$BUNDLE/config.json"
	config '.process.terminal = false | .root.readonly = false'
	VOLUME=$BATS_TEST_TMPDIR/v
	SAID=$BATS_TEST_TMPDIR/said
	FENCES=0
	LIMITS=()
	mkdir -p "$VOLUME"
	share "$VOLUME" /v
}

teardown() {
	local id

	exec 7>&-
	for id in $(hull list -q); do
		hull delete -f "$id"
	done
	for id in "${LIMITS[@]}"; do
		sysctl -q "$id"
	done
}

# limit NAME VALUE - of the host's, until the test's end
limit() {
	LIMITS+=("fs.inotify.$1=$(sysctl -n "fs.inotify.$1")")
	sysctl -q "fs.inotify.$1=$2"
}

# watch PATH... - a container that watches them, and does what >&7 tells it
watch() {
	args /usr/bin/python3 /t/inotify.py watch "$@"
	mkfifo "$BATS_TEST_TMPDIR/in"
	hull run -b "$BUNDLE" "$ID" <"$BATS_TEST_TMPDIR/in" >"$SAID" 2>&1 3>&- &
	exec 7>"$BATS_TEST_TMPDIR/in"
	wait_for 60 grep -q 'ready\|error' "$SAID"
}

# so_far - what was said since the last time, up to what a file told that the host makes
# now: $OUT, a line each
so_far() {
	local fence=fence$((FENCES++))

	mkdir "$VOLUME/$fence"
	wait_for 30 grep -q "^/v CREATE,ISDIR $fence" "$SAID"
	OUT=$(sed -n "/ fence$((FENCES - 2))\$/,/ $fence\$/p" "$SAID" | grep -v fence || true)
	[[ $FENCES -gt 1 ]] || OUT=$(sed "/ $fence\$/,\$d; /^ready/d" "$SAID")
	echo "said: $OUT"
}

# is LINE... - that was said since the last time, and nothing else
is() {
	local want

	want=$(printf '%s\n' "$@")
	so_far
	[[ $OUT == "$want" ]] || { diff <(echo "$want") <(echo "$OUT"); false; }
}

# are LINE... - the same, in any order
are() {
	local want

	want=$(printf '%s\n' "$@" | sort)
	so_far
	OUT=$(sort <<<"$OUT")
	[[ $OUT == "$want" ]] || { diff <(echo "$want") <(echo "$OUT"); false; }
}

# host_watches - that the host's kernel has for the container
host_watches() {
	cat "/proc/$(pid_of "$ID")"/fdinfo/* 2>/dev/null | grep -c '^inotify wd:' || true
}

@test "inotify: what the host makes, changes, moves and removes" {
	echo one >"$VOLUME/file"
	mkdir "$VOLUME/sub"
	watch /v /v/file
	cd "$VOLUME"
	: >new
	mkdir dir
	printf two 1<>file
	chmod 600 file
	is "/v CREATE new" "/v CLOSE_WRITE new" "/v CREATE,ISDIR dir" \
		"/v MODIFY file" "/v/file MODIFY " "/v CLOSE_WRITE file" "/v/file CLOSE_WRITE " \
		"/v ATTRIB file" "/v/file ATTRIB "
	mv new sub/newer
	mv sub/newer newest
	mv dir dir2
	mv file file2
	is "/v MOVED_FROM new" "/v MOVED_TO newest" "/v MOVED_FROM,ISDIR dir" "/v MOVED_TO,ISDIR dir2" \
		"/v MOVED_FROM file" "/v MOVED_TO file2" "/v/file MOVE_SELF "
	ln file2 file3
	rm file3
	is "/v/file ATTRIB " "/v CREATE file3" "/v/file ATTRIB " "/v DELETE file3"
	rm file2
	rmdir dir2
	ln -s nowhere link
	is "/v/file ATTRIB " "/v/file DELETE_SELF " "/v/file IGNORED " "/v DELETE file2" \
		"/v DELETE,ISDIR dir2" "/v CREATE link"
}

@test "inotify: a folder that the host removes, with what was looked up in it" {
	mkdir -p "$VOLUME/a/b/c"
	watch /v /v/a
	hull exec "$ID" ls -R /v >/dev/null
	rm -r "$VOLUME/a"
	# A folder is gone when nobody has anything open in it any more.
	wait_for 30 grep -q "/v/a DELETE_SELF" "$SAID"
	are "/v/a DELETE,ISDIR b" "/v/a DELETE_SELF " "/v/a IGNORED " "/v DELETE,ISDIR a"
}

@test "inotify: what the container does itself is seen once" {
	watch /v
	{
		echo now create /v/file
		echo now write /v/file one
		echo now chmod /v/file 600
		echo now truncate /v/file 1
		echo now mkdir /v/dir
		echo now rename /v/file /v/dir/file
		echo now link /v/dir/file /v/other
		echo now symlink other /v/symlink
		echo now unlink /v/other
		echo now rename /v/symlink /v/symlink2
		echo now mknod /v/node
	} >&7
	wait_for 30 grep -q 'CREATE node' "$SAID"
	is "/v CREATE file" "/v CLOSE_WRITE file" "/v MODIFY file" "/v CLOSE_WRITE file" \
		"/v ATTRIB file" "/v MODIFY file" "/v CREATE,ISDIR dir" "/v MOVED_FROM file" \
		"/v CREATE other" "/v CREATE symlink" "/v DELETE other" \
		"/v MOVED_FROM symlink" "/v MOVED_TO symlink2" "/v CREATE node"
}

@test "inotify: a single file that is bind-mounted, changed in place, while it is open" {
	local pid

	printf '%-8s' none >"$VOLUME/file"
	share "$VOLUME/file" /file ro
	args /usr/bin/python3 /t/inotify.py rereader /file
	mkfifo "$BATS_TEST_TMPDIR/out"
	hull run -b "$BUNDLE" "$ID" </dev/null >"$BATS_TEST_TMPDIR/out" 3>&- &
	pid=$!
	run timeout 110 python3 "$PROGRAM" rewriter "$VOLUME/file" 100 <"$BATS_TEST_TMPDIR/out"
	echo "$output"
	[[ $output == "seen 100" ]]
	wait "$pid"
}

# Each flip is the last one until it was seen: a lost one ends the test.
@test "inotify: ConfigMap updates while others read: each wakes, none shows what was before" {
	local n=${FLIPS:-200} pid

	mkdir "$VOLUME/..v0"
	echo 0 >"$VOLUME/..v0/key"
	ln -s ..v0 "$VOLUME/..data"
	args /usr/bin/python3 /t/inotify.py reader /v
	mkfifo "$BATS_TEST_TMPDIR/out"
	HULL_DEADLINE=$((60 + n)) hull run -b "$BUNDLE" "$ID" </dev/null >"$BATS_TEST_TMPDIR/out" 3>&- &
	pid=$!
	SECONDS=0
	run timeout $((60 + n)) python3 "$PROGRAM" flipper "$VOLUME" "$n" <"$BATS_TEST_TMPDIR/out"
	echo "# $output in $SECONDS s"
	[[ $output == "seen $n "* ]]
	wait "$pid"
	[[ -z ${FLIPS-} ]] || echo "# $output in $SECONDS s" >&3
}

@test "inotify: a watch that ends, ends on the host with the next change" {
	mkdir "$VOLUME/sub"
	watch /v /v/sub
	[[ $(host_watches) -eq 2 ]]
	echo end /v/sub >&7
	wait_for 30 grep -q '/v/sub IGNORED' "$SAID"
	mkdir "$VOLUME/sub/one"
	wait_for 30 eval '[[ $(host_watches) -eq 1 ]]'
	mkdir "$VOLUME/sub/two"
	is "/v/sub IGNORED "
}

# hull-vmm stops reading at some hundred that wait for the agent; then the host's queue fills.
@test "inotify: what is too much is told as too much" {
	limit max_queued_events 100
	watch /v
	hull pause "$ID"
	python3 "$PROGRAM" now flood "$VOLUME" 4000
	hull resume "$ID"
	wait_for 60 grep -q Q_OVERFLOW "$SAID"
	mkdir "$VOLUME/after"
	wait_for 60 grep -q 'CREATE,ISDIR after' "$SAID"
}

# watch_in PATH... - as run_in, with a log in $WORK/log
watch_in() {
	args /usr/bin/python3 /t/inotify.py watch "$@"
	rm -f "$WORK/log"
	run --separate-stderr hull --log "$WORK/log" run -b "$BUNDLE" "$ID"
	echo "$output $stderr"
	cat "$WORK/log"
}

@test "inotify: the host's limits are the container's: ENOSPC, and a line in the log" {
	mkdir "$VOLUME"/{a,b,c,d}
	limit max_user_watches 2
	watch_in /v/a /v/b /v/c /v/d
	[[ $output == "error 28 No space left on device 2" ]]
	grep -q 'the guest cannot watch more files: fs.inotify.max_user_watches (No space left on device)' "$WORK/log"
	limit max_user_instances 0
	watch_in /v/a
	[[ $output == "error 28 No space left on device 0" ]]
	grep -q 'the guest cannot watch more files: fs.inotify.max_user_instances (Too many open files)' "$WORK/log"
}

@test "inotify: nothing of a container that watches nothing, or only its own files" {
	watch /t
	[[ $(host_watches) -eq 0 ]]
	echo now create /t/own >&7
	wait_for 30 grep -q "/t CREATE own" "$SAID"
}

@test "inotify: Debian's own kernel: watches work as far as the container's changes go" {
	HULL_KERNEL=$(ls /boot/vmlinuz-*-cloud-amd64)
	export HULL_KERNEL
	watch /v
	[[ $(host_watches) -eq 0 ]]
	: >"$VOLUME/silent"
	echo now create /v/own >&7
	wait_for 60 grep -q "/v CREATE own" "$SAID"
	run grep silent "$SAID"
	[[ $status -eq 1 ]]
}
