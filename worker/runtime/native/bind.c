/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the rules of a Python call: what fits, and the TypeError for what does not. Knows no task
 * and no message. */

#include "worker/runtime/native/bind.h"

#include <stdio.h>
#include <string.h>

#include "worker/runtime/native/value_cast.h"

struct binding {
    const struct signature *signature;
    const struct bind_call *call;
    const msgpack_object **bound;
    struct failure *failure;
    size_t given; /* parameters bound by position */
};

#define refuse(binding, ...)                                                                       \
    (failure_raise((binding)->failure, (binding)->call->zone, "TypeError", __VA_ARGS__), false)

static bool out_of_memory(struct binding *binding)
{
    failure_raise_bare(binding->failure, "MemoryError");
    return false;
}

static const char *plural(size_t count)
{
    return count == 1 ? "" : "s";
}

static void bind_positional(struct binding *binding)
{
    const struct signature *signature = binding->signature;
    const msgpack_object *args = binding->call->args;
    for (size_t i = 0; i < signature->count; i++)
        binding->bound[i] = NULL;
    binding->given = args->via.array.size;
    if (binding->given > signature->positional)
        binding->given = signature->positional;
    for (size_t i = 0; i < binding->given; i++)
        binding->bound[i] = &args->via.array.ptr[i];
}

static const struct signature_parameter *parameter_of_kind(const struct signature *signature,
                                                           enum signature_kind kind, size_t *ret)
{
    for (size_t i = signature->count; i > 0; i--) {
        if (signature->parameters[i - 1].kind == kind) {
            *ret = i - 1;
            return &signature->parameters[i - 1];
        }
    }
    return NULL;
}

/* The map for **options, with room for every keyword argument; NULL if the signature has none. */
static bool make_options(struct binding *binding, msgpack_object **ret)
{
    size_t index;
    *ret = NULL;
    if (parameter_of_kind(binding->signature, SIGNATURE_OPTIONS, &index) == NULL)
        return true;
    uint32_t room = binding->call->kwargs->via.map.size;
    msgpack_object *options = msgpack_zone_malloc(binding->call->zone, sizeof(*options));
    if (options == NULL)
        return out_of_memory(binding);
    *options = (msgpack_object){.type = MSGPACK_OBJECT_MAP};
    options->via.map.ptr =
        msgpack_zone_malloc(binding->call->zone, (room + 1) * sizeof(msgpack_object_kv));
    if (options->via.map.ptr == NULL)
        return out_of_memory(binding);
    binding->bound[index] = options;
    *ret = options;
    return true;
}

static bool bind_keyword(struct binding *binding, const msgpack_object_kv *pair,
                         msgpack_object *options)
{
    const char *function = binding->call->function;
    struct text name = {"", 0};
    value_as_text(&pair->key, &name);
    int index = signature_find(binding->signature, name);
    if (index >= 0) {
        enum signature_kind kind = binding->signature->parameters[index].kind;
        if (kind == SIGNATURE_REST || kind == SIGNATURE_OPTIONS)
            index = -1;
    }
    if (index < 0 && options != NULL) {
        options->via.map.ptr[options->via.map.size++] = *pair;
        return true;
    }
    if (index < 0)
        return refuse(binding, "%s() got an unexpected keyword argument '%.*s'", function,
                      (int)name.size, name.data);
    if ((size_t)index < binding->given)
        return refuse(binding, "%s() got multiple values for argument '%.*s'", function,
                      (int)name.size, name.data);
    binding->bound[index] = &pair->val;
    return true;
}

static bool bind_keywords(struct binding *binding)
{
    const msgpack_object_map *kwargs = &binding->call->kwargs->via.map;
    msgpack_object *options;
    if (!make_options(binding, &options))
        return false;
    for (uint32_t i = 0; i < kwargs->size; i++) {
        if (!bind_keyword(binding, &kwargs->ptr[i], options))
            return false;
    }
    return true;
}

static bool too_many(struct binding *binding)
{
    const struct signature *signature = binding->signature;
    size_t given = binding->call->args->via.array.size;
    size_t most = signature->positional;
    size_t least = 0;
    size_t keywords = 0;
    char range[64], also[128] = "";
    for (size_t i = 0; i < signature->count; i++) {
        const struct signature_parameter *parameter = &signature->parameters[i];
        least += parameter->kind == SIGNATURE_POSITIONAL && parameter->required;
        keywords += parameter->kind == SIGNATURE_KEYWORD && binding->bound[i] != NULL;
    }
    if (least < most)
        snprintf(range, sizeof(range), "from %zu to %zu", least, most);
    else
        snprintf(range, sizeof(range), "%zu", most);
    if (keywords > 0)
        snprintf(also, sizeof(also), " positional argument%s (and %zu keyword-only argument%s)",
                 plural(given), keywords, plural(keywords));
    return refuse(binding, "%s() takes %s positional argument%s but %zu%s %s given",
                  binding->call->function, range, least == 1 && most == 1 ? "" : "s", given, also,
                  given == 1 && keywords == 0 ? "was" : "were");
}

