/* SPDX-License-Identifier: BSD-3-Clause */
/* The script that declares things. A table of steps; it must not know consumers, retries or what a
 * queue is for. */

#include "broker/topology.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/table.h"

enum { FIRST_ROOM = 16 };

enum sent { SENT, NOT_NEEDED, CANNOT };

/* `round` counts the item's bindings. */
typedef enum sent send_step(const struct topology_item *item, size_t round, struct link *link);

static enum sent send_method(struct link *link, amqp_method_number_t id, void *method)
{
    link_send_method(link, TOPOLOGY_CHANNEL, id, method); /* a failure is the link's to report */
    return SENT;
}

/* `table`, a field of the method, gets the arguments: a map or nil. */
static enum sent send_with_table(struct link *link, amqp_method_number_t id, void *method,
                                 amqp_table_t *table, const msgpack_object *arguments)
{
    size_t ignored = 0;
    enum sent result = CANNOT;
    msgpack_zone *zone = msgpack_zone_new(1024);
    if (!zone)
        return CANNOT;
    if (table_write(arguments, zone, table, &ignored) == 0)
        result = send_method(link, id, method);
    msgpack_zone_free(zone);
    return result;
}

static enum sent open_channel(const struct topology_item *item, size_t round, struct link *link)
{
    amqp_channel_open_t method = {.out_of_band = amqp_empty_bytes};
    (void)item, (void)round;
    return send_method(link, AMQP_CHANNEL_OPEN_METHOD, &method);
}

/* --- bindings --- */

static bool is_empty(const char *name)
{
    return !name || !*name;
}

/* The server's own ones exist, and may be nobody's to declare; as kombu has it. */
static bool is_declarable(const char *exchange)
{
    return !is_empty(exchange) && strncmp(exchange, "amq.", 4) != 0;
}

/* --- steps --- */

static enum sent declare_own_exchange(const struct broker_exchange *exchange, struct link *link)
{
    if (exchange->no_declare || !is_declarable(exchange->name))
        return NOT_NEEDED;
    amqp_exchange_declare_t method = {
        .exchange = amqp_cstring_bytes(exchange->name),
        .type = amqp_cstring_bytes(exchange->type),
        .durable = !exchange->transient,
    };
    return send_method(link, AMQP_EXCHANGE_DECLARE_METHOD, &method);
}

static enum sent declare_exchange(const struct topology_item *item, size_t round, struct link *link)
{
    const struct broker_queue *queue = item->queue;
    if (!queue)
        return declare_own_exchange(item->exchange, link);
    struct broker_binding binding = broker_queue_binding(queue, round);
    if (queue->no_declare || queue->bind_only || binding.exchange_no_declare ||
        !is_declarable(binding.exchange))
        return NOT_NEEDED;
    amqp_exchange_declare_t method = {
        .exchange = amqp_cstring_bytes(binding.exchange),
        .type = amqp_cstring_bytes(binding.exchange_type),
        .durable = !binding.exchange_transient,
        .auto_delete = binding.exchange_auto_delete,
    };
    return send_with_table(link, AMQP_EXCHANGE_DECLARE_METHOD, &method, &method.arguments,
                           &binding.exchange_arguments);
}

