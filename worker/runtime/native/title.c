/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the process title: on Linux, the memory of argv, and the name of the main thread. */

#include "worker/runtime/native/title.h"

#include <string.h>
#include <sys/prctl.h>

struct title title_of(int argc, char **argv)
{
    if (argc < 1)
        return (struct title){NULL, 0};
    char *end = argv[0];
    /* The kernel lays the arguments out one behind the other; go no further than that is so. */
    for (int i = 0; i < argc && argv[i] == end; i++)
        end += strlen(argv[i]) + 1;
    return (struct title){argv[0], (size_t)(end - argv[0])};
}

void title_set(const struct title *title, const char *text, const char *name)
{
    prctl(PR_SET_NAME, name);
    if (title->room == 0)
        return;
    size_t size = strlen(text);
    if (size > title->room - 1)
        size = title->room - 1;
    memset(title->start, 0, title->room);
    memcpy(title->start, text, size);
}
