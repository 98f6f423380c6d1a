/* SPDX-License-Identifier: BSD-3-Clause */
/* Which backend a URL opens, and what is shown of it. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "backend/backend.h"

static void opens_what_the_url_names_and_masks_the_password(void **state)
{
    static const struct {
        const char *url, *name;
    } cases[] = {
        {NULL, "disabled://"},
        {"", "disabled://"},
        {"disabled://", "disabled://"},
        {"rpc://", "rpc://"},
        {"rpc", "rpc"},
        {"RPC://", "RPC://"},
        {"rpc://u:secret@h/v", "rpc://u:**@h/v"},
        {"rpc://u:se@cr:et@h", "rpc://u:**@h"},
        {"rpc://u@h/p:q", "rpc://u@h/p:q"},
    };
    char error[BACKEND_ERROR_SIZE];
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct backend_config config = {.url = cases[i].url,
                                        .serializer = serializer_by_name("json")};
        assert_true(backend_supported(cases[i].url, error));
        struct backend *backend = backend_open(&config);
        assert_non_null(backend);
        assert_string_equal(backend_name(backend), cases[i].name);
        backend_close(backend);
    }
}

static void names_the_backends_there_are_when_asked_for_another(void **state)
{
    static const char *const urls[] = {"mongodb://u:secret@h", "rpcx://", "db+sqlite://", "://"};
    struct backend_config config = {.url = urls[0]};
    char error[BACKEND_ERROR_SIZE] = "";
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
        assert_false(backend_supported(urls[i], error));
        assert_non_null(strstr(error, "rpc://"));
        assert_null(strstr(error, "secret"));
    }
    assert_null(backend_open(&config));
    backend_close(NULL);
}

static void stores_nothing_when_disabled(void **state)
{
    struct backend_config config = {.url = NULL};
    struct backend_result result = {.reply_to = {"q", 1}};
    struct backend *backend = backend_open(&config);
    (void)state;
    assert_int_equal(backend_store(backend, &result, NULL, NULL), BACKEND_NOTHING);
    backend_close(backend);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opens_what_the_url_names_and_masks_the_password),
        cmocka_unit_test(names_the_backends_there_are_when_asked_for_another),
        cmocka_unit_test(stores_nothing_when_disabled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
