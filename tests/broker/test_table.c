/* SPDX-License-Identifier: BSD-3-Clause */
/* AMQP tables <-> msgpack maps. The wire bytes here were written by hand from the AMQP 0-9-1
 * errata, not by the code. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "broker/table.h"

struct fixture {
    msgpack_zone zone;
    amqp_pool_t pool;
};

static void setup(struct fixture *fixture)
{
    assert_true(msgpack_zone_init(&fixture->zone, 1024));
    init_amqp_pool(&fixture->pool, 4096);
}

static void teardown(struct fixture *fixture)
{
    msgpack_zone_destroy(&fixture->zone);
    empty_amqp_pool(&fixture->pool);
}

static const struct {
    const char *what, *field; /* the octet and what follows it */
    size_t size;
    const char *expected; /* as msgpack_object_print shows it */
} fields[] = {
    {"bool", "t\x01", 2, "true"},
    {"signed octet", "b\x80", 2, "-128"},
    {"octet", "B\xff", 2, "255"},
    {"signed 16 bits", "s\x80\x00", 3, "-32768"},
    {"16 bits", "u\xff\xff", 3, "65535"},
    {"signed 32 bits", "I\xff\xff\xff\xfe", 5, "-2"},
    {"32 bits", "i\xff\xff\xff\xff", 5, "4294967295"},
    {"signed 64 bits", "l\xff\xff\xff\xff\xff\xff\xff\xff", 9, "-1"},
    {"64 bits of py-amqp", "L\xff\xff\xff\xff\x00\x00\x00\x00", 9, "-4294967296"},
    {"float", "f\x3f\x80\x00\x00", 5, "1.000000"},
    {"double", "d\x3f\xf8\x00\x00\x00\x00\x00\x00", 9, "1.500000"},
    {"decimal", "D\x02\x00\x00\x00\xfa", 6, "2.500000"},
    {"negative decimal", "D\x01\xff\xff\xff\xfb", 6, "-0.500000"},
    {"text", "S\x00\x00\x00\x02hi", 7, "\"hi\""},
    {"empty text", "S\x00\x00\x00\x00", 5, "\"\""},
    {"bytes", "x\x00\x00\x00\x01z", 6, "\"z\""},
    {"timestamp", "T\x00\x00\x00\x00\x00\x00\x00\x07", 9, "7"},
    {"void", "V", 1, "nil"},
    {"array", "A\x00\x00\x00\x03t\x00V", 8, "[false, nil]"},
    {"empty array", "A\x00\x00\x00\x00", 5, "[]"},
    {"table", "F\x00\x00\x00\x04\x01kt\x01", 9, "{\"k\"=>true}"},
    {"empty table", "F\x00\x00\x00\x00", 5, "{}"},
};

static size_t wrap(char *ret, const char *field, size_t size)
{
    const char head[] = {0, 0, 0, (char)(size + 2), 1, 'h'};
    memcpy(ret, head, sizeof(head));
    memcpy(ret + sizeof(head), field, size);
    return sizeof(head) + size;
}

static void reads_every_field_type(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        struct fixture fixture;
        amqp_table_t table;
        msgpack_object map;
        char wire[64];
        char text[128] = "";
        size_t offset = 0;
        setup(&fixture);
        amqp_bytes_t bytes = {wrap(wire, fields[i].field, fields[i].size), wire};
        if (amqp_decode_table(bytes, &fixture.pool, &table, &offset))
            fail_msg("%s: the test's bytes are wrong", fields[i].what);
        assert_int_equal(table_read(&table, &fixture.zone, &map), 0);
        memset(wire, '!', sizeof(wire)); /* nothing may point into the input */
        empty_amqp_pool(&fixture.pool);
        assert_int_equal(map.type, MSGPACK_OBJECT_MAP);
        assert_int_equal(map.via.map.size, 1);
        assert_memory_equal(map.via.map.ptr[0].key.via.str.ptr, "h", 1);
        msgpack_object_print_buffer(text, sizeof(text), map.via.map.ptr[0].val);
        if (strcmp(text, fields[i].expected) != 0)
            fail_msg("%s: %s", fields[i].what, text);
        teardown(&fixture);
    }
}

