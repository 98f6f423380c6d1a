/* SPDX-License-Identifier: BSD-3-Clause */
/* The publishing connection: the outbox onto the wire, confirms and returns back. A message that
 * makes the server close the channel (an exchange that is not there) is found by sending what was
 * unconfirmed again one by one, and is the only one that fails. */

#include <stdio.h>
#include <string.h>

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

static bool is_own_user(const struct publishing *publishing,
                        const amqp_basic_properties_t *properties)
{
    const char *user = publishing->side.params.url->user;
    return (properties->_flags & AMQP_BASIC_USER_ID_FLAG) &&
           strlen(user) == properties->user_id.len &&
           memcmp(user, properties->user_id.bytes, properties->user_id.len) == 0;
}

static bool send_header(struct publishing *publishing)
{
    const struct outgoing *outgoing = publishing->partial;
    amqp_basic_properties_t properties = outgoing->properties;
    amqp_frame_t frame = {.channel = CHANNEL_MAIN, .frame_type = AMQP_FRAME_HEADER};
    if (!is_own_user(publishing, &properties))
        properties._flags &= ~(amqp_flags_t)AMQP_BASIC_USER_ID_FLAG;
    frame.payload.properties.class_id = AMQP_BASIC_CLASS;
    frame.payload.properties.body_size = outgoing->body.len;
    frame.payload.properties.decoded = &properties;
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

/* True while the queue that the message needs must be declared first. */
static bool awaits_queue(struct publishing *publishing, const struct outgoing *outgoing)
{
    struct topology *topology = &publishing->side.topology;
    if (!outgoing->declare || !topology_want_lazy(topology, outgoing->declare))
        return false;
    side_declare_again(&publishing->side);
    return topology_want_lazy(topology, outgoing->declare); /* there may be nothing to send */
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
    if (outgoing->size - outgoing->body.len > link_frame_max(publishing->side.link)) {
        outbox_drop(outbox, "its headers are larger than a frame of this server");
        return true;
    }
    if (awaits_queue(publishing, outgoing) || !start_message(publishing, outgoing))
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
        return; /* a lazy queue */
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
    struct topology *topology = &publishing->side.topology;
    side_init(&publishing->side, broker, &role);
    for (size_t i = 0; i < config->exchange_count; i++)
        if (!config->exchanges[i].late &&
            !topology_add(topology, (struct topology_item){.exchange = &config->exchanges[i]}))
            return false;
    for (size_t i = 0; i < config->queue_count; i++)
        if (config->queues[i].declare_only && !config->queues[i].late &&
            !topology_add(topology, (struct topology_item){.queue = &config->queues[i]}))
            return false;
    return true;
}

void publishing_done(struct broker *broker)
{
    outbox_done(&broker->publishing.outbox);
    side_done(&broker->publishing.side);
}
