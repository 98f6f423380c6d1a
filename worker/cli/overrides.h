/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CLI_OVERRIDES_H
#define CELERIAC_CLI_OVERRIDES_H

/* Settings given as name=value: by --set, by arguments behind `worker`, by the lines of an INI
 * file. Read by the rule of Celery's command line: case and dots do not matter, a name that begins
 * with '_' belongs to the worker ("_concurrency=3"), and a value may name its type
 * ("(int)3"). */

#include <stdbool.h>
#include <stddef.h>

#include "codec/base.h"

/* Who names a setting; weakest first. */
enum setting_source {
    SETTING_DEFAULT,
    SETTING_APP,
    SETTING_FILE,
    SETTING_ENVIRONMENT,
    SETTING_SET, /* name=value on the command line */
    SETTING_OPTION,
};

enum { OVERRIDE_NAME_SIZE = 80 };

struct override_parts {
    char name[OVERRIDE_NAME_SIZE]; /* as the settings have it */
    const char *value;             /* without its type; points into the argument */
};

/* False if `argument` is not name=value, or the name is too long. */
MUST_CHECK bool override_split(const char *argument, struct override_parts *ret);

struct overrides {
    struct override {
        enum setting_source source;
        char *text; /* owned: name=value, as it was given */
    } * items;
    size_t count;
};

/* Copies `text`. False: out of memory. */
MUST_CHECK bool overrides_add(struct overrides *overrides, enum setting_source source,
                              const char *text);
void overrides_done(struct overrides *overrides);

#endif