static msgpack_object str(const char *text)
{
    msgpack_object object = {.type = MSGPACK_OBJECT_STR};
    object.via.str.ptr = text;
    object.via.str.size = (uint32_t)strlen(text);
    return object;
}

static msgpack_object integer(int64_t value)
{
    return (msgpack_object){.type = value < 0 ? MSGPACK_OBJECT_NEGATIVE_INTEGER
                                              : MSGPACK_OBJECT_POSITIVE_INTEGER,
                            .via.i64 = value};
}

static int write_one(struct fixture *fixture, msgpack_object value, uint8_t *ret, size_t *ret_size)
{
    msgpack_object_kv pair = {str("h"), value};
    msgpack_object map = {.type = MSGPACK_OBJECT_MAP, .via.map = {1, &pair}};
    amqp_table_t table = amqp_empty_table;
    size_t written = 0;
    int error = table_write(&map, &fixture->zone, &table, &written);
    if (error)
        return error;
    amqp_bytes_t bytes = {64, ret};
    size_t offset = 0;
    assert_int_equal(amqp_encode_table(bytes, &table, &offset), 0);
    assert_true(offset <= written);
    *ret_size = offset;
    return 0;
}

static void writes_only_what_every_peer_reads_alike(void **state)
{
    msgpack_object items[] = {{.type = MSGPACK_OBJECT_BOOLEAN, .via.boolean = false},
                              {.type = MSGPACK_OBJECT_NIL}};
    msgpack_object_kv pairs[] = {{str("k"), {.type = MSGPACK_OBJECT_BOOLEAN, .via.boolean = true}}};
    msgpack_object bin = str("z");
    bin.type = MSGPACK_OBJECT_BIN;
    const struct {
        msgpack_object value;
        const char *field;
        size_t size;
    } cases[] = {
        {{.type = MSGPACK_OBJECT_NIL}, "V", 1},
        {{.type = MSGPACK_OBJECT_BOOLEAN, .via.boolean = true}, "t\x01", 2},
        {integer(0), "I\0\0\0\0", 5},
        {integer(INT32_MAX), "I\x7f\xff\xff\xff", 5},
        {integer(INT32_MIN), "I\x80\0\0\0", 5},
        {integer(INT32_MAX + INT64_C(1)), "L\0\0\0\0\x80\0\0\0", 9},
        {integer(INT64_MIN), "L\x80\0\0\0\0\0\0\0", 9},
        {integer(INT64_MAX), "L\x7f\xff\xff\xff\xff\xff\xff\xff", 9},
        {{.type = MSGPACK_OBJECT_FLOAT64, .via.f64 = 1.5}, "d\x3f\xf8\0\0\0\0\0\0", 9},
        {{.type = MSGPACK_OBJECT_FLOAT32, .via.f64 = 1.5}, "d\x3f\xf8\0\0\0\0\0\0", 9},
        {str("hi"), "S\0\0\0\x02hi", 7},
        {bin, "S\0\0\0\x01z", 6},
        {{.type = MSGPACK_OBJECT_ARRAY, .via.array = {2, items}}, "A\0\0\0\x03t\0V", 8},
        {{.type = MSGPACK_OBJECT_MAP, .via.map = {1, pairs}}, "F\0\0\0\x04\x01kt\x01", 9},
        {{.type = MSGPACK_OBJECT_MAP}, "F\0\0\0\0", 5},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fixture fixture;
        uint8_t wire[64];
        char expected[64];
        size_t size = 0;
        setup(&fixture);
        assert_int_equal(write_one(&fixture, cases[i].value, wire, &size), 0);
        assert_int_equal(size, wrap(expected, cases[i].field, cases[i].size));
        assert_memory_equal(wire, expected, size);
        teardown(&fixture);
    }
}

