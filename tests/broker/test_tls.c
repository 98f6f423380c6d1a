/* SPDX-License-Identifier: BSD-3-Clause */
/* The same over TLS, with a server whose certificate is its own authority. */

#include "tests/broker/harness.h"

#include <stdlib.h>

enum { LARGE = 2 * 1000 * 1000 };

static int start_node(void **state)
{
    return node_start_module(state, "broker.tls_node");
}

static void carries_small_and_large_messages(void **state)
{
    struct session *session = session_new(node_url());
    char *body = malloc(LARGE);
    (void)state;
    for (size_t i = 0; i < LARGE; i++)
        body[i] = (char)(i * 31 >> 3);
    session_queue(session, "tls");
    session_start(session);
    UNTIL(session, session->ups == 1);
    assert_non_null(strstr(session->notices, "Connected to amqps://guest:**@"));
    session->auto_ack = true;
    for (size_t i = 0; i < 500; i++) {
        struct broker_message message = {.routing_key = text_of("tls"),
                                         .delivery_mode = 1,
                                         .body = {body, i % 100 == 99 ? LARGE : 100}};
        assert_int_equal(broker_publish(session->broker, &message, session_on_published, session),
                         0);
    }
    UNTIL_IN(40, session, session->published == 500 && session->received == 500);
    for (size_t i = 0; i < 500; i++) {
        assert_int_equal(session->deliveries[i]->body.size, i % 100 == 99 ? LARGE : 100);
        assert_memory_equal(session->deliveries[i]->body.data, body,
                            session->deliveries[i]->body.size);
    }
    assert_int_equal(session->downs, 0);
    free(body);
    session_end(session);
}

static void stays_connected_by_heartbeats(void **state)
{
    char url[600];
    (void)state;
    snprintf(url, sizeof(url), "%s&heartbeat=1", node_url());
    struct session *session = session_new(url);
    session_start(session);
    UNTIL(session, session->ups == 1);
    uint64_t quiet = session_deadline(4);
    while (uv_hrtime() < quiet)
        session_turn(session, "nothing", quiet + 1000000000);
    assert_int_equal(session->downs, 0);
    session_end(session);
}

static void does_not_trust_a_stranger(void **state)
{
    char url[600];
    (void)state;
    snprintf(url, sizeof(url), "%.*s", (int)strcspn(node_url(), "?"), node_url());
    struct session *session = session_new(url);
    session_start(session);
    UNTIL(session, strstr(session->notices, "Trying again"));
    assert_non_null(strstr(session->notices, "verification failed"));
    assert_int_equal(session->ups, 0);
    session_end(session);
}

static void trusts_anyone_if_told_so(void **state)
{
    char url[600];
    (void)state;
    snprintf(url, sizeof(url), "%.*s?ssl_cert_reqs=CERT_NONE", (int)strcspn(node_url(), "?"),
             node_url());
    struct session *session = session_new(url);
    session_start(session);
    UNTIL(session, session->ups == 1);
    session_end(session);
}

static void names_a_certificate_file_it_cannot_use(void **state)
{
    char url[600];
    (void)state;
    snprintf(url, sizeof(url), "%.*s?ssl_ca_certs=/nonexistent.pem", (int)strcspn(node_url(), "?"),
             node_url());
    struct session *session = session_new(url);
    session_start(session);
    UNTIL(session, strstr(session->notices, "/nonexistent.pem"));
    session_end(session);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(carries_small_and_large_messages),
        cmocka_unit_test(stays_connected_by_heartbeats),
        cmocka_unit_test(does_not_trust_a_stranger),
        cmocka_unit_test(trusts_anyone_if_told_so),
        cmocka_unit_test(names_a_certificate_file_it_cannot_use),
    };
    return cmocka_run_group_tests(tests, start_node, node_stop);
}
