/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/container.h"
#include "runtime/date.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "lib/arena.h"
#include "lib/buf.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/json.h"
#include "vmm/vm_config.h"

#define STATE_FILE "state.json"
#define CONFIG_FILE "config.json"
#define STATUS_FILE "status"
#define MAX_ID_SIZE 1024u
#define MAX_STATE_SIZE (1u << 20)

int container_check_id(const char *id, struct err *err)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-.";
	size_t len = strlen(id);

	if (len == 0 || len > MAX_ID_SIZE || strspn(id, allowed) != len ||
	    !strcmp(id, ".") || !strcmp(id, ".."))
		return err_msg(err, EINVAL, "invalid container ID format: %.64s%s", id,
			       len > 64 ? "..." : "");
	return 0;
}

static struct container *alloc(const char *root, const char *id)
{
	struct container *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->dir = -1;
	c->id = arena_strdup(&c->arena, id);
	c->root = arena_strdup(&c->arena, root);
	if (!c->id || !c->root) {
		container_free(c);
		return NULL;
	}
	return c;
}

void container_free(struct container *c)
{
	if (!c)
		return;
	close_fd(c->dir);
	arena_release(&c->arena);
	free(c);
}

static int open_root(const char *root, struct err *err)
{
	int fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);

	return fd >= 0 ? fd : err_set(err, errno, "open '%s'", root);
}

/*
 * is_abandoned() - the folder @id holds no container, and nobody is making one: whoever
 * makes one holds a lock on the folder until it has a state.json.
 */
static bool is_abandoned(int root_fd, const char *id)
{
	auto_fd int dir = openat(root_fd, id, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return dir >= 0 && faccessat(dir, STATE_FILE, F_OK, 0) < 0 && errno == ENOENT &&
	       flock(dir, LOCK_EX | LOCK_NB) == 0;
}

/* empty_folder() - unlink what hull puts into a state folder. */
static int empty_folder(int dir, struct err *err)
{
	auto_fd int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_dir DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *e;

	if (!d)
		return err_set(err, errno, "open the state folder");
	(void)take_fd(&fd); /* d owns it */
	while ((e = readdir(d))) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if (unlinkat(dir, e->d_name, 0) < 0 && errno != ENOENT)
			return err_set(err, errno, "remove '%s'", e->d_name);
	}
	return 0;
}

int container_new(const char *root, const char *id, struct container **ret,
		  struct err *err)
{
	auto_container struct container *c = NULL;
	auto_fd int root_fd = -1;
	int r;

	r = container_check_id(id, err);
	if (r == 0)
		r = io_make_folders(root, NULL, err);
	if (r < 0)
		return r;
	c = alloc(root, id);
	if (!c)
		return err_set(err, ENOMEM, "container '%s'", id);
	root_fd = open_root(root, err);
	if (root_fd < 0)
		return root_fd;
	if (mkdirat(root_fd, id, 0700) < 0) {
		if (errno != EEXIST)
			return err_set(err, errno, "create '%s/%s'", root, id);
		if (!is_abandoned(root_fd, id))
			return err_msg(err, EEXIST,
				       "container with given ID already exists");
	}
	c->dir = openat(root_fd, id, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (c->dir < 0)
		return err_set(err, errno, "open '%s/%s'", root, id);
	if (flock(c->dir, LOCK_EX | LOCK_NB) < 0)
		return err_msg(err, EEXIST, "container with given ID already exists");
	r = empty_folder(c->dir, err);
	if (r < 0)
		return r;
	c->owner = getuid();
	*ret = take_ptr(&c);
	return 0;
}

/* copy_annotations() - into the container's own memory. */
static int copy_annotations(struct container *c, const struct oci_map *annotations)
{
	size_t n = annotations->n;

	c->annotations.v = arena_array(&c->arena, n + 1, sizeof(*c->annotations.v));
	if (!c->annotations.v)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		struct oci_pair *to = &c->annotations.v[i];

		to->key = arena_strdup(&c->arena, annotations->v[i].key);
		to->value = arena_strdup(&c->arena, annotations->v[i].value);
		if (!to->key || !to->value)
			return -ENOMEM;
	}
	c->annotations.n = n;
	return 0;
}

static int stamp(struct container *c)
{
	struct timespec now;
	char date[DATE_SIZE];

	(void)clock_gettime(CLOCK_REALTIME, &now);
	if (date_text(&now, date) < 0)
		return -EOVERFLOW;
	c->created = arena_strndup(&c->arena, date, strlen(date));
	return c->created ? 0 : -ENOMEM;
}

int container_describe(struct container *c, const struct oci_map *annotations,
		       struct err *err)
{
	int ret = copy_annotations(c, annotations);

