/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns a bounded set that forgets its oldest. Must not know what its keys mean. */

#include "worker/consumer/revoked.h"

#include <stdlib.h>
#include <string.h>

#include "worker/consumer/hash.h"

enum { FIRST_BUCKETS = 64 };

void revoked_init(struct revoked *revoked, size_t max, double expires_seconds)
{
    *revoked = (struct revoked){
        .max = max > 0 ? max : 1,
        .expires = expires_seconds > 0 ? (int64_t)(expires_seconds * 1e6) : 0,
    };
}

void revoked_done(struct revoked *revoked)
{
    while (revoked->oldest != NULL) {
        struct revoked_entry *entry = revoked->oldest;
        revoked->oldest = entry->newer;
        free(entry);
    }
    free(revoked->buckets);
    *revoked = (struct revoked){.max = revoked->max, .expires = revoked->expires};
}

static struct text key_of(const struct revoked_entry *entry)
{
    return (struct text){entry->key, entry->size};
}

/* The link that leads to the key's entry, or the end of its bucket. */
static struct revoked_entry **find(const struct revoked *revoked, struct text key)
{
    struct revoked_entry **link = &revoked->buckets[hash_text(key) & (revoked->bucket_count - 1)];
    while (*link != NULL &&
           ((*link)->size != key.size || memcmp((*link)->key, key.data, key.size) != 0))
        link = &(*link)->next_in_bucket;
    return link;
}

bool revoked_has(const struct revoked *revoked, struct text key)
{
    return revoked->count > 0 && key.data != NULL && *find(revoked, key) != NULL;
}

/* ---- the order ---- */

static void unlink_entry(struct revoked *revoked, struct revoked_entry *entry)
{
    if (entry->older != NULL)
        entry->older->newer = entry->newer;
    else
        revoked->oldest = entry->newer;
    if (entry->newer != NULL)
        entry->newer->older = entry->older;
    else
        revoked->newest = entry->older;
}

/* Behind all that are not newer: what comes late is what a file held. */
static void link_entry(struct revoked *revoked, struct revoked_entry *entry)
{
    struct revoked_entry *older = revoked->newest;
    while (older != NULL && older->since > entry->since)
        older = older->older;
    entry->older = older;
    entry->newer = older != NULL ? older->newer : revoked->oldest;
    if (older != NULL)
        older->newer = entry;
    else
        revoked->oldest = entry;
    if (entry->newer != NULL)
        entry->newer->older = entry;
    else
        revoked->newest = entry;
}

static void leave_bucket(struct revoked *revoked, const struct revoked_entry *entry)
{
    struct revoked_entry **link =
        &revoked->buckets[hash_text(key_of(entry)) & (revoked->bucket_count - 1)];
    while (*link != entry)
        link = &(*link)->next_in_bucket;
    *link = entry->next_in_bucket;
}

/* Returns the one that is the oldest now. */
static struct revoked_entry *forget_oldest(struct revoked *revoked)
{
    struct revoked_entry *entry = revoked->oldest, *newer = entry->newer;
    leave_bucket(revoked, entry);
    revoked->oldest = newer;
    if (newer != NULL)
        newer->older = NULL;
    else
        revoked->newest = NULL;
    revoked->count--;
    free(entry);
    return newer;
}

static void make_room(struct revoked *revoked, int64_t now)
{
    if (revoked->count < revoked->max)
        return;
    struct revoked_entry *oldest = revoked->oldest;
    while (oldest != NULL && revoked->expires > 0 && oldest->since + revoked->expires <= now)
        oldest = forget_oldest(revoked);
    while (oldest != NULL && revoked->count >= revoked->max)
        oldest = forget_oldest(revoked);
}

/* ---- adding ---- */

/* Twice the buckets; without memory for them the chains just grow longer. False: there are none. */
static bool grow(struct revoked *revoked)
{
    size_t count = revoked->bucket_count > 0 ? revoked->bucket_count * 2 : FIRST_BUCKETS;
    struct revoked_entry **buckets = calloc(count, sizeof(struct revoked_entry *));
    if (buckets == NULL)
        return revoked->bucket_count > 0;
    free(revoked->buckets);
    revoked->buckets = buckets;
    revoked->bucket_count = count;
    for (struct revoked_entry *entry = revoked->oldest; entry != NULL; entry = entry->newer) {
        struct revoked_entry **bucket = &buckets[hash_text(key_of(entry)) & (count - 1)];
        entry->next_in_bucket = *bucket;
        *bucket = entry;
    }
    return true;
}

static struct revoked_entry *make_entry(struct text key, int64_t since)
{
    struct revoked_entry *entry = malloc(sizeof(*entry) + key.size);
    if (entry == NULL)
        return NULL;
    *entry = (struct revoked_entry){.since = since, .size = key.size};
    memcpy(entry->key, key.data, key.size);
    return entry;
}

static bool add_new(struct revoked *revoked, struct text key, int64_t since)
{
    make_room(revoked, since);
    if (revoked->count >= revoked->bucket_count && !grow(revoked))
        return false;
    struct revoked_entry *entry = make_entry(key, since);
    if (entry == NULL)
        return false;
    *find(revoked, key) = entry;
    link_entry(revoked, entry);
    revoked->count++;
    return true;
}

bool revoked_add(struct revoked *revoked, struct text key, int64_t since)
{
    if (key.data == NULL || key.size > REVOKED_KEY_MAX)
        return false;
    struct revoked_entry *known = revoked->count > 0 ? *find(revoked, key) : NULL;
    if (known == NULL)
        return add_new(revoked, key, since);
    unlink_entry(revoked, known);
    known->since = since;
    link_entry(revoked, known);
    return true;
}
