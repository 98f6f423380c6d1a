/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "codec/frame.h"

#define BYTES(literal) ((struct bytes){(literal), sizeof(literal) - 1})

static void feed(struct frame_reader *reader, const void *data, size_t size)
{
    const uint8_t *cursor = data;
    while (size > 0) {
        size_t room;
        void *place = frame_reader_room(reader, &room);
        assert_non_null(place);
        assert_true(room >= 1);
        size_t part = size < room ? size : room;
        memcpy(place, cursor, part);
        frame_reader_fill(reader, part);
        cursor += part;
        size -= part;
    }
}

static int setup(void **state)
{
    struct frame_reader *reader = malloc(sizeof(*reader));
    *state = reader;
    return reader != NULL && frame_reader_init(reader) ? 0 : -1;
}

static int teardown(void **state)
{
    frame_reader_done(*state);
    free(*state);
    return 0;
}

/* The bytes of each frame, packed by hand after the table of PROTOCOL.md. */
static const struct golden {
    const char *name;
    struct bytes bytes;
} golden[] = {
    {"SPAWN", BYTES("\0\0\0\x06\x93\x01\x02\xcd\x01\x00")},
    {"JOB", BYTES("\0\0\0\x0f\x95\x02\x07\x01\x81\xa1k\x05\xc6\0\0\0\x02hi")},
    {"LEAVE", BYTES("\0\0\0\x02\x91\x03")},
    {"SIGNAL", BYTES("\0\0\0\x12\x93\x04\xdb\0\0\0\x05ready\x81\xa3sig\x01")},
    {"HELLO", BYTES("\0\0\0\x04\x93\x10\x01\x80")},
    {"SPAWNED", BYTES("\0\0\0\x09\x94\x11\x02\x03\xce\x00\x01\x11\x70")},
    {"ERROR", BYTES("\0\0\0\x0a\x92\x13\xdb\0\0\0\x03why")},
    {"READY", BYTES("\0\0\0\x05\x92\x20\xcd\x10\x00")},
    {"STARTED", BYTES("\0\0\0\x0b\x92\x21\xcf\x01\x02\x03\x04\x05\x06\x07\x08")},
    {"RESULT", BYTES("\0\0\0\x0f\x96\x22\x07\x01\xcc\x80\x80\xc6\0\0\0\x03"
                     "doc")},
    {"PUBLISH", BYTES("\0\0\0\x0f\x94\x23\x07\x81\xa1k\x05\xc6\0\0\0\x03"
                      "hey")},
    {"STORE", BYTES("\0\0\0\x18\x95\x24\x07\xdb\0\0\0\x02id\xdb\0\0\0\x01S\xc6\0\0\0\x03"
                    "doc")},
    {"CHORD", BYTES("\0\0\0\x11\x95\x25\x07\xdb\0\0\0\x01g\xcd\x01\x00\xc6\0\0\0\0")},
};

static int write_frame(const char *name, struct buffer *buffer)
{
    if (strcmp(name, "SPAWN") == 0)
        return frame_write_spawn(buffer, 2, 256);
    if (strcmp(name, "JOB") == 0) {
        int rc = frame_write_job(buffer, 7, FRAME_JOB_WANT_STARTED, BYTES("\x81\xa1k\x05"), 2);
        return rc != 0 ? rc : buffer_append(buffer, "hi", 2);
    }
    if (strcmp(name, "LEAVE") == 0)
        return frame_write_leave(buffer);
    if (strcmp(name, "SIGNAL") == 0)
        return frame_write_signal(buffer, "ready", BYTES("\x81\xa3sig\x01"));
    if (strcmp(name, "HELLO") == 0)
        return frame_write_hello(buffer, BYTES("\x80"));
    if (strcmp(name, "SPAWNED") == 0)
        return frame_write_spawned(buffer, 2, 3, 70000);
    if (strcmp(name, "ERROR") == 0)
        return frame_write_error(buffer, "why");
    if (strcmp(name, "READY") == 0)
        return frame_write_ready(buffer, 4096);
    if (strcmp(name, "STARTED") == 0)
        return frame_write_started(buffer, 0x0102030405060708);
    if (strcmp(name, "PUBLISH") == 0) {
        int rc = frame_write_publish(buffer, 7, BYTES("\x81\xa1k\x05"), 3);
        return rc != 0 ? rc : buffer_append(buffer, "hey", 3);
    }
    if (strcmp(name, "STORE") == 0) {
        int rc = frame_write_store(buffer, 7, (struct text){"id", 2}, (struct text){"S", 1}, 3);
        return rc != 0 ? rc : buffer_append(buffer, "doc", 3);
    }
    if (strcmp(name, "CHORD") == 0)
        return frame_write_chord(buffer, 7, (struct text){"g", 1}, 256, 0);
    struct frame_result result = {7, FRAME_RESULT_RETIRING, 128, BYTES("\x80"), 3};
    int rc = frame_write_result(buffer, &result);
    return rc != 0 ? rc : buffer_append(buffer, "doc", 3);
}