	if (ret == 0)
		ret = stamp(c);
	return ret < 0 ? err_set(err, -ret, "container '%s'", c->id) : 0;
}

/* One string member of state.json, copied into the container's arena. */
static int load_string(struct container *c, const struct json_value *state,
		       const char *key, char **ret, struct err *err)
{
	const struct json_value *v = json_get(state, key);
	const char *text;
	int r;

	if (!v)
		return 0;
	r = json_str(v, &text, err);
	if (r < 0)
		return r;
	*ret = arena_strdup(&c->arena, text);
	return *ret ? 0 : err_set(err, ENOMEM, "read " STATE_FILE);
}

static int load_number(const struct json_value *state, const char *key, uint64_t max,
		       uint64_t *ret, struct err *err)
{
	const struct json_value *v = json_get(state, key);

	if (!v)
		return err_msg(err, EINVAL, STATE_FILE ": %s is missing", key);
	return json_u64(v, max, ret, err);
}

static int load_map(struct container *c, const struct json_value *state, const char *key,
		    struct oci_map *ret, struct err *err)
{
	const struct json_value *object = json_get(state, key);
	size_t i = 0;
	int r;

	if (!object)
		return 0;
	r = json_expect(object, JSON_OBJECT, err);
	if (r < 0)
		return r;
	ret->v = arena_array(&c->arena, object->n, sizeof(*ret->v));
	if (!ret->v)
		return err_set(err, ENOMEM, "read " STATE_FILE);
	for (const struct json_value *v = object->first; v; v = v->next, i++) {
		struct oci_pair *pair = &ret->v[i];
		const char *text;

		r = json_str(v, &text, err);
		if (r < 0)
			return r;
		pair->key = arena_strdup(&c->arena, v->key);
		pair->value = arena_strdup(&c->arena, text);
		if (!pair->key || !pair->value)
			return err_set(err, ENOMEM, "read " STATE_FILE);
	}
	ret->n = i;
	return 0;
}

static int parse_state(struct container *c, const struct buf *text, struct err *err)
{
	auto_arena struct arena arena = ARENA_INIT;
	const struct json_value *state = NULL;
	const struct {
		const char *key;
		char **to;
	} strings[] = {
		{ "ociVersion", &c->oci_version }, { "bundle", &c->bundle },
		{ "rootfs", &c->rootfs },	   { "created", &c->created },
		{ "cgroup", &c->cgroup },	   { "unit", &c->unit },
		{ "netVhost", &c->net_vhost },	   { "netJoined", &c->net_joined },
		{ "netFollowed", &c->net_followed },
		{ "netRx", &c->net_rx },	   { "netTx", &c->net_tx },
		{ "netAntispoof", &c->net_antispoof },
		{ "rdtRoot", &c->rdt.root },	   { "rdtGroup", &c->rdt.group },
		{ "rdtMonitor", &c->rdt.monitor }, { "rdtRemove", &c->rdt.remove },
		{ "kernel", &c->kernel },	   { "initrd", &c->initrd },
	};
	uint64_t pid = 0, owner = 0, vcpus = 0;
	int r;

	r = json_parse(text->data, text->len, &arena, &state, err);
	if (r == 0)
		r = json_expect(state, JSON_OBJECT, err);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(strings); i++)
		r = load_string(c, state, strings[i].key, strings[i].to, err);
	if (r == 0)
		r = load_number(state, "pid", INT_MAX, &pid, err);
	if (r == 0)
		r = load_number(state, "startTime", UINT64_MAX, &c->start_time, err);
	if (r == 0)
		r = load_number(state, "owner", UINT32_MAX, &owner, err);
	if (r == 0)
		r = load_number(state, "memory", UINT64_MAX, &c->memory, err);
	if (r == 0)
		r = load_number(state, "vcpus", UINT32_MAX, &vcpus, err);
	if (r == 0)
		r = load_map(c, state, "annotations", &c->annotations, err);
	if (r == 0)
		r = load_map(c, state, "cgroup1", &c->cgroup1, err);
	if (r < 0)
		return r;
	c->pid = (pid_t)pid;
	c->owner = (uid_t)owner;
	c->vcpus = (uint32_t)vcpus;
	return 0;
}

int container_load(const char *root, const char *id, struct container **ret,
		   struct err *err)
{
	auto_container struct container *c = NULL;
	auto_buf struct buf text = BUF_INIT;
	auto_fd int root_fd = -1;
	int r;

