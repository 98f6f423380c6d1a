/* SPDX-License-Identifier: BSD-3-Clause */
/* Publishing, and all that ends a broker: refusals, retries, stopping. Against a real RabbitMQ. */

#include "tests/broker/harness.h"

#include <stdlib.h>

enum { LARGE = 3 * 1024 * 1024 + 17 };

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

static void keeps_the_order_of_messages(void **state)
{
    struct session *session = start_on("order");
    (void)state;
    char *large = malloc(LARGE);
    memset(large, 'x', LARGE);
    for (int i = 0; i < 300; i++) {
        char body[16];
        snprintf(body, sizeof(body), "%d", i);
        struct broker_message message = {
            .routing_key = text_of("order"),
            .message_id = text_of(body),
            .priority = -1,
            .delivery_mode = 1,
            .body = {large, i % 100 == 50 ? LARGE : 10},
        };
        assert_int_equal(broker_publish(session->broker, &message, session_on_published, session),
                         0);
    }
    session->auto_ack = true;
    UNTIL(session, session->received == 300 && session->published == 300);
    for (int i = 0; i < 300; i++)
        assert_int_equal(atoi(session->deliveries[i]->message_id.data), i);
    free(large);
    session_end(session);
}

static void carries_every_property_but_somebody_elses_user(void **state)
{
    struct session *session = start_on("properties");
    (void)state;
    static const char *const users[] = {"guest", "somebody"};
    for (size_t i = 0; i < ARRAY_LEN(users); i++) {
        struct broker_message message = {
            .routing_key = text_of("properties"),
            .message_id = text_of("m-1"),
            .type = text_of("a type"),
            .app_id = text_of("an app"),
            .user_id = text_of(users[i]),
            .timestamp = 1234567890,
            .priority = 3,
            .delivery_mode = 1,
        };
        assert_int_equal(broker_publish(session->broker, &message, session_on_published, session),
                         0);
    }
    UNTIL(session, session->received == 2 && session->published == 2);
    for (size_t i = 0; i < ARRAY_LEN(users); i++) {
        const struct broker_delivery *delivery = session->deliveries[i];
        assert_true(text_equal(delivery->type, "a type"));
        assert_true(text_equal(delivery->app_id, "an app"));
        assert_true(text_equal(delivery->message_id, "m-1"));
        assert_true(delivery->timestamp == 1234567890);
        assert_int_equal(delivery->priority, 3);
    }
    assert_true(text_equal(session->deliveries[0]->user_id, "guest"));
    assert_null(session->deliveries[1]->user_id.data);
    session_end(session);
}

static void tells_when_a_mandatory_message_goes_nowhere(void **state)
{
    struct session *session = start_on("somewhere");
    (void)state;
    static const char *const keys[] = {"somewhere", "nowhere", "somewhere", "nowhere"};
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        struct broker_message message = {.routing_key = text_of(keys[i]),
                                         .delivery_mode = 1,
                                         .mandatory = true,
                                         .body = {"body", 4}};
        if (i == 3) /* the caller's own message_id is taken */
            message.message_id = text_of("mine");
        assert_int_equal(broker_publish(session->broker, &message, session_on_published, session),
                         0);
    }
    UNTIL(session, session->published == 2 && session->refused == 2);
    assert_non_null(strstr(session->refusal, "NO_ROUTE"));
    assert_non_null(strstr(session->refusal, "nowhere"));
    UNTIL(session, session->received == 2);
    session_publish(session, "nowhere", "not mandatory");
    UNTIL(session, session->published == 3);
    session_end(session);
}

static void fails_only_the_message_that_breaks_the_channel(void **state)
{
    struct session *session = start_on("channel");
    (void)state;
    for (int i = 0; i < 20; i++) {
        struct broker_message bad = {.exchange = text_of("there-is-no-such-exchange"),
                                     .delivery_mode = 1};
        if (i == 7 || i == 12)
            assert_int_equal(broker_publish(session->broker, &bad, session_on_published, session),
                             0);
        session_publish(session, "channel", "good");
    }
    UNTIL(session, session->published == 20 && session->refused == 2);
    assert_non_null(strstr(session->refusal, "there-is-no-such-exchange"));
    struct broker_stats stats;
    broker_get_stats(session->broker, &stats);
    assert_int_equal(stats.outbox_messages, 0);
    assert_int_equal(stats.outbox_bytes, 0);
    assert_int_equal(stats.connects, 2); /* the connection stayed */
    session_end(session);
}

