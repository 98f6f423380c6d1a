/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the order of what a task sends, and its bounds. Must not know why a task sends it, nor what
 * becomes of the task's own delivery. */

#include "worker/consumer/follow_up.h"

#include <stdlib.h>
#include <string.h>

#include "codec/frame.h"
#include "worker/consumer/internal.h"
#include "worker/consumer/sending.h"
#include "worker/log/log.h"

struct follow_up {
    TAILQ_ENTRY(follow_up) next;
    struct request *request;
    enum frame_type type;
    size_t size; /* what it counts for */
    /* Parts of `data`: PUBLISH: the packed message and the body; STORE: the id, the state and the
     * document; CHORD: the group's id and its document. */
    struct buffer data;
    size_t cut[2];
    uint64_t chord_size;
};

enum begun { BEGUN_UNDER_WAY, BEGUN_DONE, BEGUN_NO_ROOM };

static bool is_closing(const struct request *request)
{
    return request->consumer->state >= CONSUMER_CLOSING;
}

static bool is_message(const struct follow_up *one)
{
    return one->type == FRAME_PUBLISH;
}

/* The piece of `data` between two cuts: 0, 1 or 2. */
static struct text piece(const struct follow_up *one, unsigned index)
{
    size_t start = index > 0 ? one->cut[index - 1] : 0;
    size_t end = index < 2 ? one->cut[index] : one->data.size;
    return (struct text){(const char *)one->data.data + start, end - start};
}

/* ---- one after the other ---- */

static void advance(struct request *request);

static void drop(struct follow_up *one)
{
    struct follow_ups *all = &one->request->follow_ups;
    TAILQ_REMOVE(&all->list, one, next);
    all->size -= one->size;
    buffer_done(&one->data);
    free(one);
}

static void listen_again(struct request *request)
{
    struct follow_ups *all = &request->follow_ups;
    if (!all->deaf || all->size > FOLLOW_UPS_MAX / 2)
        return;
    all->deaf = false;
    pool_listen(request->consumer->pool, &request->job);
}

/* What could not be done: while the worker stops the whole task is better run elsewhere. */
static void note_error(struct follow_up *one, const char *error)
{
    struct request *request = one->request;
    static const char *const words[] = {
        [FRAME_PUBLISH] = "a message that it sent was not taken by the broker",
        [FRAME_STORE] = "a state of it could not be stored",
        [FRAME_CHORD] = "a chord that it starts cannot be counted",
    };
    if (request->consumer->state >= CONSUMER_FLUSHING) {
        request->follow_ups.given_up = true;
        return;
    }
    request->follow_ups.refused |= is_message(one);
    log_error("Task %s: %s: %s", request_label(request), words[one->type], error);
}

static void on_done(void *context, const char *error)
{
    struct follow_up *one = context;
    struct request *request = one->request;
    if (error != NULL)
        note_error(one, error);
    drop(one);
    listen_again(request);
    advance(request);
}

/* ---- messages ---- */

static enum begun send_message(struct follow_up *one, const msgpack_object *map)
{
    struct text body = piece(one, 1);
    const char *why = NULL;
    int error = sending_publish(one->request->consumer, map, (struct bytes){body.data, body.size},
                                on_done, one, &why);
    if (error == BROKER_OK)
        return BEGUN_UNDER_WAY;
    if (error == BROKER_EFULL)
        return BEGUN_NO_ROOM;
    note_error(one, why);
    return BEGUN_DONE;
}

static enum begun begin_message(struct follow_up *one)
{
    struct text packed = piece(one, 0);
    msgpack_zone zone;
    msgpack_object map;
    size_t offset = 0;
    enum begun begun = BEGUN_DONE;
    if (!msgpack_zone_init(&zone, MSGPACK_ZONE_CHUNK_SIZE)) {
        note_error(one, broker_strerror(BROKER_ENOMEM));
        return BEGUN_DONE;
    }
    if (msgpack_unpack(packed.data, packed.size, &offset, &zone, &map) == MSGPACK_UNPACK_SUCCESS)
        begun = send_message(one, &map);
    else
        note_error(one, broker_strerror(BROKER_ENOMEM));
    msgpack_zone_destroy(&zone);
    return begun;
}

/* ---- what the backend does ---- */

static enum begun begun_of(struct follow_up *one, enum backend_answer answer)
{
    if (answer == BACKEND_PENDING)
        return BEGUN_UNDER_WAY;
    if (answer == BACKEND_FULL)
        return BEGUN_NO_ROOM;
    if (answer == BACKEND_FAILED)
        note_error(one, "the result backend cannot do that");
    return BEGUN_DONE;
}

/* A retry whose message was not taken ends otherwise. */
static bool is_void(const struct follow_up *one, struct text state)
{
    return text_equal(state, "RETRY") && one->request->follow_ups.refused;
}

static enum begun begin_state(struct follow_up *one)
{
    struct request *request = one->request;
    const struct broker_delivery *delivery = request->delivery;
    struct text id = piece(one, 0), state = piece(one, 1), document = piece(one, 2);
    struct text own = request->message.id;
    bool is_own = id.size == own.size && memcmp(id.data, own.data, id.size) == 0;
    struct backend_result result = {
        .task_id = id,
        .correlation_id =
            is_own && delivery->correlation_id.size > 0 ? delivery->correlation_id : id,
        .reply_to = delivery->reply_to,
        .document = {document.data, document.size},
    };
    request->follow_ups.failed |= text_equal(state, "FAILURE");
    if (is_void(one, state))
        return BEGUN_DONE;
    return begun_of(one, backend_store(request->consumer->backend, &result, on_done, one));
}

