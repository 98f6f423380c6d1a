/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the reading of a signature's text. How arguments are bound to it is in bind.c. */

#include "worker/runtime/native/signature.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    enum celeriac_type type;
} types[] = {
    {"bool", CELERIAC_BOOL}, {"int", CELERIAC_INT},     {"float", CELERIAC_FLOAT},
    {"str", CELERIAC_STR},   {"bytes", CELERIAC_BYTES}, {"list", CELERIAC_LIST},
    {"dict", CELERIAC_DICT},
};

struct reader {
    const char *at;
    const char *whole;
    struct signature *signature;
    bool keywords_only; /* behind * or *rest */
    char *error;
    size_t error_size;
};

static bool refuse(struct reader *reader, const char *what)
{
    snprintf(reader->error, reader->error_size, "%s at offset %td of the signature \"%s\"", what,
             reader->at - reader->whole, reader->whole);
    return false;
}

static void skip_space(struct reader *reader)
{
    reader->at += strspn(reader->at, " \t\n");
}

static bool take(struct reader *reader, const char *token)
{
    skip_space(reader);
    size_t size = strlen(token);
    if (strncmp(reader->at, token, size) != 0)
        return false;
    reader->at += size;
    return true;
}

static bool take_name(struct reader *reader, struct text *ret)
{
    skip_space(reader);
    size_t size =
        strspn(reader->at, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789");
    if (size == 0 || (*reader->at >= '0' && *reader->at <= '9'))
        return false;
    *ret = (struct text){reader->at, size};
    reader->at += size;
    return true;
}

static bool take_type(struct reader *reader, struct signature_parameter *parameter)
{
    struct text name;
    if (!take_name(reader, &name))
        return refuse(reader, "no type");
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        if (text_equal(name, types[i].name)) {
            parameter->typed = true;
            parameter->type = types[i].type;
            return true;
        }
    }
    return refuse(reader, "unknown type");
}

static bool has_kind(const struct signature *signature, enum signature_kind kind)
{
    for (size_t i = 0; i < signature->count; i++) {
        if (signature->parameters[i].kind == kind)
            return true;
    }
    return false;
}

/* What a parameter may be, given those before it. */
static bool fits(struct reader *reader, const struct signature_parameter *parameter)
{
    const struct signature *signature = reader->signature;
    if (signature_find(signature, parameter->name) >= 0)
        return refuse(reader, "two parameters of one name");
    if (has_kind(signature, SIGNATURE_OPTIONS))
        return refuse(reader, "a parameter behind **");
    if (parameter->kind == SIGNATURE_REST && reader->keywords_only)
        return refuse(reader, "a second *");
    bool starred = parameter->kind == SIGNATURE_REST || parameter->kind == SIGNATURE_OPTIONS;
    if (starred && (parameter->typed || !parameter->required))
        return refuse(reader, "a type or a default for a parameter with *");
    if (parameter->kind == SIGNATURE_POSITIONAL && parameter->required && signature->count > 0 &&
        !signature->parameters[signature->count - 1].required)
        return refuse(reader, "a required parameter behind an optional one");
    return true;
}

static bool take_rest_of_parameter(struct reader *reader, struct signature_parameter *parameter)
{
    if (!take_name(reader, &parameter->name))
        return refuse(reader, "no name");
    if (take(reader, ":") && !take_type(reader, parameter))
        return false;
    parameter->required = !take(reader, "=");
    if (!parameter->required && !take(reader, "..."))
        return refuse(reader, "a default that is not \"...\"");
    return true;
}

static bool take_parameter(struct reader *reader)
{
    struct signature *signature = reader->signature;
    struct signature_parameter parameter = {.kind = SIGNATURE_POSITIONAL};
    if (reader->keywords_only)
        parameter.kind = SIGNATURE_KEYWORD;
    if (take(reader, "**"))
        parameter.kind = SIGNATURE_OPTIONS;
    else if (take(reader, "*"))
        parameter.kind = SIGNATURE_REST;
    skip_space(reader);
    if (parameter.kind == SIGNATURE_REST && *reader->at == ',' && !reader->keywords_only) {
        reader->keywords_only = true;
        return true;
    }
    if (signature->count == SIGNATURE_MAX)
        return refuse(reader, "too many parameters");
    if (!take_rest_of_parameter(reader, &parameter) || !fits(reader, &parameter))
        return false;
    if (parameter.kind == SIGNATURE_REST || parameter.kind == SIGNATURE_OPTIONS)
        parameter.required = false;
    if (parameter.kind == SIGNATURE_REST)
        reader->keywords_only = true;
    if (parameter.kind == SIGNATURE_POSITIONAL)
        signature->positional++;
    signature->parameters[signature->count++] = parameter;
    return true;
}

static bool take_parameters(struct reader *reader)
{
    skip_space(reader);
    if (*reader->at == '\0')
        return true;
    do {
        if (!take_parameter(reader))
            return false;
    } while (take(reader, ","));
    if (*reader->at != '\0')
        return refuse(reader, "no comma");
    return true;
}

bool signature_parse(const char *text, struct signature *ret, char *error, size_t error_size)
{
    struct signature signature = {
        .parameters = calloc(SIGNATURE_MAX, sizeof(struct signature_parameter)),
    };
    struct reader reader = {
        .at = text,
        .whole = text,
        .signature = &signature,
        .error = error,
        .error_size = error_size,
    };
    if (signature.parameters == NULL)
        return refuse(&reader, "out of memory");
    if (!take_parameters(&reader)) {
        signature_done(&signature);
        return false;
    }
    *ret = signature;
    return true;
}

void signature_done(struct signature *signature)
{
    free(signature->parameters);
    *signature = (struct signature){.parameters = NULL};
}

int signature_find(const struct signature *signature, struct text name)
{
    for (size_t i = 0; i < signature->count; i++) {
        struct text other = signature->parameters[i].name;
        if (other.size == name.size && memcmp(other.data, name.data, name.size) == 0)
            return (int)i;
    }
    return -1;
}
