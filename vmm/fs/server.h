/* SPDX-License-Identifier: Apache-2.0 */
/*
 * struct fs_server - the file server without its queues: roots, inode records,
 * open directories, file handles, and the table of FUSE operations.
 *
 * How a node id becomes a file.  A record (struct fs_inode) knows its identity
 * (root, st_dev, st_ino, type) and the names under which it was looked up, each a
 * pair (parent record, name).  An operation reaches the file through an open file
 * handle if there is one, else through its parent's directory fd and its name,
 * and checks the identity: when the host put something else there, the answer is
 * ESTALE and the guest's kernel looks the name up again.  Only directories are
 * kept open (O_PATH, an LRU of bounded length); one that is not open is walked to
 * from its nearest open ancestor in one openat2().  A file that loses its last
 * known name while the guest knows it keeps a descriptor (`pin`).
 *
 * No path ever leaves a root: single components that are not "..", O_NOFOLLOW,
 * openat2(RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS) for more than one.
 *
 * Overlayfs: copy-up keeps st_ino and st_dev, except for lower files with
 * several links (the link breaks) and, on layers of several file systems, for
 * directories (their st_ino is not even persistent).  So a record takes over a
 * new identity after a change that we made ourselves, and a directory of such an
 * overlay is recognised by its name.
 *
 * Locks: `lock` guards records, names, the identity hash and the LRU; `handle_lock`
 * the table of handles.  lock is taken before handle_lock.  No system call that
 * can sleep for long is made under either.
 */
#ifndef HULL_VMM_FS_SERVER_H
#define HULL_VMM_FS_SERVER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "vmm/fs/dax.h"
#include "vmm/fs/fs.h"
#include "vmm/fs/gate.h"
#include "vmm/fs/idtable.h"
#include "vmm/fs/locks.h"
#include "vmm/fs/offer.h"
#include "vmm/fs/request.h"
#include "vmm/fs/watch.h"
#include "vmm/vm_config.h"

#define FS_OPCODES 64u /* above every opcode of 7.38 */
#define FS_MAX_INODES (1u << 24)
#define FS_MAX_HANDLES (1u << 20)
#define FS_MAX_WRITE (1u << 20) /* (bytes) 256 pages */
#define FS_MAX_LINK_NAMES 4u /* names remembered of one file with hard links */
#define FS_MAX_PINS 4096u /* unlinked files kept although nobody has them open */
#define FS_ROOT_DEVS 16u /* st_dev values told apart in one root */
#define FS_DAX_MIN (4u << 20) /* (bytes) smaller files are read: see inode.c */
#define FS_SCRATCH_SIZE 65536u /* (bytes) the largest xattr value */

struct fs_handle;
struct fs_inode;

/* What the guest may cache, per device. */
struct fs_policy {
	uint64_t entry_ns; /* how long a name is believed */
	uint64_t negative_ns; /* and that there is none */
	uint64_t attr_ns;
	bool keep_cache; /* file data stays cached from one open to the next */
	bool cache_dirs; /* directory listings, checked by mtime */
	bool cache_symlinks;
	bool submounts; /* see fs.h */
	bool locks; /* its locks are the host's, too: see locks.h */
};

struct fs_root {
	int fd; /* owned: O_PATH */
	int data_fd; /* owned: a root that is a regular file, open; else -1 */
	char place[FS_PLACE_SIZE]; /* fs_root_params' */
	unsigned int index;
	uint64_t ino_mix; /* keeps inode numbers of roots with one st_dev apart */
	bool readonly;
	bool overlay; /* an overlayfs: see above */
	bool remote; /* errors may show up at close(): FLUSH is worth a request */
	atomic_bool split; /* overlay of several file systems */
	_Atomic dev_t devs[FS_ROOT_DEVS]; /* [0]: st_dev of the root; 0: free */
	struct fs_inode *inode; /* never freed before the server */
};

/* One name of a record; parent->children counts them. */
struct fs_name {
	struct fs_inode *parent;
	struct fs_name *next;
	char s[];
};

/* All but the constants is guarded by fs_server.lock. */
struct fs_inode {
	uint64_t id; /* constant: the node id */
	uint64_t ino; /* host's */
	dev_t dev; /* host's */
	struct fs_root *root; /* constant; NULL: the device's own root directory */
	struct fs_name *names; /* latest first; none: unlinked, or a root */
	struct fs_inode *hash_next;
	uint64_t nlookup; /* the guest's references */
	struct fs_handle *handles; /* open files, latest first */
	struct fs_watch *watch; /* owned: the guest watches it; or NULL */
	int pin; /* O_PATH: the file without a name; or -1 */
	int slot; /* in the LRU of directories, or -1 */
	uint32_t refs; /* requests being served */
	uint32_t children; /* names that have this as parent */
	mode_t type; /* constant: S_IFMT bits */
	bool hashed; /* found by its identity */
	bool unsure; /* loaded: its file is what is found first under its name */
	bool dax; /* constant: the guest maps it instead of reading it */
	bool offering; /* a socket: the agent is asked for `offered`, or to end it */
	bool offer_failed;
	bool offer_kept; /* it has a reference for that */
	uint8_t offered; /* SOCK_*, or 0: see offer.h */
	atomic_bool mended; /* fs_dax_mend() was at work: see dax.h */
	atomic_uint shown; /* slots of the DAX window */
	atomic_bool special_mode; /* setuid or setgid was seen: see op_write.c */
};

