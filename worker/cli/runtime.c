/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the way from -A to a program to execute. Executes nothing. */

#include "worker/cli/runtime.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "worker/cli/version.h"

static bool ends_with(const char *text, const char *end)
{
    size_t size = strlen(text);
    return size >= strlen(end) && strcmp(text + size - strlen(end), end) == 0;
}

/* The runtimes lie beside us in a build folder, and in libexec/celeriac when installed. */
static int find_program(const char *name, char *ret, size_t size)
{
    char self[PATH_MAX - 64];
    ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);
    if (length < 0)
        return -1;
    self[length] = '\0';
    *strrchr(self, '/') = '\0';
    static const char *const places[] = {"%s/%s", "%s/../libexec/celeriac/%s"};
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(ret, size, places[i], self, name);
#pragma GCC diagnostic pop
        if (access(ret, X_OK) == 0)
            return 0;
    }
    snprintf(ret, size, "%s/%s", CELERIAC_LIBEXEC, name);
    return access(ret, X_OK);
}

static int check_app(const char *app, char error[RUNTIME_ERROR_SIZE])
{
    if (app == NULL) {
        snprintf(error, RUNTIME_ERROR_SIZE, "name the tasks to run: -A path/to/library.so");
        return -1;
    }
    if (!ends_with(app, ".so")) {
        snprintf(
            error, RUNTIME_ERROR_SIZE,
            "-A %.200s is no task library: this release runs C libraries (-A path/to/library.so), "
            "not Python applications yet",
            app);
        return -1;
    }
    if (access(app, R_OK) != 0) {
        snprintf(error, RUNTIME_ERROR_SIZE, "the task library %.300s cannot be read: %s", app,
                 strerror(errno));
        return -1;
    }
    return 0;
}

int runtime_choose(const char *app, enum log_level level, struct runtime *ret,
                   char error[RUNTIME_ERROR_SIZE])
{
    if (check_app(app, error) != 0)
        return -1;
    if (find_program("celeriac-native", ret->program, sizeof(ret->program)) != 0) {
        snprintf(error, RUNTIME_ERROR_SIZE,
                 "celeriac-native is neither beside celeriac nor in %s: is the installation whole?",
                 CELERIAC_LIBEXEC);
        return -1;
    }
    snprintf(ret->parent, sizeof(ret->parent), "%ld", (long)getpid());
    const char *argv[RUNTIME_ARGUMENTS] = {
        ret->program, "--parent", ret->parent, "--loglevel", log_level_name(level), app, NULL,
    };
    memcpy(ret->argv, argv, sizeof(argv));
    return 0;
}
