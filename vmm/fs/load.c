/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The records, open files and mappings of a saved guest, found again on this host.
 *
 * A record is found by its names; one that is not there any more is stale, as if the host
 * had removed it while the guest ran: its kernel looks again.  A file that is open
 * must be there, and be what it was by size and mtime, for the guest has pages of it and
 * will not look.
 *
 * The sections may have been written by a hull-vmm that its guest had taken over.  So every
 * number is checked as if it were a request's.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "vmm/fs/name.h"
#include "vmm/fs/ops.h"
#include "vmm/fs/pool.h"
#include "vmm/fs/save_internal.h"
#include "vmm/fs/server.h"
#include "vmm/snapshot/sections.h"

/* What is still to be read of a section. */
struct rest {
	const char *at;
	size_t len;
};

static int malformed(struct err *err, const char *what)
{
	return err_msg(err, EPROTO, "its saved files are damaged: %s", what);
}

static bool take(struct rest *r, void *dst, size_t len)
{
	if (r->len < len)
		return false;
	memcpy(dst, r->at, len);
	r->at += len;
	r->len -= len;
	return true;
}

static int begin(struct sections *in, uint32_t tag, struct rest *r, struct err *err)
{
	const void *data;
	int ret = section_look(in, tag, &data, &r->len, err);

	r->at = data;
	return ret;
}

/* by_id() - a record that was loaded; NULL. */
static struct fs_inode *by_id(struct fs_server *fs, uint64_t id)
{
	return id == FUSE_ROOT_ID ? fs->top : idtable_get(&fs->inodes, id);
}

/* path_of() - for a message: from the root on, as far as there is room. */
static const char *path_of(const struct fs_inode *i, char path[PATH_MAX])
{
	size_t at = PATH_MAX - 1;

	path[at] = 0;
	for (; i->names; i = i->names->parent) {
		size_t len = strlen(i->names->s);

		if (len + 1 > at)
			break;
		at -= len;
		memcpy(path + at, i->names->s, len);
		path[--at] = '/';
	}
	return path[at] ? path + at : "/";
}

/* ---- records ---------------------------------------------------------------------- */

static struct fs_inode *new_record(const struct fs_saved_inode *s, struct fs_root *root)
{
	struct fs_inode *i;

	if (s->flags & FS_SAVED_ROOT)
		return root->inode;
	i = calloc(1, sizeof(*i));
	if (!i)
		return NULL;
	i->root = root;
	i->type = s->type;
	i->dax = s->flags & FS_SAVED_DAX;
	i->pin = -1;
	i->slot = -1;
	i->unsure = true;
	i->refs = 1; /* drop_holds(): what keeps it is perhaps still to be loaded */
	return i;
}

/* load_record() - without its names, which may be in others that follow. */
static int load_record(struct fs_server *fs, const struct fs_saved_inode *s,
		       struct err *err)
{
	struct fs_root *root =
		s->root < VM_MAX_ROOTS ? atomic_load(&fs->roots[s->root]) : NULL;
	bool is_root = s->flags & FS_SAVED_ROOT;
	struct fs_inode *i;
	int ret;

	if (!root || s->type & ~(uint32_t)S_IFMT || !s->type)
		return malformed(err, "a record of no root");
	if (is_root && (root->inode->type != s->type || s->n_names))
		return err_msg(err, EPROTO, "root %u is another kind of file now",
			       s->root);
	if (is_root && idtable_get(&fs->inodes, root->inode->id) == root->inode)
		return malformed(err, "a root that is there twice");
	i = new_record(s, root);
	if (!i)
		return err_set(err, ENOMEM, "saved files");
	ret = idtable_put_back(&fs->inodes, i, s->id);
	if (ret < 0) {
		if (!is_root)
			free(i);
		return malformed(err, "a record with a number that cannot be");
	}
	i->id = s->id;
	i->nlookup = s->nlookup;
	atomic_store(&i->special_mode, s->flags & FS_SAVED_SPECIAL);
	return 0;
}

