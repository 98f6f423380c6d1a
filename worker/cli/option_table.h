/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CLI_OPTION_TABLE_H
#define CELERIAC_CLI_OPTION_TABLE_H

/* The table of options: their names, what each does, what --help says. options.c reads argv and the
 * environment by it. */

#include "worker/cli/options.h"

struct option_parse {
    struct options *options;
    struct settings *settings;
    enum setting_source source; /* who speaks: SETTING_ENVIRONMENT or SETTING_OPTION */
    char problem[SETTINGS_MESSAGE_SIZE];
    enum options_answer answer;
};

enum option_effect {
    EFFECT_TEXT,    /* the value goes to the member of struct options at `offset` */
    EFFECT_FLAG,    /* the bool there becomes true */
    EFFECT_SETTING, /* the value is that of the setting `text` */
    EFFECT_CALL,    /* `call` does it */
    EFFECT_NONE,    /* what it asks for is what celeriac does anyway */
    EFFECT_WARN,    /* it has no effect, because of `text` */
    EFFECT_REFUSE,  /* it cannot be done, because of `text`, and going on would surprise */
};

/* Whose the option is; decides on its variable in the environment. */
enum option_scope {
    SCOPE_GLOBAL, /* CELERY_NAME */
    SCOPE_WORKER, /* CELERY_WORKER_NAME */
    SCOPE_OURS,   /* none */
};

struct option_row {
    char letter; /* 0: none */
    enum option_scope scope;
    const char *name;
    const char *argument; /* its name in --help; NULL: takes none */
    const char *variable; /* another one, which comes first */
    enum option_effect effect;
    size_t offset;
    const char *text;
    bool (*call)(struct option_parse *parse, const char *value);
    const char *help; /* NULL: another name of the row above */
};

extern const struct option_row option_table[];
extern const size_t option_count;

/* Does what the row says. `value` is NULL if it takes none. False with a sentence in
 * parse->problem. */
MUST_CHECK bool option_apply(struct option_parse *parse, const struct option_row *row,
                             const char *value);
void option_print_help(void);

#endif
