/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the commands that revoke: their arguments, and their answers in Celery's words. What a
 * revoke does lies in revoking.c. */

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "codec/result_message.h"
#include "worker/consumer/control_commands.h"
#include "worker/consumer/internal.h"
#include "worker/consumer/revoking.h"
#include "worker/log/log.h"

enum { WORDS_SIZE = 4096, SIGNAL_NAME_SIZE = 16, STAMPS_MAX = 64 };

/* ---- words ---- */

/* A list that grows up to a bound. */
struct words {
    char text[WORDS_SIZE];
    size_t size;
    bool cut;
};

static void say(struct words *words, const char *format, ...) PRINTF_LIKE(2, 3);

static void say(struct words *words, const char *format, ...)
{
    static const char more[] = "...";
    va_list list;
    if (words->cut)
        return;
    va_start(list, format);
    size_t room = sizeof(words->text) - words->size - sizeof(more);
    int size = vsnprintf(words->text + words->size, room, format, list);
    va_end(list);
    words->cut = size < 0 || (size_t)size >= room;
    if (words->cut)
        memcpy(words->text + words->size, more, sizeof(more));
    else
        words->size += (size_t)size;
}

static void say_value(struct words *words, const char *before, const msgpack_object *value)
{
    char text[REVOKED_KEY_MAX];
    result_repr(value, text, sizeof(text));
    say(words, "%s%s", before, text);
}

/* ---- arguments ---- */

/* Element `index` of what may be one value or a list. */
static const msgpack_object *element(const msgpack_object *values, size_t index)
{
    if (values == NULL || values->type == MSGPACK_OBJECT_ARRAY)
        return value_at(values, index);
    return index == 0 ? values : NULL;
}

static int signal_by_name(const char *name)
{
    const char *bare = strncmp(name, "SIG", 3) == 0 ? name + 3 : name;
    for (int number = 1; number < NSIG; number++) {
        const char *known = sigabbrev_np(number);
        if (known != NULL && strcmp(known, bare) == 0)
            return number;
    }
    return 0;
}

static bool is_upper(struct text text)
{
    bool some = false;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] >= 'a' && text.data[i] <= 'z')
            return false;
        some = some || (text.data[i] >= 'A' && text.data[i] <= 'Z');
    }
    return some;
}

/* The signal's number, SIGTERM if none is named; 0: the answer is given. */
static int read_signal(struct control_call *call)
{
    const msgpack_object *value = control_argument(call, "signal");
    struct text text;
    int64_t number;
    char name[SIGNAL_NAME_SIZE];
    if (!control_truth(value))
        return SIGTERM;
    if (value_as_int(value, &number)) {
        if (number > 0 && number < NSIG)
            return (int)number;
        control_error(call, "OSError(22, 'Invalid argument')");
        return 0;
    }
    if (!value_as_text(value, &text) || !is_upper(text)) {
        control_error(call, "TypeError('signal name must be uppercase string.')");
        return 0;
    }
    snprintf(name, sizeof(name), "%.*s", (int)(text.size < sizeof(name) ? text.size : 0),
             text.data);
    int known = signal_by_name(name);
    if (known == 0)
        control_error(call, "AttributeError(\"module 'signal' has no attribute '%s%.*s'\")",
                      strncmp(name, "SIG", 3) == 0 ? "" : "SIG", text_quoted_size(text), text.data);
    return known;
}

/* ---- by id ---- */

static void remember(struct control_call *call, const msgpack_object *ids)
{
    const msgpack_object *id;
    for (size_t i = 0; (id = element(ids, i)) != NULL; i++) {
        struct text text;
        if (!value_as_text(id, &text) || !revoking_add_id(call->consumer, text))
            log_warning("A task id cannot be revoked: it is no text, or too long, or there is no "
                        "memory for it");
    }
}

static void withdraw(struct control_call *call, const msgpack_object *ids)
{
    struct words words = {.text = ""}, plain = {.text = ""};
    const msgpack_object *id;
    struct text text;
    for (size_t i = 0; (id = element(ids, i)) != NULL; i++) {
        say_value(&words, i > 0 ? ", " : "", id);
        if (!value_as_text(id, &text))
            continue;
        say(&plain, "%s%.*s", i > 0 ? ", " : "", text_quoted_size(text), text.data);
        revoking_apply_id(call->consumer, text, 0);
    }
    log_clean(plain.text);
    log_info("Tasks flagged as revoked: %s", plain.text);
    if (words.size > 0)
        control_ok(call, "tasks {%s} flagged as revoked", words.text);
    else
        control_ok(call, "tasks set() flagged as revoked");
}

static void terminate(struct control_call *call, const msgpack_object *ids)
{
    struct words words = {.text = ""};
    const msgpack_object *id;
    struct text text;
    int signal = read_signal(call);
    if (signal == 0)
        return;
    for (size_t i = 0; (id = element(ids, i)) != NULL; i++) {
        if (value_as_text(id, &text) &&
            revoking_apply_id(call->consumer, text, signal) != REVOKING_UNKNOWN)
            say(&words, "%s%.*s", words.size > 0 ? ", " : "", text_quoted_size(text), text.data);
    }
    control_ok(call, "terminate: %s", words.size > 0 ? words.text : "tasks unknown");
}

