#include "metrics-agent/export/accounting.h"

#include "lib/base/clock.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { START_MAX = 8192 /* bytes of a record in which its time is looked for */ };

/* The time of the first record that waits, 0 where that can't be told. */
static uint64_t oldest_ns(struct exporter *e)
{
    static const char end_key[] = "\"endTimeUnixNano\":\"", log_key[] = "{\"asctime\":\"";
    char start_of[START_MAX];
    const char *found;
    uint64_t unix_ns = 0;
    ssize_t got = 0;
    size_t i;

    for (i = 0; i < e->segments.count && got <= 0; i++) {
        struct segment *segment = &e->segments.list[i];
        bool was_open = segment->fd >= 0;

        if (segment->pending == 0 || segments_open_file(&e->segments, segment) != 0)
            continue;
        got = pread(segment->fd, start_of, sizeof start_of - 1, (off_t)segment->offset);
        if (!was_open) {
            (void)close(segment->fd);
            segment->fd = -1;
        }
    }
    if (got <= 0)
        return 0;
    start_of[got] = '\0';
    if (e->signal == SPOOL_TRACES) {
        found = memmem(start_of, (size_t)got, end_key, sizeof end_key - 1);
        return found != NULL ? strtoull(found + sizeof end_key - 1, NULL, 10) : 0;
    }
    found = memmem(start_of, (size_t)got, log_key, sizeof log_key - 1);
    if (found == NULL ||
        clock_parse_iso8601(found + sizeof log_key - 1, strcspn(found + sizeof log_key - 1, "\""),
                            &unix_ns) != 0)
        return 0;
    return unix_ns;
}

/* Records that vanished while no agent ran: the file of metrics knows more than is left. */
static void reconcile(struct exporter *e)
{
    uint64_t now = spool_counts_settled(e->counts) + segments_pending(&e->segments);
    uint64_t known;

    /* What is unknown now may be known later. */
    if (!agent_metrics_written(e->shared->metrics, e->signal, &known))
        return;
    e->counted_once = true;
    if (known <= now)
        return;
    e->counts->dropped[SPOOL_DROP_DELETED] += known - now;
    exporter_save(e);
}

void accounting_publish(struct exporter *e, uint64_t budget, bool age)
{
    struct agent_metrics_numbers numbers = {.counts = e->counts, .oldest_age_s = -1};

    if (budget > 0)
        segments_refresh(&e->segments, e->state != EXPORTER_IDLE ? e->batch_seq : 0);
    if (segments_count_lines(&e->segments, budget) < budget && !e->counted_once)
        reconcile(e);
    numbers.backlog = segments_pending(&e->segments);
    numbers.bytes = segments_bytes(&e->segments);
    if (age) {
        uint64_t oldest = oldest_ns(e), now = clock_unix_ns();

        numbers.oldest_age_s = oldest > 0 && now > oldest ? (double)(now - oldest) / 1e9 : 0;
    }
    agent_metrics_publish(e->shared->metrics, e->signal, &numbers);
}