	r = container_check_id(id, err);
	if (r < 0)
		return r;
	c = alloc(root, id);
	if (!c)
		return err_set(err, ENOMEM, "container '%s'", id);
	root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root_fd >= 0)
		c->dir = openat(root_fd, id, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (c->dir < 0) {
		if (errno == ENOENT)
			return err_msg(err, ENOENT, "container does not exist");
		return err_set(err, errno, "open '%s/%s'", root, id);
	}
	r = io_read_file(c->dir, STATE_FILE, MAX_STATE_SIZE, &text, err);
	if (r == -ENOENT)
		return err_msg(err, ENOENT, "container does not exist");
	if (r == 0)
		r = parse_state(c, &text, err);
	if (r < 0)
		return err_wrap(err, r, "container '%s'", id);
	*ret = take_ptr(&c);
	return 0;
}

static void put_map(struct json_writer *w, const char *key, const struct oci_map *map)
{
	if (!map->n)
		return;
	json_open_object(w, key);
	for (size_t i = 0; i < map->n; i++)
		json_put_str(w, map->v[i].key, map->v[i].value);
	json_close_object(w);
}

static void put_given(struct json_writer *w, const char *key, const char *text)
{
	if (text)
		json_put_str(w, key, text);
}

int container_save(const struct container *c, struct err *err)
{
	auto_buf struct buf b = BUF_INIT;
	struct json_writer w = JSON_WRITER(&b, NULL);

	json_open_object(&w, NULL);
	json_put_str(&w, "ociVersion", c->oci_version);
	json_put_str(&w, "id", c->id);
	json_put_i64(&w, "pid", c->pid);
	json_put_u64(&w, "startTime", c->start_time);
	json_put_str(&w, "bundle", c->bundle);
	json_put_str(&w, "rootfs", c->rootfs);
	json_put_str(&w, "created", c->created);
	json_put_u64(&w, "owner", c->owner);
	json_put_u64(&w, "memory", c->memory);
	json_put_u64(&w, "vcpus", c->vcpus);
	put_given(&w, "cgroup", c->cgroup);
	put_given(&w, "unit", c->unit);
	put_given(&w, "netVhost", c->net_vhost);
	put_given(&w, "netJoined", c->net_joined);
	put_given(&w, "netRx", c->net_rx);
	put_given(&w, "netTx", c->net_tx);
	put_given(&w, "netAntispoof", c->net_antispoof);
	put_given(&w, "netFollowed", c->net_followed);
	put_given(&w, "rdtRoot", c->rdt.root);
	put_given(&w, "rdtGroup", c->rdt.group);
	put_given(&w, "rdtMonitor", c->rdt.monitor);
	put_given(&w, "rdtRemove", c->rdt.remove);
	put_given(&w, "kernel", c->kernel);
	put_given(&w, "initrd", c->initrd);
	put_map(&w, "cgroup1", &c->cgroup1);
	put_map(&w, "annotations", &c->annotations);
	json_close_object(&w);
	if (buf_ok(&b) < 0)
		return err_set(err, ENOMEM, "write " STATE_FILE);
	return io_replace_file(c->dir, STATE_FILE, b.data, b.len, 0600, err);
}

int container_remove(struct container *c, struct err *err)
{
	auto_fd int root_fd = open_root(c->root, err);
	int r;

	if (root_fd < 0)
		return root_fd;
	r = empty_folder(c->dir, err);
	if (r == 0 && unlinkat(root_fd, c->id, AT_REMOVEDIR) < 0 && errno != ENOENT)
		r = err_set(err, errno, "remove '%s/%s'", c->root, c->id);
	return r;
}

/*
 * read_stat() - state letter and start time of @pid (proc(5), /proc/PID/stat).
 * Return: 0, or -ESRCH when there is no such process
 */
static int read_stat(pid_t pid, char *ret_state, uint64_t *ret_start)
{
	auto_buf struct buf b = BUF_INIT;
	unsigned long long start;
	char path[64];
	const char *p;
	char state;

	(void)!snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	if (io_read_file(AT_FDCWD, path, 4096, &b, NULL) < 0)
		return -ESRCH;
	p = strrchr(b.data, ')'); /* the name before it may hold anything */
	if (!p || sscanf(p + 1,
			 " %c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s"
			 " %*s %*s %*s %*s %llu",
			 &state, &start) != 2)
		return -ESRCH;
	*ret_state = state;
	*ret_start = start;
	return 0;
}

int container_set_pid(struct container *c, pid_t pid, struct err *err)
{
	char state;

	c->pid = pid;
	if (read_stat(pid, &state, &c->start_time) < 0)
		return err_msg(err, ESRCH, "hull-vmm (pid %d) ended unexpectedly", (int)pid);
	return 0;
}

