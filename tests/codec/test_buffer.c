/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/codec/support.h"

/* One test asks for more than there is; the sanitizer would end it there. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

static void starts_empty_without_memory(void **state)
{
    (void)state;
    struct buffer buffer;
    buffer_init(&buffer, 10);
    assert_null(buffer.data);
    assert_int_equal(buffer.size, 0);
    buffer_done(&buffer);
}

static void appends_until_the_limit(void **state)
{
    (void)state;
    struct buffer buffer;
    buffer_init(&buffer, 10);
    assert_int_equal(buffer_append(&buffer, "0123456", 7), 0);
    assert_int_equal(buffer_append(&buffer, "789", 3), 0);
    assert_bytes_equal(buffer_bytes(&buffer), "0123456789", 10);
    assert_int_equal(buffer_append(&buffer, "x", 1), CODEC_ETOOBIG);
    assert_int_equal(buffer_append(&buffer, "x", SIZE_MAX), CODEC_ETOOBIG);
    assert_bytes_equal(buffer_bytes(&buffer), "0123456789", 10);
    assert_int_equal(buffer_append(&buffer, NULL, 0), 0);
    buffer_done(&buffer);
}

static void never_allocates_beyond_the_limit(void **state)
{
    (void)state;
    struct buffer buffer;
    buffer_init(&buffer, 1000);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(buffer_append(&buffer, "x", 1), 0);
    assert_int_equal(buffer.room, 1000);
    buffer_done(&buffer);
}

static void grows_by_doubling(void **state)
{
    (void)state;
    struct buffer buffer;
    buffer_init(&buffer, SIZE_MAX);
    int moves = 0;
    size_t room = 0;
    for (int i = 0; i < 100000; i++) {
        assert_int_equal(buffer_append(&buffer, "x", 1), 0);
        moves += buffer.room != room;
        room = buffer.room;
    }
    assert_in_range(moves, 1, 12);
    buffer_done(&buffer);
}

static void reports_a_failed_allocation(void **state)
{
    (void)state;
    struct buffer buffer;
    buffer_init(&buffer, SIZE_MAX);
    assert_int_equal(buffer_append(&buffer, "abc", 3), 0);
    assert_int_equal(buffer_reserve(&buffer, SIZE_MAX / 4), CODEC_ENOMEM);
    assert_bytes_equal(buffer_bytes(&buffer), "abc", 3);
    buffer_done(&buffer);
}

static void consumes_from_the_front(void **state)
{
    (void)state;
    struct buffer buffer;
    buffer_init(&buffer, 100);
    assert_int_equal(buffer_append(&buffer, "0123456789", 10), 0);
    buffer_consume(&buffer, 0);
    buffer_consume(&buffer, 4);
    assert_bytes_equal(buffer_bytes(&buffer), "456789", 6);
    buffer_consume(&buffer, 100);
    assert_int_equal(buffer.size, 0);
    buffer_done(&buffer);
}

static void clear_keeps_small_memory_only(void **state)
{
    (void)state;
    struct buffer buffer;
    buffer_init(&buffer, 10000);
    assert_int_equal(buffer_append(&buffer, "abc", 3), 0);
    buffer_clear(&buffer, 10000);
    assert_int_equal(buffer.size, 0);
    assert_non_null(buffer.data);
    buffer_clear(&buffer, 1);
    assert_null(buffer.data);
    assert_int_equal(buffer.limit, 10000);
    buffer_done(&buffer);
}

static void takes_what_msgpack_writes_and_says_why_it_stops(void **state)
{
    (void)state;
    struct buffer buffer;
    buffer_init(&buffer, 3);
    msgpack_packer packer;
    msgpack_packer_init(&packer, &buffer, buffer_msgpack_write);
    assert_int_equal(msgpack_pack_uint16(&packer, 1000), 0);
    assert_bytes_equal(buffer_bytes(&buffer), "\xcd\x03\xe8", 3);
    assert_int_equal(msgpack_pack_nil(&packer), CODEC_ETOOBIG);
    buffer_done(&buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(starts_empty_without_memory),
        cmocka_unit_test(appends_until_the_limit),
        cmocka_unit_test(never_allocates_beyond_the_limit),
        cmocka_unit_test(grows_by_doubling),
        cmocka_unit_test(reports_a_failed_allocation),
        cmocka_unit_test(consumes_from_the_front),
        cmocka_unit_test(clear_keeps_small_memory_only),
        cmocka_unit_test(takes_what_msgpack_writes_and_says_why_it_stops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
