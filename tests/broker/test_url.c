/* SPDX-License-Identifier: BSD-3-Clause */
/* Broker URLs, as Celery reads them. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "broker/url.h"

static const struct {
    const char *text, *masked;
} good[] = {
    {"amqp://", "amqp://guest:**@127.0.0.1:5672//"},
    {"amqp://localhost", "amqp://guest:**@127.0.0.1:5672//"},
    {"AMQP://LocalHost/", "amqp://guest:**@127.0.0.1:5672//"},
    {"pyamqp://h:1/", "amqp://guest:**@h:1//"},
    {"librabbitmq://h//", "amqp://guest:**@h:5672//"},
    {"amqps://h", "amqps://guest:**@h:5671//"},
    {"amqp://u:p@rabbit.example:65535/wire", "amqp://u:**@rabbit.example:65535/wire"},
    {"amqp://u@h/%2f", "amqp://u:**@h:5672//"},
    {"amqp://a%40b:p%3Aq%2Fr@h/a%20b/c", "amqp://a@b:**@h:5672/a b/c"},
    {"amqp://u:p@q@h", "amqp://u:**@h:5672//"},
    {"amqp://[::1]:5673/x", "amqp://guest:**@[::1]:5673/x"},
    {"amqp://[fe80::1]", "amqp://guest:**@[fe80::1]:5672//"},
    {"amqp://h:/v?x=y#z", "amqp://guest:**@h:5672/v"},
    {"amqp://u:p@h?heartbeat=3", "amqp://u:**@h:5672//"},
    {"  amqp://h/v \n", "amqp://guest:**@h:5672/v"},
};

static void reads_urls_as_celery_does(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        struct broker_url urls[BROKER_URLS_MAX];
        char error[BROKER_URL_ERROR_SIZE] = "";
        char masked[1024];
        size_t count = 0;
        if (broker_urls_parse(good[i].text, urls, &count, error))
            fail_msg("%s: %s", good[i].text, error);
        assert_int_equal(count, 1);
        broker_url_masked(&urls[0], masked, sizeof(masked));
        assert_string_equal(masked, good[i].masked);
    }
}

static const struct {
    const char *text, *part;
} bad[] = {
    {"", "empty"},
    {" ; ;", "empty"},
    {"localhost", "amqp://"},
    {"redis://h", "scheme"},
    {"amqp://h:port", "port"},
    {"amqp://h:0", "port"},
    {"amqp://h:65536", "port"},
    {"amqp://h:99999999999999999999", "port"},
    {"amqp://u:se/cret@h/", "port"},
    {"amqp://[::1", "IPv6"},
    {"amqp://[::1]x", "IPv6"},
    {"amqp://%00@h", "user"},
    {"amqp://u:%00secret@h", "password"},
    {"amqp://h/%00", "virtual host"},
    {"amqp://h?heartbeat=secret", "heartbeat"},
    {"amqp://h?heartbeat=-1", "heartbeat"},
    {"amqp://h?connection_timeout=inf", "connection_timeout"},
    {"amqps://h?ssl_cert_reqs=maybe", "ssl_cert_reqs"},
    {"amqps://h?ssl_verify=1", "ssl_"},
    {"amqps://h?ssl_certfile=/c", "ssl_keyfile"},
    {"amqp://a;http://b", "number 2"},
};

static void refuses_bad_urls_and_never_shows_a_password(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct broker_url urls[BROKER_URLS_MAX];
        char error[BROKER_URL_ERROR_SIZE] = "";
        size_t count = 77;
        if (broker_urls_parse(bad[i].text, urls, &count, error) != -1)
            fail_msg("%s was taken", bad[i].text);
        if (!strstr(error, bad[i].part) || strstr(error, "cret"))
            fail_msg("%s: %s", bad[i].text, error);
        assert_int_equal(count, 77);
    }
}

static int parse_with_part_of(size_t size, const char *prefix, const char *suffix)
{
    struct broker_url urls[BROKER_URLS_MAX];
    char part[BROKER_URL_PART_MAX + 1] = "";
    char text[400];
    char error[BROKER_URL_ERROR_SIZE];
    size_t count = 0;
    memset(part, 'x', size);
    snprintf(text, sizeof(text), "%s%s%s", prefix, part, suffix);
    return broker_urls_parse(text, urls, &count, error);
}

static void refuses_parts_that_do_not_fit(void **state)
{
    static const struct {
        const char *prefix, *suffix;
    } shapes[] = {{"amqp://", ""},
                  {"amqp://", "@h"},
                  {"amqp://u:", "@h"},
                  {"amqp://h/", ""},
                  {"amqp://h?ssl_ca_certs=", ""}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(shapes); i++) {
        const char *prefix = shapes[i].prefix;
        const char *suffix = shapes[i].suffix;
        assert_int_equal(parse_with_part_of(BROKER_URL_PART_MAX - 1, prefix, suffix), 0);
        assert_int_equal(parse_with_part_of(BROKER_URL_PART_MAX, prefix, suffix), -1);
    }
}

static void keeps_the_secrets_it_reads(void **state)
{
    struct broker_url urls[BROKER_URLS_MAX];
    char error[BROKER_URL_ERROR_SIZE];
    size_t count = 0;
    (void)state;
    assert_int_equal(broker_urls_parse("amqp://u:p%3Aq%2F@h;amqp://u:@h", urls, &count, error), 0);
    assert_int_equal(count, 2);
    assert_string_equal(urls[0].password, "p:q/");
    assert_string_equal(urls[1].password, "guest");
}

static void reads_the_options_of_the_query(void **state)
{
    struct broker_url urls[BROKER_URLS_MAX];
    char error[BROKER_URL_ERROR_SIZE];
    size_t count = 0;
    (void)state;
    assert_int_equal(
        broker_urls_parse("amqps://h?heartbeat=12.5&connection_timeout=3&ssl_ca_certs=/a%20b+c"
                          "&ssl_certfile=c.pem&ssl_keyfile=k.pem&ssl_cert_reqs=CERT_NONE;amqps://h",
                          urls, &count, error),
        0);
    assert_true(urls[0].heartbeat == 12.5 && urls[0].connection_timeout == 3);
    assert_string_equal(urls[0].ca_file, "/a b c");
    assert_string_equal(urls[0].cert_file, "c.pem");
    assert_string_equal(urls[0].key_file, "k.pem");
    assert_false(urls[0].tls_verify);
    assert_true(urls[1].heartbeat == -1 && urls[1].connection_timeout == -1);
    assert_true(urls[1].tls_verify);
}

static void takes_sixteen_urls_and_no_more(void **state)
{
    static const char text[] = "amqp://;amqp://;amqp://;amqp://;amqp://;amqp://;amqp://;amqp://;"
                               "amqp://;amqp://;amqp://;amqp://;amqp://;amqp://;amqp://;amqp://;"
                               "amqp://";
    struct broker_url urls[BROKER_URLS_MAX];
    char sixteen[sizeof(text)];
    char error[BROKER_URL_ERROR_SIZE];
    size_t count = 0;
    (void)state;
    memcpy(sixteen, text, sizeof(text));
    sixteen[sizeof(text) - sizeof("amqp://")] = '\0';
    assert_int_equal(broker_urls_parse(sixteen, urls, &count, error), 0);
    assert_int_equal(count, 16);
    assert_int_equal(broker_urls_parse(text, urls, &count, error), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_urls_as_celery_does),
        cmocka_unit_test(refuses_bad_urls_and_never_shows_a_password),
        cmocka_unit_test(refuses_parts_that_do_not_fit),
        cmocka_unit_test(keeps_the_secrets_it_reads),
        cmocka_unit_test(reads_the_options_of_the_query),
        cmocka_unit_test(takes_sixteen_urls_and_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
