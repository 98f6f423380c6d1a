/* SPDX-License-Identifier: BSD-3-Clause */
/* Consuming, settling and declaring against a real RabbitMQ. */

#include "tests/broker/harness.h"

#include <stdlib.h>

enum { LARGE = 3 * 1024 * 1024 + 17 };

static msgpack_object text_object(const char *text)
{
    msgpack_object object = {.type = MSGPACK_OBJECT_STR};
    object.via.str.ptr = text;
    object.via.str.size = (uint32_t)strlen(text);
    return object;
}

static msgpack_object int_object(uint64_t number)
{
    return (msgpack_object){.type = MSGPACK_OBJECT_POSITIVE_INTEGER, .via.u64 = number};
}

/* A session with one queue that is being consumed. */
static struct session *start_on(const char *queue)
{
    struct session *session = session_new(node_url());
    session_queue(session, queue);
    session_start(session);
    UNTIL(session, session->ups == 1);
    return session;
}

static void carries_every_property_header_and_byte(void **state)
{
    struct session *session = start_on("carry");
    char *body = malloc(LARGE);
    (void)state;
    for (size_t i = 0; i < LARGE; i++)
        body[i] = (char)(i * 7 + i / 65536);
    msgpack_object_kv pairs[] = {{text_object("task"), text_object("proj.add")},
                                 {text_object("retries"), int_object(3)},
                                 {text_object("ttl"), int_object(134217728000)}};
    msgpack_object headers = {.type = MSGPACK_OBJECT_MAP, .via.map = {ARRAY_LEN(pairs), pairs}};
    struct broker_message message = {
        .routing_key = text_of("carry"),
        .content_type = text_of("application/json"),
        .content_encoding = text_of("utf-8"),
        .correlation_id = text_of("c-1"),
        .reply_to = text_of("r-1"),
        .expiration = text_of("60000"),
        .message_id = text_of("m-1"),
        .priority = 7,
        .delivery_mode = 2,
        .headers = &headers,
        .body = {body, LARGE},
    };
    assert_int_equal(broker_publish(session->broker, &message, session_on_published, session), 0);
    UNTIL(session, session->received == 1 && session->published == 1);
    const struct broker_delivery *got = session->deliveries[0];
    assert_string_equal(got->exchange.data, "");
    assert_string_equal(got->routing_key.data, "carry");
    assert_string_equal(got->content_type.data, "application/json");
    assert_string_equal(got->content_encoding.data, "utf-8");
    assert_string_equal(got->correlation_id.data, "c-1");
    assert_string_equal(got->reply_to.data, "r-1");
    assert_string_equal(got->expiration.data, "60000");
    assert_string_equal(got->message_id.data, "m-1");
    assert_int_equal(got->priority, 7);
    assert_int_equal(got->delivery_mode, 2);
    assert_ptr_equal(got->queue, &session->queues[0]);
    int64_t number = 0;
    struct text task = {NULL, 0};
    assert_true(value_as_text(value_get(&got->headers, "task"), &task));
    assert_true(text_equal(task, "proj.add"));
    assert_true(value_as_int(value_get(&got->headers, "ttl"), &number));
    assert_true(number == 134217728000);
    assert_int_equal(got->body.size, LARGE);
    assert_memory_equal(got->body.data, body, LARGE);
    free(body);
    session_end(session);
}

static void leaves_out_what_is_not_set(void **state)
{
    struct session *session = start_on("bare");
    amqp_connection_state_t peer = peer_open();
    (void)state;
    peer_publish(peer, "bare", "");
    UNTIL(session, session->received == 1);
    const struct broker_delivery *got = session->deliveries[0];
    assert_null(got->content_type.data);
    assert_null(got->correlation_id.data);
    assert_int_equal(got->priority, -1);
    assert_int_equal(got->delivery_mode, 0);
    assert_int_equal(got->headers.type, MSGPACK_OBJECT_NIL);
    assert_int_equal(got->body.size, 0);
    assert_false(got->redelivered);
    peer_close(peer);
    session_end(session);
}

/* A queue that stays when its consumer leaves. */
static struct session *start_on_lasting(const char *queue, uint32_t prefetch)
{
    peer_delete(queue);
    struct session *session = session_new(node_url());
    session->config.prefetch = prefetch;
    session_queue(session, queue)->auto_delete = false;
    session_start(session);
    UNTIL(session, session->ups == 1);
    return session;
}