/* An open file or directory. */
struct fs_handle {
	uint64_t id; /* constant: fh */
	int fd; /* owned; -1: the device's root directory */
	bool writable;
	bool is_dir;
	atomic_uint refs;
	struct fs_inode *inode; /* holds a reference */
	struct fs_handle *next; /* fs_inode.handles; fs_server.lock */
	struct fs_dirbuf *dirbuf; /* owned; of directories */
};

/* One slot of the LRU of open directories. */
struct fs_dir_slot {
	int fd;
	unsigned int users; /* requests that use it now: not to be evicted */
	struct fs_inode *inode; /* NULL: free */
	int prev, next; /* towards most and least recently used, -1: end */
};

struct fs_server {
	struct fs_policy policy;
	struct fs_root *_Atomic roots[VM_MAX_ROOTS]; /* by index; set once */

	pthread_mutex_t lock;
	struct idtable inodes;
	struct fs_inode **hash; /* by (root, dev, ino) */
	uint32_t n_hash; /* a power of 2 */
	uint32_t hashed; /* entries */
	uint32_t pins;
	struct fs_inode *top; /* node id 1 */
	struct fs_dir_slot *slots;
	unsigned int n_slots;
	int mru, lru; /* slot numbers, -1: none */

	/*
	 * Name changes being made: a request that found its file gone waits for
	 * them and tries again.  Guarded by lock.
	 */
	unsigned int names_busy;
	unsigned int names_held; /* requests that need names to stay for a moment */
	uint64_t names_done;
	pthread_cond_t names_cond;

	pthread_mutex_t handle_lock;
	struct idtable handles;

	struct fs_dax dax;
	struct fs_gate gate;
	struct fs_offers offers;
	struct fs_watches watches;
	struct fs_locks locks;

	pthread_mutex_t mode_lock; /* writes to setuid and setgid files, one by one */

	atomic_bool initialised; /* between INIT and DESTROY */
	atomic_bool root_known; /* since INIT a root was looked up */
	atomic_bool submounts; /* negotiated */
	atomic_bool setxattr_ext; /* negotiated */
	atomic_bool locks_shared; /* negotiated: SETLK takes locks on the host */
	atomic_bool inode_dax; /* negotiated: files may be mapped */
	atomic_bool relaxed; /* fs_relax_sync() */
	atomic_uint_fast64_t counts[FS_OPCODES]; /* [0]: unknown opcodes */
};

/* What a thread that serves requests has of its own. */
struct fs_worker {
	struct fs_server *fs;
	char *scratch; /* owned: FS_SCRATCH_SIZE bytes, or NULL until needed */
	struct fs_touch *touch; /* owned: what the request touches, likewise */
	mode_t umask;
	bool fixup; /* the kernel drops file capabilities with setfsuid() */
};

/* fs_touch_any() - is anything watched?  Else fs_touch_*() have nothing to do. */
static inline bool fs_touch_any(const struct fs_server *fs)
{
	return atomic_load_explicit(&fs->watches.n, memory_order_relaxed) != 0;
}

/* ---- server.c ---- */

/*
 * fs_server_new() - a server for @params' roots (fds owned from here on); the
 * members of @params about workers and guest memory are not looked at.
 */
int fs_server_new(const struct fs_params *params, struct fs_server **ret,
		  struct err *err);
void fs_server_free(struct fs_server *fs); /* no request is being served */
int fs_server_add_root(struct fs_server *fs, const struct fs_root_params *p,
		       struct err *err);
/* fs_server_reset() - as after fs_server_new(): handles closed, node ids forgotten. */
void fs_server_reset(struct fs_server *fs);

/*
 * fs_server_load() - what the device of a saved machine had (load.c), into a server that has
 * served nothing.  @in: as fs_save() put it; not trusted
 * Errors: EPROTO, ESTALE (a file that is open is not what it was), what open() says
 */
struct sections;
int fs_server_load(struct fs_server *fs, struct sections *in, struct err *err);

/* fs_root_ino() - the inode number that the guest is shown. */
uint64_t fs_root_ino(struct fs_root *root, dev_t dev, uint64_t ino);

/* ---- dispatch.c ---- */

