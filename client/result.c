/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns what a result document says. Must not know where it came from. */

#include "client/result.h"

#include <stdlib.h>
#include <string.h>

#include "codec/json.h"
#include "codec/result_message.h"
#include "codec/serializer.h"

enum { EXCEPTION_SIZE = 4096 };

struct celeriac_result {
    msgpack_zone *zone; /* of all of it */
    struct celeriac_encoded document;
    const char *state, *json, *exception, *traceback, *children;
};

static const struct serializer *serializer_of(struct bytes document, struct text content_type)
{
    if (content_type.size > 0)
        return serializer_by_content_type(content_type);
    /* Keys of a result are words: a map of msgpack never begins with a brace. */
    bool is_json = document.size > 0 && *(const char *)document.data == '{';
    return serializer_by_name(is_json ? "json" : "msgpack");
}

static bool is_one_of(struct text state, const char *const *states)
{
    while (*states != NULL && !text_equal(state, *states))
        states++;
    return *states != NULL;
}

bool result_is_final(struct bytes document, struct text content_type)
{
    static const char *const ends[] = {"SUCCESS", "FAILURE", "REVOKED", NULL};
    const struct serializer *serializer = serializer_of(document, content_type);
    msgpack_object value;
    struct text state = {NULL, 0};
    msgpack_zone *zone = serializer != NULL ? msgpack_zone_new(1024) : NULL;
    if (zone == NULL)
        return false;
    bool final = serializer->decode(document, zone, &value, NULL) == 0 &&
                 value_as_text(value_get(&value, "status"), &state) && is_one_of(state, ends);
    msgpack_zone_free(zone);
    return final;
}

/* ---- texts ---- */

/* NULL: out of memory, or it cannot be said in JSON, which `ret_memory` tells apart. */
static const char *json_of(const msgpack_object *value, msgpack_zone *zone, bool *ret_memory)
{
    static const msgpack_object none = {.type = MSGPACK_OBJECT_NIL};
    struct buffer buffer;
    buffer_init(&buffer, SIZE_MAX / 2);
    int rc = json_encode(value != NULL ? value : &none, &buffer);
    const char *text = NULL;
    if (rc == 0)
        text = text_copy(zone, (struct text){(const char *)buffer.data, buffer.size});
    if (rc == CODEC_ENOMEM || (rc == 0 && text == NULL))
        *ret_memory = false;
    buffer_done(&buffer);
    return text;
}

/* What Python would print: the words, or the constructor's arguments where there are several. */
static void describe_arguments(const msgpack_object *message, char ret[EXCEPTION_SIZE])
{
    struct text text;
    const msgpack_object *only = message;
    ret[0] = '\0';
    if (value_is_nil(message))
        return;
    if (message->type == MSGPACK_OBJECT_ARRAY) {
        if (message->via.array.size == 0)
            return;
        only = message->via.array.size == 1 ? value_at(message, 0) : NULL;
    }
    if (value_as_text(only, &text)) {
        size_t size = text.size < EXCEPTION_SIZE ? text.size : EXCEPTION_SIZE - 1;
        memcpy(ret, text.data, size);
        ret[size] = '\0';
    } else if (only != NULL) {
        result_repr(only, ret, EXCEPTION_SIZE);
    } else {
        result_repr_tuple(message, ret, EXCEPTION_SIZE);
    }
}

static char *join(const char *const *words, msgpack_zone *zone)
{
    size_t size = 1;
    for (const char *const *word = words; *word != NULL; word++)
        size += strlen(*word);
    char *text = msgpack_zone_malloc_no_align(zone, size);
    if (text == NULL)
        return NULL;
    text[0] = '\0';
    char *end = text;
    for (const char *const *word = words; *word != NULL; word++)
        end = stpcpy(end, *word);
    return text;
}

