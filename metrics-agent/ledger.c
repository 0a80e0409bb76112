#include "metrics-agent/ledger.h"

#include "lib/base/clock.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { START_MAX = 8192 /* bytes of a record in which its time is looked for */ };

/* The time of the first record that waits, 0 where that can't be told. */
static uint64_t oldest_ns(struct forward *f)
{
    static const char end_key[] = "\"endTimeUnixNano\":\"", log_key[] = "{\"asctime\":\"";
    char start_of[START_MAX];
    const char *found;
    uint64_t unix_ns = 0;
    ssize_t got = 0;
    size_t i;

    for (i = 0; i < f->segments.count && got <= 0; i++) {
        struct segment *segment = &f->segments.list[i];
        bool was_open = segment->fd >= 0;

        if (segment->pending == 0 || segments_open_file(&f->segments, segment) != 0)
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
    if (f->signal == SPOOL_TRACES) {
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
static void reconcile(struct forward *f)
{
    uint64_t known = agent_metrics_written(f->shared->metrics, f->signal);
    uint64_t now = spool_counts_settled(f->books) + segments_pending(&f->segments);

    f->counted_once = true;
    if (known <= now)
        return;
    f->books->dropped[SPOOL_DROP_DELETED] += known - now;
    forward_save(f);
}

void ledger_publish(struct forward *f, uint64_t budget, bool age)
{
    struct agent_metrics_numbers numbers = {.books = f->books, .oldest_age_s = -1};

    if (budget > 0)
        segments_refresh(&f->segments, f->state != FORWARD_IDLE ? f->batch_seq : 0);
    if (segments_count_lines(&f->segments, budget) < budget && !f->counted_once)
        reconcile(f);
    numbers.backlog = segments_pending(&f->segments);
    numbers.bytes = segments_bytes(&f->segments);
    if (age) {
        uint64_t oldest = oldest_ns(f), now = clock_unix_ns();

        numbers.oldest_age_s = oldest > 0 && now > oldest ? (double)(now - oldest) / 1e9 : 0;
    }
    agent_metrics_publish(f->shared->metrics, f->signal, &numbers);
}

/* Counts what the segment holds unsettled as dropped. */
static void drop_lines(struct forward *f, struct segment *segment)
{
    segments_count_whole(&f->segments, segment);
    f->books->dropped[SPOOL_DROP_CAP] += segment->pending;
    segments_settle(segment, segment->counted, segment->pending);
}

/* The oldest sealed segment that was not given up yet, or NULL. */
static struct segment *oldest_sealed(struct forward *f)
{
    size_t i;

    for (i = 0; i < f->segments.count; i++) {
        struct segment *segment = &f->segments.list[i];

        if (!segment->active && !segment->given_up)
            return segment;
    }
    return NULL;
}

static bool drop_oldest(struct forward *f)
{
    struct segment *segment = oldest_sealed(f);

    if (segment == NULL)
        return false;
    forward_abandon(f, segment->seq);
    drop_lines(f, segment);
    forward_save(f);
    (void)checkpoint_sync(f->shared->checkpoint);
    if (segments_give_up(&f->segments, segment) != 0)
        segments_remove(&f->segments, segment);
    return true;
}

/* Writers that had a segment open when it was given up have appended to it. */
static void drop_late_lines(struct forward *f)
{
    bool changed = false;
    size_t i;

    for (i = 0; i < f->segments.count; i++) {
        struct segment *segment = &f->segments.list[i];

        if (!segment->given_up)
            continue;
        segments_count_whole(&f->segments, segment);
        if (segment->pending == 0 && !segment->final)
            continue;
        drop_lines(f, segment);
        changed = true;
    }
    if (changed)
        forward_commit(f);
}

/* Which of them holds the oldest sealed segment; the one with the most bytes if none has any. */
static struct forward *to_drop_from(struct forward *forwards, size_t count)
{
    struct forward *oldest = NULL, *fullest = &forwards[0];
    uint64_t oldest_written_ns = UINT64_MAX;
    size_t i;

    for (i = 0; i < count; i++) {
        const struct segment *sealed = oldest_sealed(&forwards[i]);

        if (segments_bytes(&forwards[i].segments) > segments_bytes(&fullest->segments))
            fullest = &forwards[i];
        if (sealed != NULL && sealed->written_ns < oldest_written_ns) {
            oldest = &forwards[i];
            oldest_written_ns = sealed->written_ns;
        }
    }
    return oldest != NULL ? oldest : fullest;
}

void ledger_enforce_cap(struct forward *forwards, size_t count, uint64_t max_bytes)
{
    size_t i;

    for (i = 0; i < count; i++)
        drop_late_lines(&forwards[i]);
    for (;;) {
        uint64_t total = 0;
        struct forward *f;

        for (i = 0; i < count; i++)
            total += segments_bytes(&forwards[i].segments);
        if (total <= max_bytes)
            return;
        f = to_drop_from(forwards, count);
        if (!drop_oldest(f) && (segments_seal(&f->segments) != 0 || !drop_oldest(f)))
            return;
    }
}
