/* SPDX-License-Identifier: BSD-3-Clause */
/* The library against a real RabbitMQ and a real Redis, with this program as the worker. */

#include "tests/broker/harness.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "celeriac/client.h"
#include "tests/backend/redis_node.h"

#define SUCCESS_OF(value) "{\"status\": \"SUCCESS\", \"result\": " value ", \"children\": []}"

static struct celeriac_client *open_client(struct celeriac_client_config config)
{
    struct celeriac_client *client = NULL;
    char error[CELERIAC_CLIENT_ERROR_SIZE] = "";
    config.broker_url = node_url();
    int rc = celeriac_client_open(&config, &client, error);
    assert_string_equal(error, "");
    assert_int_equal(rc, 0);
    return client;
}

static void send_call(struct celeriac_client *client, const struct celeriac_call *call,
                      char id[CELERIAC_TASK_ID_SIZE])
{
    int rc = celeriac_client_send(client, call, id);
    if (rc != 0)
        fail_msg("%s", celeriac_client_error(client));
}

/* ---- the worker ---- */

/* Takes the oldest message of the queue; its reply_to. */
static void take(amqp_connection_state_t peer, const char *queue, char reply_to[256])
{
    amqp_message_t message;
    amqp_rpc_reply_t reply = amqp_basic_get(peer, 1, amqp_cstring_bytes(queue), true);
    assert_int_equal(reply.reply_type, AMQP_RESPONSE_NORMAL);
    assert_int_equal(reply.reply.id, AMQP_BASIC_GET_OK_METHOD);
    assert_int_equal(amqp_read_message(peer, 1, &message, 0).reply_type, AMQP_RESPONSE_NORMAL);
    amqp_bytes_t name = message.properties.reply_to;
    snprintf(reply_to, 256, "%.*s", (int)name.len, (const char *)name.bytes);
    amqp_destroy_message(&message);
}

static void answer(amqp_connection_state_t peer, const char *reply_to, const char *id,
                   const char *document)
{
    amqp_basic_properties_t properties = {
        ._flags = AMQP_BASIC_CONTENT_TYPE_FLAG | AMQP_BASIC_CORRELATION_ID_FLAG,
        .content_type = amqp_cstring_bytes("application/json"),
        .correlation_id = amqp_cstring_bytes(id),
    };
    assert_int_equal(amqp_basic_publish(peer, 1, amqp_empty_bytes, amqp_cstring_bytes(reply_to),
                                        false, false, &properties, amqp_cstring_bytes(document)),
                     0);
}

/* ---- rpc ---- */

static void expect_state(struct celeriac_client *client, const char *id, const char *expected)
{
    struct celeriac_result *result;
    for (int tries = 0; tries < 500; tries++) {
        assert_int_equal(celeriac_client_peek(client, id, 1, &result), 0);
        bool equal = strcmp(celeriac_result_state(result), expected) == 0;
        celeriac_result_free(result);
        if (equal)
            return;
        usleep(10000);
    }
    fail_msg("the state never was %s", expected);
}

static void rpc_results_come_by_id_each_end_once(void **state)
{
    (void)state;
    struct celeriac_client *client = open_client(
        (struct celeriac_client_config){.result_backend = "rpc://", .task_default_queue = "rpc"});
    const struct celeriac_call call = {.task = "t"};
    char first[CELERIAC_TASK_ID_SIZE], second[CELERIAC_TASK_ID_SIZE], reply_to[256];
    struct celeriac_result *result = NULL;
    amqp_connection_state_t peer = peer_open();
    send_call(client, &call, first);
    send_call(client, &call, second);
    take(peer, "rpc", reply_to);
    assert_int_equal(celeriac_client_wait(client, first, 0.05, &result), CELERIAC_CLIENT_ETIMEOUT);
    assert_null(result);
    expect_state(client, first, "PENDING");
    answer(peer, reply_to, second, SUCCESS_OF("2"));
    answer(peer, reply_to, first, "{\"status\": \"STARTED\", \"result\": null}");
    expect_state(client, first, "STARTED");
    answer(peer, reply_to, first, SUCCESS_OF("1"));
    answer(peer, reply_to, first, "{\"status\": \"RETRY\", \"result\": null}"); /* too late */
    answer(peer, reply_to, "nobody's", SUCCESS_OF("3"));
    assert_int_equal(celeriac_client_wait(client, first, 10, &result), 0);
    assert_string_equal(celeriac_result_json(result), "1");
    celeriac_result_free(result);
    assert_int_equal(celeriac_client_wait(client, first, 10, &result), CELERIAC_CLIENT_EUNKNOWN);
    assert_int_equal(celeriac_client_wait(client, second, 0, &result), 0);
    assert_string_equal(celeriac_result_json(result), "2");
    celeriac_result_free(result);
    peer_close(peer);
    celeriac_client_close(client);
}

