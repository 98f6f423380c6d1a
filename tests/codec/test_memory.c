/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory that runs out at every place where codec/ asks for some: the linker sends those requests
 * through here. The leak checker says whether what was taken before was given back. */

#include "tests/codec/vectors.h"

#include "codec/compression.h"
#include "codec/packed.h"
#include "codec/result_message.h"
#include "codec/task_body.h"

enum { LIMIT = 1 << 20 };

static struct {
    bool on;
    int left; /* requests that are still granted */
    int refused;
    int requests; /* of all attempts */
} memory;

static bool is_refused(void)
{
    if (!memory.on || memory.left-- > 0)
        return false;
    memory.refused++;
    return true;
}

/* The names are the linker's (--wrap). */
void *__real_malloc(size_t size);
void *__real_realloc(void *old, size_t size);
void *__real_msgpack_zone_malloc_expand(msgpack_zone *zone, size_t size);
bool __real_msgpack_zone_push_finalizer_expand(msgpack_zone *zone, void (*function)(void *),
                                               void *data);
void *__wrap_malloc(size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_msgpack_zone_malloc_expand(msgpack_zone *zone, size_t size);
bool __wrap_msgpack_zone_push_finalizer_expand(msgpack_zone *zone, void (*function)(void *),
                                               void *data);

void *__wrap_malloc(size_t size)
{
    return is_refused() ? NULL : __real_malloc(size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return is_refused() ? NULL : __real_realloc(old, size);
}

void *__wrap_msgpack_zone_malloc_expand(msgpack_zone *zone, size_t size)
{
    return is_refused() ? NULL : __real_msgpack_zone_malloc_expand(zone, size);
}

bool __wrap_msgpack_zone_push_finalizer_expand(msgpack_zone *zone, void (*function)(void *),
                                               void *data)
{
    return !is_refused() && __real_msgpack_zone_push_finalizer_expand(zone, function, data);
}

/* One attempt with an empty zone whose chunks are as small as can be, so that nearly all it gives
 * is asked for. */
typedef int attempt(const struct vector *vector, msgpack_zone *zone, struct buffer *buffer);

static int try_once(const struct vector *vector, attempt *try, int granted)
{
    msgpack_zone zone;
    struct buffer buffer;
    assert_true(msgpack_zone_init(&zone, 8));
    buffer_init(&buffer, LIMIT);
    memory.left = granted;
    memory.refused = 0;
    memory.on = true;
    int rc = try(vector, &zone, &buffer);
    memory.on = false;
    buffer_done(&buffer);
    msgpack_zone_destroy(&zone);
    return rc;
}

/* Refuses from the first request on, from the second one on ... until there is nothing left to
 * refuse. */
static void try_all(const struct vector *vector, attempt *try, int error)
{
    int granted = 0;
    int rc = try_once(vector, try, granted);
    for (; memory.refused > 0; rc = try_once(vector, try, ++granted)) {
        if (rc != error)
            fail_msg("%s: %d after %d requests", vector->path, rc, granted);
    }
    assert_int_equal(rc, 0);
    memory.requests += granted;
}

static int attempt_message(const struct vector *vector, msgpack_zone *zone, struct buffer *buffer)
{
    struct task_message message;
    (void)buffer;
    return (int)task_message_read(&vector->source, zone, &message, NULL);
}

static int attempt_body(const struct vector *vector, msgpack_zone *zone, struct buffer *buffer)
{
    const struct task_message_source *message = &vector->source;
    struct task_body body;
    struct task_body_source source = {.content_type = message->content_type,
                                      .compression = vector_text(message->headers, "compression"),
                                      .body = message->body,
                                      .limit = LIMIT};
    return task_body_read(&source, buffer, zone, &body, NULL);
}

static int attempt_encode(const struct vector *vector, msgpack_zone *zone, struct buffer *buffer)
{
    (void)zone;
    int rc = json_encode(vector->source.headers, buffer);
    return rc != 0 ? rc : packed_encode(vector->source.headers, buffer);
}

static int attempt_failure(const struct vector *vector, msgpack_zone *zone, struct buffer *buffer)
{
    (void)zone;
    char broken[3000]; /* more than one chunk of a zone */
    memset(broken, '\xff', sizeof(broken));
    struct text words = {broken, sizeof(broken)};
    msgpack_object arguments[] = {value_text(words), value_string(vector->path)};
    struct result_exception exception = {
        .type = words,
        .module = words,
        .arguments = {.type = MSGPACK_OBJECT_ARRAY, .via.array = {.size = 2, .ptr = arguments}}};
    struct result_message message = {
        .task_id = text_of("i"), .status = "FAILURE", .exception = &exception, .traceback = words};
    return result_message_write(&message, serializer_by_name("json"), buffer);
}

static int attempt_number(const struct vector *vector, msgpack_zone *zone, struct buffer *buffer)
{
    (void)vector;
    (void)buffer;
    char text[400] = "0.";
    msgpack_object value;
    memset(text + 2, '7', sizeof(text) - 3);
    return json_decode(bytes_of(text), zone, &value, NULL);
}

static bool is_built_in(const struct vector *vector)
{
    struct text name = vector_text(vector->source.headers, "compression");
    return name.size == 0 || compression_find(name) != NULL;
}

static void check(struct fixture *fixture, const struct vector *vector)
{
    (void)fixture;
    bool is_protocol_1 = value_get(vector->source.headers, "task") == NULL;
    if (is_built_in(vector) && is_protocol_1)
        try_all(vector, attempt_message, TASK_MESSAGE_UNDECODABLE);
    else if (is_built_in(vector))
        try_all(vector, attempt_body, CODEC_ENOMEM);
    if (strstr(vector->path, "texts") == NULL) /* a lone surrogate, which msgpack refuses */
        try_all(vector, attempt_encode, CODEC_ENOMEM);
}

static void no_message_needs_memory_that_is_not_there(void **state)
{
    (void)state;
    for_each_vector(check);
    assert_in_range(memory.requests, 300, 100000);
}

static void no_result_needs_memory_that_is_not_there(void **state)
{
    (void)state;
    const struct vector vector = {.path = "a failure"};
    memory.requests = 0;
    try_all(&vector, attempt_failure, CODEC_ENOMEM);
    assert_in_range(memory.requests, 5, 100);
}

static void no_number_needs_memory_that_is_not_there(void **state)
{
    (void)state;
    const struct vector vector = {.path = "a long number"};
    memory.requests = 0;
    try_all(&vector, attempt_number, CODEC_ENOMEM);
    assert_int_equal(memory.requests, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_message_needs_memory_that_is_not_there),
        cmocka_unit_test(no_result_needs_memory_that_is_not_there),
        cmocka_unit_test(no_number_needs_memory_that_is_not_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
