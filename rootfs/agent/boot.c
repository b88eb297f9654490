/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: the root
 *
 * The initramfs is the kernel's first root, which nobody can pivot away from.  So
 * the agent covers it with a tmpfs and moves in there, as switch_root does;
 * containers then leave that one by pivot_root like on any host.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/random.h>
#include <linux/reboot.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/path.h"
#include "oci/mount.h"
#include "oci/spec.h"
#include "rootfs/agent/boot.h"
#include "rootfs/agent/devices.h"
#include "rootfs/agent/fuse_raise.h"
#include "vmm/agent_proto.h"

#define MAX_MODULES (64u << 10) /* (bytes) of the list /modules */

static const char *const dirs[] = {
	"dev", "proc", "cgroup", "run", "run/hull", "run/hull/private", "run/hull/shared",
};

static const struct {
	const char *path;
	mode_t mode;
	unsigned int minor; /* of major 1 */
} nodes[] = {
	{ "dev/null", S_IFCHR | 0666, 3 },
	{ "dev/urandom", S_IFCHR | 0666, 9 },
	{ "dev/kmsg", S_IFCHR | 0600, 11 },
};

static int load_module(const char *path, struct err *err)
{
	auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return err_set(err, errno, "open '%s'", path);
	/* One that is built in, or has no device here, is none of our troubles. */
	if (syscall(SYS_finit_module, fd, "", 0) < 0 && errno != EEXIST &&
	    errno != ENODEV)
		return err_set(err, errno, "load module '%s'", path);
	return 0;
}

int boot_modules(struct err *err)
{
	auto_buf struct buf list = BUF_INIT;
	char *p;
	int ret;

	if (access("/modules", R_OK) < 0)
		return 0;
	ret = io_read_file(AT_FDCWD, "/modules", MAX_MODULES, &list, err);
	for (p = list.data; ret == 0 && p && *p;) {
		size_t len = strcspn(p, "\n");
		bool more = p[len];

		p[len] = 0;
		if (len)
			ret = load_module(p, err);
		p += len + more;
	}
	return ret;
}

static int move_root(struct err *err)
{
	if (mkdir("/root", 0700) < 0 && errno != EEXIST)
		return err_set(err, errno, "mkdir '/root'");
	if (mount("root", "/root", "tmpfs", 0, "mode=0755") < 0)
		return err_set(err, errno, "mount the root");
	if (chdir("/root") < 0)
		return err_set(err, errno, "chdir '/root'");
	for (unsigned int i = 0; i < ARRAY_SIZE(dirs); i++)
		if (mkdir(dirs[i], 0755) < 0)
			return err_set(err, errno, "mkdir '/%s'", dirs[i]);
	for (unsigned int i = 0; i < ARRAY_SIZE(nodes); i++)
		if (mknod(nodes[i].path, nodes[i].mode, makedev(1, nodes[i].minor)) < 0)
			return err_set(err, errno, "mknod '/%s'", nodes[i].path);
	if (mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 || chdir("/") < 0)
		return err_set(err, errno, "move the root");
	return 0;
}

/*
 * make_ready() - what the first container would change in the kernel's text, for good.  A
 * kernel that cannot do it says so to the container that needs it.
 */
static void make_ready(void)
{
	auto_fd int fd = open(BOOT_CONTAINERS_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0)
		(void)devices_restrict_nothing(fd, NULL);
}

/* make_cgroups() - one for the containers', with all controllers that there are. */
static int make_cgroups(struct err *err)
{
	auto_buf struct buf list = BUF_INIT;
	auto_buf struct buf enable = BUF_INIT;
	int ret = io_read_file(AT_FDCWD, BOOT_CGROUP_DIR "/cgroup.controllers", 4096,
			       &list, err);

	if (ret < 0)
		return ret;
	for (const char *p = list.data; p && *p;) {
		size_t len = strcspn(p, " \n");

		if (len)
			buf_printf(&enable, "+%.*s ", (int)len, p);
		p += len + !!p[len];
	}
	if (buf_ok(&enable) < 0)
		return err_set(err, ENOMEM, "cgroup controllers");
	if (enable.len)
		ret = io_write_file(AT_FDCWD, BOOT_CGROUP_DIR "/cgroup.subtree_control",
				    enable.data, err);
	if (ret >= 0 && mkdir(BOOT_CONTAINERS_DIR, 0755) < 0)
		return err_set(err, errno, "make cgroup '%s'", BOOT_CONTAINERS_DIR);
	if (ret >= 0 && enable.len)
		ret = io_write_file(AT_FDCWD,
				    BOOT_CONTAINERS_DIR "/cgroup.subtree_control",
				    enable.data, err);
	if (ret < 0)
		return ret;
	/* What a container has of it counts up to what the cgroup above has.  Without the
	 * memory controller there are no such files, nor any for containers. */
	(void)io_write_file(AT_FDCWD, BOOT_CONTAINERS_DIR "/memory.min", "max", NULL);
	(void)io_write_file(AT_FDCWD, BOOT_CONTAINERS_DIR "/memory.low", "max", NULL);
	make_ready();
	return 0;
}