static void rpc_knows_what_nobody_waits_for(void **state)
{
    (void)state;
    struct celeriac_client *client = open_client(
        (struct celeriac_client_config){.result_backend = "rpc://", .task_default_queue = "rpc"});
    const struct celeriac_call ignored = {.task = "t", .ignore_result = true};
    const struct celeriac_call call = {.task = "t"};
    char id[CELERIAC_TASK_ID_SIZE];
    struct celeriac_result *result;
    assert_int_equal(celeriac_client_wait(client, "foreign", 1, &result), CELERIAC_CLIENT_EUNKNOWN);
    send_call(client, &ignored, id);
    assert_int_equal(celeriac_client_wait(client, id, 1, &result), CELERIAC_CLIENT_EUNKNOWN);
    send_call(client, &call, id);
    assert_int_equal(celeriac_client_forget(client, id), 0);
    assert_int_equal(celeriac_client_wait(client, id, 1, &result), CELERIAC_CLIENT_EUNKNOWN);
    celeriac_client_close(client);
}

static void a_result_that_is_too_large_is_told(void **state)
{
    (void)state;
    struct celeriac_client *client = open_client((struct celeriac_client_config){
        .result_backend = "rpc://", .task_default_queue = "large", .result_size_max = 100});
    const struct celeriac_call call = {.task = "t"};
    char id[CELERIAC_TASK_ID_SIZE], reply_to[256], document[512];
    struct celeriac_result *result;
    amqp_connection_state_t peer = peer_open();
    send_call(client, &call, id);
    take(peer, "large", reply_to);
    snprintf(document, sizeof(document), SUCCESS_OF("\"%0300d\""), 7);
    answer(peer, reply_to, id, document);
    assert_int_equal(celeriac_client_wait(client, id, 10, &result), CELERIAC_CLIENT_ERESULT);
    assert_non_null(strstr(celeriac_client_error(client), "result_size_max"));
    peer_close(peer);
    celeriac_client_close(client);
}

/* ---- sending ---- */

static void each_call_goes_to_its_queue(void **state)
{
    (void)state;
    enum { QUEUES = 70 }; /* more than are remembered */
    struct celeriac_client *client = open_client((struct celeriac_client_config){.broker_url = ""});
    char id[CELERIAC_TASK_ID_SIZE], name[32];
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < QUEUES; i++) {
            snprintf(name, sizeof(name), "q%d", i);
            send_call(client, &(struct celeriac_call){.task = "t", .queue = name}, id);
        }
    for (int i = 0; i < QUEUES; i++) {
        snprintf(name, sizeof(name), "q%d", i);
        assert_int_equal(peer_count(name), 2);
        peer_delete(name);
    }
    celeriac_client_close(client);
}

static void a_refused_queue_does_not_spoil_the_next_call(void **state)
{
    (void)state;
    struct celeriac_client *client = open_client((struct celeriac_client_config){.broker_url = ""});
    struct celeriac_client *priorities =
        open_client((struct celeriac_client_config){.task_queue_max_priority = 5});
    const struct celeriac_call refused = {.task = "t", .queue = "taken"};
    const struct celeriac_call good = {.task = "t", .queue = "free"};
    char id[CELERIAC_TASK_ID_SIZE] = "untouched";
    send_call(priorities, &refused, id);
    celeriac_client_close(priorities);
    snprintf(id, sizeof(id), "untouched");
    assert_int_equal(celeriac_client_send(client, &refused, id), CELERIAC_CLIENT_ECONNECT);
    assert_string_equal(id, "untouched");
    assert_non_null(strstr(celeriac_client_error(client), "taken"));
    send_call(client, &good, id);
    assert_int_equal(peer_count("free"), 1);
    peer_delete("taken");
    peer_delete("free");
    celeriac_client_close(client);
}

