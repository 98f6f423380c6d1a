/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_TESTS_BACKEND_REDIS_HARNESS_H
#define CELERIAC_TESTS_BACKEND_REDIS_HARNESS_H

/* A redis:// backend on a loop of its own, against the server of redis_node.h. */

#include <stdbool.h>

#include "backend/backend.h"
#include "tests/backend/redis_node.h"

struct test {
    uv_loop_t loop;
    uv_timer_t tick;
    struct backend_config config; /* to be changed before test_open */
    struct backend *backend;
    unsigned stored, refused, drained, troubles;
    bool stopped;
    char refusal[512], trouble[512]; /* the last ones */
    redisContext *client;            /* NULL: closed */
};

#define SUCCESS "{\"status\": \"SUCCESS\", \"result\": 5}"
#define FAILURE "{\"status\": \"FAILURE\", \"result\": null}"

/* Turns the loop until it holds; the test fails after 20 seconds. */
#define UNTIL(test, condition)                                                                     \
    for (uint64_t end = test_deadline(test); !(condition);)                                        \
    test_turn(test, end, #condition)

uint64_t test_deadline(const struct test *test);
void test_turn(struct test *test, uint64_t end, const char *waits_for);

/* With an empty server and a client of it. */
struct test *test_new(const char *url);
void test_open(struct test *test);
void test_end(struct test *test);

enum backend_answer test_store(struct test *test, const char *id, const char *document);
/* `document` NULL: there is none. */
void assert_stored(struct test *test, const char *key, const char *document);

#endif
