/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CONSUMER_STATEDB_H
#define CELERIAC_CONSUMER_STATEDB_H

/* --statedb: what is revoked, in a file that outlives the worker. It is written by a thread of
 * libuv's, whole, beside the old one, and takes its place when it has reached the disk: a moment
 * after something was revoked, and at the end. */

#include <stdbool.h>

#include <uv.h>

#include "worker/consumer/revoked.h"

struct statedb;

enum { STATEDB_ERROR_SIZE = 512 };

/* Reads the file into both sets, if there is one. NULL with a sentence in `error`: it cannot be
 * read, or is somebody else's (a Python shelve of Celery's); it is left alone. A damaged one of
 * ours is moved aside to PATH.damaged, and said so in the log. The sets are borrowed for its life,
 * the path is copied. */
struct statedb *statedb_open(uv_loop_t *loop, const char *path, struct revoked *ids,
                             struct revoked *stamps, char error[STATEDB_ERROR_SIZE]);
/* Something has been added. Accepts NULL: there is no file. */
void statedb_changed(struct statedb *statedb);
/* Writes what is not written yet, frees, and then calls `closed`, from the loop. */
void statedb_close(struct statedb *statedb, void (*closed)(void *context), void *context);

#endif
