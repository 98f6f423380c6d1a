/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the loading of a task library and the checks on it: whatever is wrong ends the start with
 * one sentence. The only file that sees dlfcn.h. */

#include "worker/runtime/native/library.h"

#include <dlfcn.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/rate_limit.h"
#include "worker/runtime/native/builtin.h"

enum { NAME_MAX_SIZE = 255 }; /* bytes of a task's name: what an AMQP short string holds */

static bool refuse(char *error, const char *format, ...) PRINTF_LIKE(2, 3);
static bool refuse(char *error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error, LIBRARY_ERROR_SIZE, format, arguments);
    va_end(arguments);
    return false;
}

static bool check_descriptor(const struct celeriac_library *exported, const char *path, char *error)
{
    /* Nothing behind `abi` is known to be there unless the number is ours. */
    if (exported->abi != CELERIAC_ABI)
        return refuse(error,
                      "%s was built for ABI %u of celeriac/task.h, this worker speaks ABI %u: "
                      "build it again with the header of this worker",
                      path, (unsigned)exported->abi, (unsigned)CELERIAC_ABI);
    if (exported->definition_size > sizeof(struct celeriac_task_definition))
        return refuse(error,
                      "%s was built with a newer celeriac/task.h (%u bytes per task, this worker "
                      "knows %zu): upgrade the worker or build it again",
                      path, (unsigned)exported->definition_size,
                      sizeof(struct celeriac_task_definition));
    if (exported->task_count == 0 || exported->tasks == NULL)
        return refuse(error, "%s defines no tasks", path);
    return true;
}

static bool is_rate(const char *text)
{
    const msgpack_object value = text != NULL ? value_string(text) : value_nil();
    double rate;
    return rate_limit_read(&value, &rate, NULL) == 0;
}

static bool is_option_valid(enum celeriac_choice choice)
{
    return choice == CELERIAC_UNSET || choice == CELERIAC_YES || choice == CELERIAC_NO;
}

static bool check_retries(const struct celeriac_task_definition *definition, char *error)
{
    if (definition->retry_backoff < 0 || definition->retry_backoff_max < 0 ||
        !(definition->default_retry_delay >= 0) || isinf(definition->default_retry_delay))
        return refuse(error, "task %s: the delay of a retry is negative or no number",
                      definition->name);
    return true;
}

static bool check_definition(const struct celeriac_task_definition *definition, size_t index,
                             char *error)
{
    const char *name = definition->name;
    if (name == NULL || *name == '\0')
        return refuse(error, "task %zu of the library has no name", index + 1);
    if (strlen(name) > NAME_MAX_SIZE)
        return refuse(error, "the name of task %.40s... is longer than %d bytes", name,
                      NAME_MAX_SIZE);
    for (const char *at = name; *at != '\0'; at++) {
        if (*at <= ' ' || *at > '~')
            return refuse(error, "the name of task %zu holds a byte that is no printable ASCII",
                          index + 1);
    }
    if (definition->run == NULL)
        return refuse(error, "task %s has no function to run", name);
    if (!is_option_valid(definition->acks_late) || !is_option_valid(definition->ignore_result) ||
        !is_option_valid(definition->reject_on_worker_lost) ||
        !is_option_valid(definition->retry_jitter) || !is_option_valid(definition->track_started) ||
        !is_option_valid(definition->store_errors_even_if_ignored))
        return refuse(error, "task %s: an option is neither CELERIAC_YES nor CELERIAC_NO", name);
    if (!(definition->time_limit >= 0) || !(definition->soft_time_limit >= 0) ||
        isinf(definition->time_limit) || isinf(definition->soft_time_limit))
        return refuse(error, "task %s: a time limit is negative or no number", name);
    if (definition->max_retries < CELERIAC_RETRIES_UNLIMITED)
        return refuse(error, "task %s: max_retries is %d", name, definition->max_retries);
    if (!is_rate(definition->rate_limit))
        return refuse(error, "task %s: '%s' is no rate limit", name, definition->rate_limit);
    return check_retries(definition, error);
}

