/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/codec/support.h"

#include "codec/compression.h"
#include "codec/task_body.h"

enum { LIMIT = 10000 };

static struct task_body_source source_of(const char *body)
{
    return (struct task_body_source){.content_type = text_of("application/json"),
                                     .content_encoding = text_of("utf-8"),
                                     .body = bytes_of(body),
                                     .limit = LIMIT};
}

static int read(struct fixture *fixture, const struct task_body_source *source,
                struct task_body *ret)
{
    return task_body_read(source, &fixture->buffer, &fixture->zone, ret, &fixture->reason);
}

static void opens_what_celery_sends(void **state)
{
    struct fixture *fixture = *state;
    struct task_body_source source =
        source_of("[[2, 3], {\"x\": 4}, {\"callbacks\": [{\"task\": \"a\"}], \"errbacks\": null, "
                  "\"chain\": [], \"chord\": {\"task\": \"b\"}}]");
    struct task_body body;
    assert_int_equal(read(fixture, &source, &body), 0);
    assert_int_equal(body.args.via.array.size, 2);
    assert_true(value_get(&body.kwargs, "x")->via.u64 == 4);
    assert_int_equal(body.callbacks.via.array.size, 1);
    assert_true(value_is_nil(&body.errbacks));
    assert_int_equal(body.chain.type, MSGPACK_OBJECT_ARRAY);
    assert_non_null(value_get(&body.chord, "task"));
}

static void embed_may_be_null_or_lack_keys(void **state)
{
    struct fixture *fixture = *state;
    static const char *const bodies[] = {"[[], {}, null]", "[[], {}, {}]",
                                         "[[], {}, {\"chain\": null}]"};
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        struct task_body_source source = source_of(bodies[i]);
        struct task_body body;
        assert_int_equal(read(fixture, &source, &body), 0);
        assert_true(value_is_nil(&body.callbacks) && value_is_nil(&body.errbacks));
        assert_true(value_is_nil(&body.chain) && value_is_nil(&body.chord));
    }
}

static void names_what_has_the_wrong_shape(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *body, *reason;
    } cases[] = {
        {"null", "the body is no list of three (args, kwargs, embed)"},
        {"{}", "the body is no list of three (args, kwargs, embed)"},
        {"[[], {}]", "the body is no list of three (args, kwargs, embed)"},
        {"[[], {}, {}, {}]", "the body is no list of three (args, kwargs, embed)"},
        {"[null, {}, {}]", "args is no list but NoneType"},
        {"[{}, {}, {}]", "args is no list but dict"},
        {"[[], [], {}]", "kwargs is no dict but list"},
        {"[[], null, {}]", "kwargs is no dict but NoneType"},
        {"[[], {}, []]", "embed is no dict but list"},
        {"[[], {}, false]", "embed is no dict but bool"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct task_body_source source = source_of(cases[i].body);
        struct task_body body;
        assert_int_equal(read(fixture, &source, &body), CODEC_ETYPE);
        assert_string_equal(fixture->reason.text, cases[i].reason);
    }
}

static void kwargs_have_string_keys(void **state)
{
    struct fixture *fixture = *state;
    static const char *const bodies[] = {"\x93\x90\x81\x01\x02\xc0",
                                         "\x93\x90\x82\xa1k\x02\x01\x02\xc0"};
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        struct task_body_source source = source_of(bodies[i]);
        struct task_body body;
        source.content_type = text_of("application/x-msgpack");
        source.content_encoding = text_of("binary");
        assert_int_equal(read(fixture, &source, &body), CODEC_ETYPE);
        assert_string_equal(fixture->reason.text, "kwargs has a key that is no string");
    }
}

static void broken_bodies_are_invalid(void **state)
{
    struct fixture *fixture = *state;
    struct task_body_source source = source_of("[[], {}, {}");
    struct task_body body;
    assert_int_equal(read(fixture, &source, &body), CODEC_EINVALID);
    assert_string_equal(fixture->reason.text, "JSON: no ',' or ']' at byte 11");
    source.body = bytes_of("");
    assert_int_equal(read(fixture, &source, &body), CODEC_EINVALID);
}

