/* SPDX-License-Identifier: Apache-2.0 */
/* A network card starts and stops: on a vCPU thread when its driver says so, on the
 * loop when its tap comes or goes. Included several times, hence no guard. */
HULL_IOCTL(TUNSETOFFLOAD, "the driver has accepted features")
HULL_IOCTL(TUNSETQUEUE, "the driver uses so many queue pairs")
HULL_IOCTL(VHOST_SET_FEATURES, "the driver has accepted features")
HULL_IOCTL(VHOST_SET_MEM_TABLE, "guest memory, for vhost")
HULL_IOCTL(VHOST_SET_VRING_NUM, "a queue, for vhost")
HULL_IOCTL(VHOST_SET_VRING_BASE, "a queue, for vhost")
HULL_IOCTL(VHOST_SET_VRING_ADDR, "a queue, for vhost")
HULL_IOCTL(VHOST_SET_VRING_KICK, "a queue, for vhost")
HULL_IOCTL(VHOST_SET_VRING_CALL, "a queue, for vhost; its vector may change")
HULL_IOCTL(VHOST_SET_VRING_ERR, "a queue, for vhost")
HULL_IOCTL(VHOST_NET_SET_BACKEND, "vhost begins and ends to serve a queue")
HULL_IOCTL(VHOST_GET_VRING_BASE, "where vhost stopped")