static void session_idle(struct session *session, double seconds)
{
    uint64_t end = session_deadline(seconds);
    while (uv_hrtime() < end)
        session_turn(session, "", session_deadline(5));
}

static void settles_what_was_decided_and_nothing_else(void **state)
{
    static const enum broker_verb verbs[] = {BROKER_ACK, BROKER_REJECT, BROKER_REJECT_REQUEUE,
                                             BROKER_NACK_REQUEUE, BROKER_ACK};
    struct session *session = start_on_lasting("verbs", 6);
    (void)state;
    for (int i = 0; i < 6; i++)
        session_publish(session, "verbs", "m");
    UNTIL(session, session->received == 6 && session->published == 6);
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
        assert_true(broker_settle(session->broker, 1, i + 1, verbs[i]));
    UNTIL(session, session->received == 8); /* the two that were requeued come again */
    assert_true(session->deliveries[6]->redelivered && session->deliveries[7]->redelivered);
    struct broker_stats stats;
    broker_get_stats(session->broker, &stats);
    assert_int_equal(stats.delivered, 8);
    assert_int_equal(stats.settled, 5);
    assert_int_equal(stats.unsettled, 3);
    session_end(session);
    assert_int_equal(peer_count("verbs"), 3);
    peer_delete("verbs");
}

static void sends_acks_before_it_closes(void **state)
{
    struct session *session = start_on_lasting("flush", 0);
    (void)state;
    for (int i = 0; i < 50; i++)
        session_publish(session, "flush", "m");
    UNTIL(session, session->received == 50);
    session_ack_all(session);
    session_publish(session, "flush", "the last word");
    session_end(session);
    assert_int_equal(peer_count("flush"), 1);
    peer_delete("flush");
}

static void does_not_settle_for_another_epoch(void **state)
{
    struct session *session = start_on("epochs");
    (void)state;
    session_publish(session, "epochs", "m");
    UNTIL(session, session->received == 1);
    assert_false(broker_settle(session->broker, 2, 1, BROKER_ACK));
    assert_false(broker_settle(session->broker, 0, 1, BROKER_ACK));
    assert_true(broker_settle(session->broker, 1, 1, BROKER_ACK));
    session_end(session);
}

static void refuses_an_oversized_body_without_reading_it(void **state)
{
    struct session *session = session_new(node_url());
    char *body = malloc(1000000);
    (void)state;
    session_queue(session, "oversized");
    session->config.body_max = 999999;
    session_start(session);
    UNTIL(session, session->ups == 1);
    memset(body, 'b', 1000000);
    for (int i = 0; i < 2; i++) {
        struct broker_message message = {.routing_key = text_of("oversized"),
                                         .delivery_mode = 1,
                                         .correlation_id = text_of("big"),
                                         .body = {body, 1000000 - (size_t)i}};
        assert_int_equal(broker_publish(session->broker, &message, NULL, NULL), 0);
    }
    UNTIL(session, session->received == 2);
    assert_int_equal(session->oversized, 1000000);
    assert_int_equal(session->deliveries[0]->body.size, 0);
    assert_string_equal(session->deliveries[0]->correlation_id.data, "big");
    assert_int_equal(session->deliveries[1]->body.size, 999999);
    assert_true(broker_settle(session->broker, 1, 1, BROKER_REJECT));
    free(body);
    session_end(session);
}

static void holds_back_at_the_window_but_not_remote_control(void **state)
{
    struct session *session = session_new(node_url());
    (void)state;
    session_queue(session, "window");
    session_queue(session, "control")->no_ack = true;
    session->config.prefetch = 3;
    session_start(session);
    UNTIL(session, session->ups == 1);
    for (int i = 0; i < 10; i++)
        session_publish(session, "window", "task");
    UNTIL(session, session->published == 10 && session->received == 3);
    session_publish(session, "control", "ping");
    UNTIL(session, session->received == 4);
    assert_int_equal(session->deliveries[3]->tag, 0);
    assert_ptr_equal(session->deliveries[3]->queue, &session->queues[1]);
    broker_set_prefetch(session->broker, 5, 0);
    UNTIL(session, session->received == 6);
    broker_set_prefetch(session->broker, 0, 0);
    UNTIL(session, session->received == 11);
    session_end(session);
}

