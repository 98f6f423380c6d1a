/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/codec/support.h"

#include "codec/subtask.h"

static struct subtask subtask_of(struct fixture *fixture, const char *json)
{
    struct subtask subtask;
    msgpack_object *value = msgpack_zone_malloc(&fixture->zone, sizeof(*value));
    assert_non_null(value);
    *value = value_of(fixture, json);
    assert_int_equal(subtask_read(value, &subtask, &fixture->reason), 0);
    return subtask;
}

static void assert_json(struct fixture *fixture, const msgpack_object *value, const char *json)
{
    buffer_clear(&fixture->buffer, SIZE_MAX);
    assert_int_equal(json_encode(value, &fixture->buffer), 0);
    assert_buffer_holds(&fixture->buffer, json);
}

static void reads_what_is_there_and_fills_in_the_rest(void **state)
{
    struct fixture *fixture = *state;
    struct subtask subtask = subtask_of(fixture, "{\"task\": \"t\", \"options\": null}");
    msgpack_object value;
    assert_int_equal(subtask.kind, SUBTASK_PLAIN);
    assert_true(subtask_value(&subtask, &fixture->zone, &value));
    assert_json(fixture, &value,
                "{\"task\": \"t\", \"args\": [], \"kwargs\": {}, \"options\": {}, "
                "\"subtask_type\": null, \"immutable\": false}");
    subtask = subtask_of(fixture, "{\"task\": \"t\", \"args\": [1], \"kwargs\": {\"k\": 2}, "
                                  "\"options\": {\"queue\": \"q\", \"link\": null}, "
                                  "\"subtask_type\": null, \"immutable\": true}");
    assert_true(subtask.immutable);
    assert_null(subtask_option(&subtask, "link"));
    struct text queue;
    assert_true(value_as_text(subtask_option(&subtask, "queue"), &queue));
    assert_text_equal(queue, "q");
}

static void knows_every_kind(void **state)
{
    static const struct {
        const char *type;
        enum subtask_kind kind;
    } kinds[] = {
        {"chain", SUBTASK_CHAIN}, {"group", SUBTASK_GROUP},  {"chord", SUBTASK_CHORD},
        {"xmap", SUBTASK_MAP},    {"xstarmap", SUBTASK_MAP}, {"chunks", SUBTASK_CHUNKS},
        {"other", SUBTASK_PLAIN},
    };
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        char json[80];
        snprintf(json, sizeof(json), "{\"task\": \"t\", \"subtask_type\": \"%s\"}", kinds[i].type);
        assert_int_equal(subtask_of(*state, json).kind, kinds[i].kind);
    }
}

static void refuses_what_is_no_signature(void **state)
{
    struct fixture *fixture = *state;
    static const char *const broken[] = {
        "5",
        "[]",
        "{}",
        "{\"task\": 5}",
        "{\"task\": \"\"}",
        "{\"task\": \"t\", \"args\": {}}",
        "{\"task\": \"t\", \"kwargs\": []}",
        "{\"task\": \"t\", \"options\": 1}",
    };
    for (size_t i = 0; i < ARRAY_LEN(broken); i++) {
        struct subtask subtask;
        msgpack_object value = value_of(fixture, broken[i]);
        assert_int_equal(subtask_read(&value, &subtask, &fixture->reason), CODEC_ETYPE);
        assert_true(strlen(fixture->reason.text) > 0);
    }
    struct subtask subtask;
    assert_int_equal(subtask_read(NULL, &subtask, NULL), CODEC_ETYPE);
}

static void given_options_win_but_nulls_group_and_stamps_do_not(void **state)
{
    struct fixture *fixture = *state;
    struct subtask subtask =
        subtask_of(fixture, "{\"task\": \"t\", \"options\": {\"queue\": \"q\", \"priority\": 1, "
                            "\"group_id\": \"g\", \"stamped_headers\": [\"s\"], \"s\": \"mine\"}}");
    msgpack_object over =
        value_of(fixture, "{\"queue\": null, \"priority\": 2, \"group_id\": \"other\", "
                          "\"stamped_headers\": [], \"s\": \"theirs\", \"chain\": []}");
    msgpack_object merged;
    assert_true(subtask_merge_options(&subtask, &over, &fixture->zone, &merged));
    assert_json(fixture, &merged,
                "{\"queue\": \"q\", \"priority\": 2, \"group_id\": \"g\", "
                "\"stamped_headers\": [\"s\"], \"s\": \"mine\", \"chain\": []}");
    subtask = subtask_of(fixture, "{\"task\": \"t\"}");
    assert_true(subtask_merge_options(&subtask, &over, &fixture->zone, &merged));
    struct text group;
    assert_true(value_as_text(value_get(&merged, "group_id"), &group));
    assert_text_equal(group, "other");
    assert_true(subtask_merge_options(&subtask, NULL, &fixture->zone, &merged));
    assert_int_equal(merged.via.map.size, 0);
}

