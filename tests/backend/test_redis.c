/* SPDX-License-Identifier: BSD-3-Clause */
/* redis:// against a real Redis: what a client finds there, and what becomes of results while the
 * server is away. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/backend/redis_harness.h"

static long long ttl_of(struct test *test, const char *key)
{
    redisReply *reply = redisCommand(test->client, "TTL %s", key);
    long long ttl = reply->integer;
    freeReplyObject(reply);
    return ttl;
}

static void a_client_finds_the_document_and_is_told_of_it(void **state)
{
    struct test *test = test_new(redis_node_url());
    (void)state;
    test_open(test);
    redisReply *reply = redisCommand(test->client, "SUBSCRIBE celery-task-meta-id-1");
    freeReplyObject(reply);
    assert_int_equal(test_store(test, "id-1", SUCCESS), BACKEND_PENDING);
    UNTIL(test, test->stored == 1);
    assert_int_equal(redisGetReply(test->client, (void **)&reply), REDIS_OK);
    assert_string_equal(reply->element[0]->str, "message");
    assert_string_equal(reply->element[1]->str, "celery-task-meta-id-1");
    assert_string_equal(reply->element[2]->str, SUCCESS);
    freeReplyObject(reply);
    redisFree(test->client);
    test->client = redis_node_client();
    assert_stored(test, "celery-task-meta-id-1", SUCCESS);
    assert_in_range(ttl_of(test, "celery-task-meta-id-1"), 86390, 86400);
    assert_int_equal(test->troubles, 0);
    test_end(test);
}

static void a_success_is_never_overwritten_another_state_is(void **state)
{
    struct test *test = test_new(redis_node_url());
    (void)state;
    test_open(test);
    test_store(test, "done", SUCCESS);
    test_store(test, "failed", FAILURE);
    UNTIL(test, test->stored == 2);
    test_store(test, "done", FAILURE);
    test_store(test, "failed", SUCCESS);
    UNTIL(test, test->stored == 4);
    assert_stored(test, "celery-task-meta-done", SUCCESS);
    assert_stored(test, "celery-task-meta-failed", SUCCESS);
    test_end(test);
}

static void keeps_to_prefix_database_and_expiry(void **state)
{
    static const struct {
        const char *prefix, *key;
    } rows[] = {{"mine", "mine_celery-task-meta-a"},
                {"mine:", "mine:celery-task-meta-a"},
                {"", "celery-task-meta-a"}};
    char url[128];
    (void)state;
    snprintf(url, sizeof(url), "%.*s3", (int)strlen(redis_node_url()) - 1, redis_node_url());
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct test *test = test_new(url);
        test->config.key_prefix = rows[i].prefix;
        test->config.expires = 0;
        test_open(test);
        test_store(test, "a", SUCCESS);
        UNTIL(test, test->stored == 1);
        assert_stored(test, rows[i].key, NULL);
        freeReplyObject(redisCommand(test->client, "SELECT 3"));
        assert_stored(test, rows[i].key, SUCCESS);
        assert_int_equal(ttl_of(test, rows[i].key), -1);
        test_end(test);
    }
}

static void results_survive_a_server_that_goes_and_comes_back(void **state)
{
    struct test *test = test_new(redis_node_url());
    char id[32];
    (void)state;
    test_open(test);
    test_store(test, "first", SUCCESS);
    UNTIL(test, test->stored == 1);
    redisFree(test->client);
    test->client = NULL;
    redis_node_command("stop");
    for (int i = 0; i < 1000; i++) {
        snprintf(id, sizeof(id), "away-%d", i);
        assert_int_equal(test_store(test, id, SUCCESS), BACKEND_PENDING);
    }
    UNTIL(test, test->troubles > 1);
    assert_int_equal(test->stored, 1);
    redis_node_command("start");
    UNTIL(test, test->stored == 1001);
    test->client = redis_node_client();
    assert_stored(test, "celery-task-meta-away-0", SUCCESS);
    assert_stored(test, "celery-task-meta-away-999", SUCCESS);
    test_end(test);
}

static void results_under_way_survive_a_kill(void **state)
{
    struct test *test = test_new(redis_node_url());
    char id[32];
    (void)state;
    test_open(test);
    redisFree(test->client);
    test->client = NULL;
    for (int i = 0; i < 3000; i++) {
        snprintf(id, sizeof(id), "under-way-%d", i);
        assert_int_equal(test_store(test, id, SUCCESS), BACKEND_PENDING);
        if (i == 2000)
            redis_node_command("restart");
        uv_run(&test->loop, UV_RUN_NOWAIT);
    }
    UNTIL(test, test->stored == 3000);
    test->client = redis_node_client();
    redisReply *reply = redisCommand(test->client, "DBSIZE");
    assert_int_equal(reply->integer, 3000);
    freeReplyObject(reply);
    test_end(test);
}

static void says_full_at_its_bound_and_drained_afterwards(void **state)
{
    struct test *test = test_new(redis_node_url());
    (void)state;
    test->config.waiting_max = 100;
    test_open(test);
    assert_int_equal(test_store(test, "a", SUCCESS), BACKEND_PENDING);
    assert_int_equal(test_store(test, "b", SUCCESS), BACKEND_FULL);
    UNTIL(test, test->stored == 1);
    assert_int_equal(test->drained, 1);
    assert_int_equal(test_store(test, "b", SUCCESS), BACKEND_PENDING);
    UNTIL(test, test->stored == 2);
    test_end(test);
}

static void a_refusal_is_tried_again_until_the_server_takes_it(void **state)
{
    struct test *test = test_new(redis_node_url());
    (void)state;
    test_open(test);
    freeReplyObject(redisCommand(test->client, "REPLICAOF 127.0.0.1 1")); /* read-only now */
    test_store(test, "a", SUCCESS);
    UNTIL(test, test->troubles > 0);
    assert_int_equal(test->stored, 0);
    freeReplyObject(redisCommand(test->client, "REPLICAOF NO ONE"));
    UNTIL(test, test->stored == 1);
    assert_stored(test, "celery-task-meta-a", SUCCESS);
    test_end(test);
}

