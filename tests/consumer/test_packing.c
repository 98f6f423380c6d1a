/* SPDX-License-Identifier: BSD-3-Clause */
/* The maps that a runtime gets, read back with msgpack-c as any runtime would. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "worker/consumer/internal.h"
#include "worker/consumer/packing.h"

enum { LIMIT = 1024 * 1024 };

struct fixture {
    msgpack_zone zone;
    struct consumer consumer;
    struct broker_delivery delivery;
    struct request request;
    struct buffer buffer;
    msgpack_object packed;
    const struct serializer *accepted[2];
};

static struct text text_of(const char *string)
{
    return (struct text){string, strlen(string)};
}

static int setup(void **state)
{
    static struct fixture fixture;
    memset(&fixture, 0, sizeof(fixture));
    assert_true(msgpack_zone_init(&fixture.zone, 1024));
    fixture.accepted[0] = serializer_by_name("json");
    fixture.consumer.config = (struct consumer_config){
        .nodename = "celery@here",
        .result_serializer = fixture.accepted[0],
        .accept_content = fixture.accepted,
    };
    fixture.delivery = (struct broker_delivery){
        .routing_key = text_of("celery"),
        .exchange = text_of(""),
        .reply_to = text_of("replies"),
        .priority = -1,
        .redelivered = true,
    };
    assert_true(value_map(&fixture.zone, 2, &fixture.delivery.headers));
    value_map_put(&fixture.delivery.headers, "own", value_int(5));
    fixture.request = (struct request){
        .consumer = &fixture.consumer,
        .delivery = &fixture.delivery,
        .message =
            {
                .task = text_of("t"),
                .id = text_of("i"),
                .content_type = text_of("application/json"),
                .headers = fixture.delivery.headers,
                .body = {"[]", 2},
            },
        .job = {.soft_limit = 1.5},
    };
    buffer_init(&fixture.buffer, LIMIT);
    *state = &fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    buffer_done(&fixture->buffer);
    msgpack_zone_destroy(&fixture->zone);
    return 0;
}

static void read_back(struct fixture *fixture)
{
    size_t offset = 0;
    const char *data = (const char *)fixture->buffer.data;
    assert_int_equal(
        msgpack_unpack(data, fixture->buffer.size, &offset, &fixture->zone, &fixture->packed),
        MSGPACK_UNPACK_SUCCESS);
    assert_int_equal(offset, fixture->buffer.size);
}

static void pack(struct fixture *fixture, const struct failure *record)
{
    assert_int_equal(packing_request(&fixture->request, record, &fixture->buffer), 0);
    read_back(fixture);
}

static const msgpack_object *get(const struct fixture *fixture, const char *outer,
                                 const char *inner)
{
    const msgpack_object *value = value_get(&fixture->packed, outer);
    return inner != NULL ? value_get(value, inner) : value;
}

static void assert_text(const msgpack_object *value, const char *expected)
{
    struct text text;
    assert_true(value_as_text(value, &text));
    assert_int_equal(text.size, strlen(expected));
    assert_memory_equal(text.data, expected, text.size);
}

static void assert_nil(const msgpack_object *value)
{
    assert_non_null(value);
    assert_int_equal(value->type, MSGPACK_OBJECT_NIL);
}

static void assert_flag(const msgpack_object *value, bool expected)
{
    bool flag;
    assert_true(value_as_bool(value, &flag));
    assert_int_equal(flag, expected);
}

static void a_request_has_what_the_page_lists(void **state)
{
    struct fixture *fixture = *state;
    pack(fixture, NULL);
    assert_int_equal(fixture->packed.via.map.size, 10);
    assert_text(get(fixture, "task", NULL), "t");
    assert_text(get(fixture, "id", NULL), "i");
    assert_text(get(fixture, "properties", "content_type"), "application/json");
    assert_text(get(fixture, "properties", "reply_to"), "replies");
    assert_nil(get(fixture, "properties", "correlation_id"));
    assert_nil(get(fixture, "properties", "priority"));
    assert_text(get(fixture, "delivery_info", "routing_key"), "celery");
    assert_text(get(fixture, "delivery_info", "exchange"), "");
    assert_flag(get(fixture, "delivery_info", "redelivered"), true);
    assert_text(get(fixture, "hostname", NULL), "celery@here");
    assert_nil(value_at(get(fixture, "timelimit", NULL), 0));
    assert_true(value_at(get(fixture, "timelimit", NULL), 1)->via.f64 == 1.5);
    assert_flag(get(fixture, "ignore_result", NULL), false);
    assert_text(get(fixture, "result_serializer", NULL), "json");
    assert_text(value_at(get(fixture, "accept", NULL), 0), "application/json");
    assert_null(get(fixture, "record", NULL));
}

static void other_properties_are_there_if_they_are_set(void **state)
{
    struct fixture *fixture = *state;
    pack(fixture, NULL);
    assert_int_equal(get(fixture, "properties", NULL)->via.map.size, 5);

    buffer_clear(&fixture->buffer, LIMIT);
    fixture->delivery.delivery_mode = 2;
    fixture->delivery.expiration = text_of("600");
    fixture->delivery.message_id = text_of("m");
    fixture->delivery.app_id = text_of("a");
    pack(fixture, NULL);
    assert_int_equal(get(fixture, "properties", NULL)->via.map.size, 9);
    assert_int_equal(get(fixture, "properties", "delivery_mode")->via.u64, 2);
    assert_text(get(fixture, "properties", "expiration"), "600");
    assert_text(get(fixture, "properties", "message_id"), "m");
    assert_text(get(fixture, "properties", "app_id"), "a");
    assert_null(get(fixture, "properties", "type"));
}

static void a_task_that_was_lost_before_counts_as_redelivered(void **state)
{
    struct fixture *fixture = *state;
    fixture->delivery.redelivered = false;
    pack(fixture, NULL);
    assert_flag(get(fixture, "delivery_info", "redelivered"), false);

    buffer_clear(&fixture->buffer, LIMIT);
    fixture->request.losses = 1;
    pack(fixture, NULL);
    assert_flag(get(fixture, "delivery_info", "redelivered"), true);
}

static void an_app_with_a_backend_decides_about_results(void **state)
{
    struct fixture *fixture = *state;
    fixture->consumer.registry.app_decides = true;
    fixture->consumer.config.result_serializer = NULL;
    fixture->consumer.config.accept_content = NULL;
    pack(fixture, NULL);
    assert_nil(get(fixture, "ignore_result", NULL));
    assert_nil(get(fixture, "result_serializer", NULL));
    assert_nil(get(fixture, "accept", NULL));
}

static void headers_pass_whatever_their_bytes_are(void **state)
{
    static const char odd[] = "\xff\x00\xfe";
    struct fixture *fixture = *state;
    value_map_put(&fixture->request.message.headers, "odd", value_text((struct text){odd, 3}));
    pack(fixture, NULL);
    const msgpack_object *header = get(fixture, "headers", "odd");
    assert_int_equal(header->type, MSGPACK_OBJECT_STR);
    assert_int_equal(header->via.str.size, 3);
    assert_memory_equal(header->via.str.ptr, odd, 3);
    assert_int_equal(get(fixture, "headers", "own")->via.u64, 5);
}

static void a_limit_is_recorded_as_the_number_it_was_set_to(void **state)
{
    struct fixture *fixture = *state;
    struct failure failure = {
        .event = "failure", .type = "TimeLimitExceeded", .number = 3, .has_number = true};
    pack(fixture, &failure);
    assert_int_equal(fixture->packed.via.map.size, 11);
    assert_int_equal(get(fixture, "record", NULL)->via.map.size, 3);
    assert_text(get(fixture, "record", "event"), "failure");
    assert_text(get(fixture, "record", "exception"), "TimeLimitExceeded");
    assert_int_equal(get(fixture, "record", "argument")->type, MSGPACK_OBJECT_POSITIVE_INTEGER);
    assert_int_equal(get(fixture, "record", "argument")->via.u64, 3);

    buffer_clear(&fixture->buffer, LIMIT);
    failure.number = 0.25;
    pack(fixture, &failure);
    assert_true(get(fixture, "record", "argument")->via.f64 == 0.25);
}

static void a_loss_is_recorded_with_its_words(void **state)
{
    struct fixture *fixture = *state;
    pack(fixture,
         &(struct failure){.event = "failure", .type = "WorkerLostError", .message = "it is gone"});
    assert_text(get(fixture, "record", "exception"), "WorkerLostError");
    assert_text(get(fixture, "record", "argument"), "it is gone");
}

static void a_revocation_is_recorded_with_its_reason(void **state)
{
    static const struct {
        const char *reason;
        bool expired;
        int signum;
    } cases[] = {{"expired", true, 0}, {"revoked", false, 0}, {"terminated", false, 9}};
    struct fixture *fixture = *state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        buffer_clear(&fixture->buffer, LIMIT);
        pack(fixture, &(struct failure){.event = "revoked",
                                        .message = cases[i].reason,
                                        .signum = cases[i].signum});
        assert_int_equal(get(fixture, "record", NULL)->via.map.size, 5);
        assert_text(get(fixture, "record", "event"), "revoked");
        assert_text(get(fixture, "record", "reason"), cases[i].reason);
        assert_flag(get(fixture, "record", "expired"), cases[i].expired);
        assert_flag(get(fixture, "record", "terminated"), cases[i].signum > 0);
        int64_t signum = 0;
        assert_int_equal(value_as_int(get(fixture, "record", "signum"), &signum),
                         cases[i].signum > 0);
        assert_int_equal(signum, cases[i].signum);
    }
}

static void an_unknown_task_is_recorded_as_such(void **state)
{
    struct fixture *fixture = *state;
    pack(fixture, &(struct failure){.event = "unknown", .type = "NotRegistered", .message = "t"});
    assert_int_equal(get(fixture, "record", NULL)->via.map.size, 1);
    assert_text(get(fixture, "record", "event"), "unknown");
}

static void settings_are_told_where_they_are_not_as_by_default(void **state)
{
    static const char *const names[] = {"result_extended", "track_started",
                                        "store_errors_even_if_ignored", "inherit_parent_priority"};
    struct fixture *fixture = *state;
    struct consumer_config *config = &fixture->consumer.config;
    config->result_extended = config->task_track_started = true;
    config->task_store_errors_even_if_ignored = config->task_inherit_parent_priority = true;
    config->task_serializer = "msgpack";
    struct backend_config disabled = {.url = "disabled://"};
    fixture->consumer.backend = backend_open(&disabled);
    pack(fixture, NULL);
    backend_close(fixture->consumer.backend);
    assert_int_equal(fixture->packed.via.map.size, 16);
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        assert_flag(get(fixture, names[i], NULL), true);
    assert_flag(get(fixture, "chords", NULL), false);
    assert_text(get(fixture, "task_serializer", NULL), "msgpack");
}

static void assert_bin(const msgpack_object *value, const char *expected)
{
    assert_non_null(value);
    assert_int_equal(value->type, MSGPACK_OBJECT_BIN);
    assert_int_equal(value->via.bin.size, strlen(expected));
    assert_memory_equal(value->via.bin.ptr, expected, strlen(expected));
}

static void a_chord_ends_with_its_members_or_with_words(void **state)
{
    static const struct bytes items[] = {{"one", 3}, {"", 0}};
    struct fixture *fixture = *state;
    struct backend_parts parts = {.items = items, .count = 2};
    assert_int_equal(packing_chord(&fixture->request, &parts, NULL, &fixture->buffer), 0);
    read_back(fixture);
    assert_int_equal(get(fixture, "record", NULL)->via.map.size, 2);
    assert_text(get(fixture, "record", "event"), "chord");
    assert_int_equal(get(fixture, "record", "members")->via.array.size, 2);
    assert_bin(value_at(get(fixture, "record", "members"), 0), "one");
    assert_bin(value_at(get(fixture, "record", "members"), 1), "");

    buffer_clear(&fixture->buffer, LIMIT);
    parts.group = (struct bytes){"saved", 5};
    assert_int_equal(packing_chord(&fixture->request, &parts, NULL, &fixture->buffer), 0);
    read_back(fixture);
    assert_int_equal(get(fixture, "record", NULL)->via.map.size, 3);
    assert_bin(get(fixture, "record", "group"), "saved");

    buffer_clear(&fixture->buffer, LIMIT);
    assert_int_equal(packing_chord(&fixture->request, NULL, "no", &fixture->buffer), 0);
    read_back(fixture);
    assert_int_equal(get(fixture, "record", NULL)->via.map.size, 2);
    assert_text(get(fixture, "record", "error"), "no");
}

static void a_signal_carries_request_body_and_reason(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(packing_signal(&fixture->request, "it is odd", &fixture->buffer), 0);
    read_back(fixture);
    assert_int_equal(fixture->packed.via.map.size, 3);
    assert_text(get(fixture, "request", "id"), "i");
    assert_int_equal(get(fixture, "body", NULL)->type, MSGPACK_OBJECT_BIN);
    assert_int_equal(get(fixture, "body", NULL)->via.bin.size, 2);
    assert_text(get(fixture, "reason", NULL), "it is odd");
}

static void what_is_no_task_is_told_of_without_name_and_id(void **state)
{
    struct fixture *fixture = *state;
    fixture->request.message = (struct task_message){.protocol = 1};
    assert_int_equal(packing_signal(&fixture->request, NULL, &fixture->buffer), 0);
    read_back(fixture);
    const msgpack_object *request = get(fixture, "request", NULL);
    assert_nil(value_get(request, "task"));
    assert_nil(value_get(request, "id"));
    assert_int_equal(value_get(value_get(request, "headers"), "own")->via.u64, 5);
    assert_nil(get(fixture, "reason", NULL));

    buffer_clear(&fixture->buffer, LIMIT);
    fixture->delivery.headers = value_nil();
    assert_int_equal(packing_signal(&fixture->request, NULL, &fixture->buffer), 0);
    read_back(fixture);
    assert_int_equal(get(fixture, "request", "headers")->type, MSGPACK_OBJECT_MAP);
    assert_int_equal(get(fixture, "request", "headers")->via.map.size, 0);
}

static void what_does_not_fit_is_no_success(void **state)
{
    struct fixture *fixture = *state;
    buffer_done(&fixture->buffer);
    buffer_init(&fixture->buffer, 100);
    assert_int_equal(packing_request(&fixture->request, NULL, &fixture->buffer), CODEC_ETOOBIG);
    static const char large[4096];
    fixture->request.message.body = (struct bytes){large, sizeof(large)};
    buffer_done(&fixture->buffer);
    buffer_init(&fixture->buffer, 4096);
    assert_int_equal(packing_signal(&fixture->request, NULL, &fixture->buffer), CODEC_ETOOBIG);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_request_has_what_the_page_lists),
        TEST(other_properties_are_there_if_they_are_set),
        TEST(a_task_that_was_lost_before_counts_as_redelivered),
        TEST(an_app_with_a_backend_decides_about_results),
        TEST(headers_pass_whatever_their_bytes_are),
        TEST(a_limit_is_recorded_as_the_number_it_was_set_to),
        TEST(a_loss_is_recorded_with_its_words),
        TEST(a_revocation_is_recorded_with_its_reason),
        TEST(an_unknown_task_is_recorded_as_such),
        TEST(settings_are_told_where_they_are_not_as_by_default),
        TEST(a_chord_ends_with_its_members_or_with_words),
        TEST(a_signal_carries_request_body_and_reason),
        TEST(what_is_no_task_is_told_of_without_name_and_id),
        TEST(what_does_not_fit_is_no_success),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
