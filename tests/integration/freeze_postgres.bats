#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# freeze: copies of a PostgreSQL cluster that commits without a pause.  FREEZE_COPIES (5):
# how many.

load freeze

pg=/usr/lib/postgresql/15/bin

# as_postgres COMMAND... - on the host
as_postgres() {
	setpriv --reuid postgres --regid postgres --clear-groups "$@"
}

# query CLUSTER SQL - what a server that recovers CLUSTER answers, "column = "value""
query() {
	as_postgres "$pg/postgres" --single -D "$1" postgres <<<"$2" 2>>"$WORK/recovery" |
		sed -n 's/^\t *1: \(.*\)\t(typeid.*/\1/p'
}

@test "freeze: the copies of a PostgreSQL cluster recover, with all that was committed" {
	chmod a+x "$WORK" # for postgres
	rm -rf "$BUNDLE/rootfs/t"/*
	: >"$BUNDLE/rootfs/t/ticks"
	chown -R postgres: "$BUNDLE/rootfs/t"
	as_postgres "$pg/initdb" --no-sync -D "$BUNDLE/rootfs/t/cluster" >"$WORK/initdb" ||
		{ cat "$WORK/initdb"; false; }
	# psql prints a row once it is committed, and writes it out at once
	args /bin/sh -ec "
		$pg/postgres -D /t/cluster -c listen_addresses= -c unix_socket_directories=/t \
			-c dynamic_shared_memory_type=mmap -c checkpoint_timeout=30s &
		until $pg/psql -h /t -qc 'create table rows (n integer)' postgres; do sleep 1; done
		n=0
		while :; do n=\$((n + 1)); echo \"insert into rows values (\$n) returning n;\"; done |
			$pg/psql -h /t -qAt postgres >>/t/ticks"
	# shellcheck disable=SC2016 # jq's variables
	config --argjson uid "$(id -u postgres)" --argjson gid "$(id -g postgres)" \
		'.process.user = {uid: $uid, gid: $gid}'
	hull run -d -b "$BUNDLE" "$ID" </dev/null >"$WORK/out" 2>&1
	wait_for 100 more_than 3 || { cat "$WORK/out"; false; }
	for _ in $(seq "${FREEZE_COPIES:-5}"); do
		rm -rf "$WORK/copy"
		hull freeze "$ID" -- cp -a "$BUNDLE/rootfs/t" "$WORK/copy"
		goes_on
		: >"$WORK/recovery"
		acknowledged=$(tail -n 1 "$WORK/copy/ticks")
		run query "$WORK/copy/cluster" \
			"select count(*) || ' of ' || max(n) from rows having max(n) - $acknowledged in (0, 1)"
		cat "$WORK/recovery"
		echo "$acknowledged acknowledged: $output"
		grep -q 'automatic recovery in progress' "$WORK/recovery"
		[[ $output =~ \"([0-9]+)\ of\ ([0-9]+)\" && ${BASH_REMATCH[1]} -eq ${BASH_REMATCH[2]} ]]
	done
}