/* skip_names() - they are looked at later. */
static int skip_names(struct rest *r, unsigned int n, struct err *err)
{
	struct fs_saved_name name;

	for (; n; n--) {
		if (!take(r, &name, sizeof(name)) || name.len > r->len)
			return malformed(err, "a name is cut off");
		r->at += name.len;
		r->len -= name.len;
	}
	return 0;
}

/* is_below() - is @dir, or what it lies in, @inode? */
static bool is_below(const struct fs_inode *dir, const struct fs_inode *inode)
{
	for (; dir != inode; dir = dir->names->parent)
		if (!dir->names)
			return false;
	return true;
}

static int load_name(struct fs_server *fs, struct fs_inode *i, struct rest *r,
		     struct err *err)
{
	struct fs_name **last = &i->names;
	struct fs_saved_name s;
	struct fs_inode *dir;
	struct fs_name *n;

	if (!take(r, &s, sizeof(s)) || s.len > r->len || !s.len || s.len > NAME_MAX ||
	    memchr(r->at, '/', s.len) || memchr(r->at, 0, s.len) ||
	    (r->at[0] == '.' && (s.len == 1 || (s.len == 2 && r->at[1] == '.'))))
		return malformed(err, "a name that cannot be");
	dir = by_id(fs, s.parent);
	if (!dir || dir->root != i->root || !S_ISDIR(dir->type) ||
	    (S_ISDIR(i->type) && (i->names || is_below(dir, i))))
		return malformed(err, "a name in no folder");
	n = malloc(sizeof(*n) + s.len + 1);
	if (!n)
		return err_set(err, ENOMEM, "saved files");
	memcpy(n->s, r->at, s.len);
	n->s[s.len] = 0;
	r->at += s.len;
	r->len -= s.len;
	n->parent = dir;
	n->next = NULL;
	dir->children++;
	while (*last)
		last = &(*last)->next;
	*last = n;
	return 0;
}

/* look_for() - is its file here?  One that is not is stale. */
static int look_for(struct fs_server *fs, struct fs_inode *i, struct err *err)
{
	struct fs_place pl;
	struct stat st;
	int ret;

	if (!i->names)
		return 0; /* a root, or a ghost */
	ret = fs_place_get(fs, i, FS_PLACE_NAMED, &pl);
	if (ret < 0)
		return 0;
	ret = fs_place_stat(fs, i, &pl, false, &st);
	fs_place_put(fs, &pl);
	return ret == -ENOMEM ? err_set(err, ENOMEM, "saved files") : 0;
}

typedef int (*record_fn)(struct fs_server *fs, const struct fs_saved_inode *s,
			 struct rest *r, struct err *err);

static int first_pass(struct fs_server *fs, const struct fs_saved_inode *s,
		      struct rest *r, struct err *err)
{
	int ret = load_record(fs, s, err);

	return ret < 0 ? ret : skip_names(r, s->n_names, err);
}

static int second_pass(struct fs_server *fs, const struct fs_saved_inode *s,
		       struct rest *r, struct err *err)
{
	struct fs_inode *i = by_id(fs, s->id);
	int ret = 0;

	if (s->n_names > FS_MAX_LINK_NAMES)
		return malformed(err, "a record with too many names");
	for (unsigned int n = 0; ret == 0 && n < s->n_names; n++)
		ret = load_name(fs, i, r, err);
	return ret;
}

static int third_pass(struct fs_server *fs, const struct fs_saved_inode *s,
		      struct rest *r, struct err *err)
{
	int ret = skip_names(r, s->n_names, err);

	return ret < 0 ? ret : look_for(fs, by_id(fs, s->id), err);
}

/* add_roots() - those that the guest has not looked at; also when it failed, as the table
 * owns the records. */
static int add_roots(struct fs_server *fs, int ret, struct err *err)
{
	for (unsigned int i = 0; i < VM_MAX_ROOTS; i++) {
		const struct fs_root *root = atomic_load(&fs->roots[i]);

		if (root && idtable_get(&fs->inodes, root->inode->id) != root->inode &&
		    idtable_add(&fs->inodes, root->inode, &root->inode->id) < 0)
			return err_set(err, ENOMEM, "root %u", i);
	}
	return ret;
}

