/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_NATIVE_FOLLOW_H
#define CELERIAC_NATIVE_FOLLOW_H

/* Where what a task sends before its result goes: PUBLISH, STORE and CHORD of PROTOCOL.md. */

#include <stdbool.h>
#include <stdint.h>

#include "codec/buffer.h"
#include "codec/value.h"

/* Each returns false when there is no memory for the frame, or it would be too long; a main process
 * that is gone is no failure. What is passed is borrowed until the call returns. */
struct follow {
    /* `message`: one packed msgpack map. */
    bool (*publish)(void *context, struct bytes message, struct bytes body);
    bool (*store)(void *context, struct text task_id, struct text state, struct bytes document);
    bool (*chord)(void *context, struct text group_id, uint64_t size, struct bytes group);
    void *context;
};

#endif
