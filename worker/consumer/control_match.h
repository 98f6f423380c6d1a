/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CONSUMER_CONTROL_MATCH_H
#define CELERIAC_CONSUMER_CONTROL_MATCH_H

/* Whom a remote control message is for (kombu's rules: destination first, then pattern and matcher,
 * else everybody). */

#include "codec/control.h"

enum control_match {
    CONTROL_OURS,
    CONTROL_OTHERS,
    CONTROL_UNCLEAR, /* a matcher or a pattern that this worker does not know */
};

/* Matchers: `glob` (fnmatch), and `pcre`, of which there is what POSIX extended expressions have,
 * and \d, \D, \w, \W, \s, \S, \b, (?:...) and lazy repetition: no look-around, no flags, no
 * references, no counted repetition. */
enum control_match control_match(const char *nodename, const struct control_message *message);

#endif