static bool read_task(const struct celeriac_task_definition *definition, size_t index,
                      struct library_task *ret, char *error)
{
    char reason[LIBRARY_ERROR_SIZE / 2];
    if (!check_definition(definition, index, error))
        return false;
    struct library_task task = {.definition = *definition};
    const char *dot = strrchr(definition->name, '.');
    task.function = dot != NULL && dot[1] != '\0' ? dot + 1 : definition->name;
    task.has_signature = definition->signature != NULL;
    if (task.has_signature &&
        !signature_parse(definition->signature, &task.signature, reason, sizeof(reason)))
        return refuse(error, "task %s: %s", definition->name, reason);
    *ret = task;
    return true;
}

static int compare_tasks(const void *left, const void *right)
{
    const struct library_task *one = left, *other = right;
    return strcmp(one->definition.name, other->definition.name);
}

static bool add_task(const struct celeriac_task_definition *definition, size_t index,
                     struct library *library, char *error)
{
    if (!read_task(definition, index, &library->tasks[library->count], error))
        return false;
    library->count++;
    return true;
}

static bool defines(const struct library *library, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        const char *other = library->tasks[i].definition.name;
        if (other != NULL && strcmp(other, name) == 0)
            return true;
    }
    return false;
}

/* Celery's own tasks, but for those that the library defines itself. */
static bool add_builtins(struct library *library, char *error)
{
    size_t builtin_count, own = library->count;
    const struct celeriac_task_definition *builtins = builtin_tasks(&builtin_count);
    for (size_t i = 0; i < builtin_count; i++) {
        if (!defines(library, own, builtins[i].name) && !add_task(&builtins[i], i, library, error))
            return false;
    }
    return true;
}

static bool read_tasks(const struct celeriac_library *exported, struct library *library,
                       char *error)
{
    const char *at = (const char *)exported->tasks;
    size_t builtin_count;
    (void)builtin_tasks(&builtin_count);
    library->tasks = calloc(exported->task_count + builtin_count, sizeof(*library->tasks));
    if (library->tasks == NULL)
        return refuse(error, "out of memory for %zu tasks", exported->task_count);
    for (size_t i = 0; i < exported->task_count; i++, at += exported->definition_size) {
        /* What an older header does not have is unset. */
        struct celeriac_task_definition definition = {.name = NULL};
        memcpy(&definition, at, exported->definition_size);
        if (!add_task(&definition, i, library, error))
            return false;
    }
    if (!add_builtins(library, error))
        return false;
    qsort(library->tasks, library->count, sizeof(*library->tasks), compare_tasks);
    for (size_t i = 1; i < library->count; i++) {
        if (compare_tasks(&library->tasks[i - 1], &library->tasks[i]) == 0)
            return refuse(error, "two tasks have the name %s", library->tasks[i].definition.name);
    }
    return true;
}

/* A name without a slash is a file here, as everywhere else, not one of the system's libraries. */
static void *load(const char *path)
{
    char local[PATH_MAX];
    dlerror();
    if (strchr(path, '/') != NULL)
        return dlopen(path, RTLD_NOW | RTLD_LOCAL);
    snprintf(local, sizeof(local), "./%s", path);
    return dlopen(local, RTLD_NOW | RTLD_LOCAL);
}

bool library_open(const char *path, struct library *ret, char *error)
{
    struct library library = {.tasks = NULL};
    library.handle = load(path);
    if (library.handle == NULL)
        return refuse(error, "cannot load the task library: %s", dlerror());
    const struct celeriac_library *exported = dlsym(library.handle, "celeriac_library");
    if (exported == NULL)
        return refuse(error, "%s is no task library: it does not use CELERIAC_TASKS", path);
    if (!check_descriptor(exported, path, error) || !read_tasks(exported, &library, error)) {
        library_done(&library);
        return false;
    }
    *ret = library;
    return true;
}

void library_done(struct library *library)
{
    for (size_t i = 0; i < library->count; i++) {
        if (library->tasks[i].has_signature)
            signature_done(&library->tasks[i].signature);
    }
    free(library->tasks);
    library->tasks = NULL;
    library->count = 0;
}

static int compare_text(struct text text, const char *name)
{
    size_t size = strlen(name);
    int order = memcmp(text.data, name, text.size < size ? text.size : size);
    if (order != 0)
        return order;
    return (text.size > size) - (text.size < size);
}

const struct library_task *library_find(const struct library *library, struct text name)
{
    size_t low = 0, high = library->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct library_task *task = &library->tasks[middle];
        int order = compare_text(name, task->definition.name);
        if (order == 0)
            return task;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}
