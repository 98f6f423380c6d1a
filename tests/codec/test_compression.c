/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/codec/support.h"

#include "codec/compression.h"

struct sample {
    const char *bytes;
    size_t size;
};

#define SAMPLE(bytes)                                                                              \
    {                                                                                              \
        bytes, sizeof(bytes) - 1                                                                   \
    }

static const char plain[] = "celery celery celery celery";

/* `plain` as Python's own libraries compress it by default. */
static const struct {
    const char *name;
    struct sample stream;
} streams[] = {
    {"zlib", SAMPLE("\x78\x9c\x4b\x4e\xcd\x49\x2d\xaa\x54\x48\xc6\x42\x01\x00\x91\x1f\x0a\x71")},
    {"bzip2", SAMPLE("\x42\x5a\x68\x39\x31\x41\x59\x26\x53\x59\x95\x6e\x36\xad\x00\x00\x01\x91"
                     "\x80\x40\x00\x0a\x04\x10\x20\x20\x00\x30\xc0\x02\xa8\x34\x71\x75\x84\x20"
                     "\xe3\xc5\xdc\x91\x4e\x14\x24\x25\x5b\x8d\xab\x40")},
    {"lzma", SAMPLE("\xfd\x37\x7a\x58\x5a\x00\x00\x04\xe6\xd6\xb4\x46\x02\x00\x21\x01\x16\x00"
                    "\x00\x00\x74\x2f\xe5\xa3\xe0\x00\x1a\x00\x0e\x5d\x00\x31\x99\x49\xda\xea"
                    "\x62\x94\xab\x21\x3e\xeb\xe0\x00\x00\x00\x00\x00\xb9\xa5\xb3\xd4\x43\x9b"
                    "\xa3\x20\x00\x01\x2a\x1b\xef\xb0\x88\xc5\x1f\xb6\xf3\x7d\x01\x00\x00\x00"
                    "\x00\x04\x59\x5a")},
    {"brotli", SAMPLE("\x1b\x1a\x00\xf8\x8d\x94\x6e\xde\xb4\x06\x19\x2b\xcb\x53\x6c\x72\x31\x4f"
                      "\x24\x50\xd3\x01")},
    {"zstd", SAMPLE("\x28\xb5\x2f\xfd\x20\x1b\x6d\x00\x00\x38\x63\x65\x6c\x65\x72\x79\x20\x01"
                    "\x00\xa2\x8b\x11")},
};

/* The ones that this build has. */
static size_t found(const struct compression *ret[ARRAY_LEN(streams)])
{
    size_t count = 0;
    for (size_t i = 0; i < ARRAY_LEN(streams); i++) {
        ret[count] = compression_find(text_of(streams[i].name));
        count += ret[count] != NULL;
    }
    return count;
}

static void finds_by_header_and_alias_in_any_case(void **state)
{
    (void)state;
    static const char *const names[][4] = {
        {"application/x-gzip", "zlib", "gzip", "ZLib"},
        {"application/x-bz2", "bzip2", "bzip", "BZIP2"},
        {"application/x-lzma", "lzma", "xz", "XZ"},
        {"application/x-brotli", "brotli", "Brotli", "APPLICATION/x-brotli"},
        {"application/zstd", "zstd", "zstandard", "Application/ZSTD"},
    };
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const struct compression *compression = compression_find(text_of(names[i][0]));
        if (compression != NULL)
            assert_string_equal(compression->header, names[i][0]);
        for (size_t k = 1; k < ARRAY_LEN(names[i]); k++)
            assert_ptr_equal(compression_find(text_of(names[i][k])), compression);
    }
}

