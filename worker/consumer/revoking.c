/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns what a revoke does to the requests that are here. Knows no command and no reply. */

#include "worker/consumer/revoking.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "codec/packed.h"
#include "codec/result_message.h"
#include "worker/consumer/internal.h"
#include "worker/log/log.h"

/* ---- stamps ---- */

/* A stamp's key: header and value, packed. False: it is too long to be one. */
static bool make_key(struct text header, const msgpack_object *value, struct buffer *buffer)
{
    const msgpack_object name = value_text(header);
    buffer_clear(buffer, REVOKED_KEY_MAX);
    return packed_encode(&name, buffer) == 0 && packed_encode(value, buffer) == 0;
}

/* Element `index` of what may be a list or a single value; NULL behind the last. */
static const msgpack_object *element(const msgpack_object *values, size_t index)
{
    if (values == NULL || values->type == MSGPACK_OBJECT_ARRAY)
        return value_at(values, index);
    return index == 0 ? values : NULL;
}

/* The element of `values` that equals `value`, or NULL. */
static const msgpack_object *find_equal(const msgpack_object *values, const msgpack_object *value)
{
    const msgpack_object *other;
    for (size_t i = 0; (other = element(values, i)) != NULL; i++)
        if (msgpack_object_equal(*value, *other))
            return other;
    return NULL;
}

static bool is_revoked_stamp(const struct consumer *consumer, struct text header,
                             const msgpack_object *value, struct buffer *key)
{
    return make_key(header, value, key) &&
           revoked_has(&consumer->revoked_stamps,
                       (struct text){(const char *)key->data, key->size});
}

/* The stamps of a message: those in `stamps` that `stamped_headers` lists. Calls `look` until it
 * says true. */
typedef bool stamp_look(void *context, struct text header, const msgpack_object *value);

static bool any_stamp(const struct request *request, stamp_look *look, void *context)
{
    const msgpack_object *names = value_get(&request->message.headers, "stamped_headers");
    const msgpack_object *stamps = value_get(&request->message.headers, "stamps");
    const msgpack_object *name, *value;
    for (size_t i = 0; (name = value_at(names, i)) != NULL; i++) {
        struct text header;
        if (!value_as_text(name, &header) || header.size > REVOKED_KEY_MAX)
            continue;
        char key[REVOKED_KEY_MAX + 1];
        snprintf(key, sizeof(key), "%.*s", (int)header.size, header.data);
        const msgpack_object *values = value_get(stamps, key);
        for (size_t j = 0; (value = element(values, j)) != NULL; j++)
            if (look(context, header, value))
                return true;
    }
    return false;
}

struct search {
    const struct consumer *consumer;
    struct buffer key;
    char *words;
};

static bool look_for_revoked(void *context, struct text header, const msgpack_object *value)
{
    struct search *search = context;
    if (!is_revoked_stamp(search->consumer, header, value, &search->key))
        return false;
    msgpack_object_kv pair = {.key = value_text(header), .val = *value};
    const msgpack_object map = {.type = MSGPACK_OBJECT_MAP, .via.map = {.size = 1, .ptr = &pair}};
    result_repr(&map, search->words, REVOKING_STAMP_SIZE);
    return true;
}

static bool has_revoked_stamp(const struct request *request, char ret_stamp[REVOKING_STAMP_SIZE])
{
    struct search search = {.consumer = request->consumer, .words = ret_stamp};
    if (request->consumer->revoked_stamps.count == 0)
        return false;
    buffer_init(&search.key, REVOKED_KEY_MAX);
    bool found = any_stamp(request, look_for_revoked, &search);
    buffer_done(&search.key);
    return found;
}

bool revoking_has(const struct request *request, char ret_stamp[REVOKING_STAMP_SIZE])
{
    ret_stamp[0] = '\0';
    return revoked_has(&request->consumer->revoked, request->message.id) ||
           has_revoked_stamp(request, ret_stamp);
}

/* ---- discarding ---- */

static void discard(struct request *request, const char *reason, const char *stamp)
{
    bool by_stamp = stamp[0] != '\0';
    log_info("Discarding revoked task: %s%s%s%s", request_label(request),
             by_stamp ? " (revoked by header: " : "", stamp, by_stamp ? ")" : "");
    request->verb = BROKER_ACK;
    record_failure(request, &(struct failure){
                                .event = "revoked", .type = "TaskRevokedError", .message = reason});
}

bool revoking_check(struct request *request)
{
    const struct task_message *message = &request->message;
    char stamp[REVOKING_STAMP_SIZE];
    bool expired = message->has_expires && consumer_now() > message->expires;
    bool revoked = revoking_has(request, stamp);
    if (revoked || expired)
        discard(request, expired ? "expired" : "revoked", stamp);
    return revoked || expired;
}

/* It has been taken from where it waited. */
static void discard_revoked(struct request *request)
{
    char stamp[REVOKING_STAMP_SIZE];
    revoking_has(request, stamp);
    discard(request, "revoked", stamp);
}

/* ---- what is here ---- */

/* Children ignore some of these and the pool kills them; the others a task may have a handler for,
 * and what it does then is its own business, as in Celery. */
