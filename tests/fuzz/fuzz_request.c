/* SPDX-License-Identifier: BSD-3-Clause */
/* Any request and any body as a job of the native runtime: whatever comes, there is a report, and
 * what is reported to be a result has a document. The input is a msgpack array of a request and a
 * body. */

#include <stdlib.h>
#include <string.h>

#include "codec/frame.h"
#include "codec/value.h"
#include "worker/log/log.h"
#include "worker/runtime/native/job.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static int echo(struct celeriac_task *task)
{
    struct celeriac_value *list = celeriac_make_list(task);
    celeriac_list_append(task, list, celeriac_args(task));
    celeriac_list_append(task, list, celeriac_arg(task, "rest"));
    celeriac_list_append(task, list, celeriac_arg(task, "options"));
    celeriac_list_append(task, list, celeriac_make_string(task, celeriac_request(task)->task));
    return celeriac_return(task, list);
}

static int add(struct celeriac_task *task)
{
    double x = 0, y = 0;
    if (!celeriac_arg_double(task, "x", &x) || !celeriac_arg_double(task, "y", &y))
        return CELERIAC_FAILED;
    return celeriac_return_double(task, x + y);
}

static void make_library(struct library *library)
{
    static struct library_task tasks[] = {
        {.definition = {.name = "add", .run = add}, .function = "add", .has_signature = true},
        {.definition = {.name = "echo", .run = echo}, .function = "echo", .has_signature = true},
    };
    char error[LIBRARY_ERROR_SIZE];
    *library = (struct library){.tasks = tasks, .count = ARRAY_LEN(tasks)};
    if (tasks[0].signature.parameters != NULL)
        return;
    if (!signature_parse("x: float, *, y: float = ...", &tasks[0].signature, error,
                         sizeof(error)) ||
        !signature_parse("first=..., *rest, **options", &tasks[1].signature, error, sizeof(error)))
        abort();
}

static void ignore_start(void *context)
{
    (void)context;
}

static bool publish(void *context, struct bytes message, struct bytes body)
{
    msgpack_object decoded;
    msgpack_zone zone;
    size_t offset = 0;
    (void)context;
    (void)body;
    if (!msgpack_zone_init(&zone, 1024) ||
        msgpack_unpack(message.data, message.size, &offset, &zone, &decoded) !=
            MSGPACK_UNPACK_SUCCESS ||
        decoded.type != MSGPACK_OBJECT_MAP)
        abort();
    msgpack_zone_destroy(&zone);
    return true;
}

static bool store(void *context, struct text task_id, struct text state, struct bytes document)
{
    bool *failed = context;
    (void)task_id;
    if (document.size == 0)
        abort();
    *failed |= text_equal(state, "FAILURE");
    return true;
}

static bool begin_chord(void *context, struct text group_id, uint64_t size, struct bytes group)
{
    (void)context;
    (void)group_id;
    (void)size;
    (void)group;
    return true;
}

static void run(const msgpack_object *request, struct text body)
{
    bool failed = false;
    const struct job_observer observer = {
        .on_start = ignore_start,
        .follow = {.publish = publish, .store = store, .chord = begin_chord, .context = &failed}};
    struct library library;
    struct job job;
    make_library(&library);
    if (!job_init(&job, &library) || !job_run(&job, 1, request, body, &observer))
        abort();
    msgpack_object report;
    size_t offset = 0;
    if (msgpack_unpack((const char *)job.report.data, job.report.size, &offset, &job.zone,
                       &report) != MSGPACK_UNPACK_SUCCESS)
        abort();
    struct text state;
    bool ignored = false, kept = false;
    value_as_bool(value_get(request, "ignore_result"), &ignored);
    if (!value_as_text(value_get(&report, "state"), &state))
        abort();
    bool has_result = text_equal(state, "SUCCESS") || text_equal(state, "FAILURE");
    value_as_bool(value_get(request, "store_errors_even_if_ignored"), &kept);
    bool is_record = value_get(request, "record") != NULL;
    if (!is_record && !kept && (job.document.size > 0 || failed) != (has_result && !ignored))
        abort();
    job_clear(&job);
    job_done(&job);
}

static bool feed(struct frame_reader *reader, const unsigned char *data, size_t size)
{
    const unsigned char head[] = {(unsigned char)(size >> 24), (unsigned char)(size >> 16),
                                  (unsigned char)(size >> 8), (unsigned char)size};
    const struct bytes parts[] = {{head, sizeof(head)}, {data, size}};
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        size_t room;
        void *at = frame_reader_room(reader, &room);
        if (at == NULL || room < parts[i].size)
            return false;
        if (parts[i].size > 0)
            memcpy(at, parts[i].data, parts[i].size);
        frame_reader_fill(reader, parts[i].size);
    }
    return true;
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    struct frame_reader reader;
    struct frame frame;
    log_init("Fuzz", LOG_CRITICAL);
    if (!frame_reader_init(&reader))
        return 0;
    if (feed(&reader, data, size) && frame_reader_next(&reader, &frame, NULL) == 1 &&
        frame.type == FRAME_JOB)
        run(frame_value(&frame, 3), frame_text(&frame, 4));
    frame_reader_done(&reader);
    return 0;
}
