/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns one Redis connection: its way up (resolve, connect, log in, select), its losses and its
 * returns. Must not know what the commands are for. */

#include "backend/redis_link.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/redis_poll.h"
#include "codec/base.h"

enum {
    CONNECT_MS = 5000,   /* for each step of the way up */
    RETRY_FIRST_MS = 50, /* doubled with every failure in a row */
    RETRY_MAX_MS = 5000,
};

enum link_state {
    LINK_DOWN,      /* the timer will start the way up */
    LINK_RESOLVING, /* the thread pool asks for the host's address */
    LINK_CONNECTING,
    LINK_GREETING, /* AUTH and SELECT are on the way */
    LINK_UP,
    LINK_STOPPED,
};

struct redis_link {
    uv_loop_t *loop;
    struct redis_url url;
    struct redis_link_handler handler;
    void *context;
    enum link_state state;
    redisAsyncContext *redis; /* NULL: there is no connection */
    uv_timer_t timer; /* what it means depends on the state: a retry, a deadline, the silence */
    uv_getaddrinfo_t resolver;
    bool resolving;      /* the resolver's callback is yet to come */
    uint64_t silence_ms; /* 0: any */
    unsigned failures;   /* in a row */
    size_t due;          /* replies */
    bool broken;         /* a command could not be sent: the timer ends the connection */
};

/* What waits for one reply. */
struct wait {
    struct redis_link *link;
    redis_link_reply *reply;
    void *context;
};

static void on_timer(uv_timer_t *timer);

static void trouble(struct redis_link *link, const char *format, ...) PRINTF_LIKE(2, 3);

static void trouble(struct redis_link *link, const char *format, ...)
{
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    link->handler.on_trouble(link->context, text);
}

/* Where the server is, for the log; never the password. */
static const char *place(const struct redis_link *link, char ret[REDIS_URL_PART_MAX + 16])
{
    if (link->url.path[0] != '\0')
        snprintf(ret, REDIS_URL_PART_MAX + 16, "%s", link->url.path);
    else
        snprintf(ret, REDIS_URL_PART_MAX + 16, "%s:%d", link->url.host, link->url.port);
    return ret;
}

/* ---- down ---- */

static uint64_t retry_delay(const struct redis_link *link)
{
    uint64_t delay = RETRY_FIRST_MS;
    for (unsigned i = 1; i < link->failures && delay < RETRY_MAX_MS; i++)
        delay *= 2;
    return delay < RETRY_MAX_MS ? delay : RETRY_MAX_MS;
}

/* The connection is gone, or did not come about; `why` is for the log. */
static void fall(struct redis_link *link, const char *why)
{
    bool was_up = link->state == LINK_UP;
    char where[REDIS_URL_PART_MAX + 16];
    if (link->state == LINK_STOPPED || link->state == LINK_DOWN)
        return;
    redisAsyncContext *redis = link->redis;
    link->redis = NULL;
    link->state = LINK_DOWN;
    link->failures++;
    uint64_t delay = retry_delay(link);
    uv_timer_start(&link->timer, on_timer, delay, 0);
    trouble(link, "Redis at %s: %s. Trying again in %.2f seconds", place(link, where), why,
            (double)delay / 1000);
    if (redis != NULL)
        redisAsyncFree(redis); /* whoever waits for a reply is called with none */
    if (was_up)
        link->handler.on_down(link->context);
}

static void on_disconnect(const redisAsyncContext *redis, int status)
{
    struct redis_link *link = redis->data;
    (void)status;
    if (link->redis != redis)
        return; /* by our own hand */
    link->redis = NULL;
    fall(link, redis->errstr != NULL && redis->errstr[0] != '\0' ? redis->errstr
                                                                 : "it closed the connection");
}

/* ---- commands ---- */

static void on_reply(redisAsyncContext *redis, void *reply, void *data)
{
    struct wait *wait = data;
    struct redis_link *link = wait->link;
    link->due--;
    if (redis == link->redis && link->state == LINK_UP && !link->broken) {
        if (link->due > 0)
            uv_timer_again(&link->timer);
        else
            uv_timer_stop(&link->timer);
    }
    if (wait->reply != NULL)
        wait->reply(wait->context, reply);
    free(wait);
}