static void refuses_messages_that_amqp_cannot_carry(void **state)
{
    static char name[257];
    struct session *session = start_on("invalid");
    msgpack_object number = int_object(1);
    (void)state;
    memset(name, 'n', sizeof(name) - 1);
    const struct broker_message messages[] = {
        {.routing_key = text_of(name)},
        {.exchange = text_of(name)},
        {.content_type = text_of(name)},
        {.priority = 256},
        {.headers = &number},
    };
    for (size_t i = 0; i < ARRAY_LEN(messages); i++)
        assert_int_equal(
            broker_publish(session->broker, &messages[i], session_on_published, session),
            BROKER_EINVALID);
    struct broker_stats stats;
    broker_get_stats(session->broker, &stats);
    assert_int_equal(stats.outbox_messages, 0);
    session_end(session);
}

static void takes_no_more_than_the_outbox_holds(void **state)
{
    struct session *session = session_new(node_url());
    struct broker_message message = {.routing_key = text_of("bounded"), .delivery_mode = 1};
    unsigned taken = 0;
    (void)state;
    session_queue(session, "bounded");
    session->config.outbox_max = 100000;
    session_start(session);
    while (broker_publish(session->broker, &message, session_on_published, session) == 0)
        taken++;
    assert_in_range(taken, 10, 100);
    assert_int_equal(broker_publish(session->broker, &message, NULL, NULL), BROKER_EFULL);
    UNTIL(session, session->drained == 1);
    UNTIL(session, session->published == taken);
    char *large = calloc(1, 200000);
    message.body = (struct bytes){large, 200000};
    assert_int_equal(broker_publish(session->broker, &message, session_on_published, session), 0);
    UNTIL(session, session->published == taken + 1);
    free(large);
    session_end(session);
}

static void gives_up_on_a_queue_with_other_arguments(void **state)
{
    amqp_connection_state_t peer = peer_open();
    struct session *session = session_new(node_url());
    (void)state;
    amqp_queue_declare(peer, 1, amqp_cstring_bytes("other"), 0, 0, 0, 1, amqp_empty_table);
    session_queue(session, "other")->durable = true;
    session_start(session);
    UNTIL(session, session->failed[0]);
    assert_non_null(strstr(session->failed, "queue 'other'"));
    assert_non_null(strstr(session->failed, "inequivalent arg 'durable'"));
    assert_non_null(strstr(session->failed, "delete it"));
    peer_close(peer);
    session_end(session);
}

static void gives_up_on_an_exchange_of_another_type(void **state)
{
    static const struct broker_exchange exchanges[] = {
        {.name = "amq.direct", .type = "topic"}, /* the server's own are not declared */
        {.name = "p-direct", .type = "topic"},
    };
    amqp_connection_state_t peer = peer_open();
    assert_non_null(amqp_exchange_declare(peer, 1, amqp_cstring_bytes("p-direct"),
                                          amqp_cstring_bytes("direct"), 0, 1, 0, 0,
                                          amqp_empty_table));
    struct session *session = session_new(node_url());
    (void)state;
    session->config.exchanges = exchanges;
    session->config.exchange_count = ARRAY_LEN(exchanges);
    session_start(session);
    UNTIL(session, session->failed[0]);
    assert_non_null(strstr(session->failed, "Cannot declare exchange 'p-direct': "));
    session_end(session);
    amqp_exchange_delete(peer, 1, amqp_cstring_bytes("p-direct"), 0);
    peer_close(peer);
}

static void gives_up_when_the_login_is_refused(void **state)
{
    char url[200];
    (void)state;
    snprintf(url, sizeof(url), "amqp://guest:wrong-secret@127.0.0.1:%d//", node_port());
    struct session *session = session_new(url);
    session_start(session);
    UNTIL(session, session->failed[0]);
    assert_non_null(strstr(session->failed, "ACCESS_REFUSED"));
    assert_non_null(strstr(session->failed, "amqp://guest:**@127.0.0.1"));
    assert_null(strstr(session->failed, "wrong-secret"));
    assert_null(strstr(session->notices, "wrong-secret"));
    session_end(session);
}

