/* SPDX-License-Identifier: BSD-3-Clause */
/* task_routes in its two spellings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "worker/cli/routes.h"

static void both_spellings_are_read(void **state)
{
    static const char *const texts[] = {
        "feed.*=feeds, images.resize = images",
        "feed.*=feeds,images.resize=images,",
        "{\"feed.*\": {\"queue\": \"feeds\"}, \"images.resize\": \"images\"}",
        " {\"feed.*\": \"feeds\", \"images.resize\": {\"queue\": \"images\", \"priority\": 3}}",
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct routes routes = {0};
        char error[ROUTES_ERROR_SIZE] = "";
        if (routes_read(&routes, texts[i], error) != 0)
            fail_msg("%s: %s", texts[i], error);
        assert_int_equal(routes.count, 2);
        assert_string_equal(routes.items[0].pattern, "feed.*");
        assert_string_equal(routes.items[0].queue, "feeds");
        assert_string_equal(routes.items[1].pattern, "images.resize");
        assert_string_equal(routes.items[1].queue, "images");
        routes_done(&routes);
    }
}

static void nothing_is_no_route(void **state)
{
    static const char *const texts[] = {NULL, "", "  ", "{}"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct routes routes = {0};
        char error[ROUTES_ERROR_SIZE];
        assert_int_equal(routes_read(&routes, texts[i], error), 0);
        assert_int_equal(routes.count, 0);
        routes_done(&routes);
    }
}

static void what_cannot_be_read_is_refused_and_leaves_the_old_routes(void **state)
{
    static const char *const texts[] = {"feeds",
                                        "=feeds",
                                        "feed.*=",
                                        "a=b,,",
                                        "{",
                                        "{\"a\": 3}",
                                        "{\"a\": {\"exchange\": \"x\"}}",
                                        "{\"\": \"b\"}"};
    struct routes routes = {0};
    char error[ROUTES_ERROR_SIZE];
    (void)state;
    assert_int_equal(routes_read(&routes, "a=b", error), 0);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        error[0] = '\0';
        if (routes_read(&routes, texts[i], error) == 0)
            fail_msg("%s was read", texts[i]);
        assert_non_null(strstr(error, "task_routes"));
        assert_int_equal(routes.count, 1);
    }
    routes_done(&routes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_spellings_are_read),
        cmocka_unit_test(nothing_is_no_route),
        cmocka_unit_test(what_cannot_be_read_is_refused_and_leaves_the_old_routes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
