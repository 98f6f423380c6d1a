/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the change of user and group (--uid, --gid). */

#include "worker/cli/privileges.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool read_number(const char *text, unsigned *ret)
{
    char *end;
    unsigned long number = strtoul(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || number > 0xfffffffeUL)
        return false;
    *ret = (unsigned)number;
    return true;
}

static int refuse(char error[PRIVILEGES_ERROR_SIZE], const char *what, const char *name)
{
    snprintf(error, PRIVILEGES_ERROR_SIZE, "--%s %.80s: %s", what, name,
             errno != 0 ? strerror(errno) : "there is none of that name");
    return -1;
}

static int find_group(const char *name, gid_t *ret, char error[PRIVILEGES_ERROR_SIZE])
{
    if (read_number(name, ret))
        return 0;
    errno = 0;
    const struct group *group = getgrnam(name);
    if (group == NULL)
        return refuse(error, "gid", name);
    *ret = group->gr_gid;
    return 0;
}

static const struct passwd *find_user(const char *name)
{
    unsigned number;
    errno = 0;
    return read_number(name, &number) ? getpwuid(number) : getpwnam(name);
}

/* A user of whom nothing is known but the number has no groups of its own. */
static int become_user(const char *name, const char *group, gid_t gid,
                       char error[PRIVILEGES_ERROR_SIZE])
{
    unsigned number = 0;
    const struct passwd *user = find_user(name);
    if (user == NULL && (!read_number(name, &number) || group == NULL))
        return refuse(error, "uid", name);
    if (user != NULL) {
        number = user->pw_uid;
        gid = group != NULL ? gid : user->pw_gid;
    }
    if (number == geteuid() && gid == getegid())
        return 0;
    int rc = setgid(gid);
    if (rc == 0)
        rc = user != NULL ? initgroups(user->pw_name, gid) : setgroups(0, NULL);
    if (rc == 0)
        rc = setuid(number);
    return rc == 0 ? 0 : refuse(error, "uid", name);
}

int privileges_drop(const char *user, const char *group, char error[PRIVILEGES_ERROR_SIZE])
{
    gid_t gid = getegid();
    if (group != NULL && find_group(group, &gid, error) != 0)
        return -1;
    if (user != NULL)
        return become_user(user, group, gid, error);
    if (group != NULL && gid != getegid() && setgid(gid) != 0)
        return refuse(error, "gid", group);
    return 0;
}
