/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the layout of a version 4 UUID. Does not know what the ids are for. */

#include "codec/uuid.h"

#include <stdint.h>
#include <stdlib.h>

void uuid_make(char ret[UUID_SIZE])
{
    static const char hex[] = "0123456789abcdef";
    uint8_t random[16];
    arc4random_buf(random, sizeof(random));
    random[6] = (uint8_t)(0x40 | (random[6] & 0x0f)); /* version 4 */
    random[8] = (uint8_t)(0x80 | (random[8] & 0x3f)); /* the RFC 4122 variant */
    char *at = ret;
    for (size_t i = 0; i < sizeof(random); i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *at++ = '-';
        *at++ = hex[random[i] >> 4];
        *at++ = hex[random[i] & 0x0f];
    }
    *at = '\0';
}