static void writes_the_bytes_of_the_protocol(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(golden); i++) {
        struct buffer buffer;
        buffer_init(&buffer, FRAME_MAX);
        assert_int_equal(write_frame(golden[i].name, &buffer), 0);
        assert_int_equal(buffer.size, golden[i].bytes.size);
        assert_memory_equal(buffer.data, golden[i].bytes.data, buffer.size);
        buffer_done(&buffer);
    }
}

static void reads_every_frame_byte_by_byte(void **state)
{
    struct frame_reader *reader = *state;
    for (size_t i = 0; i < ARRAY_LEN(golden); i++) {
        const uint8_t *data = golden[i].bytes.data;
        struct frame frame;
        for (size_t j = 0; j < golden[i].bytes.size; j++) {
            assert_int_equal(frame_reader_next(reader, &frame, NULL), 0);
            feed(reader, data + j, 1);
        }
        assert_true(frame_reader_partial(reader));
        assert_int_equal(frame_reader_next(reader, &frame, NULL), 1);
        assert_string_equal(frame_type_name(frame.type), golden[i].name);
        assert_false(frame_reader_partial(reader));
    }
}

static void gives_out_frames_that_came_in_one_read(void **state)
{
    struct frame_reader *reader = *state;
    static const char two[] = "\0\0\0\x03\x92\x21\x05\0\0\0\x08\x96\x22\x05\0\x09\x80\xc4\0\0\0\0";
    struct frame frame;
    feed(reader, two, sizeof(two) - 1);
    assert_int_equal(frame_reader_next(reader, &frame, NULL), 1);
    assert_int_equal(frame.type, FRAME_STARTED);
    assert_int_equal(frame_uint(&frame, 1), 5);
    assert_int_equal(frame_reader_next(reader, &frame, NULL), 1);
    assert_int_equal(frame.type, FRAME_RESULT);
    assert_int_equal(frame_uint(&frame, 3), 9);
    assert_int_equal(frame_text(&frame, 5).size, 0);
    assert_int_equal(frame_reader_next(reader, &frame, NULL), 0);
    assert_true(frame_reader_partial(reader));
}

static void gives_the_elements_of_a_job(void **state)
{
    struct frame_reader *reader = *state;
    struct frame frame;
    feed(reader, golden[1].bytes.data, golden[1].bytes.size);
    assert_int_equal(frame_reader_next(reader, &frame, NULL), 1);
    assert_int_equal(frame_uint(&frame, 0), FRAME_JOB);
    assert_int_equal(frame_uint(&frame, 1), 7);
    assert_int_equal(frame_uint(&frame, 2), FRAME_JOB_WANT_STARTED);
    int64_t number;
    assert_true(value_as_int(value_get(frame_value(&frame, 3), "k"), &number));
    assert_int_equal(number, 5);
    struct text body = frame_text(&frame, 4);
    assert_int_equal(body.size, 2);
    assert_memory_equal(body.data, "hi", 2);
}

static void gives_the_elements_of_a_signal(void **state)
{
    struct frame_reader *reader = *state;
    struct frame frame;
    feed(reader, golden[3].bytes.data, golden[3].bytes.size);
    assert_int_equal(frame_reader_next(reader, &frame, NULL), 1);
    assert_int_equal(frame.type, FRAME_SIGNAL);
    assert_true(text_equal(frame_text(&frame, 1), "ready"));
    int64_t number;
    assert_true(value_as_int(value_get(frame_value(&frame, 2), "sig"), &number));
    assert_int_equal(number, 1);
}

