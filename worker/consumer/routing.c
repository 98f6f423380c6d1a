/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the matching of task names, by Celery's rules. Publishes nothing. */

#include "worker/consumer/routing.h"

#include <fnmatch.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static bool is_pattern(const struct routing_rule *rule)
{
    return strchr(rule->pattern, '*') != NULL;
}

enum { NAME_SIZE = 1024 };

const char *routing_find(const struct routing_rule *rules, size_t count, struct text task)
{
    for (size_t i = 0; i < count; i++)
        if (!is_pattern(&rules[i]) && text_equal(task, rules[i].pattern))
            return rules[i].queue;
    char name[NAME_SIZE];
    snprintf(name, sizeof(name), "%.*s", (int)(task.size < NAME_SIZE ? task.size : NAME_SIZE - 1),
             task.data != NULL ? task.data : "");
    for (size_t i = 0; i < count; i++)
        if (is_pattern(&rules[i]) && fnmatch(rules[i].pattern, name, FNM_NOESCAPE) == 0)
            return rules[i].queue;
    return NULL;
}
