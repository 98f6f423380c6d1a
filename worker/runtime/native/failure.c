/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns how an exception is named and worded. Knows neither the task that raised it nor where it is
 * sent. */

#include "worker/runtime/native/failure.h"

#include <stdio.h>
#include <string.h>

#include "codec/result_message.h"
#include "codec/utf8.h"

static void set_type(struct failure *failure, const char *type)
{
    *failure = (struct failure){.raised = true, .message = value_nil()};
    const char *dot = strrchr(type, '.');
    if (dot == NULL) {
        failure->module = (struct text){"builtins", strlen("builtins")};
        failure->type = (struct text){type, strlen(type)};
    } else {
        failure->module = (struct text){type, (size_t)(dot - type)};
        failure->type = (struct text){dot + 1, strlen(dot + 1)};
    }
}

/* Text from C may be anything, also cut in the middle of a character; JSON and msgpack take UTF-8
 * only. */
static void mend_utf8(char *text, size_t size)
{
    char *at = text, *end = text + size;
    while (at < end) {
        uint32_t code;
        size_t length = utf8_read(at, end, &code);
        if (length == 0 || utf8_is_surrogate(code)) {
            *at = '?';
            length = 1;
        }
        at += length;
    }
}

void failure_raise_va(struct failure *failure, msgpack_zone *zone, const char *type,
                      const char *format, va_list arguments)
{
    char text[FAILURE_MESSAGE_MAX + 1];
    int length = vsnprintf(text, sizeof(text), format, arguments);
    size_t size = length < 0 ? 0 : (size_t)length;
    if (size > FAILURE_MESSAGE_MAX)
        size = FAILURE_MESSAGE_MAX;
    mend_utf8(text, size);
    set_type(failure, type);
    const char *copy = text_copy(zone, (struct text){text, size});
    if (copy == NULL)
        set_type(failure, "MemoryError");
    else
        failure->message = value_text((struct text){copy, size});
}

void failure_raise(struct failure *failure, msgpack_zone *zone, const char *type,
                   const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    failure_raise_va(failure, zone, type, format, arguments);
    va_end(arguments);
}

void failure_raise_bare(struct failure *failure, const char *type)
{
    set_type(failure, type);
}

/* Python writes a str that holds ' but no " in double quotes, which is what most of its own
 * messages look like. */
static void prefer_double_quotes(char *repr)
{
    size_t size = strlen(repr);
    if (size < 2 || repr[size - 1] != '\'' || strstr(repr, "\\'") == NULL ||
        strchr(repr, '"') != NULL)
        return;
    repr[0] = repr[size - 1] = '"';
    char *to = repr;
    for (const char *from = repr; *from != '\0'; from++) {
        if (from[0] != '\\' || from[1] != '\'')
            *to++ = *from;
    }
    *to = '\0';
}

void failure_text(const struct failure *failure, char *ret, size_t size)
{
    char message[FAILURE_TEXT_SIZE] = "";
    /* The message is cut, by those who know characters, so that the rest fits. */
    size_t rest = failure->type.size + strlen("()");
    size_t room = rest < size ? size - rest : 1;
    if (!value_is_nil(&failure->message))
        result_repr(&failure->message, message, room < sizeof(message) ? room : sizeof(message));
    prefer_double_quotes(message);
    snprintf(ret, size, "%.*s(%s)", (int)failure->type.size, failure->type.data, message);
}

/* Python puts the module before the name of every class that is no builtin. */
static const char *module_prefix(const struct failure *failure)
{
    return text_equal(failure->module, "builtins") ? "" : ".";
}

/* Where it was raised, as a line; none if the worker itself has raised it. */
static const char *place_of(const struct failure *failure, msgpack_zone *zone)
{
    if (failure->file == NULL)
        return "";
    size_t room = strlen(failure->file) + strlen(failure->function) + 64;
    char *text = msgpack_zone_malloc_no_align(zone, room);
    if (text != NULL)
        snprintf(text, room, "  File \"%s\", line %d, in %s\n", failure->file, failure->line,
                 failure->function);
    return text;
}

struct text failure_traceback(const struct failure *failure, msgpack_zone *zone)
{
    struct text message = {"", 0};
    value_as_text(&failure->message, &message);
    const char *place = failure->untraced ? NULL : place_of(failure, zone);
    if (place == NULL)
        return (struct text){NULL, 0};
    const char *dot = module_prefix(failure);
    size_t room = strlen(place) + failure->module.size + failure->type.size + message.size + 128;
    char *text = msgpack_zone_malloc_no_align(zone, room);
    if (text == NULL)
        return (struct text){NULL, 0};
    int length = snprintf(text, room, "Traceback (most recent call last):\n%s%.*s%s%.*s%s%.*s\n",
                          place, *dot == '\0' ? 0 : (int)failure->module.size, failure->module.data,
                          dot, (int)failure->type.size, failure->type.data,
                          message.size > 0 ? ": " : "", (int)message.size, message.data);
    return (struct text){text, (size_t)length};
}
