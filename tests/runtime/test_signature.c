/* SPDX-License-Identifier: BSD-3-Clause */
/* What may stand in a task's signature. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "worker/runtime/native/signature.h"

/* One letter a parameter: p positional, r rest, k keyword, o options; upper case: required. */
static void describe(const struct signature *signature, char *ret)
{
    static const char letters[] = "prko";
    for (size_t i = 0; i < signature->count; i++) {
        const struct signature_parameter *parameter = &signature->parameters[i];
        char letter = letters[parameter->kind];
        *ret++ = (char)(parameter->required ? letter - 'a' + 'A' : letter);
    }
    *ret = '\0';
}

static void reads_what_a_stub_file_may_hold(void **state)
{
    static const struct {
        const char *text, *kinds;
        size_t positional;
    } cases[] = {
        {"", "", 0},
        {"  ", "", 0},
        {"x", "P", 1},
        {"x, y", "PP", 2},
        {"x,y=...", "Pp", 2},
        {" x : int = ... ", "p", 1},
        {"*args", "r", 0},
        {"**kwargs", "o", 0},
        {"x, *args, **kwargs", "Pro", 1},
        {"*, key", "K", 0},
        {"x=..., *, key, other=...", "pKk", 1},
        {"*rest, key=..., must", "rkK", 0},
        {"_x1: bytes,\n\ty: list", "PP", 2},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct signature signature;
        char error[256] = "", kinds[SIGNATURE_MAX + 1];
        if (!signature_parse(cases[i].text, &signature, error, sizeof(error)))
            fail_msg("\"%s\": %s", cases[i].text, error);
        describe(&signature, kinds);
        assert_string_equal(kinds, cases[i].kinds);
        assert_int_equal(signature.positional, cases[i].positional);
        signature_done(&signature);
    }
}

static void knows_the_types_of_json_and_msgpack(void **state)
{
    static const enum celeriac_type types[] = {
        CELERIAC_BOOL,  CELERIAC_INT,  CELERIAC_FLOAT, CELERIAC_STR,
        CELERIAC_BYTES, CELERIAC_LIST, CELERIAC_DICT,
    };
    struct signature signature;
    char error[256];
    (void)state;
    assert_true(signature_parse("a: bool, b: int, c: float, d: str, e: bytes, f: list, g: dict, h",
                                &signature, error, sizeof(error)));
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        assert_true(signature.parameters[i].typed);
        assert_int_equal(signature.parameters[i].type, types[i]);
    }
    assert_false(signature.parameters[ARRAY_LEN(types)].typed);
    signature_done(&signature);
}

static void refuses_what_is_no_signature(void **state)
{
    static const struct {
        const char *text, *error;
    } cases[] = {
        {"x y", "no comma at offset 2 of the signature \"x y\""},
        {"x,", "no name at offset 2"},
        {",x", "no name at offset 0"},
        {"1x", "no name at offset 0"},
        {"x: ", "no type at offset 3"},
        {"x: integer", "unknown type at offset 10"},
        {"x=5", "a default that is not \"...\" at offset 2"},
        {"x, x", "two parameters of one name at offset 4"},
        {"x=..., y", "a required parameter behind an optional one at offset 8"},
        {"**k, x", "a parameter behind ** at offset 6"},
        {"**k, **l", "a parameter behind **"},
        {"*a, *b", "a second *"},
        {"*, *b", "a second *"},
        {"*", "no name at offset 1"},
        {"*a: int", "a type or a default for a parameter with *"},
        {"**k=...", "a type or a default for a parameter with *"},
        {"x, /, y", "no name at offset 3"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct signature signature = {.count = 77};
        char error[256] = "";
        if (signature_parse(cases[i].text, &signature, error, sizeof(error)))
            fail_msg("\"%s\" was read", cases[i].text);
        if (strstr(error, cases[i].error) != error)
            fail_msg("\"%s\": %s", cases[i].text, error);
        assert_int_equal(signature.count, 77);
    }
}

static void holds_as_many_parameters_as_it_says(void **state)
{
    char text[SIGNATURE_MAX * 8] = "", error[SIGNATURE_MAX * 16];
    struct signature signature;
    size_t size = 0;
    (void)state;
    for (int i = 0; i < SIGNATURE_MAX; i++)
        size += (size_t)snprintf(text + size, sizeof(text) - size, "%sp%d", i > 0 ? ", " : "", i);
    assert_true(signature_parse(text, &signature, error, sizeof(error)));
    assert_int_equal(signature.count, SIGNATURE_MAX);
    signature_done(&signature);
    snprintf(text + size, sizeof(text) - size, ", q");
    assert_false(signature_parse(text, &signature, error, sizeof(error)));
    assert_non_null(strstr(error, "too many parameters"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_a_stub_file_may_hold),
        cmocka_unit_test(knows_the_types_of_json_and_msgpack),
        cmocka_unit_test(refuses_what_is_no_signature),
        cmocka_unit_test(holds_as_many_parameters_as_it_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
