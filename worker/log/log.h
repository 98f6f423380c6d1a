/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_LOG_H
#define CELERIAC_LOG_H

/* Log lines in Celery's format, "[2026-11-22 13:25:40,612: INFO/MainProcess] text", or in the one
 * that the app sets, on stderr or in a file. Used by the main process and by the native runtime.
 * One line is one write of at most LOG_LINE_MAX bytes (but for CRITICAL, which is written whole),
 * so lines of several processes never mix. What the log is like is the only mutable global state of
 * the project. A reader of stderr that stalls never blocks us: a line that does not fit into the
 * pipe is dropped and counted, and the next one that fits tells how many were. */

#include <stdbool.h>
#include <stddef.h>

#include "codec/base.h"

enum { LOG_LINE_MAX = 4096, LOG_FORMAT_MAX = 1024 };

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
/* Writes to this file from now on instead of stderr, and opens it anew when it was moved away or
 * removed (looks at most once a second), for logrotate. `take_stderr`: stderr goes there too, for
 * processes that inherit it. `path` is copied. 0 or a negative errno. */
MUST_CHECK int log_open(const char *path, bool take_stderr);
/* Celery's colours around whole lines, by level. Off at first. */
void log_set_color(bool on);
/* Python's %-style format of a line, as of worker_log_format: any of asctime, created, levelname,
 * levelno, message, msecs, name, process, processName, relativeCreated, thread, threadName, with
 * flags, width and precision. Copied. False if it names another attribute or cannot be read, with
 * what is wrong in `problem`; then nothing has changed. */
MUST_CHECK bool log_set_format(const char *format, char *problem, size_t size);

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
