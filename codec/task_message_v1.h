/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CODEC_TASK_MESSAGE_V1_H
#define CELERIAC_CODEC_TASK_MESSAGE_V1_H

/* Protocol 1 (celery-wire.md 2.9) turned into protocol 2, for task_message.c only. */

#include "codec/task_message.h"

/* What a protocol 1 message becomes. Both live in the zone, and as long as the source. */
struct task_message_v1 {
    msgpack_object headers;
    struct bytes body;
};

/* TASK_MESSAGE_OK, or another kind with a sentence in `reason`; ret->headers is then set only if
 * there was something to make them from. The headers are not checked yet. */
enum task_message_kind task_message_v1_upgrade(const struct task_message_source *source,
                                               msgpack_zone *zone, struct task_message_v1 *ret,
                                               struct codec_reason *reason);

#endif
