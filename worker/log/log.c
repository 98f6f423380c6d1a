/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the format of a log line and the way it leaves the process. Knows no task, no broker and no
 * option. */

#include "worker/log/log.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

enum { PROCESS_NAME_SIZE = 32 };

static struct {
    enum log_level lowest;
    char process_name[PROCESS_NAME_SIZE];
    unsigned long dropped; /* lines that found no room since the last one that did */
    time_t stamp_second;   /* what `stamp` shows: localtime once a second, not once a line */
    char stamp[32];
} state = {.lowest = LOG_WARNING, .process_name = "MainProcess"};

static const struct {
    const char *name;
    enum log_level level;
} level_names[] = {
    {"DEBUG", LOG_DEBUG},    {"INFO", LOG_INFO},         {"WARNING", LOG_WARNING},
    {"ERROR", LOG_ERROR},    {"CRITICAL", LOG_CRITICAL}, {"WARN", LOG_WARNING},
    {"FATAL", LOG_CRITICAL},
};

int log_level_by_name(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(level_names); i++) {
        if (strcasecmp(name, level_names[i].name) == 0)
            return (int)level_names[i].level;
    }
    return 0;
}

const char *log_level_name(enum log_level level)
{
    for (size_t i = 0; i < ARRAY_LEN(level_names); i++) {
        if (level_names[i].level == level)
            return level_names[i].name;
    }
    return "NOTSET";
}

void log_clean(char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            *text = ' ';
    }
}

void log_init(const char *process_name, enum log_level lowest)
{
    snprintf(state.process_name, sizeof(state.process_name), "%s", process_name);
    state.lowest = lowest;
}

bool log_enabled(enum log_level level)
{
    return level >= state.lowest;
}

static const char *stamp_of(time_t second)
{
    if (second != state.stamp_second || state.stamp[0] == '\0') {
        struct tm local;
        localtime_r(&second, &local);
        strftime(state.stamp, sizeof(state.stamp), "%Y-%m-%d %H:%M:%S", &local);
        state.stamp_second = second;
    }
    return state.stamp;
}

static size_t format_head(char *line, size_t size, enum log_level level)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    int length = snprintf(line, size, "[%s,%03ld: %s/%s] ", stamp_of(now.tv_sec),
                          now.tv_nsec / 1000000, log_level_name(level), state.process_name);
    return (size_t)length;
}

/* A pipe is writable when PIPE_BUF bytes (4096 on Linux) fit, so a line that was allowed here never
 * blocks. */
static bool stderr_has_room(void)
{
    struct pollfd stderr_poll = {.fd = STDERR_FILENO, .events = POLLOUT};
    return poll(&stderr_poll, 1, 0) == 1 && (stderr_poll.revents & POLLOUT) != 0;
}

static void write_line(const char *line, size_t size)
{
    ssize_t written;
    do {
        written = write(STDERR_FILENO, line, size);
    } while (written < 0 && errno == EINTR);
}

static void report_dropped(void)
{
    char line[256];
    size_t size = format_head(line, sizeof(line), LOG_WARNING);
    size += (size_t)snprintf(line + size, sizeof(line) - size,
                             "%lu log lines were dropped: the reader of stderr did not keep up\n",
                             state.dropped);
    state.dropped = 0;
    write_line(line, size);
}

void log_line(enum log_level level, const char *format, ...)
{
    if (!log_enabled(level))
        return;
    int saved_errno = errno;
    char line[LOG_LINE_MAX];
    size_t size = format_head(line, sizeof(line), level);
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line + size, sizeof(line) - size, format, arguments);
    va_end(arguments);
    if (length < 0)
        length = 0;
    if (size + (size_t)length + 1 <= sizeof(line)) {
        size += (size_t)length;
        line[size++] = '\n';
    } else {
        static const char cut[] = {'.', '.', '.', '\n'};
        memcpy(line + sizeof(line) - sizeof(cut), cut, sizeof(cut));
        size = sizeof(line);
    }
    if (state.dropped > 0 && stderr_has_room())
        report_dropped();
    if (stderr_has_room())
        write_line(line, size);
    else
        state.dropped++;
    errno = saved_errno;
}
