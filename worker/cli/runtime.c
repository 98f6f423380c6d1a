/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the table of runtimes, the places where they lie, and the native one's command line.
 * Executes nothing. */

#include "worker/cli/runtime.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "worker/cli/version.h"

/* The last one fits everything. */
static const struct runtime_kind *const kinds[] = {&runtime_native, &runtime_python};

const struct runtime_kind *runtime_kind_of(const char *app)
{
    size_t i = 0;
    while (i + 1 < ARRAY_LEN(kinds) && !kinds[i]->fits(app))
        i++;
    return kinds[i];
}

void runtime_add(struct runtime *runtime, const char *format, ...)
{
    if (runtime->count + 1 >= runtime->room) {
        size_t room = runtime->room * 2 + 16;
        const char **argv = reallocarray(runtime->argv, room, sizeof(*argv));
        if (argv == NULL) {
            runtime->broken = true;
            return;
        }
        runtime->argv = argv;
        runtime->room = room;
    }
    char *argument;
    va_list arguments;
    va_start(arguments, format);
    if (vasprintf(&argument, format, arguments) < 0) {
        argument = NULL;
        runtime->broken = true;
    }
    va_end(arguments);
    runtime->argv[runtime->count] = argument;
    runtime->count += argument != NULL;
    runtime->argv[runtime->count] = NULL;
}

/* `path` becomes the folder that it is in. */
static void leave_last(char *path)
{
    char *slash = strrchr(path, '/');
    if (slash != NULL)
        *slash = '\0';
}

bool runtime_find(const char *name, char *ret, size_t size)
{
    char folder[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", folder, sizeof(folder) - 1);
    if (length > 0) {
        folder[length] = '\0';
        leave_last(folder);
        snprintf(ret, size, "%s/%s", folder, name);
        if (access(ret, X_OK) == 0)
            return true;
        leave_last(folder);
        snprintf(ret, size, "%s/libexec/celeriac/%s", folder, name);
        if (access(ret, X_OK) == 0)
            return true;
    }
    snprintf(ret, size, "%s/%s", CELERIAC_LIBEXEC, name);
    return access(ret, X_OK) == 0;
}

int runtime_init(struct runtime *runtime, const struct runtime_kind *kind,
                 const struct options *options, const struct settings *settings,
                 const char *nodename, char error[RUNTIME_ERROR_SIZE])
{
    *runtime = (struct runtime){0};
    int rc = kind->fill(runtime, options, settings, nodename, error);
    if (rc == 0 && runtime->broken) {
        snprintf(error, RUNTIME_ERROR_SIZE, "out of memory");
        rc = -1;
    }
    return rc;
}

void runtime_done(struct runtime *runtime)
{
    for (size_t i = 0; i < runtime->count; i++)
        free((char *)runtime->argv[i]);
    free(runtime->argv);
    *runtime = (struct runtime){0};
}

/* ---- native ---- */

static bool fits_native(const char *app)
{
    static const char end[] = ".so";
    size_t size = app != NULL ? strlen(app) : 0;
    return size >= strlen(end) && strcmp(app + size - strlen(end), end) == 0;
}

static int fill_native(struct runtime *runtime, const struct options *options,
                       const struct settings *settings, const char *nodename,
                       char error[RUNTIME_ERROR_SIZE])
{
    (void)settings;
    (void)nodename;
    char program[PATH_MAX];
    if (access(options->app, R_OK) != 0) {
        snprintf(error, RUNTIME_ERROR_SIZE, "the task library %.300s cannot be read: %s",
                 options->app, strerror(errno));
        return -1;
    }
    if (!runtime_find("celeriac-native", program, sizeof(program))) {
        snprintf(error, RUNTIME_ERROR_SIZE,
                 "celeriac-native is neither beside celeriac nor in %s: is the installation whole?",
                 CELERIAC_LIBEXEC);
        return -1;
    }
    runtime_add(runtime, "%s", program);
    runtime_add(runtime, "--parent");
    runtime_add(runtime, "%ld", (long)getpid());
    runtime_add(runtime, "--loglevel");
    runtime_add(runtime, "%s", log_level_name(options->loglevel));
    runtime_add(runtime, "%s", options->app);
    return 0;
}

const struct runtime_kind runtime_native = {
    .name = "native",
    .fits = fits_native,
    .fill = fill_native,
};
