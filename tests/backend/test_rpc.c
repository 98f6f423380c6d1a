/* SPDX-License-Identifier: BSD-3-Clause */
/* rpc:// against a real RabbitMQ: what arrives in the client's queue. */

#include "tests/broker/harness.h"

#include "backend/backend.h"

static struct backend *open_rpc(struct session *session, bool persistent)
{
    struct backend_config config = {
        .url = "rpc://",
        .broker = session->broker,
        .serializer = serializer_by_name("json"),
        .persistent = persistent,
    };
    return backend_open(&config);
}

static const struct backend_result five = {
    .task_id = {"id-1", 4},
    .correlation_id = {"corr-1", 6},
    .reply_to = {"results", 7},
    .document = {"{\"result\": 5}", 13},
};

static void sends_the_document_to_the_clients_queue(void **state)
{
    struct session *session = session_new(node_url());
    (void)state;
    session_queue(session, "results");
    session_start(session);
    struct backend *backend = open_rpc(session, false);
    UNTIL(session, session->ups == 1);
    assert_int_equal(backend_store(backend, &five, session_on_published, session), BACKEND_PENDING);
    UNTIL(session, session->received == 1 && session->published == 1);
    const struct broker_delivery *delivery = session->deliveries[0];
    assert_int_equal(delivery->body.size, 13);
    assert_memory_equal(delivery->body.data, "{\"result\": 5}", 13);
    assert_true(text_equal(delivery->correlation_id, "corr-1"));
    assert_true(text_equal(delivery->content_type, "application/json"));
    assert_true(text_equal(delivery->content_encoding, "utf-8"));
    assert_int_equal(delivery->delivery_mode, 1);
    assert_int_equal(delivery->priority, 0);
    assert_int_equal(delivery->headers.type, MSGPACK_OBJECT_MAP);
    assert_int_equal(delivery->headers.via.map.size, 0);
    backend_close(backend);
    session_end(session);
}

static void is_persistent_if_asked_and_falls_back_to_the_task_id(void **state)
{
    struct backend_result result = five;
    struct session *session = session_new(node_url());
    (void)state;
    session_queue(session, "results");
    session_start(session);
    struct backend *backend = open_rpc(session, true);
    UNTIL(session, session->ups == 1);
    result.correlation_id = (struct text){NULL, 0};
    assert_int_equal(backend_store(backend, &result, session_on_published, session),
                     BACKEND_PENDING);
    UNTIL(session, session->received == 1);
    assert_true(text_equal(session->deliveries[0]->correlation_id, "id-1"));
    assert_int_equal(session->deliveries[0]->delivery_mode, 2);
    backend_close(backend);
    session_end(session);
}

static void counts_as_stored_when_the_client_is_gone(void **state)
{
    struct backend_result result = five;
    struct session *session = session_new(node_url());
    (void)state;
    session_start(session);
    struct backend *backend = open_rpc(session, false);
    result.reply_to = text_of("nobody-reads-this");
    assert_int_equal(backend_store(backend, &result, session_on_published, session),
                     BACKEND_PENDING);
    UNTIL(session, session->published == 1);
    backend_close(backend);
    session_end(session);
}

static void stores_nothing_without_reply_to_and_refuses_a_name_too_long(void **state)
{
    static char name[300];
    struct backend_result result = five;
    struct session *session = session_new(node_url());
    (void)state;
    session_start(session);
    struct backend *backend = open_rpc(session, false);
    result.reply_to = (struct text){NULL, 0};
    assert_int_equal(backend_store(backend, &result, session_on_published, session),
                     BACKEND_NOTHING);
    memset(name, 'n', sizeof(name));
    result.reply_to = (struct text){name, 256};
    assert_int_equal(backend_store(backend, &result, session_on_published, session),
                     BACKEND_FAILED);
    result.reply_to = (struct text){name, 255};
    assert_int_equal(backend_store(backend, &result, session_on_published, session),
                     BACKEND_PENDING);
    UNTIL(session, session->published == 1);
    backend_close(backend);
    session_end(session);
}

static void says_full_when_the_outbox_is(void **state)
{
    struct session *session = session_new(node_url());
    (void)state;
    session->config.outbox_max = 1;
    session_start(session);
    struct backend *backend = open_rpc(session, false);
    assert_int_equal(backend_store(backend, &five, session_on_published, session), BACKEND_PENDING);
    assert_int_equal(backend_store(backend, &five, session_on_published, session), BACKEND_FULL);
    UNTIL(session, session->drained == 1);
    assert_int_equal(backend_store(backend, &five, session_on_published, session), BACKEND_PENDING);
    UNTIL(session, session->published == 2);
    backend_close(backend);
    session_end(session);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sends_the_document_to_the_clients_queue),
        cmocka_unit_test(is_persistent_if_asked_and_falls_back_to_the_task_id),
        cmocka_unit_test(counts_as_stored_when_the_client_is_gone),
        cmocka_unit_test(stores_nothing_without_reply_to_and_refuses_a_name_too_long),
        cmocka_unit_test(says_full_when_the_outbox_is),
    };
    return cmocka_run_group_tests(tests, node_start, node_stop);
}
