# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What the files about the network share: two network namespaces for each test, $NS for the
# container and $PEER, and veths between them.

load helpers

setup() {
	setup_network
}

# setup_network - the bundle's configuration, and the names of namespaces; a test has its
# own, teardown takes them away
setup_network() {
	ID=${WORK##*/}-$BATS_TEST_NUMBER
	NS=$ID-c PEER=$ID-p
	cp "$BUNDLE/config.default" "$BUNDLE/config.json"
	config '.process.terminal = false | .root.readonly = false
		| .process.capabilities |= with_entries(.value += ["CAP_NET_RAW", "CAP_NET_ADMIN"])'
	ip netns add "$NS"
	ip netns add "$PEER"
	ip -n "$PEER" link set lo up
}

teardown() {
	local id ns pids

	for id in $(hull list -q); do
		hull delete -f "$id"
	done
	for ns in "$NS" "$PEER"; do
		pids=$(ip netns pids "$ns")
		# shellcheck disable=SC2086 # several pids
		[[ -z $pids ]] || kill $pids
		ip netns del "$ns"
	done
}

# link [NAME NUMBER] - a veth from $PEER (p0, 10.9.0.1) to $NS (NAME eth0, 10.9.0.2)
link() {
	local name=${1-eth0} n=${2-0}

	ip -n "$PEER" link add "p$n" type veth peer name "$name" netns "$NS"
	ip -n "$PEER" addr add "10.9.$n.1/24" dev "p$n"
	ip -n "$PEER" addr add "fd00:9:$n::1/64" dev "p$n" nodad
	ip -n "$PEER" link set "p$n" up
	ip -n "$NS" addr add "10.9.$n.2/24" dev "$name"
	ip -n "$NS" addr add "fd00:9:$n::2/64" dev "$name" nodad
	ip -n "$NS" link set "$name" up
	wait_for 10 has_carrier "$name"
}

has_carrier() {
	ip -n "$NS" link show "$1" | grep -q 'state UP'
}

# join - the container is to have $NS as its network namespace
join() {
	config --arg p "/run/netns/$NS" \
		'.linux.namespaces |= map(if .type == "network" then .path = $p else . end)'
}

# in_peer COMMAND... - in the namespace at the other end
in_peer() {
	ip netns exec "$PEER" "$@"
}

# answers ADDRESS - the peer is answered from there
answers() {
	in_peer ping -c 1 -W 1 "$1" >/dev/null
}

# as_before - the namespace looks as it did when `before` was noted
note() {
	ip -n "$NS" -d link show | sed -E 's/qlen [0-9]+//' >"$BATS_TEST_TMPDIR/links"
	tc -n "$NS" qdisc show >"$BATS_TEST_TMPDIR/qdiscs"
}

as_before() {
	diff "$BATS_TEST_TMPDIR/links" <(ip -n "$NS" -d link show | sed -E 's/qlen [0-9]+//') &&
		diff "$BATS_TEST_TMPDIR/qdiscs" <(tc -n "$NS" qdisc show)
}
