/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CLIENT_H
#define CELERIAC_CLIENT_H

/* Calls Celery tasks from C and reads their results. Link libceleriac-client (pkg-config
 * celeriac-client, or CMake's celeriac::client). docs/client.md is the guide.
 *
 *     const struct celeriac_client_config config = {.broker_url = "amqp://guest@localhost//",
 *                                                   .result_backend = "rpc://"};
 *     const struct celeriac_call call = {.task = "tasks.add", .args = "[2, 3]"};
 *     if (celeriac_client_open(&config, &client, error) == 0 &&
 *         celeriac_client_send(client, &call, id) == 0 &&
 *         celeriac_client_wait(client, id, 10, &result) == 0)
 *         puts(celeriac_result_json(result));
 *
 * The functions block, each for a time that the caller names. A client belongs to one thread at a
 * time, and not to a forked child; two clients have nothing in common. It starts no thread that
 * calls the program back, installs no signal handler and survives SIGPIPE. Nothing is done between
 * the calls: results that arrive meanwhile wait in the socket and at the broker. Text is UTF-8 and
 * null-terminated. C11 or C++20. */

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CELERIAC_CLIENT_API __attribute__((visibility("default")))

struct celeriac_client;
struct celeriac_result;

enum celeriac_client_error {
    CELERIAC_CLIENT_OK = 0,
    CELERIAC_CLIENT_ENOMEM = -1,
    CELERIAC_CLIENT_EINVALID = -2,     /* a URL, an option, or text that is no JSON */
    CELERIAC_CLIENT_EUNSUPPORTED = -3, /* a scheme, serializer or compression that is not here */
    CELERIAC_CLIENT_ECONNECT = -4,     /* the server cannot be reached, or refuses the login */
    CELERIAC_CLIENT_EREFUSED = -5, /* the server refuses the queue, the message or the command */
    CELERIAC_CLIENT_ETIMEOUT = -6, /* a message may have been sent all the same */
    CELERIAC_CLIENT_EUNKNOWN = -7, /* rpc://: not sent by this client, or forgotten */
    CELERIAC_CLIENT_EFULL = -8,    /* rpc://: wait for, or forget, some of what was sent */
    CELERIAC_CLIENT_ERESULT = -9,  /* what was stored is no result that can be read */
};

enum { CELERIAC_CLIENT_ERROR_SIZE = 512, CELERIAC_TASK_ID_SIZE = 256 };

/* A few words; never NULL. */
CELERIAC_CLIENT_API const char *celeriac_client_strerror(int error);

/* Settings, under Celery's names and with Celery's defaults where they are left out (NULL, 0). */
struct celeriac_client_config {
    /* amqp:// or amqps://, several separated by ';' are tried in turn. NULL:
     * amqp://guest@localhost// */
    const char *broker_url;
    const char *result_backend;    /* rpc://, redis://, unix:// or disabled://, which NULL is */
    const char *result_key_prefix; /* global_keyprefix of a Redis backend */
    double result_expires;         /* seconds that an rpc:// queue outlives its client; 0: a day */
    const char *task_serializer;   /* "json" or "msgpack" */
    const char *task_default_queue, *task_default_exchange, *task_default_exchange_type;
    const char *task_default_routing_key, *task_default_queue_type;
    const char *task_create_missing_queue_type, *task_create_missing_queue_exchange_type;
    int task_queue_max_priority;
    double connection_timeout; /* seconds for TCP, TLS and login together; 0: 4 */
    double send_timeout;       /* seconds for all that sending a task takes; 0: 10 */
    size_t result_size_max;    /* bytes of one result; 0: 64 MiB */
};

/* Checks the configuration and copies it; connects to nothing yet. On failure `error` gets a
 * sentence, which never shows a password. */
#define celeriac_client_open(config, ret, error)                                                   \
    celeriac_client_open_sized(config, sizeof(struct celeriac_client_config), ret, error)
CELERIAC_CLIENT_API int celeriac_client_open_sized(const struct celeriac_client_config *config,
                                                   size_t config_size, struct celeriac_client **ret,
                                                   char error[CELERIAC_CLIENT_ERROR_SIZE]);
/* Ends the connections, within connection_timeout and a few seconds. Accepts NULL. */
CELERIAC_CLIENT_API void celeriac_client_close(struct celeriac_client *client);
/* A sentence about the last failure, until the next call. */
CELERIAC_CLIENT_API const char *celeriac_client_error(const struct celeriac_client *client);