static void setting_leaves_the_original_alone(void **state)
{
    struct fixture *fixture = *state;
    struct subtask subtask = subtask_of(fixture, "{\"task\": \"t\", \"options\": {\"a\": 1}}");
    const struct subtask before = subtask;
    assert_true(subtask_set(&subtask, &fixture->zone, "a", value_int(2)));
    assert_true(subtask_set(&subtask, &fixture->zone, "b", value_int(3)));
    assert_json(fixture, &subtask.options, "{\"a\": 2, \"b\": 3}");
    assert_json(fixture, &before.options, "{\"a\": 1}");
}

static void one_thing_is_a_list_of_one(void **state)
{
    struct fixture *fixture = *state;
    static const char *const cases[][2] = {
        {"null", "[]"}, {"[]", "[]"}, {"[1, 2]", "[1, 2]"}, {"{\"a\": 1}", "[{\"a\": 1}]"}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        msgpack_object value = value_of(fixture, cases[i][0]), list;
        assert_true(subtask_as_list(&value, &fixture->zone, &list));
        assert_json(fixture, &list, cases[i][1]);
    }
}

#define T "{\"task\": \"t\"}"
#define CHAIN(tasks)                                                                               \
    "{\"task\": \"c\", \"subtask_type\": \"chain\", \"kwargs\": {\"tasks\": [" tasks "]}}"
#define GROUP(tasks)                                                                               \
    "{\"task\": \"g\", \"subtask_type\": \"group\", \"kwargs\": {\"tasks\": [" tasks "]}}"
#define CHORD(header, body)                                                                        \
    "{\"task\": \"x\", \"subtask_type\": \"chord\", \"kwargs\": {\"header\": " header              \
    ", \"body\": " body "}}"

static void counts_the_parts_of_a_chord(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *json;
        uint64_t size;
    } cases[] = {
        {T, 1},
        {GROUP(""), 0},
        {GROUP(T ", " T), 2},
        {GROUP(T ", " GROUP(T ", " T)), 3},
        {CHAIN(T ", " T), 1},
        {CHAIN(T ", " GROUP(T ", " T ", " T)), 3},
        {CHAIN(T ", " GROUP("")), 1},
        {CHORD("[" T ", " T "]", T), 1},
        {CHORD("[" T "]", GROUP(T ", " T)), 2},
        {CHAIN(""), 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        msgpack_object value = value_of(fixture, cases[i].json);
        assert_true(subtask_chord_size(&value) == cases[i].size);
    }
}

static void a_header_is_a_group_or_its_list(void **state)
{
    struct fixture *fixture = *state;
    struct subtask list = subtask_of(fixture, CHORD("[" T ", " T "]", T));
    struct subtask group = subtask_of(fixture, CHORD(GROUP(T ", " T), T));
    struct subtask broken = subtask_of(fixture, CHORD("5", T));
    assert_int_equal(subtask_members(&list).via.array.size, 2);
    assert_int_equal(subtask_members(&group).via.array.size, 2);
    assert_int_equal(subtask_members(&broken).via.array.size, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(reads_what_is_there_and_fills_in_the_rest),
        FIXTURE_TEST(knows_every_kind),
        FIXTURE_TEST(refuses_what_is_no_signature),
        FIXTURE_TEST(given_options_win_but_nulls_group_and_stamps_do_not),
        FIXTURE_TEST(setting_leaves_the_original_alone),
        FIXTURE_TEST(one_thing_is_a_list_of_one),
        FIXTURE_TEST(counts_the_parts_of_a_chord),
        FIXTURE_TEST(a_header_is_a_group_or_its_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
