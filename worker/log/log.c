/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns what a log line is made of and whether it is written. Knows no task, no broker and no
 * option. */

#include "worker/log/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "worker/log/format.h"
#include "worker/log/sink.h"

enum { PROCESS_NAME_SIZE = 32, PROBLEM_SIZE = 128, COLOR_SIZE = 7, COLOR_END_SIZE = 4 };

static struct {
    enum log_level lowest;
    char process_name[PROCESS_NAME_SIZE];
    struct format format; /* not read yet: no piece */
    struct sink sink;
    bool color;
    unsigned long dropped; /* lines that found no room since the last one that did */
    struct timespec start; /* of the process, as far as the log knows */
    time_t stamp_second;   /* what `stamp` shows: localtime once a second, not once a line */
    char stamp[32];
} state = {.lowest = LOG_WARNING, .process_name = "MainProcess", .sink = {.fd = STDERR_FILENO}};

static const struct {
    const char *name;
    enum log_level level;
    const char *color; /* Celery's, of COLOR_SIZE bytes; NULL: none */
} level_names[] = {
    {"DEBUG", LOG_DEBUG, "\033[1;34m"},
    {"INFO", LOG_INFO, NULL},
    {"WARNING", LOG_WARNING, "\033[1;33m"},
    {"ERROR", LOG_ERROR, "\033[1;31m"},
    {"CRITICAL", LOG_CRITICAL, "\033[1;35m"},
    {"WARN", LOG_WARNING, NULL},
    {"FATAL", LOG_CRITICAL, NULL},
};
static const char color_end[COLOR_END_SIZE] = {'\033', '[', '0', 'm'};

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

static const char *color_of(enum log_level level)
{
    for (size_t i = 0; state.color && i < ARRAY_LEN(level_names); i++) {
        if (level_names[i].level == level)
            return level_names[i].color;
    }
    return NULL;
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
    clock_gettime(CLOCK_REALTIME, &state.start);
}

int log_open(const char *path, bool take_stderr)
{
    return sink_open(&state.sink, path, take_stderr);
}

void log_set_color(bool on)
{
    state.color = on;
}

bool log_set_format(const char *text, char *problem, size_t size)
{
    struct format format;
    if (!format_read(text, &format, problem, size))
        return false;
    state.format = format;
    return true;
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

static struct format_record record_of(enum log_level level, const char *message)
{
    struct format_record record = {
        .level = level, .process_name = state.process_name, .message = message};
    clock_gettime(CLOCK_REALTIME, &record.now);
    record.stamp = stamp_of(record.now.tv_sec);
    record.uptime = (double)(record.now.tv_sec - state.start.tv_sec) +
                    (double)(record.now.tv_nsec - state.start.tv_nsec) / 1e9;
    return record;
}

/* A whole line with its newline, cut to `size`; returns its size. */
static size_t make_line(const struct format_record *record, char *ret, size_t size)
{
    static const char cut[] = {'.', '.', '.'};
    const char *color = color_of(record->level);
    size_t before = color != NULL ? COLOR_SIZE : 0;
    size_t after = (color != NULL ? COLOR_END_SIZE : 0) + 1;
    size_t room = size - before - after;
    size_t used = format_write(&state.format, record, ret + before, room);
    if (used > room) {
        memcpy(ret + before + room - sizeof(cut), cut, sizeof(cut));
        used = room;
    }
    if (color != NULL) {
        memcpy(ret, color, COLOR_SIZE);
        memcpy(ret + before + used, color_end, COLOR_END_SIZE);
    }
    ret[before + used + after - 1] = '\n';
    return before + used + after;
}

static void report_dropped(void)
{
    char message[96];
    char line[LOG_LINE_MAX];
    snprintf(message, sizeof(message),
             "%lu log lines were dropped: the reader of stderr did not keep up", state.dropped);
    struct format_record record = record_of(LOG_WARNING, message);
    size_t size = make_line(&record, line, sizeof(line));
    state.dropped = 0;
    sink_write(&state.sink, line, size);
}

static void write_message(enum log_level level, const char *message)
{
    char line[LOG_LINE_MAX];
    struct format_record record = record_of(level, message);
    sink_refresh(&state.sink, record.now.tv_sec);
    if (state.dropped > 0 && sink_has_room(&state.sink))
        report_dropped();
    if (!sink_has_room(&state.sink)) {
        state.dropped++;
        return;
    }
    size_t room = sizeof(line);
    char *whole = NULL;
    /* Why the app cannot be loaded is a traceback, and its end is what counts. */
    if (level >= LOG_CRITICAL) {
        room += strlen(message) + LOG_FORMAT_MAX;
        whole = malloc(room);
    }
    size_t size =
        whole != NULL ? make_line(&record, whole, room) : make_line(&record, line, sizeof(line));
    sink_write(&state.sink, whole != NULL ? whole : line, size);
    free(whole);
}

void log_line(enum log_level level, const char *format, ...)
{
    if (!log_enabled(level))
        return;
    int saved_errno = errno;
    char message[LOG_LINE_MAX + 1];
    char *whole = NULL;
    char problem[PROBLEM_SIZE];
    if (state.format.count == 0 &&
        !format_read(FORMAT_STANDARD, &state.format, problem, sizeof(problem)))
        return;
    va_list arguments;
    va_start(arguments, format);
    int length = level < LOG_CRITICAL ? vsnprintf(message, sizeof(message), format, arguments)
                                      : vasprintf(&whole, format, arguments);
    va_end(arguments);
    if (length >= 0)
        write_message(level, level < LOG_CRITICAL ? message : whole);
    if (length >= 0)
        free(whole);
    errno = saved_errno;
}
