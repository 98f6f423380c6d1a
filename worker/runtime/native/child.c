/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns a child's life: its session, its signals, its loop. Knows nothing of what a job does. */

#include "worker/runtime/native/child.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "codec/buffer.h"
#include "codec/claims.h"
#include "codec/frame.h"
#include "worker/runtime/native/deaf.h"
#include "worker/runtime/native/forkserver.h"
#include "worker/runtime/native/job.h"
#include "worker/runtime/native/limits.h"
#include "worker/runtime/native/orphan.h"
#include "worker/runtime/native/wire.h"

enum { NAME_SIZE = 32 };

struct child {
    struct frame_reader reader;
    struct buffer output;
    struct job job;
    const struct frame *frame; /* the JOB that runs */
    struct claims *claims;     /* NULL: the main process sends a JOB only to an idle child */
    uint32_t frames;           /* JOB frames read so far */
    int memory_fd;             /* /proc/self/statm */
    uint64_t page_kib;
};

static const struct bytes nothing = {NULL, 0};

/* False: the main process is gone. */
static bool send_output(struct child *child, struct bytes tail)
{
    bool sent = wire_send(FORKSERVER_FD, buffer_bytes(&child->output), tail);
    buffer_clear(&child->output, SIZE_MAX);
    return sent;
}

static int fail(struct child *child, const char *text)
{
    buffer_clear(&child->output, SIZE_MAX);
    if (frame_write_error(&child->output, text) != 0 || !send_output(child, nothing))
        log_error("%s", text);
    return 1;
}

static uint64_t resident_kib(const struct child *child)
{
    char text[128];
    ssize_t size = pread(child->memory_fd, text, sizeof(text) - 1, 0);
    if (size <= 0)
        return 0;
    text[size] = '\0';
    char *resident;
    strtoull(text, &resident, 10);
    return strtoull(resident, NULL, 10) * child->page_kib;
}

static bool send_ready(struct child *child)
{
    return frame_write_ready(&child->output, resident_kib(child)) == 0 &&
           send_output(child, nothing);
}

static void on_start(void *context)
{
    struct child *child = context;
    if ((frame_uint(child->frame, 2) & FRAME_JOB_WANT_STARTED) == 0)
        return;
    /* If the main process is gone the task runs all the same, and reading finds out afterwards. */
    if (frame_write_started(&child->output, frame_uint(child->frame, 1)) != 0 ||
        !send_output(child, nothing))
        log_debug("STARTED could not be sent");
}

/* A frame whose last element is `tail`. A main process that is gone is found out by reading. */
static bool send_follow_up(struct child *child, int written, struct bytes tail)
{
    if (written != 0) {
        buffer_clear(&child->output, SIZE_MAX);
        return false;
    }
    if (!send_output(child, tail))
        log_debug("a follow-up could not be sent");
    return true;
}

static bool publish(void *context, struct bytes message, struct bytes body)
{
    struct child *child = context;
    return send_follow_up(
        child, frame_write_publish(&child->output, frame_uint(child->frame, 1), message, body.size),
        body);
}

static bool store(void *context, struct text task_id, struct text state, struct bytes document)
{
    struct child *child = context;
    return send_follow_up(child,
                          frame_write_store(&child->output, frame_uint(child->frame, 1), task_id,
                                            state, document.size),
                          document);
}

static bool begin_chord(void *context, struct text group_id, uint64_t size, struct bytes group)
{
    struct child *child = context;
    return send_follow_up(
        child,
        frame_write_chord(&child->output, frame_uint(child->frame, 1), group_id, size, group.size),
        group);
}

static bool send_result(struct child *child, const struct frame *frame)
{
    struct frame_result result = {.job = frame_uint(frame, 1),
                                  .report = buffer_bytes(&child->job.report),
                                  .document_size = child->job.document.size};
    if ((frame_uint(frame, 2) & FRAME_JOB_WANT_RSS) != 0)
        result.resident_kib = resident_kib(child);
    bool sent = frame_write_result(&child->output, &result) == 0 &&
                send_output(child, buffer_bytes(&child->job.document));
    job_clear(&child->job);
    return sent;
}

