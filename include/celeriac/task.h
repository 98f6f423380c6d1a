/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_TASK_H
#define CELERIAC_TASK_H

/* Celery tasks in C. A task library is a shared library that includes this header, defines its
 * tasks with CELERIAC_TASKS, and is run by `celeriac -A ./libtasks.so worker`. It links nothing of
 * celeriac: the process that loads it provides the functions below. docs/native-tasks.md is the
 * guide.
 *
 *     static int add(struct celeriac_task *task)
 *     {
 *         int64_t x, y;
 *         if (!celeriac_arg_int(task, "x", &x) || !celeriac_arg_int(task, "y", &y))
 *             return CELERIAC_FAILED;
 *         return celeriac_return_int(task, x + y);
 *     }
 *     CELERIAC_TASKS({.name = "tasks.add", .run = add, .signature = "x: int, y: int"})
 *
 * A task runs in a process of its own, one at a time. Every pointer that a function here hands out
 * lives until the task returns. Only celeriac_soft_limit_reached may be called from a second
 * thread. C11 or C++20. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CELERIAC_ABI          1
#define CELERIAC_API          __attribute__((visibility("default")))
#define CELERIAC_PRINTF(f, a) __attribute__((format(printf, f, a)))

struct celeriac_task;  /* a running task */
struct celeriac_value; /* None, bool, int, float, str, bytes, list or dict */

enum { CELERIAC_OK = 0, CELERIAC_FAILED = -1 };

/* ---- Defining tasks ---- */

enum celeriac_choice { CELERIAC_UNSET, CELERIAC_YES, CELERIAC_NO };

/* For max_retries. */
enum { CELERIAC_RETRIES_NONE = -1, CELERIAC_RETRIES_UNLIMITED = -2 };

/* What is left out follows the worker's settings. The options mean what they mean in Celery. */
struct celeriac_task_definition {
    const char *name; /* "tasks.add" */
    /* CELERIAC_OK, or anything else for a failure. An exception that was raised (by celeriac_fail,
     * by an accessor of an argument, ...) fails the task whatever is returned; without
     * celeriac_return_* the result is None. */
    int (*run)(struct celeriac_task *task);
    /* The parameters, written as in a Python stub file: "x: int, y: float = ..., *rest, flag: bool
     * = ..., **options". Types: int, float (takes an int, too), bool, str, bytes, list, dict;
     * without one anything goes. `= ...` makes a parameter optional; those behind *rest, or behind
     * a lone *, are passed by keyword only. A call that does not fit fails with Python's TypeError
     * before the task runs. NULL: any arguments; "": none. */
    const char *signature;
    double time_limit;      /* seconds; 0: unset */
    double soft_time_limit; /* seconds; 0: unset */
    enum celeriac_choice acks_late;
    enum celeriac_choice reject_on_worker_lost;
    enum celeriac_choice ignore_result;
    int max_retries; /* 0: unset, which is 3 */
    /* Retries without a call of celeriac_retry: the exceptions to retry for, by their names,
     * "ConnectionError, myapp.errors.Busy"; "Exception": every one. There are no base classes
     * here, the name must be that of the exception itself. NULL: none. */
    const char *autoretry_for;
    /* Seconds before the first automatic retry, doubled with each; 0: default_retry_delay. */
    int retry_backoff;
    int retry_backoff_max;             /* seconds; 0: unset, which is 600 */
    enum celeriac_choice retry_jitter; /* unset is yes: anything from 0 to the backoff */
    double default_retry_delay;        /* seconds; 0: unset, which is 180 */
    enum celeriac_choice track_started;
    enum celeriac_choice store_errors_even_if_ignored;
    /* How often it may begin in each worker: "10/s", "100/m", "5/h". NULL: unset; "0": no limit. */
    const char *rate_limit;
};

/* What a library exports, under the name `celeriac_library`; CELERIAC_TASKS defines it. */
struct celeriac_library {
    uint32_t abi;             /* CELERIAC_ABI of the header it was built with */
    uint32_t definition_size; /* sizeof(struct celeriac_task_definition), likewise */
    size_t task_count;
    const struct celeriac_task_definition *tasks;
};

extern CELERIAC_API const struct celeriac_library celeriac_library;

/* g++ takes fields that a designated initializer leaves out for forgotten ones. */
#ifdef __cplusplus
#define CELERIAC_PARTIAL_INITIALIZERS                                                              \
    _Pragma("GCC diagnostic ignored \"-Wmissing-field-initializers\"")
#else
#define CELERIAC_PARTIAL_INITIALIZERS
#endif

/* Once a library, at file scope, without a semicolon:
 *     CELERIAC_TASKS({.name = "a", .run = a}, {.name = "b", .run = b, .acks_late = CELERIAC_NO}) */