static int load_records(struct fs_server *fs, struct sections *in, struct rest *all,
			struct err *err)
{
	static const record_fn passes[] = { first_pass, second_pass, third_pass };
	uint32_t max_slots = fs->inodes.max_slots;
	int ret = begin(in, FS_TAG_INODES, all, err);

	/* Those of the roots were there from the beginning, with other numbers. */
	idtable_release(&fs->inodes);
	idtable_init(&fs->inodes, max_slots);
	for (size_t pass = 0; ret == 0 && pass < ARRAY_SIZE(passes); pass++) {
		struct fs_saved_inode s;
		struct rest r = *all;
		uint32_t slot = 0;

		while (ret == 0 && r.len) {
			if (!take(&r, &s, sizeof(s)) || (uint32_t)s.id <= slot) {
				ret = malformed(err, "a record is cut off");
				break;
			}
			slot = (uint32_t)s.id;
			ret = passes[pass](fs, &s, &r, err);
		}
	}
	return add_roots(fs, ret, err);
}

/* ---- open files -------------------------------------------------------------------- */

static int check_same(const struct fs_saved_inode *s, const struct fs_inode *i, int fd,
		      struct err *err)
{
	char path[PATH_MAX];
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_set(err, errno, "look at '%s'", path_of(i, path));
	if (st.st_size == s->size && st.st_mtim.tv_sec == s->mtime_s &&
	    (uint32_t)st.st_mtim.tv_nsec == s->mtime_ns)
		return 0;
	return err_msg(err, ESTALE,
		       "'%s', which is open, was changed since (%lld bytes, then %lld)",
		       path_of(i, path), (long long)st.st_size, (long long)s->size);
}

/* check_open() - what is open is what it was. */
static int check_open(struct fs_server *fs, const struct fs_saved_inode *s,
		      struct err *err)
{
	struct fs_inode *i = by_id(fs, s->id);
	char path[PATH_MAX];
	auto_fd int fd = -1;

	if (!(s->flags & FS_SAVED_OPEN) || s->flags & FS_SAVED_UNNAMED)
		return 0;
	if (!S_ISREG(i->type))
		return malformed(err, "an open file that is none");
	fd = fs_inode_open(fs, i, FS_PLACE_NAMED, O_RDONLY);
	if (fd < 0)
		return err_set(err, -fd, "'%s', which is open", path_of(i, path));
	return check_same(s, i, fd, err);
}

static int check_all_open(struct fs_server *fs, struct rest all, struct err *err)
{
	struct fs_saved_inode s;
	int ret = 0;

	while (ret == 0 && take(&all, &s, sizeof(s))) {
		ret = skip_names(&all, s.n_names, err);
		if (ret == 0)
			ret = check_open(fs, &s, err);
	}
	return ret;
}

/* ghost_of() - the descriptor of a deleted file's record; -1: it is none. */
static int ghost_of(const struct fs_inode *i)
{
	return !i->names && i->root && i->root->inode != i ? i->pin : -1;
}

/*
 * open_again() - for an open file, or a mapping.
 * Return: the caller's; -errno
 */
static int open_again(struct fs_server *fs, struct fs_inode *i, int access,
		      struct err *err)
{
	int ghost = ghost_of(i);
	char path[PATH_MAX];
	int fd;

	if (ghost >= 0) {
		fd = fcntl(ghost, F_DUPFD_CLOEXEC, 0);
		return fd < 0 ? err_set(err, errno, "a file that was deleted") : fd;
	}
	fd = fs_inode_open(fs, i, FS_PLACE_NAMED, access);
	return fd < 0 ? err_set(err, -fd, "open '%s' again", path_of(i, path)) : fd;
}

