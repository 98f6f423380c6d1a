/* SPDX-License-Identifier: BSD-3-Clause */
/* What anybody may have stored as a result, with and without a content type. */

#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "client/result.h"

static void look(struct bytes document, const char *type)
{
    const struct text content_type = {type, strlen(type)};
    struct report report = {.text = ""};
    struct celeriac_result *result;
    bool final = result_is_final(document, content_type);
    int rc = result_read(document, content_type, &result, &report);
    if (rc != 0) {
        PROMISE(report.text[0] != '\0');
        PROMISE(!final || rc == CELERIAC_CLIENT_ENOMEM);
        return;
    }
    PROMISE(celeriac_result_state(result) != NULL);
    PROMISE(!celeriac_result_is_success(result) || final);
    PROMISE(document.size == 0 ||
            (celeriac_result_document(result).size == document.size &&
             memcmp(celeriac_result_document(result).data, document.data, document.size) == 0));
    celeriac_result_free(result);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    const struct bytes document = {data, size};
    look(document, "");
    look(document, "application/json");
    look(document, "application/x-msgpack");
    return 0;
}
