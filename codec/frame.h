/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CODEC_FRAME_H
#define CELERIAC_CODEC_FRAME_H

/* Frames of the pool protocol (PROTOCOL.md): a length of four bytes, big endian, then one msgpack
 * array whose first element is the type. Both ends use this file; a runtime in another language
 * needs PROTOCOL.md only. */

#include <stdbool.h>
#include <stdint.h>

#include "codec/buffer.h"
#include "codec/error.h"
#include "codec/value.h"

enum { FRAME_PROTOCOL = 1 }; /* version named in HELLO */

/* The largest frame either side accepts: the largest body that RabbitMQ hands out by default, and
 * room for the rest. */
#define FRAME_MAX ((size_t)136 * 1024 * 1024)

enum frame_type {
    /* main process -> forkserver */
    FRAME_SPAWN = 1, /* [1, slot, generation], with the child's socket as SCM_RIGHTS */
    /* main process -> child */
    FRAME_JOB = 2,   /* [2, job, flags, request, body] */
    FRAME_LEAVE = 3, /* [3] */
    /* main process -> forkserver */
    FRAME_SIGNAL = 4, /* [4, name, arguments] */
    /* forkserver -> main process */
    FRAME_HELLO = 16,   /* [16, protocol, {"runtime", "tasks", "settings"}] */
    FRAME_SPAWNED = 17, /* [17, slot, generation, pid], with the child's pidfd as SCM_RIGHTS */
    FRAME_EXITED = 18,  /* [18, slot, generation, pid, wait status, {"utime", "stime", "maxrss"}] */
    /* forkserver or child -> main process */
    FRAME_ERROR = 19, /* [19, text]: cannot go on; the sender leaves */
    /* child -> main process */
    FRAME_READY = 32,   /* [32, resident KiB] */
    FRAME_STARTED = 33, /* [33, job] */
    FRAME_RESULT = 34,  /* [34, job, flags, resident KiB, report, document] */
    FRAME_PUBLISH = 35, /* [35, job, message, body] */
    FRAME_STORE = 36,   /* [36, job, task id, state, document] */
    FRAME_CHORD = 37,   /* [37, job, group id, size, group document] */
};

/* Flags of JOB. */
enum {
    FRAME_JOB_WANT_STARTED = 1, /* send STARTED before the task runs */
    FRAME_JOB_WANT_RSS = 2,     /* fill in the resident KiB of RESULT */
};

/* Flags of RESULT. */
enum {
    FRAME_RESULT_RETIRING = 1, /* the child leaves after this frame; send it nothing more */
};

/* The most keys, values and elements, at all depths, that a map in a frame may have: decoding one
 * takes 24 bytes. */
enum { FRAME_ITEMS_MAX = 1024 * 1024 };

enum { FRAME_ELEMENTS_MAX = 6 }; /* of the longest frame, its type included */

/* A whole frame as read, checked against the table of types (number of elements, their types,
 * nothing behind them), so the accessors need no further checks. Borrows the reader's memory until
 * the next call on the reader. */
struct frame {
    enum frame_type type;
    msgpack_object elements[FRAME_ELEMENTS_MAX];
};

/* `index` counts as in the lists above: 0 is the type. An index or a type that the frame's type
 * does not have asserts. */
uint64_t frame_uint(const struct frame *frame, size_t index);
const msgpack_object *frame_value(const struct frame *frame, size_t index);
struct text frame_text(const struct frame *frame, size_t index); /* str or bin */

/* Words for a type, "RESULT"; "unknown" if there is none such. */
const char *frame_type_name(enum frame_type type);

/* Collects bytes and gives out whole frames. */
struct frame_reader {
    struct buffer input;
    size_t start; /* where the next frame begins in `input` */
    msgpack_zone zone;
    bool zone_used;
};

MUST_CHECK bool frame_reader_init(struct frame_reader *reader);
void frame_reader_done(struct frame_reader *reader);
/* Room for the next read: *ret_size bytes at the returned address (NULL: out of memory). At least 4
 * KiB; for a long frame as much as has come of it, so that a length that lies costs no memory. */
void *frame_reader_room(struct frame_reader *reader, size_t *ret_size);
/* Tells how many bytes were read into the room. */
void frame_reader_fill(struct frame_reader *reader, size_t size);
/* 1: *ret is the next frame, valid until the next call on this reader. 0: more bytes are needed.
 * CODEC_E*: the peer broke the protocol and is to be ended (CODEC_ETOOBIG: a frame or a map beyond
 * its limit). */
MUST_CHECK int frame_reader_next(struct frame_reader *reader, struct frame *ret,
                                 struct codec_reason *reason);
/* True if a part of a frame is waiting. */
bool frame_reader_partial(const struct frame_reader *reader);

/* Writers append one whole frame to `buffer`, or nothing on an error: CODEC_ENOMEM, CODEC_ETOOBIG.
 * Their code is in frame_write.c. */
MUST_CHECK int frame_write_spawn(struct buffer *buffer, uint32_t slot, uint32_t generation);
/* Writes the frame up to and including the header of the body's bin; the body's `body_size` bytes
 * must follow on the wire, and nothing else in between. `request` is one packed msgpack map. */
MUST_CHECK int frame_write_job(struct buffer *buffer, uint64_t job, uint32_t flags,
                               struct bytes request, size_t body_size);
MUST_CHECK int frame_write_leave(struct buffer *buffer);
/* `arguments` is one packed msgpack map. */
MUST_CHECK int frame_write_signal(struct buffer *buffer, const char *name, struct bytes arguments);
/* `description` is one packed msgpack map. */
MUST_CHECK int frame_write_hello(struct buffer *buffer, struct bytes description);
MUST_CHECK int frame_write_spawned(struct buffer *buffer, uint32_t slot, uint32_t generation,
                                   int64_t pid);

struct frame_exit {
    uint32_t slot, generation;
    int64_t pid;
    int wait_status;     /* pid 0: an errno, the fork failed */
    double utime, stime; /* seconds */
    uint64_t maxrss;     /* KiB */
};
MUST_CHECK int frame_write_exited(struct buffer *buffer, const struct frame_exit *exit_of_child);
MUST_CHECK int frame_write_error(struct buffer *buffer, const char *text);
MUST_CHECK int frame_write_ready(struct buffer *buffer, uint64_t resident_kib);
MUST_CHECK int frame_write_started(struct buffer *buffer, uint64_t job);

struct frame_result {
    uint64_t job;
    uint32_t flags;
    uint64_t resident_kib;
    struct bytes report;  /* one packed msgpack map */
    size_t document_size; /* these bytes follow on the wire, as in frame_write_job */
};
MUST_CHECK int frame_write_result(struct buffer *buffer, const struct frame_result *result);

/* What a task sends before its RESULT. `message` is one packed msgpack map; the bytes of the body
 * or document follow on the wire, as in frame_write_job. */
MUST_CHECK int frame_write_publish(struct buffer *buffer, uint64_t job, struct bytes message,
                                   size_t body_size);
MUST_CHECK int frame_write_store(struct buffer *buffer, uint64_t job, struct text task_id,
                                 struct text state, size_t document_size);
MUST_CHECK int frame_write_chord(struct buffer *buffer, uint64_t job, struct text group_id,
                                 uint64_t size, size_t document_size);

#endif
