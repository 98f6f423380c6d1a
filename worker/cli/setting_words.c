/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the words and numbers that settings are spelled with. Knows no setting. */

#include "worker/cli/setting_words.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool setting_bool(const char *text, bool *ret)
{
    static const struct {
        const char *word;
        bool value;
    } words[] = {{"true", true}, {"yes", true},  {"on", true}, {"1", true},    {"false", false},
                 {"no", false},  {"off", false}, {"0", false}, {"none", false}};
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (strcasecmp(text, words[i].word) == 0) {
            *ret = words[i].value;
            return true;
        }
    }
    return false;
}

bool setting_is_none(const char *text)
{
    return text[0] == '\0' || strcasecmp(text, "none") == 0;
}

/* By name, as kombu has it, or by number. */
bool setting_delivery_mode(const char *text, int *ret)
{
    if (strcmp(text, "1") == 0 || strcasecmp(text, "transient") == 0)
        *ret = 1;
    else if (strcmp(text, "2") == 0 || strcasecmp(text, "persistent") == 0 || setting_is_none(text))
        *ret = 2;
    else
        return false;
    return true;
}

bool setting_priority(const char *text, int *ret)
{
    if (setting_is_none(text)) {
        *ret = -1;
        return true;
    }
    char *end;
    long number = strtol(text, &end, 10);
    if (*end != '\0' || number < 0 || number > UINT8_MAX)
        return false;
    *ret = (int)number;
    return true;
}

bool setting_list_split(char *text, const char *separators, struct setting_list *ret)
{
    struct setting_list list = {.count = 0};
    char *rest;
    for (char *item = strtok_r(text, separators, &rest); item != NULL;
         item = strtok_r(NULL, separators, &rest)) {
        if (list.count == SETTING_LIST_MAX)
            return false;
        list.items[list.count++] = item;
    }
    *ret = list;
    return true;
}
