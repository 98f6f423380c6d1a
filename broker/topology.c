/* SPDX-License-Identifier: BSD-3-Clause */
/* The script that declares things. A table of steps; it must not know consumers, retries or what a
 * queue is for. */

#include "broker/topology.h"

#include <stdio.h>
#include <stdlib.h>

#include "broker/table.h"

enum sent { SENT, NOT_NEEDED, CANNOT };

typedef enum sent send_step(const struct topology_item *item, struct link *link);

static enum sent send_method(struct link *link, amqp_method_number_t id, void *method)
{
    link_send_method(link, TOPOLOGY_CHANNEL, id, method); /* a failure is the link's to report */
    return SENT;
}

static enum sent open_channel(const struct topology_item *item, struct link *link)
{
    amqp_channel_open_t method = {.out_of_band = amqp_empty_bytes};
    (void)item;
    return send_method(link, AMQP_CHANNEL_OPEN_METHOD, &method);
}

static enum sent declare_exchange(const struct topology_item *item, struct link *link)
{
    const struct broker_exchange *exchange = item->exchange;
    const struct broker_queue *queue = item->queue;
    const char *name = exchange ? exchange->name : queue->exchange;
    if (!name || !*name)
        return NOT_NEEDED;
    amqp_exchange_declare_t method = {
        .exchange = amqp_cstring_bytes(name),
        .type = amqp_cstring_bytes(exchange ? exchange->type : queue->exchange_type),
        .durable = exchange ? !exchange->transient : !queue->exchange_transient,
    };
    return send_method(link, AMQP_EXCHANGE_DECLARE_METHOD, &method);
}

static enum sent declare_queue(const struct topology_item *item, struct link *link)
{
    const struct broker_queue *queue = item->queue;
    size_t ignored = 0;
    if (!queue)
        return NOT_NEEDED;
    amqp_queue_declare_t method = {
        .queue = amqp_cstring_bytes(queue->name),
        .durable = queue->durable,
        .exclusive = queue->exclusive,
        .auto_delete = queue->auto_delete,
    };
    msgpack_zone *zone = msgpack_zone_new(1024);
    if (!zone)
        return CANNOT;
    enum sent result = CANNOT;
    if (table_write(&queue->arguments, zone, &method.arguments, &ignored) == 0)
        result = send_method(link, AMQP_QUEUE_DECLARE_METHOD, &method);
    msgpack_zone_free(zone);
    return result;
}

static enum sent bind_exchange(const struct broker_exchange *exchange, struct link *link)
{
    if (!exchange->source)
        return NOT_NEEDED;
    amqp_exchange_bind_t method = {
        .destination = amqp_cstring_bytes(exchange->name),
        .source = amqp_cstring_bytes(exchange->source),
        .routing_key = amqp_cstring_bytes(exchange->source_key ? exchange->source_key : ""),
    };
    return send_method(link, AMQP_EXCHANGE_BIND_METHOD, &method);
}

static enum sent bind_item(const struct topology_item *item, struct link *link)
{
    const struct broker_queue *queue = item->queue;
    if (!queue)
        return bind_exchange(item->exchange, link);
    if (!queue->exchange || !*queue->exchange)
        return NOT_NEEDED;
    amqp_queue_bind_t method = {
        .queue = amqp_cstring_bytes(queue->name),
        .exchange = amqp_cstring_bytes(queue->exchange),
        .routing_key = amqp_cstring_bytes(queue->routing_key ? queue->routing_key : ""),
    };
    return send_method(link, AMQP_QUEUE_BIND_METHOD, &method);
}

static enum sent purge_queue(const struct topology_item *item, struct link *link)
{
    if (!item->purge)
        return NOT_NEEDED;
    amqp_queue_purge_t method = {.queue = amqp_cstring_bytes(item->queue->name)};
    return send_method(link, AMQP_QUEUE_PURGE_METHOD, &method);
}

static const struct {
    const char *verb;
    send_step *send;
    amqp_method_number_t answers[2];
} steps[] = {
    [TOPOLOGY_OPEN] = {"open a channel for", open_channel, {AMQP_CHANNEL_OPEN_OK_METHOD}},
    [TOPOLOGY_EXCHANGE] = {"declare the exchange of",
                           declare_exchange,
                           {AMQP_EXCHANGE_DECLARE_OK_METHOD}},
    [TOPOLOGY_QUEUE] = {"declare", declare_queue, {AMQP_QUEUE_DECLARE_OK_METHOD}},
    [TOPOLOGY_BIND] = {"bind",
                       bind_item,
                       {AMQP_QUEUE_BIND_OK_METHOD, AMQP_EXCHANGE_BIND_OK_METHOD}},
    [TOPOLOGY_PURGE] = {"purge", purge_queue, {AMQP_QUEUE_PURGE_OK_METHOD}},
};