static bool is_deadly(int signal)
{
    static const int deadly[] = {SIGTERM, SIGKILL, SIGINT, SIGQUIT, SIGHUP, SIGABRT};
    for (size_t i = 0; i < ARRAY_LEN(deadly); i++)
        if (signal == deadly[i])
            return true;
    return false;
}

static enum revoking_fate terminate(struct request *request, int signal)
{
    struct pool *pool = request->consumer->pool;
    if (signal == 0)
        return REVOKING_RUNNING;
    log_info("Terminating %.*s (%d)", text_quoted_size(request->message.id),
             request->message.id.data, signal);
    bool hit = is_deadly(signal) ? pool_kill_job(pool, &request->job, signal)
                                 : pool_signal_job(pool, &request->job, signal);
    return hit ? REVOKING_TERMINATED : REVOKING_UNKNOWN;
}

/* Takes the request from wherever it waits. False: it does not wait. */
static bool withdraw(struct request *request)
{
    struct consumer *consumer = request->consumer;
    switch (request->state) {
    case REQUEST_WAITING:
        eta_heap_remove(&consumer->waiting, &request->eta);
        return true;
    case REQUEST_THROTTLED:
        throttle_leave(request);
        return true;
    case REQUEST_BEHIND:
        behind_leave(request);
        return true;
    case REQUEST_SUBMITTED:
        return jobs_withdraw(request);
    default:
        return false;
    }
}

static enum revoking_fate apply(struct request *request, int signal)
{
    enum request_state before = request->state;
    if (withdraw(request)) {
        discard_revoked(request);
        return REVOKING_WITHDRAWN;
    }
    return before == REQUEST_SUBMITTED ? terminate(request, signal) : REVOKING_UNKNOWN;
}

bool revoking_add_id(struct consumer *consumer, struct text id)
{
    if (!revoked_add(&consumer->revoked, id, consumer_now()))
        return false;
    statedb_changed(consumer->statedb);
    return true;
}

/* Which is the last one of several with the id, as it is in Celery. */
static enum revoking_fate worse(enum revoking_fate left, enum revoking_fate right)
{
    return left > right ? left : right;
}

enum revoking_fate revoking_apply_id(struct consumer *consumer, struct text id, int signal)
{
    enum revoking_fate fate = REVOKING_UNKNOWN;
    struct request *request = settlement_find(&consumer->settlement, id, NULL);
    while (request != NULL) {
        struct request *next = settlement_find(&consumer->settlement, id, request);
        fate = worse(fate, apply(request, signal));
        request = next;
    }
    consumer_adjust(consumer);
    return fate;
}

/* ---- by stamps ---- */

bool revoking_add_stamp(struct consumer *consumer, struct text header, const msgpack_object *value)
{
    struct buffer key;
    buffer_init(&key, REVOKED_KEY_MAX);
    bool added = make_key(header, value, &key) &&
                 revoked_add(&consumer->revoked_stamps,
                             (struct text){(const char *)key.data, key.size}, consumer_now());
    buffer_done(&key);
    statedb_changed(consumer->statedb);
    return added;
}

struct hunt {
    const msgpack_object *headers;
    void (*met)(void *context, struct text header, const msgpack_object *value);
    void *context;
    bool found;
};

static bool look_for_named(void *context, struct text header, const msgpack_object *value)
{
    struct hunt *hunt = context;
    const msgpack_object_map *map = &hunt->headers->via.map;
    for (uint32_t i = 0; i < map->size; i++) {
        const msgpack_object *named = find_equal(&map->ptr[i].val, value);
        struct text name;
        if (named == NULL || !value_as_text(&map->ptr[i].key, &name) || name.size != header.size ||
            memcmp(name.data, header.data, name.size) != 0)
            continue;
        hunt->found = true;
        if (hunt->met != NULL)
            hunt->met(hunt->context, name, named);
    }
    return false;
}

/* What runs and bears one of the headers. */
static void terminate_stamped(struct request *request, struct hunt *hunt, int signal)
{
    void (*met)(void *, struct text, const msgpack_object *) = hunt->met;
    hunt->found = false;
    hunt->met = NULL;
    any_stamp(request, look_for_named, hunt);
    hunt->met = met;
    if (hunt->found && apply(request, signal) == REVOKING_TERMINATED)
        any_stamp(request, look_for_named, hunt);
}

void revoking_apply_stamps(struct consumer *consumer, const msgpack_object *headers, int signal,
                           void (*met)(void *context, struct text header,
                                       const msgpack_object *value),
                           void *context)
{
    struct hunt hunt = {.headers = headers, .met = met, .context = context};
    char words[REVOKING_STAMP_SIZE];
    struct request *request = consumer->settlement.oldest;
    while (request != NULL) {
        struct request *newer = request->newer;
        if (request->state != REQUEST_FINISHED && has_revoked_stamp(request, words) &&
            withdraw(request))
            discard_revoked(request);
        else if (request->state == REQUEST_SUBMITTED && signal != 0)
            terminate_stamped(request, &hunt, signal);
        request = newer;
    }
    consumer_adjust(consumer);
}
