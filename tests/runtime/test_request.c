/* SPDX-License-Identifier: BSD-3-Clause */
/* The request of a JOB, as the consumer packs it and as others might. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "codec/json.h"
#include "worker/runtime/native/request.h"

static msgpack_zone zone;

static int set_up(void **state)
{
    (void)state;
    return msgpack_zone_init(&zone, 1024) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    msgpack_zone_destroy(&zone);
    return 0;
}

static msgpack_object parse(const char *json)
{
    msgpack_object map;
    assert_int_equal(json_decode((struct bytes){json, strlen(json)}, &zone, &map, NULL), 0);
    return map;
}

static void reads_a_whole_request(void **state)
{
    msgpack_object map =
        parse("{\"task\": \"t\", \"id\": \"i\", \"hostname\": \"w1@h\", \"timelimit\": [10, 1.5],"
              " \"ignore_result\": true, \"result_serializer\": \"msgpack\","
              " \"headers\": {\"retries\": 3, \"group\": \"g\", \"eta\": \"2030-01-01T12:00:00\","
              "               \"root_id\": \"r\", \"parent_id\": null, \"expires\": null},"
              " \"properties\": {\"correlation_id\": \"c\", \"reply_to\": \"q\"},"
              " \"delivery_info\": {\"exchange\": \"\", \"routing_key\": \"celery\","
              "                     \"redelivered\": true, \"priority\": 5}}");
    struct request request;
    (void)state;
    assert_true(request_read(&map, &request));
    assert_true(request.ignore_result);
    assert_true(text_equal(request.result_serializer, "msgpack"));
    const struct celeriac_request *seen = request_publish(&request, &zone);
    assert_string_equal(seen->task, "t");
    assert_string_equal(seen->id, "i");
    assert_string_equal(seen->hostname, "w1@h");
    assert_string_equal(seen->group, "g");
    assert_string_equal(seen->eta, "2030-01-01T12:00:00");
    assert_string_equal(seen->root_id, "r");
    assert_null(seen->parent_id);
    assert_null(seen->expires);
    assert_string_equal(seen->correlation_id, "c");
    assert_string_equal(seen->reply_to, "q");
    assert_string_equal(seen->exchange, "");
    assert_string_equal(seen->routing_key, "celery");
    assert_true(seen->redelivered);
    assert_int_equal(seen->priority, 5);
    assert_int_equal(seen->retries, 3);
    assert_true(seen->time_limit == 10 && seen->soft_time_limit == 1.5);
}

static void what_is_missing_has_a_plain_default(void **state)
{
    msgpack_object map = parse("{\"task\": \"t\", \"id\": \"i\"}");
    struct request request;
    (void)state;
    assert_true(request_read(&map, &request));
    assert_false(request.ignore_result);
    assert_true(text_equal(request.result_serializer, "json"));
    assert_null(request_header(&request, "group").data);
    assert_null(request_property(&request, "reply_to").data);
    const struct celeriac_request *seen = request_publish(&request, &zone);
    assert_null(seen->hostname);
    assert_int_equal(seen->priority, -1);
    assert_int_equal(seen->retries, 0);
    assert_true(seen->time_limit == 0 && seen->soft_time_limit == 0);
}

static void refuses_what_has_no_task_and_id(void **state)
{
    static const char *const cases[] = {
        "[]", "null", "{}", "{\"task\": \"t\"}", "{\"id\": \"i\"}", "{\"task\": 1, \"id\": \"i\"}",
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct request request;
        msgpack_object map = parse(cases[i]);
        if (request_read(&map, &request))
            fail_msg("%s was read", cases[i]);
    }
    struct request request;
    assert_false(request_read(NULL, &request));
    msgpack_object broken = parse("{\"task\": \"t\", \"id\": \"?\"}");
    broken.via.map.ptr[1].val.via.str.ptr = "\xff";
    assert_false(request_read(&broken, &request));
}

static void other_types_count_as_missing(void **state)
{
    msgpack_object map =
        parse("{\"task\": \"t\", \"id\": \"i\", \"headers\": 1, \"properties\": [],"
              " \"delivery_info\": {\"priority\": 999, \"redelivered\": \"no\"},"
              " \"timelimit\": {}, \"hostname\": 5, \"ignore_result\": 1, \"accept\": \"json\"}");
    struct request request;
    (void)state;
    assert_true(request_read(&map, &request));
    assert_false(request.ignore_result);
    assert_false(request_accepts(&request, (struct text){"application/json", 16}));
    const struct celeriac_request *seen = request_publish(&request, &zone);
    assert_null(seen->hostname);
    assert_int_equal(seen->priority, -1);
    assert_false(seen->redelivered);
}

static void accepts_by_content_type_and_by_name(void **state)
{
    static const struct {
        const char *accept, *content_type;
        bool accepted;
    } cases[] = {
        {"[\"application/json\"]", "application/json", true},
        {"[\"json\"]", "application/json", true},
        {"[\"json\"]", "application/x-msgpack", false},
        {"[\"json\", \"msgpack\"]", "application/x-msgpack", true},
        {"[]", "application/json", false},
        {"[\"application/x-python-serialize\"]", "application/x-python-serialize", false},
        {"[\"json\"]", "", false},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        msgpack_object accept = parse(cases[i].accept);
        struct request request = {.accept = &accept};
        struct text content_type = {cases[i].content_type, strlen(cases[i].content_type)};
        if (request_accepts(&request, content_type) != cases[i].accepted)
            fail_msg("%s, %s", cases[i].accept, cases[i].content_type);
    }
}

static void settings_that_are_not_there_are_celerys_defaults(void **state)
{
    msgpack_object plain = parse("{\"task\": \"t\", \"id\": \"i\"}");
    msgpack_object full = parse("{\"task\": \"t\", \"id\": \"i\", \"track_started\": true,"
                                " \"store_errors_even_if_ignored\": true, \"chords\": false,"
                                " \"result_extended\": true, \"inherit_parent_priority\": true,"
                                " \"task_serializer\": \"msgpack\", \"record\": {},"
                                " \"headers\": {\"root_id\": \"r\", \"retries\": 4}}");
    struct request request;
    (void)state;
    assert_true(request_read(&plain, &request));
    assert_false(request.track_started || request.store_errors_even_if_ignored ||
                 request.result_extended || request.inherit_parent_priority);
    assert_true(request.chords);
    assert_null(request.record);
    assert_true(text_equal(request.task_serializer, "json"));
    assert_true(text_equal(request_root_id(&request), "i"));
    assert_true(request_retries(&request) == 0);
    assert_true(request_read(&full, &request));
    assert_true(request.track_started && request.store_errors_even_if_ignored &&
                request.result_extended && request.inherit_parent_priority);
    assert_false(request.chords);
    assert_non_null(request.record);
    assert_true(text_equal(request.task_serializer, "msgpack"));
    assert_true(text_equal(request_root_id(&request), "r"));
    assert_true(request_retries(&request) == 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_a_whole_request),
        cmocka_unit_test(what_is_missing_has_a_plain_default),
        cmocka_unit_test(refuses_what_has_no_task_and_id),
        cmocka_unit_test(other_types_count_as_missing),
        cmocka_unit_test(accepts_by_content_type_and_by_name),
        cmocka_unit_test(settings_that_are_not_there_are_celerys_defaults),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
