/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_LOG_H
#define CELERIAC_LOG_H

/* Log lines in Celery's format, on stderr: "[2026-11-22 13:25:40,612: INFO/MainProcess] text". Used
 * by the main process and by the native runtime. One line is one write of at most LOG_LINE_MAX
 * bytes, so lines of several processes never mix. The level is the only mutable global of the
 * project. A reader of stderr that stalls never blocks us: a line that does not fit into the pipe
 * is dropped and counted, and the next one that fits tells how many were. */

#include <stdbool.h>

#include "codec/base.h"

enum { LOG_LINE_MAX = 4096 };

/* Python's numbers. */
enum log_level {
    LOG_DEBUG = 10,
    LOG_INFO = 20,
    LOG_WARNING = 30,
    LOG_ERROR = 40,
    LOG_CRITICAL = 50,
};

/* Which process this is ("MainProcess", "ForkPoolWorker-3"; copied, 31 characters) and the lowest
 * level that is written. */
void log_init(const char *process_name, enum log_level lowest);
bool log_enabled(enum log_level level);
/* Newlines inside the text are kept (tracebacks); text beyond LOG_LINE_MAX is cut with "...". errno
 * is preserved. */
void log_line(enum log_level level, const char *format, ...) PRINTF_LIKE(2, 3);

#define log_debug(...)    (log_enabled(LOG_DEBUG) ? log_line(LOG_DEBUG, __VA_ARGS__) : (void)0)
#define log_info(...)     (log_enabled(LOG_INFO) ? log_line(LOG_INFO, __VA_ARGS__) : (void)0)
#define log_warning(...)  log_line(LOG_WARNING, __VA_ARGS__)
#define log_error(...)    log_line(LOG_ERROR, __VA_ARGS__)
#define log_critical(...) log_line(LOG_CRITICAL, __VA_ARGS__)

/* Blanks control characters in place: for text from outside (names, ids, properties), which could
 * forge lines otherwise. */
void log_clean(char *text);

/* "INFO" or "info" -> LOG_INFO; also WARN and FATAL. 0 if it is no level. */
int log_level_by_name(const char *name);
const char *log_level_name(enum log_level level);

#endif
