/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the SIGNAL frames that a forkserver has not been sent yet, and how many there may be. Must
 * not know what they say, nor who wants to know. */

#include "worker/pool/backlog.h"

#include <endian.h>
#include <stdint.h>
#include <string.h>

#include "worker/pool/pool.h"

enum {
    HEAD = 4,         /* bytes of a frame's length */
    HELPING = 4096,   /* given to the link at a time: a SPAWN waits for no more than that */
    MARGIN = 64,      /* of a frame, beside name and arguments */
    KEEP = 64 * 1024, /* memory kept while nothing waits */
};

void backlog_init(struct backlog *backlog)
{
    *backlog = (struct backlog){.start = 0};
    buffer_init(&backlog->frames, 2 * POOL_SIGNALS_MAX + FRAME_MAX);
}

void backlog_done(struct backlog *backlog)
{
    buffer_done(&backlog->frames);
}

static size_t waiting(const struct backlog *backlog)
{
    return backlog->frames.size - backlog->start;
}

/* One that is larger than the bound is sent if it is alone. */
static bool has_room(const struct backlog *backlog, const struct link *link, size_t size)
{
    size_t taken = waiting(backlog) + link->output.size - link->sent;
    return taken == 0 || (size <= POOL_SIGNALS_MAX && taken <= POOL_SIGNALS_MAX - size);
}

bool backlog_add(struct backlog *backlog, const struct link *link, const char *name,
                 struct bytes arguments)
{
    if (!has_room(backlog, link, strlen(name) + arguments.size + MARGIN))
        return false;
    if (backlog->start > waiting(backlog)) {
        buffer_consume(&backlog->frames, backlog->start);
        backlog->start = 0;
    }
    return frame_write_signal(&backlog->frames, name, arguments) == 0;
}

static void forget(struct backlog *backlog, size_t size)
{
    backlog->start += size;
    if (waiting(backlog) > 0)
        return;
    buffer_clear(&backlog->frames, KEEP);
    backlog->start = 0;
}

/* Whole frames, one at least if there is any. */
static size_t helping(const struct backlog *backlog)
{
    const uint8_t *frames = backlog->frames.data + backlog->start;
    size_t all = waiting(backlog), size = 0;
    while (size < all && size < HELPING) {
        uint32_t length;
        memcpy(&length, frames + size, HEAD);
        size += HEAD + be32toh(length);
    }
    return size;
}

static int hand_over(struct backlog *backlog, struct link *link, size_t size)
{
    int rc = buffer_append(&link->output, backlog->frames.data + backlog->start, size);
    if (rc == 0)
        forget(backlog, size);
    return rc;
}

void backlog_send(struct backlog *backlog, struct link *link)
{
    while (waiting(backlog) > 0 && !link_pending(link))
        if (hand_over(backlog, link, helping(backlog)) != 0 ||
            link_send(link, (struct bytes){NULL, 0}) != 0)
            return; /* out of memory, or the peer is gone: reading says so */
}

int backlog_hand_over(struct backlog *backlog, struct link *link)
{
    return waiting(backlog) > 0 ? hand_over(backlog, link, waiting(backlog)) : 0;
}
