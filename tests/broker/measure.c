/* SPDX-License-Identifier: BSD-3-Clause */
/* Not a test: processor time of this process per message, against a real node. measure [MESSAGES]
 * prints three lines: publishing with confirms, receiving and acking in batches of a loop turn, and
 * acking out of order. */

#include "tests/broker/harness.h"

#include <stdlib.h>
#include <sys/resource.h>

static double cpu_now(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_utime.tv_sec + (double)usage.ru_stime.tv_sec +
           ((double)usage.ru_utime.tv_usec + (double)usage.ru_stime.tv_usec) / 1e6;
}

struct measure {
    struct broker *broker;
    uv_loop_t loop;
    size_t wanted, published, received;
    uint64_t held; /* a tag that waits, so that acks come out of order */
    bool up, stopped, out_of_order;
};

static void on_up(void *context, uint64_t epoch)
{
    (void)epoch;
    ((struct measure *)context)->up = true;
}

static void on_down(void *context)
{
    (void)context;
    abort();
}

static void on_delivery(void *context, struct broker_delivery *delivery)
{
    struct measure *measure = context;
    uint64_t tag = delivery->tag;
    uint64_t epoch = delivery->epoch;
    measure->received++;
    broker_delivery_free(delivery);
    if (measure->out_of_order && !measure->held) {
        measure->held = tag;
        return;
    }
    broker_settle(measure->broker, epoch, tag, BROKER_ACK);
    if (measure->out_of_order && measure->received == measure->wanted)
        broker_settle(measure->broker, epoch, measure->held, BROKER_ACK);
}

static void on_oversized(void *context, struct broker_delivery *delivery, uint64_t size)
{
    (void)size;
    on_delivery(context, delivery);
}

static void on_blocked(void *context, bool blocked)
{
    (void)context;
    (void)blocked;
}

static void on_nothing(void *context)
{
    (void)context;
}

static void on_notice(void *context, enum broker_severity severity, const char *text)
{
    (void)context;
    if (severity > BROKER_INFO)
        fprintf(stderr, "%s\n", text);
}

static void on_failed(void *context, const char *text)
{
    (void)context;
    fprintf(stderr, "%s\n", text);
    exit(1);
}

static void on_stopped(void *context)
{
    ((struct measure *)context)->stopped = true;
}

static const struct broker_handler handler = {
    .on_up = on_up,
    .on_down = on_down,
    .on_delivery = on_delivery,
    .on_oversized = on_oversized,
    .on_blocked = on_blocked,
    .on_drained = on_nothing,
    .on_notice = on_notice,
    .on_failed = on_failed,
    .on_stopped = on_stopped,
};

static void on_published(void *context, const char *error)
{
    struct measure *measure = context;
    if (error)
        abort();
    measure->published++;
}

static void open_broker(struct measure *measure, struct broker_config *config)
{
    uv_loop_init(&measure->loop);
    measure->broker = broker_new(&measure->loop, config, &handler, measure);
    broker_start(measure->broker);
    while (!measure->up)
        uv_run(&measure->loop, UV_RUN_ONCE);
}

static void close_broker(struct measure *measure)
{
    broker_stop(measure->broker, 5);
    while (!measure->stopped)
        uv_run(&measure->loop, UV_RUN_ONCE);
    broker_free(measure->broker);
    uv_run(&measure->loop, UV_RUN_DEFAULT);
    uv_loop_close(&measure->loop);
}

static void report(const char *what, size_t count, double cpu, uint64_t start)
{
    double wall = (double)(uv_hrtime() - start) / 1e9;
    printf("%-28s %6.2f us CPU a message, %8.0f a second\n", what, cpu / (double)count * 1e6,
           (double)count / wall);
}

