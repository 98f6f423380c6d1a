/* SPDX-License-Identifier: BSD-3-Clause */
/* Queues, exchanges and bindings in all the ways that an app may declare them, against a real
 * RabbitMQ. */

#include "tests/broker/harness.h"

#include <stdlib.h>

/* --- arguments --- */

static msgpack_object text_object(const char *text)
{
    msgpack_object object = {.type = MSGPACK_OBJECT_STR};
    object.via.str.ptr = text;
    object.via.str.size = (uint32_t)strlen(text);
    return object;
}

static msgpack_object int_object(int number)
{
    return (msgpack_object){.type = MSGPACK_OBJECT_POSITIVE_INTEGER, .via.u64 = (uint64_t)number};
}

/* What AMQP has no word for. */
static msgpack_object ext_object(void)
{
    msgpack_object object = {.type = MSGPACK_OBJECT_EXT};
    object.via.ext.ptr = "x";
    object.via.ext.size = 1;
    return object;
}

static msgpack_object map_of(msgpack_object_kv *pairs, uint32_t count)
{
    return (msgpack_object){.type = MSGPACK_OBJECT_MAP, .via.map = {count, pairs}};
}

/* {key: value}, which lasts. */
static msgpack_object one(const char *key, msgpack_object value)
{
    static msgpack_object_kv pairs[32];
    static size_t count;
    assert_true(count < ARRAY_LEN(pairs));
    pairs[count] = (msgpack_object_kv){text_object(key), value};
    return map_of(&pairs[count++], 1);
}

/* --- the other side --- */

/* True if the exchange is there with just these properties. */
static bool exchange_is(const char *name, const char *type, bool durable, bool auto_delete,
                        const char *alternate)
{
    amqp_connection_state_t peer = peer_open();
    amqp_table_entry_t entry = {.key = amqp_cstring_bytes("alternate-exchange")};
    amqp_table_t table = {alternate ? 1 : 0, &entry};
    entry.value.kind = AMQP_FIELD_KIND_UTF8;
    entry.value.value.bytes = amqp_cstring_bytes(alternate ? alternate : "");
    bool same = amqp_exchange_declare(peer, 1, amqp_cstring_bytes(name), amqp_cstring_bytes(type),
                                      0, durable, auto_delete, 0, table) != NULL;
    peer_close(peer);
    return same;
}

static bool exchange_exists(const char *name)
{
    amqp_connection_state_t peer = peer_open();
    bool exists =
        amqp_exchange_declare(peer, 1, amqp_cstring_bytes(name), amqp_cstring_bytes("direct"), 1, 0,
                              0, 0, amqp_empty_table) != NULL;
    peer_close(peer);
    return exists;
}

static void delete_exchange(const char *name)
{
    amqp_connection_state_t peer = peer_open();
    amqp_exchange_delete(peer, 1, amqp_cstring_bytes(name), 0);
    peer_close(peer);
}

/* Publishes, and says if it was routed anywhere. */
static bool is_routed(struct session *session, const char *exchange, const char *key,
                      const msgpack_object *headers)
{
    struct broker_message message = {.exchange = text_of(exchange),
                                     .routing_key = text_of(key),
                                     .delivery_mode = 1,
                                     .priority = -1,
                                     .headers = headers,
                                     .mandatory = true};
    size_t published = session->published, refused = session->refused;
    assert_int_equal(broker_publish(session->broker, &message, session_on_published, session), 0);
    UNTIL(session, session->published > published || session->refused > refused);
    return session->published > published;
}

static void go_up(struct session *session)
{
    session_start(session);
    UNTIL(session, session->ups == 1);
}

/* --- exchanges --- */

static void declares_the_exchange_as_it_is_described(void **state)
{
    (void)state;
    struct session *session = session_new(node_url());
    struct broker_queue *queue = session_queue(session, "topo-1");
    queue->exchange = "topo-x1";
    queue->exchange_type = "topic";
    queue->exchange_arguments = one("alternate-exchange", text_object("topo-spare"));
    queue->exchange_auto_delete = true;
    struct broker_queue *other = session_queue(session, "topo-2");
    other->exchange = "topo-x2";
    other->exchange_transient = true;
    go_up(session);
    assert_true(exchange_is("topo-x1", "topic", true, true, "topo-spare"));
    assert_false(exchange_is("topo-x1", "topic", true, true, NULL));
    assert_false(exchange_is("topo-x1", "topic", true, false, "topo-spare"));
    assert_true(exchange_is("topo-x2", "direct", false, false, NULL));
    session_end(session);
    uint64_t deadline = session_deadline(10);
    while (exchange_exists("topo-x1")) /* it goes with the queue, which goes with its consumer */
        assert_true(uv_hrtime() < deadline);
    assert_true(exchange_exists("topo-x2"));
    delete_exchange("topo-x2");
}

