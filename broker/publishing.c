/* SPDX-License-Identifier: BSD-3-Clause */
/* The publishing connection: the outbox onto the wire, confirms and returns back. A message that
 * makes the server close the channel (an exchange that is not there) is found by sending what was
 * unconfirmed again one by one, and is the only one that fails. */

#include <stdio.h>

#include "broker/internal.h"

enum {
    PIECE = 64 * 1024 - 8,
    METHOD_SIZE = 640, /* of basic.publish with the longest names, or less */
    FRAME_OVERHEAD = 8,
};

static bool start_message(struct publishing *publishing, struct outgoing *outgoing)
{
    amqp_basic_publish_t method = {
        .exchange = outgoing->exchange,
        .routing_key = outgoing->routing_key,
        .mandatory = outgoing->mandatory,
    };
    if (!link_may_send(publishing->side.link, METHOD_SIZE) || !outbox_sent(&publishing->outbox))
        return false;
    publishing->partial = outgoing;
    publishing->header_sent = false;
    publishing->body_sent = 0;
    return link_send_method(publishing->side.link, CHANNEL_MAIN, AMQP_BASIC_PUBLISH_METHOD,
                            &method);
}

static bool send_header(struct publishing *publishing)
{
    const struct outgoing *outgoing = publishing->partial;
    amqp_frame_t frame = {.channel = CHANNEL_MAIN, .frame_type = AMQP_FRAME_HEADER};
    frame.payload.properties.class_id = AMQP_BASIC_CLASS;
    frame.payload.properties.body_size = outgoing->body.len;
    frame.payload.properties.decoded = (void *)&outgoing->properties;
    publishing->header_sent =
        link_may_send(publishing->side.link, outgoing->size - outgoing->body.len) &&
        link_send_frame(publishing->side.link, &frame);
    return publishing->header_sent;
}

static bool send_piece(struct publishing *publishing)
{
    struct link *link = publishing->side.link;
    const amqp_bytes_t *body = &publishing->partial->body;
    amqp_frame_t frame = {.channel = CHANNEL_MAIN, .frame_type = AMQP_FRAME_BODY};
    size_t size = body->len - publishing->body_sent;
    if (size > PIECE)
        size = PIECE;
    if (size > link_frame_max(link) - FRAME_OVERHEAD)
        size = link_frame_max(link) - FRAME_OVERHEAD;
    frame.payload.body_fragment = (amqp_bytes_t){size, (char *)body->bytes + publishing->body_sent};
    if (!link_may_send(link, size) || !link_send_frame(link, &frame))
        return false;
    publishing->body_sent += size;
    return true;
}

/* The rest of a message, as far as the socket takes it. True when it is complete. */
static bool finish_message(struct publishing *publishing)
{
    if (!publishing->header_sent && !send_header(publishing))
        return false;
    while (publishing->body_sent < publishing->partial->body.len)
        if (!send_piece(publishing))
            return false;
    publishing->partial = NULL;
    return true;
}

/* The message's place is declared first, and nothing else is sent meanwhile. */
static enum topology_place find_place(struct publishing *publishing,
                                      const struct outgoing *outgoing)
{
    if (!outgoing->place)
        return TOPOLOGY_PLACE_THERE;
    enum topology_place found = topology_want_place(&publishing->side.topology, outgoing->place);
    if (found == TOPOLOGY_PLACE_WANTED)
        side_declare_again(&publishing->side);
    return found;
}

/* One that can never be sent on this connection: in words, or NULL. */
static const char *hindrance(const struct publishing *publishing, const struct outgoing *outgoing,
                             enum topology_place place)
{
    if (place == TOPOLOGY_PLACE_REFUSED)
        return "its queue cannot be declared";
    if (outgoing->size - outgoing->body.len > link_frame_max(publishing->side.link))
        return "its headers are larger than a frame of this server";
    return NULL;
}

/* Sends the next message or the rest of one; false when nothing more can be sent now. */
static bool send_one(struct publishing *publishing)
{
    struct outbox *outbox = &publishing->outbox;
    struct outgoing *outgoing = outbox_next(outbox);
    if (publishing->partial)
        return finish_message(publishing);
    if (!outgoing || (publishing->careful > 0 && outbox->unconfirmed.count > 0))
        return false;
    enum topology_place place = find_place(publishing, outgoing);
    const char *why_not = hindrance(publishing, outgoing, place);
    if (why_not) {
        outbox_drop(outbox, why_not);
        return true;
    }
    if (place == TOPOLOGY_PLACE_WANTED || !start_message(publishing, outgoing))
        return false;
    if (publishing->careful > 0)
        publishing->careful--;
    return finish_message(publishing);
}

void publishing_flush(struct broker *broker)
{
    struct publishing *publishing = &broker->publishing;
    if (publishing->side.state != SIDE_UP || !publishing->ready || publishing->side.blocked)
        return;
    while (send_one(publishing))
        continue;
}

static void after_confirms(struct broker *broker)
{
    if (outbox_drained(&broker->publishing.outbox) && !broker->stopping)
        broker->handler.on_drained(broker->context);
}

static void on_ack(struct broker *broker, const amqp_method_t *method)
{
    const amqp_basic_ack_t *ack = method->decoded;
    outbox_confirm(&broker->publishing.outbox, ack->delivery_tag, ack->multiple, NULL);
    after_confirms(broker);
}

static void on_nack(struct broker *broker, const amqp_method_t *method)
{
    const amqp_basic_nack_t *nack = method->decoded;
    outbox_confirm(&broker->publishing.outbox, nack->delivery_tag, nack->multiple,
                   "the server could not take the message (basic.nack)");
    after_confirms(broker);
}

