# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# The checkpoint rows: a container that has touched so much memory, none of it zero, and
# then waits. The image's pages are in the host's cache. Part of ./inside, whose names it uses.
#
# Needs $work, $bundle, $state, $out, $pairs, args, die, hull, time_of, wanted.

cp_image=$work/image

# cp_start MIB MEMORY [OPTION]... - a container cp-job that has touched MIB MiB; 0: it sleeps
cp_start() {
	if [[ $1 -eq 0 ]]; then
		args sleep infinity
	else
		args python3 -c "import signal
b = bytearray(b'hull' * (1 << 18)) * $1
print('ready', flush=True)
signal.pause()"
	fi
	jq '.root.readonly = false' <"$bundle/config.json" >"$bundle/config.new"
	mv "$bundle/config.new" "$bundle/config.json"
	: >"$work/ready"
	hull "${@:3}" --set "memory=$2" run -d -b "$bundle" cp-job </dev/null >"$work/ready" 2>&1
	for ((i = 0; $1 > 0 && i < 3000; i++)); do
		[[ ! -s $work/ready ]] || break
		sleep 0.1
	done
	[[ $1 -eq 0 || $(<"$work/ready") == ready ]] || die "cp-job: $(<"$work/ready")"
	sleep 3 # what the start has left to do is done
}

# cp_save NAME OPTION... - the line that --status-fd gets
cp_save() {
	hull checkpoint --image-path "$cp_image/$1" --status-fd 7 "${@:2}" cp-job 7>"$work/status"
	tail -c +2 "$work/status"
}

# cp_restore NAME MEMORY - ns of a lazy restore, until the container runs
cp_restore() {
	time_of -d "$work/bin/hull" --root "$state/hull" --set vcpus=1 --set "memory=$2" restore \
		--lazy-pages --image-path "$cp_image/$1" -b "$bundle" -d cp-job
	hull delete -f cp-job
}

cp_sample() {
	printf '%s\t%s\t%s\n' "$@" >>"$out"
}

measure_lazy() {
	local round ns

	cp_start 96 256M
	cp_save 128m >/dev/null
	cp_start 1920 2304M
	cp_save 2g >/dev/null
	for ((round = 0; round <= pairs; round++)); do
		for who in 2g 128m; do
			ns=$(cp_restore $who "$([[ $who == 2g ]] && echo 2304M || echo 256M)")
			[[ $round -gt 0 ]] || continue
			cp_sample restore_lazy_2g "$([[ $who == 2g ]] && echo hull || echo 128m)" "$ns"
		done
	done
	rm -r "$cp_image"
}

# measure_stop - of a container with 256 MiB: the last step after a pre-dump, a full one
measure_stop() {
	local round full last

	for ((round = 1; round <= pairs; round++)); do
		cp_start 256 1G
		full=$(cp_save full --leave-running)
		cp_save pre --pre-dump >/dev/null
		last=$(cp_save last --parent-path ../pre)
		cp_sample predump_stop hull "$(jq '.paused_us * 1000' <<<"$last")"
		cp_sample predump_stop full "$(jq '.paused_us * 1000' <<<"$full")"
		cp_sample freeze_window hull "$(jq '.taken_us * 1000' <<<"$full")"
		rm -r "$cp_image"
	done
}

# measure_bytes - KiB on the disk, beside the guest's memory that the host has given out
measure_bytes() {
	local pid ram own all

	cp_start 0 512M --set template=off
	pid=$(hull state cp-job | jq .pid)
	read -r own ram all < <(memory_of "$pid")
	cp_save idle >/dev/null
	cp_sample checkpoint_bytes hull "$(du -k "$cp_image/idle/machine" | cut -f 1)"
	cp_sample checkpoint_bytes touched "$ram"
	rm -r "$cp_image"
	: "$own" "$all"
}

measure_checkpoint() {
	! wanted restore_lazy_2g || measure_lazy
	! wanted predump_stop && ! wanted freeze_window || measure_stop
	! wanted checkpoint_bytes || measure_bytes
}
