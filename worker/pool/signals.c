/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the SIGNAL frames that a forkserver has not been sent yet, and how many there may be. Must
 * not know what they say, nor who wants to know. */

#include "worker/pool/signals.h"

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

void signals_init(struct signals *signals)
{
    *signals = (struct signals){.start = 0};
    buffer_init(&signals->frames, 2 * POOL_SIGNALS_MAX + FRAME_MAX);
}

void signals_done(struct signals *signals)
{
    buffer_done(&signals->frames);
}

static size_t waiting(const struct signals *signals)
{
    return signals->frames.size - signals->start;
}

/* One that is larger than the bound is sent if it is alone. */
static bool has_room(const struct signals *signals, const struct link *link, size_t size)
{
    size_t taken = waiting(signals) + link->output.size - link->sent;
    return taken == 0 || (size <= POOL_SIGNALS_MAX && taken <= POOL_SIGNALS_MAX - size);
}

bool signals_add(struct signals *signals, const struct link *link, const char *name,
                 struct bytes arguments)
{
    if (!has_room(signals, link, strlen(name) + arguments.size + MARGIN))
        return false;
    if (signals->start > waiting(signals)) {
        buffer_consume(&signals->frames, signals->start);
        signals->start = 0;
    }
    return frame_write_signal(&signals->frames, name, arguments) == 0;
}

static void forget(struct signals *signals, size_t size)
{
    signals->start += size;
    if (waiting(signals) > 0)
        return;
    buffer_clear(&signals->frames, KEEP);
    signals->start = 0;
}

/* Whole frames, one at least if there is any. */
static size_t helping(const struct signals *signals)
{
    const uint8_t *frames = signals->frames.data + signals->start;
    size_t all = waiting(signals), size = 0;
    while (size < all && size < HELPING) {
        uint32_t length;
        memcpy(&length, frames + size, HEAD);
        size += HEAD + be32toh(length);
    }
    return size;
}

static int hand_over(struct signals *signals, struct link *link, size_t size)
{
    int rc = buffer_append(&link->output, signals->frames.data + signals->start, size);
    if (rc == 0)
        forget(signals, size);
    return rc;
}

void signals_send(struct signals *signals, struct link *link)
{
    while (waiting(signals) > 0 && !link_pending(link))
        if (hand_over(signals, link, helping(signals)) != 0 ||
            link_send(link, (struct bytes){NULL, 0}) != 0)
            return; /* out of memory, or the peer is gone: reading says so */
}

int signals_hand_over(struct signals *signals, struct link *link)
{
    return waiting(signals) > 0 ? hand_over(signals, link, waiting(signals)) : 0;
}
