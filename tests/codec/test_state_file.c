/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "codec/packed.h"
#include "codec/state_file.h"

static void write_file(struct buffer *buffer)
{
    msgpack_object_kv pair = {value_string("revoked"), value_int(5)};
    const msgpack_object map = {.type = MSGPACK_OBJECT_MAP, .via.map = {.size = 1, .ptr = &pair}};
    buffer_init(buffer, 1024);
    assert_int_equal(state_file_begin(buffer), 0);
    assert_int_equal(packed_encode(&map, buffer), 0);
    state_file_end(buffer);
}

static int read_bytes(struct bytes file, int64_t *ret)
{
    msgpack_zone zone;
    msgpack_object map;
    assert_true(msgpack_zone_init(&zone, 1024));
    int rc = state_file_read(file, &zone, &map, NULL);
    if (rc == 0)
        assert_true(value_as_int(value_get(&map, "revoked"), ret));
    msgpack_zone_destroy(&zone);
    return rc;
}

static void reads_what_was_written(void **state)
{
    (void)state;
    struct buffer buffer;
    int64_t number = 0;
    write_file(&buffer);
    assert_int_equal(read_bytes(buffer_bytes(&buffer), &number), 0);
    assert_int_equal(number, 5);
    buffer_done(&buffer);
}

static void any_changed_byte_is_damage(void **state)
{
    (void)state;
    struct buffer buffer;
    int64_t number;
    write_file(&buffer);
    for (size_t i = strlen("celeriac state 1\n"); i < buffer.size; i++) {
        buffer.data[i] ^= 1;
        assert_int_equal(read_bytes(buffer_bytes(&buffer), &number), CODEC_EINVALID);
        buffer.data[i] ^= 1;
    }
    buffer_done(&buffer);
}

static void a_cut_file_is_damaged(void **state)
{
    (void)state;
    struct buffer buffer;
    int64_t number;
    write_file(&buffer);
    for (size_t size = strlen("celeriac state 1\n"); size < buffer.size; size++)
        assert_int_equal(read_bytes((struct bytes){buffer.data, size}, &number), CODEC_EINVALID);
    buffer_done(&buffer);
}

static void another_programs_file_is_not_ours(void **state)
{
    (void)state;
    static const char *const files[] = {"", "x", "\x13\x57\x9a\xce", "celeriac state 2\n0123",
                                        "celeriac stat"};
    int64_t number;
    for (size_t i = 0; i < ARRAY_LEN(files); i++)
        assert_int_equal(read_bytes((struct bytes){files[i], strlen(files[i])}, &number),
                         CODEC_EUNSUPPORTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_was_written),
        cmocka_unit_test(any_changed_byte_is_damage),
        cmocka_unit_test(a_cut_file_is_damaged),
        cmocka_unit_test(another_programs_file_is_not_ours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
