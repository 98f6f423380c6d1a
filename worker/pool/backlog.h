/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_POOL_BACKLOG_H
#define CELERIAC_POOL_BACKLOG_H

/* SIGNAL frames on their way to a forkserver. They wait here and not in its link, so that a SPAWN
 * overtakes them: handling them may take the forkserver long, and children are wanted meanwhile. */

#include <stdbool.h>

#include "codec/buffer.h"
#include "worker/pool/link.h"

struct backlog {
    struct buffer frames; /* whole ones; those before `start` have been given to the link */
    size_t start;
};

void backlog_init(struct backlog *backlog);
void backlog_done(struct backlog *backlog);
/* False: too much waits already, here and in the link, or memory is out. */
MUST_CHECK bool backlog_add(struct backlog *backlog, const struct link *link, const char *name,
                            struct bytes arguments);
/* Sends what the link takes without waiting. Again when it is not pending any more. */
void backlog_send(struct backlog *backlog, struct link *link);
/* Appends all that waits to the link's output, which somebody else sends. */
MUST_CHECK int backlog_hand_over(struct backlog *backlog, struct link *link);

#endif
