/* SPDX-License-Identifier: BSD-3-Clause */
/* The front door: finds the backend that a URL names. Must not know how any of them stores a
 * result. */

#include "backend/backend.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "backend/internal.h"

struct backend {
    const struct backend_type *type;
    void *self; /* the type's own */
    char name[BACKEND_NAME_SIZE];
};

static const struct backend_type *const types[] = {&backend_disabled, &backend_rpc, &backend_redis};

/* Bytes of `url` before "://" or, as Celery allows, of a bare name; of "rpc+ssl://" those before
 * the plus. */
static size_t scheme_size(const char *url)
{
    return strcspn(url, ":+/?");
}

static bool has_scheme(const struct backend_type *type, const char *url)
{
    size_t size = scheme_size(url);
    for (const char *const *scheme = type->schemes; *scheme; scheme++)
        if (strlen(*scheme) == size && strncasecmp(*scheme, url, size) == 0)
            return true;
    return false;
}

/* Its place in `types`; ARRAY_LEN(types): there is none. */
static size_t find(const char *url)
{
    size_t i = 0;
    if (!url || !*url)
        url = backend_disabled.schemes[0];
    while (i < ARRAY_LEN(types) && !has_scheme(types[i], url))
        i++;
    return i;
}

/* The URL with "**" for the password, which ends at the last '@' before the path, and starts after
 * the first ':'. */
static void mask(const char *url, char ret[BACKEND_NAME_SIZE])
{
    const char *authority = strstr(url, "://");
    authority = authority ? authority + 3 : url;
    const char *at = memrchr(authority, '@', strcspn(authority, "?#"));
    const char *colon = at ? memchr(authority, ':', (size_t)(at - authority)) : NULL;
    if (colon)
        snprintf(ret, BACKEND_NAME_SIZE, "%.*s:**%s", (int)(colon - url), url, at);
    else
        snprintf(ret, BACKEND_NAME_SIZE, "%s", url);
}

void backend_url_masked(const char *url, char ret[BACKEND_NAME_SIZE])
{
    mask(url && *url ? url : "disabled://", ret);
}

bool backend_supported(const char *url, char error[BACKEND_ERROR_SIZE])
{
    size_t index = find(url);
    if (index < ARRAY_LEN(types))
        return !types[index]->check || types[index]->check(url, error);
    snprintf(error, BACKEND_ERROR_SIZE,
             "there is no result backend '%.*s' here; there are:", (int)scheme_size(url), url);
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        size_t used = strlen(error);
        const char *const *schemes = types[i]->schemes;
        snprintf(error + used, BACKEND_ERROR_SIZE - used, " %s://", *schemes);
    }
    return false;
}

struct backend *backend_open(const struct backend_config *config)
{
    size_t index = find(config->url);
    struct backend *backend = index < ARRAY_LEN(types) ? calloc(1, sizeof(*backend)) : NULL;
    if (!backend)
        return NULL;
    const struct backend_type *type = types[index];
    backend->type = type;
    backend->self = type->open ? type->open(config) : NULL;
    if (type->open && !backend->self) {
        free(backend);
        return NULL;
    }
    backend_url_masked(config->url, backend->name);
    return backend;
}

void backend_stop(struct backend *backend, void (*stopped)(void *context), void *context)
{
    if (backend->type->stop)
        backend->type->stop(backend->self, stopped, context);
    else
        stopped(context);
}

void backend_close(struct backend *backend)
{
    if (!backend)
        return;
    if (backend->type->close)
        backend->type->close(backend->self);
    free(backend);
}

const char *backend_name(const struct backend *backend)
{
    return backend->name;
}

enum backend_answer backend_store(struct backend *backend, const struct backend_result *result,
                                  backend_stored *stored, void *context)
{
    return backend->type->store(backend->self, result, stored, context);
}

bool backend_has_chords(const struct backend *backend)
{
    return backend->type->add_part != NULL;
}

enum backend_answer backend_begin_chord(struct backend *backend, struct text group_id,
                                        uint64_t size, struct bytes group, backend_done *done,
                                        void *context)
{
    if (!backend_has_chords(backend))
        return BACKEND_FAILED;
    return backend->type->begin_chord(backend->self, group_id, size, group, done, context);
}

enum backend_answer backend_add_part(struct backend *backend, const struct backend_part *part,
                                     backend_added *added, void *context)
{
    if (!backend_has_chords(backend))
        return BACKEND_FAILED;
    return backend->type->add_part(backend->self, part, added, context);
}

enum backend_answer backend_get_results(struct backend *backend, const struct text *ids,
                                        size_t count, backend_added *added, void *context)
{
    if (!backend_has_chords(backend))
        return BACKEND_FAILED;
    return backend->type->get_results(backend->self, ids, count, added, context);
}

enum backend_answer backend_end_chord(struct backend *backend, struct text group_id,
                                      backend_done *done, void *context)
{
    if (!backend_has_chords(backend))
        return BACKEND_FAILED;
    return backend->type->end_chord(backend->self, group_id, done, context);
}
