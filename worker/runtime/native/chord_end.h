/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_NATIVE_CHORD_END_H
#define CELERIAC_NATIVE_CHORD_END_H

/* The end of a chord: its body gets the results of its parts (celery-wire.md 4.6). */

#include "worker/runtime/native/canvas.h"

/* Whose end a record tells of: `chord`, or the chord that its body is a part of, and so on. The
 * record does not say, but no chord has its own body among its parts. */
const msgpack_object *chord_end_find(struct canvas *canvas, const msgpack_object *chord,
                                     const msgpack_object *record);

/* False: some of the documents in the record are missing, or of tasks that have not ended. */
bool chord_end_is_complete(struct canvas *canvas, const msgpack_object *record);

/* `record` is PROTOCOL.md's record `chord`; `shape`, the result tuple of the header, is for one
 * that has documents but no group, else NULL. Sends the body; or, when a part has failed or cannot
 * be had, calls its errbacks, stores its failure, and sets *ret_failure to the ChordError. False:
 * canvas->failure says why not even that can be sent. */
MUST_CHECK bool chord_end(struct canvas *canvas, const msgpack_object *body,
                          const msgpack_object *record, const msgpack_object *shape,
                          struct failure *ret_failure);

#endif
