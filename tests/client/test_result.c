/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "client/result.h"

static struct text text_of(const char *string)
{
    return (struct text){string, strlen(string)};
}

static struct bytes bytes_of(const char *string)
{
    return (struct bytes){string, strlen(string)};
}

static struct celeriac_result *read_json(const char *json)
{
    struct celeriac_result *result;
    struct report report;
    assert_int_equal(result_read(bytes_of(json), text_of("application/json"), &result, &report), 0);
    return result;
}

static void reads_a_success(void **state)
{
    (void)state;
    static const char document[] =
        "{\"status\": \"SUCCESS\", \"result\": [5, 5.0, NaN, \"\\u00e9\"], \"traceback\": null, "
        "\"children\": [[[\"c\", null], null]], \"task_id\": \"i\"}";
    struct celeriac_result *result = read_json(document);
    assert_string_equal(celeriac_result_state(result), "SUCCESS");
    assert_true(celeriac_result_is_success(result));
    assert_string_equal(celeriac_result_json(result), "[5, 5.0, NaN, \"\\u00e9\"]");
    assert_string_equal(celeriac_result_children(result), "[[[\"c\", null], null]]");
    assert_null(celeriac_result_exception(result));
    assert_null(celeriac_result_traceback(result));
    assert_string_equal(celeriac_result_document(result).content_type, "application/json");
    assert_int_equal(celeriac_result_document(result).size, strlen(document));
    celeriac_result_free(result);
}

static void describes_exceptions_as_python_prints_them(void **state)
{
    (void)state;
    static const struct {
        const char *result, *words;
    } cases[] = {
        {"{\"exc_type\": \"ValueError\", \"exc_message\": [\"bad thing\"], \"exc_module\": "
         "\"builtins\"}",
         "ValueError: bad thing"},
        {"{\"exc_type\": \"ValueError\", \"exc_message\": [\"bad\", 1], \"exc_module\": "
         "\"builtins\"}",
         "ValueError: ('bad', 1)"},
        {"{\"exc_type\": \"Busy\", \"exc_message\": [], \"exc_module\": \"app.errors\"}",
         "app.errors.Busy"},
        {"{\"exc_type\": \"Busy\", \"exc_message\": \"all lines\", \"exc_module\": null}",
         "Busy: all lines"},
        {"{\"exc_type\": \"E\", \"exc_message\": [7]}", "E: 7"},
        {"{\"exc_type\": \"E\"}", "E"},
        {"null", NULL},
        {"\"text\"", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char document[512];
        snprintf(document, sizeof(document),
                 "{\"status\": \"FAILURE\", \"result\": %s, \"traceback\": \"T\\n\"}",
                 cases[i].result);
        struct celeriac_result *result = read_json(document);
        assert_false(celeriac_result_is_success(result));
        if (cases[i].words != NULL)
            assert_string_equal(celeriac_result_exception(result), cases[i].words);
        else
            assert_null(celeriac_result_exception(result));
        assert_string_equal(celeriac_result_traceback(result), "T\n");
        assert_string_equal(celeriac_result_children(result), "null");
        celeriac_result_free(result);
    }
}

static void a_success_that_looks_like_an_exception_is_none(void **state)
{
    (void)state;
    struct celeriac_result *result =
        read_json("{\"status\": \"SUCCESS\", \"result\": {\"exc_type\": \"E\"}}");
    assert_null(celeriac_result_exception(result));
    celeriac_result_free(result);
}

static void knows_the_ends(void **state)
{
    (void)state;
    static const struct {
        const char *state;
        bool final;
    } cases[] = {{"SUCCESS", true},   {"FAILURE", true},  {"REVOKED", true},
                 {"STARTED", false},  {"RETRY", false},   {"PENDING", false},
                 {"PROGRESS", false}, {"success", false}, {"SUCCESSES", false}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char document[128];
        snprintf(document, sizeof(document), "{\"status\": \"%s\", \"result\": 1}", cases[i].state);
        assert_int_equal(result_is_final(bytes_of(document), text_of("application/json")),
                         cases[i].final);
    }
}

static void tells_the_serializer_by_the_document(void **state)
{
    (void)state;
    static const char packed[] = "\x82\xa6status\xa7SUCCESS\xa6result\xc4\x02\xff\xfe";
    struct celeriac_result *result;
    struct report report;
    const struct bytes document = {packed, sizeof(packed) - 1};
    assert_true(result_is_final(document, text_of("")));
    assert_int_equal(result_read(document, text_of(""), &result, &report), 0);
    assert_string_equal(celeriac_result_document(result).content_type, "application/x-msgpack");
    assert_string_equal(celeriac_result_json(result),
                        "{\"__type__\": \"base64\", \"__value__\": \"//4=\"}");
    celeriac_result_free(result);
    assert_true(result_is_final(bytes_of("{\"status\": \"FAILURE\"}"), text_of("")));
}

static void what_json_cannot_say_is_still_there(void **state)
{
    (void)state;
    static const char packed[] = "\x82\xa6status\xa7SUCCESS\xa6result\xd4\x05\x07";
    struct celeriac_result *result;
    struct report report;
    assert_int_equal(
        result_read((struct bytes){packed, sizeof(packed) - 1}, text_of(""), &result, &report), 0);
    assert_null(celeriac_result_json(result));
    assert_int_equal(celeriac_result_document(result).size, sizeof(packed) - 1);
    celeriac_result_free(result);
}

static void an_unknown_task_is_pending(void **state)
{
    (void)state;
    struct celeriac_result *result;
    struct report report;
    assert_int_equal(result_read((struct bytes){NULL, 0}, text_of(""), &result, &report), 0);
    assert_string_equal(celeriac_result_state(result), "PENDING");
    assert_string_equal(celeriac_result_json(result), "null");
    assert_null(celeriac_result_document(result).data);
    celeriac_result_free(result);
}

static void refuses_what_is_no_result(void **state)
{
    (void)state;
    static const struct {
        const char *document, *type;
        int error;
    } cases[] = {
        {"{\"status\": \"SUCC", "application/json", CELERIAC_CLIENT_ERESULT},
        {"[1]", "application/json", CELERIAC_CLIENT_ERESULT},
        {"{\"status\": 5}", "application/json", CELERIAC_CLIENT_ERESULT},
        {"{}", "", CELERIAC_CLIENT_ERESULT},
        {"\xc1", "", CELERIAC_CLIENT_ERESULT},
        {"x", "application/x-python-serialize", CELERIAC_CLIENT_EUNSUPPORTED},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct celeriac_result *result = NULL;
        struct report report = {.text = ""};
        assert_int_equal(
            result_read(bytes_of(cases[i].document), text_of(cases[i].type), &result, &report),
            cases[i].error);
        assert_null(result);
        assert_true(report.text[0] != '\0');
        assert_false(result_is_final(bytes_of(cases[i].document), text_of(cases[i].type)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_a_success),
        cmocka_unit_test(describes_exceptions_as_python_prints_them),
        cmocka_unit_test(a_success_that_looks_like_an_exception_is_none),
        cmocka_unit_test(knows_the_ends),
        cmocka_unit_test(tells_the_serializer_by_the_document),
        cmocka_unit_test(what_json_cannot_say_is_still_there),
        cmocka_unit_test(an_unknown_task_is_pending),
        cmocka_unit_test(refuses_what_is_no_result),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
