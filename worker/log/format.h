/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_LOG_FORMAT_H
#define CELERIAC_LOG_FORMAT_H

/* A line's format, read once. */

#include <time.h>

#include "worker/log/log.h"

enum { FORMAT_PIECES_MAX = 48 };

struct format_piece {
    size_t start, size; /* of text as it is; size 0: an attribute */
    unsigned attribute; /* its place in the table */
    char conversion;    /* 's', 'd' or 'f' */
    bool left, zero;
    int width, precision; /* precision -1: none */
};

struct format {
    char text[LOG_FORMAT_MAX];
    struct format_piece pieces[FORMAT_PIECES_MAX];
    size_t count;
};

/* What a line is made of. */
struct format_record {
    enum log_level level;
    const char *process_name;
    const char *message;
    struct timespec now;
    const char *stamp; /* of `now`, to the second */
    double uptime;     /* seconds */
};

/* Celery's own format. */
#define FORMAT_STANDARD "[%(asctime)s: %(levelname)s/%(processName)s] %(message)s"

/* As log_set_format. On failure *ret is undefined. */
MUST_CHECK bool format_read(const char *text, struct format *ret, char *problem, size_t size);
/* Writes at most `size` bytes without a final '\0'; returns how many the whole line has. */
size_t format_write(const struct format *format, const struct format_record *record, char *ret,
                    size_t size);

#endif
