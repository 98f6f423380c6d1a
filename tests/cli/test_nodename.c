/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "worker/cli/nodename.h"

static void expands_as_celery_does(void **state)
{
    (void)state;
    static const struct {
        const char *text, *host, *expanded;
    } cases[] = {
        {"w1@%h", "george.example.com", "w1@george.example.com"},
        {"w1@%n", "george.example.com", "w1@george"},
        {"w1@%d", "george.example.com", "w1@example.com"},
        {"w1@%d", "george", "w1@"},
        {"w%i@%h%I", "george", "w0@george"},
        {"100%%", "george", "100%"},
        {"%x%p%", "george", "%x%p%"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char expanded[64];
        assert_int_equal(
            nodename_expand(cases[i].text, NULL, cases[i].host, expanded, sizeof(expanded)), 0);
        assert_string_equal(expanded, cases[i].expanded);
    }
}

static void a_name_without_at_is_a_host(void **state)
{
    (void)state;
    char name[64];
    assert_int_equal(nodename_make("w1.example.com", name, sizeof(name)), 0);
    assert_string_equal(name, "celery@w1.example.com");
    assert_int_equal(nodename_make("a@b", name, sizeof(name)), 0);
    assert_string_equal(name, "a@b");
    assert_int_equal(nodename_make(NULL, name, sizeof(name)), 0);
    assert_int_equal(strncmp(name, "celery@", 7), 0);
}

static void in_file_names_n_is_the_node(void **state)
{
    (void)state;
    char path[64];
    assert_int_equal(nodename_expand_file("/var/%n.%h.log", "w1@host.org", path, sizeof(path)), 0);
    assert_string_equal(path, "/var/w1.host.org.log");
    assert_int_equal(nodename_expand_file("/var/%p%I.%d", "w1@host.org", path, sizeof(path)), 0);
    assert_string_equal(path, "/var/w1@host.org.org");
}

static void what_does_not_fit_is_refused(void **state)
{
    (void)state;
    char name[8];
    assert_int_equal(nodename_expand("12345678", NULL, "h", name, sizeof(name)), -1);
    assert_int_equal(nodename_expand("1234567", NULL, "h", name, sizeof(name)), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(expands_as_celery_does),
        cmocka_unit_test(a_name_without_at_is_a_host),
        cmocka_unit_test(in_file_names_n_is_the_node),
        cmocka_unit_test(what_does_not_fit_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