static void refuses_what_amqp_cannot_carry(void **state)
{
    static char long_key[TABLE_TEXT_MAX + 2];
    static char huge[TABLE_SIZE + 1];
    memset(long_key, 'k', sizeof(long_key) - 1);
    memset(huge, 'x', sizeof(huge) - 1);
    msgpack_object_kv keys[] = {{integer(1), integer(1)}, {str(long_key), integer(1)}};
    const msgpack_object cases[] = {
        {.type = MSGPACK_OBJECT_POSITIVE_INTEGER, .via.u64 = UINT64_C(1) << 63},
        {.type = MSGPACK_OBJECT_EXT},
        {.type = MSGPACK_OBJECT_MAP, .via.map = {1, &keys[0]}},
        {.type = MSGPACK_OBJECT_MAP, .via.map = {1, &keys[1]}},
        str(huge),
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fixture fixture;
        uint8_t wire[64];
        size_t size = 0;
        setup(&fixture);
        assert_int_equal(write_one(&fixture, cases[i], wire, &size), BROKER_EINVALID);
        teardown(&fixture);
    }
}

/* `levels` arrays inside each other. */
static msgpack_object nested(msgpack_object *storage, size_t levels)
{
    storage[0] = (msgpack_object){.type = MSGPACK_OBJECT_ARRAY};
    for (size_t i = 1; i < levels; i++)
        storage[i] =
            (msgpack_object){.type = MSGPACK_OBJECT_ARRAY, .via.array = {1, &storage[i - 1]}};
    return storage[levels - 1];
}

static void writes_32_levels_and_no_more(void **state)
{
    msgpack_object storage[TABLE_DEPTH];
    struct fixture fixture;
    size_t written = 0;
    (void)state;
    setup(&fixture);
    msgpack_object_kv pair = {str("h"), nested(storage, TABLE_DEPTH - 1)};
    msgpack_object map = {.type = MSGPACK_OBJECT_MAP, .via.map = {1, &pair}};
    amqp_table_t table;
    assert_int_equal(table_write(&map, &fixture.zone, &table, &written), 0);
    pair.val = nested(storage, TABLE_DEPTH);
    assert_int_equal(table_write(&map, &fixture.zone, &table, &written), BROKER_EINVALID);
    teardown(&fixture);
}

static void reads_32_levels_and_no_more(void **state)
{
    amqp_field_value_t storage[TABLE_DEPTH] = {{.kind = AMQP_FIELD_KIND_ARRAY}};
    struct fixture fixture;
    msgpack_object map;
    (void)state;
    setup(&fixture);
    for (size_t i = 1; i < TABLE_DEPTH; i++)
        storage[i] = (amqp_field_value_t){.kind = AMQP_FIELD_KIND_ARRAY,
                                          .value.array = {1, &storage[i - 1]}};
    amqp_table_entry_t entry = {{1, "h"}, storage[TABLE_DEPTH - 2]};
    amqp_table_t table = {1, &entry};
    assert_int_equal(table_read(&table, &fixture.zone, &map), 0);
    entry.value = storage[TABLE_DEPTH - 1];
    assert_int_equal(table_read(&table, &fixture.zone, &map), BROKER_EINVALID);
    teardown(&fixture);
}

static void writes_nil_as_an_empty_table(void **state)
{
    msgpack_object nil = {.type = MSGPACK_OBJECT_NIL};
    amqp_table_t table = {7, NULL};
    size_t written = 0;
    struct fixture fixture;
    (void)state;
    setup(&fixture);
    assert_int_equal(table_write(&nil, &fixture.zone, &table, &written), 0);
    assert_int_equal(table.num_entries, 0);
    nil = integer(1);
    assert_int_equal(table_write(&nil, &fixture.zone, &table, &written), BROKER_EINVALID);
    teardown(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_field_type),
        cmocka_unit_test(writes_only_what_every_peer_reads_alike),
        cmocka_unit_test(refuses_what_amqp_cannot_carry),
        cmocka_unit_test(writes_32_levels_and_no_more),
        cmocka_unit_test(reads_32_levels_and_no_more),
        cmocka_unit_test(writes_nil_as_an_empty_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