/* Without a type it is no exception. False: out of memory. */
static bool read_exception(struct celeriac_result *result, const msgpack_object *value)
{
    static const char *const raised[] = {"FAILURE", "RETRY", "REVOKED", NULL};
    struct text type, module;
    char arguments[EXCEPTION_SIZE];
    const char *type_text, *module_text = "";
    const struct text state = {result->state, strlen(result->state)};
    if (!is_one_of(state, raised) || !value_as_text(value_get(value, "exc_type"), &type))
        return true;
    type_text = text_copy(result->zone, type);
    if (value_as_text(value_get(value, "exc_module"), &module) && !text_equal(module, "builtins"))
        module_text = text_copy(result->zone, module);
    if (type_text == NULL || module_text == NULL)
        return false;
    describe_arguments(value_get(value, "exc_message"), arguments);
    const char *const words[] = {module_text, module_text[0] != '\0' ? "." : "",
                                 type_text,   arguments[0] != '\0' ? ": " : "",
                                 arguments,   NULL};
    result->exception = join(words, result->zone);
    return result->exception != NULL;
}

/* ---- reading ---- */

static int fill(struct celeriac_result *result, const msgpack_object *value, struct report *report)
{
    struct text state, traceback;
    bool memory = true;
    if (!value_as_text(value_get(value, "status"), &state))
        return report_fail(report, CELERIAC_CLIENT_ERESULT, "what was stored has no status");
    result->state = text_copy(result->zone, state);
    result->json = json_of(value_get(value, "result"), result->zone, &memory);
    result->children = json_of(value_get(value, "children"), result->zone, &memory);
    if (value_as_text(value_get(value, "traceback"), &traceback)) {
        result->traceback = text_copy(result->zone, traceback);
        memory = memory && result->traceback != NULL;
    }
    if (!memory || result->state == NULL || !read_exception(result, value_get(value, "result")))
        return report_no_memory(report);
    return 0;
}

static int read_document(struct celeriac_result *result, struct bytes document,
                         struct text content_type, struct report *report)
{
    const struct serializer *serializer = serializer_of(document, content_type);
    struct codec_reason reason = {.text = ""};
    msgpack_object value;
    if (serializer == NULL)
        return report_fail(report, CELERIAC_CLIENT_EUNSUPPORTED,
                           "the result is in %.*s, which is not supported: json and msgpack are",
                           text_quoted_size(content_type), content_type.data);
    void *copy = msgpack_zone_malloc_no_align(result->zone, document.size);
    if (copy == NULL)
        return report_no_memory(report);
    memcpy(copy, document.data, document.size);
    result->document = (struct celeriac_encoded){serializer->content_type, copy, document.size};
    int rc = serializer->decode((struct bytes){copy, document.size}, result->zone, &value, &reason);
    if (rc == CODEC_ENOMEM)
        return report_no_memory(report);
    if (rc != 0)
        return report_fail(report, CELERIAC_CLIENT_ERESULT, "what was stored cannot be read: %s",
                           reason.text);
    return fill(result, &value, report);
}

int result_read(struct bytes document, struct text content_type, struct celeriac_result **ret,
                struct report *report)
{
    struct celeriac_result *result = calloc(1, sizeof(*result));
    if (result == NULL)
        return report_no_memory(report);
    *result = (struct celeriac_result){.zone = msgpack_zone_new(MSGPACK_ZONE_CHUNK_SIZE),
                                       .state = "PENDING",
                                       .json = "null",
                                       .children = "null"};
    int rc = 0;
    if (result->zone == NULL)
        rc = report_no_memory(report);
    else if (document.size > 0)
        rc = read_document(result, document, content_type, report);
    if (rc == 0)
        *ret = result;
    else
        celeriac_result_free(result);
    return rc;
}

/* ---- accessors ---- */

void celeriac_result_free(struct celeriac_result *result)
{
    if (result == NULL)
        return;
    if (result->zone != NULL)
        msgpack_zone_free(result->zone);
    free(result);
}

const char *celeriac_result_state(const struct celeriac_result *result)
{
    return result->state;
}

bool celeriac_result_is_success(const struct celeriac_result *result)
{
    return strcmp(result->state, "SUCCESS") == 0;
}

const char *celeriac_result_json(const struct celeriac_result *result)
{
    return result->json;
}

const char *celeriac_result_exception(const struct celeriac_result *result)
{
    return result->exception;
}

const char *celeriac_result_traceback(const struct celeriac_result *result)
{
    return result->traceback;
}

const char *celeriac_result_children(const struct celeriac_result *result)
{
    return result->children;
}

struct celeriac_encoded celeriac_result_document(const struct celeriac_result *result)
{
    return result->document;
}
