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
				{ "type": "bridge", "bridge": "cni-hull", "isGateway": true, "ipMasq": true,
				  "ipam": { "type": "host-local", "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}],
				    "ranges": [[{"subnet": "10.66.0.0/24"}], [{"subnet": "fd00:66::/64"}]] } },
				{ "type": "portmap", "capabilities": {"portMappings": true} }
			]
		}
	END
}

@test "ctr run --cni: addresses of both families, a gateway that answers" {
	run con run --rm --cni --runc-binary "$PREFIX/bin/hull" --env PATH=/bin --rootfs "$WORK/image" box sh -c \
		'ip addr show dev eth0; ip route; ping -c 1 -W 5 10.66.0.1 && ping -6 -c 1 -W 5 fd00:66::1'
	echo "$output"
	[[ $status -eq 0 ]]
	[[ $output == *'inet 10.66.0.'*'/24 '* && $output == *'inet6 fd00:66::'* ]]
	[[ $output == *'default via 10.66.0.1 dev eth0'* ]]
}