static bool bind_rest(struct binding *binding)
{
    const msgpack_object_array *args = &binding->call->args->via.array;
    size_t index;
    if (parameter_of_kind(binding->signature, SIGNATURE_REST, &index) == NULL)
        return args->size == binding->given || too_many(binding);
    msgpack_object *rest = msgpack_zone_malloc(binding->call->zone, sizeof(*rest));
    if (rest == NULL)
        return out_of_memory(binding);
    *rest = (msgpack_object){.type = MSGPACK_OBJECT_ARRAY};
    rest->via.array.size = args->size - (uint32_t)binding->given;
    rest->via.array.ptr = rest->via.array.size == 0 ? NULL : args->ptr + binding->given;
    binding->bound[index] = rest;
    return true;
}

static bool is_missing(const struct binding *binding, size_t index, enum signature_kind kind)
{
    const struct signature_parameter *parameter = &binding->signature->parameters[index];
    return parameter->kind == kind && parameter->required && binding->bound[index] == NULL;
}

/* What stands before a name in an English list of `count` names: 'x', 'y', and 'z'. */
static const char *joint(size_t position, size_t count)
{
    if (position == 0)
        return "";
    if (position + 1 < count)
        return ", ";
    return count == 2 ? " and " : ", and ";
}

static bool check_missing(struct binding *binding, enum signature_kind kind, const char *word)
{
    const struct signature *signature = binding->signature;
    char names[FAILURE_MESSAGE_MAX / 2] = "";
    size_t size = 0, missing = 0, listed = 0;
    for (size_t i = 0; i < signature->count; i++)
        missing += is_missing(binding, i, kind);
    if (missing == 0)
        return true;
    for (size_t i = 0; i < signature->count; i++) {
        struct text name = signature->parameters[i].name;
        if (!is_missing(binding, i, kind) || size + name.size + 16 > sizeof(names))
            continue;
        size += (size_t)snprintf(names + size, sizeof(names) - size, "%s'%.*s'",
                                 joint(listed++, missing), (int)name.size, name.data);
    }
    return refuse(binding, "%s() missing %zu required %s argument%s: %s", binding->call->function,
                  missing, word, plural(missing), names);
}

bool bind_type_matches(const msgpack_object *value, enum celeriac_type type)
{
    enum celeriac_type actual = celeriac_value_type(value_cast_out(value));
    if (type == CELERIAC_INT)
        return actual == CELERIAC_INT || actual == CELERIAC_BOOL;
    if (type == CELERIAC_FLOAT)
        return actual == CELERIAC_FLOAT || actual == CELERIAC_INT || actual == CELERIAC_BOOL;
    return actual == type;
}

const char *bind_type_name(enum celeriac_type type)
{
    static const char *const names[] = {
        [CELERIAC_NONE] = "NoneType", [CELERIAC_BOOL] = "bool", [CELERIAC_INT] = "int",
        [CELERIAC_FLOAT] = "float",   [CELERIAC_STR] = "str",   [CELERIAC_BYTES] = "bytes",
        [CELERIAC_LIST] = "list",     [CELERIAC_DICT] = "dict", [CELERIAC_OTHER] = "ExtType",
    };
    return names[type];
}

static bool check_types(struct binding *binding)
{
    const struct signature *signature = binding->signature;
    for (size_t i = 0; i < signature->count; i++) {
        const struct signature_parameter *parameter = &signature->parameters[i];
        const msgpack_object *value = binding->bound[i];
        if (!parameter->typed || value == NULL || bind_type_matches(value, parameter->type))
            continue;
        return refuse(binding, "%s() argument '%.*s' must be %s, not %s", binding->call->function,
                      (int)parameter->name.size, parameter->name.data,
                      bind_type_name(parameter->type), value_type_name(value));
    }
    return true;
}

static bool bind_all(struct binding *binding)
{
    bind_positional(binding);
    return bind_keywords(binding) && bind_rest(binding) &&
           check_missing(binding, SIGNATURE_POSITIONAL, "positional") &&
           check_missing(binding, SIGNATURE_KEYWORD, "keyword-only");
}

bool bind_fits(const struct signature *signature, const struct bind_call *call,
               struct failure *failure)
{
    const msgpack_object *bound[SIGNATURE_MAX];
    struct binding binding = {
        .signature = signature, .call = call, .bound = bound, .failure = failure};
    return bind_all(&binding);
}

bool bind_arguments(const struct signature *signature, const struct bind_call *call,
                    const msgpack_object **bound, struct failure *failure)
{
    struct binding binding = {
        .signature = signature, .call = call, .bound = bound, .failure = failure};
    return bind_all(&binding) && check_types(&binding);
}