static int mount_fs(const char *tag, const char *dir, struct err *err)
{
	if (mount(tag, dir, "virtiofs", 0, NULL) < 0)
		return err_set(err, errno, "mount virtio-fs '%s'", tag);
	return 0;
}

int boot_mounts(struct err *err)
{
	int ret;

	(void)umask(0);
	ret = move_root(err);
	if (ret < 0)
		return ret;
	if (mount("proc", "/proc", "proc", 0, NULL) < 0)
		return err_set(err, errno, "mount '/proc'");
	if (mount("cgroup2", BOOT_CGROUP_DIR, "cgroup2", 0, "nsdelegate") < 0)
		return err_set(err, errno, "mount cgroup2");
	ret = make_cgroups(err);
	return ret < 0 ? ret : mount_fs("private", AGENT_PRIVATE_DIR, err);
}

/* visit() - have the kernel mount the root that @path is, if it is one. */
static void visit(const char *path)
{
	/* Not in the container's mount namespace, where each would get its own. */
	close_fd(open(path, O_PATH | O_DIRECTORY | O_CLOEXEC));
}

/* socket_dirs - AGENT_SOCKET_DIR of each shared root that is a folder; 0: not open */
static int socket_dirs[AGENT_SOCKET_TOP];
static int shared_fd = -1; /* the top of the shared device, once it was needed */

/*
 * visit_shared() - and keep the folder for sockets open: a process that looks up a socket
 * in the root itself keeps that locked until the agent has bound one, and may not look
 * up a name there meanwhile if a third one waits to change something.
 */
static void visit_shared(const char *path)
{
	auto_fd int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	unsigned int root;
	int dir;

	if (fd < 0 || sscanf(path, AGENT_SHARED_DIR "/%u", &root) != 1 ||
	    root >= AGENT_SOCKET_TOP || socket_dirs[root] > 0)
		return;
	dir = openat(fd, AGENT_SOCKET_DIR, O_PATH | O_DIRECTORY | O_CLOEXEC);
	socket_dirs[root] = dir < 0 ? 0 : dir;
}

