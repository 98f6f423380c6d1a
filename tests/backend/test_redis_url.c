/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <stdio.h>

#include "backend/redis_url.h"

static void reads_every_part(void **state)
{
    static const struct {
        const char *text;
        struct redis_url url;
    } rows[] = {
        {"redis://", {.host = "localhost", .port = 6379}},
        {"redis://cache", {.host = "cache", .port = 6379}},
        {"redis://cache:7000/3", {.host = "cache", .port = 7000, .db = 3}},
        {"redis://:secret@cache/1", {.host = "cache", .password = "secret", .port = 6379, .db = 1}},
        {"redis://me:s%40c%3Aret@cache//2",
         {.host = "cache", .user = "me", .password = "s@c:ret", .port = 6379, .db = 2}},
        {"redis://:p@ss@cache", {.host = "cache", .password = "p@ss", .port = 6379}},
        {"redis://[::1]:7000/1", {.host = "::1", .port = 7000, .db = 1}},
        {"redis://cache/1?db=4&socket_timeout=5", {.host = "cache", .port = 6379, .db = 4}},
        {"REDIS://cache/", {.host = "cache", .port = 6379}},
        {"socket:///run/redis.sock", {.path = "/run/redis.sock", .port = 6379}},
        {"unix:///run/redis.sock?virtual_host=5",
         {.path = "/run/redis.sock", .port = 6379, .db = 5}},
        {"socket://:secret@/run/redis.sock",
         {.path = "/run/redis.sock", .password = "secret", .port = 6379}},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct redis_url url;
        char error[REDIS_URL_ERROR_SIZE] = "";
        if (redis_url_parse(rows[i].text, &url, error) != 0)
            fail_msg("%s: %s", rows[i].text, error);
        assert_string_equal(url.host, rows[i].url.host);
        assert_string_equal(url.path, rows[i].url.path);
        assert_string_equal(url.user, rows[i].url.user);
        assert_string_equal(url.password, rows[i].url.password);
        assert_int_equal(url.port, rows[i].url.port);
        assert_int_equal(url.db, rows[i].url.db);
    }
}

static void says_what_is_wrong_and_keeps_the_password_to_itself(void **state)
{
    static const struct {
        const char *text, *words;
    } rows[] = {
        {"redis://:hunter2@cache:port/0", "port"},
        {"redis://:hunter2@cache:70000/0", "port"},
        {"redis://:hunter2@cache/zero", "database"},
        {"redis://:hunter2@cache/0?virtual_host=x", "database"},
        {"redis://[::1", "]"},
        {"rediss://:hunter2@cache/0", "TLS"},
        {"mongodb://:hunter2@cache/0", "mongodb"},
        {"socket://run", "socket:///"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct redis_url url;
        char error[REDIS_URL_ERROR_SIZE] = "";
        assert_int_equal(redis_url_parse(rows[i].text, &url, error), -1);
        assert_non_null(strstr(error, rows[i].words));
        assert_null(strstr(error, "hunter2"));
    }
}

static void refuses_parts_that_do_not_fit(void **state)
{
    static const char *const formats[] = {"redis://%s", "redis://:%s@cache", "socket:///%s"};
    char part[300], text[400], error[REDIS_URL_ERROR_SIZE];
    struct redis_url url;
    (void)state;
    memset(part, 'a', sizeof(part) - 1);
    part[sizeof(part) - 1] = '\0';
    for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(text, sizeof(text), formats[i], part);
#pragma GCC diagnostic pop
        assert_int_equal(redis_url_parse(text, &url, error), -1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_part),
        cmocka_unit_test(says_what_is_wrong_and_keeps_the_password_to_itself),
        cmocka_unit_test(refuses_parts_that_do_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