static int load_handle(struct fs_server *fs, const struct fs_saved_handle *s,
		       struct err *err)
{
	struct fs_inode *i = by_id(fs, s->inode);
	uint64_t id;
	int fd = -1;
	int ret;

	if (!i || (!S_ISREG(i->type) && !S_ISDIR(i->type)) || s->writable > 1 ||
	    s->access > O_RDWR || s->writable != (s->access != O_RDONLY))
		return malformed(err, "an open file that is none");
	if (s->writable && (S_ISDIR(i->type) || i->root->readonly))
		return malformed(err, "a read-only file that is open for writing");
	if (i != fs->top) {
		fd = open_again(fs, i, (int)s->access, err);
		if (fd < 0)
			return fd;
	}
	ret = fs_handle_new(fs, i, fd, s->writable, &id);
	if (ret == 0)
		ret = fs_handle_renumber(fs, id, s->id);
	return ret < 0 ? err_set(err, -ret, "saved open files") : 0;
}

static int load_handles(struct fs_server *fs, struct sections *in, struct err *err)
{
	struct fs_saved_handle s;
	struct rest r;
	uint32_t slot = 0;
	int ret = begin(in, FS_TAG_HANDLES, &r, err);

	while (ret == 0 && r.len) {
		if (!take(&r, &s, sizeof(s)) || (uint32_t)s.id <= slot)
			return malformed(err, "an open file is cut off");
		slot = (uint32_t)s.id;
		ret = load_handle(fs, &s, err);
	}
	return ret;
}

/* ---- the DAX window ----------------------------------------------------------------- */

static int load_slot(struct fs_server *fs, const struct fs_saved_slot *s, struct err *err)
{
	struct fs_inode *i = by_id(fs, s->inode);
	const struct fs_dax_range range = {
		.at = s->slot << FS_DAX_SHIFT,
		.len = FS_DAX_SLOT,
		.offset = s->offset,
		.writable = s->writable,
	};
	char path[PATH_MAX];
	auto_fd int fd = -1;
	int ret;

	if (!i || !i->root || !S_ISREG(i->type) || s->writable > 1 ||
	    s->slot >= fs->dax.size >> FS_DAX_SHIFT || (s->writable && i->root->readonly))
		return malformed(err, "a mapping that cannot be");
	fd = open_again(fs, i, s->writable ? O_RDWR : O_RDONLY, err);
	if (fd < 0)
		return fd;
	ret = fs_dax_map(fs, i, fd, &range);
	return ret < 0 ? err_set(err, -ret, "map '%s' again", path_of(i, path)) : 0;
}

static int load_window(struct fs_server *fs, struct sections *in, struct err *err)
{
	struct fs_saved_slot s;
	struct rest r;
	int ret = begin(in, FS_TAG_WINDOW, &r, err);

	while (ret == 0 && r.len) {
		if (!take(&r, &s, sizeof(s)))
			return malformed(err, "a mapping is cut off");
		ret = load_slot(fs, &s, err);
	}
	return ret;
}

/* ---- files that were deleted ---------------------------------------------------------- */