static bool send_command(struct redis_link *link, int count, const char **words,
                         const size_t *sizes, redis_link_reply *reply, void *context)
{
    struct wait *wait = malloc(sizeof(*wait));
    if (wait == NULL)
        return false;
    *wait = (struct wait){link, reply, context};
    if (redisAsyncCommandArgv(link->redis, on_reply, wait, count, words, sizes) != REDIS_OK) {
        free(wait);
        return false;
    }
    link->due++;
    return true;
}

bool redis_link_command(struct redis_link *link, int count, const char **words, const size_t *sizes,
                        redis_link_reply *reply, void *context)
{
    if (!redis_link_is_up(link))
        return false;
    if (link->due == 0 && link->silence_ms > 0)
        uv_timer_start(&link->timer, on_timer, link->silence_ms, link->silence_ms);
    if (send_command(link, count, words, sizes, reply, context))
        return true;
    link->broken = true; /* half a conversation is none */
    uv_timer_start(&link->timer, on_timer, 0, 0);
    return false;
}

/* Called until the connection is gone: with none, for the last time. */
static void on_heard(redisAsyncContext *redis, void *reply, void *data)
{
    struct wait *wait = data;
    (void)redis;
    wait->reply(wait->context, reply);
    if (reply == NULL)
        free(wait);
}

bool redis_link_subscribe(struct redis_link *link, const char *channel, redis_link_reply *heard,
                          void *context)
{
    struct wait *wait = redis_link_is_up(link) ? malloc(sizeof(*wait)) : NULL;
    if (wait == NULL)
        return false;
    *wait = (struct wait){link, heard, context};
    if (redisAsyncCommand(link->redis, on_heard, wait, "SUBSCRIBE %s", channel) == REDIS_OK)
        return true;
    free(wait);
    return false;
}

/* ---- up ---- */

static bool succeeded(struct redis_link *link, const redisReply *reply, const char *what)
{
    char why[160];
    if (reply == NULL || link->state != LINK_GREETING)
        return false;
    if (reply->type != REDIS_REPLY_ERROR)
        return true;
    snprintf(why, sizeof(why), "%s is refused: %s", what, reply->str);
    fall(link, why);
    return false;
}

static void on_auth(void *context, const redisReply *reply)
{
    (void)succeeded(context, reply, "the login");
}

static void on_select(void *context, const redisReply *reply)
{
    struct redis_link *link = context;
    if (!succeeded(link, reply, "the database"))
        return;
    link->state = LINK_UP;
    link->broken = false;
    link->failures = 0;
    uv_timer_stop(&link->timer);
    link->handler.on_up(link->context);
}

/* Both leave in one write; Redis answers in their order. */
static bool greet(struct redis_link *link)
{
    const struct redis_url *url = &link->url;
    char db[16];
    snprintf(db, sizeof(db), "%d", url->db);
    const char *login[] = {"AUTH", url->user, url->password};
    const char *password_only[] = {"AUTH", url->password};
    const char *choice[] = {"SELECT", db};
    bool sent = true;
    if (url->user[0] != '\0' && url->password[0] != '\0')
        sent = send_command(link, 3, login, NULL, on_auth, link);
    else if (url->password[0] != '\0')
        sent = send_command(link, 2, password_only, NULL, on_auth, link);
    return sent && send_command(link, 2, choice, NULL, on_select, link);
}

static void on_connect(const redisAsyncContext *redis, int status)
{
    struct redis_link *link = redis->data;
    if (link->redis != redis)
        return;
    if (status != REDIS_OK) {
        link->redis = NULL; /* hiredis frees it after this call */
        fall(link, redis->errstr);
        return;
    }
    link->state = LINK_GREETING;
    /* hiredis does not stand being told in here that it is all over. */
    uv_timer_start(&link->timer, on_timer, greet(link) ? CONNECT_MS : 0, 0);
}

static void connect_to(struct redis_link *link, const char *address)
{
    link->state = LINK_CONNECTING;
    uv_timer_start(&link->timer, on_timer, CONNECT_MS, 0);
    redisAsyncContext *redis = address != NULL ? redisAsyncConnect(address, link->url.port)
                                               : redisAsyncConnectUnix(link->url.path);
    if (redis == NULL || redis->err != 0 || redis_poll_attach(redis, link->loop) != 0) {
        char why[160];
        snprintf(why, sizeof(why), "%s",
                 redis != NULL && redis->err != 0 ? redis->errstr : "out of memory");
        if (redis != NULL)
            redisAsyncFree(redis);
        fall(link, why);
        return;
    }
    redis->data = link;
    link->redis = redis;
    redisAsyncSetConnectCallback(redis, on_connect);
    redisAsyncSetDisconnectCallback(redis, on_disconnect);
}

