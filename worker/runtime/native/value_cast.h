/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_NATIVE_VALUE_CAST_H
#define CELERIAC_NATIVE_VALUE_CAST_H

/* What task authors see as a struct celeriac_value is a msgpack_object; it has no definition of its
 * own. */

#include "codec/value.h"
#include "include/celeriac/task.h"

static inline const msgpack_object *value_cast_in(const struct celeriac_value *value)
{
    return (const msgpack_object *)value;
}

static inline const struct celeriac_value *value_cast_out(const msgpack_object *object)
{
    return (const struct celeriac_value *)object;
}

#endif
