#include "metrics-agent/export/retention.h"

#include "metrics-agent/export/exporter_files.h"

/* Counts what the segment holds unsettled as dropped. */
static void drop_lines(struct exporter *e, struct segment *segment)
{
    segments_count_whole(&e->segments, segment);
    e->counts->dropped[SPOOL_DROP_CAP] += segment->file.pending;
    segments_settle(&e->segments, segment, segment->file.counted, segment->file.pending);
}

/* The oldest sealed segment that was not given up yet, or NULL. */
static struct segment *oldest_sealed(struct exporter *e)
{
    size_t i;

    for (i = 0; i < e->segments.count; i++) {
        struct segment *segment = &e->segments.list[i];

        if (!segment->file.active && !segment->given_up)
            return segment;
    }
    return NULL;
}

static bool drop_oldest(struct exporter *e)
{
    struct segment *segment = oldest_sealed(e);

    if (segment == NULL)
        return false;
    exporter_abandon(e, segment->file.seq);
    drop_lines(e, segment);
    exporter_files_save(e);
    (void)checkpoint_sync(e->shared->checkpoint);
    if (segments_give_up(&e->segments, segment) != 0)
        segments_remove(&e->segments, segment);
    return true;
}

/* Writers that had a segment open when it was given up have appended to it. */
static void drop_late_lines(struct exporter *e)
{
    bool changed = false;
    size_t i;

    for (i = 0; i < e->segments.count && e->segments.sums.given_up > 0; i++) {
        struct segment *segment = &e->segments.list[i];

        if (!segment->given_up)
            continue;
        segments_count_whole(&e->segments, segment);
        if (segment->file.pending == 0 && !segment->file.final)
            continue;
        drop_lines(e, segment);
        changed = true;
    }
    if (changed)
        exporter_files_commit(e);
}

/* Which of them holds the oldest sealed segment; the one with the most bytes if none has any. */
static struct exporter *to_drop_from(struct exporter *exporters, size_t count)
{
    struct exporter *oldest = NULL, *fullest = &exporters[0];
    uint64_t oldest_written_ns = UINT64_MAX;
    size_t i;

    for (i = 0; i < count; i++) {
        const struct segment *sealed = oldest_sealed(&exporters[i]);

        if (exporters[i].segments.sums.bytes > fullest->segments.sums.bytes)
            fullest = &exporters[i];
        if (sealed != NULL && sealed->file.written_ns < oldest_written_ns) {
            oldest = &exporters[i];
            oldest_written_ns = sealed->file.written_ns;
        }
    }
    return oldest != NULL ? oldest : fullest;
}

void retention_enforce_cap(struct exporter *exporters, size_t count, uint64_t max_bytes)
{
    size_t i;

    for (i = 0; i < count; i++)
        drop_late_lines(&exporters[i]);
    for (;;) {
        uint64_t total = 0;
        struct exporter *e;

        for (i = 0; i < count; i++)
            total += exporters[i].segments.sums.bytes;
        if (total <= max_bytes)
            return;
        e = to_drop_from(exporters, count);
        if (!drop_oldest(e) && (segments_list_active(&e->segments) == NULL ||
                                segments_seal(&e->segments) != 0 || !drop_oldest(e)))
            return;
    }
}
