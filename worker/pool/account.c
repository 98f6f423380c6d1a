/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the shortening of long accounts. Must not know who gives them. */

#include "worker/pool/account.h"

#include <stdbool.h>
#include <string.h>

static const char mark[] = "...\n";

static struct text stripped(struct text text)
{
    if (text.size > 0)
        text.size = strnlen(text.data, text.size);
    while (text.size > 0 && (text.data[text.size - 1] == '\n' || text.data[text.size - 1] == '\r'))
        text.size--;
    return text;
}

static bool is_continuation(char byte)
{
    return ((unsigned char)byte & 0xc0U) == 0x80;
}

/* At most the last `size` bytes: whole lines, or a part of the last one. */
static struct text tail(struct text text, size_t size)
{
    const char *end = text.data + text.size, *start = end - size;
    const char *line = memchr(start - 1, '\n', size + 1);
    if (line != NULL)
        start = line + 1;
    while (start < end && is_continuation(*start))
        start++;
    return (struct text){start, (size_t)(end - start)};
}

void account_keep(struct text text, char *ret, size_t size)
{
    size_t length = strlen(mark);
    text = stripped(text);
    if (text.size < size) {
        length = 0;
    } else {
        memcpy(ret, mark, length);
        text = tail(text, size - 1 - length);
    }
    if (text.size > 0)
        memcpy(ret + length, text.data, text.size);
    ret[length + text.size] = '\0';
}
