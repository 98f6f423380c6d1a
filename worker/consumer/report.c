/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns what the worker says of itself when somebody asks for it (SIGUSR1). Changes nothing. */

#include "worker/consumer/internal.h"
#include "worker/log/log.h"

void consumer_log_state(const struct consumer *consumer)
{
    struct pool_stats pool;
    struct broker_stats broker = {0};
    pool_get_stats(consumer->pool, &pool);
    if (consumer->broker != NULL)
        broker_get_stats(consumer->broker, &broker);
    log_warning("pool: slots=%u ready=%u busy=%u queued=%zu submitted=%llu done=%llu lost=%llu "
                "timed_out=%llu spawned=%llu recycled=%llu forkservers=%u",
                pool.slots, pool.ready, pool.busy, pool.queued, (unsigned long long)pool.submitted,
                (unsigned long long)pool.done, (unsigned long long)pool.lost,
                (unsigned long long)pool.timed_out, (unsigned long long)pool.spawned,
                (unsigned long long)pool.recycled, pool.forkservers);
    log_warning("broker: consuming=%d publishing=%d blocked=%d epoch=%llu prefetch=%u "
                "unsettled=%zu delivered=%llu settled=%llu published=%llu confirmed=%llu "
                "outbox=%zu messages, %zu bytes",
                broker.consuming, broker.publishing, broker.blocked,
                (unsigned long long)broker.epoch, broker.prefetch, broker.unsettled,
                (unsigned long long)broker.delivered, (unsigned long long)broker.settled,
                (unsigned long long)broker.published, (unsigned long long)broker.confirmed,
                broker.outbox_messages, broker.outbox_bytes);
    log_warning("requests: held=%zu waiting for their eta=%zu for their rate limit=%zu being "
                "parked=%zu being recorded=%zu joining chords=%zu finished while offline=%zu",
                consumer->settlement.count, consumer->waiting.count, consumer->throttles.count,
                consumer->parking, consumer->recording, consumer->joining,
                consumer->settlement.finished);
    log_warning("revoked: tasks=%zu stamps=%zu", consumer->revoked.count,
                consumer->revoked_stamps.count);
}
