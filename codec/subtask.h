/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CODEC_SUBTASK_H
#define CELERIAC_CODEC_SUBTASK_H

/* Celery's signatures: the objects that stand for calls to come in callbacks, chains, groups and
 * chords (celery-wire.md 5.1). They are values like any other; this reads and changes them. */

#include <stdbool.h>

#include "codec/error.h"
#include "codec/value.h"

enum subtask_kind {
    SUBTASK_PLAIN,
    SUBTASK_CHAIN,
    SUBTASK_GROUP,
    SUBTASK_CHORD,
    SUBTASK_MAP, /* celery.map and celery.starmap */
    SUBTASK_CHUNKS,
};

/* Borrows the value that it was read from. */
struct subtask {
    enum subtask_kind kind;
    struct text task;
    struct text type;       /* `subtask_type`; none for a plain one */
    msgpack_object args;    /* an array */
    msgpack_object kwargs;  /* a map */
    msgpack_object options; /* a map; a null in it is as good as nothing */
    bool immutable;
};

/* CODEC_ETYPE: it is no signature; `reason` (may be NULL) says why. */
MUST_CHECK int subtask_read(const msgpack_object *value, struct subtask *ret,
                            struct codec_reason *reason);

/* The signature as a value, which borrows from it. False: out of memory, as in all that follows. */
MUST_CHECK bool subtask_value(const struct subtask *subtask, msgpack_zone *zone,
                              msgpack_object *ret);

/* The option, or NULL if it is not there or null. */
const msgpack_object *subtask_option(const struct subtask *subtask, const char *name);
/* The signature's options become a copy with this one set. The name is borrowed. */
MUST_CHECK bool subtask_set(struct subtask *subtask, msgpack_zone *zone, const char *name,
                            msgpack_object value);

/* A copy of the map in which `name` is `value`. */
MUST_CHECK bool subtask_map_with(const msgpack_object *map, msgpack_zone *zone, const char *name,
                                 msgpack_object value, msgpack_object *ret);
/* A copy of the map without `name`. */
MUST_CHECK bool subtask_map_without(const msgpack_object *map, msgpack_zone *zone, const char *name,
                                    msgpack_object *ret);
/* The options for a call: `over` (may be NULL) wins, but its nulls say nothing, and the group that
 * a signature names itself, and its stamps, stay. */
MUST_CHECK bool subtask_merge_options(const struct subtask *subtask, const msgpack_object *over,
                                      msgpack_zone *zone, msgpack_object *ret);

/* What may be one thing or a list of them (`link`, `link_error`), as an array; nil is an empty one.
 */
MUST_CHECK bool subtask_as_list(const msgpack_object *value, msgpack_zone *zone,
                                msgpack_object *ret);
/* Both arrays, one behind the other. */
MUST_CHECK bool subtask_join(const msgpack_object *front, const msgpack_object *back,
                             msgpack_zone *zone, msgpack_object *ret);

/* The members of a chain or of a group, or of a chord's header, as they stand; an empty array if
 * there are none. */
msgpack_object subtask_members(const struct subtask *subtask);

/* How many parts a chord gets from it: a chain is worth its last element, a chord its body. */
uint64_t subtask_chord_size(const msgpack_object *value);

#endif
