/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the rules of retries and the message that goes out again. Knows no frame. */

#include "worker/runtime/native/retry.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "codec/frame.h"
#include "codec/iso8601.h"
#include "codec/packed.h"
#include "codec/result_message.h"
#include "codec/task_publish.h"
#include "worker/runtime/native/after.h"
#include "worker/runtime/native/canvas_internal.h"

enum {
    RETRIES_DEFAULT = 3, /* Celery's, as are these */
    DELAY_DEFAULT = 180,
    BACKOFF_MAX_DEFAULT = 600,
    REPR_SIZE = 1024,
};

static const double countdown_max = 1e9; /* seconds; longer ones are cut */

/* ---- the decision ---- */

/* -1: without end. */
static int64_t limit_of(const struct celeriac_task *task, int max_retries)
{
    if (max_retries == 0)
        max_retries = task->task->definition.max_retries;
    if (max_retries == 0)
        return RETRIES_DEFAULT;
    if (max_retries == CELERIAC_RETRIES_UNLIMITED)
        return -1;
    return max_retries < 0 ? 0 : max_retries;
}

static void give_up(struct celeriac_task *task)
{
    char args[REPR_SIZE], kwargs[REPR_SIZE];
    if (task->failure.raised)
        return;
    result_repr_tuple(task->args, args, sizeof(args));
    result_repr(task->kwargs, kwargs, sizeof(kwargs));
    failure_raise(&task->failure, task->zone, "celery.exceptions.MaxRetriesExceededError",
                  "Can't retry %s[%.*s] args:%s kwargs:%s", task->task->definition.name,
                  (int)task->request->id.size, task->request->id.data, args, kwargs);
}

void retry_ask(struct celeriac_task *task, double countdown, int max_retries)
{
    const struct celeriac_task_definition *definition = &task->task->definition;
    int64_t limit = limit_of(task, max_retries);
    if (task->verdict != TASK_RUNS)
        return;
    if (limit >= 0 && request_retries(task->request) >= limit) {
        give_up(task);
        return;
    }
    if (!(countdown >= 0))
        countdown =
            definition->default_retry_delay > 0 ? definition->default_retry_delay : DELAY_DEFAULT;
    task->countdown = countdown < countdown_max ? countdown : countdown_max;
    task->verdict = TASK_RETRIES;
}

/* True if `list`, "ValueError, myapp.Busy", names the exception; "Exception" names every one. */
static bool names(const char *list, const struct failure *failure)
{
    while (*list != '\0') {
        list += strspn(list, ", ");
        struct text name = {list, strcspn(list, ", ")};
        list += name.size;
        size_t module = failure->module.size;
        if (text_equal(name, "Exception") ||
            (name.size == failure->type.size &&
             memcmp(name.data, failure->type.data, name.size) == 0 &&
             text_equal(failure->module, "builtins")) ||
            (name.size == module + 1 + failure->type.size && name.data[module] == '.' &&
             memcmp(name.data, failure->module.data, module) == 0 &&
             memcmp(name.data + module + 1, failure->type.data, failure->type.size) == 0))
            return true;
    }
    return false;
}

/* Celery's: doubled with every retry, up to the maximum, and with jitter anything from 0 to that.
 */
static double backoff(const struct celeriac_task_definition *definition, int64_t retries)
{
    if (definition->retry_backoff <= 0)
        return -1;
    double most =
        definition->retry_backoff_max > 0 ? definition->retry_backoff_max : BACKOFF_MAX_DEFAULT;
    double delay = ldexp(definition->retry_backoff, retries < 64 ? (int)retries : 64);
    if (delay > most)
        delay = most;
    if (definition->retry_jitter == CELERIAC_NO)
        return delay;
    return (double)arc4random_uniform((uint32_t)delay + 1);
}

void retry_after_failure(struct celeriac_task *task)
{
    const struct celeriac_task_definition *definition = &task->task->definition;
    if (!task->failure.raised || task->verdict != TASK_RUNS || definition->autoretry_for == NULL ||
        !names(definition->autoretry_for, &task->failure))
        return;
    retry_ask(task, backoff(definition, request_retries(task->request)), 0);
}

/* ---- the message ---- */