static void on_return(struct broker *broker, const amqp_method_t *method)
{
    const amqp_basic_return_t *back = method->decoded;
    snprintf(broker->publishing.problem, WORDS_SIZE,
             "%u %.*s (exchange '%.*s', routing key '%.*s')", back->reply_code,
             (int)back->reply_text.len, (const char *)back->reply_text.bytes,
             (int)back->exchange.len, (const char *)back->exchange.bytes,
             (int)back->routing_key.len, (const char *)back->routing_key.bytes);
}

static void on_channel_close(struct broker *broker, const amqp_method_t *method)
{
    struct publishing *publishing = &broker->publishing;
    struct outbox *outbox = &publishing->outbox;
    struct link *link = publishing->side.link;
    amqp_channel_close_ok_t ok = {0};
    amqp_channel_open_t open = {.out_of_band = amqp_empty_bytes};
    char text[WORDS_SIZE];
    words_of_close(method, text);
    publishing->ready = false;
    publishing->partial = NULL;
    link_send_method(link, CHANNEL_MAIN, AMQP_CHANNEL_CLOSE_OK_METHOD, &ok);
    link_send_method(link, CHANNEL_MAIN, AMQP_CHANNEL_OPEN_METHOD, &open);
    side_expect_answer(&publishing->side);
    broker_notice(broker, BROKER_WARNING, "producer: the server closed the channel: %s", text);
    if (outbox->unconfirmed.count == 1)
        outbox_confirm(outbox, 0, true, text);
    else
        publishing->careful = outbox->unconfirmed.count;
    outbox_requeue(outbox);
}

static void on_channel_open(struct broker *broker, const amqp_method_t *method)
{
    amqp_confirm_select_t select = {0};
    (void)method;
    link_send_method(broker->publishing.side.link, CHANNEL_MAIN, AMQP_CONFIRM_SELECT_METHOD,
                     &select);
}

static void on_confirm_select(struct broker *broker, const amqp_method_t *method)
{
    (void)method;
    broker->publishing.ready = true;
    side_answered(&broker->publishing.side);
}

static void on_method(struct broker *broker, const amqp_method_t *method)
{
    static const struct {
        amqp_method_number_t id;
        void (*handle)(struct broker *broker, const amqp_method_t *method);
    } handlers[] = {
        {AMQP_BASIC_ACK_METHOD, on_ack},
        {AMQP_BASIC_NACK_METHOD, on_nack},
        {AMQP_BASIC_RETURN_METHOD, on_return},
        {AMQP_CHANNEL_CLOSE_METHOD, on_channel_close},
        {AMQP_CHANNEL_OPEN_OK_METHOD, on_channel_open},
        {AMQP_CONFIRM_SELECT_OK_METHOD, on_confirm_select},
    };
    for (size_t i = 0; i < ARRAY_LEN(handlers); i++)
        if (handlers[i].id == method->id) {
            handlers[i].handle(broker, method);
            return;
        }
}

/* Content comes on this connection with a returned message only; its properties tell which one it
 * is. */
static void on_frame(struct broker *broker, const amqp_frame_t *frame)
{
    struct publishing *publishing = &broker->publishing;
    if (frame->frame_type == AMQP_FRAME_METHOD) {
        on_method(broker, &frame->payload.method);
    } else if (frame->frame_type == AMQP_FRAME_HEADER) {
        const amqp_basic_properties_t *properties = frame->payload.properties.decoded;
        if (properties->_flags & AMQP_BASIC_MESSAGE_ID_FLAG)
            outbox_returned(&publishing->outbox, properties->message_id, publishing->problem);
    }
}

static void on_declared(struct broker *broker)
{
    if (broker->publishing.side.state != SIDE_DECLARING)
        return; /* a message's place */
    broker->publishing.ready = true;
    side_up(&broker->publishing.side);
}

static void on_down(struct broker *broker, int code)
{
    (void)code;
    broker->publishing.ready = false;
    broker->publishing.partial = NULL;
    broker->publishing.careful = 0;
    outbox_requeue(&broker->publishing.outbox);
}

int broker_publish(struct broker *broker, const struct broker_message *message,
                   broker_published *published, void *context)
{
    if (broker->stopping)
        return BROKER_ECLOSED;
    return outbox_put(&broker->publishing.outbox, message, published, context);
}

static const struct side_role role = {
    .name = "producer",
    .channels = TOPOLOGY_CHANNEL,
    .confirms = true,
    .on_declared = on_declared,
    .on_frame = on_frame,
    .on_writable = publishing_flush,
    .on_down = on_down,
};

bool publishing_init(struct broker *broker)
{
    struct publishing *publishing = &broker->publishing;
    const struct broker_config *config = &broker->config;
    outbox_init(&publishing->outbox, config->outbox_max);
    if (!side_init(&publishing->side, broker, &role, config->exchange_count + config->queue_count))
        return false;
    for (size_t i = 0; i < config->exchange_count; i++)
        topology_add(&publishing->side.topology,
                     (struct topology_item){.exchange = &config->exchanges[i]});
    for (size_t i = 0; i < config->queue_count; i++)
        if (config->queues[i].declare_only)
            topology_add(&publishing->side.topology,
                         (struct topology_item){.queue = &config->queues[i]});
    return true;
}

void publishing_done(struct broker *broker)
{
    outbox_done(&broker->publishing.outbox);
    side_done(&broker->publishing.side);
}