/*
 * fs_serve() - serve one request.
 * @out: what the guest sent; @in: room for the reply; both lists are used up
 * Return: (bytes) written to @in, 0: no reply; FS_PARKED, FS_WAITS: nothing was done and
 * the lists are as they were, it is to be served again when the gate is open, or the
 * agent has answered (offer.h)
 */
uint32_t fs_serve(struct fs_worker *w, struct iovec *out, unsigned int n_out,
		  struct iovec *in, unsigned int n_in);
/* fs_refuse() - answer a request with @ret (-errno), whatever it asks. */
uint32_t fs_refuse(struct iovec *out, unsigned int n_out, struct iovec *in,
		   unsigned int n_in, int ret);
const char *fs_opcode_name(unsigned int opcode);

/* ---- cred.c ---- */

/* fs_worker_init() - in the thread itself: a umask and cwd of its own. */
int fs_worker_init(struct fs_worker *w, struct fs_server *fs, struct err *err);
void fs_worker_release(struct fs_worker *w);

/*
 * fs_cred_enter() / fs_cred_leave() - what is created in between belongs to
 * the request's uid and gid; all permissions stay ours.
 * Return: 0; -EPERM (an id that this user namespace does not have)
 */
int fs_cred_enter(struct fs_req *r, uint32_t umask);
void fs_cred_leave(const struct fs_req *r);

/* fs_scratch() - FS_SCRATCH_SIZE bytes of the worker, or NULL. */
char *fs_scratch(struct fs_req *r);

/* ---- inode.c ---- */

/* fs_inode_get() - by node id; NULL: not known.  Give back with _put(). */
struct fs_inode *fs_inode_get(struct fs_server *fs, uint64_t id);
void fs_inode_put(struct fs_server *fs, struct fs_inode *inode);
/* fs_inode_hold() - one more reference to what is held already. */
void fs_inode_hold(struct fs_server *fs, struct fs_inode *inode);
void fs_inode_put_locked(struct fs_server *fs, struct fs_inode *inode, int *ret_close);

/*
 * fs_inode_found() - the record of what was found as @name in @dir, made if new.
 * @dir: NULL with @name NULL: a root
 * @st: the file's, not followed
 * @ret: counted up (nlookup) and referenced
 */
int fs_inode_found(struct fs_server *fs, struct fs_root *root, struct fs_inode *dir,
		   const char *name, const struct stat *st, struct fs_inode **ret);
/*
 * fs_inode_created() - the same of a file that we have just made: a record with its
 * inode number is of one that is gone, and so is what the guest has cached of it.
 */
int fs_inode_created(struct fs_server *fs, struct fs_root *root, struct fs_inode *dir,
		     const char *name, const struct stat *st, struct fs_inode **ret);

/*
 * fs_inode_pin() - keep a file that has no name, so that its inode number stays its own.
 * @fd: the file, duplicated
 * Errors: ENFILE (too many are kept)
 */
int fs_inode_pin(struct fs_server *fs, struct fs_inode *inode, int fd);
void fs_inode_unpin_locked(struct fs_server *fs, struct fs_inode *inode, int *ret_close);

/* fs_inode_forget() - the guest drops @n references. */
void fs_inode_forget(struct fs_server *fs, uint64_t id, uint64_t n);

/*
 * fs_inode_check() - is @st still this record's file?
 * @changed: we have just changed it: overlayfs may have given it a new identity
 * Return: 0; -ESTALE
 */
int fs_inode_check(struct fs_server *fs, struct fs_inode *inode, const struct stat *st,
		   bool changed);

/*
 * Changes of names, announced before and told afterwards, so that no other
 * request takes a file that is under way for one that is gone.
 * fs_names_end() @changed: false: the call failed, everything is as it was.
 */
void fs_names_begin(struct fs_server *fs);
void fs_names_end(struct fs_server *fs, bool changed);
uint64_t fs_names_count(struct fs_server *fs);
/* fs_names_wait() - true: names have changed since @count, look again. */
bool fs_names_wait(struct fs_server *fs, uint64_t count);
/* fs_names_hold() / fs_names_release() - in between no request changes names. */
void fs_names_hold(struct fs_server *fs);
void fs_names_release(struct fs_server *fs);

/*
 * fs_name_removed() - @name in @dir is gone (or is another file now).
 * @st: the file it was
 * @fd: O_PATH of that file: taken and set to -1 where the record needs it
 */
void fs_name_removed(struct fs_server *fs, struct fs_inode *dir, const char *name,
		     const struct stat *st, int *fd);
/*
 * fs_name_moved() - what was @from, @was, is now @to.
 * @is: as it is now: overlayfs may have copied it up
 */
struct fs_entry {
	struct fs_inode *dir;
	const char *name;
};
void fs_name_moved(struct fs_server *fs, struct fs_entry from, struct fs_entry to,
		   const struct stat *was, const struct stat *is);

