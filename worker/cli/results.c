/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the checks of what the settings say about results. Stores nothing. */

#include "worker/cli/results.h"

#include <stdio.h>
#include <string.h>

static int check_serializers(struct results *results, const struct settings *settings,
                             char error[RESULTS_ERROR_SIZE])
{
    const char *name = settings->result_serializer != NULL ? settings->result_serializer : "";
    results->serializer = serializer_by_name(name);
    if (results->serializer == NULL) {
        snprintf(error, RESULTS_ERROR_SIZE,
                 "result_serializer '%.60s' is not one of json, msgpack: celeriac cannot write it",
                 name);
        return -1;
    }
    name = settings->task_serializer != NULL ? settings->task_serializer : "";
    if (serializer_by_name(name) == NULL) {
        snprintf(error, RESULTS_ERROR_SIZE,
                 "task_serializer '%.60s' is not one of json, msgpack: celeriac cannot write it",
                 name);
        return -1;
    }
    return 0;
}

static int check_accepted(struct results *results, const struct settings *settings,
                          char error[RESULTS_ERROR_SIZE])
{
    const struct setting_list *names = &settings->accept_content;
    results->accepted[names->count] = NULL;
    for (size_t i = 0; i < names->count; i++) {
        results->accepted[i] = serializer_by_name(names->items[i]);
        if (results->accepted[i] == NULL) {
            snprintf(error, RESULTS_ERROR_SIZE,
                     "accept_content names '%.60s', which is not one of json, msgpack",
                     names->items[i]);
            return -1;
        }
    }
    if (names->count > 0)
        return 0;
    snprintf(error, RESULTS_ERROR_SIZE, "accept_content is empty");
    return -1;
}

/* The one option that matters to keys and values. */
static bool copy_prefix(const msgpack_object *options, char ret[RESULTS_PREFIX_SIZE])
{
    struct text prefix = {"", 0};
    const msgpack_object *value = value_get(options, "global_keyprefix");
    if (options->type != MSGPACK_OBJECT_MAP)
        return false;
    if (!value_is_nil(value) && !value_as_text(value, &prefix))
        return false;
    if (prefix.size >= RESULTS_PREFIX_SIZE / 2)
        return false;
    snprintf(ret, RESULTS_PREFIX_SIZE, "%.*s", (int)prefix.size, prefix.data);
    return true;
}

static int check_options(struct results *results, const struct settings *settings,
                         char error[RESULTS_ERROR_SIZE])
{
    const char *text = settings->result_backend_transport_options;
    msgpack_zone zone;
    msgpack_object options;
    struct codec_reason reason;
    results->key_prefix[0] = '\0';
    if (text == NULL)
        return 0;
    if (!msgpack_zone_init(&zone, MSGPACK_ZONE_CHUNK_SIZE)) {
        snprintf(error, RESULTS_ERROR_SIZE, "out of memory");
        return -1;
    }
    bool read = serializer_by_name("json")->decode((struct bytes){text, strlen(text)}, &zone,
                                                   &options, &reason) == 0 &&
                copy_prefix(&options, results->key_prefix);
    msgpack_zone_destroy(&zone);
    if (read)
        return 0;
    snprintf(error, RESULTS_ERROR_SIZE,
             "result_backend_transport_options is not a JSON object like "
             "{\"global_keyprefix\": \"mine\"}, with a prefix of at most %d bytes",
             RESULTS_PREFIX_SIZE / 2 - 1);
    return -1;
}

static int set_url(struct results *results, struct text url, char error[RESULTS_ERROR_SIZE])
{
    if (url.size >= sizeof(results->url)) {
        snprintf(error, RESULTS_ERROR_SIZE, "the URL of the result backend is too long");
        return -1;
    }
    snprintf(results->url, sizeof(results->url), "%.*s", (int)url.size, url.data);
    static_assert((int)RESULTS_ERROR_SIZE >= (int)BACKEND_ERROR_SIZE, "room for the sentence");
    return backend_supported(results->url, error) ? 0 : -1;
}

int results_check(struct results *results, const struct settings *settings,
                  char error[RESULTS_ERROR_SIZE])
{
    const char *url = settings->result_backend != NULL ? settings->result_backend : "disabled://";
    results->app_decides = false;
    if (set_url(results, (struct text){url, strlen(url)}, error) != 0 ||
        check_serializers(results, settings, error) != 0 ||
        check_accepted(results, settings, error) != 0)
        return -1;
    return check_options(results, settings, error);
}

int results_read(struct results *results, const struct settings *settings,
                 const msgpack_object *description, char error[RESULTS_ERROR_SIZE])
{
    struct text url;
    if (!value_as_text(value_get(description, "backend"), &url))
        return results_check(results, settings, error);
    results->app_decides = true;
    results->key_prefix[0] = '\0';
    /* A serializer that we cannot write then writes nothing of ours. */
    const char *name = settings->result_serializer;
    results->serializer = name != NULL ? serializer_by_name(name) : NULL;
    if (results->serializer == NULL)
        results->serializer = serializer_by_name("json");
    return set_url(results, url, error);
}