static void consumes_from_a_quorum_queue(void **state)
{
    msgpack_object_kv pair = {text_object("x-queue-type"), text_object("quorum")};
    struct session *session = session_new(node_url());
    (void)state;
    peer_delete("quorum");
    struct broker_queue *queue = session_queue(session, "quorum");
    queue->auto_delete = false;
    queue->durable = true;
    queue->arguments = (msgpack_object){.type = MSGPACK_OBJECT_MAP, .via.map = {1, &pair}};
    session->config.prefetch = 2;
    session_start(session);
    UNTIL(session, session->ups == 1);
    for (int i = 0; i < 4; i++)
        session_publish(session, "quorum", "m");
    UNTIL(session, session->published == 4 && session->received == 2);
    session_ack_all(session);
    UNTIL(session, session->received == 4);
    assert_int_equal(session->ups, 1);
    session_end(session);
    peer_delete("quorum");
}

static void changes_the_window_of_a_quorum_queue(void **state)
{
    msgpack_object_kv pair = {text_object("x-queue-type"), text_object("quorum")};
    struct session *session = session_new(node_url());
    (void)state;
    peer_delete("quorum-window");
    struct broker_queue *queue = session_queue(session, "quorum-window");
    queue->auto_delete = false;
    queue->durable = true;
    queue->arguments = (msgpack_object){.type = MSGPACK_OBJECT_MAP, .via.map = {1, &pair}};
    session->config.prefetch = 2;
    session_start(session);
    UNTIL(session, session->ups == 1);
    for (int i = 0; i < 20; i++)
        session_publish(session, "quorum-window", "m");
    UNTIL(session, session->published == 20 && session->received == 2);
    broker_set_prefetch(session->broker, 4, 0);
    UNTIL(session, session->received == 6); /* the first two belong to the former consumer */
    session_idle(session, 0.3);
    assert_int_equal(session->received, 6);
    broker_set_prefetch(session->broker, 5, 1); /* one of six lasts: nothing changes for the rest */
    session_idle(session, 0.3);
    assert_int_equal(session->received, 6);
    broker_set_prefetch(session->broker, 1, 0);
    session_idle(session, 0.5);
    assert_int_equal(session->received, 7);
    for (uint64_t tag = 1; tag <= 6; tag++)
        assert_true(broker_settle(session->broker, 1, tag, BROKER_ACK));
    session_idle(session, 0.3);
    assert_int_equal(session->received, 7);
    assert_true(broker_settle(session->broker, 1, 7, BROKER_ACK));
    UNTIL(session, session->received == 8);
    session_idle(session, 0.3);
    assert_int_equal(session->received, 8);
    for (size_t i = 0; i < 8; i++)
        assert_false(session->deliveries[i]->redelivered);
    assert_int_equal(session->ups, 1);
    session_end(session);
    peer_delete("quorum-window");
}

static void declares_a_queue_with_the_first_message_that_names_it(void **state)
{
    msgpack_object_kv pair = {text_object("x-expires"),
                              {.type = MSGPACK_OBJECT_POSITIVE_INTEGER, .via.u64 = 60000}};
    struct session *session = session_new(node_url());
    (void)state;
    peer_delete("lazy");
    session_queue(session, "diligent");
    const struct broker_queue lazy = {
        .name = "lazy",
        .exchange = "lazy-exchange",
        .exchange_type = "fanout",
        .exchange_auto_delete = true,
        .arguments = {.type = MSGPACK_OBJECT_MAP, .via.map = {1, &pair}},
    };
    session_start(session);
    UNTIL(session, session->ups == 1);
    session_publish(session, "diligent", "m");
    UNTIL(session, session->published == 1 && session->received == 1);
    struct broker_message message = {.exchange = text_of("lazy-exchange"),
                                     .routing_key = text_of("any"),
                                     .delivery_mode = 1,
                                     .mandatory = true,
                                     .declare = &lazy};
    for (int i = 0; i < 3; i++)
        assert_int_equal(broker_publish(session->broker, &message, session_on_published, session),
                         0);
    session_publish(session, "diligent", "m");
    UNTIL(session, session->published == 5 && session->received == 2);
    assert_int_equal(session->refused, 0);
    assert_int_equal(peer_count("lazy"), 3);
    session_end(session);
    peer_delete("lazy");
}