/* fs_inode_free_all() - at the end; roots' and top's records too. */
void fs_inode_free_all(struct fs_server *fs);
/* fs_inode_new_top() - node id 1. */
int fs_inode_new_top(struct fs_server *fs);
void fs_inode_reap_locked(struct fs_server *fs, struct fs_inode *inode, int *ret_close);

/* ---- walk.c ---- */

/* An open directory, for the time of one request. */
struct fs_dir {
	int fd; /* borrowed, O_PATH */
	int slot; /* held, or -1 */
	int own; /* owned, or -1: all slots are in use */
};
#define FS_DIR_INIT ((struct fs_dir){ .fd = -1, .slot = -1, .own = -1 })

int fs_dirs_init(struct fs_server *fs, unsigned int n_slots);
void fs_dirs_release(struct fs_server *fs);
/* fs_dirs_drop_locked() - the record goes away: close its directory, if open. */
void fs_dirs_drop_locked(struct fs_server *fs, struct fs_inode *inode);
/* fs_dirs_close_idle() - somebody has removed a folder, which our descriptors keep. */
void fs_dirs_close_idle(struct fs_server *fs);

/* fs_dir_open() - Return: 0; -ENOTDIR; -ESTALE (it is not there any more); -errno */
int fs_dir_open(struct fs_server *fs, struct fs_inode *inode, struct fs_dir *d);
void fs_dir_close(struct fs_server *fs, struct fs_dir *d);

/*
 * struct fs_place - how to reach a file for one request.
 *
 * name[0] != 0: `name` below `fd`; else `fd` is the file itself, and `real` says
 * whether it is open (f*() calls work) or O_PATH.  at_flags go with both.
 */
struct fs_place {
	int fd; /* borrowed */
	int at_flags; /* AT_SYMLINK_NOFOLLOW or AT_EMPTY_PATH */
	bool real;
	char name[FS_NAME_SIZE];
	struct fs_inode *parent; /* held, or NULL */
	struct fs_dir dir;
	struct fs_handle *handle; /* held, or NULL */
};

enum fs_place_how {
	FS_PLACE_ANY,
	FS_PLACE_NAMED, /* not through an open handle: (parent, name) if it has one */
};

int fs_place_get(struct fs_server *fs, struct fs_inode *inode, enum fs_place_how how,
		 struct fs_place *pl);
void fs_place_put(struct fs_server *fs, struct fs_place *pl);
/* fs_place_error() - -errno of a failed call at @pl: no such file means a moved one. */
int fs_place_error(const struct fs_place *pl);
/* fs_place_stat() - attributes, and the check that it is still the same file. */
int fs_place_stat(struct fs_server *fs, struct fs_inode *inode, struct fs_place *pl,
		  bool changed, struct stat *st);
/*
 * fs_place_open() - open the file (regular ones and directories only).
 * @flags: O_ACCMODE and O_TRUNC
 * Return: an fd; -ENXIO (not a file that has data); -ESTALE; -errno
 */
int fs_place_open(struct fs_server *fs, struct fs_inode *inode, struct fs_place *pl,
		  int flags);
/* fs_inode_open() - the same, for whom the place is of no other use. */
int fs_inode_open(struct fs_server *fs, struct fs_inode *inode, enum fs_place_how how,
		  int flags);

/* ---- handle.c ---- */

/*
 * fs_handle_new() - make a handle; takes a reference on @inode of its own.
 * @fd: taken over in every case
 */
int fs_handle_new(struct fs_server *fs, struct fs_inode *inode, int fd, bool writable,
		  uint64_t *ret_id);
/* fs_handle_get() - NULL: no such handle, or a directory where a file is meant. */
struct fs_handle *fs_handle_get(struct fs_server *fs, uint64_t id, bool is_dir);
void fs_handle_hold(struct fs_handle *h);
void fs_handle_put(struct fs_server *fs, struct fs_handle *h);
/* fs_handle_close() - the guest's RELEASE. */
int fs_handle_close(struct fs_server *fs, uint64_t id, bool is_dir);
void fs_handle_close_all(struct fs_server *fs);
/* fs_handle_renumber() - its handle of before the save.  Return: as idtable_put_back() */
int fs_handle_renumber(struct fs_server *fs, uint64_t id, uint64_t saved);

/* ---- attr.c ---- */

/* fs_attr_fill() - @st as it was found now: what the DAX window shows is healed. */
void fs_attr_fill(struct fs_server *fs, struct fs_inode *inode, const struct stat *st,
		  struct fuse_attr *attr);
void fs_attr_top(struct fuse_attr *attr);
void fs_entry_fill(struct fs_server *fs, struct fs_inode *inode, const struct stat *st,
		   struct fuse_entry_out *out);

#endif