static void gives_the_usage_of_an_exit(void **state)
{
    struct frame_reader *reader = *state;
    struct buffer buffer;
    buffer_init(&buffer, FRAME_MAX);
    struct frame_exit written = {3, 4, 1234, 0x0900, 0.25, 1.5, 5000};
    assert_int_equal(frame_write_exited(&buffer, &written), 0);
    feed(reader, buffer.data, buffer.size);
    buffer_done(&buffer);
    struct frame frame;
    assert_int_equal(frame_reader_next(reader, &frame, NULL), 1);
    assert_int_equal(frame.type, FRAME_EXITED);
    assert_int_equal(frame_uint(&frame, 1), 3);
    assert_int_equal(frame_uint(&frame, 2), 4);
    assert_int_equal(frame_uint(&frame, 3), 1234);
    assert_int_equal(frame_uint(&frame, 4), 0x0900);
    double seconds;
    assert_true(value_as_double(value_get(frame_value(&frame, 5), "utime"), &seconds));
    assert_float_equal(seconds, 0.25, 0);
    assert_true(value_as_double(value_get(frame_value(&frame, 5), "stime"), &seconds));
    assert_float_equal(seconds, 1.5, 0);
    int64_t maxrss;
    assert_true(value_as_int(value_get(frame_value(&frame, 5), "maxrss"), &maxrss));
    assert_int_equal(maxrss, 5000);
}

/* What is refused, why, and what the sentence must name. */
static const struct bad {
    struct bytes bytes;
    int error;
    const char *word;
} bad[] = {
    {BYTES("\0\0\0\0"), CODEC_ETYPE, "array"},
    {BYTES("\0\0\0\x01\x90"), CODEC_ETYPE, "array"},
    {BYTES("\0\0\0\x02\x91\xa0"), CODEC_ETYPE, "type"},
    {BYTES("\0\0\0\x02\x91\xff"), CODEC_ETYPE, "type"},
    {BYTES("\0\0\0\x02\x91\x00"), CODEC_ETYPE, "type 0"},
    {BYTES("\0\0\0\x02\x91\x63"), CODEC_ETYPE, "type 99"},
    {BYTES("\0\0\0\x0a\x91\xcf\xff\xff\xff\xff\xff\xff\xff\xff"), CODEC_ETYPE,
     "type 18446744073709551615"},
    {BYTES("\0\0\0\x02\x91\x21"), CODEC_ETYPE, "STARTED"},
    {BYTES("\0\0\0\x03\x92\x21\xff"), CODEC_ETYPE, "unsigned"},
    {BYTES("\0\0\0\x03\x92\x21\xa0"), CODEC_ETYPE, "unsigned"},
    {BYTES("\0\0\0\x03\x92\x13\x05"), CODEC_ETYPE, "str"},
    {BYTES("\0\0\0\x04\x93\x10\x01\x90"), CODEC_ETYPE, "map"},
    {BYTES("\0\0\0\x04\x93\x04\x01\x80"), CODEC_ETYPE, "element 1 of a SIGNAL frame is not a str"},
    {BYTES("\0\0\0\x04\x93\x04\xa0\xc0"), CODEC_ETYPE, "element 2 of a SIGNAL frame is not a map"},
    {BYTES("\0\0\0\x03\x92\x04\xa0"), CODEC_ETYPE, "a SIGNAL frame has 2 elements, not 3"},
    {BYTES("\0\0\0\x07\x96\x22\x01\0\0\x80\xa0"), CODEC_ETYPE, "bin"},
    {BYTES("\0\0\0\x03\x91\x03\x00"), CODEC_EINVALID, "behind"},
    {BYTES("\0\0\0\x03\x92\x21\xc1"), CODEC_EINVALID, "STARTED"},
    {BYTES("\0\0\0\x04\x92\x21\xcd\x01"), CODEC_EINVALID, "STARTED"},
    /* sizes that are declared but not there */
    {BYTES("\0\0\0\x08\x93\x10\x01\xdf\xff\xff\xff\xff"), CODEC_EINVALID, "HELLO"},
    {BYTES("\0\0\0\x0a\x93\x10\x01\x81\xa1\x61\xdd\xff\xff\xff"), CODEC_EINVALID, "HELLO"},
    {BYTES("\0\0\0\x0b\x93\x10\x01\x81\xa1\x61\xdd\xff\xff\xff\xff"), CODEC_EINVALID, "HELLO"},
    {BYTES("\0\0\0\x07\x92\x13\xdb\xff\xff\xff\xff"), CODEC_EINVALID, "ERROR"},
    {BYTES("\0\0\0\x07\xdd\xff\xff\xff\xff\x03\xc0"), CODEC_EINVALID, "added"},
    {BYTES("\0\0\0\x05\x94\x21\x05\xc0"
           "\xcd"),
     CODEC_EINVALID, "added"},
    {BYTES("\x08\x80\x00\x01"), CODEC_ETOOBIG, "142606337"},
    {BYTES("\xff\xff\xff\xff"), CODEC_ETOOBIG, "4294967295"},
};

