/* SPDX-License-Identifier: BSD-3-Clause */
/* redis://: results by their keys (celery-wire.md 4.6). One connection asks; while a result is
 * awaited a second one listens at the channel that the worker publishes it on, and what is asked
 * for again each second makes up for what such a channel may lose. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/redis_link.h"
#include "client/result.h"
#include "client/source.h"

enum {
    SILENCE_SECONDS = 10, /* without an answer the connection is given up */
    ASK_AGAIN_MS = 1000,
    KEY_MAX = 1024,
};

struct redis_source {
    const struct source_config *config;
    struct redis_url url;
    struct redis_link *asker, *listener; /* NULL: none */
    uv_timer_t again;
    unsigned alive;   /* links, and the timer */
    bool was_up;      /* the asker, since it was made */
    bool answered;    /* the last question, which was not cut off */
    bool found;       /* `document` has something */
    bool final;       /* what is looked for is an end */
    bool refused;     /* `trouble` is the server's answer */
    unsigned due;     /* answers to questions of now */
    unsigned stale;   /* answers that nobody waits for any more; they come first */
    const char *verb; /* of the question: "GET", "DEL"; NULL: there is none */
    char key[KEY_MAX];
    struct document document;
    char trouble[CELERIAC_CLIENT_ERROR_SIZE];
};

/* ---- answers ---- */

static void keep(struct redis_source *source, const char *data, size_t size)
{
    const struct bytes body = {data, size};
    struct buffer copy;
    buffer_init(&copy, size);
    if (source->found && source->document.final)
        return;
    if (buffer_append(&copy, data, size) != 0) {
        buffer_done(&copy);
        return; /* it is asked for again */
    }
    buffer_done(&source->document.body);
    source->document =
        (struct document){.body = copy, .final = result_is_final(body, (struct text){NULL, 0})};
    source->found = true;
}

static void on_answer(void *context, const redisReply *reply)
{
    struct redis_source *source = context;
    if (source->stale > 0) {
        source->stale--;
        return;
    }
    source->due--;
    if (source->verb == NULL)
        return;
    source->answered = reply != NULL;
    if (reply == NULL)
        return;
    if (reply->type == REDIS_REPLY_STRING)
        keep(source, reply->str, reply->len);
    source->refused = reply->type == REDIS_REPLY_ERROR;
    if (source->refused)
        snprintf(source->trouble, sizeof(source->trouble), "Redis refuses %s: %s", source->verb,
                 reply->str);
}

static void ask(struct redis_source *source)
{
    const char *words[] = {source->verb, source->key};
    if (source->verb != NULL && source->due == 0 && redis_link_is_up(source->asker) &&
        redis_link_command(source->asker, 2, words, NULL, on_answer, source))
        source->due++;
}

static void on_again(uv_timer_t *timer)
{
    ask(timer->data);
}

/* A message is an array: "message", the channel, the document. */
static void on_heard(void *context, const redisReply *reply)
{
    struct redis_source *source = context;
    if (reply == NULL || reply->type != REDIS_REPLY_ARRAY || reply->elements != 3)
        return;
    if (reply->element[2]->type == REDIS_REPLY_STRING)
        keep(source, reply->element[2]->str, reply->element[2]->len);
    else
        ask(source); /* it listens from now on: what was stored before is asked for */
}

/* ---- links ---- */

static void on_asker_up(void *context)
{
    struct redis_source *source = context;
    source->was_up = true;
    source->trouble[0] = '\0';
    ask(source);
}

static void on_listener_up(void *context)
{
    struct redis_source *source = context;
    redis_link_subscribe(source->listener, source->key, on_heard, source);
}

static void on_down(void *context)
{
    (void)context; /* it comes back by itself */
}

static void on_trouble(void *context, const char *text)
{
    struct redis_source *source = context;
    snprintf(source->trouble, sizeof(source->trouble), "%s", text);
}