/* load_ghost() - a file without a name, in the folder of its root. */
static int load_ghost(struct fs_server *fs, const struct fs_saved_ghost *s,
		      const char *data, struct err *err)
{
	struct fs_inode *i = by_id(fs, s->inode);
	auto_fd int fd = -1;

	if (!i || !i->root || !S_ISREG(i->type) || i->names || i->root->inode == i ||
	    i->pin >= 0 || i->root->readonly || s->mode & ~07777u)
		return malformed(err, "a deleted file that is none");
	fd = openat(i->root->fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_set(err, errno, "make a file that was deleted again");
	if (write(fd, data, s->len) != (ssize_t)s->len ||
	    fchown(fd, s->uid, s->gid) < 0 || fchmod(fd, (mode_t)s->mode) < 0)
		return err_set(err, errno ? errno : ENOSPC,
			       "make a file that was deleted again");
	i->pin = take_fd(&fd);
	fs->pins++;
	return 0;
}

static int load_ghosts(struct fs_server *fs, struct sections *in, struct err *err)
{
	struct fs_saved_ghost s;
	struct rest r;
	int ret = begin(in, FS_TAG_GHOSTS, &r, err);

	while (ret == 0 && r.len) {
		if (!take(&r, &s, sizeof(s)) || s.len > FS_MAX_GHOST || s.len > r.len)
			return malformed(err, "a deleted file is cut off");
		ret = load_ghost(fs, &s, r.at, err);
		r.at += s.len;
		r.len -= s.len;
	}
	return ret;
}

/* ---- locks ------------------------------------------------------------------------------ */

static int load_lock(struct fs_server *fs, const struct fs_saved_lock *s, struct err *err)
{
	struct fs_lock l = {
		.owner = s->owner,
		.start = s->start,
		.end = s->end,
		.kind = (uint8_t)s->kind,
		.type = (uint8_t)s->type,
	};
	char path[PATH_MAX];
	int ret;

	if (s->kind >= FS_LOCK_KINDS || (s->type != F_RDLCK && s->type != F_WRLCK) ||
	    s->start > s->end || s->end > FS_LOCK_END ||
	    (s->kind == FS_LOCK_FLOCK && (s->start || s->end != FS_LOCK_END)))
		return malformed(err, "a lock that cannot be");
	l.handle = fs_handle_get(fs, s->handle, false);
	if (!l.handle)
		return malformed(err, "a lock of no open file");
	ret = fs_lock_set(fs, &l);
	if (ret == -EAGAIN)
		err_msg(err, EAGAIN, "'%s', of which it had a lock, is locked by another",
			path_of(l.handle->inode, path));
	else if (ret < 0)
		err_set(err, -ret, "lock '%s' again", path_of(l.handle->inode, path));
	fs_handle_put(fs, l.handle);
	return ret;
}

static int load_locks(struct fs_server *fs, struct sections *in, struct err *err)
{
	struct fs_saved_lock s;
	struct rest r;
	int ret = begin(in, FS_TAG_LOCKS, &r, err);

	while (ret == 0 && r.len) {
		if (!take(&r, &s, sizeof(s)))
			return malformed(err, "a lock is cut off");
		ret = load_lock(fs, &s, err);
	}
	return ret;
}

/* drop_holds() - of all that were loaded; what nothing keeps goes. */
static void drop_holds(struct fs_server *fs)
{
	struct fs_inode *i;
	uint32_t pos = 0;

	while ((i = idtable_next(&fs->inodes, &pos)))
		if (i->root->inode != i)
			fs_inode_put(fs, i);
}

int fs_server_load(struct fs_server *fs, struct sections *in, struct err *err)
{
	struct fs_saved_server s;
	struct rest records;
	int ret = section_get(in, FS_TAG, &s, sizeof(s), err);

	if (ret < 0)
		return ret;
	atomic_store(&fs->submounts, s.submounts);
	atomic_store(&fs->setxattr_ext, s.setxattr_ext);
	atomic_store(&fs->inode_dax, s.inode_dax);
	atomic_store(&fs->root_known, s.root_known);
	atomic_store(&fs->locks_shared, s.locks_shared);
	atomic_store(&fs->initialised, s.initialised);
	ret = load_records(fs, in, &records, err);
	if (ret == 0)
		ret = load_ghosts(fs, in, err);
	if (ret == 0)
		ret = check_all_open(fs, records, err);
	if (ret == 0)
		ret = load_handles(fs, in, err);
	if (ret == 0)
		ret = load_window(fs, in, err);
	if (ret == 0)
		ret = load_locks(fs, in, err);
	drop_holds(fs);
	if (fs->inodes.sequence < s.inode_sequence)
		fs->inodes.sequence = s.inode_sequence;
	if (fs->handles.sequence < s.handle_sequence)
		fs->handles.sequence = s.handle_sequence;
	return ret;
}

int fs_load(struct virtio_device *dev, struct sections *in, struct err *err)
{
	return fs_server_load(fs_device_server(dev), in, err);
}
