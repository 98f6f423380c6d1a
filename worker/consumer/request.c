/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the life and the memory of a request, and what a child is told of it. Settles nothing. */

#include "worker/consumer/request.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/frame.h"
#include "worker/consumer/internal.h"
#include "worker/consumer/packing.h"
#include "worker/log/log.h"

enum {
    PACKED_MAX = 4 * 1024 * 1024
}; /* bytes of headers and properties; AMQP's own bound is the frame, 128 KiB */

static const char *const state_names[] = {
    [REQUEST_RECEIVED] = "received",   [REQUEST_WAITING] = "waiting",
    [REQUEST_PARKING] = "parking",     [REQUEST_THROTTLED] = "throttled",
    [REQUEST_BEHIND] = "behind",       [REQUEST_SUBMITTED] = "submitted",
    [REQUEST_RECORDING] = "recording", [REQUEST_FOLLOWING] = "following",
    [REQUEST_STORING] = "storing",     [REQUEST_JOINING] = "joining",
    [REQUEST_STALLED] = "stalled",     [REQUEST_REPUBLISHING] = "republishing",
    [REQUEST_FINISHED] = "finished",
};

const char *request_state_name(enum request_state state)
{
    return state_names[state];
}

struct request *request_new(struct consumer *consumer, struct broker_delivery *delivery)
{
    struct request *request = calloc(1, sizeof(*request));
    if (request == NULL)
        return NULL;
    request->consumer = consumer;
    request->delivery = delivery;
    request->epoch = delivery->epoch;
    request->tag = delivery->tag;
    buffer_init(&request->packed, PACKED_MAX);
    buffer_init(&request->document, FRAME_MAX);
    follow_up_init(&request->follow_ups);
    return request;
}

void request_free(struct request *request)
{
    if (request == NULL)
        return;
    follow_up_done(&request->follow_ups);
    chord_drop(request);
    broker_delivery_free(request->delivery);
    buffer_done(&request->packed);
    buffer_done(&request->document);
    free(request->kept_id);
    free(request);
}

void request_set_state(struct request *request, enum request_state state)
{
    log_debug("Task %s: %s -> %s", request_label(request), request_state_name(request->state),
              request_state_name(state));
    request->state = state;
}

bool request_shrink(struct request *request)
{
    struct text id = request->message.id;
    char *kept_id = strndup(id.data, id.size);
    if (kept_id == NULL)
        return false;
    request->message = (struct task_message){
        .id = {kept_id, id.size},
        .retries = request->message.retries,
    };
    request->kept_id = kept_id;
    broker_delivery_free(request->delivery);
    request->delivery = NULL;
    buffer_done(&request->packed);
    buffer_done(&request->document);
    return true;
}

void request_set_limits(struct request *request)
{
    const struct consumer_config *config = &request->consumer->config;
    const struct task_message *message = &request->message;
    const struct task *task = request->task;
    struct pool_job *job = &request->job;
    job->hard_limit = message->hard_limit > 0 ? message->hard_limit
                      : task->time_limit > 0  ? task->time_limit
                                              : config->task_time_limit;
    job->soft_limit = message->soft_limit > 0     ? message->soft_limit
                      : task->soft_time_limit > 0 ? task->soft_time_limit
                                                  : config->task_soft_time_limit;
}

int request_pack(struct request *request)
{
    int error = packing_request(request, NULL, &request->packed);
    request->job.request = buffer_bytes(&request->packed);
    request->job.body = request->message.body;
    return error;
}

static int shown(struct text text)
{
    return text.data != NULL ? (int)(text.size < 255 ? text.size : 255) : 0;
}

void request_story(const struct request *request, char ret[REQUEST_STORY_SIZE])
{
    const struct broker_delivery *delivery = request->delivery;
    const struct task_message *message = &request->message;
    snprintf(ret, REQUEST_STORY_SIZE,
             "queue=%s task=%.*s id=%.*s content_type=%.*s content_encoding=%.*s body=%zu bytes "
             "redelivered=%s",
             delivery->queue->name, shown(message->task), message->task.data, shown(message->id),
             message->id.data, shown(delivery->content_type), delivery->content_type.data,
             shown(delivery->content_encoding), delivery->content_encoding.data,
             delivery->body.size, delivery->redelivered ? "yes" : "no");
    log_clean(ret);
}

const char *request_label(const struct request *request)
{
    struct consumer *consumer = request->consumer;
    const struct task_message *message = &request->message;
    struct text name = message->shadow.size > 0 ? message->shadow : message->task;
    snprintf(consumer->label, sizeof(consumer->label), "%.*s[%.*s]", shown(name), name.data,
             shown(message->id), message->id.data);
    log_clean(consumer->label);
    return consumer->label;
}
