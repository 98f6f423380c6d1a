/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the file of what is revoked: when it is read and written. Knows no request and no command.
 */

#include "worker/consumer/statedb.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "codec/buffer.h"
#include "codec/state_file.h"
#include "worker/log/log.h"

enum {
    DELAY_MS = 250,   /* from a change to the write, so that many revokes are one write */
    RETRY_MS = 10000, /* after a write that failed */
};
#define FILE_MAX ((size_t)512 * 1024 * 1024)

struct statedb {
    char path[PATH_MAX], temporary[PATH_MAX + 8];
    struct revoked *ids, *stamps;
    uv_timer_t timer;
    uv_work_t work;
    struct buffer file; /* being written */
    int error;          /* of the write: 0 or an errno */
    bool changed, writing, failed;
    void (*closed)(void *context); /* set: to be closed */
    void *context;
};

/* ---- writing ---- */

static int write_all(int fd, const struct buffer *file)
{
    size_t done = 0;
    while (done < file->size) {
        ssize_t count = write(fd, file->data + done, file->size - done);
        if (count < 0 && errno != EINTR)
            return errno;
        if (count > 0)
            done += (size_t)count;
    }
    return fsync(fd) == 0 ? 0 : errno;
}

/* So that the new name is on the disk too. */
static int sync_folder(const char *path)
{
    char copy[PATH_MAX];
    snprintf(copy, sizeof(copy), "%s", path);
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int error = fd < 0 || fsync(fd) != 0 ? errno : 0;
    if (fd >= 0)
        close(fd);
    return error;
}