static void tries_again_when_the_virtual_host_is_missing(void **state)
{
    char url[200];
    (void)state;
    snprintf(url, sizeof(url), "amqp://guest:guest@127.0.0.1:%d/no-such-vhost", node_port());
    struct session *session = session_new(url);
    session_start(session);
    UNTIL(session, strstr(session->notices, "Trying again in 2.00 seconds... (1/100)"));
    assert_non_null(strstr(session->notices, "consumer: Cannot connect to amqp://guest:**@"));
    assert_non_null(strstr(session->notices, "no-such-vhost"));
    session_end(session);
}

static void goes_to_the_next_url_when_one_does_not_answer(void **state)
{
    char urls[400];
    (void)state;
    snprintf(urls, sizeof(urls), "amqp://guest:guest@127.0.0.1:1//;%s", node_url());
    struct session *session = session_new(urls);
    session_queue(session, "failover");
    session_start(session);
    UNTIL(session, session->ups == 1);
    assert_non_null(strstr(session->notices,
                           "consumer: Cannot connect to amqp://guest:**@127.0.0.1:1//: [Errno 111] "
                           "Connection refused.\nWill retry using next failover."));
    assert_non_null(strstr(session->notices, "Connected to amqp://guest:**@127.0.0.1:"));
    session_end(session);
}

static void gives_up_after_the_last_retry(void **state)
{
    struct session *session = session_new("amqp://127.0.0.1:1//");
    (void)state;
    session->config.connection_max_retries = 1;
    session_start(session);
    UNTIL(session, session->failed[0]);
    assert_non_null(strstr(session->notices, "(1/1)"));
    assert_non_null(strstr(session->failed, "Connection refused"));
    session_end(session);
}

static void gives_up_at_once_where_retrying_is_switched_off(void **state)
{
    struct session *session = session_new("amqp://127.0.0.1:1//");
    (void)state;
    session->config.connection_retry_on_startup = false;
    session_start(session);
    UNTIL(session, session->failed[0]);
    assert_string_equal(session->notices, "");
    session_end(session);
}

static void stops_as_soon_as_the_server_has_answered(void **state)
{
    struct session *session = start_on("quick");
    (void)state;
    session_publish(session, "quick", "m");
    broker_stop(session->broker, 5);
    uint64_t start = uv_hrtime();
    UNTIL(session, session->stopped);
    assert_true(uv_hrtime() - start < 800000000); /* the deadline of closing is a second */
    assert_int_equal(session->published, 1);
    session_end(session);
}

static void fails_what_is_left_at_stop(void **state)
{
    struct session *session = session_new("amqp://127.0.0.1:1//");
    (void)state;
    session_start(session);
    session_publish(session, "nobody", "m");
    broker_stop(session->broker, 0.2);
    struct broker_message message = {.routing_key = text_of("x")};
    assert_int_equal(broker_publish(session->broker, &message, NULL, NULL), BROKER_ECLOSED);
    UNTIL(session, session->stopped);
    assert_int_equal(session->refused, 1);
    session_end(session);
}

static void may_be_freed_or_stopped_without_a_start(void **state)
{
    struct broker_handler nothing = {0};
    struct session *session = session_new(node_url());
    (void)state;
    struct broker *broker = broker_new(&session->loop, &session->config, &nothing, NULL);
    broker_free(broker);
    broker_free(NULL);
    session_start(session);
    session_end(session);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_the_order_of_messages),
        cmocka_unit_test(carries_every_property_but_somebody_elses_user),
        cmocka_unit_test(tells_when_a_mandatory_message_goes_nowhere),
        cmocka_unit_test(fails_only_the_message_that_breaks_the_channel),
        cmocka_unit_test(refuses_messages_that_amqp_cannot_carry),
        cmocka_unit_test(takes_no_more_than_the_outbox_holds),
        cmocka_unit_test(gives_up_on_a_queue_with_other_arguments),
        cmocka_unit_test(gives_up_on_an_exchange_of_another_type),
        cmocka_unit_test(gives_up_when_the_login_is_refused),
        cmocka_unit_test(tries_again_when_the_virtual_host_is_missing),
        cmocka_unit_test(goes_to_the_next_url_when_one_does_not_answer),
        cmocka_unit_test(gives_up_after_the_last_retry),
        cmocka_unit_test(gives_up_at_once_where_retrying_is_switched_off),
        cmocka_unit_test(stops_as_soon_as_the_server_has_answered),
        cmocka_unit_test(fails_what_is_left_at_stop),
        cmocka_unit_test(may_be_freed_or_stopped_without_a_start),
    };
    return cmocka_run_group_tests(tests, node_start, node_stop);
}
