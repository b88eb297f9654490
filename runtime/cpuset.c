/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cpuset.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mempolicy.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/io.h"
#include "oci/spec.h"

#define MAX_PASSES 16 /* over the threads of a process that makes new ones */
#define MAX_MAPS (16u << 20) /* (bytes) of /proc/PID/numa_maps */

static long get_affinity(pid_t tid, struct oci_cpu_set *ret)
{
	*ret = (struct oci_cpu_set){ 0 };
	return syscall(SYS_sched_getaffinity, tid, sizeof(ret->bits), ret->bits);
}

/* set_affinity() - the C library's wrapper takes no bits beyond those it knows. */
static long set_affinity(pid_t tid, const struct oci_cpu_set *cpus)
{
	return syscall(SYS_sched_setaffinity, tid, sizeof(cpus->bits), cpus->bits);
}

int cpuset_of_unified(struct oci_spec *spec, struct err *err)
{
	struct oci_resources *res = spec->linux_->resources;
	size_t n = 0;

	for (size_t i = 0; res && i < res->unified.n; i++) {
		const struct oci_pair pair = res->unified.v[i];
		bool cpus = strcmp(pair.key, "cpuset.cpus") == 0;

		if (!cpus && strcmp(pair.key, "cpuset.mems") != 0) {
			res->unified.v[n++] = pair;
			continue;
		}
		if (!res->cpu)
			res->cpu = oci_alloc(spec, sizeof(*res->cpu));
		if (!res->cpu)
			return err_set(err, ENOMEM, "linux.resources.unified");
		*(cpus ? &res->cpu->cpus : &res->cpu->mems) = pair.value;
	}
	if (res)
		res->unified.n = n;
	return 0;
}

/* take_list() - *@list, which is NULL then. */
static int take_list(char **list, const char *field, bool *ret_has, char **ret_list,
		     struct oci_cpu_set *ret, struct err *err)
{
	if (!*list)
		return 0;
	if (oci_cpu_list(*list, ret) < 0)
		return err_msg(err, EINVAL,
			       "config.json: linux.resources.cpu.%s: '%.80s' is no list",
			       field, *list);
	*ret_has = true;
	*ret_list = take_ptr(list);
	return 0;
}

int cpuset_take(struct oci_spec *spec, struct cpuset *ret, struct err *err)
{
	struct oci_resources *res = spec->linux_->resources;
	struct oci_cpu *cpu = res ? res->cpu : NULL;
	int r;

	*ret = (struct cpuset){ .policy = spec->linux_->memory_policy };
	spec->linux_->memory_policy = NULL;
	if (!cpu)
		return 0;
	r = take_list(&cpu->cpus, "cpus", &ret->has_cpus, &ret->cpu_list, &ret->cpus,
		      err);
	if (r == 0)
		r = take_list(&cpu->mems, "mems", &ret->has_mems, &ret->mem_list,
			      &ret->mems, err);
	return r;
}

static int set_policy(const struct oci_memory_policy *p, struct err *err)
{
	struct oci_cpu_set nodes = { 0 };
	int mode = (int)p->mode - 1; /* MPOL_* */

	for (size_t i = 0; i < p->flags.n; i++)
		mode |= p->flags.v[i];
	if (p->nodes && oci_cpu_list(p->nodes, &nodes) < 0)
		return err_msg(err, EINVAL,
			       "linux.memoryPolicy.nodes: '%.80s' is no list", p->nodes);
	if (syscall(SYS_set_mempolicy, mode, p->nodes ? nodes.bits : NULL,
		    p->nodes ? (unsigned long)OCI_CPU_MAX : 0ul) < 0)
		return err_set(err, errno, "linux.memoryPolicy: set_mempolicy");
	return 0;
}

int cpuset_apply(const struct cpuset *set, struct err *err)
{
	struct oci_cpu_set all;

	memset(all.bits, 0xff, sizeof(all.bits)); /* the kernel leaves those it has */
	if (!set->has_cpus)
		(void)set_affinity(0, &all);
	else if (set_affinity(0, &set->cpus) < 0)
		return err_set(err, errno, "linux.resources.cpu.cpus: bind hull-vmm");
	if (set->policy)
		return set_policy(set->policy, err);
	if (set->has_mems && syscall(SYS_set_mempolicy, MPOL_BIND, set->mems.bits,
				     (unsigned long)OCI_CPU_MAX) < 0)
		return err_set(err, errno, "linux.resources.cpu.mems: bind hull-vmm");
	return 0;
}

