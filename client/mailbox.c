/* SPDX-License-Identifier: BSD-3-Clause */
/* rpc://: owns the reply queue and what has come out of it, by task id. The queue is declared as
 * Celery's clients declare theirs (celery-wire.md 1.2, 4.5). */

#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/result.h"
#include "client/source.h"

enum {
    LETTERS_MAX = 100000, /* tasks whose result nobody has fetched */
    HELD_MAX = 256 << 20, /* bytes of their results */
    LETTER_ID_MAX = 256,
};

/* What is known of one task. */
struct letter {
    char *id;
    struct document document; /* the newest; empty: nothing has come */
    const char *lost;         /* why what came could not be kept; NULL: it could */
};

struct mailbox {
    struct station station;
    const struct source_config *config;
    msgpack_zone *zone; /* of the queue's arguments */
    struct broker_queue queue;
    void *letters; /* tsearch's tree */
    size_t count, held;
};

/* ---- letters ---- */

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct letter *)a)->id, ((const struct letter *)b)->id);
}

static struct letter *find(const struct mailbox *mailbox, const char *id)
{
    const struct letter key = {.id = (char *)id};
    struct letter **found = tfind(&key, &mailbox->letters, compare);
    return found != NULL ? *found : NULL;
}

static void letter_free(void *pointer)
{
    struct letter *letter = pointer;
    buffer_done(&letter->document.body);
    free(letter->id);
    free(letter);
}

static void drop(struct mailbox *mailbox, struct letter *letter)
{
    mailbox->count--;
    mailbox->held -= letter->document.body.size;
    tdelete(letter, &mailbox->letters, compare);
    letter_free(letter);
}

static bool add(struct mailbox *mailbox, const char *id)
{
    struct letter *letter = calloc(1, sizeof(*letter));
    if (letter == NULL)
        return false;
    letter->id = strdup(id);
    if (letter->id == NULL || tsearch(letter, &mailbox->letters, compare) == NULL) {
        letter_free(letter);
        return false;
    }
    mailbox->count++;
    return true;
}

/* ---- what comes ---- */

static struct letter *addressee(const struct mailbox *mailbox,
                                const struct broker_delivery *delivery)
{
    char id[LETTER_ID_MAX];
    struct text text = delivery->correlation_id;
    if (text.data == NULL || text.size >= sizeof(id))
        return NULL;
    memcpy(id, text.data, text.size);
    id[text.size] = '\0';
    return find(mailbox, id);
}

static void keep(struct mailbox *mailbox, struct letter *letter,
                 const struct broker_delivery *delivery)
{
    struct document document = {.final = result_is_final(delivery->body, delivery->content_type)};
    size_t held = mailbox->held - letter->document.body.size;
    buffer_init(&document.body, delivery->body.size);
    if (held + delivery->body.size > HELD_MAX)
        letter->lost = "too many results wait to be fetched";
    else if (buffer_append(&document.body, delivery->body.data, delivery->body.size) != 0)
        letter->lost = "out of memory when it came";
    if (letter->lost != NULL) {
        buffer_done(&document.body);
        return;
    }
    snprintf(document.content_type, sizeof(document.content_type), "%.*s",
             (int)delivery->content_type.size, delivery->content_type.data);
    buffer_done(&letter->document.body);
    letter->document = document;
    mailbox->held = held + document.body.size;
}

static void on_delivery(void *context, struct broker_delivery *delivery)
{
    struct mailbox *mailbox = context;
    struct letter *letter = addressee(mailbox, delivery);
    /* A task that runs twice does not undo its end. */
    if (letter != NULL && !letter->document.final)
        keep(mailbox, letter, delivery);
    broker_delivery_free(delivery);
}

static void on_oversized(void *context, struct broker_delivery *delivery, uint64_t size)
{
    struct letter *letter = addressee(context, delivery);
    (void)size;
    if (letter != NULL && !letter->document.final)
        letter->lost = "it is larger than result_size_max";
    broker_delivery_free(delivery);
}

/* ---- life ---- */

static bool describe_queue(struct mailbox *mailbox)
{
    msgpack_object arguments;
    mailbox->zone = msgpack_zone_new(256);
    if (mailbox->zone == NULL || !value_map(mailbox->zone, 1, &arguments))
        return false;
    value_map_put(&arguments, "x-expires", value_int((int64_t)(mailbox->config->expires * 1000)));
    mailbox->queue = (struct broker_queue){
        .name = mailbox->config->reply_to,
        .exchange = "",
        .auto_delete = true,
        .arguments = arguments,
        .no_ack = true,
    };
    return true;
}

static void mailbox_close(void *self)
{
    struct mailbox *mailbox = self;
    station_close(&mailbox->station);
    tdestroy(mailbox->letters, letter_free);
    if (mailbox->zone != NULL)
        msgpack_zone_free(mailbox->zone);
    free(mailbox);
}

static int mailbox_open(const struct source_config *config, void **ret, struct report *report)
{
    struct mailbox *mailbox = calloc(1, sizeof(*mailbox));
    if (mailbox == NULL)
        return report_no_memory(report);
    mailbox->config = config;
    mailbox->station = (struct station){
        .waiting = config->waiting,
        .on_delivery = on_delivery,
        .on_oversized = on_oversized,
        .context = mailbox,
    };
    if (!describe_queue(mailbox)) {
        mailbox_close(mailbox);
        return report_no_memory(report);
    }
    *ret = mailbox;
    return 0;
}

