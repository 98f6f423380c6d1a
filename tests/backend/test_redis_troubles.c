/* SPDX-License-Identifier: BSD-3-Clause */
/* redis:// and a server that takes some things and not others, or not now; and how little it costs
 * to tell it many things at once. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/backend/redis_harness.h"

enum {
    ID_SIZE = 32,
    LARGE = 2 * 1024 * 1024,
    MEDIUM = 64 * 1024,
    ROOM = 64 * 1024 * 1024,
};

static void command(struct test *test, const char *words)
{
    redisReply *reply = redisCommand(test->client, words);
    assert_non_null(reply);
    if (reply->type == REDIS_REPLY_ERROR)
        fail_msg("%s: %s", words, reply->str);
    freeReplyObject(reply);
}

/* A number of INFO's section stats. */
static long long info(struct test *test, const char *name)
{
    redisReply *reply = redisCommand(test->client, "INFO stats");
    const char *place = strstr(reply->str, name);
    assert_non_null(place);
    long long number = atoll(place + strlen(name) + 1);
    freeReplyObject(reply);
    return number;
}

/* What it says, how it is made to say it and how it stops. */
static void what_cannot_be_taken_now_is_kept_until_it_can(void **state)
{
    static const struct {
        const char *says, *begin, *end;
    } rows[] = {
        {"READONLY", "REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE"},
        {"OOM", "CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0"},
        {"NOPERM", "ACL SETUSER default -setex", "ACL SETUSER default +@all"},
        {"NOREPLICAS", "CONFIG SET min-replicas-to-write 1", "CONFIG SET min-replicas-to-write 0"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct test *test = test_new(redis_node_url());
        test_open(test);
        command(test, rows[i].begin);
        assert_int_equal(test_store(test, "a", SUCCESS), BACKEND_PENDING);
        assert_int_equal(test_store(test, "b", SUCCESS), BACKEND_PENDING);
        UNTIL(test, test->troubles >= 3);
        assert_non_null(strstr(test->trouble, rows[i].says));
        assert_int_equal(test->stored + test->refused, 0);
        command(test, rows[i].end);
        UNTIL(test, test->stored == 2);
        assert_stored(test, "celery-task-meta-a", SUCCESS);
        test_end(test);
    }
}

static void a_document_that_is_refused_for_good_fails_alone(void **state)
{
    struct test *test = test_new(redis_node_url());
    char *large = malloc(LARGE + 1);
    (void)state;
    memset(large, 'x', LARGE);
    large[LARGE] = '\0';
    test->config.waiting_max = ROOM;
    test_open(test);
    command(test, "CONFIG SET proto-max-bulk-len 1048576");
    test_store(test, "before", SUCCESS);
    test_store(test, "large", large);
    test_store(test, "behind", SUCCESS);
    UNTIL(test, test->stored == 2 && test->refused == 1);
    assert_non_null(strstr(test->refusal, "invalid bulk length"));
    assert_stored(test, "celery-task-meta-before", SUCCESS);
    assert_stored(test, "celery-task-meta-behind", SUCCESS);
    command(test, "CONFIG SET proto-max-bulk-len 536870912");
    free(large);
    test_end(test);
}

/* A hash where the document should be: GET cannot read it. */
static void a_key_of_another_type_is_an_error(void **state)
{
    struct test *test = test_new(redis_node_url());
    (void)state;
    test_open(test);
    command(test, "HSET celery-task-meta-a field value");
    test_store(test, "a", SUCCESS);
    UNTIL(test, test->refused == 1);
    assert_non_null(strstr(test->refusal, "WRONGTYPE"));
    test_end(test);
}

static void many_results_of_a_turn_are_one_write_a_step(void **state)
{
    struct test *test = test_new(redis_node_url());
    char id[ID_SIZE];
    (void)state;
    test_open(test);
    test_store(test, "first", SUCCESS);
    UNTIL(test, test->stored == 1);
    long long before = info(test, "total_reads_processed");
    for (int i = 0; i < 100; i++) {
        snprintf(id, sizeof(id), "many-%d", i);
        assert_int_equal(test_store(test, id, SUCCESS), BACKEND_PENDING);
    }
    UNTIL(test, test->stored == 101);
    /* 100 times GET, 100 transactions, and INFO; a server that is fast may answer in two parts. */
    assert_in_range(info(test, "total_reads_processed") - before, 2, 8);
    test_end(test);
}

/* More than is sent at once, to a server that does not read: none is forgotten. */
static void more_than_is_sent_at_once_arrives(void **state)
{
    struct test *test = test_new(redis_node_url());
    char id[ID_SIZE];
    char *document = malloc(MEDIUM + 1);
    (void)state;
    memset(document, 'x', MEDIUM);
    document[MEDIUM] = '\0';
    test->config.waiting_max = ROOM;
    test_open(test);
    for (int i = 0; i < 400; i++) {
        snprintf(id, sizeof(id), "large-%d", i);
        assert_int_equal(test_store(test, id, document), BACKEND_PENDING);
    }
    UNTIL(test, test->stored == 400);
    assert_stored(test, "celery-task-meta-large-399", document);
    free(document);
    test_end(test);
}

static void without_a_socket_timeout_silence_is_no_trouble(void **state)
{
    struct test *test = test_new(redis_node_url());
    (void)state;
    test->config.socket_timeout = 0;
    test_open(test);
    test_store(test, "a", SUCCESS);
    UNTIL(test, test->stored == 1);
    assert_int_equal(test->troubles, 0);
    test_end(test);
}

/* The server knows IPv4 only; the name may stand for IPv6 first. */
static void every_address_of_a_name_is_tried(void **state)
{
    char url[128];
    (void)state;
    snprintf(url, sizeof(url), "redis://localhost:%s", strrchr(redis_node_url(), ':') + 1);
    struct test *test = test_new(url);
    test_open(test);
    test_store(test, "a", SUCCESS);
    UNTIL(test, test->stored == 1);
    test_end(test);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_cannot_be_taken_now_is_kept_until_it_can),
        cmocka_unit_test(a_document_that_is_refused_for_good_fails_alone),
        cmocka_unit_test(a_key_of_another_type_is_an_error),
        cmocka_unit_test(many_results_of_a_turn_are_one_write_a_step),
        cmocka_unit_test(more_than_is_sent_at_once_arrives),
        cmocka_unit_test(without_a_socket_timeout_silence_is_no_trouble),
        cmocka_unit_test(every_address_of_a_name_is_tried),
    };
    return cmocka_run_group_tests(tests, redis_node_start, redis_node_stop);
}
