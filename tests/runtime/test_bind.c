/* SPDX-License-Identifier: BSD-3-Clause */
/* Calls that fit a signature, and Python's words for those that do not. The messages were taken
 * from Python 3.11, but for those about types, which Python's own C functions word like this. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "codec/json.h"
#include "worker/runtime/native/bind.h"

struct bound_call {
    struct signature signature;
    msgpack_zone zone;
    msgpack_object arguments; /* [args, kwargs] */
    const msgpack_object *bound[SIGNATURE_MAX];
    struct failure failure;
    bool fits;
};

static void make_call(struct bound_call *call, const char *signature, const char *arguments)
{
    char error[256];
    *call = (struct bound_call){.fits = false};
    assert_true(msgpack_zone_init(&call->zone, 1024));
    assert_true(signature_parse(signature, &call->signature, error, sizeof(error)));
    struct bytes json = {arguments, strlen(arguments)};
    assert_int_equal(json_decode(json, &call->zone, &call->arguments, NULL), 0);
    const struct bind_call bind_call = {.function = "f",
                                        .args = value_at(&call->arguments, 0),
                                        .kwargs = value_at(&call->arguments, 1),
                                        .zone = &call->zone};
    call->fits = bind_arguments(&call->signature, &bind_call, call->bound, &call->failure);
}

static void end_call(struct bound_call *call)
{
    signature_done(&call->signature);
    msgpack_zone_destroy(&call->zone);
}

static void write_bound(const struct bound_call *call, char *ret, size_t room)
{
    size_t size = 0;
    ret[0] = '\0';
    for (size_t i = 0; i < call->signature.count; i++) {
        struct buffer json;
        buffer_init(&json, 4096);
        if (call->bound[i] != NULL)
            assert_int_equal(json_encode(call->bound[i], &json), 0);
        size += (size_t)snprintf(ret + size, room - size, "%s%.*s", i > 0 ? " | " : "",
                                 (int)json.size, json.size > 0 ? (const char *)json.data : "");
        buffer_done(&json);
    }
}