static void sending_survives_a_restart_between_two_calls(void **state)
{
    (void)state;
    struct celeriac_client *client = open_client((struct celeriac_client_config){
        .task_default_queue = "restarted", .send_timeout = 20, .result_backend = "rpc://"});
    const struct celeriac_call call = {.task = "t"};
    char id[CELERIAC_TASK_ID_SIZE];
    send_call(client, &call, id);
    node_command("restart");
    send_call(client, &call, id);
    assert_int_equal(peer_count("restarted"), 2);
    celeriac_client_close(client);
}

static void wrong_settings_are_told_at_once(void **state)
{
    (void)state;
    static const struct {
        struct celeriac_client_config config;
        int error;
        const char *words;
    } cases[] = {
        {{.broker_url = "http://x"}, CELERIAC_CLIENT_EINVALID, "broker_url"},
        {{.result_backend = "db+sqlite:///x"}, CELERIAC_CLIENT_EUNSUPPORTED, "'db+sqlite'"},
        {{.result_backend = "redis://:secret@h:x/0"}, CELERIAC_CLIENT_EINVALID, "port"},
        {{.result_backend = "rediss://h"}, CELERIAC_CLIENT_EINVALID, "TLS"},
        {{.task_serializer = "pickle"}, CELERIAC_CLIENT_EUNSUPPORTED, "pickle"},
        {{.send_timeout = -1}, CELERIAC_CLIENT_EINVALID, "send_timeout"},
        {{.task_queue_max_priority = 256}, CELERIAC_CLIENT_EINVALID, "task_queue_max_priority"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct celeriac_client *client = NULL;
        char error[CELERIAC_CLIENT_ERROR_SIZE] = "";
        assert_int_equal(celeriac_client_open(&cases[i].config, &client, error), cases[i].error);
        assert_non_null(strstr(error, cases[i].words));
        assert_null(strstr(error, "secret"));
        assert_null(client);
    }
}

static void a_struct_of_an_older_header_is_understood(void **state)
{
    (void)state;
    struct celeriac_client *client = NULL;
    char error[CELERIAC_CLIENT_ERROR_SIZE], id[CELERIAC_TASK_ID_SIZE];
    const struct celeriac_client_config config = {.broker_url = node_url(),
                                                  .task_serializer = "not looked at"};
    const struct celeriac_call call = {.task = "t", .serializer = "not looked at"};
    assert_int_equal(celeriac_client_open_sized(&config, sizeof(config.broker_url), &client, error),
                     0);
    assert_int_equal(
        celeriac_client_send_sized(client, &call, offsetof(struct celeriac_call, encoded_args), id),
        0);
    celeriac_client_close(client);
}

/* ---- redis ---- */

static struct celeriac_client *open_redis(redisContext **ret_peer)
{
    *ret_peer = redis_node_client();
    freeReplyObject(redisCommand(*ret_peer, "FLUSHALL"));
    return open_client((struct celeriac_client_config){.result_backend = redis_node_url(),
                                                       .result_key_prefix = "mine"});
}

static void redis_results_are_found_and_forgotten(void **state)
{
    (void)state;
    redisContext *peer;
    struct celeriac_client *client = open_redis(&peer);
    struct celeriac_result *result;
    expect_state(client, "i", "PENDING");
    assert_int_equal(celeriac_client_wait(client, "i", 0.1, &result), CELERIAC_CLIENT_ETIMEOUT);
    freeReplyObject(redisCommand(peer, "SET mine_celery-task-meta-i %s",
                                 "{\"status\": \"PROGRESS\", \"result\": 7}"));
    expect_state(client, "i", "PROGRESS");
    freeReplyObject(redisCommand(peer, "SET mine_celery-task-meta-i %s", SUCCESS_OF("5")));
    for (int i = 0; i < 2; i++) {
        assert_int_equal(celeriac_client_wait(client, "i", 5, &result), 0);
        assert_string_equal(celeriac_result_json(result), "5");
        celeriac_result_free(result);
    }
    assert_int_equal(celeriac_client_forget(client, "i"), 0);
    expect_state(client, "i", "PENDING");
    redisFree(peer);
    celeriac_client_close(client);
}

/* Publishes once somebody listens; stores nothing, so that only the channel can tell. */
static void *publish(void *context)
{
    redisContext *peer = context;
    for (int tries = 0; tries < 500; tries++) {
        redisReply *reply = redisCommand(peer, "PUBLISH mine_celery-task-meta-i %s",
                                         "{\"status\": \"FAILURE\", \"result\": {}}");
        bool heard = reply != NULL && reply->type == REDIS_REPLY_INTEGER && reply->integer > 0;
        freeReplyObject(reply);
        if (heard)
            return context;
        usleep(10000);
    }
    return NULL;
}

static void redis_results_are_heard(void **state)
{
    (void)state;
    redisContext *peer;
    struct celeriac_client *client = open_redis(&peer);
    for (int round = 0; round < 3; round++) {
        struct celeriac_result *result;
        pthread_t thread;
        void *heard = NULL;
        assert_int_equal(pthread_create(&thread, NULL, publish, peer), 0);
        int rc = celeriac_client_wait(client, "i", 10, &result);
        pthread_join(thread, &heard);
        assert_non_null(heard);
        assert_int_equal(rc, 0);
        assert_string_equal(celeriac_result_state(result), "FAILURE");
        celeriac_result_free(result);
    }
    redisFree(peer);
    celeriac_client_close(client);
}

static void redis_that_refuses_is_told(void **state)
{
    (void)state;
    redisContext *peer;
    struct celeriac_client *client = open_redis(&peer);
    struct celeriac_result *result;
    freeReplyObject(redisCommand(peer, "LPUSH mine_celery-task-meta-i x"));
    assert_int_equal(celeriac_client_wait(client, "i", 5, &result), CELERIAC_CLIENT_EREFUSED);
    assert_non_null(strstr(celeriac_client_error(client), "WRONGTYPE"));
    freeReplyObject(redisCommand(peer, "DEL mine_celery-task-meta-i"));
    freeReplyObject(redisCommand(peer, "SET mine_celery-task-meta-i %s", "no result"));
    assert_int_equal(celeriac_client_peek(client, "i", 5, &result), CELERIAC_CLIENT_ERESULT);
    redisFree(peer);
    celeriac_client_close(client);
}

static void redis_that_was_away_answers_again(void **state)
{
    (void)state;
    redisContext *peer;
    struct celeriac_client *client = open_redis(&peer);
    struct celeriac_result *result;
    expect_state(client, "i", "PENDING");
    redisFree(peer);
    redis_node_command("stop");
    assert_int_equal(celeriac_client_peek(client, "i", 0.5, &result), CELERIAC_CLIENT_ECONNECT);
    redis_node_command("start");
    expect_state(client, "i", "PENDING");
    celeriac_client_close(client);
}

static int start_nodes(void **state)
{
    return node_start(state) != 0 ? -1 : redis_node_start(state);
}

static int stop_nodes(void **state)
{
    return redis_node_stop(state) | node_stop(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rpc_results_come_by_id_each_end_once),
        cmocka_unit_test(rpc_knows_what_nobody_waits_for),
        cmocka_unit_test(a_result_that_is_too_large_is_told),
        cmocka_unit_test(each_call_goes_to_its_queue),
        cmocka_unit_test(a_refused_queue_does_not_spoil_the_next_call),
        cmocka_unit_test(sending_survives_a_restart_between_two_calls),
        cmocka_unit_test(wrong_settings_are_told_at_once),
        cmocka_unit_test(a_struct_of_an_older_header_is_understood),
        cmocka_unit_test(redis_results_are_found_and_forgotten),
        cmocka_unit_test(redis_results_are_heard),
        cmocka_unit_test(redis_that_refuses_is_told),
        cmocka_unit_test(redis_that_was_away_answers_again),
    };
    return cmocka_run_group_tests(tests, start_nodes, stop_nodes);
}