/* clang-format off */
#define CELERIAC_TASKS(...)                                                                   \
    _Pragma("GCC diagnostic push") CELERIAC_PARTIAL_INITIALIZERS                              \
    static const struct celeriac_task_definition celeriac_task_definitions[] = {__VA_ARGS__}; \
    _Pragma("GCC diagnostic pop")                                                             \
    const struct celeriac_library celeriac_library = {                                        \
        CELERIAC_ABI, (uint32_t)sizeof(struct celeriac_task_definition),                      \
        sizeof(celeriac_task_definitions) / sizeof(celeriac_task_definitions[0]),             \
        celeriac_task_definitions};
/* clang-format on */

/* ---- Arguments ---- */

/* The argument for a parameter of the signature (for "*rest" a list named "rest", for "**options" a
 * dict named "options"), wherever the caller has put it; NULL if it is optional and was left out.
 * In a task without a signature: the keyword argument of that name. */
CELERIAC_API const struct celeriac_value *celeriac_arg(struct celeriac_task *task,
                                                       const char *name);

/* The same with a type. True: *ret holds the argument, or is untouched because the argument is
 * optional and was left out (so put the default there before). False: the task has failed with
 * TypeError, OverflowError (an int beyond 64 bits) or, for strings, ValueError (a null inside);
 * return CELERIAC_FAILED. int takes a bool and double an int, as in Python. */
CELERIAC_API bool celeriac_arg_bool(struct celeriac_task *task, const char *name, bool *ret);
CELERIAC_API bool celeriac_arg_int(struct celeriac_task *task, const char *name, int64_t *ret);
CELERIAC_API bool celeriac_arg_double(struct celeriac_task *task, const char *name, double *ret);
/* Null-terminated UTF-8. */
CELERIAC_API bool celeriac_arg_string(struct celeriac_task *task, const char *name,
                                      const char **ret);
/* bytes, or the UTF-8 of a str. */
CELERIAC_API bool celeriac_arg_bytes(struct celeriac_task *task, const char *name,
                                     const void **ret_data, size_t *ret_size);

/* All arguments as the caller has passed them: the list of the positional ones, the dict of the
 * keyword ones. */
CELERIAC_API const struct celeriac_value *celeriac_args(struct celeriac_task *task);
CELERIAC_API const struct celeriac_value *celeriac_kwargs(struct celeriac_task *task);

/* ---- Reading values. NULL reads as None. ---- */

enum celeriac_type {
    CELERIAC_NONE,
    CELERIAC_BOOL,
    CELERIAC_INT,
    CELERIAC_FLOAT,
    CELERIAC_STR,
    CELERIAC_BYTES,
    CELERIAC_LIST,
    CELERIAC_DICT,
    CELERIAC_OTHER, /* a msgpack extension */
};

CELERIAC_API enum celeriac_type celeriac_value_type(const struct celeriac_value *value);
CELERIAC_API const char *celeriac_value_type_name(
    const struct celeriac_value *value); /* "NoneType" */

/* Each returns false, and leaves *ret alone, if the value is of another type or does not fit. */
CELERIAC_API bool celeriac_value_bool(const struct celeriac_value *value, bool *ret);
CELERIAC_API bool celeriac_value_int(const struct celeriac_value *value, int64_t *ret);
CELERIAC_API bool celeriac_value_uint(const struct celeriac_value *value, uint64_t *ret);
CELERIAC_API bool celeriac_value_double(const struct celeriac_value *value, double *ret);
/* A str or bytes; not null-terminated. */
CELERIAC_API bool celeriac_value_bytes(const struct celeriac_value *value, const void **ret_data,
                                       size_t *ret_size);

/* Elements of a list, pairs of a dict; 0 for everything else. */
CELERIAC_API size_t celeriac_value_length(const struct celeriac_value *value);
/* Element of a list, or value of a dict's pair; NULL beyond the end. */
CELERIAC_API const struct celeriac_value *celeriac_value_at(const struct celeriac_value *value,
                                                            size_t index);
/* Key of a dict's pair. */
CELERIAC_API const struct celeriac_value *celeriac_value_key_at(const struct celeriac_value *value,
                                                                size_t index);
/* The value under a key of a dict, or NULL. */
CELERIAC_API const struct celeriac_value *celeriac_value_get(const struct celeriac_value *value,
                                                             const char *key);

/* ---- Making values ---- */

/* Strings are copied. NULL when out of memory, or for a str that is not UTF-8: the task has then
 * failed, and the functions below take the NULL, so that one check at the end is enough: the one in
 * celeriac_return. */
