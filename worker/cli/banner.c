/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns what a person sees first. */

#include "worker/cli/banner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

#include "worker/cli/version.h"

/* HELLO's text under the key, or else `otherwise`. */
static struct text described(const struct banner *banner, const char *key, const char *otherwise)
{
    struct text text = {otherwise, strlen(otherwise)};
    value_as_text(value_get(banner->description, key), &text);
    return text;
}

static void print_head(const struct banner *banner)
{
    struct utsname system;
    char now[32] = "";
    time_t second = time(NULL);
    struct tm local;
    if (localtime_r(&second, &local) != NULL)
        strftime(now, sizeof(now), "%Y-%m-%d %H:%M:%S", &local);
    if (uname(&system) != 0)
        memset(&system, 0, sizeof(system));
    printf("\n%s celeriac v%s\n\n%s-%s-%s %s\n\n", banner->nodename, CELERIAC_VERSION,
           system.sysname, system.release, system.machine, now);
}

static void print_config(const struct banner *banner)
{
    char transport[512];
    struct text app = described(banner, "app", banner->app != NULL ? banner->app : "default");
    struct text runtime = described(banner, "runtime", "unknown");
    struct text version = described(banner, "version", "");
    struct text results = described(banner, "results", banner->results);
    broker_url_masked(banner->url, transport, sizeof(transport));
    printf("[config]\n"
           ".> app:         %.*s (%.*s%s%.*s)\n"
           ".> transport:   %s\n"
           ".> results:     %.*s\n"
           ".> concurrency: %u (prefork)\n"
           ".> task events: OFF (not supported yet)\n\n",
           (int)app.size, app.data, (int)runtime.size, runtime.data, version.size > 0 ? ", " : "",
           (int)version.size, version.data, transport, (int)results.size, results.data,
           banner->concurrency);
}

static void print_queues(const struct queues *queues)
{
    puts("[queues]");
    for (size_t i = 0; i < queues->count; i++) {
        const struct broker_queue *queue = &queues->items[i];
        printf(".> %-16s exchange=%s(%s) key=%s\n", queue->name, queue->exchange,
               queue->exchange_type, queue->routing_key);
    }
    puts("");
}

static int compare_names(const void *left, const void *right)
{
    const struct text *a = left;
    const struct text *b = right;
    size_t size = a->size < b->size ? a->size : b->size;
    int order = memcmp(a->data, b->data, size);
    if (order != 0)
        return order;
    return a->size < b->size ? -1 : a->size > b->size;
}

/* Celery's own tasks are shown to whoever looks for details only. */
static bool is_builtin(struct text name)
{
    static const char prefix[] = "celery.";
    size_t size = strlen(prefix);
    return name.size >= size && memcmp(name.data, prefix, size) == 0;
}

static void print_tasks(const struct banner *banner)
{
    const msgpack_object *tasks = value_get(banner->description, "tasks");
    if (tasks == NULL || tasks->type != MSGPACK_OBJECT_MAP)
        return;
    uint32_t size = tasks->via.map.size;
    struct text *names = calloc(size > 0 ? size : 1, sizeof(*names));
    if (names == NULL)
        return;
    size_t count = 0;
    for (uint32_t i = 0; i < size; i++) {
        bool known = value_as_text(&tasks->via.map.ptr[i].key, &names[count]);
        count += known && (banner->loglevel <= LOG_DEBUG || !is_builtin(names[count]));
    }
    qsort(names, count, sizeof(*names), compare_names);
    puts("[tasks]");
    for (size_t i = 0; i < count; i++)
        printf("  . %.*s\n", (int)names[i].size, names[i].data);
    puts("");
    free(names);
}

void banner_print(const struct banner *banner)
{
    print_head(banner);
    print_config(banner);
    print_queues(banner->queues);
    if (banner->loglevel <= LOG_INFO)
        print_tasks(banner);
    fflush(stdout);
}