/* ---- Calling ---- */

/* A value that is encoded already: for bytes, which JSON does not have. */
struct celeriac_encoded {
    const char *content_type; /* "application/x-msgpack" or "application/json" */
    const void *data;
    size_t size;
};

/* What is left out is unset; pointers are read during the call only. */
struct celeriac_call {
    const char *task;
    const char *args;   /* a JSON array; NULL: [] */
    const char *kwargs; /* a JSON object; NULL: {} */
    struct celeriac_encoded encoded_args,
        encoded_kwargs;  /* instead of these, where there is data */
    const char *task_id; /* NULL: a new UUID */
    const char *queue;   /* NULL: task_default_queue. Declared as Celery's clients do */
    const char *exchange, *routing_key; /* both, instead of a queue: published there as it is */
    double countdown;                   /* seconds from now */
    const char *eta;                    /* ISO 8601; without an offset UTC */
    double expires;                     /* seconds from now */
    const char *expires_at;             /* ISO 8601 */
    double time_limit, soft_time_limit; /* seconds */
    int priority;                       /* 0 to 255 */
    int retries;                        /* that it has behind it */
    const char *serializer, *compression;
    const char *shadow;  /* the name in logs */
    const char *headers; /* a JSON object of your own headers */
    bool ignore_result;  /* nothing is stored, there is nothing to wait for */
    bool transient;      /* the message does not survive the broker (delivery_mode 1) */
};

/* Sends a task, and returns when the broker has confirmed that it has it. `ret_id` gets its id.
 * After ETIMEOUT it is not known whether the message has arrived: send it again under the same
 * task_id only if the task stands running twice. */
#define celeriac_client_send(client, call, ret_id)                                                 \
    celeriac_client_send_sized(client, call, sizeof(struct celeriac_call), ret_id)
CELERIAC_CLIENT_API int celeriac_client_send_sized(struct celeriac_client *client,
                                                   const struct celeriac_call *call,
                                                   size_t call_size,
                                                   char ret_id[CELERIAC_TASK_ID_SIZE]);

/* ---- Results ---- */

/* Waits until the task has ended, SUCCESS, FAILURE or REVOKED, for at most `seconds` (at most a
 * year). A connection that is lost meanwhile is made again. rpc:// knows the tasks that this client
 * has sent, and hands out each end once; redis:// knows every task. Free *ret. */
CELERIAC_CLIENT_API int celeriac_client_wait(struct celeriac_client *client, const char *id,
                                             double seconds, struct celeriac_result **ret);
/* What is known now: STARTED, RETRY, a state of the task's own, an end, or else PENDING. Takes at
 * most `seconds`. Free *ret. */
CELERIAC_CLIENT_API int celeriac_client_peek(struct celeriac_client *client, const char *id,
                                             double seconds, struct celeriac_result **ret);
/* The result is not wanted: with redis:// it is deleted there, as Celery's forget() does. */
CELERIAC_CLIENT_API int celeriac_client_forget(struct celeriac_client *client, const char *id);

/* All that these return lives as long as the result. */
CELERIAC_CLIENT_API void celeriac_result_free(struct celeriac_result *result); /* accepts NULL */
CELERIAC_CLIENT_API const char *celeriac_result_state(const struct celeriac_result *result);
CELERIAC_CLIENT_API bool celeriac_result_is_success(const struct celeriac_result *result);
/* The value as JSON: what the task has returned; of a failure {"exc_type": ...}; "null" where there
 * is none. NULL: JSON cannot express it. */
CELERIAC_CLIENT_API const char *celeriac_result_json(const struct celeriac_result *result);
/* "ValueError: bad thing", or NULL if the task has not raised. */
CELERIAC_CLIENT_API const char *celeriac_result_exception(const struct celeriac_result *result);
CELERIAC_CLIENT_API const char *celeriac_result_traceback(const struct celeriac_result *result);
/* What the task has called, as Celery's result tuples in JSON; "null" where nobody knows. */
CELERIAC_CLIENT_API const char *celeriac_result_children(const struct celeriac_result *result);
/* The whole document as it was stored. `data` is NULL for PENDING. */
CELERIAC_CLIENT_API struct celeriac_encoded celeriac_result_document(
    const struct celeriac_result *result);

#ifdef __cplusplus
}
#endif

#endif
