/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the matching of task names, by Celery's rules: a pattern need not fit to the end of the
 * name. Publishes nothing. */

#include "worker/consumer/routing.h"

#include <stdbool.h>
#include <string.h>

/* With a step back to the last '*' where the rest does not fit. */
static bool fits(const char *pattern, struct text name)
{
    const char *retry = NULL;
    size_t at = 0, retry_at = 0;
    while (*pattern != '\0') {
        if (*pattern == '*' && at < name.size) {
            retry = ++pattern;
            retry_at = ++at;
        } else if (at < name.size && *pattern == name.data[at]) {
            pattern++;
            at++;
        } else if (retry != NULL && retry_at < name.size) {
            pattern = retry;
            at = ++retry_at;
        } else {
            return false;
        }
    }
    return true;
}

static bool is_pattern(const struct routing_rule *rule)
{
    return strchr(rule->pattern, '*') != NULL;
}

const char *routing_find(const struct routing_rule *rules, size_t count, struct text task)
{
    for (size_t i = 0; i < count; i++)
        if (!is_pattern(&rules[i]) && text_equal(task, rules[i].pattern))
            return rules[i].queue;
    for (size_t i = 0; i < count; i++)
        if (is_pattern(&rules[i]) && fits(rules[i].pattern, task))
            return rules[i].queue;
    return NULL;
}