static bool run_job(struct child *child, const struct frame *frame)
{
    const struct job_observer observer = {
        .on_start = on_start,
        .context = child,
        .follow = {.publish = publish, .store = store, .chord = begin_chord, .context = child}};
    child->frame = frame;
    return job_run(&child->job, frame_uint(frame, 1), frame_value(frame, 3), frame_text(frame, 4),
                   &observer);
}

/* False: the main process has taken the job back. */
static bool claim(struct child *child)
{
    uint32_t frame = child->frames++;
    return child->claims == NULL || claims_begin(child->claims, frame);
}

/* False: the child cannot go on; *ret_status is the exit status. */
static bool on_job(struct child *child, const struct frame *frame, int *ret_status)
{
    if (!claim(child))
        return true;
    if (run_job(child, frame))
        return send_result(child, frame);
    *ret_status = fail(child, "out of memory for a result");
    return false;
}

/* One frame, or more bytes for it. True: go on; else *ret_status is the exit status. */
static bool step(struct child *child, int *ret_status)
{
    struct frame frame;
    struct codec_reason reason;
    int got = frame_reader_next(&child->reader, &frame, &reason);
    *ret_status = 0;
    if (got == 0)
        return wire_receive(FORKSERVER_FD, &child->reader) == WIRE_DATA;
    if (got < 0)
        *ret_status = fail(child, reason.text);
    else if (frame.type != FRAME_JOB && frame.type != FRAME_LEAVE)
        *ret_status = fail(child, "a frame that is none of a child's");
    else if (frame.type == FRAME_JOB)
        return on_job(child, &frame, ret_status);
    return false;
}

static int serve(struct child *child)
{
    int status = 0;
    if (!send_ready(child))
        return 0;
    while (step(child, &status))
        continue;
    return status;
}

static void set_signals(void)
{
    deaf_become();
    limits_install();
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* The socket goes where every process of a runtime has it, and blocks: a child has nothing else to
 * wait for. */
static void take_socket(int fd)
{
    if (fd != FORKSERVER_FD) {
        dup3(fd, FORKSERVER_FD, O_CLOEXEC);
        close(fd);
    }
    fcntl(FORKSERVER_FD, F_SETFL, 0);
}

/* Without it the child would begin what has been taken back: false, it cannot go on. Processes that
 * a task forks have nothing to do with it. */
static bool take_claims(struct child *child, int fd)
{
    if (fd < 0)
        return true;
    void *page = mmap(NULL, CLAIMS_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (page == MAP_FAILED)
        return false;
    madvise(page, CLAIMS_PAGE_SIZE, MADV_DONTFORK);
    child->claims = page;
    return true;
}

static void take_name(const struct child_config *config)
{
    char name[NAME_SIZE], title[NAME_SIZE + 16], short_name[NAME_SIZE];
    snprintf(name, sizeof(name), "ForkPoolWorker-%u", (unsigned)config->slot);
    snprintf(title, sizeof(title), "celeriac: %s", name);
    snprintf(short_name, sizeof(short_name), "celeriac-w%u", (unsigned)config->slot);
    title_set(&config->title, title, short_name);
    log_init(name, config->log_level);
}

static void release(struct child *child)
{
    job_done(&child->job);
    frame_reader_done(&child->reader);
    buffer_done(&child->output);
    close(child->memory_fd);
    if (child->claims != NULL)
        munmap(child->claims, CLAIMS_PAGE_SIZE);
}

int child_run(const struct child_config *config)
{
    struct child child = {.page_kib = (uint64_t)sysconf(_SC_PAGESIZE) / 1024};
    setsid();
    orphan_watch(config->forkserver, config->main_process);
    set_signals();
    take_socket(config->fd);
    take_name(config);
    child.memory_fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    buffer_init(&child.output, FRAME_MAX);
    if (!take_claims(&child, config->claims_fd) || !frame_reader_init(&child.reader) ||
        !job_init(&child.job, config->library))
        return fail(&child, "out of memory for a child");
    int status = serve(&child);
    release(&child);
    return status;
}