CELERIAC_API struct celeriac_value *celeriac_make_none(struct celeriac_task *task);
CELERIAC_API struct celeriac_value *celeriac_make_bool(struct celeriac_task *task, bool flag);
CELERIAC_API struct celeriac_value *celeriac_make_int(struct celeriac_task *task, int64_t number);
CELERIAC_API struct celeriac_value *celeriac_make_uint(struct celeriac_task *task, uint64_t number);
CELERIAC_API struct celeriac_value *celeriac_make_double(struct celeriac_task *task, double number);
CELERIAC_API struct celeriac_value *celeriac_make_string(struct celeriac_task *task,
                                                         const char *text);
CELERIAC_API struct celeriac_value *celeriac_make_string_n(struct celeriac_task *task,
                                                           const char *text, size_t size);
CELERIAC_API struct celeriac_value *celeriac_make_bytes(struct celeriac_task *task,
                                                        const void *data, size_t size);
CELERIAC_API struct celeriac_value *celeriac_make_list(struct celeriac_task *task);
CELERIAC_API struct celeriac_value *celeriac_make_dict(struct celeriac_task *task);
/* Put a value, made or received, into a list or dict made above. It goes in as it is now: fill a
 * list before you put it into another. A second pair with the same key replaces the first for every
 * reader. */
CELERIAC_API void celeriac_list_append(struct celeriac_task *task, struct celeriac_value *list,
                                       const struct celeriac_value *value);
CELERIAC_API void celeriac_dict_set(struct celeriac_task *task, struct celeriac_value *dict,
                                    const char *key, const struct celeriac_value *value);

/* ---- The result ---- */

/* Set the result, any earlier one is forgotten: `return celeriac_return_int(task, 42);`. Return
 * CELERIAC_OK, or CELERIAC_FAILED if the task has failed before. */
CELERIAC_API int celeriac_return(struct celeriac_task *task, const struct celeriac_value *value);
CELERIAC_API int celeriac_return_none(struct celeriac_task *task);
CELERIAC_API int celeriac_return_bool(struct celeriac_task *task, bool flag);
CELERIAC_API int celeriac_return_int(struct celeriac_task *task, int64_t number);
CELERIAC_API int celeriac_return_double(struct celeriac_task *task, double number);
CELERIAC_API int celeriac_return_string(struct celeriac_task *task,
                                        const char *text); /* NULL: None */
CELERIAC_API int celeriac_return_bytes(struct celeriac_task *task, const void *data, size_t size);

/* Raise an exception: `return celeriac_fail(task, "ValueError", "no row %d", row);`. The type is
 * one of Python's, or one with its module, "myapp.errors.NoSuchRow", which the client gets if it
 * has it, and a look-alike otherwise. Returns CELERIAC_FAILED. The last exception counts. */
#define celeriac_fail(task, ...) celeriac_fail_at(task, __FILE__, __LINE__, __func__, __VA_ARGS__)
CELERIAC_API int celeriac_fail_at(struct celeriac_task *task, const char *file, int line,
                                  const char *function, const char *type, const char *format, ...)
    CELERIAC_PRINTF(6, 7);

/* ---- The request ---- */

/* What the message says about the task. Strings are NULL where there is none. */
struct celeriac_request {
    const char *id, *task;
    const char *root_id, *parent_id, *group;
    const char *correlation_id, *reply_to;
    const char *hostname;      /* the worker's node name */
    const char *eta, *expires; /* ISO 8601, as sent */
    int64_t retries;
    double time_limit, soft_time_limit; /* in force; seconds, 0: none */
    const char *exchange, *routing_key;
    int priority; /* -1: none */
    bool redelivered;
};

CELERIAC_API const struct celeriac_request *celeriac_request(struct celeriac_task *task);
/* A header of the message, also one that the sender has added (apply_async(headers=...)); NULL if
 * it is not there. */
CELERIAC_API const struct celeriac_value *celeriac_header(struct celeriac_task *task,
                                                          const char *name);

/* ---- Other ends than a result ---- */

/* The first of these decides: nothing that the task does afterwards changes its end. Each returns
 * CELERIAC_FAILED, to be returned by the task. */

/* Run again in `countdown` seconds; negative: after the task's default_retry_delay. `max_retries`
 * as in the definition; 0: the definition's. The exception that was raised before is the reason,
 * and what the task fails with when there are no retries left; MaxRetriesExceededError if there is
 * none:
 *     celeriac_fail(task, "ConnectionError", "no answer");
 *     return celeriac_retry(task, 10, 5); */
CELERIAC_API int celeriac_retry(struct celeriac_task *task, double countdown, int max_retries);
/* The message is acknowledged, nothing is stored, nothing follows. */
CELERIAC_API int celeriac_ignore(struct celeriac_task *task);
/* The message is rejected; with `requeue` the broker delivers it again, else it is dropped or goes
 * to a dead-letter exchange. Without acks_late it has been acknowledged before, and nothing
 * happens to it. */
CELERIAC_API int celeriac_reject(struct celeriac_task *task, bool requeue);

