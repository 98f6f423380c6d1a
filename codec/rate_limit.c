/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the spelling of rate limits. Knows no clock and no task. */

#include "codec/rate_limit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBER_SIZE = 64 };

static const struct {
    const char *unit;
    double seconds;
} units[] = {{"", 1}, {"s", 1}, {"m", 60}, {"h", 3600}};

static int read_number(struct text text, double *ret, struct codec_reason *reason)
{
    char copy[NUMBER_SIZE];
    char *end = copy;
    if (text.size < sizeof(copy)) {
        memcpy(copy, text.data, text.size);
        copy[text.size] = '\0';
        *ret = strtod(copy, &end);
        end += strspn(end, " \t\n");
    }
    if (end == copy || *end != '\0')
        return codec_fail(reason, CODEC_EINVALID,
                          "ValueError(\"could not convert string to float: '%.*s'\")",
                          text_quoted_size(text), text.data);
    return 0;
}

static int read_text(struct text text, double *ret, struct codec_reason *reason)
{
    const char *slash = text.size > 0 ? memchr(text.data, '/', text.size) : NULL;
    size_t size = slash != NULL ? (size_t)(slash - text.data) : text.size;
    struct text unit = {"", 0};
    if (slash != NULL)
        unit = (struct text){slash + 1, text.size - size - 1};
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if (!text_equal(unit, units[i].unit))
            continue;
        int rc = read_number((struct text){text.data, size}, ret, reason);
        if (rc == 0)
            *ret /= units[i].seconds;
        return rc;
    }
    return codec_fail(reason, CODEC_EUNSUPPORTED, "KeyError('%.*s')", text_quoted_size(unit),
                      unit.data);
}

int rate_limit_read(const msgpack_object *value, double *ret, struct codec_reason *reason)
{
    double rate = 0;
    struct text text;
    bool flag;
    int rc = 0;
    if (value_as_text(value, &text))
        rc = text.size > 0 ? read_text(text, &rate, reason) : 0;
    else if (value_as_bool(value, &flag))
        rate = flag;
    else if (!value_is_nil(value) && !value_as_double(value, &rate))
        return codec_fail(reason, CODEC_ETYPE,
                          "TypeError(\"float() argument must be a string or a number, not '%s'\")",
                          value_type_name(value));
    if (rc != 0)
        return rc;
    if (rate < 0)
        return codec_fail(reason, CODEC_EINVALID, "ValueError('a rate cannot be negative')");
    *ret = isfinite(rate) ? rate : 0;
    return 0;
}
