/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_NATIVE_BUILTIN_H
#define CELERIAC_NATIVE_BUILTIN_H

/* Celery's own tasks (celery-wire.md 5.6), which every worker has besides the user's. */

#include <stddef.h>

#include "include/celeriac/task.h"

const struct celeriac_task_definition *builtin_tasks(size_t *ret_count);

#endif