static void on_stopped(void *context)
{
    ((struct redis_source *)context)->alive--;
}

static const struct redis_link_handler asker_handler = {on_asker_up, on_down, on_trouble,
                                                        on_stopped};
static const struct redis_link_handler listener_handler = {on_listener_up, on_down, on_trouble,
                                                           on_stopped};

static struct redis_link *start_link(struct redis_source *source,
                                     const struct redis_link_handler *handler)
{
    struct redis_link *link = redis_link_new(&source->config->waiting->loop, &source->url,
                                             SILENCE_SECONDS, handler, source);
    if (link == NULL)
        return NULL;
    source->alive++;
    redis_link_start(link);
    return link;
}

/* ---- life ---- */

static int redis_open(const struct source_config *config, void **ret, struct report *report)
{
    char error[REDIS_URL_ERROR_SIZE];
    struct redis_source *source = calloc(1, sizeof(*source));
    if (source == NULL)
        return report_no_memory(report);
    source->config = config;
    if (redis_url_parse(config->url, &source->url, error) != 0) {
        free(source);
        return report_fail(report, CELERIAC_CLIENT_EINVALID, "%s", error);
    }
    uv_timer_init(&config->waiting->loop, &source->again);
    source->again.data = source;
    source->alive = 1;
    *ret = source;
    return 0;
}

struct fewer {
    const struct redis_source *source;
    unsigned left;
};

static bool are_fewer(const void *context)
{
    const struct fewer *fewer = context;
    return fewer->source->alive <= fewer->left;
}

static void stop_link(struct redis_source *source, struct redis_link **link)
{
    struct waiting *waiting = source->config->waiting;
    const struct fewer fewer = {source, source->alive - 1};
    if (*link == NULL)
        return;
    redis_link_stop(*link);
    /* A name that is being looked up is waited for: the resolver has its own deadline. */
    if (waiting_until(waiting, waiting_deadline(waiting, 60), are_fewer, &fewer))
        redis_link_free(*link);
    *link = NULL;
}

static void on_closed(uv_handle_t *handle)
{
    on_stopped(handle->data);
}

static void redis_close(void *self)
{
    struct redis_source *source = self;
    struct waiting *waiting = source->config->waiting;
    const struct fewer none = {source, 0};
    stop_link(source, &source->listener);
    stop_link(source, &source->asker);
    uv_close((uv_handle_t *)&source->again, on_closed);
    if (!waiting_until(waiting, waiting_deadline(waiting, 1), are_fewer, &none))
        return; /* something of it lives on in the loop */
    buffer_done(&source->document.body);
    free(source);
}

static int redis_expect(void *self, const char *id, uint64_t deadline, struct report *report)
{
    (void)self, (void)id, (void)deadline, (void)report;
    return 0; /* the worker stores it, whoever looks */
}

static void redis_cancel(void *self, const char *id)
{
    (void)self, (void)id;
}

/* ---- questions ---- */

static bool make_key(struct redis_source *source, const char *id)
{
    const char *prefix = source->config->key_prefix;
    /* As Celery joins it. */
    bool joined = prefix[0] == '\0' || strchr(":_-.", prefix[strlen(prefix) - 1]) != NULL;
    int size = snprintf(source->key, sizeof(source->key), "%s%scelery-task-meta-%s", prefix,
                        joined ? "" : "_", id);
    return size < (int)sizeof(source->key);
}

static bool is_up_or_lost(const void *context)
{
    const struct redis_source *source = context;
    return redis_link_is_up(source->asker);
}

/* A server that was there comes back as a rule, and is waited for; one that is not there from the
 * start is a mistake, and told. */