static enum sent declare_queue(const struct topology_item *item, size_t round, struct link *link)
{
    const struct broker_queue *queue = item->queue;
    (void)round;
    if (!queue || queue->no_declare || queue->bind_only)
        return NOT_NEEDED;
    amqp_queue_declare_t method = {
        .queue = amqp_cstring_bytes(queue->name),
        .durable = queue->durable,
        .exclusive = queue->exclusive,
        .auto_delete = queue->auto_delete,
    };
    return send_with_table(link, AMQP_QUEUE_DECLARE_METHOD, &method, &method.arguments,
                           &queue->arguments);
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

static enum sent bind_item(const struct topology_item *item, size_t round, struct link *link)
{
    const struct broker_queue *queue = item->queue;
    if (!queue)
        return bind_exchange(item->exchange, link);
    struct broker_binding binding = broker_queue_binding(queue, round);
    if (queue->no_declare || is_empty(binding.exchange))
        return NOT_NEEDED;
    amqp_queue_bind_t method = {
        .queue = amqp_cstring_bytes(queue->name),
        .exchange = amqp_cstring_bytes(binding.exchange),
        .routing_key = amqp_cstring_bytes(binding.routing_key ? binding.routing_key : ""),
    };
    return send_with_table(link, AMQP_QUEUE_BIND_METHOD, &method, &method.arguments,
                           &binding.arguments);
}

static enum sent purge_queue(const struct topology_item *item, size_t round, struct link *link)
{
    (void)round;
    if (!item->purge)
        return NOT_NEEDED;
    amqp_queue_purge_t method = {.queue = amqp_cstring_bytes(item->queue->name)};
    return send_method(link, AMQP_QUEUE_PURGE_METHOD, &method);
}

static const struct {
    const char *verb;
    send_step *send;
    amqp_method_number_t answers[2];
    bool per_binding;
} steps[] = {
    [TOPOLOGY_OPEN] = {.verb = "open a channel for",
                       .send = open_channel,
                       .answers = {AMQP_CHANNEL_OPEN_OK_METHOD}},
    [TOPOLOGY_EXCHANGE] = {.verb = "declare the exchange of",
                           .send = declare_exchange,
                           .answers = {AMQP_EXCHANGE_DECLARE_OK_METHOD},
                           .per_binding = true},
    [TOPOLOGY_QUEUE] = {.verb = "declare",
                        .send = declare_queue,
                        .answers = {AMQP_QUEUE_DECLARE_OK_METHOD}},
    [TOPOLOGY_BIND] = {.verb = "bind",
                       .send = bind_item,
                       .answers = {AMQP_QUEUE_BIND_OK_METHOD, AMQP_EXCHANGE_BIND_OK_METHOD},
                       .per_binding = true},
    [TOPOLOGY_PURGE] = {.verb = "purge",
                        .send = purge_queue,
                        .answers = {AMQP_QUEUE_PURGE_OK_METHOD}},
};

void topology_init(struct topology *topology)
{
    *topology = (struct topology){0};
}

void topology_done(struct topology *topology)
{
    free(topology->items);
    topology->items = NULL;
}

bool topology_add(struct topology *topology, struct topology_item item)
{
    if (topology->count == topology->room) {
        size_t room = topology->room > 0 ? topology->room * 2 : FIRST_ROOM;
        struct topology_item *items = reallocarray(topology->items, room, sizeof(*items));
        if (!items)
            return false;
        topology->items = items;
        topology->room = room;
    }
    topology->items[topology->count++] = item;
    return true;
}

void topology_reset(struct topology *topology)
{
    for (size_t i = 0; i < topology->count; i++) {
        topology->items[i].wanted = !topology->items[i].lazy;
        topology->items[i].tried = false;
    }
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

/* What is bound besides goes with a queue. */
static bool is_part_of(const struct topology_item *item, const struct broker_queue *queue)
{
    return item->queue && (item->queue == queue ||
                           (item->queue->bind_only && strcmp(item->queue->name, queue->name) == 0));
}

void topology_want_queue(struct topology *topology, const struct broker_queue *queue)
{
    for (size_t i = 0; i < topology->count; i++)
        if (is_part_of(&topology->items[i], queue))
            topology->items[i].wanted = true;
}

bool topology_want_lazy(struct topology *topology, const struct broker_queue *queue)
{
    for (size_t i = 0; i < topology->count; i++) {
        struct topology_item *item = &topology->items[i];
        if (item->queue == queue) {
            item->wanted |= !item->tried;
            return !item->tried;
        }
    }
    return topology_add(
        topology,
        (struct topology_item){.queue = queue, .optional = true, .lazy = true, .wanted = true});
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

/* What the step sends from round `from` on; NOT_NEEDED: nothing. */
static enum sent send_rounds(struct topology *topology, struct link *link, unsigned step,
                             size_t from)
{
    const struct topology_item *item = &topology->items[topology->current];
    size_t rounds = steps[step].per_binding && item->queue ? broker_queue_bindings(item->queue) : 1;
    enum sent result = NOT_NEEDED;
    topology->step = (enum topology_step)step;
    for (size_t round = from; round < rounds && result == NOT_NEEDED; round++) {
        topology->round = round;
        result = steps[step].send(item, round, link);
    }
    return result;
}

/* The first that there is to send from this step and round on. */
static enum topology_progress send_from(struct topology *topology, struct link *link, unsigned step,
                                        size_t round)
{
    struct topology_item *item = &topology->items[topology->current];
    for (; step < TOPOLOGY_STEPS; step++, round = 0) {
        if (step == TOPOLOGY_OPEN && topology->channel_open)
            continue;
        enum sent result = send_rounds(topology, link, step, round);
        if (result != NOT_NEEDED)
            return result == SENT ? TOPOLOGY_WAITING : TOPOLOGY_INVALID;
    }
    topology->step = TOPOLOGY_IDLE;
    item->wanted = item->purge = false;
    item->tried = true;
    return TOPOLOGY_COMPLETE;
}

enum topology_progress topology_advance(struct topology *topology, struct link *link)
{
    enum topology_progress progress = TOPOLOGY_COMPLETE;
    if (topology->step != TOPOLOGY_IDLE)
        return TOPOLOGY_WAITING;
    while (progress == TOPOLOGY_COMPLETE && find_wanted(topology))
        progress = send_from(topology, link, TOPOLOGY_OPEN, 0);
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
    enum topology_progress progress = send_from(topology, link, done, topology->round + 1);
    return progress == TOPOLOGY_COMPLETE ? topology_advance(topology, link) : progress;
}

static void give_up(struct topology_item *item)
{
    item->wanted = false;
    item->tried = true;
}

/* Who may not declare one of the late ones may declare none of them: that is said once. */
static void give_up_late(struct topology *topology)
{
    for (size_t i = 0; i < topology->count; i++)
        if (topology->items[i].optional && !topology->items[i].lazy)
            give_up(&topology->items[i]);
}

bool topology_refused(struct topology *topology, struct link *link, int code)
{
    struct topology_item *item = &topology->items[topology->current];
    amqp_channel_close_ok_t ok = {0};
    link_send_method(link, TOPOLOGY_CHANNEL, AMQP_CHANNEL_CLOSE_OK_METHOD, &ok);
    topology->channel_open = false;
    topology->step = TOPOLOGY_IDLE;
    if (!item->optional)
        return false;
    give_up(item);
    if (code == AMQP_ACCESS_REFUSED && !item->lazy)
        give_up_late(topology);
    return true;
}

static const struct {
    int code;
    const char *word; /* of the server */
    const char *text;
} advice[] = {
    {AMQP_PRECONDITION_FAILED, "inequivalent arg",
     "it exists with other properties: delete it (a queue with rabbitmqctl delete_queue NAME), or "
     "configure the same properties here"},
    {AMQP_ACCESS_REFUSED, "", "give the user the permission (rabbitmqctl set_permissions)"},
    {AMQP_RESOURCE_LOCKED, "", "another connection owns it exclusively"},
    {AMQP_NOT_FOUND, "", "create it, or configure another"},
};

void topology_describe(const struct topology *topology, int code, const char *server_text,
                       char *ret, size_t size)
{
    const struct topology_item *item = &topology->items[topology->current];
    enum topology_step step = topology->step;
    const char *hint = "";
    for (size_t i = 0; i < ARRAY_LEN(advice); i++)
        if (advice[i].code == code && strstr(server_text, advice[i].word))
            hint = advice[i].text;
    bool plain = step == TOPOLOGY_IDLE || (step == TOPOLOGY_EXCHANGE && !item->queue);
    snprintf(ret, size, "Cannot %s %s '%s': %s%s%s%s", plain ? "declare" : steps[step].verb,
             item->queue ? "queue" : "exchange",
             item->queue ? item->queue->name : item->exchange->name, server_text, *hint ? " (" : "",
             hint, *hint ? ")" : "");
}
