#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# File locks in a bind mount: containers and the host keep each other out.  Two containers,
# ONE and TWO, are there for all tests; who asks for locks in them came by exec.

# shellcheck disable=SC2154 # bats' run sets $stderr

load helpers

PROGRAM=$BATS_TEST_DIRNAME/locks.py

setup_file() {
	make_bundle
	cp "$PROGRAM" "$BUNDLE/rootfs/t/"
	VOLUME=$WORK/v
	ONE=${WORK##*/}-one
	TWO=${WORK##*/}-two
	export VOLUME ONE TWO
	mkdir "$VOLUME"
	echo >"$WORK/single"
	cp "$BUNDLE/config.default" "$BUNDLE/config.json"
	config '.process.terminal = false | .root.readonly = false'
	share "$VOLUME" /v
	share "$WORK/single" /single
	ID=$ONE BATS_TEST_TMPDIR=$WORK start_sleeper
	ID=$TWO BATS_TEST_TMPDIR=$WORK start_sleeper
}

setup() {
	T=$BATS_TEST_TMPDIR
	FILE=file$BATS_TEST_NUMBER
	echo old >"$VOLUME/$FILE"
	declare -gA TO=() FROM=() PID=()
}

teardown() {
	local fd

	for fd in "${TO[@]}" "${FROM[@]}"; do
		exec {fd}>&-
	done
}

teardown_file() {
	local id

	for id in $(hull list -q); do
		hull delete -f "$id"
	done
	teardown_bundle
}

# begin NAME COMMAND... - somebody who answers; $GUEST_PID, as it sees itself
begin() {
	local to from

	mkfifo "$T/$1.in" "$T/$1.out"
	"${@:2}" <"$T/$1.in" >"$T/$1.out" 2>&1 3>&- &
	PID[$1]=$!
	exec {to}>"$T/$1.in"
	exec {from}<"$T/$1.out"
	TO[$1]=$to FROM[$1]=$from
	rm "$T/$1.in" "$T/$1.out"
	hear "$1"
	[[ $ANSWER == "pid "* ]] && GUEST_PID=${ANSWER#pid }
}

on_host() {
	begin "$1" python3 "$PROGRAM" ask "${2:-$VOLUME/$FILE}"
}

# in_container NAME ID [FILE]
in_container() {
	begin "$1" hull exec "$2" /usr/bin/python3 /t/locks.py ask "${3:-/v/$FILE}"
}

# hear NAME - $ANSWER
hear() {
	read -r -t 60 -u "${FROM[$1]}" ANSWER
}

# tell NAME WORD... - without waiting for the answer
tell() {
	echo "${*:2}" >&"${TO[$1]}"
}

# is ANSWER NAME WORD...
is() {
	tell "${@:2}"
	hear "$2"
	[[ $ANSWER == "$1" ]] || fail "$2: ${*:3}: not $1 but $ANSWER"
}

# end NAME - it comes to its end
end() {
	local to=${TO[$1]}

	exec {to}>&-
	unset "TO[$1]"
	wait "${PID[$1]}"
}

# ended NAME - it has
ended() {
	! kill -0 "${PID[$1]}" 2>/dev/null
}

# free KIND - the host can have it, soon
free() {
	is yes host "$1" try write && is yes host "$1" drop
}

@test "locks: host and containers keep each other out, whatever kind of lock it is" {
	on_host host
	in_container one "$ONE"
	in_container two "$TWO"
	for kind in posix ofd flock; do
		is yes host "$kind" try write
		is no one "$kind" try read
		is yes host "$kind" drop
		is yes one "$kind" try write
		is no host "$kind" try read
		is no two "$kind" try write
		is yes one "$kind" drop
		is yes two "$kind" try read
		is yes host "$kind" try read
		is no one "$kind" try write
		is yes one "$kind" try read
		for who in one two host; do
			is yes "$who" "$kind" drop
		done
	done
	# Pieces of it.
	is yes one posix try write 10 10
	is yes host posix try write 20 10
	is no two posix try write 19 1
	is no one posix try write 0 0
	is "1 20 10 0" two posix test read 20 5
	is "1 10 10 0" two posix test read 0 20
	is "2 30 0 0" two posix test write 30 0
	is yes one posix drop write 12 3
	is yes two posix try read 12 3
	is no host posix try write 14 1
}

@test "locks: whoever waits gets it, and sees what was written before; or is killed" {
	on_host host
	in_container one "$ONE"
	for kind in posix ofd flock; do
		is yes host "$kind" try write
		is no one "$kind" try write
		tell one "$kind" wait write
		is written host write "$kind-new"
		is yes host "$kind" drop
		hear one
		[[ $ANSWER == "yes $kind-new" ]]
		is no host "$kind" try write
		is yes one "$kind" drop
	done
	is yes host flock try write
	tell one flock wait write
	# shellcheck disable=SC2016 # for the container
	hull exec "$ONE" /bin/sh -c 'kill -9 $0' "$GUEST_PID"
	wait_for 10 ended one
	is yes host flock drop
}

# take_all - of every kind; a process' own keep its open files out, too
take_all() {
	is yes one posix try write 0 10
	is yes one ofd try write 10 10
	is yes one flock try write
	is no host posix try read 0 10
	is no host ofd try read 10 10
	is no host flock try read
}

@test "locks: they end with the file, the process, and the container" {
	on_host host
	in_container one "$ONE"
	is yes one posix try write
	is no host posix try write
	is closed one close
	free posix
	take_all
	end one
	for kind in posix ofd flock; do
		free "$kind"
	done
	in_container one "$ONE"
	take_all
	# shellcheck disable=SC2016 # for the container
	hull exec "$ONE" /bin/sh -c 'kill -9 $0' "$GUEST_PID"
	wait_for 30 ended one
	for kind in posix ofd flock; do
		wait_for 10 free "$kind"
	done
}

@test "locks: a file that is mounted alone; the root file system's stay in the machine" {
	on_host host "$WORK/single"
	in_container one "$ONE" /single
	in_container again "$ONE" /single
	for kind in posix ofd flock; do
		is yes one "$kind" try write
		is no again "$kind" try read
		is no host "$kind" try read
		is yes one "$kind" drop
		free "$kind"
	done
	echo >"$BUNDLE/rootfs/t/private"
	in_container in1 "$ONE" /t/private
	in_container in2 "$ONE" /t/private
	is yes in1 posix try write
	is no in2 posix try write
	is yes in1 posix drop
	is yes in2 posix try write
}

@test "locks: two containers and the host count, and none is lost" {
	for kind in posix flock ofd; do
		echo 0 >"$VOLUME/$FILE"
		hull exec "$ONE" /usr/bin/python3 /t/locks.py count "/v/$FILE" "$kind" 30 3>&- &
		one=$!
		hull exec "$TWO" /usr/bin/python3 /t/locks.py count "/v/$FILE" "$kind" 30 3>&- &
		two=$!
		python3 "$PROGRAM" count "$VOLUME/$FILE" "$kind" 30
		wait "$one"
		wait "$two"
		[[ $(<"$VOLUME/$FILE") == 90 ]]
	done
}

@test "locks: one SQLite database, two containers" {
	python3 -c 'import sqlite3, sys
sqlite3.connect(sys.argv[1]).execute("CREATE TABLE t (n INTEGER PRIMARY KEY, who TEXT, i INTEGER)")' "$VOLUME/db"
	hull exec "$ONE" /usr/bin/python3 /t/locks.py sqlite /v/db 12 one 3>&- &
	one=$!
	hull exec "$TWO" /usr/bin/python3 /t/locks.py sqlite /v/db 12 two 3>&- &
	two=$!
	python3 "$PROGRAM" sqlite "$VOLUME/db" 12 host
	wait "$one"
	wait "$two"
	run python3 -c 'import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
print(db.execute("PRAGMA integrity_check").fetchone(), db.execute("SELECT who, count(*), max(i) FROM t GROUP BY who").fetchall())' "$VOLUME/db"
	echo "$output"
	[[ $output == "('ok',) [('host', 12, 11), ('one', 12, 11), ('two', 12, 11)]" ]]
}

# The last one: TWO is gone afterwards.
@test "locks: a checkpoint has them, a restore takes them again, and kill -9 of hull-vmm frees them" {
	on_host host
	# shellcheck disable=SC2016 # for the container
	hull exec "$TWO" /bin/sh -c 'exec 8<>"/v/$1"; flock 8; exec sleep 1000' sh "$FILE" </dev/null >/dev/null 2>&1 3>&- &
	wait_for 30 eval '! free flock'
	hull checkpoint --image-path "$WORK/image" "$TWO"
	wait_for 10 free flock
	is yes host flock try read
	run --separate-stderr hull restore --image-path "$WORK/image" -b "$BUNDLE" -d "$TWO" </dev/null
	[[ $status -ne 0 ]]
	[[ $stderr == *"'/$FILE', of which it had a lock, is locked by another"* ]]
	is yes host flock drop
	hull restore --image-path "$WORK/image" -b "$BUNDLE" -d "$TWO" </dev/null >/dev/null 2>"$T/err"
	is no host flock try write
	kill -9 "$(pid_of "$TWO")"
	wait_for 10 free flock
}
