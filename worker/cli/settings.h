/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CLI_SETTINGS_H
#define CELERIAC_CLI_SETTINGS_H

/* Celery's settings, under Celery's names, and the few of our own. A setting has one value, and the
 * strongest source that named it wins: option, --set, environment, configuration file, the app, the
 * default. */

#include <stdbool.h>
#include <stddef.h>

#include "codec/base.h"
#include "codec/value.h"
#include "worker/cli/overrides.h"
#include "worker/cli/queue_lines.h"
#include "worker/cli/setting_words.h"

enum { SETTINGS_COUNT_MAX = 64 };

/* Numbers that Celery writes as None are 0 here where 0 means "none", else as said. */
struct settings {
    const char *broker_url;
    double broker_connection_timeout, broker_heartbeat;
    bool broker_connection_retry;
    int broker_connection_retry_on_startup; /* -1: None, as broker_connection_retry */
    int broker_connection_max_retries;      /* -1: None, for ever */

    const char *result_backend, *result_serializer;
    const char *result_backend_transport_options; /* a JSON object */
    bool result_persistent, result_extended;
    double result_expires; /* 0: None, never */
    double redis_socket_timeout;
    struct setting_list accept_content;

    bool task_acks_late, task_reject_on_worker_lost, task_acks_on_failure_or_timeout;
    bool task_ignore_result, task_create_missing_queues;
    bool task_track_started, task_store_errors_even_if_ignored, task_inherit_parent_priority;
    const char *task_serializer;
    const char *task_default_rate_limit;
    const char *task_routes; /* as routes.h reads it */
    double task_time_limit, task_soft_time_limit;
    const char *task_default_queue, *task_default_exchange, *task_default_exchange_type;
    const char *task_default_routing_key, *task_default_queue_type;
    const char *task_create_missing_queue_type, *task_create_missing_queue_exchange_type;
    const char *broker_native_delayed_delivery_queue_type;
    const char *task_queues; /* JSON, as task_queues.h reads it */
    int task_queue_max_priority;
    int task_default_priority;      /* -1: None */
    int task_default_delivery_mode; /* 1 transient, 2 persistent */
    bool worker_disable_rate_limits, worker_enable_remote_control;

    bool worker_direct, worker_detect_quorum_queues;
    int worker_concurrency;
    int worker_prefetch_multiplier; /* -1: auto */
    int worker_eta_task_limit;      /* 0: None */
    double worker_eta_hold;
    int worker_max_tasks_per_child, worker_max_memory_per_child;
    int worker_lost_max_deliveries;
    double worker_proc_alive_timeout;
    const char *control_exchange;
    double control_queue_ttl, control_queue_expires;
    const char *worker_state_db;
    const char *worker_pool, *worker_log_format;
    int worker_log_color; /* -1: None, where there is a terminal */

    struct queue_lines queue_lines; /* the file's [queue NAME] sections */
    struct overrides overrides;     /* what the file and --set have named, for the runtime */
    enum setting_source sources[SETTINGS_COUNT_MAX]; /* by place in the table */
    char *owned[SETTINGS_COUNT_MAX];                 /* the text behind strings and lists */
};

enum { SETTINGS_MESSAGE_SIZE = 256 };

enum settings_answer {
    SETTINGS_OK = 0,
    SETTINGS_UNKNOWN = 1, /* not in the table: nothing is changed, `message` is untouched */
    SETTINGS_ERROR = -1,  /* the value cannot be read: `message` says what would be right */
};

void settings_init(struct settings *settings);
void settings_done(struct settings *settings);

/* Gives `name` the value that `text` spells ("None" and "" are none), unless a stronger source has
 * given it one. */
MUST_CHECK enum settings_answer settings_put(struct settings *settings, enum setting_source source,
                                             const char *name, const char *text,
                                             char message[SETTINGS_MESSAGE_SIZE]);

/* The same for a value that the app has (SETTING_APP): nil, bool, number, str or array of str. */
MUST_CHECK enum settings_answer settings_put_value(struct settings *settings, const char *name,
                                                   const msgpack_object *value,
                                                   char message[SETTINGS_MESSAGE_SIZE]);

/* `argument` is name=value as Celery's command line has it (overrides.h): puts the value, if the
 * name is in the table, and remembers it for the runtime. */
MUST_CHECK enum settings_answer settings_override(struct settings *settings,
                                                  enum setting_source source, const char *argument,
                                                  char message[SETTINGS_MESSAGE_SIZE]);

/* Who gave the setting its value; asserts that there is one of that name. */
enum setting_source settings_source(const struct settings *settings, const char *name);
/* The text that gave it; likewise. */
const char *settings_text(const struct settings *settings, const char *name);
/* Calls `warn` for each override that is not in the table, and so has no effect with a runtime that
 * takes no settings. */
void settings_warn_unknown(const struct settings *settings,
                           void (*warn)(void *context, const char *text), void *context);

/* Reads the section [celery] of an INI file. 0, or -1 with `message` (file and line). */
MUST_CHECK int settings_read_file(struct settings *settings, const char *path,
                                  char message[SETTINGS_MESSAGE_SIZE]);

#endif
