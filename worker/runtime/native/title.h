/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_NATIVE_TITLE_H
#define CELERIAC_NATIVE_TITLE_H

/* What ps and top show for a process. */

#include <stddef.h>

struct title {
    char *start; /* the memory of argv */
    size_t room;
};

/* Remembers where argv lies; argv is unusable after the first title_set. */
struct title title_of(int argc, char **argv);
/* `text` for ps, cut to the room there is; `name` for top, cut to 15 characters. */
void title_set(const struct title *title, const char *text, const char *name);

#endif