static void refuses_what_is_no_frame(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct frame_reader reader;
        assert_true(frame_reader_init(&reader));
        feed(&reader, bad[i].bytes.data, bad[i].bytes.size);
        struct frame frame;
        struct codec_reason reason = {""};
        int rc = frame_reader_next(&reader, &frame, &reason);
        if (rc != bad[i].error || strstr(reason.text, bad[i].word) == NULL)
            print_message("case %zu: %d, %s\n", i, rc, reason.text);
        assert_int_equal(rc, bad[i].error);
        assert_non_null(strstr(reason.text, bad[i].word));
        frame_reader_done(&reader);
    }
}

static void ignores_elements_of_a_later_protocol(void **state)
{
    struct frame_reader *reader = *state;
    static const char bytes[] = "\0\0\0\x08\x93\x21\x05\x81\xa1k\x91\xc0\0\0\0\x04\x93\x03\x01\x02";
    struct frame frame;
    feed(reader, bytes, sizeof(bytes) - 1);
    assert_int_equal(frame_reader_next(reader, &frame, NULL), 1);
    assert_int_equal(frame_uint(&frame, 1), 5);
    assert_int_equal(frame_reader_next(reader, &frame, NULL), 1);
    assert_int_equal(frame.type, FRAME_LEAVE);
}

static void takes_any_integer_format_that_is_not_negative(void **state)
{
    struct frame_reader *reader = *state;
    static const char bytes[] =
        "\0\0\0\x04\x92\x21\xd0\x05\0\0\0\x0b\x92\x21\xd3\0\0\0\0\0\0\x01\x02"
        "\0\0\0\x04\x92\x21\xcc\x05";
    static const uint64_t expected[] = {5, 258, 5};
    feed(reader, bytes, sizeof(bytes) - 1);
    for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
        struct frame frame;
        assert_int_equal(frame_reader_next(reader, &frame, NULL), 1);
        assert_int_equal(frame_uint(&frame, 1), expected[i]);
    }
}

/* HELLO whose description nests `depth` maps or arrays, the description included. */
static int read_nested(size_t depth)
{
    uint8_t bytes[128] = {0, 0, 0, 0, 0x93, 0x10, 0x01, 0x81, 0xa0};
    size_t size = 9;
    for (size_t i = 1; i < depth; i++)
        bytes[size++] = 0x91;
    bytes[size++] = 0xc0;
    bytes[3] = (uint8_t)(size - 4);
    struct frame_reader reader;
    assert_true(frame_reader_init(&reader));
    feed(&reader, bytes, size);
    struct frame frame;
    int rc = frame_reader_next(&reader, &frame, NULL);
    frame_reader_done(&reader);
    return rc;
}

static void bounds_the_depth_of_a_map(void **state)
{
    (void)state;
    assert_int_equal(read_nested(2), 1);
    assert_int_equal(read_nested(32), 1);
    assert_int_equal(read_nested(33), CODEC_EDEPTH);
    assert_int_equal(read_nested(100), CODEC_EDEPTH);
}

/* HELLO whose description holds one array of `count` nils. */
static int read_wide(uint32_t count)
{
    struct frame_reader reader;
    uint8_t head[] = {0, 0, 0, 0, 0x93, 0x10, 0x01, 0x81, 0xa0, 0xdd, 0, 0, 0, 0};
    for (size_t i = 0; i < 4; i++) {
        head[i] = (uint8_t)((count + sizeof(head) - 4) >> (24 - 8 * i));
        head[10 + i] = (uint8_t)(count >> (24 - 8 * i));
    }
    uint8_t *nils = malloc(count);
    memset(nils, 0xc0, count);
    assert_true(frame_reader_init(&reader));
    feed(&reader, head, sizeof(head));
    feed(&reader, nils, count);
    free(nils);
    struct frame frame;
    int rc = frame_reader_next(&reader, &frame, NULL);
    frame_reader_done(&reader);
    return rc;
}

static void bounds_the_items_of_a_map(void **state)
{
    (void)state;
    assert_int_equal(read_wide(FRAME_ITEMS_MAX - 2), 1);
    assert_int_equal(read_wide(FRAME_ITEMS_MAX - 1), CODEC_ETOOBIG);
}

