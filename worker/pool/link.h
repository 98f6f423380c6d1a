/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_POOL_LINK_H
#define CELERIAC_POOL_LINK_H

/* One end of a stream socket that carries frames: non-blocking, read when it is readable, written
 * at once and, if the socket does not take it all, again when it is writable. Embedded in its
 * owner, who frees it in the callback of link_close. */

#include <stdbool.h>
#include <stddef.h>

#include <uv.h>

#include "codec/base.h"
#include "codec/buffer.h"
#include "codec/error.h"
#include "codec/frame.h"

struct link;

enum link_status {
    LINK_OPEN,   /* something was read */
    LINK_DRY,    /* nothing to read now */
    LINK_EOF,    /* the peer is gone; all its whole frames have been given out */
    LINK_BROKEN, /* the peer broke the protocol (or memory is out): link->reason says how */
    LINK_CLOSED, /* a callback closed the link */
};

struct link_handler {
    /* `frame` is borrowed until the next read. False: the frame is not acceptable; link->reason is
     * filled in. */
    bool (*on_frame)(struct link *link, const struct frame *frame);
    /* LINK_EOF or LINK_BROKEN; nothing more will be read. */
    void (*on_end)(struct link *link, enum link_status status);
    /* What had to wait has been written. */
    void (*on_sent)(struct link *link);
    bool takes_descriptors; /* keep what comes as SCM_RIGHTS */
};

enum { LINK_DESCRIPTORS_MAX = 4, LINK_PASSED_MAX = 2 };

struct link {
    uv_poll_t poll;
    int fd; /* -1: closed */
    const struct link_handler *handler;
    struct frame_reader reader;
    struct buffer output; /* bytes from `sent` on are still to be written */
    size_t sent;
    struct bytes body; /* borrowed; follows `output` */
    bool blocked;      /* the socket has refused a descriptor; on_sent will say when to try again */
    bool paused;       /* not to be read from */
    bool stopped;
    bool broken;
    bool reset; /* the peer has closed its end with bytes unread: it never saw the end of what we
                   sent */
    struct codec_reason reason;
    int descriptors[LINK_DESCRIPTORS_MAX]; /* came as SCM_RIGHTS, the oldest first */
    unsigned descriptor_count;
};

/* Takes `fd`, also on failure. 0 or a negative errno (nothing to close or free then). */
MUST_CHECK int link_init(struct link *link, uv_loop_t *loop, int fd,
                         const struct link_handler *handler);
/* No callback but `on_closed` comes any more; link_done is due there. */
void link_close(struct link *link, uv_close_cb on_closed);
void link_done(struct link *link);

/* Reads once and gives out what is whole. */
enum link_status link_read(struct link *link);
/* Reads all that is there. Bounded: some other process may hold the peer's end and write without
 * end. */
enum link_status link_drain(struct link *link);
/* Stops watching the socket for good; link_read and link_drain still work. */
void link_stop(struct link *link);
/* Does not read (but by link_read and link_drain) until link_resume. What was read before is given
 * out all the same; the end of the peer goes unnoticed meanwhile. */
void link_pause(struct link *link);
void link_resume(struct link *link);

/* Sends what was appended to link->output, then `body`, borrowed until link_pending is false (or
 * the link is closed). 0 or a negative errno: the peer is gone. */
MUST_CHECK int link_send(struct link *link, struct bytes body);
/* Sends what was appended to link->output, with `count` descriptors (1 to LINK_PASSED_MAX,
 * borrowed) beside the first byte: only if the link was not pending. 0 or a negative errno;
 * -EAGAIN: nothing was sent, on_sent will say when to try again. */
MUST_CHECK int link_pass(struct link *link, const int *descriptors, size_t count);
bool link_pending(const struct link *link);
/* No more will be sent: EOF for the peer. */
void link_hang_up(struct link *link);

#endif