static int64_t now_usec(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* What the broker has written about a dead letter would make it drop the message. */
static bool drop_deaths(struct canvas *canvas, msgpack_object *headers)
{
    static const char *const deaths[] = {
        "x-death",
        "x-first-death-exchange",
        "x-first-death-queue",
        "x-first-death-reason",
        "x-last-death-exchange",
        "x-last-death-queue",
        "x-last-death-reason",
        NULL,
    };
    return canvas_drop(canvas, headers, deaths);
}

static bool set_eta(const struct celeriac_task *task, int64_t now, msgpack_object *headers)
{
    msgpack_object eta = value_nil();
    if (task->countdown > 0) {
        char *text = msgpack_zone_malloc_no_align(task->zone, ISO8601_SIZE);
        if (text == NULL)
            return canvas_out_of_memory(task->canvas);
        iso8601_format(now + (int64_t)(task->countdown * 1e6), text);
        eta = value_string(text);
    }
    return canvas_set(task->canvas, headers, "eta", eta);
}

static bool make_headers(const struct celeriac_task *task, int64_t now, msgpack_object *ret)
{
    struct canvas *canvas = task->canvas;
    msgpack_object headers = {.type = MSGPACK_OBJECT_MAP};
    if (task->request->headers != NULL && task->request->headers->type == MSGPACK_OBJECT_MAP)
        headers = *task->request->headers;
    if (!drop_deaths(canvas, &headers) || !set_eta(task, now, &headers) ||
        !canvas_set(canvas, &headers, "retries", value_int(request_retries(task->request) + 1)))
        return false;
    if (value_is_nil(value_get(&headers, "parent_id")) &&
        !canvas_set(canvas, &headers, "parent_id", value_text(task->request->id)))
        return false;
    *ret = headers;
    return true;
}

/* Back to where it came from. */
static void put_destination(const struct request *request, msgpack_object *message)
{
    struct text exchange = request_delivery(request, "exchange");
    struct text routing_key = request_delivery(request, "routing_key");
    if (exchange.size == 0) {
        value_map_put(message, "queue", value_text(routing_key));
    } else {
        value_map_put(message, "exchange", value_text(exchange));
        value_map_put(message, "routing_key", value_text(routing_key));
    }
}

static bool put_expiration(const struct celeriac_task *task, int64_t now, msgpack_object *message)
{
    int64_t expires;
    struct text text = request_header(task->request, "expires");
    if (text.size == 0 || iso8601_parse(text, &expires, NULL) != 0)
        return true;
    const char *expiration = task_publish_expiration(expires, now, task->zone);
    if (expiration == NULL)
        return canvas_out_of_memory(task->canvas);
    value_map_put(message, "expiration", value_string(expiration));
    return true;
}

static bool make_message(const struct celeriac_task *task, msgpack_object *ret)
{
    static const char *const copied[] = {"content_type", "content_encoding", "correlation_id",
                                         "reply_to", "priority"};
    int64_t now = now_usec();
    msgpack_object message, headers = value_nil();
    if (!value_map(task->zone, 12, &message))
        return canvas_out_of_memory(task->canvas);
    if (!make_headers(task, now, &headers) || !put_expiration(task, now, &message))
        return false;
    put_destination(task->request, &message);
    for (size_t i = 0; i < ARRAY_LEN(copied); i++) {
        const msgpack_object *value = value_get(task->request->properties, copied[i]);
        value_map_put(&message, copied[i], value != NULL ? *value : value_nil());
    }
    value_map_put(&message, "headers", headers);
    *ret = message;
    return true;
}

/* Headers pass as they came, whatever text they hold. */
static bool pack_message(struct canvas *canvas, const msgpack_object *message,
                         struct buffer *packed)
{
    msgpack_packer packer;
    msgpack_packer_init(&packer, packed, buffer_msgpack_write);
    return msgpack_pack_object(&packer, *message) == 0 || canvas_out_of_memory(canvas);
}

static bool store_state(const struct celeriac_task *task)
{
    struct document document = document_of(task->request, "RETRY");
    const msgpack_object none = value_nil();
    msgpack_object next;
    if (task->request->ignore_result)
        return true;
    /* As in Celery, the next try is a child of this one. */
    if (!canvas_result(task->canvas, value_text(task->request->id), NULL, &next) ||
        !canvas_add_child(task->canvas, next))
        return false;
    if (task->failure.raised)
        document.failure = &task->failure;
    else
        document.result = &none;
    document.body = task->body;
    document.children = &task->canvas->children;
    return after_store(task->canvas, &document);
}

bool retry_send(const struct celeriac_task *task, struct bytes body)
{
    struct canvas *canvas = task->canvas;
    struct buffer packed;
    msgpack_object message = value_nil();
    if (!make_message(task, &message))
        return false;
    buffer_init(&packed, FRAME_MAX);
    bool sent = pack_message(canvas, &message, &packed) &&
                (canvas->follow->publish(canvas->follow->context, buffer_bytes(&packed), body) ||
                 canvas_out_of_memory(canvas));
    buffer_done(&packed);
    return sent && store_state(task);
}
