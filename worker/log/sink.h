/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_LOG_SINK_H
#define CELERIAC_LOG_SINK_H

/* Where lines go: stderr, or a file that may be moved away. */

#include <limits.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <time.h>

#include "codec/base.h"

struct sink {
    int fd;
    bool take_stderr;
    char path[PATH_MAX]; /* "": stderr */
    dev_t device;        /* which file `fd` is */
    ino_t inode;
    time_t looked; /* when the path was last compared with it */
};

/* As log_open. */
MUST_CHECK int sink_open(struct sink *sink, const char *path, bool take_stderr);
/* Opens the file anew if the path is another one now. */
void sink_refresh(struct sink *sink, time_t now);
/* Whether a line of 4096 bytes can be written without waiting. */
bool sink_has_room(const struct sink *sink);
void sink_write(const struct sink *sink, const char *line, size_t size);

#endif