static enum begun begin_chord(struct follow_up *one)
{
    struct text group = piece(one, 1);
    return begun_of(one, backend_begin_chord(one->request->consumer->backend, piece(one, 0),
                                             one->chord_size,
                                             (struct bytes){group.data, group.size}, on_done, one));
}

/* ---- the row ---- */

static enum begun begin(struct follow_up *one)
{
    if (is_closing(one->request)) {
        note_error(one, "the worker stops");
        return BEGUN_DONE;
    }
    if (one->type == FRAME_PUBLISH)
        return begin_message(one);
    return one->type == FRAME_STORE ? begin_state(one) : begin_chord(one);
}

/* What is under way are messages in a row, or one of the others alone: the first one tells. */
static bool may_begin(const struct follow_up *one)
{
    const struct follow_up *first = TAILQ_FIRST(&one->request->follow_ups.list);
    return one == first || (is_message(one) && is_message(first));
}

/* Begins all that may; each end of one brings it here again, so it never looks at what is under
 * way. */
static void begin_more(struct request *request)
{
    struct follow_ups *all = &request->follow_ups;
    while (all->waiting != NULL && may_begin(all->waiting)) {
        struct follow_up *one = all->waiting;
        all->waiting = TAILQ_NEXT(one, next);
        switch (begin(one)) {
        case BEGUN_UNDER_WAY:
            break;
        case BEGUN_DONE:
            drop(one);
            break;
        case BEGUN_NO_ROOM:
            all->waiting = one;
            stalled_add(request, advance);
            return;
        }
    }
}

static void advance(struct request *request)
{
    struct follow_ups *all = &request->follow_ups;
    if (request->again == NULL)
        begin_more(request);
    if (!TAILQ_EMPTY(&all->list) || all->then == NULL)
        return;
    void (*then)(struct request *) = all->then;
    all->then = NULL;
    then(request);
}

bool follow_up_pending(const struct request *request)
{
    return !TAILQ_EMPTY(&request->follow_ups.list);
}

void follow_up_then(struct request *request, void (*then)(struct request *request))
{
    if (!follow_up_pending(request)) {
        then(request);
        return;
    }
    request_set_state(request, REQUEST_FOLLOWING);
    request->follow_ups.then = then;
}

/* ---- from the child ---- */

static int copy_message(struct follow_up *one, const struct frame *frame)
{
    struct text body = frame_text(frame, 3);
    msgpack_packer packer;
    msgpack_packer_init(&packer, &one->data, buffer_msgpack_write);
    if (msgpack_pack_object(&packer, *frame_value(frame, 2)) != 0)
        return CODEC_ENOMEM;
    one->cut[0] = one->data.size;
    int rc = buffer_append(&one->data, body.data, body.size);
    one->cut[1] = one->data.size;
    return rc;
}

static int copy_texts(struct follow_up *one, const struct text texts[3])
{
    int rc = 0;
    for (size_t i = 0; i < 3 && rc == 0; i++) {
        rc = buffer_append(&one->data, texts[i].data, texts[i].size);
        if (i < 2)
            one->cut[i] = one->data.size;
    }
    return rc;
}

static int copy(struct follow_up *one, const struct frame *frame)
{
    if (frame->type == FRAME_PUBLISH)
        return copy_message(one, frame);
    if (frame->type == FRAME_STORE)
        return copy_texts(
            one, (struct text[]){frame_text(frame, 2), frame_text(frame, 3), frame_text(frame, 4)});
    one->chord_size = frame_uint(frame, 3);
    return copy_texts(one, (struct text[]){frame_text(frame, 2), frame_text(frame, 4), {"", 0}});
}

static struct follow_up *make(struct request *request, const struct frame *frame)
{
    struct follow_up *one = calloc(1, sizeof(*one));
    if (one == NULL)
        return NULL;
    one->request = request;
    one->type = frame->type;
    buffer_init(&one->data, FRAME_MAX);
    if (copy(one, frame) == 0) {
        one->size = sizeof(*one) + one->data.room;
        return one;
    }
    buffer_done(&one->data);
    free(one);
    return NULL;
}

bool follow_up_take(struct request *request, const struct frame *frame)
{
    struct follow_ups *all = &request->follow_ups;
    struct follow_up *one = make(request, frame);
    if (one == NULL) {
        log_critical("Out of memory: %s of task %s is lost", frame_type_name(frame->type),
                     request_label(request));
        all->refused |= frame->type == FRAME_PUBLISH;
        return true;
    }
    TAILQ_INSERT_TAIL(&all->list, one, next);
    if (all->waiting == NULL)
        all->waiting = one;
    all->size += one->size;
    advance(request);
    all->deaf = all->size > FOLLOW_UPS_MAX;
    return !all->deaf;
}

void follow_up_init(struct follow_ups *follow_ups)
{
    TAILQ_INIT(&follow_ups->list);
}

void follow_up_done(struct follow_ups *follow_ups)
{
    struct follow_up *one = TAILQ_FIRST(&follow_ups->list);
    while (one != NULL) {
        struct follow_up *next = TAILQ_NEXT(one, next);
        buffer_done(&one->data);
        free(one);
        one = next;
    }
    TAILQ_INIT(&follow_ups->list);
}