/* is_ours() - the process of that number is hull-vmm, perhaps as a zombie. */
static bool is_ours(const struct container *c, char *ret_state)
{
	uint64_t start;

	return c->pid > 0 && read_stat(c->pid, ret_state, &start) == 0 &&
	       start == c->start_time;
}

bool container_alive(const struct container *c)
{
	char state;

	return is_ours(c, &state) && state != 'Z' && state != 'X';
}

enum container_status container_status(const struct container *c)
{
	static const enum container_status of_phase[] = {
		[VM_PHASE_CREATING] = CONTAINER_CREATING,
		[VM_PHASE_CREATED] = CONTAINER_CREATED,
		[VM_PHASE_RUNNING] = CONTAINER_RUNNING,
		[VM_PHASE_PAUSED] = CONTAINER_PAUSED,
		[VM_PHASE_STOPPED] = CONTAINER_STOPPED,
	};
	struct vm_status status = { .phase = VM_PHASE_CREATING };
	auto_fd int fd = -1;

	if (!container_alive(c))
		return CONTAINER_STOPPED;
	fd = openat(c->dir, STATUS_FILE, O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && pread(fd, &status, sizeof(status), 0) == sizeof(status) &&
	    status.phase < ARRAY_SIZE(of_phase))
		return of_phase[status.phase];
	return CONTAINER_CREATING;
}

const char *container_status_name(enum container_status status)
{
	static const char *const names[] = {
		[CONTAINER_CREATING] = "creating",
		[CONTAINER_CREATED] = "created",
		[CONTAINER_RUNNING] = "running",
		[CONTAINER_PAUSED] = "paused",
		[CONTAINER_STOPPED] = "stopped",
	};

	return names[status];
}

int container_pidfd_to_end(const struct container *c)
{
	auto_fd int fd = -1;
	char state;

	if (c->pid > 0)
		fd = (int)syscall(SYS_pidfd_open, c->pid, 0);
	/* Between the two, the pid cannot have become another process'. */
	return fd < 0 || !is_ours(c, &state) ? -ESRCH : take_fd(&fd);
}

int container_pidfd(const struct container *c, struct err *err)
{
	auto_fd int fd = container_pidfd_to_end(c);

	if (fd < 0 || !container_alive(c))
		return err_msg(err, ESRCH, "container not running");
	return take_fd(&fd);
}

int container_spec(const struct container *c, struct oci_spec **ret, struct err *err)
{
	auto_buf struct buf text = BUF_INIT;
	int r;

	r = io_read_file(c->dir, CONFIG_FILE, JSON_MAX_SIZE, &text, err);
	return r < 0 ? r : oci_spec_parse(text.data, text.len, ret, err);
}

void container_put_state(struct json_writer *w, const struct container *c,
			 const char *status, pid_t pid, const char *owner)
{
	json_open_object(w, NULL);
	json_put_str(w, "ociVersion", c->oci_version);
	json_put_str(w, "id", c->id);
	json_put_i64(w, "pid", pid);
	json_put_str(w, "status", status);
	json_put_str(w, "bundle", c->bundle);
	json_put_str(w, "rootfs", c->rootfs);
	json_put_str(w, "created", c->created);
	put_map(w, "annotations", &c->annotations);
	json_put_str(w, "owner", owner);
	json_close_object(w);
}

int container_state_json(const struct container *c, const char *status, pid_t pid,
			 const char *indent, struct buf *b)
{
	struct json_writer w = JSON_WRITER(b, indent);

	/* runc names the owner here only for containers of other users. */
	container_put_state(&w, c, status, pid, "");
	return buf_ok(b);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int container_list(const char *root, struct oci_strings *ret_ids, struct arena *arena,
		   struct err *err)
{
	auto_dir DIR *d = opendir(root);
	const struct dirent *e;
	size_t room = 0;
	char **ids = NULL;
	size_t n = 0;

	if (!d)
		return err_set(err, errno, "open '%s'", root);
	while ((e = readdir(d))) {
		if (container_check_id(e->d_name, NULL) < 0)
			continue;
		if (n + 1 >= room) {
			char **grown = arena_array(arena, room ? room * 2 : 16, sizeof(*ids));

			if (!grown)
				return err_set(err, ENOMEM, "list '%s'", root);
			if (n)
				memcpy(grown, ids, n * sizeof(*ids));
			ids = grown;
			room = room ? room * 2 : 16;
		}
		ids[n] = arena_strdup(arena, e->d_name);
		if (!ids[n++])
			return err_set(err, ENOMEM, "list '%s'", root);
	}
	if (n)
		qsort(ids, n, sizeof(*ids), by_name);
	*ret_ids = (struct oci_strings){ .v = ids, .n = n };
	return 0;
}
