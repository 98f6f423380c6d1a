/* SPDX-License-Identifier: BSD-3-Clause */
/* Tasks for test_queues.py: how they came, and where what they send goes. */

#include <celeriac/task.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

/* [exchange, routing key, priority, retries, redelivered, the loss header]. */
static int return_story(struct celeriac_task *task)
{
    const struct celeriac_request *request = celeriac_request(task);
    struct celeriac_value *story = celeriac_make_list(task);
    const struct celeriac_value *losses = celeriac_header(task, "x-worker-lost-count");
    celeriac_list_append(task, story, celeriac_make_string(task, request->exchange));
    celeriac_list_append(task, story, celeriac_make_string(task, request->routing_key));
    celeriac_list_append(task, story, celeriac_make_int(task, request->priority));
    celeriac_list_append(task, story, celeriac_make_int(task, request->retries));
    celeriac_list_append(task, story, celeriac_make_bool(task, request->redelivered));
    celeriac_list_append(task, story, celeriac_make_bool(task, losses != NULL));
    return celeriac_return(task, story);
}

static int look(struct celeriac_task *task)
{
    return return_story(task);
}

/* Kills its process unless the file is there already. */
static int crash_once(struct celeriac_task *task)
{
    const char *path;
    if (!celeriac_arg_string(task, "path", &path))
        return CELERIAC_FAILED;
    int fd = open(path, O_CREAT | O_EXCL | O_WRONLY, 0600);
    if (fd >= 0) {
        close(fd);
        raise(SIGKILL);
    }
    return return_story(task);
}

static int retry(struct celeriac_task *task)
{
    double countdown;
    int64_t times;
    if (!celeriac_arg_double(task, "countdown", &countdown) ||
        !celeriac_arg_int(task, "times", &times))
        return CELERIAC_FAILED;
    if (celeriac_request(task)->retries < times)
        return celeriac_retry(task, countdown, CELERIAC_RETRIES_UNLIMITED);
    return return_story(task);
}

static int send(struct celeriac_task *task)
{
    struct celeriac_call_options options = {0};
    if (!celeriac_arg_string(task, "queue", &options.queue) ||
        !celeriac_arg_double(task, "countdown", &options.countdown))
        return CELERIAC_FAILED;
    return celeriac_return_string(task,
                                  celeriac_send_task(task, "queues.look", NULL, NULL, &options));
}

CELERIAC_TASKS({.name = "queues.look", .run = look, .signature = ""},
               {.name = "queues.crash_once", .run = crash_once, .signature = "path: str"},
               {.name = "queues.retry", .run = retry, .signature = "countdown: float, times: int"},
               {.name = "queues.send", .run = send, .signature = "queue: str, countdown: float"})