static int connect_asker(struct redis_source *source, uint64_t deadline, struct report *report)
{
    struct waiting *waiting = source->config->waiting;
    uint64_t patience = waiting_deadline(waiting, source->config->connection_timeout);
    if (source->asker == NULL) {
        source->was_up = false;
        source->asker = start_link(source, &asker_handler);
    }
    if (source->asker == NULL)
        return report_no_memory(report);
    if (source->was_up || patience > deadline)
        patience = deadline;
    if (waiting_until(waiting, patience, is_up_or_lost, source))
        return 0;
    report_fail(report, CELERIAC_CLIENT_ECONNECT, "Redis is out of reach: %s",
                source->trouble[0] != '\0' ? source->trouble : "it does not answer");
    stop_link(source, &source->asker);
    return CELERIAC_CLIENT_ECONNECT;
}

/* Forgets the question before; its answers may be on their way. */
static void begin(struct redis_source *source, const char *verb)
{
    source->stale += source->due;
    source->due = 0;
    source->verb = verb;
    source->answered = source->found = source->refused = false;
    buffer_done(&source->document.body);
    source->document = (struct document){.final = false};
}

static void end(struct redis_source *source)
{
    source->verb = NULL;
    uv_timer_stop(&source->again);
}

static bool is_answered(const void *context)
{
    const struct redis_source *source = context;
    return source->answered || source->refused;
}

static bool has_ended(const void *context)
{
    const struct redis_source *source = context;
    return source->refused || (source->found && source->document.final);
}

static int question(struct redis_source *source, const char *verb, const char *id,
                    uint64_t deadline, struct report *report)
{
    begin(source, verb);
    if (!make_key(source, id))
        return report_fail(report, CELERIAC_CLIENT_EINVALID, "the id or the prefix is too long");
    int rc = connect_asker(source, deadline, report);
    if (rc != 0)
        return rc;
    ask(source);
    uv_timer_start(&source->again, on_again, ASK_AGAIN_MS, ASK_AGAIN_MS);
    bool answered = waiting_until(source->config->waiting, deadline, is_answered, source);
    if (source->refused)
        return report_fail(report, CELERIAC_CLIENT_EREFUSED, "%s", source->trouble);
    if (answered)
        return 0;
    return report_fail(
        report,
        redis_link_is_up(source->asker) ? CELERIAC_CLIENT_ETIMEOUT : CELERIAC_CLIENT_ECONNECT, "%s",
        source->trouble[0] != '\0' ? source->trouble : "Redis has not answered in time");
}

static int listen_for_end(struct redis_source *source, uint64_t deadline, struct report *report)
{
    source->listener = start_link(source, &listener_handler);
    if (source->listener == NULL)
        return report_no_memory(report);
    bool ended = waiting_until(source->config->waiting, deadline, has_ended, source);
    stop_link(source, &source->listener);
    if (source->refused)
        return report_fail(report, CELERIAC_CLIENT_EREFUSED, "%s", source->trouble);
    if (ended)
        return 0;
    return report_fail(report, CELERIAC_CLIENT_ETIMEOUT, "the task has not ended in time%s%s",
                       source->trouble[0] != '\0' ? ": " : "", source->trouble);
}

static int redis_forget(void *self, const char *id, uint64_t deadline, struct report *report)
{
    struct redis_source *source = self;
    int rc = question(source, "DEL", id, deadline, report);
    end(source);
    return rc;
}

static int redis_fetch(void *self, const char *id, bool final, uint64_t deadline,
                       struct document *ret, struct report *report)
{
    struct redis_source *source = self;
    int rc = question(source, "GET", id, deadline, report);
    if (rc == 0 && final && !has_ended(source))
        rc = listen_for_end(source, deadline, report);
    end(source);
    if (rc != 0)
        return rc;
    *ret = source->document;
    source->document = (struct document){.final = false};
    source->found = false;
    return 0;
}

const struct source_type source_redis = {
    .schemes = {"redis", "rediss", "socket", "unix", "redis+socket"},
    .open = redis_open,
    .close = redis_close,
    .expect = redis_expect,
    .cancel = redis_cancel,
    .forget = redis_forget,
    .fetch = redis_fetch,
};
