/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the look at other tasks' results in Redis. Must not know what it is for, nor what is in a
 * document. */

#include <stdlib.h>
#include <string.h>

#include "backend/redis_op.h"

struct look {
    struct redis_op op;
    backend_added *added;
    const struct backend_parts *found; /* while `added` is being called */
    size_t count;
    struct text *ids; /* in `data`, with their bytes behind them */
    max_align_t data[];
};

static struct look *look_of(struct redis_op *op)
{
    return CONTAINER_OF(op, struct look, op);
}

static void tell(struct redis_op *op, const char *error)
{
    look_of(op)->added(op->context, error, look_of(op)->found);
}

static void on_documents(void *context, const redisReply *reply)
{
    struct look *look = look_of(context);
    struct backend_parts found = {.group = {NULL, 0}};
    if (!redis_op_goes_on(&look->op, reply))
        return;
    struct bytes *items = redis_op_elements(reply, &found.count);
    found.items = items;
    if (items != NULL)
        look->found = &found;
    redis_op_end(&look->op, items != NULL ? NULL : "out of memory");
    free(items);
}

static void begin_look(struct redis_op *op)
{
    struct look *look = look_of(op);
    if (!redis_op_ask_results(op->redis, look->ids, look->count, on_documents, op))
        redis_op_unsent(op);
}

static void copy_ids(struct look *look, const struct text *ids)
{
    look->ids = (struct text *)look->data;
    char *place = (char *)(look->ids + look->count);
    for (size_t i = 0; i < look->count; i++) {
        memcpy(place, ids[i].data, ids[i].size);
        look->ids[i] = (struct text){place, ids[i].size};
        place += ids[i].size;
    }
}

enum backend_answer redis_get_results(void *self, const struct text *ids, size_t count,
                                      backend_added *added, void *context)
{
    size_t size = sizeof(struct look) + count * sizeof(struct text);
    for (size_t i = 0; i < count; i++)
        size += ids[i].size;
    if (!redis_op_fits(self, size))
        return BACKEND_FULL;
    struct look *look = calloc(1, size);
    if (look == NULL)
        return BACKEND_FAILED;
    look->op =
        (struct redis_op){.begin = begin_look, .tell = tell, .context = context, .size = size};
    look->added = added;
    look->count = count;
    copy_ids(look, ids);
    redis_op_start(self, &look->op);
    return BACKEND_PENDING;
}
