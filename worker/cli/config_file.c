/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the reading of --config: an INI file whose section [celery] holds settings. */

#include <ini.h>
#include <stdio.h>
#include <string.h>

#include "worker/cli/settings.h"

enum { LINE_SIZE = 1024 }; /* inih reads lines of 200 bytes */

struct reading {
    struct settings *settings;
    const char *path;
    char *message; /* "" until something is wrong */
};

static int on_entry(void *user, const char *section, const char *name, const char *value)
{
    struct reading *reading = user;
    char problem[SETTINGS_MESSAGE_SIZE];
    if (strcmp(section, "celery") != 0) {
        snprintf(reading->message, SETTINGS_MESSAGE_SIZE,
                 "%.120s: the section [%.60s] is not known; settings belong to [celery]",
                 reading->path, section);
        return 0;
    }
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