static void finds_nothing_else(void **state)
{
    (void)state;
    static const char *const names[] = {"", "gz", "zli", "zlib2", "deflate", "application/"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        assert_null(compression_find(text_of(names[i])));
    assert_null(compression_find((struct text){NULL, 0}));
}

static void reads_what_python_writes(void **state)
{
    struct fixture *fixture = *state;
    for (size_t i = 0; i < ARRAY_LEN(streams); i++) {
        const struct compression *compression = compression_find(text_of(streams[i].name));
        if (compression == NULL)
            continue;
        struct bytes stream = exact_copy(fixture, streams[i].stream.bytes, streams[i].stream.size);
        buffer_clear(&fixture->buffer, SIZE_MAX);
        assert_int_equal(buffer_append(&fixture->buffer, "> ", 2), 0);
        assert_int_equal(compression->decompress(stream, &fixture->buffer), 0);
        assert_buffer_holds(&fixture->buffer, "> celery celery celery celery");
    }
}

static void refuses_every_truncation_and_every_tail(void **state)
{
    struct fixture *fixture = *state;
    for (size_t i = 0; i < ARRAY_LEN(streams); i++) {
        const struct compression *compression = compression_find(text_of(streams[i].name));
        if (compression == NULL)
            continue;
        const struct sample *stream = &streams[i].stream;
        for (size_t size = 0; size < stream->size; size++) {
            struct bytes cut = exact_copy(fixture, stream->bytes, size);
            assert_int_equal(compression->decompress(cut, &fixture->buffer), CODEC_EINVALID);
            assert_int_equal(fixture->buffer.size, 0);
        }
        struct bytes tail = exact_copy(fixture, stream->bytes, stream->size + 1);
        assert_int_equal(compression->decompress(tail, &fixture->buffer), CODEC_EINVALID);
    }
}

static void output_stops_at_the_limit(void **state)
{
    struct fixture *fixture = *state;
    size_t size = sizeof(plain) - 1;
    for (size_t i = 0; i < ARRAY_LEN(streams); i++) {
        const struct compression *compression = compression_find(text_of(streams[i].name));
        if (compression == NULL)
            continue;
        struct bytes stream = exact_copy(fixture, streams[i].stream.bytes, streams[i].stream.size);
        struct buffer small;
        buffer_init(&small, size - 1);
        assert_int_equal(compression->decompress(stream, &small), CODEC_ETOOBIG);
        assert_int_equal(small.size, 0);
        buffer_done(&small);
        buffer_init(&small, size);
        assert_int_equal(compression->decompress(stream, &small), 0);
        assert_bytes_equal(buffer_bytes(&small), plain, size);
        buffer_done(&small);
    }
}

/* A buffer that was used before may have more memory than the limit that was set on it afterwards.
 */
static void the_limit_counts_not_the_memory(void **state)
{
    struct fixture *fixture = *state;
    const struct compression *all[ARRAY_LEN(streams)];
    for (size_t i = 0; i < found(all); i++) {
        struct buffer packed;
        buffer_init(&packed, 1000);
        assert_int_equal(all[i]->compress((struct bytes){plain, sizeof(plain) - 1}, &packed), 0);
        buffer_clear(&fixture->buffer, SIZE_MAX);
        fixture->buffer.limit = 1000;
        assert_int_equal(buffer_reserve(&fixture->buffer, 1000), 0);
        fixture->buffer.limit = 20;
        assert_int_equal(all[i]->decompress(buffer_bytes(&packed), &fixture->buffer),
                         CODEC_ETOOBIG);
        buffer_done(&packed);
    }
}

static void a_bomb_costs_no_more_than_the_limit(void **state)
{
    (void)state;
    enum { BOMB_SIZE = 16 * 1024 * 1024, LIMIT = 100 * 1000 };
    char *zeros = calloc(1, BOMB_SIZE);
    assert_non_null(zeros);
    const struct compression *all[ARRAY_LEN(streams)];
    for (size_t i = 0; i < found(all); i++) {
        struct buffer bomb;
        struct buffer small;
        buffer_init(&bomb, BOMB_SIZE);
        buffer_init(&small, LIMIT);
        assert_int_equal(all[i]->compress((struct bytes){zeros, BOMB_SIZE}, &bomb), 0);
        assert_in_range(bomb.size, 1, BOMB_SIZE / 100);
        assert_int_equal(all[i]->decompress(buffer_bytes(&bomb), &small), CODEC_ETOOBIG);
        assert_in_range(small.room, 0, LIMIT);
        buffer_done(&bomb);
        buffer_done(&small);
    }
    free(zeros);
}

static void xz_streams_cannot_ask_for_a_gigabyte(void **state)
{
    struct fixture *fixture = *state;
    static const struct sample large_dictionary =
        SAMPLE("\xfd\x37\x7a\x58\x5a\x00\x00\x04\xe6\xd6\xb4\x46\x02\x00\x21\x01\x24\x00"
               "\x00\x00\x5e\x1f\xc7\xf9\x01\x00\x00\x78\x00\x00\x00\x00\x45\xae\xef\x83"
               "\xf8\xee\x16\x0a\x00\x01\x19\x01\xa5\x2c\x81\xcc\x1f\xb6\xf3\x7d\x01\x00"
               "\x00\x00\x00\x04\x59\x5a");
    const struct compression *lzma = compression_find(text_of("lzma"));
    struct bytes stream = {large_dictionary.bytes, large_dictionary.size};
    if (lzma != NULL)
        assert_int_equal(lzma->decompress(stream, &fixture->buffer), CODEC_ETOOBIG);
}

static void zstd_frames_cannot_ask_for_a_gigabyte(void **state)
{
    struct fixture *fixture = *state;
    /* magic number, no flags, a window of 2^30 bytes, an empty last block */
    static const struct sample large_window = SAMPLE("\x28\xb5\x2f\xfd\x00\xa0\x01\x00\x00");
    const struct compression *zstd = compression_find(text_of("zstd"));
    struct bytes stream = {large_window.bytes, large_window.size};
    if (zstd != NULL)
        assert_int_equal(zstd->decompress(stream, &fixture->buffer), CODEC_ETOOBIG);
}

/* Bytes that no compression makes much smaller, in several chunks. */
static void fill_with_noise(uint8_t *bytes, size_t size)
{
    uint32_t noise = 1;
    for (size_t i = 0; i < size; i++) {
        noise = noise * 1664525 + 1013904223;
        bytes[i] = (uint8_t)(noise >> 24);
    }
}

static void round_trips_any_size(void **state)
{
    (void)state;
    enum { SIZE_LARGEST = 300000 };
    static const size_t sizes[] = {0, 1, 100, 4095, 4096, 4097, 65536, SIZE_LARGEST};
    uint8_t *bytes = malloc(SIZE_LARGEST);
    assert_non_null(bytes);
    fill_with_noise(bytes, SIZE_LARGEST);
    const struct compression *all[ARRAY_LEN(streams)];
    size_t count = found(all);
    for (size_t i = 0; i < count * ARRAY_LEN(sizes); i++) {
        const struct compression *compression = all[i / ARRAY_LEN(sizes)];
        size_t size = sizes[i % ARRAY_LEN(sizes)];
        struct buffer packed;
        struct buffer again;
        buffer_init(&packed, SIZE_MAX);
        buffer_init(&again, size);
        assert_int_equal(compression->compress((struct bytes){bytes, size}, &packed), 0);
        assert_int_equal(compression->decompress(buffer_bytes(&packed), &again), 0);
        assert_int_equal(again.size, size);
        if (size > 0)
            assert_memory_equal(again.data, bytes, size);
        buffer_done(&packed);
        buffer_done(&again);
    }
    free(bytes);
}

static void compressing_stops_at_the_limit_too(void **state)
{
    (void)state;
    const struct compression *all[ARRAY_LEN(streams)];
    for (size_t i = 0; i < found(all); i++) {
        struct buffer small;
        buffer_init(&small, 5);
        assert_int_equal(all[i]->compress((struct bytes){plain, sizeof(plain) - 1}, &small),
                         CODEC_ETOOBIG);
        assert_int_equal(small.size, 0);
        buffer_done(&small);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_by_header_and_alias_in_any_case),
        cmocka_unit_test(finds_nothing_else),
        FIXTURE_TEST(reads_what_python_writes),
        FIXTURE_TEST(refuses_every_truncation_and_every_tail),
        FIXTURE_TEST(output_stops_at_the_limit),
        FIXTURE_TEST(the_limit_counts_not_the_memory),
        cmocka_unit_test(a_bomb_costs_no_more_than_the_limit),
        FIXTURE_TEST(xz_streams_cannot_ask_for_a_gigabyte),
        FIXTURE_TEST(zstd_frames_cannot_ask_for_a_gigabyte),
        cmocka_unit_test(round_trips_any_size),
        cmocka_unit_test(compressing_stops_at_the_limit_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