static void finish_stop(struct redis_link *link);

/* Another one with every failure in a row: a name may stand for addresses that nobody listens at,
 * as "localhost" does where the server knows IPv4 only. */
static const struct addrinfo *choose(const struct addrinfo *addresses, unsigned failures)
{
    unsigned count = 0;
    for (const struct addrinfo *one = addresses; one != NULL; one = one->ai_next)
        count++;
    for (unsigned skip = failures % count; skip > 0; skip--)
        addresses = addresses->ai_next;
    return addresses;
}

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *addresses)
{
    struct redis_link *link = request->data;
    char address[64] = "";
    link->resolving = false;
    if (status == 0)
        status = uv_ip_name(choose(addresses, link->failures)->ai_addr, address, sizeof(address));
    uv_freeaddrinfo(addresses);
    if (link->state == LINK_STOPPED)
        finish_stop(link);
    else if (link->state != LINK_RESOLVING)
        return; /* it took too long, and the next attempt has not begun */
    else if (status != 0)
        fall(link, uv_strerror(status));
    else
        connect_to(link, address);
}

static void rise(struct redis_link *link)
{
    if (link->resolving) { /* an old question is still open: wait for its answer */
        uv_timer_start(&link->timer, on_timer, RETRY_FIRST_MS, 0);
        return;
    }
    if (link->url.path[0] != '\0') {
        connect_to(link, NULL);
        return;
    }
    static const struct addrinfo stream = {.ai_socktype = SOCK_STREAM};
    link->state = LINK_RESOLVING;
    uv_timer_start(&link->timer, on_timer, CONNECT_MS, 0);
    link->resolver.data = link;
    int error =
        uv_getaddrinfo(link->loop, &link->resolver, on_resolved, link->url.host, NULL, &stream);
    link->resolving = error == 0;
    if (error != 0)
        fall(link, uv_strerror(error));
}

static void on_timer(uv_timer_t *timer)
{
    struct redis_link *link = timer->data;
    static const char *const reasons[] = {
        [LINK_RESOLVING] = "its address could not be found in time",
        [LINK_CONNECTING] = "it does not accept the connection in time",
        [LINK_GREETING] = "it does not answer the login in time",
        [LINK_UP] = "it has not answered for too long",
    };
    if (link->state == LINK_DOWN)
        rise(link);
    else if (link->state != LINK_STOPPED)
        fall(link, reasons[link->state]);
}

/* ---- life ---- */

struct redis_link *redis_link_new(uv_loop_t *loop, const struct redis_url *url, double silence,
                                  const struct redis_link_handler *handler, void *context)
{
    struct redis_link *link = calloc(1, sizeof(*link));
    if (link == NULL)
        return NULL;
    link->loop = loop;
    link->url = *url;
    link->handler = *handler;
    link->context = context;
    link->silence_ms = (uint64_t)(silence * 1000);
    uv_timer_init(loop, &link->timer);
    link->timer.data = link;
    return link;
}

void redis_link_free(struct redis_link *link)
{
    free(link);
}

void redis_link_start(struct redis_link *link)
{
    assert(link->state == LINK_DOWN);
    rise(link);
}

static void on_closed(uv_handle_t *handle)
{
    struct redis_link *link = handle->data;
    link->handler.on_stopped(link->context);
}

static void finish_stop(struct redis_link *link)
{
    uv_close((uv_handle_t *)&link->timer, on_closed);
}

void redis_link_stop(struct redis_link *link)
{
    redisAsyncContext *redis = link->redis;
    assert(link->state != LINK_STOPPED);
    link->state = LINK_STOPPED;
    link->redis = NULL;
    if (redis != NULL)
        redisAsyncFree(redis);
    if (link->resolving)
        uv_cancel((uv_req_t *)&link->resolver); /* its callback comes either way */
    else
        finish_stop(link);
}

bool redis_link_is_up(const struct redis_link *link)
{
    return link->state == LINK_UP && !link->broken;
}