/* ---- Calling tasks ---- */

/* What is left out is unset. Pointers are read during the call only. */
struct celeriac_call_options {
    const char *queue; /* unset: routed by the task's name */
    const char *exchange, *routing_key;
    double countdown;       /* seconds */
    const char *eta;        /* ISO 8601 */
    double expires;         /* seconds from now */
    const char *expires_at; /* ISO 8601 */
    int priority;           /* 1 to 255 */
    const char *task_id;
    const char *serializer, *compression;
    double time_limit, soft_time_limit; /* seconds */
    enum celeriac_choice ignore_result;
    const char *shadow; /* the name in logs */
    const char *reply_to;
    const struct celeriac_value *headers;           /* a dict */
    const struct celeriac_value *link, *link_error; /* a signature or a list of them */
    /* For celeriac_signature: it is called with its own arguments only, whatever was returned
     * before it. */
    bool immutable;
};

/* Sends a task; `args` is a list, `kwargs` a dict, `options` may be NULL, as may all of them. It is
 * on its way when this returns, and listed among this task's children. Returns its id; NULL if it
 * cannot be sent: this task has failed then. */
#define celeriac_send_task(task, name, args, kwargs, options)                                      \
    celeriac_send_task_sized(task, name, args, kwargs, options,                                    \
                             sizeof(struct celeriac_call_options))
CELERIAC_API const char *celeriac_send_task_sized(struct celeriac_task *task, const char *name,
                                                  const struct celeriac_value *args,
                                                  const struct celeriac_value *kwargs,
                                                  const struct celeriac_call_options *options,
                                                  size_t options_size);

/* A call that is not made yet, as Celery's signature(): a dict, which can be sent, linked, returned
 * and passed to other tasks. NULL as for other values that cannot be made. */
#define celeriac_signature(task, name, args, kwargs, options)                                      \
    celeriac_signature_sized(task, name, args, kwargs, options,                                    \
                             sizeof(struct celeriac_call_options))
CELERIAC_API const struct celeriac_value *celeriac_signature_sized(
    struct celeriac_task *task, const char *name, const struct celeriac_value *args,
    const struct celeriac_value *kwargs, const struct celeriac_call_options *options,
    size_t options_size);
/* Of a list of signatures: one after the other, each with the result of the one before as its first
 * argument; all at once; all at once, and then `body` with the list of their results. */
CELERIAC_API const struct celeriac_value *celeriac_chain(struct celeriac_task *task,
                                                         const struct celeriac_value *signatures);
CELERIAC_API const struct celeriac_value *celeriac_group(struct celeriac_task *task,
                                                         const struct celeriac_value *signatures);
CELERIAC_API const struct celeriac_value *celeriac_chord(struct celeriac_task *task,
                                                         const struct celeriac_value *header,
                                                         const struct celeriac_value *body);
/* Sends a signature. Returns the id of its result (a group's own); NULL as celeriac_send_task. */
CELERIAC_API const char *celeriac_apply(struct celeriac_task *task,
                                        const struct celeriac_value *signature);
/* Sends a signature in place of this task, which ends here: it gets the task's id, and what was to
 * follow the task follows it. Returns CELERIAC_FAILED. */
CELERIAC_API int celeriac_replace(struct celeriac_task *task,
                                  const struct celeriac_value *signature);

/* ---- While it runs ---- */

/* Stores a state of the task's own, "PROGRESS", and what clients see as its result meanwhile, a
 * dict as a rule. False: it cannot be stored, and the task has failed. */
CELERIAC_API bool celeriac_update_state(struct celeriac_task *task, const char *state,
                                        const struct celeriac_value *meta);

/* Python's numbers. */
enum celeriac_log_level {
    CELERIAC_LOG_DEBUG = 10,
    CELERIAC_LOG_INFO = 20,
    CELERIAC_LOG_WARNING = 30,
    CELERIAC_LOG_ERROR = 40,
    CELERIAC_LOG_CRITICAL = 50,
};

/* A line in the worker's log, headed by the task's name and id, if the worker logs that level. */
CELERIAC_API void celeriac_log(struct celeriac_task *task, enum celeriac_log_level level,
                               const char *format, ...) CELERIAC_PRINTF(3, 4);

/* True once the soft time limit has passed. The signal that tells so ends blocking system calls
 * with EINTR. Clean up and return CELERIAC_FAILED: the task then fails with SoftTimeLimitExceeded,
 * unless it has raised an exception of its own. */
CELERIAC_API bool celeriac_soft_limit_reached(const struct celeriac_task *task);
/* Sleeps; CELERIAC_FAILED as soon as the soft time limit has passed. */
CELERIAC_API int celeriac_sleep(struct celeriac_task *task, double seconds);

#ifdef __cplusplus
}
#endif

#endif
