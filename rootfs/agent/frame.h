/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames of vmm/agent_proto.h over the control connection, as the agent sees
 * them: requests in, results and events out.
 *
 * Reading:
 *	n = frame_reader_fill(&r, fd);		one recv(), 0 at the end of file
 *	while ((ret = frame_reader_next(&r, &frame, &payload)) > 0) {
 *		... @payload is valid until frame_reader_drop() ...
 *		frame_reader_drop(&r);
 *	}
 *	ret < 0: the other side broke the protocol
 *
 * Writing never blocks: what the socket does not take waits in the writer, and
 * frame_writer_flush() goes on when the socket is writable.
 */
#ifndef HULL_AGENT_FRAME_H
#define HULL_AGENT_FRAME_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "lib/buf.h"
#include "vmm/agent_proto.h"

struct frame_reader {
	char *data; /* owned */
	size_t len; /* (bytes) received and not yet dropped */
	size_t cap;
	size_t current; /* (bytes) the frame that _next() gave, 0: none */
};

/*
 * frame_reader_fill() - receive what is there, at most what the buffer holds.
 * Return: (bytes) > 0; 0: end of file; -EAGAIN; -errno
 */
ssize_t frame_reader_fill(struct frame_reader *r, int fd);

/*
 * frame_reader_next() - the next whole frame, checked.
 * Return: 1; 0: not there yet; -EPROTO: not a request we know; -ENOMEM
 */
int frame_reader_next(struct frame_reader *r, struct agent_frame *ret_frame,
		      const char **ret_payload);
void frame_reader_drop(struct frame_reader *r);
void frame_reader_release(struct frame_reader *r);

/* frame_check() - 0, or -EPROTO when no agent may be sent such a header. */
int frame_check(const struct agent_frame *f);

/*
 * frame_split_create() - the payload of AGENT_CREATE: id, 0, config.json.
 * Return: 0 or -EPROTO
 */
int frame_split_create(const char *payload, size_t len, const char **ret_id,
		       const char **ret_config, size_t *ret_len);

/*
 * frame_split_exec() - the payload of AGENT_EXEC: process, perhaps 0 and a cgroup.
 * @ret_len: (bytes) of the process, with which @payload begins
 * @cgroup: "" when there is none
 * Return: 0 or -EPROTO
 */
int frame_split_exec(const char *payload, size_t len, size_t *ret_len,
		     char cgroup[PATH_MAX]);

struct frame_writer {
	int fd; /* borrowed, non-blocking */
	struct buf pending;
};

/*
 * frame_write() - send a frame, or queue it.  @hold only queues: it leaves with
 * the next frame that is sent (marks cost no packet of their own).
 * Return: 0; -errno: the connection is lost
 */
int frame_write(struct frame_writer *w, const struct agent_frame *f, const void *payload,
		bool hold);
int frame_writer_flush(struct frame_writer *w);

#endif