static int replace_file(const struct statedb *statedb)
{
    int fd = open(statedb->temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return errno;
    int error = write_all(fd, &statedb->file);
    if (close(fd) != 0 && error == 0)
        error = errno;
    if (error == 0 && rename(statedb->temporary, statedb->path) != 0)
        error = errno;
    return error != 0 ? error : sync_folder(statedb->path);
}

static void on_thread(uv_work_t *work)
{
    struct statedb *statedb = CONTAINER_OF(work, struct statedb, work);
    statedb->error = replace_file(statedb);
}

static void pack_set(msgpack_packer *packer, const char *name, const struct revoked *revoked)
{
    msgpack_pack_str(packer, strlen(name));
    msgpack_pack_str_body(packer, name, strlen(name));
    msgpack_pack_array(packer, revoked->count);
    for (const struct revoked_entry *entry = revoked->oldest; entry; entry = entry->newer) {
        msgpack_pack_array(packer, 2);
        msgpack_pack_bin(packer, entry->size);
        msgpack_pack_bin_body(packer, entry->key, entry->size);
        msgpack_pack_int64(packer, entry->since);
    }
}

struct sink {
    struct buffer *buffer;
    int error;
};

static int sink_write(void *data, const char *bytes, size_t size)
{
    struct sink *sink = data;
    if (sink->error == 0)
        sink->error = buffer_append(sink->buffer, bytes, size);
    return sink->error;
}

static int pack(struct statedb *statedb)
{
    struct sink sink = {&statedb->file, state_file_begin(&statedb->file)};
    msgpack_packer packer;
    if (sink.error != 0)
        return sink.error;
    msgpack_packer_init(&packer, &sink, sink_write);
    msgpack_pack_map(&packer, 2);
    pack_set(&packer, "revoked", statedb->ids);
    pack_set(&packer, "stamps", statedb->stamps);
    if (sink.error == 0)
        state_file_end(&statedb->file);
    return sink.error;
}

static void go_on(struct statedb *statedb);

static void report(struct statedb *statedb, const char *why)
{
    statedb->changed = true;
    statedb->failed = true;
    log_error("The state file %s cannot be written: %s. What was revoked since is kept in memory "
              "only",
              statedb->path, why);
}

static void on_written(uv_work_t *work, int status)
{
    struct statedb *statedb = CONTAINER_OF(work, struct statedb, work);
    statedb->writing = false;
    statedb->failed = false;
    buffer_done(&statedb->file);
    if (status != 0 || statedb->error != 0)
        report(statedb, strerror(status != 0 ? -status : statedb->error));
    go_on(statedb);
}

static void start_write(struct statedb *statedb)
{
    statedb->changed = false;
    int error = pack(statedb);
    if (error == 0 &&
        uv_queue_work(statedb->timer.loop, &statedb->work, on_thread, on_written) == 0) {
        statedb->writing = true;
        return;
    }
    buffer_done(&statedb->file);
    report(statedb, error != 0 ? codec_strerror(error) : "no thread takes it");
}

/* ---- when ---- */

static void on_timer(uv_timer_t *timer)
{
    start_write(CONTAINER_OF(timer, struct statedb, timer));
    go_on(CONTAINER_OF(timer, struct statedb, timer));
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct statedb *statedb = CONTAINER_OF(handle, struct statedb, timer);
    statedb->closed(statedb->context);
    free(statedb);
}

/* What is next: a write, a pause, or the end, for which one write is tried. */
static void go_on(struct statedb *statedb)
{
    bool closing = statedb->closed != NULL;
    if (statedb->writing || uv_is_closing((uv_handle_t *)&statedb->timer))
        return;
    if (closing && statedb->changed && !statedb->failed)
        start_write(statedb);
    if (statedb->writing)
        return;
    if (closing)
        uv_close((uv_handle_t *)&statedb->timer, on_timer_closed);
    else if (statedb->changed && !uv_is_active((uv_handle_t *)&statedb->timer))
        uv_timer_start(&statedb->timer, on_timer, statedb->failed ? RETRY_MS : DELAY_MS, 0);
}

void statedb_changed(struct statedb *statedb)
{
    if (statedb == NULL)
        return;
    statedb->changed = true;
    go_on(statedb);
}

void statedb_close(struct statedb *statedb, void (*closed)(void *context), void *context)
{
    statedb->closed = closed;
    statedb->context = context;
    statedb->failed = false;
    go_on(statedb);
}

/* ---- reading ---- */

static void read_set(const msgpack_object *entries, struct revoked *ret)
{
    const msgpack_object *entry;
    for (size_t i = 0; (entry = value_at(entries, i)) != NULL; i++) {
        struct text key;
        int64_t since;
        if (!value_as_bytes(value_at(entry, 0), &key) ||
            !value_as_int(value_at(entry, 1), &since) || !revoked_add(ret, key, since))
            log_warning("An entry of the state file cannot be read and is left out");
    }
}

static int set_aside(const struct statedb *statedb, const char *why, char error[STATEDB_ERROR_SIZE])
{
    char aside[PATH_MAX + 16];
    snprintf(aside, sizeof(aside), "%s.damaged", statedb->path);
    if (rename(statedb->path, aside) != 0) {
        snprintf(error, STATEDB_ERROR_SIZE,
                 "The state file is damaged (%s) and cannot be moved: %s", why, strerror(errno));
        return -1;
    }
    log_error("The state file %s is damaged (%s): it is now %s, and what was revoked before this "
              "start is not known any more",
              statedb->path, why, aside);
    return 0;
}

static int read_state(struct statedb *statedb, struct bytes file, char error[STATEDB_ERROR_SIZE])
{
    struct codec_reason reason;
    msgpack_object state;
    msgpack_zone zone;
    if (!msgpack_zone_init(&zone, MSGPACK_ZONE_CHUNK_SIZE)) {
        snprintf(error, STATEDB_ERROR_SIZE, "Out of memory");
        return -1;
    }
    int rc = state_file_read(file, &zone, &state, &reason);
    if (rc == 0) {
        read_set(value_get(&state, "revoked"), statedb->ids);
        read_set(value_get(&state, "stamps"), statedb->stamps);
    } else if (rc == CODEC_EINVALID) {
        rc = set_aside(statedb, reason.text, error);
    } else {
        snprintf(error, STATEDB_ERROR_SIZE,
                 "The state file %.200s cannot be used: %.200s. Celery's cannot be read here: name "
                 "another file",
                 statedb->path, rc == CODEC_ENOMEM ? "out of memory" : reason.text);
    }
    msgpack_zone_destroy(&zone);
    return rc;
}

static int read_open(struct statedb *statedb, int fd, char error[STATEDB_ERROR_SIZE])
{
    struct stat status;
    int rc = fstat(fd, &status) != 0 ? -errno : 0;
    size_t size = rc == 0 ? (size_t)status.st_size : 0, done = 0;
    if (rc == 0 && (!S_ISREG(status.st_mode) || size > FILE_MAX))
        rc = -EFBIG;
    char *data = rc == 0 ? malloc(size + 1) : NULL;
    if (rc == 0 && data == NULL)
        rc = -ENOMEM;
    while (rc == 0 && done < size) {
        ssize_t count = read(fd, data + done, size - done);
        if (count == 0)
            break;
        if (count < 0)
            rc = -errno;
        else
            done += (size_t)count;
    }
    if (rc != 0)
        snprintf(error, STATEDB_ERROR_SIZE, "The state file %.200s cannot be read: %s",
                 statedb->path, strerror(-rc));
    else if (done > 0)
        rc = read_state(statedb, (struct bytes){data, done}, error);
    free(data);
    return rc;
}

static int read_file(struct statedb *statedb, char error[STATEDB_ERROR_SIZE])
{
    int fd = open(statedb->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return 0;
    if (fd < 0) {
        snprintf(error, STATEDB_ERROR_SIZE, "The state file %.200s cannot be opened: %s",
                 statedb->path, strerror(errno));
        return -1;
    }
    int rc = read_open(statedb, fd, error);
    close(fd);
    return rc;
}

struct statedb *statedb_open(uv_loop_t *loop, const char *path, struct revoked *ids,
                             struct revoked *stamps, char error[STATEDB_ERROR_SIZE])
{
    struct statedb *statedb = calloc(1, sizeof(*statedb));
    if (statedb == NULL || strlen(path) >= sizeof(statedb->path)) {
        snprintf(error, STATEDB_ERROR_SIZE, "Out of memory, or the state file's name is too long");
        free(statedb);
        return NULL;
    }
    snprintf(statedb->path, sizeof(statedb->path), "%s", path);
    snprintf(statedb->temporary, sizeof(statedb->temporary), "%s.new", path);
    statedb->ids = ids;
    statedb->stamps = stamps;
    buffer_init(&statedb->file, FILE_MAX);
    if (read_file(statedb, error) != 0) {
        free(statedb);
        return NULL;
    }
    uv_timer_init(loop, &statedb->timer);
    return statedb;
}
