#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# containerd with Debian's CNI plugins: ctr run --cni, with bridge, host-local, portmap

load containerd

setup() {
	mkdir -p /etc/cni/net.d /opt/cni
	[[ -e /opt/cni/bin ]] || ln -s /usr/lib/cni /opt/cni/bin
	cat >/etc/cni/net.d/10-hull.conflist <<-END
		{
			"cniVersion": "0.4.0", "name": "hull", "plugins": [
				{ "type": "bridge", "bridge": "cni-hull", "isGateway": true, "ipMasq": true, "mtu": 1400,
				  "ipam": { "type": "host-local", "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}],
				    "ranges": [[{"subnet": "10.66.0.0/24"}], [{"subnet": "fd00:66::/64"}]] } },
				{ "type": "portmap", "capabilities": {"portMappings": true} }
			]
		}
	END
}

@test "ctr run --cni: addresses of both families, an MTU of 1400, a gateway that answers" {
	run con run --rm --cni --runc-binary "$PREFIX/bin/hull" --env PATH=/bin --rootfs "$WORK/image" box sh -c \
		'ip addr show dev eth0; ip route; ping -c 1 -W 5 10.66.0.1 && ping -6 -c 1 -W 5 fd00:66::1'
	echo "$output"
	[[ $status -eq 0 ]]
	[[ $output == *'inet 10.66.0.'*'/24 '* && $output == *'inet6 fd00:66::'* ]]
	[[ $output == *'default via 10.66.0.1 dev eth0'* && $output == *' mtu 1400 '* ]]
}

# plugin COMMAND TYPE INTERFACE - a CNI plugin, its configuration on stdin
plugin() {
	CNI_COMMAND=$1 CNI_CONTAINERID=box CNI_NETNS=/run/netns/hull-cni CNI_IFNAME=$3 CNI_PATH=/usr/lib/cni \
		timeout 60 "/usr/lib/cni/$2"
}

# as_cri COMMAND - what the CRI's plugin of containerd does for a pod: loopback, then each
# plugin of the list; port 8083 of the host is the container's 80
as_cri() {
	local list=/etc/cni/net.d/10-hull.conflist result

	echo '{"cniVersion": "0.4.0", "name": "lo", "type": "loopback"}' | plugin "$1" loopback lo >/dev/null
	result=$(jq '.plugins[0] + {cniVersion, name}' "$list" | plugin "$1" bridge eth0)
	jq --argjson result "${result:-null}" '.plugins[1] + {cniVersion, name, prevResult: $result,
		runtimeConfig: {portMappings: [{hostPort: 8083, containerPort: 80, protocol: "tcp"}]}}
		| if .prevResult then . else del(.prevResult) end' "$list" | plugin "$1" portmap eth0 >/dev/null
}

# links - what is in the namespace, less the queue length that `ip` shows of some kinds only
links() {
	ip -n hull-cni -d link show | sed -E 's/qlen [0-9]+//'
	tc -n hull-cni qdisc show
}

page() {
	timeout 5 busybox wget -qO- http://127.0.0.1:8083/
}

@test "a namespace filled by loopback, bridge, host-local and portmap: a published port, and nothing left in it" {
	local before

	ip netns add hull-cni
	as_cri DEL || true # what a run that failed has left
	as_cri ADD
	before=$(links)
	con run -d --with-ns network:/run/netns/hull-cni --runc-binary "$PREFIX/bin/hull" --env PATH=/bin --rootfs "$WORK/image" box sh -c \
		'mkdir -p /tmp/www; echo box >/tmp/www/index.html; exec httpd -f -p 80 -h /tmp/www'
	wait_for 30 page
	[[ $(page) == box ]]
	con tasks exec --exec-id 1 box ping -c 1 -W 5 127.0.0.1
	con tasks kill -s KILL box
	wait_for 20 gone
	con containers rm box
	wait_for 10 eval 'diff <(links) - <<<"$before"'
	as_cri DEL || true # the plugins' own; what hull leaves was looked at
	ip netns del hull-cni
}
