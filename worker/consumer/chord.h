/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CONSUMER_CHORD_H
#define CELERIAC_CONSUMER_CHORD_H

/* The part that a task is of a chord (PROTOCOL.md, "What a task sends"): added to its group after
 * the task's result is stored; whoever adds the last one has a child start the chord's body. */

#include <stdbool.h>

#include "codec/value.h"

struct request;

/* Keeps what a report says of a chord, if it does. */
void chord_keep(struct request *request, const msgpack_object *report);
/* Forgets it. */
void chord_drop(struct request *request);

/* The request's result is stored: does what is to be done for its chord, if it is a part of one,
 * then settles with request->verb. */
void chord_go_on(struct request *request);

/* True if the record that is being made is that of the chord's end. */
bool chord_is_ending(const struct request *request);
/* That record has been made; `report` may name a chord that this one was a part of. */
void chord_ended(struct request *request, const msgpack_object *report);

#endif
