/* SPDX-License-Identifier: BSD-3-Clause */
/* Tasks that try what celeriac/task.h offers; compiled by the tests, as users do it. */

#include <celeriac/task.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int describe(struct celeriac_task *task)
{
    const struct celeriac_value *rest = celeriac_arg(task, "rest");
    struct celeriac_value *list = celeriac_make_list(task);
    for (size_t i = 0; i < celeriac_value_length(rest); i++) {
        const struct celeriac_value *value = celeriac_value_at(rest, i);
        struct celeriac_value *entry = celeriac_make_dict(task);
        celeriac_dict_set(task, entry, "type",
                          celeriac_make_string(task, celeriac_value_type_name(value)));
        int64_t number;
        if (celeriac_value_int(value, &number))
            celeriac_dict_set(task, entry, "int", celeriac_make_int(task, number));
        uint64_t natural;
        if (celeriac_value_uint(value, &natural))
            celeriac_dict_set(task, entry, "uint", celeriac_make_uint(task, natural));
        double real;
        if (celeriac_value_double(value, &real))
            celeriac_dict_set(task, entry, "double", celeriac_make_double(task, real));
        bool flag;
        if (celeriac_value_bool(value, &flag))
            celeriac_dict_set(task, entry, "bool", celeriac_make_bool(task, flag));
        const void *data;
        size_t size;
        if (celeriac_value_bytes(value, &data, &size))
            celeriac_dict_set(task, entry, "bytes", celeriac_make_bytes(task, data, size));
        if (celeriac_value_length(value) > 0)
            celeriac_dict_set(task, entry, "length",
                              celeriac_make_uint(task, celeriac_value_length(value)));
        if (celeriac_value_key_at(value, 0) != NULL)
            celeriac_dict_set(task, entry, "first_key", celeriac_value_key_at(value, 0));
        if (celeriac_value_get(value, "k") != NULL)
            celeriac_dict_set(task, entry, "k", celeriac_value_get(value, "k"));
        celeriac_list_append(task, list, entry);
    }
    return celeriac_return(task, list);
}

static int typed(struct celeriac_task *task)
{
    bool flag = true;
    int64_t number = 7;
    double real = 0.5;
    const char *text = "default";
    const void *data = "raw";
    size_t size = 3;
    if (!celeriac_arg_bool(task, "flag", &flag) || !celeriac_arg_int(task, "number", &number) ||
        !celeriac_arg_double(task, "real", &real) || !celeriac_arg_string(task, "text", &text) ||
        !celeriac_arg_bytes(task, "data", &data, &size))
        return CELERIAC_FAILED;
    struct celeriac_value *list = celeriac_make_list(task);
    celeriac_list_append(task, list, celeriac_make_bool(task, flag));
    celeriac_list_append(task, list, celeriac_make_int(task, number));
    celeriac_list_append(task, list, celeriac_make_double(task, real));
    celeriac_list_append(task, list, celeriac_make_string(task, text));
    celeriac_list_append(task, list, celeriac_make_string_n(task, data, size));
    celeriac_list_append(task, list, celeriac_make_none(task));
    return celeriac_return(task, list);
}

static int many(struct celeriac_task *task)
{
    int64_t count;
    if (!celeriac_arg_int(task, "count", &count))
        return CELERIAC_FAILED;
    struct celeriac_value *list = celeriac_make_list(task);
    struct celeriac_value *dict = celeriac_make_dict(task);
    for (int64_t i = 0; i < count; i++) {
        char key[32];
        snprintf(key, sizeof(key), "%lld", (long long)i);
        celeriac_list_append(task, list, celeriac_make_int(task, i));
        celeriac_dict_set(task, dict, key, celeriac_make_int(task, i));
    }
    celeriac_list_append(task, list, dict);
    return celeriac_return(task, list);
}

static int large(struct celeriac_task *task)
{
    int64_t mib;
    if (!celeriac_arg_int(task, "mib", &mib))
        return CELERIAC_FAILED;
    char *text = malloc((size_t)mib << 20);
    memset(text, 'x', (size_t)mib << 20);
    struct celeriac_value *value = celeriac_make_string_n(task, text, (size_t)mib << 20);
    free(text);
    return celeriac_return(task, value);
}

static void set(struct celeriac_task *task, struct celeriac_value *dict, const char *key,
                const char *text)
{
    if (text != NULL)
        celeriac_dict_set(task, dict, key, celeriac_make_string(task, text));
}

static int request(struct celeriac_task *task)
{
    const struct celeriac_request *self = celeriac_request(task);
    struct celeriac_value *dict = celeriac_make_dict(task);
    set(task, dict, "id", self->id);
    set(task, dict, "task", self->task);
    set(task, dict, "root_id", self->root_id);
    set(task, dict, "parent_id", self->parent_id);
    set(task, dict, "group", self->group);
    set(task, dict, "correlation_id", self->correlation_id);
    set(task, dict, "reply_to", self->reply_to);
    set(task, dict, "hostname", self->hostname);
    set(task, dict, "eta", self->eta);
    set(task, dict, "expires", self->expires);
    set(task, dict, "exchange", self->exchange);
    set(task, dict, "routing_key", self->routing_key);
    celeriac_dict_set(task, dict, "retries", celeriac_make_int(task, self->retries));
    celeriac_dict_set(task, dict, "priority", celeriac_make_int(task, self->priority));
    celeriac_dict_set(task, dict, "redelivered", celeriac_make_bool(task, self->redelivered));
    celeriac_dict_set(task, dict, "hard", celeriac_make_double(task, self->time_limit));
    celeriac_dict_set(task, dict, "soft", celeriac_make_double(task, self->soft_time_limit));
    celeriac_dict_set(task, dict, "mine", celeriac_header(task, "mine"));
    celeriac_dict_set(task, dict, "nobody's", celeriac_header(task, "nobody's"));
    return celeriac_return(task, dict);
}

