# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# The network rows: one job (see ./netjob) in hull's container, in the guest of QEMU with
# vhost, and in runc's container, all behind the same veth in the same namespace; the other
# end is a namespace with the servers. Part of ./inside, whose names it uses.
#
# Needs $here, $work, $bundle, $state, $out, $pairs, $seconds, args, die, qemu_pci, time_of,
# wanted.

net_all=(tcp_tx tcp_rx tcp4_tx tcp4_rx udp_pps latency)
net_ns=hull-bench net_peer=hull-bench-peer
net_scale=${BENCH_NET_SCALE:-10}
net_root=$bundle/rootfs
net_failed=''

# net_amount ROW - what it moves: MiB, datagrams, exchanges
net_amount() {
	case $1 in
	udp_pps) echo $((2000 * net_scale)) ;;
	latency) echo $((200 * net_scale)) ;;
	*) echo $((10 * net_scale)) ;;
	esac
}

net_bundle() {
	args "$@"
	jq --arg path "/run/netns/$net_ns" '.root.readonly = false |
		(["NET_RAW", "NET_ADMIN", "DAC_OVERRIDE"] | map("CAP_" + .)) as $more |
		.process.capabilities |= map_values(. + $more) |
		.linux.namespaces |= map(if .type == "network" then .path = $path else . end)
		' <"$bundle/config.json" >"$bundle/config.new"
	mv "$bundle/config.new" "$bundle/config.json"
}

# net_run ENGINE - the container; one that was late the first time is ended
net_run() {
	time_of sh -c "$1 delete -f net-job 2>/dev/null; exec $1 run -b $bundle net-job" >/dev/null
}

# ---- who runs jobs: ROW -----------------------------------------------------------------

# net_of_hull ROW VHOST
net_of_hull() {
	net_bundle /bench/netjob "$1" "$(net_amount "$1")"
	net_run "$work/bin/hull --root $state/hull --set vcpus=1 --set memory=512M --set net.vhost=$2"
}

net_hull() { net_of_hull "$1" on; }
net_hull_tap() { net_of_hull "$1" off; }

net_runc() {
	net_bundle /bench/netjob "$1" "$(net_amount "$1")"
	net_run "runc --root $state/runc"
}

# A tap at the container's end of the veth, joined to it as hull-net joins its own
net_qemu_vhost() {
	local -a in=(ip netns exec "$net_ns")

	"${in[@]}" ip tuntap add dev tap0 mode tap vnet_hdr
	"${in[@]}" ip link set tap0 up
	"${in[@]}" tc qdisc add dev tap0 ingress
	"${in[@]}" tc qdisc add dev eth0 ingress
	"${in[@]}" tc filter add dev tap0 parent ffff: matchall action mirred egress redirect dev eth0
	"${in[@]}" tc filter add dev eth0 parent ffff: matchall action mirred egress redirect dev tap0
	qemu_pci 512M "/bench/netjob $1 $(net_amount "$1") setup" "$net_ns" \
		"-netdev tap,id=n,ifname=tap0,script=no,downscript=no,vhost=on
		-device virtio-net-pci,netdev=n,mac=$("${in[@]}" cat /sys/class/net/eth0/address),romfile=" \
		"root always $net_root" "volume auto $work/volume" >/dev/null || true
	"${in[@]}" tc qdisc del dev eth0 ingress
	"${in[@]}" ip link del tap0
}

# ---- samples -----------------------------------------------------------------------------

# net_result ROW - what the job has found
net_result() {
	local result=$net_root/bench/result

	case $1 in
	latency) cat "$result/net" ;;
	udp_pps) jq '.end.sum | (.packets - .lost_packets) / .seconds | floor' "$result/net.json" ;;
	*) jq '.end.sum_received.bits_per_second / 8 | floor' "$result/net.json" ;;
	esac
}

# busy - (ms) that the CPUs of this machine have worked, guests included
busy() {
	awk '$1 == "cpu" { print ($2 + $3 + $4 + $7 + $8) * 10; exit }' /proc/stat
}

# net_sample ROW WHO - one run of a job
net_sample() {
	local begin value used

	rm -f "$net_root"/bench/result/net*
	begin=$(busy)
	"net_$2" "$1"
	used=$(($(busy) - begin))
	value=$(net_result "$1")
	[[ $value -gt 0 ]] || die "net_$1: no result of $2"
	case $2 in
	hull_tap) printf 'net_tap_%s\thull\t%s\n' "$1" "$value" >>"$out" ;;
	qemu_vhost) printf 'net_%s\tqemu_vhost\t%s\nnet_tap_%s\tqemu_vhost\t%s\n' "$1" "$value" "$1" "$value" >>"$out" ;;
	*) printf 'net_%s\t%s\t%s\n' "$1" "$2" "$value" >>"$out" ;;
	esac
	[[ $1 != tcp_tx || $2 == hull_tap ]] ||
		printf 'net_cpu_per_gb\t%s\t%s\n' "$2" $((used * 1024 * 1000000 / $(net_amount "$1"))) >>"$out"
}

net_prepare() {
	mkdir -p "$net_root"/bench/{result,volume} "$work/volume"
	cp "$here/netjob" "$work/rr" "$net_root/bench/"
	ip netns add $net_ns
	ip netns add $net_peer
	ip -n $net_peer link add p0 type veth peer name eth0 netns $net_ns
	ip -n $net_peer addr add 10.9.0.1/24 dev p0
	ip -n $net_peer link set p0 up
	ip -n $net_ns addr add 10.9.0.2/24 dev eth0
	ip -n $net_ns link set eth0 up
	ip -n $net_ns link set lo up
	ip netns exec $net_peer iperf3 -s -D >/dev/null
	ip netns exec $net_peer "$work/rr" serve 5202 &
}

# net_leave - also after an error
net_leave() {
	local ns pids

	for ns in $net_ns $net_peer; do
		pids=$(ip netns pids "$ns" 2>/dev/null || true)
		# shellcheck disable=SC2086 # several
		[[ -z $pids ]] || kill $pids
		ip netns del "$ns" 2>/dev/null || true
	done
}

net_try() {
	("$@") &
	wait $! || net_failed+="; $*"
}

measure_net() {
	local -a rows=()
	local row round who

	for row in "${net_all[@]}"; do
		! wanted "net_$row" || rows+=("$row")
	done
	[[ ${#rows[@]} -gt 0 ]] || return 0
	net_prepare
	for ((round = 1; round <= pairs; round++)); do
		for row in "${rows[@]}"; do
			for who in hull hull_tap qemu_vhost runc; do
				net_try net_sample "$row" $who
			done
		done
		[[ ! -t 2 ]] || printf '\rbench: net %d/%d ' "$round" "$pairs" >&2
	done
	[[ ! -t 2 ]] || echo >&2
	net_leave
	[[ -z $net_failed ]] || die "failed: ${net_failed#; }"
}
