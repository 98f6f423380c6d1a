/* SPDX-License-Identifier: BSD-3-Clause */
/* What Celery sends for the same calls is compared in tests/interop/test_client_messages.py. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "client/message.h"

/* 2026-11-22T13:24:16.802253+00:00 */
static const int64_t now = INT64_C(1795353856802253);

static int make(const struct celeriac_call *call, struct message *message, struct report *report)
{
    const struct message_source source = {
        .call = call,
        .id = "id-1",
        .reply_to = "reply",
        .origin = "gen1@h",
        .serializer = serializer_by_name("json"),
        .now = now,
    };
    return message_init(message, &source, report);
}

static void assert_header(const struct message *message, const char *name, const char *text)
{
    struct text value;
    assert_true(value_as_text(value_get(message->wire.headers, name), &value));
    assert_true(text_equal(value, text));
}

static void assert_body(const struct message *message, const char *body, size_t size)
{
    assert_int_equal(message->wire.body.size, size);
    assert_memory_equal(message->wire.body.data, body, size);
}

static void times_are_written_as_old_workers_read_them(void **state)
{
    (void)state;
    static const struct {
        struct celeriac_call call;
        const char *header, *text, *expiration;
    } cases[] = {
        {{.task = "t", .eta = "2030-01-01"}, "eta", "2030-01-01T00:00:00.000000+00:00", NULL},
        {{.task = "t", .eta = "2030-01-01T12:00:00.5+0200"},
         "eta",
         "2030-01-01T10:00:00.500000+00:00",
         NULL},
        {{.task = "t", .countdown = 10}, "eta", "2026-11-22T13:24:26.802253+00:00", NULL},
        {{.task = "t", .countdown = 0.25}, "eta", "2026-11-22T13:24:17.052253+00:00", NULL},
        {{.task = "t", .expires = 60}, "expires", "2026-11-22T13:25:16.802253+00:00", "60000"},
        {{.task = "t", .expires_at = "2026-11-22T13:24:17.802253Z"},
         "expires",
         "2026-11-22T13:24:17.802253+00:00",
         "1000"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct message message;
        struct report report;
        assert_int_equal(make(&cases[i].call, &message, &report), 0);
        assert_header(&message, cases[i].header, cases[i].text);
        if (cases[i].expiration != NULL)
            assert_true(text_equal(message.wire.expiration, cases[i].expiration));
        else
            assert_null(message.wire.expiration.data);
        message_done(&message);
    }
}

static void encoded_arguments_keep_their_bytes(void **state)
{
    (void)state;
    static const char args[] = "\x92\x02\xc4\x02\xff\xfe";
    static const char body[] = "\x93\x92\x02\xc4\x02\xff\xfe\x80\x84\xa9"
                               "callbacks\xc0\xa8"
                               "errbacks\xc0\xa5"
                               "chain\xc0\xa5"
                               "chord\xc0";
    const struct celeriac_call call = {
        .task = "t",
        .encoded_args = {"application/x-msgpack", args, sizeof(args) - 1},
        .serializer = "msgpack",
    };
    struct message message;
    struct report report;
    assert_int_equal(make(&call, &message, &report), 0);
    assert_true(text_equal(message.wire.content_type, "application/x-msgpack"));
    assert_body(&message, body, sizeof(body) - 1);
    message_done(&message);
}

static void headers_of_the_callers_win(void **state)
{
    (void)state;
    const struct celeriac_call call = {.task = "t",
                                       .headers = "{\"lang\": \"c\", \"mine\": \"1\"}"};
    const struct celeriac_call plain = {.task = "t"};
    struct message message;
    struct report report;
    assert_int_equal(make(&call, &message, &report), 0);
    assert_header(&message, "lang", "c");
    assert_header(&message, "mine", "1");
    message_done(&message);
    assert_int_equal(make(&plain, &message, &report), 0);
    assert_header(&message, "lang", "py");
    message_done(&message);
}

static void a_transient_message_says_so(void **state)
{
    (void)state;
    const struct celeriac_call call = {.task = "t", .transient = true, .priority = 7};
    struct message message;
    struct report report;
    assert_int_equal(make(&call, &message, &report), 0);
    assert_int_equal(message.wire.delivery_mode, 1);
    assert_int_equal(message.wire.priority, 7);
    assert_true(text_equal(message.wire.reply_to, "reply"));
    message_done(&message);
}

static void refuses_what_cannot_be_sent(void **state)
{
    (void)state;
    static const struct {
        struct celeriac_call call;
        int error;
        const char *words;
    } cases[] = {
        {{.task = "t", .args = "[1"}, CELERIAC_CLIENT_EINVALID, "args: "},
        {{.task = "t", .args = "3"}, CELERIAC_CLIENT_EINVALID, "args takes"},
        {{.task = "t", .kwargs = "[]"}, CELERIAC_CLIENT_EINVALID, "kwargs takes"},
        {{.task = "t", .encoded_kwargs = {"application/x-msgpack", "\x81\x01\x02", 3}},
         CELERIAC_CLIENT_EINVALID,
         "keys are strings"},
        {{.task = "t", .encoded_args = {"text/plain", "x", 1}},
         CELERIAC_CLIENT_EUNSUPPORTED,
         "content type"},
        {{.task = "t", .encoded_args = {NULL, "x", 1}}, CELERIAC_CLIENT_EUNSUPPORTED, "args: "},
        {{.task = "t", .countdown = NAN}, CELERIAC_CLIENT_EINVALID, "countdown"},
        {{.task = "t", .expires = INFINITY}, CELERIAC_CLIENT_EINVALID, "expires"},
        {{.task = "t", .retries = -1}, CELERIAC_CLIENT_EINVALID, "retries"},
        {{.task = "t", .priority = 256}, CELERIAC_CLIENT_EINVALID, "priority"},
        {{.task = "t", .serializer = "yaml"}, CELERIAC_CLIENT_EUNSUPPORTED, "yaml"},
        {{.task = "t", .args = "[1180591620717411303424]", .serializer = "msgpack"},
         CELERIAC_CLIENT_EINVALID,
         "cannot be encoded as msgpack"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct message message;
        struct report report;
        assert_int_equal(make(&cases[i].call, &message, &report), cases[i].error);
        assert_non_null(strstr(report.text, cases[i].words));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_written_as_old_workers_read_them),
        cmocka_unit_test(encoded_arguments_keep_their_bytes),
        cmocka_unit_test(headers_of_the_callers_win),
        cmocka_unit_test(a_transient_message_says_so),
        cmocka_unit_test(refuses_what_cannot_be_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
