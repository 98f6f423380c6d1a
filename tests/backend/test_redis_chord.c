/* SPDX-License-Identifier: BSD-3-Clause */
/* Chords in a real Redis: parts in the order of the group, sizes that come late, saved groups, a
 * server that goes away. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/backend.h"
#include "tests/backend/redis_node.h"

enum { DEADLINE_MS = 20000, TICK_MS = 20, WORDS = 4096 };

struct test {
    uv_loop_t loop;
    uv_timer_t tick;
    struct backend_config config;
    struct backend *backend;
    unsigned done, added, last, errors;
    char items[WORDS], group[WORDS], error[512]; /* of the last part; items with ';' behind each */
    bool stopped;
    redisContext *client;
};

static void on_drained(void *context)
{
    (void)context;
}

static void on_trouble(void *context, const char *text)
{
    (void)context, (void)text;
}

static void on_tick(uv_timer_t *timer)
{
    (void)timer;
}

static struct test *test_new(void)
{
    static const struct backend_handler handler = {on_drained, on_trouble};
    struct test *test = calloc(1, sizeof(*test));
    uv_loop_init(&test->loop);
    uv_timer_init(&test->loop, &test->tick);
    uv_timer_start(&test->tick, on_tick, TICK_MS, TICK_MS);
    test->config = (struct backend_config){
        .url = redis_node_url(),
        .loop = &test->loop,
        .serializer = serializer_by_name("json"),
        .expires = 86400,
        .socket_timeout = 120,
        .waiting_max = 1024 * 1024,
        .handler = &handler,
        .context = test,
    };
    test->client = redis_node_client();
    freeReplyObject(redisCommand(test->client, "FLUSHALL"));
    test->backend = backend_open(&test->config);
    assert_non_null(test->backend);
    assert_true(backend_has_chords(test->backend));
    return test;
}

#define UNTIL(test, condition)                                                                     \
    do {                                                                                           \
        uint64_t end = uv_now(&(test)->loop) + DEADLINE_MS;                                        \
        while (!(condition)) {                                                                     \
            uv_run(&(test)->loop, UV_RUN_ONCE);                                                    \
            if (uv_now(&(test)->loop) > end)                                                       \
                fail_msg("timed out waiting for %s", #condition);                                  \
        }                                                                                          \
    } while (0)

static void on_stopped(void *context)
{
    ((struct test *)context)->stopped = true;
}

static void test_end(struct test *test)
{
    backend_stop(test->backend, on_stopped, test);
    UNTIL(test, test->stopped);
    backend_close(test->backend);
    uv_close((uv_handle_t *)&test->tick, NULL);
    uv_run(&test->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&test->loop), 0);
    redisFree(test->client);
    free(test);
}

static struct text text_of(const char *string)
{
    return (struct text){string, strlen(string)};
}

static void on_done(void *context, const char *error)
{
    struct test *test = context;
    assert_null(error);
    test->done++;
}

static void on_added(void *context, const char *error, const struct backend_parts *parts)
{
    struct test *test = context;
    size_t used = 0;
    test->added++;
    test->errors += error != NULL;
    if (error != NULL)
        snprintf(test->error, sizeof(test->error), "%s", error);
    if (parts == NULL)
        return;
    test->last++;
    test->items[0] = '\0';
    for (size_t i = 0; i < parts->count; i++)
        used += (size_t)snprintf(test->items + used, sizeof(test->items) - used, "%.*s;",
                                 (int)parts->items[i].size, (const char *)parts->items[i].data);
    snprintf(test->group, sizeof(test->group), "%.*s", (int)parts->group.size,
             parts->group.size > 0 ? (const char *)parts->group.data : "");
}

static void begin(struct test *test, const char *group, uint64_t size, const char *document)
{
    struct bytes saved = {document, strlen(document)};
    unsigned before = test->done;
    assert_int_equal(backend_begin_chord(test->backend, text_of(group), size, saved, on_done, test),
                     BACKEND_PENDING);
    UNTIL(test, test->done == before + 1);
}

enum { NO_INDEX = -1 };

static void send_part(struct test *test, const char *group, int index, const char *member)
{
    struct backend_part part = {
        .group_id = text_of(group),
        .has_index = index != NO_INDEX,
        .index = index,
        .member = {member, strlen(member)},
    };
    assert_int_equal(backend_add_part(test->backend, &part, on_added, test), BACKEND_PENDING);
}