static void binds_to_the_servers_own_exchanges_without_declaring_them(void **state)
{
    (void)state;
    struct session *session = session_new(node_url());
    struct broker_queue *queue = session_queue(session, "topo-own");
    queue->exchange = "amq.topic";
    queue->exchange_type = "direct"; /* which it is not */
    queue->routing_key = "own.#";
    go_up(session);
    assert_true(is_routed(session, "amq.topic", "own.a", NULL));
    UNTIL(session, session->received == 1);
    session_end(session);
}

/* --- bindings --- */

static void binds_with_arguments(void **state)
{
    (void)state;
    msgpack_object_kv pairs[] = {{text_object("x-match"), text_object("all")},
                                 {text_object("kind"), text_object("a")}};
    msgpack_object kind_a = one("kind", text_object("a")), kind_b = one("kind", text_object("b"));
    struct session *session = session_new(node_url());
    struct broker_queue *queue = session_queue(session, "topo-headers");
    queue->exchange = "topo-h";
    queue->exchange_type = "headers";
    queue->exchange_auto_delete = true;
    queue->binding_arguments = map_of(pairs, ARRAY_LEN(pairs));
    go_up(session);
    assert_true(is_routed(session, "topo-h", "", &kind_a));
    assert_false(is_routed(session, "topo-h", "", &kind_b));
    UNTIL(session, session->received == 1);
    session_end(session);
}

/* Each binding, and each but one of its kind. */
static void route_by_all(struct session *session)
{
    msgpack_object kind_a = one("kind", text_object("a")), kind_b = one("kind", text_object("b"));
    size_t received = session->received;
    assert_true(is_routed(session, "topo-b1", "a.1", NULL));
    assert_true(is_routed(session, "topo-b1", "b.1", NULL));
    assert_false(is_routed(session, "topo-b1", "c.1", NULL));
    assert_true(is_routed(session, "topo-b2", "", &kind_a));
    assert_false(is_routed(session, "topo-b2", "", &kind_b));
    assert_true(is_routed(session, "topo-b3", "anything", NULL));
    UNTIL(session, session->received == received + 4);
}

/* It is declared and bound again, the last binding last. */
static void delete_queue(struct session *session)
{
    session->notices[0] = '\0';
    peer_delete("topo-many");
    UNTIL(session, strstr(session->notices, "'topo-many'"));
    size_t received = session->received;
    while (!is_routed(session, "topo-b3", "", NULL))
        continue;
    UNTIL(session, session->received == received + 1);
}

static void makes_each_of_several_bindings_and_not_the_usual_one(void **state)
{
    (void)state;
    msgpack_object_kv pairs[] = {{text_object("x-match"), text_object("any")},
                                 {text_object("kind"), text_object("a")}};
    const struct broker_binding bindings[] = {
        {.exchange = "topo-b1", .exchange_type = "topic", .routing_key = "a.#"},
        {.exchange = "topo-b1", .exchange_type = "topic", .routing_key = "b.#"},
        {.exchange = "topo-b2",
         .exchange_type = "headers",
         .arguments = map_of(pairs, ARRAY_LEN(pairs))},
        {.exchange = "topo-b3", .exchange_type = "fanout", .exchange_transient = true},
        /* Of another type than it has: bound to, not declared. */
        {.exchange = "topo-b3", .exchange_type = "topic", .exchange_no_declare = true},
    };
    struct session *session = session_new(node_url());
    struct broker_queue *queue = session_queue(session, "topo-many");
    queue->exchange = "topo-unused";
    queue->exchange_auto_delete = true;
    queue->exchange_transient = true;
    queue->bindings = bindings;
    queue->binding_count = ARRAY_LEN(bindings);
    session_queue(session, "topo-next");
    go_up(session);
    assert_true(is_routed(session, "", "topo-next", NULL));
    UNTIL(session, session->received == 1);
    route_by_all(session);
    delete_queue(session);
    route_by_all(session);
    assert_false(exchange_exists("topo-unused"));
    assert_true(exchange_is("topo-b1", "topic", true, false, NULL));
    assert_true(exchange_is("topo-b3", "fanout", false, false, NULL));
    session_end(session);
    delete_exchange("topo-b1");
    delete_exchange("topo-b2");
    delete_exchange("topo-b3");
}

/* --- late ones --- */

