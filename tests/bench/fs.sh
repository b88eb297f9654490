# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# The file system rows: one job (see ./job) in hull's container, in the guest of QEMU and
# virtiofsd, and on this machine. Each sees the same overlay as its root and the same
# folder as /bench/volume. Part of ./inside, whose names it uses.
#
# Needs $here, $work, $bundle, $state, $out, $pairs, $seconds, args, die, qemu, time_of,
# wanted.

fs_all=(untar git_status_first git_status_second make randread_mmap randread_pread
	seqread seqwrite dd512_rootfs dd512_bind)
fs_memory=1G
fs_scale=${BENCH_FS_SCALE:-1}
fs_root=$bundle/rootfs
fs_failed=''

# fs_rows - those that are wanted, with commas between
fs_rows() {
	local row
	local -a rows=()

	for row in "${fs_all[@]}"; do
		! wanted "fs_$row" || rows+=("$row")
	done
	(IFS=, && echo "${rows[*]}")
}

# fs_folder ROW - where its files are, for all who run it
fs_folder() {
	[[ $1 == dd512_bind ]] && echo /bench/volume || echo /bench/data
}

# fs_bundle ARG... - a container that may drop the guest's caches and has a volume
fs_bundle() {
	args "$@"
	jq --arg volume "$work/volume" '
		.process.noNewPrivileges = false |
		(["CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "SYS_ADMIN"] | map("CAP_" + .)) as $more |
		.process.capabilities |= map_values(. + $more) |
		.root.readonly = false | .linux.readonlyPaths = [] |
		.mounts += [
			{destination: "/tmp", type: "tmpfs", source: "tmpfs"},
			{destination: "/bench/volume", type: "bind", source: $volume, options: ["rbind", "rw"]}
		]' <"$bundle/config.json" >"$bundle/config.new"
	mv "$bundle/config.new" "$bundle/config.json"
}

# ---- who runs jobs: ROW,... FOLDER, and a phase other than run -------------------------

# fs_hull ROW,... FOLDER [PHASE [OPTION...]]
fs_hull() {
	fs_bundle /bench/job "$1" "${3:-run}" "$2" "$fs_scale" guest
	time_of "$work/bin/hull" --root "$state/hull" --set vcpus=1 --set memory=$fs_memory \
		"${@:4}" run -b "$bundle" fs-job >/dev/null
}

fs_virtiofsd() {
	qemu $fs_memory "/bench/job $1 run $2 $fs_scale guest" \
		"root always $fs_root" "volume auto $work/volume" >/dev/null
}

# In a mount namespace of its own, with the mounts that a container has
fs_host() {
	cat >"$work/host" <<-END
		mount -t proc proc $fs_root/proc
		mount --rbind /dev $fs_root/dev
		mount --bind $work/volume $fs_root/bench/volume
		mount -t tmpfs tmp $fs_root/tmp
		exec chroot $fs_root /bench/job $1 ${3:-run} $2 $fs_scale host
	END
	time_of unshare --mount sh -e "$work/host" >/dev/null
}

# fs_clean - what jobs have written
fs_clean() {
	rm -rf "$fs_root"/bench/data/*/{out,warm} "$fs_root"/bench/result/* "$work"/volume/*
}

# fs_sample PREFIX WHO ROW,... FOLDER - one run of jobs, a sample of each
fs_sample() {
	local row value

	"fs_$2" "$3" "$4"
	for row in ${3//,/ }; do
		value=$(cat "$fs_root/bench/result/$row")
		printf '%s\t%s\t%s\n' "$1$row" "$2" "$value" >>"$out"
	done
}

# fs_try COMMAND... - one that fails takes nothing else with it
fs_try() {
	("$@") &
	wait $! || fs_failed+="; $*"
	fs_clean
}

# ---- counters --------------------------------------------------------------------------

# fs_counters ROW PHASE - lines "name count" of one run: exits, kvm_exits, and each
# opcode of both devices
fs_counters() {
	local log=$work/hull.log

	rm -f "$log"
	fs_hull "$1" "$(fs_folder "$1")" "$2" --debug --log "$log"
	fs_clean
	sed -n 's/^.*counters: \([0-9]*\) exits to hull-vmm, \([0-9]*\) exits in all.*/exits \1\nkvm_exits \2/p
		s/^.*: requests: //p' "$log" | awk '
		$1 ~ /=/ { gsub(/=/, " ") }
		{ for (i = 1; i < NF; i += 2) count[$i] += $(i + 1) }
		END { for (name in count) print name, count[name] }'
}

# fs_count ROW - the counters of its job for each operation
fs_count() {
	local ops

	ops=$("$fs_root/bench/job" "$1" ops / "$fs_scale" host)
	{
		fs_counters "$1" warm | sed 's/^/- /'
		fs_counters "$1" run | sed 's/^/+ /'
	} | awk -v OFS='\t' -v row="fs_$1" -v ops="$ops" '
		$1 == "+" { count[$2] += $3 }
		$1 == "-" { count[$2] -= $3 }
		END {
			if (!("exits" in count) || !("LOOKUP" in count))
				exit 1
			for (name in count) {
				if (name ~ /exits$/) {
					print row "_" name, "hull", count[name] / ops
					continue
				}
				all += count[name]
				if (count[name])
					print row "_requests:" name, "hull", count[name] / ops
			}
			print row "_requests", "hull", all / ops
		}' >>"$out" || die "no counters of $1"
}

# ---- all -------------------------------------------------------------------------------

# fs_prepare ROW,... - their input, which is in this machine's page cache afterwards, as
# are the programs
fs_prepare() {
	mkdir -p "$fs_root"/bench/{data,result,volume} "$work/volume"
	cp "$here/job" "$fs_root/bench/"
	fs_host "$1" /bench/data data
	fs_host "$1" /bench/data
	fs_clean
}

# fs_round ROW,... - a machine for each sample: one that hangs in a lab is lost alone
fs_round() {
	local row who

	for row in ${1//,/ }; do
		for who in hull virtiofsd host; do
			fs_try fs_sample fs_ $who "$row" "$(fs_folder "$row")"
		done
		wanted nested_tax && [[ $row != dd512_bind ]] || continue # on tmpfs as dd512_rootfs
		for who in hull host; do
			fs_try fs_sample nested_tax:fs_ $who "$row" /tmp/data
		done
	done
}

measure_fs() {
	local rows round row

	rows=$(fs_rows)
	[[ -n $rows ]] || return 0
	fs_prepare "$rows"
	for ((round = 1; round <= pairs; round++)); do
		fs_round "$rows"
		[[ ! -t 2 ]] || printf '\rbench: fs %d/%d ' "$round" "$pairs" >&2
	done
	[[ ! -t 2 ]] || echo >&2
	for row in ${rows//,/ }; do
		! wanted fs_counters || fs_try fs_count "$row"
	done
	[[ -z $fs_failed ]] || die "failed: ${fs_failed#; }"
}