/* Headers like those of a task message. */
static msgpack_object task_headers(msgpack_zone *zone)
{
    static const char *const names[] = {
        "lang",          "task",    "id",      "shadow",    "eta",      "expires",    "group",
        "group_index",   "retries", "root_id", "parent_id", "argsrepr", "kwargsrepr", "origin",
        "ignore_result", "stamps"};
    msgpack_object map;
    if (!value_map(zone, ARRAY_LEN(names), &map))
        abort();
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        value_map_put(&map, names[i],
                      i % 3 ? value_string("fcf9c146-efb3-43b0-82d5-a148b9f0d542") : value_nil());
    return map;
}

static void publish(struct measure *measure, struct broker_config *config, bool with_headers)
{
    static const char body[] = "[[2, 3], {}, {\"callbacks\": null, \"errbacks\": null}]";
    msgpack_zone zone;
    msgpack_zone_init(&zone, 8192);
    msgpack_object headers = task_headers(&zone);
    struct broker_message message = {
        .routing_key = text_of("celeriac-measure"),
        .content_type = text_of("application/json"),
        .content_encoding = text_of("utf-8"),
        .correlation_id = text_of("fcf9c146-efb3-43b0-82d5-a148b9f0d542"),
        .priority = 0,
        .delivery_mode = 1,
        .headers = with_headers ? &headers : NULL,
        .body = {body, sizeof(body) - 1},
    };
    struct broker_queue *queues = (struct broker_queue *)config->queues;
    size_t count = measure->wanted;
    queues[0].declare_only = true;
    config->purge = !with_headers;
    open_broker(measure, config);
    double cpu = cpu_now();
    uint64_t start = uv_hrtime();
    for (size_t sent = 0; measure->published < count;) {
        for (int i = 0; i < 50 && sent < count && sent - measure->published < 2000; i++, sent++)
            if (broker_publish(measure->broker, &message, on_published, measure))
                abort();
        uv_run(&measure->loop, sent - measure->published < 2000 ? UV_RUN_NOWAIT : UV_RUN_ONCE);
    }
    report(with_headers ? "publish+confirm, a task" : "publish+confirm, a result", count,
           cpu_now() - cpu, start);
    close_broker(measure);
    msgpack_zone_destroy(&zone);
}

static void receive(struct measure *measure, struct broker_config *config)
{
    struct broker_queue *queues = (struct broker_queue *)config->queues;
    queues[0].declare_only = false;
    double cpu = cpu_now();
    uint64_t start = uv_hrtime();
    open_broker(measure, config);
    while (measure->received < measure->wanted)
        uv_run(&measure->loop, UV_RUN_ONCE);
    report(measure->out_of_order ? "deliver+ack, out of order" : "deliver+ack, in order",
           measure->wanted, cpu_now() - cpu, start);
    close_broker(measure);
}

int main(int argc, char **argv)
{
    void *state = NULL;
    size_t count = argc > 1 ? (size_t)atol(argv[1]) : 100000;
    struct broker_url urls[BROKER_URLS_MAX];
    struct broker_queue queue = {
        .name = "celeriac-measure", .exchange = "", .arguments = {.type = MSGPACK_OBJECT_NIL}};
    struct broker_config config = {
        .urls = urls,
        .queues = &queue,
        .queue_count = 1,
        .product = "measure",
        .version = "0",
        .prefetch = 400,
        .heartbeat = 60,
        .body_max = 1 << 20,
        .outbox_max = 64 << 20,
    };
    char error[BROKER_URL_ERROR_SIZE];
    if (node_start(&state) || broker_urls_parse(node_url(), urls, &config.url_count, error))
        return 1;
    peer_delete("celeriac-measure");
    publish(&(struct measure){.wanted = count}, &config, false);
    peer_delete("celeriac-measure");
    for (int pass = 0; pass < 2; pass++) {
        publish(&(struct measure){.wanted = count}, &config, true);
        receive(&(struct measure){.wanted = count, .out_of_order = pass == 1}, &config);
    }
    peer_delete("celeriac-measure");
    return node_stop(&state);
}