static int log_task(struct celeriac_task *task)
{
    celeriac_log(task, CELERIAC_LOG_DEBUG, "not %s", "shown");
    celeriac_log(task, CELERIAC_LOG_WARNING, "row %d", 7);
    printf("printed\n");
    return celeriac_return_none(task);
}

static int fail_with(struct celeriac_task *task)
{
    const char *type;
    if (!celeriac_arg_string(task, "type", &type))
        return CELERIAC_FAILED;
    return celeriac_fail(task, type, "because of %d", 42);
}

static int forget(struct celeriac_task *task)
{
    int64_t number = 0;
    celeriac_arg_int(task, "number", &number);
    return celeriac_return_int(task, number);
}

static int silent(struct celeriac_task *task)
{
    (void)task;
    return 3;
}

static int unknown(struct celeriac_task *task)
{
    int64_t number;
    return celeriac_arg_int(task, "nobody", &number) ? CELERIAC_OK : CELERIAC_FAILED;
}

static int not_text(struct celeriac_task *task)
{
    return celeriac_return_string(task, "\xff\xfe");
}

static int fill_wrongly(struct celeriac_task *task)
{
    struct celeriac_value *number = celeriac_make_int(task, 1);
    celeriac_list_append(task, number, number);
    return celeriac_return(task, number);
}

static int deep(struct celeriac_task *task)
{
    struct celeriac_value *value = celeriac_make_list(task);
    for (int i = 0; i < 2000; i++) {
        struct celeriac_value *outer = celeriac_make_list(task);
        celeriac_list_append(task, outer, value);
        value = outer;
    }
    return celeriac_return(task, value);
}

static int wait_in_system_call(struct celeriac_task *task)
{
    if (usleep(900000) == 0)
        return celeriac_fail(task, "RuntimeError", "nothing has ended the call");
    if (errno != EINTR || !celeriac_soft_limit_reached(task))
        return celeriac_fail(task, "OSError", "%s", strerror(errno));
    return celeriac_return_string(task, "interrupted");
}

/* What becomes of a program: its exit status, or the signal that it dies of as a negative number.
 */
static int run_program(struct celeriac_task *task)
{
    const char *command;
    if (!celeriac_arg_string(task, "command", &command))
        return CELERIAC_FAILED;
    int status = system(command);
    return celeriac_return_int(task, WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status));
}

static int write_to_nobody(struct celeriac_task *task)
{
    int ends[2];
    if (pipe(ends) != 0)
        return celeriac_fail(task, "OSError", "%s", strerror(errno));
    close(ends[0]);
    ssize_t written = write(ends[1], "x", 1);
    int error = errno;
    close(ends[1]);
    return celeriac_return_string(task, written < 0 ? strerror(error) : "written");
}

static int read_slowly(struct celeriac_task *task)
{
    char byte;
    int ends[2];
    if (pipe(ends) != 0)
        return celeriac_fail(task, "OSError", "%s", strerror(errno));
    pid_t writer = fork();
    if (writer == 0) {
        usleep(500000);
        _exit(write(ends[1], "x", 1) == 1 ? 0 : 1);
    }
    ssize_t got = read(ends[0], &byte, 1);
    int error = errno;
    close(ends[0]);
    close(ends[1]);
    waitpid(writer, NULL, 0);
    return celeriac_return_string(task, got < 0 ? strerror(error) : "read");
}

static int forever(struct celeriac_task *task)
{
    /* A grandchild in the task's process group. */
    if (fork() == 0) {
        for (;;)
            pause();
    }
    celeriac_sleep(task, 1000);
    return CELERIAC_FAILED;
}

static int library_exit(struct celeriac_task *task)
{
    (void)task;
    exit(7);
}

CELERIAC_TASKS({.name = "api.describe", .run = describe, .signature = "*rest"},
               {.name = "api.typed",
                .run = typed,
                .signature = "flag=..., number=..., real=..., text=..., data=..."},
               {.name = "api.many", .run = many, .signature = "count: int"},
               {.name = "api.large", .run = large, .signature = "mib: int"},
               {.name = "api.request", .run = request, .signature = ""},
               {.name = "api.log", .run = log_task},
               {.name = "api.fail_with", .run = fail_with, .signature = "type: str"},
               {.name = "api.forget", .run = forget, .signature = "number"},
               {.name = "api.free", .run = forget}, {.name = "api.silent", .run = silent},
               {.name = "api.unknown", .run = unknown, .signature = ""},
               {.name = "api.not_text", .run = not_text},
               {.name = "api.fill_wrongly", .run = fill_wrongly}, {.name = "api.deep", .run = deep},
               {.name = "api.wait", .run = wait_in_system_call},
               {.name = "api.forever", .run = forever},
               {.name = "api.program", .run = run_program, .signature = "command: str"},
               {.name = "api.pipe", .run = write_to_nobody, .signature = ""},
               {.name = "api.read", .run = read_slowly, .signature = ""},
               {.name = "api.exit",
                .run = library_exit,
                .time_limit = 30,
                .acks_late = CELERIAC_NO,
                .max_retries = CELERIAC_RETRIES_UNLIMITED})
