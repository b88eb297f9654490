/* SPDX-License-Identifier: Apache-2.0 */
/* Reading directories, with (READDIRPLUS) and without looking up each entry. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "vmm/fs/ops.h"
#include "vmm/fs/whiteout.h"

#define DIRBUF_SIZE 4096u

/*
 * struct fs_dirbuf - what getdents64() gave and the guest has not taken yet: its
 * replies are a page long, and in READDIRPLUS an entry is six times the size.
 */
struct fs_dirbuf {
	pthread_mutex_t lock;
	uint64_t first; /* offset that leads to data[0] */
	uint64_t next; /* offset that leads to data[pos] */
	size_t pos;
	size_t len;
	char data[DIRBUF_SIZE] __attribute__((aligned(8)));
};

/* The room of one reply, and how its entries look. */
struct listing {
	struct fs_req *r;
	struct fs_handle *h;
	size_t room;
	bool plus;
};

void fs_dirbuf_free(struct fs_dirbuf *b)
{
	if (b)
		(void)pthread_mutex_destroy(&b->lock);
	free(b);
}

struct fs_dirbuf *fs_dirbuf_new(void)
{
	struct fs_dirbuf *b = malloc(sizeof(*b));

	if (!b)
		return NULL;
	/* The data stays untouched memory until something is read into it. */
	b->first = b->next = b->pos = b->len = 0;
	if (pthread_mutex_init(&b->lock, NULL)) {
		free(b);
		return NULL;
	}
	return b;
}