bool topology_init(struct topology *topology, size_t room)
{
    *topology = (struct topology){.items = calloc(room + 1, sizeof(struct topology_item))};
    return topology->items != NULL;
}

void topology_done(struct topology *topology)
{
    free(topology->items);
    topology->items = NULL;
}

struct topology_item *topology_add(struct topology *topology, struct topology_item item)
{
    topology->items[topology->count] = item;
    return &topology->items[topology->count++];
}

void topology_reset(struct topology *topology)
{
    for (size_t i = 0; i < topology->count; i++)
        topology->items[i].wanted = true;
    topology->current = 0;
    topology->step = TOPOLOGY_IDLE;
    topology->channel_open = true;
}

bool topology_wants(const struct topology *topology)
{
    for (size_t i = 0; i < topology->count; i++)
        if (topology->items[i].wanted)
            return true;
    return false;
}

void topology_want_queue(struct topology *topology, const struct broker_queue *queue)
{
    for (size_t i = 0; i < topology->count; i++)
        if (topology->items[i].queue == queue)
            topology->items[i].wanted = true;
}

static bool find_wanted(struct topology *topology)
{
    for (size_t i = 0; i < topology->count; i++)
        if (topology->items[i].wanted) {
            topology->current = i;
            return true;
        }
    return false;
}

/* From step `from` on, the first that has something to send. */
static enum topology_progress send_from(struct topology *topology, struct link *link, unsigned from)
{
    struct topology_item *item = &topology->items[topology->current];
    for (unsigned step = from; step < TOPOLOGY_STEPS; step++) {
        if (step == TOPOLOGY_OPEN && topology->channel_open)
            continue;
        topology->step = (enum topology_step)step;
        enum sent result = steps[step].send(item, link);
        if (result != NOT_NEEDED)
            return result == SENT ? TOPOLOGY_WAITING : TOPOLOGY_INVALID;
    }
    topology->step = TOPOLOGY_IDLE;
    item->wanted = item->purge = false;
    return TOPOLOGY_COMPLETE;
}

enum topology_progress topology_advance(struct topology *topology, struct link *link)
{
    enum topology_progress progress = TOPOLOGY_COMPLETE;
    if (topology->step != TOPOLOGY_IDLE)
        return TOPOLOGY_WAITING;
    while (progress == TOPOLOGY_COMPLETE && find_wanted(topology))
        progress = send_from(topology, link, TOPOLOGY_OPEN);
    return progress;
}

bool topology_answered(const struct topology *topology, amqp_method_number_t id)
{
    if (topology->step == TOPOLOGY_IDLE || topology->step == TOPOLOGY_STEPS)
        return false;
    return id == steps[topology->step].answers[0] || id == steps[topology->step].answers[1];
}

enum topology_progress topology_continue(struct topology *topology, struct link *link)
{
    unsigned done = topology->step;
    if (done == TOPOLOGY_OPEN)
        topology->channel_open = true;
    enum topology_progress progress = send_from(topology, link, done + 1);
    return progress == TOPOLOGY_COMPLETE ? topology_advance(topology, link) : progress;
}

void topology_refused(struct topology *topology, struct link *link)
{
    amqp_channel_close_ok_t ok = {0};
    link_send_method(link, TOPOLOGY_CHANNEL, AMQP_CHANNEL_CLOSE_OK_METHOD, &ok);
    topology->channel_open = false;
    topology->step = TOPOLOGY_IDLE;
}

static const struct {
    int code;
    const char *text;
} advice[] = {
    {AMQP_PRECONDITION_FAILED,
     "it exists with other properties: delete it (rabbitmqctl delete_queue NAME), or configure the "
     "same properties here"},
    {AMQP_ACCESS_REFUSED, "give the user the permission (rabbitmqctl set_permissions)"},
    {AMQP_RESOURCE_LOCKED, "another connection owns it exclusively"},
    {AMQP_NOT_FOUND, "create it, or configure another"},
};

void topology_describe(const struct topology *topology, int code, const char *server_text,
                       char *ret, size_t size)
{
    const struct topology_item *item = &topology->items[topology->current];
    enum topology_step step = topology->step;
    const char *hint = "";
    for (size_t i = 0; i < ARRAY_LEN(advice); i++)
        if (advice[i].code == code)
            hint = advice[i].text;
    snprintf(ret, size, "Cannot %s %s '%s': %s%s%s%s",
             step == TOPOLOGY_IDLE ? "declare" : steps[step].verb,
             item->queue ? "queue" : "exchange",
             item->queue ? item->queue->name : item->exchange->name, server_text, *hint ? " (" : "",
             hint, *hint ? ")" : "");
}
