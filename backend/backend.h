/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_BACKEND_H
#define CELERIAC_BACKEND_H

/* Results <-> where clients look for them. A backend is one of the table of backends, opened by
 * URL. It stores documents that are already encoded (codec/result_message.h) and says when a
 * document is safe, so that the ack can follow it. It never blocks the loop and comes back by
 * itself after a lost connection, with every result that it was given. */

#include <uv.h>

#include "broker/broker.h"
#include "codec/buffer.h"
#include "codec/serializer.h"
#include "codec/value.h"

enum { BACKEND_ERROR_SIZE = 256, BACKEND_NAME_SIZE = 256 };

struct backend;

struct backend_handler {
    /* There was no room (BACKEND_FULL), and there is again. rpc:// does not call it: the broker's
     * own on_drained says it. */
    void (*on_drained)(void *context);
    /* Words for the log, at WARNING. */
    void (*on_trouble)(void *context, const char *text);
};

struct backend_config {
    const char
        *url; /* "rpc://", "redis://...", "disabled://"; NULL or "" = disabled, as in Celery */
    uv_loop_t *loop;
    struct broker *broker;               /* for rpc:// */
    const struct serializer *serializer; /* result_serializer */
    bool persistent;                     /* result_persistent, of rpc:// */
    /* Of redis:// */
    double expires;                        /* result_expires, seconds; 0: results stay for ever */
    double socket_timeout;                 /* redis_socket_timeout, seconds without an answer */
    const char *key_prefix;                /* global_keyprefix; NULL: none */
    size_t waiting_max;                    /* bytes of documents that may wait for the server */
    const struct backend_handler *handler; /* borrowed, with its context, for the backend's life */
    void *context;
};

/* True if celeriac has a backend for the URL; `error` names the ones there are otherwise. */
MUST_CHECK bool backend_supported(const char *url, char error[BACKEND_ERROR_SIZE]);
/* The strings, the loop and the broker are borrowed for the backend's life. NULL: out of memory or
 * not supported. */
struct backend *backend_open(const struct backend_config *config);
/* What is still waiting is given up (`stored` is called with words). Then, from the loop or from
 * within, `stopped`. */
void backend_stop(struct backend *backend, void (*stopped)(void *context), void *context);
/* Only after `stopped`. Accepts NULL. */
void backend_close(struct backend *backend);

/* "disabled://" or the URL with its password masked, for logs and the banner. */
const char *backend_name(const struct backend *backend);
void backend_url_masked(const char *url, char ret[BACKEND_NAME_SIZE]);

struct backend_result {
    struct text task_id, correlation_id, reply_to;
    struct bytes document;
};

/* Called once, from the loop; `error` is NULL once the result is where it should be. */
typedef void backend_stored(void *context, const char *error);

enum backend_answer {
    BACKEND_PENDING = 0, /* `stored` will be called */
    BACKEND_NOTHING =
        1, /* there is nowhere to store it (disabled, no reply_to): `stored` is not called */
    BACKEND_FULL = -1,   /* no room now: try again at on_drained */
    BACKEND_FAILED = -2, /* cannot be stored at all (reply_to longer than AMQP's 255 bytes) */
};
MUST_CHECK enum backend_answer backend_store(struct backend *backend,
                                             const struct backend_result *result,
                                             backend_stored *stored, void *context);

/* ---- Chords, where the backend keeps their parts (redis://) ---- */

bool backend_has_chords(const struct backend *backend);

/* Called once, from the loop. */
typedef void backend_done(void *context, const char *error);

/* A chord of `size` parts begins. `group` is the document of its saved group, or empty. */
MUST_CHECK enum backend_answer backend_begin_chord(struct backend *backend, struct text group_id,
                                                   uint64_t size, struct bytes group,
                                                   backend_done *done, void *context);

struct backend_part {
    struct text group_id;
    bool has_index;
    int64_t index;       /* its place in the group; without one it comes last */
    struct bytes member; /* [1, task id, state, result] in the result serializer */
};

/* All parts of a chord. */
struct backend_parts {
    /* In order: the members, or, with a saved group, the result documents of its tasks, as they
     * stand in the tree (depth first). */
    const struct bytes *items;
    size_t count;
    struct bytes group; /* the saved group's document, or empty */
};

/* Called once, from the loop. `parts` is not NULL: it was the last one (borrowed for the call; with
 * `error` it is empty: the parts cannot be had). `error` alone: the part could not be added.
 * Neither: more are to come, or the chord's size is not known yet. */
typedef void backend_added(void *context, const char *error, const struct backend_parts *parts);
MUST_CHECK enum backend_answer backend_add_part(struct backend *backend,
                                                const struct backend_part *part,
                                                backend_added *added, void *context);

/* The result documents of these tasks, in their order, as `parts` without a group; empty where
 * there is none yet. For chords that somebody else does not count. */
MUST_CHECK enum backend_answer backend_get_results(struct backend *backend, const struct text *ids,
                                                   size_t count, backend_added *added,
                                                   void *context);

/* The chord's body is on its way: its keys go. */
MUST_CHECK enum backend_answer backend_end_chord(struct backend *backend, struct text group_id,
                                                 backend_done *done, void *context);

#endif
