/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the default of --concurrency. */

#include "worker/cli/cpus.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>

static unsigned affinity(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof(set), &set) != 0)
        return 1;
    int count = CPU_COUNT(&set);
    return count > 0 ? (unsigned)count : 1;
}

/* A quota of 1.5 CPUs keeps two children busy. 0: no quota. */
static unsigned quota_of(long long quota, long long period)
{
    if (quota <= 0 || period <= 0)
        return 0;
    return (unsigned)((quota + period - 1) / period);
}

static unsigned quota_v2(const char *directory)
{
    char path[512];
    snprintf(path, sizeof(path), "/sys/fs/cgroup%.400s/cpu.max", directory);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return 0;
    long long quota = 0;
    long long period = 0;
    int fields = fscanf(file, "%lld %lld", &quota, &period); /* "max 100000" has no number first */
    fclose(file);
    return fields == 2 ? quota_of(quota, period) : 0;
}

static long long read_number(const char *path)
{
    long long number = 0;
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return 0;
    if (fscanf(file, "%lld", &number) != 1)
        number = 0;
    fclose(file);
    return number;
}

static unsigned quota_v1(void)
{
    return quota_of(read_number("/sys/fs/cgroup/cpu/cpu.cfs_quota_us"),
                    read_number("/sys/fs/cgroup/cpu/cpu.cfs_period_us"));
}

/* Our own cgroup in the unified hierarchy; "" (its root) where there is none, as inside a
 * container. */
static void own_cgroup(char *ret, size_t size)
{
    char line[512];
    ret[0] = '\0';
    FILE *file = fopen("/proc/self/cgroup", "re");
    if (file == NULL)
        return;
    while (fgets(line, sizeof(line), file) != NULL) {
        size_t length = strcspn(line, "\n");
        line[length] = '\0';
        if (strncmp(line, "0::/", 4) == 0 && length > 4 && length - 3 < size)
            memcpy(ret, line + 3, length - 2);
    }
    fclose(file);
}

static unsigned smaller(unsigned count, unsigned quota)
{
    return quota > 0 && quota < count ? quota : count;
}

unsigned cpus_available(void)
{
    char directory[400];
    own_cgroup(directory, sizeof(directory));
    unsigned count = smaller(affinity(), quota_v1());
    count = smaller(count, quota_v2(""));
    return smaller(count, quota_v2(directory));
}