static void binds_as_python_does(void **state)
{
    static const struct {
        const char *signature, *arguments, *bound;
    } cases[] = {
        {"", "[[], {}]", ""},
        {"x, y", "[[1, 2], {}]", "1 | 2"},
        {"x, y", "[[1], {\"y\": 2}]", "1 | 2"},
        {"x, y", "[[], {\"y\": 2, \"x\": 1}]", "1 | 2"},
        {"x, y=...", "[[1], {}]", "1 | "},
        {"x, y=...", "[[1, null], {}]", "1 | null"},
        {"*args", "[[], {}]", "[]"},
        {"x, *args", "[[1, 2, 3], {}]", "1 | [2, 3]"},
        {"**kwargs", "[[], {\"a\": 1, \"b\": [2]}]", "{\"a\": 1, \"b\": [2]}"},
        {"x, **kwargs", "[[], {\"a\": 1, \"x\": 2}]", "2 | {\"a\": 1}"},
        {"*args, key", "[[1], {\"key\": 2}]", "[1] | 2"},
        {"*, key=...", "[[], {}]", ""},
        /* The names of *args and **kwargs are not parameters that a caller can name. */
        {"*args, **kwargs", "[[1], {\"args\": 2, \"kwargs\": 3}]",
         "[1] | {\"args\": 2, \"kwargs\": 3}"},
        /* JSON from strangers: the last one wins. */
        {"x", "[[], {\"x\": 1, \"x\": 2}]", "2"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct bound_call call;
        char bound[256];
        make_call(&call, cases[i].signature, cases[i].arguments);
        if (!call.fits)
            fail_msg("(%s) refused %s", cases[i].signature, cases[i].arguments);
        write_bound(&call, bound, sizeof(bound));
        assert_string_equal(bound, cases[i].bound);
        end_call(&call);
    }
}

static void refuses_in_the_words_of_python(void **state)
{
    static const struct {
        const char *signature, *arguments, *message;
    } cases[] = {
        {"x, y", "[[1, 2, 3], {}]", "f() takes 2 positional arguments but 3 were given"},
        {"x, y=...", "[[1, 2, 3], {}]",
         "f() takes from 1 to 2 positional arguments but 3 were given"},
        {"x=...", "[[1, 2], {}]", "f() takes from 0 to 1 positional arguments but 2 were given"},
        {"x", "[[1, 2], {}]", "f() takes 1 positional argument but 2 were given"},
        {"", "[[1], {}]", "f() takes 0 positional arguments but 1 was given"},
        {"x, *, k=...", "[[1, 2], {\"k\": 1}]",
         "f() takes 1 positional argument but 2 positional arguments (and 1 keyword-only argument) "
         "were given"},
        {"*, a, b", "[[1], {\"a\": 1, \"b\": 2}]",
         "f() takes 0 positional arguments but 1 positional argument (and 2 keyword-only "
         "arguments) "
         "were given"},
        {"x", "[[], {}]", "f() missing 1 required positional argument: 'x'"},
        {"x, y", "[[], {}]", "f() missing 2 required positional arguments: 'x' and 'y'"},
        {"x, y, z", "[[], {}]", "f() missing 3 required positional arguments: 'x', 'y', and 'z'"},
        {"x, y, z=...", "[[], {\"x\": 1}]", "f() missing 1 required positional argument: 'y'"},
        {"*, a", "[[], {}]", "f() missing 1 required keyword-only argument: 'a'"},
        {"*, a, b", "[[], {}]", "f() missing 2 required keyword-only arguments: 'a' and 'b'"},
        {"x", "[[1], {\"z\": 1}]", "f() got an unexpected keyword argument 'z'"},
        {"*args", "[[], {\"args\": 1}]", "f() got an unexpected keyword argument 'args'"},
        {"x, y", "[[1], {\"x\": 2}]", "f() got multiple values for argument 'x'"},
        {"x: int", "[[\"1\"], {}]", "f() argument 'x' must be int, not str"},
        {"x: int", "[[1.0], {}]", "f() argument 'x' must be int, not float"},
        {"x: float", "[[null], {}]", "f() argument 'x' must be float, not NoneType"},
        {"x: str", "[[1], {}]", "f() argument 'x' must be str, not int"},
        {"x: list", "[[{}], {}]", "f() argument 'x' must be list, not dict"},
        {"x: dict", "[[[]], {}]", "f() argument 'x' must be dict, not list"},
        {"x: bool", "[[1], {}]", "f() argument 'x' must be bool, not int"},
        {"x: bytes", "[[\"\"], {}]", "f() argument 'x' must be bytes, not str"},
        {"*, k: int = ...", "[[], {\"k\": []}]", "f() argument 'k' must be int, not list"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct bound_call call;
        struct text message = {"", 0};
        make_call(&call, cases[i].signature, cases[i].arguments);
        if (call.fits)
            fail_msg("(%s) took %s", cases[i].signature, cases[i].arguments);
        assert_true(call.failure.raised);
        assert_true(text_equal(call.failure.type, "TypeError"));
        assert_true(text_equal(call.failure.module, "builtins"));
        assert_true(value_as_text(&call.failure.message, &message));
        if (!text_equal(message, cases[i].message))
            fail_msg("(%s) %s: %.*s", cases[i].signature, cases[i].arguments, (int)message.size,
                     message.data);
        end_call(&call);
    }
}

static void takes_subtypes_as_python_does(void **state)
{
    static const struct {
        const char *signature, *arguments;
    } cases[] = {
        {"x: int", "[[true], {}]"},  {"x: int", "[[1180591620717411303424], {}]"},
        {"x: float", "[[1], {}]"},   {"x: float", "[[false], {}]"},
        {"x: float", "[[NaN], {}]"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct bound_call call;
        make_call(&call, cases[i].signature, cases[i].arguments);
        if (!call.fits)
            fail_msg("(%s) refused %s", cases[i].signature, cases[i].arguments);
        end_call(&call);
    }
}

static void names_of_any_length_do_not_break_the_message(void **state)
{
    char signature[SIGNATURE_MAX * 210] = "";
    size_t size = 0;
    struct bound_call call;
    struct text message;
    (void)state;
    for (int i = 0; i < SIGNATURE_MAX; i++)
        size += (size_t)snprintf(signature + size, sizeof(signature) - size, "%sp%0200d",
                                 i > 0 ? ", " : "", i);
    make_call(&call, signature, "[[], {}]");
    assert_false(call.fits);
    assert_true(value_as_text(&call.failure.message, &message));
    assert_true(message.size <= FAILURE_MESSAGE_MAX);
    end_call(&call);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(binds_as_python_does),
        cmocka_unit_test(refuses_in_the_words_of_python),
        cmocka_unit_test(takes_subtypes_as_python_does),
        cmocka_unit_test(names_of_any_length_do_not_break_the_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