/* ---- expecting ---- */

static bool is_ready_or_hopeless(const void *context)
{
    const struct station *station = context;
    return station->up || station_is_out_of_reach(station);
}

/* A result may only be asked for once the queue is there to take it. */
static int connect_mailbox(struct mailbox *mailbox, uint64_t deadline, struct report *report)
{
    struct station *station = &mailbox->station;
    if (!station_is_open(station) &&
        !station_open(station, mailbox->config->brokers, &mailbox->queue, 1))
        return report_no_memory(report);
    bool in_time = waiting_until(station->waiting, deadline, is_ready_or_hopeless, station);
    if (station->up)
        return 0;
    report_fail(report, CELERIAC_CLIENT_ECONNECT, "%s",
                station_trouble(station, "the broker has not answered in time"));
    station_close(station);
    return in_time ? CELERIAC_CLIENT_ECONNECT : CELERIAC_CLIENT_ETIMEOUT;
}

static int mailbox_expect(void *self, const char *id, uint64_t deadline, struct report *report)
{
    struct mailbox *mailbox = self;
    struct letter *letter = find(mailbox, id);
    if (letter != NULL)
        drop(mailbox, letter); /* the same id once more: what came before is of no interest */
    if (mailbox->count == LETTERS_MAX)
        return report_fail(report, CELERIAC_CLIENT_EFULL,
                           "the results of %d tasks are awaited: fetch or forget some",
                           LETTERS_MAX);
    int rc = connect_mailbox(mailbox, deadline, report);
    if (rc != 0)
        return rc;
    return add(mailbox, id) ? 0 : report_no_memory(report);
}

static void mailbox_cancel(void *self, const char *id)
{
    struct mailbox *mailbox = self;
    struct letter *letter = find(mailbox, id);
    if (letter != NULL)
        drop(mailbox, letter);
}

static int mailbox_forget(void *self, const char *id, uint64_t deadline, struct report *report)
{
    (void)deadline, (void)report;
    mailbox_cancel(self, id);
    return 0;
}

/* ---- fetching ---- */

struct fetching {
    const struct mailbox *mailbox;
    const struct letter *letter;
};

static bool has_ended(const void *context)
{
    const struct fetching *fetching = context;
    return fetching->letter->document.final || fetching->letter->lost != NULL ||
           fetching->mailbox->station.given_up;
}

static int take_end(struct mailbox *mailbox, struct letter *letter, struct document *ret,
                    struct report *report)
{
    int rc = 0;
    if (letter->lost != NULL) {
        rc = report_fail(report, CELERIAC_CLIENT_ERESULT,
                         "a result has come and could not be kept: %s", letter->lost);
    } else {
        *ret = letter->document;
        mailbox->held -= letter->document.body.size;
        letter->document = (struct document){.final = false};
    }
    drop(mailbox, letter);
    return rc;
}

static int copy_newest(const struct letter *letter, struct document *ret, struct report *report)
{
    struct document copy = letter->document;
    buffer_init(&copy.body, letter->document.body.size);
    if (buffer_append(&copy.body, letter->document.body.data, letter->document.body.size) != 0)
        return report_no_memory(report);
    *ret = copy;
    return 0;
}

static int tell(const struct mailbox *mailbox, struct report *report)
{
    const struct station *station = &mailbox->station;
    if (station->given_up)
        return report_fail(report, CELERIAC_CLIENT_ECONNECT, "%s", station->trouble);
    if (station->trouble[0] == '\0')
        return report_fail(report, CELERIAC_CLIENT_ETIMEOUT, "the task has not ended in time");
    return report_fail(report, CELERIAC_CLIENT_ETIMEOUT,
                       "the task has not ended in time, or its result was lost with the "
                       "connection: %s",
                       station->trouble);
}

static int mailbox_fetch(void *self, const char *id, bool final, uint64_t deadline,
                         struct document *ret, struct report *report)
{
    struct mailbox *mailbox = self;
    struct station *station = &mailbox->station;
    struct letter *letter = find(mailbox, id);
    const struct fetching fetching = {mailbox, letter};
    if (letter == NULL)
        return report_fail(report, CELERIAC_CLIENT_EUNKNOWN,
                           "rpc:// has the results of what this client has sent, each once: %.64s "
                           "is not, or not any more, among them",
                           id);
    if (!station_is_open(station) &&
        !station_open(station, mailbox->config->brokers, &mailbox->queue, 1))
        return report_no_memory(report);
    /* A look takes one turn of the loop. */
    uint64_t until = final ? deadline : waiting_deadline(station->waiting, 0);
    if (waiting_until(station->waiting, until, has_ended, &fetching) && !station->given_up)
        return final || letter->lost != NULL ? take_end(mailbox, letter, ret, report)
                                             : copy_newest(letter, ret, report);
    if (!final)
        return copy_newest(letter, ret, report);
    int rc = tell(mailbox, report);
    if (station->given_up)
        station_close(station);
    return rc;
}

const struct source_type source_mailbox = {
    .schemes = {"rpc"},
    .open = mailbox_open,
    .close = mailbox_close,
    .expect = mailbox_expect,
    .cancel = mailbox_cancel,
    .forget = mailbox_forget,
    .fetch = mailbox_fetch,
};
