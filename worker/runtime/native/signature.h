/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_NATIVE_SIGNATURE_H
#define CELERIAC_NATIVE_SIGNATURE_H

/* A task's parameters, read from the text in its definition when the library is loaded. */

#include <stdbool.h>
#include <stddef.h>

#include "codec/value.h"
#include "include/celeriac/task.h"

enum { SIGNATURE_MAX = 64 }; /* parameters */

enum signature_kind {
    SIGNATURE_POSITIONAL, /* by position or by keyword */
    SIGNATURE_REST,       /* *args */
    SIGNATURE_KEYWORD,    /* by keyword only */
    SIGNATURE_OPTIONS,    /* **kwargs */
};

struct signature_parameter {
    struct text name; /* borrowed from the text of the signature */
    enum signature_kind kind;
    bool required;
    bool typed;
    enum celeriac_type type;
};

struct signature {
    struct signature_parameter *parameters; /* owned */
    size_t count;
    size_t positional; /* how many are SIGNATURE_POSITIONAL: they come first */
};

/* Reads "x: int, y = ..., *args, **kwargs"; the text must outlive *ret. False: `error` says what is
 * wrong with it. */
MUST_CHECK bool signature_parse(const char *text, struct signature *ret, char *error,
                                size_t error_size);
void signature_done(struct signature *signature);

/* The index of the parameter, or -1. */
int signature_find(const struct signature *signature, struct text name);

#endif