int boot_raise_event(void *opaque, const struct agent_notice *notice, const char *name)
{
	struct fuse_raise raise = {
		.nodeid = notice->node,
		.mask = notice->mask,
		.cookie = notice->cookie,
		.namelen = notice->name_len,
	};
	int ret;

	(void)opaque;
	if (notice->name_len >= sizeof(raise.name))
		return -EPROTO;
	memcpy(raise.name, name, notice->name_len);
	if (shared_fd < 0)
		shared_fd = open(AGENT_SHARED_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (shared_fd < 0)
		return -errno;
	ret = ioctl(shared_fd, FUSE_IOC_RAISE, &raise);
	return ret < 0 ? -errno : ret;
}

int boot_socket_dir(void *opaque, unsigned int root)
{
	static const char top[] = AGENT_SHARED_DIR "/" AGENT_SOCKET_DIR;
	int fd;

	(void)opaque;
	if (root == AGENT_SOCKET_TOP)
		fd = open(top, O_PATH | O_DIRECTORY | O_CLOEXEC);
	else
		fd = socket_dirs[root] ? fcntl(socket_dirs[root], F_DUPFD_CLOEXEC, 3)
				       : -ENOENT;
	return fd == -1 ? -errno : fd;
}

/* show_sysfs() - with the cgroups, as systems have it */
static int show_sysfs(struct err *err)
{
	static bool shown;

	if (shown)
		return 0;
	if (mkdir("/sys", 0755) < 0)
		return err_set(err, errno, "mkdir '/sys'");
	if (mount("sysfs", "/sys", "sysfs", 0, NULL) < 0)
		return err_set(err, errno, "mount '/sys'");
	if (mount(BOOT_CGROUP_DIR, "/sys/fs/cgroup", NULL, MS_BIND, NULL) < 0)
		return err_set(err, errno, "bind the cgroups");
	shown = true;
	return 0;
}

/*
 * needs_sysfs() - a bind mount's source lies in it, or there is a user namespace: the
 * kernel lets one mount a sysfs only where it sees one already, and the container's
 * mount namespace begins with the agent's mounts.
 */
static bool needs_sysfs(const struct oci_spec *spec)
{
	for (size_t i = 0; i < spec->mounts.n; i++)
		if (oci_mount_is_bind(&spec->mounts.v[i]) &&
		    path_is_below(spec->mounts.v[i].source, "/sys"))
			return true;
	return oci_namespace(spec, OCI_NS_USER);
}

int boot_prepare(void *opaque, const struct oci_spec *spec, struct err *err)
{
	static bool shared;
	int ret;

	(void)opaque;
	for (size_t i = 0; i < spec->mounts.n; i++) {
		const struct oci_mount *m = &spec->mounts.v[i];

		if (!oci_mount_is_bind(m) || !path_is_below(m->source, AGENT_SHARED_DIR))
			continue;
		if (!shared) {
			ret = mount_fs("shared", AGENT_SHARED_DIR, err);
			if (ret < 0)
				return ret;
			shared = true;
		}
		visit_shared(m->source);
	}
	visit(spec->root->path);
	return needs_sysfs(spec) ? show_sysfs(err) : 0;
}

/*
 * reseed() - random(4): the bytes are mixed in and counted, and every generator of the
 * kernel's begins anew with them.
 */
static int reseed(const uint8_t *seed, size_t len, struct err *err)
{
	auto_fd int fd = open("/dev/urandom", O_RDWR | O_CLOEXEC);
	union {
		struct rand_pool_info info;
		char room[sizeof(struct rand_pool_info) + sizeof(struct agent_wake)];
	} pool = { .info = { .entropy_count = (int)len * 8, .buf_size = (int)len } };
	int ret = 0;

	if (fd < 0)
		return err_set(err, errno, "open '/dev/urandom'");
	memcpy(pool.info.buf, seed, len);
	if (ioctl(fd, RNDADDENTROPY, &pool.info) < 0)
		ret = err_set(err, errno, "RNDADDENTROPY");
	else if (ioctl(fd, RNDRESEEDCRNG) < 0)
		ret = err_set(err, errno, "RNDRESEEDCRNG");
	explicit_bzero(&pool, sizeof(pool));
	return ret;
}

int boot_wake(void *opaque, const struct agent_wake *wake, struct err *err)
{
	const struct timespec now = {
		.tv_sec = (time_t)(wake->realtime_ns / 1000000000u),
		.tv_nsec = (long)(wake->realtime_ns % 1000000000u),
	};

	(void)opaque;
	if (clock_settime(CLOCK_REALTIME, &now) < 0)
		return err_set(err, errno, "set the clock");
	return reseed(wake->seed, sizeof(wake->seed), err);
}

void boot_finish(void *opaque)
{
	(void)opaque;
	sync();
	for (unsigned int i = 0; i < ARRAY_SIZE(socket_dirs); i++) {
		close_fd(socket_dirs[i] ? socket_dirs[i] : -1);
		socket_dirs[i] = 0;
	}
	close_fd(shared_fd);
	shared_fd = -1;
	/*
	 * With all that was mounted in them.  Nobody uses them any more, so they are
	 * gone when the calls return, with their last requests.
	 */
	(void)umount2(AGENT_SHARED_DIR, MNT_DETACH); /* EINVAL: it was not mounted */
	(void)umount2(AGENT_PRIVATE_DIR, MNT_DETACH);
}

/* say() - into the kernel's log. */
static void say(unsigned int level, const char *text)
{
	auto_fd int fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
	char line[ERR_MSG_SIZE + 32];
	int n = snprintf(line, sizeof(line), "<%u>hull-agent: %s\n", level, text);

	if (fd >= 0 && n > 0)
		(void)!write(fd, line, (size_t)n);
}

void boot_warn(void *opaque, const char *text)
{
	(void)opaque;
	say(4, text);
}

void boot_die(const struct err *err)
{
	/* The initramfs has no such node, and is left early. */
	(void)mknod("/dev/kmsg", S_IFCHR | 0600, makedev(1, 11));
	say(0, err->msg);
	(void)reboot(RB_AUTOBOOT);
	for (;;)
		(void)pause();
}
