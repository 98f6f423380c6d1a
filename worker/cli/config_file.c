/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the reading of --config: an INI file whose section [celery] holds settings, and whose
 * sections [queue NAME] are task_queues. */

#include <ini.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "worker/cli/settings.h"

enum {
    LINE_SIZE = 1024, /* inih reads lines of 200 bytes */
    SECTION_MAX = 48, /* and cuts the names of sections behind that */
};

static const char queue_prefix[] = "queue ";

struct reading {
    struct settings *settings;
    const char *path;
    char *message; /* "" until something is wrong */
};

static int fail(const struct reading *reading, const char *format, ...) PRINTF_LIKE(2, 3);

static int fail(const struct reading *reading, const char *format, ...)
{
    va_list arguments;
    int size = snprintf(reading->message, SETTINGS_MESSAGE_SIZE, "%.120s: ", reading->path);
    va_start(arguments, format);
    vsnprintf(reading->message + size, SETTINGS_MESSAGE_SIZE - (size_t)size, format, arguments);
    va_end(arguments);
    return 0;
}

static int on_queue(const struct reading *reading, const char *queue, const char *name,
                    const char *value)
{
    if (strlen(queue_prefix) + strlen(queue) > SECTION_MAX)
        return fail(reading,
                    "the name of the section [queue %.60s] is too long: give it a short one, and a "
                    "line name = ...",
                    queue);
    queue += strspn(queue, " ");
    if (!queue_lines_add(&reading->settings->queue_lines, queue, name, value))
        return fail(reading, "out of memory");
    return 1;
}

static int on_entry(void *user, const char *section, const char *name, const char *value)
{
    struct reading *reading = user;
    char problem[SETTINGS_MESSAGE_SIZE];
    if (strncmp(section, queue_prefix, strlen(queue_prefix)) == 0)
        return on_queue(reading, section + strlen(queue_prefix), name, value);
    if (strcmp(section, "celery") != 0)
        return fail(reading,
                    "the section [%.60s] is not known; settings belong to [celery], queues to "
                    "[queue NAME]",
                    section);
    char argument[LINE_SIZE];
    snprintf(argument, sizeof(argument), "%s=%s", name, value);
    if (settings_override(reading->settings, SETTING_FILE, argument, problem) != SETTINGS_ERROR)
        return 1;
    snprintf(reading->message, SETTINGS_MESSAGE_SIZE, "%.100s: %.150s", reading->path, problem);
    return 0;
}

int settings_read_file(struct settings *settings, const char *path,
                       char message[SETTINGS_MESSAGE_SIZE])
{
    message[0] = '\0';
    struct reading reading = {settings, path, message};
    int line = ini_parse(path, on_entry, &reading);
    if (line == 0)
        return 0;
    if (line == -1)
        snprintf(message, SETTINGS_MESSAGE_SIZE, "%.200s cannot be opened", path);
    else if (message[0] == '\0')
        snprintf(message, SETTINGS_MESSAGE_SIZE,
                 "%.180s, line %d: neither [section] nor name = value", path, line);
    return -1;
}