static void a_named_queue_that_is_refused_costs_its_messages_only(void **state)
{
    amqp_connection_state_t peer = peer_open();
    struct session *session = session_new(node_url());
    (void)state;
    amqp_queue_declare(peer, 1, amqp_cstring_bytes("lazy-other"), 0, 1, 0, 0, amqp_empty_table);
    session_queue(session, "diligent2");
    const struct broker_queue lazy = {
        .name = "lazy-other", /* not durable */
        .exchange = "lazy-other-exchange",
        .exchange_type = "fanout",
    };
    session_start(session);
    UNTIL(session, session->ups == 1);
    struct broker_message message = {.exchange = text_of("lazy-other-exchange"),
                                     .routing_key = text_of("any"),
                                     .delivery_mode = 1,
                                     .mandatory = true,
                                     .declare = &lazy};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(broker_publish(session->broker, &message, session_on_published, session),
                         0);
        session_publish(session, "diligent2", "m");
    }
    UNTIL(session, session->refused == 2 && session->received == 2);
    assert_non_null(strstr(session->notices, "lazy-other"));
    assert_string_equal(session->failed, "");
    session_end(session);
    peer_close(peer);
    peer_delete("lazy-other");
}

/* The queue exists as a quorum queue, but we do not say so. */
/* All of them come, each once, and can be settled, whatever channel they came over. */
static void take_all(struct session *session, const char *queue, size_t count)
{
    enum { STEP = 400 };
    for (size_t i = 0; i < count; i++)
        session_publish(session, queue, "m");
    UNTIL(session, session->published == count && session->received == STEP);
    for (size_t lasting = STEP; lasting < count; lasting += STEP) {
        session_idle(session, 0.1);
        assert_int_equal(session->received, lasting);
        broker_set_prefetch(session->broker, (uint32_t)lasting + STEP, (uint32_t)lasting);
        UNTIL(session, session->received == lasting + STEP);
    }
    for (size_t i = 0; i < count; i++) {
        const struct broker_delivery *delivery = session->deliveries[i * 7 % count];
        assert_false(delivery->redelivered);
        assert_true(broker_settle(session->broker, delivery->epoch, delivery->tag, BROKER_ACK));
    }
    session_idle(session, 0.2);
    assert_int_equal(session->ups, 1);
    assert_int_equal(session->received, count);
}

static void lasting_deliveries_leave_the_channel(void **state)
{
    struct broker_stats stats;
    struct session *session = session_new(node_url());
    (void)state;
    session_queue(session, "lasting")->auto_delete = false;
    session->config.prefetch = 400;
    session_start(session);
    UNTIL(session, session->ups == 1);
    take_all(session, "lasting", 2000);
    assert_true(session->deliveries[1999]->tag > 2000); /* of another channel */
    broker_get_stats(session->broker, &stats);
    assert_int_equal(stats.unsettled, 0);
    session_publish(session, "lasting", "m");
    UNTIL(session, session->received == 2001);
    session_end(session);
    assert_int_equal(peer_count("lasting"), 1);
    peer_delete("lasting");
}

static void lasting_deliveries_of_a_quorum_queue_too(void **state)
{
    msgpack_object_kv pair = {text_object("x-queue-type"), text_object("quorum")};
    struct session *session = session_new(node_url());
    (void)state;
    peer_delete("lasting-quorum");
    struct broker_queue *queue = session_queue(session, "lasting-quorum");
    queue->auto_delete = false;
    queue->durable = true;
    queue->arguments = (msgpack_object){.type = MSGPACK_OBJECT_MAP, .via.map = {1, &pair}};
    session->config.prefetch = 400;
    session_start(session);
    UNTIL(session, session->ups == 1);
    take_all(session, "lasting-quorum", 2000);
    session_end(session);
    assert_int_equal(peer_count("lasting-quorum"), 0);
    peer_delete("lasting-quorum");
}