static void carries_a_large_body_and_gives_its_memory_back(void **state)
{
    struct frame_reader *reader = *state;
    enum { SIZE = 5 * 1024 * 1024 };
    struct buffer buffer;
    buffer_init(&buffer, FRAME_MAX);
    assert_int_equal(frame_write_job(&buffer, 1, 0, BYTES("\x80"), SIZE), 0);
    feed(reader, buffer.data, buffer.size);
    buffer_done(&buffer);
    size_t room;
    assert_non_null(frame_reader_room(reader, &room));
    assert_in_range(room, 64 * 1024, 1024 * 1024); /* 5 MiB are only announced yet */
    char *body = malloc(SIZE);
    memset(body, 'x', SIZE);
    body[SIZE - 1] = 'y';
    feed(reader, body, SIZE);
    free(body);
    struct frame frame;
    assert_int_equal(frame_reader_next(reader, &frame, NULL), 1);
    struct text text = frame_text(&frame, 4);
    assert_int_equal(text.size, SIZE);
    assert_int_equal(text.data[SIZE - 1], 'y');
    assert_int_equal(frame_reader_next(reader, &frame, NULL), 0);
    assert_true(reader->input.room <= 65536);
}

static void writers_refuse_what_is_beyond_the_limit(void **state)
{
    (void)state;
    struct buffer buffer;
    buffer_init(&buffer, FRAME_MAX);
    assert_int_equal(frame_write_leave(&buffer), 0);
    size_t size = buffer.size;
    assert_int_equal(frame_write_job(&buffer, 1, 0, BYTES("\x80"), FRAME_MAX), CODEC_ETOOBIG);
    assert_int_equal(frame_write_job(&buffer, 1, 0, BYTES("\x80"), SIZE_MAX), CODEC_ETOOBIG);
    struct frame_result result = {.report = {"", FRAME_MAX}};
    assert_int_equal(frame_write_result(&buffer, &result), CODEC_ETOOBIG);
    struct bytes arguments = {"", FRAME_MAX};
    assert_int_equal(frame_write_signal(&buffer, "x", arguments), CODEC_ETOOBIG);
    arguments.size = SIZE_MAX;
    assert_int_equal(frame_write_signal(&buffer, "x", arguments), CODEC_ETOOBIG);
    assert_int_equal(buffer.size, size);
    assert_int_equal(frame_write_job(&buffer, 1, 0, BYTES("\x80"), FRAME_MAX - 16), 0);
    buffer_done(&buffer);
}

/* Every truncation and every flipped bit is either refused or read as some frame; nothing is read
 * out of bounds (the sanitizers watch). */
static void survives_every_flipped_bit(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(golden); i++) {
        size_t size = golden[i].bytes.size;
        for (size_t bit = 0; bit < size * 8; bit++) {
            uint8_t *copy = malloc(size);
            memcpy(copy, golden[i].bytes.data, size);
            copy[bit / 8] ^= (uint8_t)(1U << bit % 8);
            struct frame_reader reader;
            assert_true(frame_reader_init(&reader));
            feed(&reader, copy, size);
            free(copy);
            struct frame frame;
            assert_true(frame_reader_next(&reader, &frame, NULL) <= 1);
            frame_reader_done(&reader);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_the_bytes_of_the_protocol),
        cmocka_unit_test_setup_teardown(reads_every_frame_byte_by_byte, setup, teardown),
        cmocka_unit_test_setup_teardown(gives_out_frames_that_came_in_one_read, setup, teardown),
        cmocka_unit_test_setup_teardown(gives_the_elements_of_a_job, setup, teardown),
        cmocka_unit_test_setup_teardown(gives_the_elements_of_a_signal, setup, teardown),
        cmocka_unit_test_setup_teardown(gives_the_usage_of_an_exit, setup, teardown),
        cmocka_unit_test(refuses_what_is_no_frame),
        cmocka_unit_test_setup_teardown(ignores_elements_of_a_later_protocol, setup, teardown),
        cmocka_unit_test_setup_teardown(takes_any_integer_format_that_is_not_negative, setup,
                                        teardown),
        cmocka_unit_test(bounds_the_depth_of_a_map),
        cmocka_unit_test(bounds_the_items_of_a_map),
        cmocka_unit_test_setup_teardown(carries_a_large_body_and_gives_its_memory_back, setup,
                                        teardown),
        cmocka_unit_test(writers_refuse_what_is_beyond_the_limit),
        cmocka_unit_test(survives_every_flipped_bit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
