/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets of the host's: between the shared file system and the agent. */
#include <stdio.h>
#include <sys/stat.h>

#include "vmm/container.h"
#include "vmm/fs/fs.h"
#include "vmm/main.h"
#include "vmm/sockets.h"

bool main_on_socket(void *opaque, unsigned int root, uint64_t node, int type)
{
	return sockets_ask(((struct vmm *)opaque)->sockets, root, node, type);
}

void main_on_connected(void *opaque, uint64_t token, int fd)
{
	sockets_connected(((struct vmm *)opaque)->sockets, token, fd);
}

static int ask_agent(void *opaque, unsigned int root, uint64_t node, int type,
		     agent_done_fn done, void *done_opaque)
{
	return container_socket(((struct vmm *)opaque)->container, root, node, type, done,
				done_opaque, NULL);
}

static int connect_socket(void *opaque, uint64_t node, int type, uint64_t token)
{
	return fs_connect(((struct vmm *)opaque)->fs[VM_FS_SHARED], node, type, token);
}

static void socket_done(void *opaque, uint64_t node, int type, bool ok)
{
	fs_socket_done(((struct vmm *)opaque)->fs[VM_FS_SHARED], node, type, ok);
}

static void sockets_off(void *opaque)
{
	fs_sockets_off(((struct vmm *)opaque)->fs[VM_FS_SHARED]);
}

int main_make_sockets(struct vmm *v, struct err *err)
{
	const struct sockets_params params = {
		.loop = v->loop,
		.vsock = v->vsock,
		.ask_agent = ask_agent,
		.connect = connect_socket,
		.asked = socket_done,
		.off = sockets_off,
		.opaque = v,
	};

	return v->fs[VM_FS_SHARED] ? sockets_new(&params, &v->sockets, err) : 0;
}

const char *main_place_root(struct vmm *v, const struct vm_root *root,
			    char place[FS_PLACE_SIZE])
{
	struct stat st;

	/* Nobody else's files are watched in the private device. */
	if (fstat(root->fd, &st) < 0 ||
	    !(S_ISSOCK(st.st_mode) ||
	      (S_ISREG(st.st_mode) && root->device == VM_FS_SHARED)))
		return NULL;
	(void)!snprintf(place, FS_PLACE_SIZE, "/%u", v->n_placed_roots);
	v->placed_roots[v->n_placed_roots++] = root->fd;
	return place;
}