static void what_came_over_any_channel_comes_again(void **state)
{
    struct session *session = session_new(node_url());
    (void)state;
    session_queue(session, "again")->auto_delete = false;
    session->config.prefetch = 300;
    session_start(session);
    UNTIL(session, session->ups == 1);
    for (size_t i = 0; i < 600; i++)
        session_publish(session, "again", "m");
    UNTIL(session, session->received == 300);
    broker_set_prefetch(session->broker, 900, 300);
    UNTIL(session, session->received == 600);
    node_command("close-connections");
    UNTIL(session, session->ups == 2 && session->received == 1200);
    for (size_t i = 600; i < 1200; i++)
        assert_true(session->deliveries[i]->redelivered);
    assert_false(broker_settle(session->broker, 1, session->deliveries[0]->tag, BROKER_ACK));
    session_ack_all(session);
    session_idle(session, 0.2);
    session_end(session);
    assert_int_equal(peer_count("again"), 0);
    peer_delete("again");
}

static void falls_back_to_a_window_for_each_queue(void **state)
{
    amqp_connection_state_t peer = peer_open();
    amqp_table_entry_t entry = {
        amqp_cstring_bytes("x-queue-type"),
        {.kind = AMQP_FIELD_KIND_UTF8, .value.bytes = amqp_cstring_bytes("quorum")}};
    amqp_table_t arguments = {1, &entry};
    msgpack_object_kv pair = {text_object("x-queue-type"), text_object("quorum")};
    (void)state;
    amqp_queue_declare(peer, 1, amqp_cstring_bytes("secret-quorum"), 0, 1, 0, 0, arguments);
    struct session *session = session_new(node_url());
    struct broker_queue *queue = session_queue(session, "secret-quorum");
    queue->auto_delete = false;
    queue->durable = true;
    pair.val.type = MSGPACK_OBJECT_BIN; /* the server cannot tell the difference, we can */
    queue->arguments = (msgpack_object){.type = MSGPACK_OBJECT_MAP, .via.map = {1, &pair}};
    session_start(session);
    UNTIL(session, session->ups == 1);
    session_publish(session, "secret-quorum", "m");
    UNTIL(session, session->received == 1);
    assert_non_null(strstr(session->notices, "per queue"));
    session_end(session);
    peer_close(peer);
    peer_delete("secret-quorum");
}

static void binds_queues_and_exchanges_as_declared(void **state)
{
    static const struct broker_exchange exchanges[] = {
        {.name = "t-events", .type = "topic"},
        {.name = "t-inner", .type = "topic", .source = "t-events", .source_key = "a.#"},
    };
    struct session *session = session_new(node_url());
    (void)state;
    struct broker_queue *queue = session_queue(session, "bound");
    queue->exchange = "t-inner";
    queue->exchange_type = "topic";
    queue->routing_key = "#.b";
    struct broker_queue *parked = session_queue(session, "parked");
    parked->declare_only = true;
    parked->auto_delete = false;
    session->config.exchanges = exchanges;
    session->config.exchange_count = ARRAY_LEN(exchanges);
    session_start(session);
    UNTIL(session, session->ups == 1);
    struct broker_message message = {.exchange = text_of("t-events"),
                                     .routing_key = text_of("a.x.b"),
                                     .delivery_mode = 1,
                                     .mandatory = true};
    assert_int_equal(broker_publish(session->broker, &message, session_on_published, session), 0);
    UNTIL(session, session->received == 1 && session->published == 1);
    assert_string_equal(session->deliveries[0]->exchange.data, "t-events");
    session_publish(session, "parked", "later");
    UNTIL(session, session->published == 2);
    assert_int_equal(session->received, 1);
    session_end(session);
    assert_int_equal(peer_count("parked"), 1);
    peer_delete("parked");
}

static void empties_the_queues_once_when_asked_to(void **state)
{
    amqp_connection_state_t peer = peer_open();
    struct session *session = session_new(node_url());
    (void)state;
    amqp_queue_declare(peer, 1, amqp_cstring_bytes("purged"), 0, 0, 0, 1, amqp_empty_table);
    for (int i = 0; i < 5; i++)
        peer_publish(peer, "purged", "old");
    session_queue(session, "purged");
    session->config.purge = true;
    while (peer_count("purged") < 5)
        continue;
    session_start(session);
    UNTIL(session, session->ups == 1);
    session_publish(session, "purged", "new");
    UNTIL(session, session->received == 1);
    assert_memory_equal(session->deliveries[0]->body.data, "new", 3);
    peer_close(peer);
    session_end(session);
}

