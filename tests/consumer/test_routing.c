/* SPDX-License-Identifier: BSD-3-Clause */
/* task_routes against what Celery's MapRoute does with the same names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "worker/consumer/routing.h"

static void assert_queue(const struct routing_rule *rules, size_t count, const char *task,
                         const char *expected)
{
    const char *queue = routing_find(rules, count, (struct text){task, strlen(task)});
    if (expected == NULL)
        assert_null(queue);
    else if (queue == NULL || strcmp(queue, expected) != 0)
        fail_msg("%s goes to %s, not to %s", task, queue != NULL ? queue : "nowhere", expected);
}

static void one_pattern_fits_as_in_celery(void **state)
{
    static const struct {
        const char *pattern, *task;
        bool fits;
    } rows[] = {
        {"feed.*", "feed.news", true},
        {"feed.*", "feed.", true},
        {"feed.*", "feeds.news", false},
        {"*.news", "feed.news", true},
        {"*.news", ".news", true},
        {"*.news", "feed.news.more", false},
        {"a*c*e", "abcde", true},
        {"a*c*e", "abcdef", false},
        {"a*c*e", "acce", true},
        {"a*c*e", "ace", true},
        {"a*bc", "abbbc", true},
        {"*", "x", true},
        {"*", "", true},
        {"f**", "f", true},
        {"feed.news", "feed.news", true},
        {"feed.news", "feed.news.x", false},
        {"feed?*", "feedsx", true},
        {"feed?*", "feed", false},
        {"f[eo]*", "food", true},
        {"f[!eo]*", "food", false},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct routing_rule rule = {rows[i].pattern, "q"};
        assert_queue(&rule, 1, rows[i].task, rows[i].fits ? "q" : NULL);
    }
}

static void a_name_goes_before_patterns_and_patterns_in_their_order(void **state)
{
    static const struct routing_rule rules[] = {
        {"a.*", "first"}, {"a.b.*", "second"}, {"a.b.c", "exact"}};
    (void)state;
    assert_queue(rules, 3, "a.b.c", "exact");
    assert_queue(rules, 3, "a.b.d", "first");
    assert_queue(rules, 3, "b", NULL);
    assert_queue(NULL, 0, "b", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_pattern_fits_as_in_celery),
        cmocka_unit_test(a_name_goes_before_patterns_and_patterns_in_their_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