static void late_items_come_behind_the_queues_and_their_refusal_is_only_told(void **state)
{
    (void)state;
    struct session *session = session_new(node_url());
    const struct broker_exchange exchanges[] = {
        {.name = "topo-late-top", .type = "topic", .late = true},
        /* Without a queue's exchange to bind to this could not be. */
        {.name = "topo-mine",
         .no_declare = true,
         .late = true,
         .source = "topo-late-top",
         .source_key = "#.mine"},
        {.name = "topo-absent", .no_declare = true, .late = true, .source = "topo-late-top"},
    };
    session->config.exchanges = exchanges;
    session->config.exchange_count = ARRAY_LEN(exchanges);
    struct broker_queue *late = session_queue(session, "topo-late");
    late->declare_only = late->late = true;
    late->auto_delete = false;
    struct broker_queue *queue = session_queue(session, "topo-mine");
    queue->exchange = "topo-mine";
    queue->exchange_type = "topic";
    queue->routing_key = "#.mine";
    queue->exchange_auto_delete = true;
    go_up(session);
    assert_true(is_routed(session, "topo-late-top", "1.0.mine", NULL));
    UNTIL(session, session->received == 1);
    assert_int_equal(peer_count("topo-late"), 0);
    assert_non_null(strstr(session->notices, "topo-absent"));
    assert_string_equal(session->failed, "");
    session_end(session);
    peer_delete("topo-late");
    delete_exchange("topo-late-top");
}

/* --- consumers --- */

static void consumes_with_arguments(void **state)
{
    (void)state;
    enum { MESSAGES = 10 };
    struct session *first = session_new(node_url());
    session_queue(first, "topo-shared");
    go_up(first);
    struct session *second = session_new(node_url());
    session_queue(second, "topo-shared")->consumer_arguments = one("x-priority", int_object(10));
    go_up(second);
    for (int i = 0; i < MESSAGES; i++)
        session_publish(first, "topo-shared", "m");
    UNTIL(first, first->published == MESSAGES);
    UNTIL(second, second->received == MESSAGES);
    assert_int_equal(first->received, 0);
    session_end(second);
    session_end(first);
}

/* --- what is there already --- */

static void declares_nothing_of_a_queue_that_is_there(void **state)
{
    (void)state;
    amqp_connection_state_t peer = peer_open();
    amqp_table_entry_t entry = {.key = amqp_cstring_bytes("x-max-length")};
    entry.value.kind = AMQP_FIELD_KIND_I32;
    entry.value.value.i32 = 100;
    assert_non_null(amqp_queue_declare(peer, 1, amqp_cstring_bytes("topo-there"), 0, 1, 0, 0,
                                       (amqp_table_t){1, &entry}));
    peer_publish(peer, "topo-there", "old");
    while (peer_count("topo-there") < 1)
        continue;
    struct session *session = session_new(node_url());
    struct broker_queue *queue = session_queue(session, "topo-there");
    queue->no_declare = true;
    queue->exchange = "topo-undeclared";
    session->config.purge = true;
    go_up(session);
    assert_true(is_routed(session, "", "topo-there", NULL));
    UNTIL(session, session->received == 1);
    assert_int_equal(session->deliveries[0]->body.size, 0); /* not "old" */
    assert_false(exchange_exists("topo-undeclared"));
    session_end(session);
    peer_close(peer);
    peer_delete("topo-there");
}

static void a_queue_that_is_not_to_be_declared_must_be_there(void **state)
{
    (void)state;
    struct session *session = session_new(node_url());
    session_queue(session, "topo-nowhere")->no_declare = true;
    session_start(session);
    UNTIL(session, session->failed[0]);
    assert_non_null(strstr(session->failed, "Cannot consume from queue 'topo-nowhere'"));
    assert_non_null(strstr(session->failed, "NOT_FOUND - no queue 'topo-nowhere'"));
    assert_int_equal(session->ups, 0);
    session_end(session);
}

/* --- what cannot be --- */

static void wrong_exchange(struct broker_queue *queue)
{
    queue->exchange_arguments = one("alternate-exchange", int_object(5));
}

static void other_exchange(struct broker_queue *queue)
{
    queue->exchange = "topo-other";
    queue->exchange_auto_delete = true;
}

static void wrong_binding(struct broker_queue *queue)
{
    queue->exchange_type = "headers";
    queue->exchange_auto_delete = true;
    queue->binding_arguments = one("x-match", text_object("some"));
}

static void other_queue(struct broker_queue *queue)
{
    queue->name = "topo-other";
    queue->exchange = "";
}

static void wrong_queue(struct broker_queue *queue)
{
    queue->exchange = "";
    queue->arguments = one("x-max-priority", int_object(1000));
}

static void wrong_bindings(struct broker_queue *queue)
{
    static const struct broker_binding bindings[] = {
        {.exchange = "amq.topic", .exchange_type = "topic", .routing_key = "a"},
        {.exchange = "topo-other", .exchange_type = "fanout", .routing_key = "b"},
    };
    queue->bindings = bindings;
    queue->binding_count = ARRAY_LEN(bindings);
}