/*
 * move_threads() - those that are not bound to @cpus yet.
 * Return: how many there were; -errno
 */
static int move_threads(pid_t pid, const struct oci_cpu_set *cpus)
{
	char path[64];
	auto_dir DIR *dir = NULL;
	const struct dirent *e;
	int moved = 0;

	(void)!snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	dir = opendir(path);
	if (!dir)
		return -errno;
	while ((e = readdir(dir))) {
		pid_t tid = (pid_t)strtol(e->d_name, NULL, 10);
		struct oci_cpu_set now;

		/* A thread that has ended meanwhile needs no CPU. */
		if (tid <= 0 || get_affinity(tid, &now) < 0 ||
		    memcmp(now.bits, cpus->bits, sizeof(now.bits)) == 0)
			continue;
		if (set_affinity(tid, cpus) < 0 && errno != ESRCH)
			return -errno;
		moved++;
	}
	return moved;
}

int cpuset_read(pid_t pid, struct oci_cpu_set *ret, struct err *err)
{
	if (get_affinity(pid, ret) < 0)
		return err_set(err, errno, "linux.resources.cpu.cpus: hull-vmm's");
	return 0;
}

int cpuset_move(pid_t pid, const struct oci_cpu_set *cpus, struct err *err)
{
	static const char what[] = "linux.resources.cpu.cpus: bind hull-vmm";
	struct oci_cpu_set now;
	int moved = 1;

	/* The first thread shows whether it can be, and what the kernel makes of it. */
	if (set_affinity(pid, cpus) < 0 || get_affinity(pid, &now) < 0)
		return err_set(err, errno, what);
	/* A thread that was made meanwhile has its maker's CPUs: look again. */
	for (unsigned int i = 0; i < MAX_PASSES && moved > 0; i++)
		moved = move_threads(pid, &now);
	return moved < 0 ? err_set(err, -moved, what) : 0;
}

/* bound_mems() - the nodes that most of its memory may come from, as a list. */
static int bound_mems(pid_t pid, struct buf *b, struct err *err)
{
	static const char key[] = "\nMems_allowed_list:\t";
	char path[64];
	const char *at;
	int ret;

	/* Its policy, which all its memory has that it got after execve ... */
	(void)!snprintf(path, sizeof(path), "/proc/%d/numa_maps", (int)pid);
	if (io_read_file(AT_FDCWD, path, MAX_MAPS, b, NULL) == 0 && b->len &&
	    (at = strstr(b->data, " bind:"))) {
		buf_consume(b, (size_t)(at - b->data) + 6);
		b->data[strcspn(b->data, " \n")] = 0;
		return 0;
	}
	/* ... or what it is allowed, where it has none. */
	b->len = 0;
	(void)!snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	ret = io_read_file(AT_FDCWD, path, MAX_MAPS, b, err);
	if (ret < 0)
		return ret;
	at = strstr(b->data, key);
	if (!at)
		return err_msg(err, ENOTSUP,
			       "linux.resources.cpu.mems is not supported: "
			       "the kernel has no memory nodes");
	buf_consume(b, (size_t)(at - b->data) + sizeof(key) - 1);
	b->data[strcspn(b->data, "\n")] = 0;
	return 0;
}

int cpuset_check_mems(pid_t pid, const struct oci_cpu_set *mems, struct err *err)
{
	auto_buf struct buf b = BUF_INIT;
	struct oci_cpu_set bound;
	int ret = bound_mems(pid, &b, err);

	if (ret < 0)
		return ret;
	if (oci_cpu_list(b.data, &bound) < 0 ||
	    memcmp(bound.bits, mems->bits, sizeof(bound.bits)) != 0)
		return err_msg(
			err, ENOTSUP,
			"linux.resources.cpu.mems: the memory of a running machine "
			"stays on node(s) %s",
			b.data);
	return 0;
}
