/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_NATIVE_CANVAS_INTERNAL_H
#define CELERIAC_NATIVE_CANVAS_INTERNAL_H

/* Between canvas.c, canvas_chain.c and canvas_group.c. */

#include "worker/runtime/native/canvas.h"

/* Signatures in the zone, with room to grow. */
struct canvas_list {
    struct subtask *items;
    uint32_t count, room;
};

/* Where a signature stands: what freezing writes into its options. */
struct canvas_place {
    msgpack_object task_id, group_id, group_index, chord; /* nil: undecided */
};

/* Both return false and set canvas->failure. */
bool canvas_out_of_memory(struct canvas *canvas);
bool canvas_refuse(struct canvas *canvas, const char *type, const char *format, ...)
    PRINTF_LIKE(3, 4);

MUST_CHECK bool canvas_read(struct canvas *canvas, const msgpack_object *value,
                            struct subtask *ret);
MUST_CHECK bool canvas_value(struct canvas *canvas, const struct subtask *subtask,
                             msgpack_object *ret);
MUST_CHECK bool canvas_push(struct canvas *canvas, struct canvas_list *list,
                            const struct subtask *subtask);
/* The list as an array of values. */
MUST_CHECK bool canvas_values(struct canvas *canvas, const struct canvas_list *list, uint32_t count,
                              msgpack_object *ret);
MUST_CHECK bool canvas_set(struct canvas *canvas, msgpack_object *map, const char *name,
                           msgpack_object value);
MUST_CHECK bool canvas_drop(struct canvas *canvas, msgpack_object *map, const char *const *names);
MUST_CHECK bool canvas_new_id(struct canvas *canvas, msgpack_object *ret);

/* [[id, null], null], and [[id, null], members]. */
MUST_CHECK bool canvas_result(struct canvas *canvas, msgpack_object id,
                              const msgpack_object *members, msgpack_object *ret);
/* Puts `parent`, what came before, in front of the first of what the result has come from. */
void canvas_set_parent(msgpack_object *result, msgpack_object parent);
MUST_CHECK bool canvas_add_child(struct canvas *canvas, msgpack_object result);

/* Gives the signature, and what it stands for, the ids that its results will have. */
MUST_CHECK bool canvas_freeze(struct canvas *canvas, struct subtask *subtask,
                              const struct canvas_place *place, msgpack_object *ret_result);
bool canvas_freeze_chain(struct canvas *canvas, struct subtask *subtask,
                         const struct canvas_place *place, msgpack_object *ret_result);
bool canvas_freeze_group(struct canvas *canvas, struct subtask *subtask,
                         const struct canvas_place *place, msgpack_object *ret_result);
bool canvas_freeze_chord(struct canvas *canvas, struct subtask *subtask,
                         const struct canvas_place *place, msgpack_object *ret_result);

/* A call of a signature from within another. */
struct canvas_call {
    const msgpack_object *args;    /* an array */
    const msgpack_object *options; /* a map, or NULL */
    bool is_child;                 /* of the task; else part of something that is */
};
typedef bool canvas_sender(struct canvas *canvas, const struct subtask *subtask,
                           const struct canvas_call *call, msgpack_object *ret);
canvas_sender canvas_send, canvas_send_chain, canvas_send_group, canvas_send_chord;

/* What the call passes on: its arguments, then the signature's. */
MUST_CHECK bool canvas_arguments(struct canvas *canvas, const struct subtask *subtask,
                                 const struct canvas_call *call, msgpack_object *ret);

#endif