static void wrong_consumer(struct broker_queue *queue)
{
    queue->exchange = "";
    queue->consumer_arguments = one("x-priority", text_object("high"));
}

static void odd_exchange(struct broker_queue *queue)
{
    queue->exchange_arguments = one("odd", ext_object());
}

static void odd_binding(struct broker_queue *queue)
{
    queue->exchange_auto_delete = true;
    queue->binding_arguments = one("odd", ext_object());
}

static void odd_consumer(struct broker_queue *queue)
{
    queue->exchange = "";
    queue->consumer_arguments = one("odd", ext_object());
}

static const struct {
    void (*spoil)(struct broker_queue *queue);
    const char *what, *why, *hint; /* of on_failed's text; hint NULL: it has none */
} wrong[] = {
    {wrong_exchange, "Cannot declare the exchange of queue 'topo-wrong': ",
     "PRECONDITION_FAILED - invalid type 'signedint' for arg 'alternate-exchange'", NULL},
    {other_exchange, "Cannot declare the exchange of queue 'topo-wrong': ",
     "PRECONDITION_FAILED - inequivalent arg 'auto_delete' for exchange 'topo-other'",
     " (it exists"},
    {other_queue, "Cannot declare queue 'topo-other': ",
     "PRECONDITION_FAILED - inequivalent arg 'durable' for queue 'topo-other'",
     " (it exists with other properties: delete it (a queue with rabbitmqctl delete_queue NAME)"},
    {wrong_queue, "Cannot declare queue 'topo-wrong': ",
     "PRECONDITION_FAILED - invalid arg 'x-max-priority' for queue 'topo-wrong'", NULL},
    {wrong_binding, "Cannot bind queue 'topo-wrong': ", "PRECONDITION_FAILED - Invalid x-match",
     NULL},
    {wrong_bindings, "Cannot declare the exchange of queue 'topo-wrong': ",
     "PRECONDITION_FAILED - inequivalent arg 'type' for exchange 'topo-other'", " (it exists"},
    {wrong_consumer, "Cannot consume from queue 'topo-wrong': ",
     "PRECONDITION_FAILED - invalid arg 'x-priority'", NULL},
    {odd_exchange, "Cannot declare the exchange of queue 'topo-wrong': ",
     "its arguments cannot be sent over AMQP", NULL},
    {odd_binding, "Cannot bind queue 'topo-wrong': ", "its arguments cannot be sent over AMQP",
     NULL},
    {odd_consumer,
     "Cannot consume from queue 'topo-wrong': ", "its arguments cannot be sent over AMQP", NULL},
};

static void what_is_wrong_is_told_in_the_servers_words(void **state)
{
    (void)state;
    assert_true(exchange_is("topo-other", "direct", true, false, NULL)); /* declares it */
    amqp_connection_state_t peer = peer_open();
    assert_non_null(amqp_queue_declare(peer, 1, amqp_cstring_bytes("topo-other"), 0, 1, 0, 0,
                                       amqp_empty_table));
    peer_close(peer);
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        struct session *session = session_new(node_url());
        struct broker_queue *queue = session_queue(session, "topo-wrong");
        queue->exchange = "topo-x";
        wrong[i].spoil(queue);
        session_start(session);
        UNTIL(session, session->failed[0]);
        const char *hint = wrong[i].hint;
        bool hinted = hint ? strstr(session->failed, hint) != NULL : !strchr(session->failed, '(');
        if (!strstr(session->failed, wrong[i].what) || !strstr(session->failed, wrong[i].why) ||
            !hinted)
            fail_msg("case %zu: %s", i, session->failed);
        session_end(session);
        peer_delete("topo-wrong");
        delete_exchange("topo-x");
    }
    delete_exchange("topo-other");
    peer_delete("topo-other");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(declares_the_exchange_as_it_is_described),
        cmocka_unit_test(binds_to_the_servers_own_exchanges_without_declaring_them),
        cmocka_unit_test(binds_with_arguments),
        cmocka_unit_test(late_items_come_behind_the_queues_and_their_refusal_is_only_told),
        cmocka_unit_test(makes_each_of_several_bindings_and_not_the_usual_one),
        cmocka_unit_test(consumes_with_arguments),
        cmocka_unit_test(declares_nothing_of_a_queue_that_is_there),
        cmocka_unit_test(a_queue_that_is_not_to_be_declared_must_be_there),
        cmocka_unit_test(what_is_wrong_is_told_in_the_servers_words),
    };
    return cmocka_run_group_tests(tests, node_start, node_stop);
}