static void encodings_of_utf8_text_are_known(void **state)
{
    struct fixture *fixture = *state;
    static const char *const known[] = {"utf-8", "UTF-8",  "utf8", "us-ascii",
                                        "ascii", "binary", ""};
    static const char *const unknown[] = {"utf-16", "latin-1", "utf-8x", "base64", "u"};
    struct task_body_source source = source_of("[[], {}, {}]");
    struct task_body body;
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        source.content_encoding = text_of(known[i]);
        assert_int_equal(read(fixture, &source, &body), 0);
    }
    for (size_t i = 0; i < ARRAY_LEN(unknown); i++) {
        source.content_encoding = text_of(unknown[i]);
        assert_int_equal(read(fixture, &source, &body), CODEC_EUNSUPPORTED);
    }
    source.content_encoding = (struct text){NULL, 0};
    assert_int_equal(read(fixture, &source, &body), 0);
}

static void names_what_it_does_not_support(void **state)
{
    struct fixture *fixture = *state;
    struct task_body body;
    struct task_body_source source = source_of("[[], {}, {}]");
    source.content_type = text_of("application/x-python-serialize");
    assert_int_equal(read(fixture, &source, &body), CODEC_EUNSUPPORTED);
    assert_string_equal(fixture->reason.text,
                        "content type 'application/x-python-serialize' is not supported");
    source.content_type = (struct text){NULL, 0};
    assert_int_equal(read(fixture, &source, &body), CODEC_EUNSUPPORTED);
    assert_string_equal(fixture->reason.text, "the message names no content type");
    source = source_of("[[], {}, {}]");
    source.compression = text_of("application/x-lz4");
    assert_int_equal(read(fixture, &source, &body), CODEC_EUNSUPPORTED);
    assert_string_equal(fixture->reason.text, "compression 'application/x-lz4' is not supported");
}

static void a_body_has_a_limit(void **state)
{
    struct fixture *fixture = *state;
    struct task_body body;
    struct task_body_source source = source_of("[[], {}, {}]");
    source.limit = 12;
    assert_int_equal(read(fixture, &source, &body), 0);
    source.limit = 11;
    assert_int_equal(read(fixture, &source, &body), CODEC_ETOOBIG);
    assert_string_equal(fixture->reason.text, "the body has more than 11 bytes");
}

/* "[[], {}, {}]" as Python's zlib compresses it. */
static const char compressed[] =
    "\x78\x9c\x8b\x8e\x8e\xd5\x51\xa8\xae\x05\xe1\x58\x00\x18\xd6\x03\xf9";

static void a_compressed_body_has_a_limit(void **state)
{
    struct fixture *fixture = *state;
    struct task_body body;
    struct task_body_source source = source_of("");
    source.body = (struct bytes){compressed, sizeof(compressed) - 1};
    source.compression = text_of("application/x-gzip");
    if (compression_find(source.compression) == NULL)
        skip();
    source.limit = 11;
    assert_int_equal(read(fixture, &source, &body), CODEC_ETOOBIG);
    assert_string_equal(fixture->reason.text,
                        "the body cannot be decompressed with zlib: too large");
    source.limit = 12;
    assert_int_equal(read(fixture, &source, &body), 0);
    assert_int_equal(body.args.type, MSGPACK_OBJECT_ARRAY);
    source.body.size--;
    assert_int_equal(read(fixture, &source, &body), CODEC_EINVALID);
}

static void leaves_the_result_alone_on_failure(void **state)
{
    struct fixture *fixture = *state;
    struct task_body_source source = source_of("[[], {}, 1]");
    struct task_body body = {.args = value_int(42)};
    assert_int_equal(read(fixture, &source, &body), CODEC_ETYPE);
    assert_true(body.args.via.u64 == 42);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(opens_what_celery_sends),
        FIXTURE_TEST(embed_may_be_null_or_lack_keys),
        FIXTURE_TEST(names_what_has_the_wrong_shape),
        FIXTURE_TEST(kwargs_have_string_keys),
        FIXTURE_TEST(broken_bodies_are_invalid),
        FIXTURE_TEST(encodings_of_utf8_text_are_known),
        FIXTURE_TEST(names_what_it_does_not_support),
        FIXTURE_TEST(a_body_has_a_limit),
        FIXTURE_TEST(a_compressed_body_has_a_limit),
        FIXTURE_TEST(leaves_the_result_alone_on_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