/* All ids are remembered before any request goes: one may be the retry of another. */
static void revoke_ids(struct control_call *call, bool terminates)
{
    const msgpack_object *ids = control_argument(call, "task_id");
    remember(call, ids);
    if (terminates)
        terminate(call, ids);
    else
        withdraw(call, ids);
}

void control_revoke(struct control_call *call)
{
    revoke_ids(call, control_truth(control_argument(call, "terminate")));
}

void control_terminate(struct control_call *call)
{
    revoke_ids(call, true);
}

void control_revoked(struct control_call *call)
{
    const struct revoked *revoked = &call->consumer->revoked;
    uint32_t count = 0;
    if (!value_array(call->zone, (uint32_t)revoked->count, &call->reply))
        return;
    for (const struct revoked_entry *entry = revoked->oldest; entry != NULL; entry = entry->newer)
        call->reply.via.array.ptr[count++] = value_text((struct text){entry->key, entry->size});
}

/* ---- by stamp ---- */

/* ["k=v", ...] as {"k": "v", ...}. False: the answer is given. */
static bool split_headers(struct control_call *call, const msgpack_object *list,
                          msgpack_object *ret)
{
    if (!value_map(call->zone, list->via.array.size, ret))
        return false;
    for (uint32_t i = 0; i < list->via.array.size; i++) {
        struct text text;
        const char *mark = value_as_text(&list->via.array.ptr[i], &text) && text.size > 0
                               ? memchr(text.data, '=', text.size)
                               : NULL;
        if (mark == NULL) {
            control_error(call, "IndexError('list index out of range')");
            return false;
        }
        size_t rest = text.size - (size_t)(mark + 1 - text.data);
        const char *next = rest > 0 ? memchr(mark + 1, '=', rest) : NULL;
        size_t size = next != NULL ? (size_t)(next - mark - 1) : rest;
        ret->via.map.ptr[ret->via.map.size++] = (msgpack_object_kv){
            .key = value_text((struct text){text.data, (size_t)(mark - text.data)}),
            .val = value_text((struct text){mark + 1, size}),
        };
    }
    return true;
}

static bool read_headers(struct control_call *call, msgpack_object *ret)
{
    const msgpack_object *headers = value_get(call->arguments, "headers");
    if (headers->type == MSGPACK_OBJECT_ARRAY)
        return split_headers(call, headers, ret);
    if (headers->type != MSGPACK_OBJECT_MAP) {
        control_error(call, "AttributeError(\"'%s' object has no attribute 'items'\")",
                      value_type_name(headers));
        return false;
    }
    *ret = *headers;
    return true;
}

static void remember_stamps(struct control_call *call, const msgpack_object *headers)
{
    for (uint32_t i = 0; i < headers->via.map.size; i++) {
        const msgpack_object_kv *pair = &headers->via.map.ptr[i];
        const msgpack_object *value;
        struct text header;
        for (size_t j = 0; (value = element(&pair->val, j)) != NULL; j++) {
            if (!value_as_text(&pair->key, &header) ||
                !revoking_add_stamp(call->consumer, header, value))
                log_warning("A stamp cannot be revoked: its header is no text, or it is too long, "
                            "or there is no memory for it");
        }
    }
}

/* The stamps of what was terminated, each once. */
struct met {
    struct {
        struct text header;
        msgpack_object value;
    } stamps[STAMPS_MAX];
    size_t count;
};

static bool same_text(struct text left, struct text right)
{
    return left.size == right.size && memcmp(left.data, right.data, left.size) == 0;
}

static void on_met(void *context, struct text header, const msgpack_object *value)
{
    struct met *met = context;
    for (size_t i = 0; i < met->count; i++)
        if (same_text(met->stamps[i].header, header) &&
            msgpack_object_equal(met->stamps[i].value, *value))
            return;
    if (met->count == STAMPS_MAX)
        return;
    met->stamps[met->count].header = header;
    met->stamps[met->count++].value = *value;
}

/* One header's values as a Python set, unless they have been said before. */
static void say_header(struct words *words, const struct met *met, size_t index)
{
    const struct text header = met->stamps[index].header;
    const msgpack_object name = value_text(header);
    for (size_t i = 0; i < index; i++)
        if (same_text(met->stamps[i].header, header))
            return;
    say_value(words, words->size > 0 ? ", " : "", &name);
    say_value(words, ": {", &met->stamps[index].value);
    for (size_t i = index + 1; i < met->count; i++)
        if (same_text(met->stamps[i].header, header))
            say_value(words, ", ", &met->stamps[i].value);
    say(words, "}");
}

void control_revoke_by_stamped_headers(struct control_call *call)
{
    bool terminates = control_truth(control_argument(call, "terminate"));
    int signal = read_signal(call);
    msgpack_object headers;
    struct met met = {.count = 0};
    struct words asked = {.text = ""}, ended = {.text = ""};
    if (signal == 0 || !read_headers(call, &headers))
        return;
    remember_stamps(call, &headers);
    revoking_apply_stamps(call->consumer, &headers, terminates ? signal : 0, on_met, &met);
    say_value(&asked, "", &headers);
    for (size_t i = 0; i < met.count; i++)
        say_header(&ended, &met, i);
    if (!terminates)
        control_ok(call, "headers %s flagged as revoked, but not terminated", asked.text);
    else if (met.count == 0)
        control_ok(call, "headers %s were not terminated", asked.text);
    else
        control_ok(call, "headers defaultdict(<class 'set'>, {%s}) revoked", ended.text);
}
