/* SPDX-License-Identifier: BSD-3-Clause */
/* Any text as a list of broker URLs: parsed or refused, and shown masked. */

#include <stdlib.h>
#include <string.h>

#include "broker/url.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    struct broker_url urls[BROKER_URLS_MAX];
    char error[BROKER_URL_ERROR_SIZE] = "";
    char masked[1024];
    size_t count = 0;
    char *text = malloc(size + 1);
    if (!text)
        return 0;
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    if (broker_urls_parse(text, urls, &count, error) == 0)
        for (size_t i = 0; i < count; i++)
            broker_url_masked(&urls[i], masked, sizeof(masked));
    else if (error[0] == '\0')
        abort();
    free(text);
    return 0;
}
