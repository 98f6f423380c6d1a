/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CLI_SETTING_WORDS_H
#define CELERIAC_CLI_SETTING_WORDS_H

/* How values of settings are spelled. */

#include <stdbool.h>
#include <stddef.h>

#include "codec/base.h"

enum { SETTING_LIST_MAX = 16 };

/* Names separated by commas; the strings live as long as the settings. */
struct setting_list {
    const char *items[SETTING_LIST_MAX];
    size_t count;
};

/* Cuts `text`, which the items then point into. False: more than SETTING_LIST_MAX of them, and *ret
 * is untouched. */
MUST_CHECK bool setting_list_split(char *text, const char *separators, struct setting_list *ret);

/* "true", "yes", "on", "1", and the opposite. False: none of them. */
MUST_CHECK bool setting_bool(const char *text, bool *ret);
/* "None", or nothing. */
bool setting_is_none(const char *text);
/* From 0 to 255; none: -1. */
MUST_CHECK bool setting_priority(const char *text, int *ret);
/* "transient" (1), "persistent" (2, as none), or the number. */
MUST_CHECK bool setting_delivery_mode(const char *text, int *ret);

#endif
