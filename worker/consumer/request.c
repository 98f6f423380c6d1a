/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the life and the memory of a request, and what a child is told of it. Settles nothing. */

#include "worker/consumer/request.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/frame.h"
#include "worker/consumer/internal.h"
#include "worker/log/log.h"

enum {
    PACKED_MAX = 4 * 1024 * 1024
}; /* bytes of headers and properties; AMQP's own bound is the frame, 128 KiB */

static const char *const state_names[] = {
    [REQUEST_RECEIVED] = "received",   [REQUEST_WAITING] = "waiting",
    [REQUEST_SUBMITTED] = "submitted", [REQUEST_STORING] = "storing",
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
    return request;
}

void request_free(struct request *request)
{
    if (request == NULL)
        return;
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

static void pack_key(msgpack_packer *packer, const char *key)
{
    size_t size = strlen(key);
    msgpack_pack_str(packer, size);
    msgpack_pack_str_body(packer, key, size);
}

static void pack_text(msgpack_packer *packer, const char *key, struct text text)
{
    pack_key(packer, key);
    if (text.data == NULL) {
        msgpack_pack_nil(packer);
    } else {
        msgpack_pack_str(packer, text.size);
        msgpack_pack_str_body(packer, text.data, text.size);
    }
}

static void pack_priority(msgpack_packer *packer, int priority)
{
    pack_key(packer, "priority");
    if (priority < 0)
        msgpack_pack_nil(packer);
    else
        msgpack_pack_int(packer, priority);
}

static void pack_flag(msgpack_packer *packer, const char *key, bool flag)
{
    pack_key(packer, key);
    if (flag)
        msgpack_pack_true(packer);
    else
        msgpack_pack_false(packer);
}

static void pack_properties(msgpack_packer *packer, const struct request *request)
{
    const struct broker_delivery *delivery = request->delivery;
    pack_key(packer, "properties");
    msgpack_pack_map(packer, 5);
    pack_text(packer, "content_type", request->message.content_type);
    pack_text(packer, "content_encoding", request->message.content_encoding);
    pack_text(packer, "correlation_id", delivery->correlation_id);
    pack_text(packer, "reply_to", delivery->reply_to);
    pack_priority(packer, delivery->priority);
}

static void pack_delivery_info(msgpack_packer *packer, const struct broker_delivery *delivery)
{
    pack_key(packer, "delivery_info");
    msgpack_pack_map(packer, 4);
    pack_text(packer, "exchange", delivery->exchange);
    pack_text(packer, "routing_key", delivery->routing_key);
    pack_priority(packer, delivery->priority);
    pack_flag(packer, "redelivered", delivery->redelivered);
}

static void pack_limit(msgpack_packer *packer, double seconds)
{
    if (seconds > 0)
        msgpack_pack_double(packer, seconds);
    else
        msgpack_pack_nil(packer);
}

static void pack_settings(msgpack_packer *packer, const struct request *request)
{
    const struct consumer_config *config = &request->consumer->config;
    const char *nodename = config->nodename;
    const char *serializer = config->result_serializer->name;
    pack_text(packer, "hostname", (struct text){nodename, strlen(nodename)});
    pack_key(packer, "timelimit");
    msgpack_pack_array(packer, 2);
    pack_limit(packer, request->job.hard_limit);
    pack_limit(packer, request->job.soft_limit);
    pack_flag(packer, "ignore_result", request->ignore_result);
    pack_text(packer, "result_serializer", (struct text){serializer, strlen(serializer)});
    size_t accepted = 0;
    while (config->accept_content[accepted] != NULL)
        accepted++;
    pack_key(packer, "accept");
    msgpack_pack_array(packer, accepted);
    for (size_t i = 0; i < accepted; i++)
        pack_key(packer, config->accept_content[i]->content_type);
}

int request_pack(struct request *request)
{
    int error = buffer_reserve(&request->packed, 1024);
    if (error != 0)
        return error;
    msgpack_packer packer;
    msgpack_packer_init(&packer, &request->packed, buffer_msgpack_write);
    msgpack_pack_map(&packer, 10);
    pack_text(&packer, "task", request->message.task);
    pack_text(&packer, "id", request->message.id);
    pack_key(&packer, "headers");
    error = msgpack_pack_object(&packer, request->message.headers);
    pack_properties(&packer, request);
    pack_delivery_info(&packer, request->delivery);
    pack_settings(&packer, request);
    /* A write that failed leaves the map short, and every later one that needs room fails too. */
    if (error != 0 || request->packed.size == request->packed.limit)
        return CODEC_ETOOBIG;
    request->job.request = buffer_bytes(&request->packed);
    request->job.body = request->message.body;
    return 0;
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