static void add_part(struct test *test, const char *group, int index, const char *member)
{
    unsigned before = test->added;
    send_part(test, group, index, member);
    UNTIL(test, test->added == before + 1);
}

static long long ask(struct test *test, const char *command, const char *key)
{
    redisReply *reply = redisCommand(test->client, "%s %s", command, key);
    long long answer =
        reply->type == REDIS_REPLY_STRING ? strtoll(reply->str, NULL, 10) : reply->integer;
    freeReplyObject(reply);
    return answer;
}

static void parts_come_in_the_order_of_the_group(void **state)
{
    struct test *test = test_new();
    (void)state;
    begin(test, "g", 4, "");
    add_part(test, "g", 10, "ten");
    add_part(test, "g", NO_INDEX, "last");
    add_part(test, "g", 2, "two");
    assert_int_equal(test->last, 0);
    add_part(test, "g", 9, "nine");
    assert_int_equal(test->last, 1);
    assert_string_equal(test->items, "two;nine;ten;last;");
    assert_string_equal(test->group, "");
    assert_int_equal(test->errors, 0);
    test_end(test);
}

static void keys_are_celerys_and_go_at_the_end(void **state)
{
    static const char *const names[] = {"celery-taskset-meta-g.s", "celery-taskset-meta-g.j"};
    struct test *test = test_new();
    (void)state;
    begin(test, "g", 2, "");
    add_part(test, "g", 1, "one");
    assert_int_equal(ask(test, "GET", names[0]), 2);
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        assert_in_range(ask(test, "TTL", names[i]), 86390, 86400);
    unsigned before = test->done;
    assert_int_equal(backend_end_chord(test->backend, text_of("g"), on_done, test),
                     BACKEND_PENDING);
    UNTIL(test, test->done == before + 1);
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        assert_int_equal(ask(test, "EXISTS", names[i]), 0);
    test_end(test);
}

static void a_size_that_comes_later_is_met_by_whoever_comes_after_it(void **state)
{
    struct test *test = test_new();
    (void)state;
    add_part(test, "g", 0, "early");
    assert_int_equal(test->last, 0);
    begin(test, "g", 2, "");
    add_part(test, "g", 1, "late");
    assert_int_equal(test->last, 1);
    assert_string_equal(test->items, "early;late;");
    test_end(test);
}

static void what_was_added_later_counts_too(void **state)
{
    struct test *test = test_new();
    (void)state;
    begin(test, "g", 1, "");
    freeReplyObject(redisCommand(test->client, "INCR celery-taskset-meta-g.t"));
    add_part(test, "g", 0, "a");
    assert_int_equal(test->last, 0);
    add_part(test, "g", 1, "b");
    assert_int_equal(test->last, 1);
    test_end(test);
}

static void a_part_that_comes_twice_counts_once(void **state)
{
    struct test *test = test_new();
    (void)state;
    begin(test, "g", 2, "");
    add_part(test, "g", 0, "a");
    add_part(test, "g", 0, "a");
    assert_int_equal(test->last, 0);
    add_part(test, "g", 1, "b");
    add_part(test, "g", 1, "b");
    assert_int_equal(test->last, 2);
    assert_string_equal(test->items, "a;b;");
    test_end(test);
}

#define SAVED                                                                                      \
    "{\"result\": [[\"g\", null], [[[\"x\", null], null], [[\"h\", null], [[[\"y\", null], "       \
    "null], [[\"z\", null], null]]]]]}"

#define DONE  "{\"status\": \"SUCCESS\"}"
#define WRONG "{\"status\": \"FAILURE\"}"
#define GONE  "{\"status\": \"REVOKED\"}"

static void set_documents(struct test *test, const char *x, const char *y, const char *z)
{
    freeReplyObject(redisCommand(test->client,
                                 "MSET celery-task-meta-x %s celery-task-meta-y %s "
                                 "celery-task-meta-z %s",
                                 x, y, z));
}

static void a_saved_group_gives_the_documents_of_its_tasks(void **state)
{
    struct test *test = test_new();
    (void)state;
    begin(test, "g", 1, SAVED);
    set_documents(test, DONE, WRONG, GONE);
    add_part(test, "g", 0, "a");
    assert_int_equal(test->last, 1);
    assert_string_equal(test->items, DONE ";" WRONG ";" GONE ";");
    assert_string_equal(test->group, SAVED);
    test_end(test);
}

