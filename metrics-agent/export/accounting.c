#include "metrics-agent/export/accounting.h"

#include "lib/base/clock.h"
#include "metrics-agent/export/exporter_files.h"
#include "metrics-agent/export/segments_count.h"

/* Records that vanished while no agent ran: the file of metrics knows more than is left. */
static void reconcile(struct exporter *e)
{
    uint64_t now = spool_counts_settled(e->counts) + e->segments.sums.pending;
    uint64_t known;

    /* What is unknown now may be known later. */
    if (!agent_metrics_written(e->shared->metrics, e->signal, &known))
        return;
    e->counted_once = true;
    if (known <= now)
        return;
    e->counts->dropped[SPOOL_DROP_DELETED] += known - now;
    exporter_files_save(e);
}

/* Until all has been counted after a start, what the one before knew of is the better number. */
static uint64_t backlog(const struct exporter *e)
{
    const uint64_t settled = spool_counts_settled(e->counts), pending = e->segments.sums.pending;
    uint64_t known;

    if (e->counted_once || !agent_metrics_written(e->shared->metrics, e->signal, &known) ||
        known < settled + pending)
        return pending;
    return known - settled;
}

bool accounting_publish(struct exporter *e, uint64_t budget, bool age)
{
    struct agent_metrics_numbers numbers = {.counts = e->counts, .oldest_age_s = -1};
    bool all;

    if (budget > 0)
        segments_refresh(&e->segments);
    all = segments_count_lines(&e->segments, budget) < budget;
    if (all && !e->counted_once)
        reconcile(e);
    numbers.backlog = backlog(e);
    numbers.bytes = e->segments.sums.bytes;
    numbers.kept = e->kept.bytes[false] + e->kept.bytes[true];
    numbers.limit = e->shared->settings->telemetry.spool_max_bytes / SPOOL_OWN_SIGNALS;
    numbers.unreadable = e->segments.unreadable;
    if (age) {
        uint64_t oldest = segments_oldest_ns(&e->segments), now = clock_unix_ns();

        numbers.oldest_age_s = oldest > 0 && now > oldest ? (double)(now - oldest) / 1e9 : 0;
    }
    agent_metrics_publish(e->shared->metrics, e->signal, &numbers);
    return all;
}
