/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns which signals are wanted, and their way to the pool. Must not know when they are sent. */

#include "worker/consumer/appsignal.h"

#include "codec/packed.h"
#include "worker/consumer/internal.h"
#include "worker/consumer/packing.h"
#include "worker/log/log.h"

static const char *const names[APPSIGNAL_COUNT] = {
    [APPSIGNAL_WORKER_READY] = "worker_ready",
    [APPSIGNAL_WORKER_SHUTTING_DOWN] = "worker_shutting_down",
    [APPSIGNAL_TASK_RECEIVED] = "task_received",
    [APPSIGNAL_TASK_UNKNOWN] = "task_unknown",
    [APPSIGNAL_TASK_REJECTED] = "task_rejected",
};

enum appsignal appsignal_find(struct text name)
{
    unsigned kind = 0;
    while (kind < APPSIGNAL_COUNT && !text_equal(name, names[kind]))
        kind++;
    return (enum appsignal)kind;
}

unsigned appsignal_wanted(const msgpack_object *description)
{
    const msgpack_object *listed = value_get(description, "signals");
    const msgpack_object *name;
    unsigned wanted = 0;
    for (size_t i = 0; (name = value_at(listed, i)) != NULL; i++) {
        struct text text;
        enum appsignal kind = value_as_text(name, &text) ? appsignal_find(text) : APPSIGNAL_COUNT;
        if (kind != APPSIGNAL_COUNT)
            wanted |= 1U << kind;
    }
    return wanted;
}

static bool is_wanted(const struct consumer *consumer, enum appsignal kind)
{
    return kind < APPSIGNAL_COUNT && (consumer->registry.signals & 1U << kind) != 0;
}

static void deliver(struct consumer *consumer, enum appsignal kind, int error,
                    const struct buffer *arguments)
{
    if (error != 0 || !pool_signal(consumer->pool, names[kind], buffer_bytes(arguments)))
        log_debug("The signal %s was not delivered: %s", names[kind],
                  error != 0 ? codec_strerror(error) : "no forkserver, or one that is behind");
}

void appsignal_send(struct consumer *consumer, enum appsignal kind, const msgpack_object *arguments)
{
    static const msgpack_object none = {.type = MSGPACK_OBJECT_MAP};
    if (!is_wanted(consumer, kind))
        return;
    struct buffer packed;
    buffer_init(&packed, POOL_SIGNALS_MAX);
    int error = packed_encode(arguments != NULL ? arguments : &none, &packed);
    deliver(consumer, kind, error, &packed);
    buffer_done(&packed);
}

void appsignal_send_request(const struct request *request, enum appsignal kind, const char *reason)
{
    if (!is_wanted(request->consumer, kind))
        return;
    struct buffer packed;
    buffer_init(&packed, POOL_SIGNALS_MAX);
    int error = packing_signal(request, reason, &packed);
    deliver(request->consumer, kind, error, &packed);
    buffer_done(&packed);
}