/* A client may have counted too few parts. */
static void a_saved_group_waits_for_results_that_are_to_come(void **state)
{
    struct test *test = test_new();
    (void)state;
    begin(test, "g", 1, SAVED);
    set_documents(test, DONE, "{\"status\": \"STARTED\"}", DONE);
    freeReplyObject(redisCommand(test->client, "DEL celery-task-meta-z"));
    send_part(test, "g", 0, "a");
    uint64_t until = uv_now(&test->loop) + 300;
    UNTIL(test, uv_now(&test->loop) > until);
    assert_int_equal(test->added, 0);
    set_documents(test, DONE, WRONG, DONE);
    UNTIL(test, test->added == 1);
    assert_string_equal(test->items, DONE ";" WRONG ";" DONE ";");
    assert_int_equal(test->errors, 0);
    test_end(test);
}

static void a_saved_group_does_not_wait_for_ever(void **state)
{
    struct test *test = test_new();
    (void)state;
    begin(test, "g", 1, SAVED);
    add_part(test, "g", 0, "a");
    assert_int_equal(test->last, 1);
    assert_string_equal(test->error, "Join error: TimeoutError('The operation timed out.')");
    test_end(test);
}

static void a_saved_group_that_cannot_be_read_is_told(void **state)
{
    static const char *const documents[] = {"junk", "{\"result\": null}",
                                            "{\"result\": [[\"g\", null], []]}",
                                            "{\"result\": [[\"g\", null], [[[5, null], null]]]}"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(documents); i++) {
        struct test *test = test_new();
        begin(test, "g", 1, documents[i]);
        add_part(test, "g", 0, "a");
        assert_int_equal(test->last, 1);
        assert_int_equal(test->errors, 1);
        assert_non_null(strstr(test->error, "saved group"));
        assert_string_equal(test->items, "");
        test_end(test);
    }
}

static void parts_survive_a_server_that_comes_back(void **state)
{
    enum { PARTS = 500 };
    struct test *test = test_new();
    char member[32];
    unsigned seen = 0;
    (void)state;
    begin(test, "g", PARTS, "");
    redisFree(test->client);
    for (int i = 0; i < PARTS; i++) {
        snprintf(member, sizeof(member), "%d", i);
        send_part(test, "g", i, member);
        if (i == PARTS / 2)
            redis_node_command("restart");
        uv_run(&test->loop, UV_RUN_NOWAIT);
    }
    UNTIL(test, test->added == PARTS);
    test->client = redis_node_client();
    assert_in_range(test->last, 1, PARTS);
    assert_int_equal(test->errors, 0);
    for (const char *c = test->items; *c != '\0'; c++)
        seen += *c == ';';
    assert_int_equal(seen, PARTS);
    assert_memory_equal(test->items, "0;1;2;3;", 8);
    test_end(test);
}

static void what_still_waits_at_the_end_is_given_up_with_words(void **state)
{
    struct test *test = test_new();
    (void)state;
    UNTIL(test, uv_now(&test->loop) > 0);
    send_part(test, "g", 0, "a");
    backend_stop(test->backend, on_stopped, test);
    UNTIL(test, test->stopped);
    assert_int_equal(test->added, 1);
    assert_int_equal(test->last, 0);
    assert_non_null(strstr(test->error, "stopped"));
    backend_close(test->backend);
    test->stopped = false;
    test->backend = backend_open(&test->config);
    test_end(test);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_come_in_the_order_of_the_group),
        cmocka_unit_test(keys_are_celerys_and_go_at_the_end),
        cmocka_unit_test(a_size_that_comes_later_is_met_by_whoever_comes_after_it),
        cmocka_unit_test(what_was_added_later_counts_too),
        cmocka_unit_test(a_part_that_comes_twice_counts_once),
        cmocka_unit_test(a_saved_group_gives_the_documents_of_its_tasks),
        cmocka_unit_test(a_saved_group_waits_for_results_that_are_to_come),
        cmocka_unit_test(a_saved_group_does_not_wait_for_ever),
        cmocka_unit_test(a_saved_group_that_cannot_be_read_is_told),
        cmocka_unit_test(parts_survive_a_server_that_comes_back),
        cmocka_unit_test(what_still_waits_at_the_end_is_given_up_with_words),
    };
    return cmocka_run_group_tests(tests, redis_node_start, redis_node_stop);
}
