/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/backend/redis_harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEADLINE_MS = 20000, TICK_MS = 20, WAITING_MAX = 1024 * 1024 };

static void on_drained(void *context)
{
    ((struct test *)context)->drained++;
}

static void on_trouble(void *context, const char *text)
{
    struct test *test = context;
    test->troubles++;
    snprintf(test->trouble, sizeof(test->trouble), "%s", text);
}

static void on_tick(uv_timer_t *timer)
{
    (void)timer;
}

struct test *test_new(const char *url)
{
    static const struct backend_handler handler = {on_drained, on_trouble};
    struct test *test = calloc(1, sizeof(*test));
    uv_loop_init(&test->loop);
    uv_timer_init(&test->loop, &test->tick);
    uv_timer_start(&test->tick, on_tick, TICK_MS, TICK_MS);
    test->config = (struct backend_config){
        .url = url,
        .loop = &test->loop,
        .serializer = serializer_by_name("json"),
        .expires = 86400,
        .socket_timeout = 120,
        .waiting_max = WAITING_MAX,
        .handler = &handler,
        .context = test,
    };
    test->client = redis_node_client();
    freeReplyObject(redisCommand(test->client, "FLUSHALL"));
    return test;
}

uint64_t test_deadline(const struct test *test)
{
    return uv_now(&test->loop) + DEADLINE_MS;
}

void test_turn(struct test *test, uint64_t end, const char *waits_for)
{
    uv_run(&test->loop, UV_RUN_ONCE);
    if (uv_now(&test->loop) > end)
        fail_msg("timed out waiting for %s", waits_for);
}

void test_open(struct test *test)
{
    test->backend = backend_open(&test->config);
    assert_non_null(test->backend);
}

static void on_stopped(void *context)
{
    ((struct test *)context)->stopped = true;
}

void test_end(struct test *test)
{
    backend_stop(test->backend, on_stopped, test);
    UNTIL(test, test->stopped);
    backend_close(test->backend);
    uv_close((uv_handle_t *)&test->tick, NULL);
    uv_run(&test->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&test->loop), 0);
    if (test->client != NULL)
        redisFree(test->client);
    free(test);
}

static void on_stored(void *context, const char *error)
{
    struct test *test = context;
    if (error == NULL) {
        test->stored++;
        return;
    }
    test->refused++;
    snprintf(test->refusal, sizeof(test->refusal), "%s", error);
}

enum backend_answer test_store(struct test *test, const char *id, const char *document)
{
    struct backend_result result = {
        .task_id = {id, strlen(id)},
        .document = {document, strlen(document)},
    };
    return backend_store(test->backend, &result, on_stored, test);
}

void assert_stored(struct test *test, const char *key, const char *document)
{
    redisReply *reply = redisCommand(test->client, "GET %s", key);
    if (document == NULL) {
        assert_int_equal(reply->type, REDIS_REPLY_NIL);
    } else {
        assert_int_equal(reply->type, REDIS_REPLY_STRING);
        assert_string_equal(reply->str, document);
    }
    freeReplyObject(reply);
}
