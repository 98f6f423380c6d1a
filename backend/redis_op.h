/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_BACKEND_REDIS_OP_H
#define CELERIAC_BACKEND_REDIS_OP_H

/* Operations on Redis, each a few commands one after the other, seen by the redis files of backend/
 * only. An operation that is cut off by a lost connection begins anew when the server is back, so
 * each must stand being done twice. So does one that the server cannot take now (it is loading,
 * read-only, out of memory ...), as long as it takes; what it refuses for any other reason fails.
 */

#include <sys/queue.h>

#include "backend/internal.h"
#include "backend/redis_link.h"

enum { REDIS_KEY_PREFIX_MAX = 256, REDIS_REFUSAL_SIZE = 240, REDIS_STATUS_SIZE = 32 };

struct redis_op;

/* The first command(s) of the operation. */
typedef void redis_op_begin(struct redis_op *op);
/* The operation has ended; `error` as of backend_stored. Tells whoever asked for it. */
typedef void redis_op_tell(struct redis_op *op, const char *error);

struct redis_op {
    TAILQ_ENTRY(redis_op) all;
    struct redis *redis;
    redis_op_begin *begin;
    redis_op_tell *tell;
    void *context;  /* of whoever asked */
    bool under_way; /* a reply is due; else it waits for the server, or for the next try */
    bool refused;   /* one of its commands, for good: redis->refusal says why */
    size_t size;    /* what it counts for in redis->waiting: all of its memory */
};

TAILQ_HEAD(redis_op_list, redis_op);

struct redis {
    struct redis_link *link;
    const struct serializer *serializer;
    const struct backend_handler *handler;
    void *context;
    struct redis_op_list ops; /* not done yet, the oldest first */
    struct redis_op *next;    /* all before it have begun or been refused; NULL: all have */
    size_t waiting;           /* bytes of them */
    size_t waiting_max;
    size_t under_way;  /* bytes of those that have begun */
    bool full;         /* somebody was told so */
    unsigned refusals; /* in a row, of everything */
    char refusal[REDIS_REFUSAL_SIZE];
    char ttl[24]; /* seconds; "": no expiry */
    /* What goes in front of ids: global_keyprefix and Celery's own. */
    char task_prefix[REDIS_KEY_PREFIX_MAX], group_prefix[REDIS_KEY_PREFIX_MAX];
    uv_timer_t retry; /* nothing is begun while it runs */
    uv_timer_t later; /* of those that look again for what is not there yet */
    unsigned open;    /* link and timers, while stopping */
    void (*stopped)(void *context);
    void *stopped_context;
};

/* Whether an operation of this size has room now. False: somebody will be told when there is. */
bool redis_op_fits(struct redis *redis, size_t size);
/* Takes `op`, made with malloc, its begin, tell, context and size filled in. */
void redis_op_start(struct redis *redis, struct redis_op *op);
/* Begins what waits for the server. */
void redis_op_begin_waiting(struct redis *redis);
/* Its end: tells, and frees it. */
void redis_op_end(struct redis_op *op, const char *error);
/* Looks at the reply to its command. False: the connection is gone, or the server has refused, and
 * the operation begins anew or has ended. */
bool redis_op_goes_on(struct redis_op *op, const redisReply *reply);
/* Begins anew in so many milliseconds, or earlier: what it needs is not there yet. */
void redis_op_begin_later(struct redis_op *op, unsigned ms);
/* The status of a result document; "" if there is none. */
void redis_op_status(const struct redis_op *op, const redisReply *reply,
                     char ret[REDIS_STATUS_SIZE]);
/* It could not be sent; it begins anew. */
void redis_op_unsent(struct redis_op *op);
/* Sends a command of text words; `reply` may be NULL in a transaction: then a refusal is kept for
 * the reply to EXEC, which does not say what was refused. */
void redis_op_send(struct redis_op *op, int count, const struct text *words,
                   redis_link_reply *reply);

/* Asks for the result documents of these tasks; `reply` as of redis_link_command. */
bool redis_op_ask_results(struct redis *redis, const struct text *ids, size_t count,
                          redis_link_reply *reply, void *context);
/* The elements of an array; what is no text is empty. The caller frees; NULL: out of memory. */
struct bytes *redis_op_elements(const redisReply *reply, size_t *ret_count);

/* prefix + id + suffix, in `ret`'s memory of at least redis_key_size bytes. */
size_t redis_key_size(const char *prefix, struct text id, const char *suffix);
struct text redis_key_write(const char *prefix, struct text id, const char *suffix, char *ret);

struct text redis_word(const char *word);

/* redis_chord.c */
enum backend_answer redis_begin_chord(void *self, struct text group_id, uint64_t size,
                                      struct bytes group, backend_done *done, void *context);
enum backend_answer redis_add_part(void *self, const struct backend_part *part,
                                   backend_added *added, void *context);
/* redis_results.c */
enum backend_answer redis_get_results(void *self, const struct text *ids, size_t count,
                                      backend_added *added, void *context);
enum backend_answer redis_end_chord(void *self, struct text group_id, backend_done *done,
                                    void *context);

#endif
