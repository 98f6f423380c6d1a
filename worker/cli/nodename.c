/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns node names; asks the kernel for the host name and nothing else. */

#include "worker/cli/nodename.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct piece {
    const char *data;
    size_t size;
};

/* What the letters stand for. The main process is the pool's process 0, which %I leaves out. */
struct names {
    const char *host;
    const char *name; /* NULL: what stands before the host's first dot */
    const char *full; /* NULL: %p stands for itself */
};

static struct piece whole(const char *text)
{
    return (struct piece){text, text != NULL ? strlen(text) : 0};
}

static struct piece expansion_of(char letter, const struct names *names)
{
    const char *host = names->host;
    const char *dot = strchr(host, '.');
    size_t short_size = dot != NULL ? (size_t)(dot - host) : strlen(host);
    switch (letter) {
    case 'h':
        return whole(host);
    case 'n':
        return names->name != NULL ? whole(names->name) : (struct piece){host, short_size};
    case 'd':
        return whole(dot != NULL ? dot + 1 : "");
    case 'i':
        return whole("0");
    case 'I':
        return whole("");
    case 'p':
        return whole(names->full);
    case '%':
        return whole("%");
    default:
        return whole(NULL);
    }
}

/* The piece that *text begins with, an expansion or a character; moves behind it. */
static struct piece next_piece(const char **text, const struct names *names)
{
    const char *start = *text;
    if (*start == '%') {
        struct piece expansion = expansion_of(start[1], names);
        if (expansion.data != NULL) {
            *text = start + 2;
            return expansion;
        }
    }
    *text = start + 1;
    return (struct piece){start, 1};
}

static int expand(const char *text, const struct names *names, char *ret, size_t size)
{
    size_t used = 0;
    while (*text != '\0') {
        struct piece piece = next_piece(&text, names);
        if (used + piece.size >= size)
            return -1;
        memcpy(ret + used, piece.data, piece.size);
        used += piece.size;
    }
    ret[used] = '\0';
    return 0;
}

int nodename_expand(const char *text, const char *name, const char *host, char *ret, size_t size)
{
    return expand(text, &(struct names){.host = host, .name = name}, ret, size);
}

int nodename_make(const char *option, char *ret, size_t size)
{
    char host[256] = "localhost";
    gethostname(host, sizeof(host) - 1);
    if (option == NULL)
        option = "celery@%h";
    char name[512];
    snprintf(name, sizeof(name), "%s%s", strchr(option, '@') == NULL ? "celery@" : "", option);
    return nodename_expand(name, NULL, host, ret, size);
}

int nodename_expand_file(const char *text, const char *nodename, char *ret, size_t size)
{
    const char *at = strchr(nodename, '@');
    char name[512];
    snprintf(name, sizeof(name), "%.*s", (int)(at - nodename), nodename);
    return expand(text, &(struct names){at + 1, name, nodename}, ret, size);
}
