/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the text of overrides. Knows no setting. */

#include "worker/cli/overrides.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "(int)3": the runtime casts, we read the text. */
static const char *skip_type(const char *value)
{
    if (value[0] != '(')
        return value;
    size_t size = 1;
    while (isalnum((unsigned char)value[size]) || value[size] == '_')
        size++;
    return size > 1 && value[size] == ')' ? value + size + 1 : value;
}

bool override_split(const char *argument, struct override_parts *ret)
{
    const char *equals = strchr(argument, '=');
    if (equals == NULL || equals == argument)
        return false;
    const char *space = argument[0] == '_' || argument[0] == '.' ? "worker" : "";
    int size =
        snprintf(ret->name, sizeof(ret->name), "%s%.*s", space, (int)(equals - argument), argument);
    if (size >= OVERRIDE_NAME_SIZE)
        return false;
    for (char *c = ret->name; *c != '\0'; c++)
        *c = *c == '.' ? '_' : (char)tolower((unsigned char)*c);
    ret->value = skip_type(equals + 1);
    return true;
}

bool overrides_add(struct overrides *overrides, enum setting_source source, const char *text)
{
    struct override *items = reallocarray(overrides->items, overrides->count + 1, sizeof(*items));
    if (items == NULL)
        return false;
    overrides->items = items;
    char *copy = strdup(text);
    if (copy == NULL)
        return false;
    items[overrides->count++] = (struct override){source, copy};
    return true;
}

void overrides_done(struct overrides *overrides)
{
    for (size_t i = 0; i < overrides->count; i++)
        free(overrides->items[i].text);
    free(overrides->items);
    *overrides = (struct overrides){0};
}
