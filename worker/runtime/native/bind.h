/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_NATIVE_BIND_H
#define CELERIAC_NATIVE_BIND_H

/* A call's arguments bound to a task's parameters by Python's rules, with Python's words for a call
 * that does not fit. */

#include <stdbool.h>

#include "codec/value.h"
#include "worker/runtime/native/failure.h"
#include "worker/runtime/native/signature.h"

struct bind_call {
    const char *function;                /* named in messages: "add" */
    const msgpack_object *args, *kwargs; /* an array; a map with string keys */
    msgpack_zone *zone;
};

/* True if the call has the arguments that the signature asks for, of whatever type. False:
 * `failure` says why it does not fit. */
MUST_CHECK bool bind_fits(const struct signature *signature, const struct bind_call *call,
                          struct failure *failure);

/* Sets bound[i] to the argument of parameter i, NULL if it was left out; `bound` has room for all
 * of them. What it points to belongs to the call or to its zone. False: `failure` says why the call
 * does not fit, and `bound` is undefined. */
MUST_CHECK bool bind_arguments(const struct signature *signature, const struct bind_call *call,
                               const msgpack_object **bound, struct failure *failure);

/* True if a value is of the type; an int takes a bool, and a float an int, as in Python. */
bool bind_type_matches(const msgpack_object *value, enum celeriac_type type);
/* "int", "str" ... */
const char *bind_type_name(enum celeriac_type type);

#endif
