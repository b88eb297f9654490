# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# docker with networks, for the files docker_network*.bats: the host is 172.30.0.1 on the
# default bridge.

DOCKER_NETWORK='"bip": "172.30.0.1/24", "default-address-pools": [{"base": "172.31.0.0/16", "size": 24}],'
load docker