/* Publishes until the queue is there and the message arrives. */
static void publish_until_received(struct session *session, const char *queue)
{
    struct broker_message message = {
        .routing_key = text_of(queue), .delivery_mode = 1, .mandatory = true};
    size_t received = session->received;
    size_t published = session->published;
    while (session->published == published) {
        size_t refused = session->refused;
        assert_int_equal(broker_publish(session->broker, &message, session_on_published, session),
                         0);
        UNTIL(session, session->published > published || session->refused > refused);
    }
    UNTIL(session, session->received == received + 1);
}

static void consumes_again_after_the_queue_was_deleted(void **state)
{
    struct session *session = session_new(node_url());
    (void)state;
    session_queue(session, "kept");
    session_queue(session, "deleted");
    session_start(session);
    UNTIL(session, session->ups == 1);
    publish_until_received(session, "kept");
    for (int i = 0; i < 3; i++) {
        session->notices[0] = '\0';
        peer_delete("deleted");
        UNTIL(session, strstr(session->notices, "'deleted'"));
        publish_until_received(session, "deleted");
    }
    assert_int_equal(session->ups, 1);
    assert_int_equal(session->downs, 0);
    assert_true(broker_settle(session->broker, 1, session->deliveries[0]->tag, BROKER_ACK));
    session_end(session);
}

static void delivers_nothing_after_the_consumers_are_cancelled(void **state)
{
    struct session *session = start_on_lasting("cancelled", 10);
    time_t deadline = time(NULL) + 20;
    amqp_connection_state_t peer = peer_open();
    (void)state;
    for (int i = 0; i < 500; i++)
        peer_publish(peer, "cancelled", "m");
    /* An answer on the publishing channel: all that went before it is in the queue. */
    assert_non_null(
        amqp_queue_declare(peer, 1, amqp_cstring_bytes("cancelled"), 1, 0, 0, 0, amqp_empty_table));
    UNTIL(session, session->received == 10);
    broker_settle(session->broker, 1, 1, BROKER_ACK);
    broker_cancel_consumers(session->broker);
    broker_settle(session->broker, 1, 2, BROKER_ACK);
    session_publish(session, "cancelled", "one more");
    UNTIL(session, session->published == 1);
    assert_int_equal(session->received, 10);
    session_end(session);
    while (peer_count("cancelled") < 499)
        assert_true(time(NULL) < deadline);
    assert_int_equal(peer_count("cancelled"), 499);
    peer_close(peer);
    peer_delete("cancelled");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(carries_every_property_header_and_byte),
        cmocka_unit_test(leaves_out_what_is_not_set),
        cmocka_unit_test(settles_what_was_decided_and_nothing_else),
        cmocka_unit_test(sends_acks_before_it_closes),
        cmocka_unit_test(does_not_settle_for_another_epoch),
        cmocka_unit_test(refuses_an_oversized_body_without_reading_it),
        cmocka_unit_test(holds_back_at_the_window_but_not_remote_control),
        cmocka_unit_test(consumes_from_a_quorum_queue),
        cmocka_unit_test(changes_the_window_of_a_quorum_queue),
        cmocka_unit_test(declares_a_queue_with_the_first_message_that_names_it),
        cmocka_unit_test(a_named_queue_that_is_refused_costs_its_messages_only),
        cmocka_unit_test(falls_back_to_a_window_for_each_queue),
        cmocka_unit_test(lasting_deliveries_leave_the_channel),
        cmocka_unit_test(lasting_deliveries_of_a_quorum_queue_too),
        cmocka_unit_test(what_came_over_any_channel_comes_again),
        cmocka_unit_test(binds_queues_and_exchanges_as_declared),
        cmocka_unit_test(empties_the_queues_once_when_asked_to),
        cmocka_unit_test(consumes_again_after_the_queue_was_deleted),
        cmocka_unit_test(delivers_nothing_after_the_consumers_are_cancelled),
    };
    return cmocka_run_group_tests(tests, node_start, node_stop);
}