int fs_op_opendir(struct fs_req *r, struct fs_inode *inode)
{
	struct fuse_open_out out;
	auto_fd int fd = -1;
	struct fs_dir d;
	int ret;

	if (!S_ISDIR(inode->type))
		return -ENOTDIR;
	if (inode->root) {
		ret = fs_dir_open(r->fs, inode, &d);
		if (ret < 0)
			return ret;
		fd = openat(d.fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		ret = fd < 0 ? -errno : 0;
		fs_dir_close(r->fs, &d);
		if (ret < 0)
			return ret;
	}
	ret = fs_open_out(r->fs, inode, take_fd(&fd), false, &out);
	return ret < 0 ? ret : fs_req_put(r, &out, sizeof(out));
}

int fs_op_releasedir(struct fs_req *r, struct fs_inode *inode)
{
	struct fuse_release_in in;
	int ret = fs_req_get(r, &in, sizeof(in));

	(void)inode;
	return ret < 0 ? ret : fs_handle_close(r->fs, in.fh, true);
}

static size_t entry_size(const struct listing *l, size_t namelen)
{
	size_t fixed = l->plus ? FUSE_NAME_OFFSET_DIRENTPLUS : FUSE_NAME_OFFSET;

	return FUSE_DIRENT_ALIGN(fixed + namelen);
}

/*
 * look_up() - an entry of READDIRPLUS is a LOOKUP.  Where it fails (removed this
 * moment, no memory) the entry says "unknown", which the guest takes as such.
 */
static void look_up(const struct listing *l, const char *name, struct fuse_entry_out *out)
{
	struct fs_inode *dir = l->h->inode, *found = NULL;
	struct stat st;

	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return;
	if (fs_stat_name(dir->root, l->h->fd, name, AT_SYMLINK_NOFOLLOW, &st) < 0)
		return;
	if (fs_inode_found(l->r->fs, dir->root, dir, name, &st, &found) < 0)
		return;
	fs_entry_fill(l->r->fs, found, &st, out);
	fs_inode_put(l->r->fs, found);
}

/* put_one() - Return: 1: put; 0: no room */
static int put_one(struct listing *l, const char *name, uint64_t ino, uint64_t off,
		   unsigned char type)
{
	static const char zeros[8];
	size_t len = strlen(name);
	size_t size = entry_size(l, len);
	struct fuse_dirent e = {
		.ino = ino,
		.off = off,
		.namelen = (uint32_t)len,
		.type = type,
	};
	struct fuse_entry_out entry = { 0 };

	if (size > l->room)
		return 0;
	l->room -= size;
	/* Room was checked against the reply when the listing began. */
	if (l->plus) {
		if (l->h->fd >= 0)
			look_up(l, name, &entry);
		if (entry.nodeid) {
			e.ino = entry.attr.ino;
			e.type = IFTODT(entry.attr.mode);
		}
		(void)fs_req_put(l->r, &entry, sizeof(entry));
		size -= sizeof(entry);
	}
	(void)fs_req_put(l->r, &e, FUSE_NAME_OFFSET);
	(void)fs_req_put(l->r, name, len);
	(void)fs_req_put(l->r, zeros, size - FUSE_NAME_OFFSET - len);
	return 1;
}

/* list_top() - the device's own root: offset n leads to entry n. */
static void list_top(struct listing *l, uint64_t offset)
{
	const struct fs_server *fs = l->r->fs;

	for (uint64_t n = offset; n < VM_MAX_ROOTS + 2; n++) {
		const struct fs_root *root;
		char name[16];

		if (n < 2) {
			if (!put_one(l, n ? ".." : ".", FUSE_ROOT_ID, n + 1, DT_DIR))
				return;
			continue;
		}
		root = atomic_load(&fs->roots[n - 2]);
		if (!root)
			continue;
		(void)snprintf(name, sizeof(name), "%u", root->index);
		if (!put_one(l, name, root->inode->ino, n + 1,
			     (unsigned char)IFTODT(root->inode->type)))
			return;
	}
}

/* seek() - let data[pos] be the entry at @offset; fetch it if it is not there. */
static int seek(struct fs_dirbuf *b, int fd, uint64_t offset)
{
	/* At 0 a listing begins anew, and must show what there is now. */
	if (offset && offset == b->next)
		return 0;
	if (offset && b->len) {
		uint64_t at = b->first;

		for (size_t pos = 0; pos < b->len;) {
			const struct dirent64 *e = (const void *)(b->data + pos);

			if (at == offset) {
				b->pos = pos;
				b->next = offset;
				return 0;
			}
			at = (uint64_t)e->d_off;
			pos += e->d_reclen;
		}
	}
	if (lseek(fd, (off_t)offset, SEEK_SET) < 0)
		return -errno;
	b->first = b->next = offset;
	b->pos = b->len = 0;
	return 0;
}

/*
 * number_of() - the inode number that stat() would show.  The listing of an overlay of
 * several file systems does not say on which of them an entry is: look at it.
 */
static uint64_t number_of(const struct listing *l, const struct dirent64 *e)
{
	struct fs_root *root = l->h->inode->root;
	dev_t dev = atomic_load(&root->devs[0]);
	struct stat st;

	if (!l->plus && e->d_type != DT_DIR && root->overlay &&
	    atomic_load(&root->split) &&
	    fstatat(l->h->fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) == 0)
		return fs_root_ino(root, st.st_dev, st.st_ino);
	return fs_root_ino(root, dev, e->d_ino);
}

/* type_of() - a whiteout's is a device's: an overlayfs looks at no other entries. */
static unsigned char type_of(const struct listing *l, const struct dirent64 *e)
{
	const struct fs_root *root = l->h->inode->root;

	if (!l->plus && e->d_type == DT_LNK && fs_whiteout_at(root, l->h->fd, e->d_name))
		return DT_CHR;
	return e->d_type;
}

static int list_dir(struct listing *l, uint64_t offset)
{
	struct fs_dirbuf *b = l->h->dirbuf;
	ssize_t got;
	int ret;

	ret = seek(b, l->h->fd, offset);
	while (ret == 0) {
		const struct dirent64 *e = (const void *)(b->data + b->pos);

		if (b->pos < b->len) {
			if (!put_one(l, e->d_name, number_of(l, e), (uint64_t)e->d_off,
				     type_of(l, e)))
				break;
			b->pos += e->d_reclen;
			b->next = (uint64_t)e->d_off;
			continue;
		}
		got = getdents64(l->h->fd, b->data, sizeof(b->data));
		if (got < 0)
			ret = l->r->replied ? 0 : -errno;
		b->first = b->next;
		b->pos = 0;
		b->len = got > 0 ? (size_t)got : 0;
		if (got <= 0)
			break;
	}
	return ret;
}

static int list(struct fs_req *r, bool plus)
{
	struct listing l = { .r = r, .plus = plus };
	struct fuse_read_in in;
	int ret;

	ret = fs_req_get(r, &in, sizeof(in));
	if (ret < 0)
		return ret;
	if (in.offset > INT64_MAX)
		return -EINVAL;
	l.h = fs_handle_get(r->fs, in.fh, true);
	if (!l.h)
		return -EBADF;
	l.room = in.size < r->reply.left ? in.size : r->reply.left;
	if (!l.h->inode->root) {
		list_top(&l, in.offset);
	} else {
		(void)pthread_mutex_lock(&l.h->dirbuf->lock);
		ret = list_dir(&l, in.offset);
		(void)pthread_mutex_unlock(&l.h->dirbuf->lock);
	}
	fs_handle_put(r->fs, l.h);
	return ret;
}

int fs_op_readdir(struct fs_req *r, struct fs_inode *inode)
{
	(void)inode;
	return list(r, false);
}

int fs_op_readdirplus(struct fs_req *r, struct fs_inode *inode)
{
	(void)inode;
	return list(r, true);
}