static void a_wrong_password_is_told_and_the_right_one_works(void **state)
{
    char url[128];
    struct test *test = test_new(redis_node_url());
    (void)state;
    freeReplyObject(redisCommand(test->client, "CONFIG SET requirepass secret"));
    freeReplyObject(redisCommand(test->client, "AUTH secret"));
    snprintf(url, sizeof(url), "redis://:wrong@%s", redis_node_url() + strlen("redis://"));
    test->config.url = url;
    test_open(test);
    test_store(test, "a", SUCCESS);
    UNTIL(test, test->troubles > 0);
    assert_non_null(strstr(test->trouble, "login"));
    assert_null(strstr(test->trouble, "wrong@"));
    freeReplyObject(redisCommand(test->client, "CONFIG SET requirepass wrong"));
    UNTIL(test, test->stored == 1);
    freeReplyObject(redisCommand(test->client, "CONFIG SET requirepass ''"));
    test_end(test);
}

static void on_stopped(void *context)
{
    ((struct test *)context)->stopped = true;
}

static void what_still_waits_at_the_end_is_given_up_with_words(void **state)
{
    struct test *test = test_new("redis://127.0.0.1:1/0");
    (void)state;
    test_open(test);
    test_store(test, "a", SUCCESS);
    test_store(test, "b", SUCCESS);
    UNTIL(test, test->troubles > 0);
    backend_stop(test->backend, on_stopped, test);
    UNTIL(test, test->stopped);
    assert_int_equal(test->refused, 2);
    assert_non_null(strstr(test->refusal, "stopped"));
    backend_close(test->backend);
    test->stopped = false;
    test->config.url = redis_node_url();
    test_open(test);
    test_end(test);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_client_finds_the_document_and_is_told_of_it),
        cmocka_unit_test(a_success_is_never_overwritten_another_state_is),
        cmocka_unit_test(keeps_to_prefix_database_and_expiry),
        cmocka_unit_test(results_survive_a_server_that_goes_and_comes_back),
        cmocka_unit_test(results_under_way_survive_a_kill),
        cmocka_unit_test(says_full_at_its_bound_and_drained_afterwards),
        cmocka_unit_test(a_refusal_is_tried_again_until_the_server_takes_it),
        cmocka_unit_test(a_wrong_password_is_told_and_the_right_one_works),
        cmocka_unit_test(what_still_waits_at_the_end_is_given_up_with_words),
    };
    return cmocka_run_group_tests(tests, redis_node_start, redis_node_stop);
}
