#include "metrics-agent/export/retention.h"

#include "lib/base/clock.h"
#include "lib/spool/tiers.h"
#include "metrics-agent/export/exporter_files.h"
#include "metrics-agent/export/segments_count.h"
#include "metrics-agent/export/segments_move.h"
#include "metrics-agent/export/spool_dir.h"

enum {
    KEPT_STEPS = 256,       /* kept files that one step deletes */
    KEPT_FREE_SEGMENTS = 2, /* as bursts may fill before the next look */
    PUNCH_BYTES = 4096,
};

/* Counts what the segment, which was counted whole, holds unsettled as dropped. */
static void drop_lines(struct exporter *e, struct segment *segment)
{
    e->counts->dropped[SPOOL_DROP_CAP] += segment->file.pending;
    segments_settle(&e->segments, segment, segment->file.counted, segment->file.pending, 0);
}

/* The oldest sealed segment that was not given up yet, or NULL. */
static struct segment *oldest_sealed(struct exporter *e)
{
    size_t i;

    for (i = 0; i < e->segments.count; i++) {
        struct segment *segment = &e->segments.list[i];

        if (!segment->file.active && !segment->given_up && !segment->stays)
            return segment;
    }
    return NULL;
}

enum dropped { DROPPED, DROP_COUNTING, DROP_NONE };

static enum dropped drop_oldest(struct exporter *e)
{
    struct segment *segment = oldest_sealed(e);

    if (segment == NULL)
        return DROP_NONE;
    if (!segments_count_whole(&e->segments, segment))
        return DROP_COUNTING;
    exporter_abandon(e, segment->file.seq);
    drop_lines(e, segment);
    exporter_files_save(e);
    (void)checkpoint_sync(e->shared->checkpoint);
    if (segments_give_up(&e->segments, segment) != 0)
        segments_remove(&e->segments, segment);
    return DROPPED;
}

/*
 * Writers that had a segment open when it was given up have appended to it. Returns whether all of
 * that is counted.
 */
static bool drop_late_lines(struct exporter *e)
{
    bool changed = false, counted = true;
    size_t i;

    for (i = 0; i < e->segments.count && e->segments.sums.given_up > 0; i++) {
        struct segment *segment = &e->segments.list[i];

        if (!segment->given_up)
            continue;
        if (!segments_count_whole(&e->segments, segment)) {
            counted = false;
            continue;
        }
        if (segment->file.pending == 0 && !segment->file.final)
            continue;
        drop_lines(e, segment);
        changed = true;
    }
    if (changed)
        exporter_files_commit(e);
    return counted;
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

bool retention_enforce_cap(struct exporter *exporters, size_t count, uint64_t max_bytes)
{
    const uint64_t began_ns = clock_monotonic_ns();
    bool counted = true;
    size_t i;

    for (i = 0; i < count; i++)
        counted = drop_late_lines(&exporters[i]) && counted;
    for (;;) {
        uint64_t total = 0;
        enum dropped dropped;
        struct exporter *e;

        for (i = 0; i < count; i++)
            total += exporters[i].segments.sums.bytes;
        if (total <= max_bytes)
            return counted;
        if (exporter_step_over(began_ns))
            return false;
        e = to_drop_from(exporters, count);
        dropped = drop_oldest(e);
        if (dropped == DROP_NONE) {
            if (segments_list_active(&e->segments) == NULL || segments_seal(&e->segments) != 0)
                return counted;
            dropped = drop_oldest(e);
        }
        if (dropped != DROPPED)
            return dropped == DROP_NONE && counted;
    }
}

/* The signal whose kept files in a tier take the most. */
static struct kept *largest_kept(struct exporter *exporters, size_t count, bool in_memory)
{
    struct kept *largest = &exporters[0].kept;

    for (size_t i = 1; i < count; i++) {
        if (exporters[i].kept.bytes[in_memory] > largest->bytes[in_memory])
            largest = &exporters[i].kept;
    }
    return largest;
}

static uint64_t kept_bytes(const struct exporter *exporters, size_t count, bool in_memory)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < count; i++)
        bytes += exporters[i].kept.bytes[in_memory];
    return bytes;
}

static void shrink_kept(struct exporter *exporters, size_t count, bool in_memory, uint64_t most)
{
    for (int tries = 0; tries < KEPT_STEPS && kept_bytes(exporters, count, in_memory) > most;
         tries++)
        kept_drop(largest_kept(exporters, count, in_memory), &exporters[0].shared->dirs, in_memory);
}

static uint64_t rest(uint64_t of, uint64_t taken)
{
    return of > taken ? of - taken : 0;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* What of it can stay on a disk that has room for KEPT_FREE_SEGMENTS more. */
static uint64_t room_for_kept(const struct exporter *exporters, size_t count)
{
    const struct exporter_shared *const shared = exporters[0].shared;
    const uint64_t kept = kept_bytes(exporters, count, false);
    const uint64_t room = kept > 0 ? spool_dir_room(shared->dirs.disk_fd) : 0;
    const uint64_t wanted = KEPT_FREE_SEGMENTS * shared->settings->segment_bytes;

    return room >= wanted ? UINT64_MAX : rest(kept, wanted - room);
}

void retention_limit_kept(struct exporter *exporters, size_t count)
{
    const struct agent_settings *const settings = exporters[0].shared->settings;
    const struct telemetry_settings *const spool = &settings->telemetry;
    uint64_t bytes = 0, memory = 0, kept, most;

    for (size_t i = 0; i < count; i++) {
        bytes += exporters[i].segments.sums.bytes;
        memory += exporters[i].segments.sums.memory;
    }
    if (kept_bytes(exporters, count, true) + kept_bytes(exporters, count, false) == 0)
        return;
    shrink_kept(exporters, count, true,
                least(settings->keep_bytes,
                      rest(spool->spool_memory_bytes / SPOOL_TIERS_MOVE_SHARE, memory)));
    kept = kept_bytes(exporters, count, true);
    most = least(rest(settings->keep_bytes, kept), rest(spool->spool_max_bytes, bytes + kept));
    shrink_kept(exporters, count, false, least(most, room_for_kept(exporters, count)));
}

static void make_room(struct exporter *e)
{
    struct segments *const s = &e->segments;
    const struct segment *active;
    size_t i;

    segments_refresh(s);
    active = segments_list_active(s);
    /* What is behind `offset` then is a line that a full disk has cut off. */
    if (active != NULL && !active->file.in_memory && active->file.offset > 0 &&
        e->state == EXPORTER_IDLE && !e->more)
        (void)segments_seal(s); /* tried again while the file system is full */
    segments_refresh(s);
    for (i = 0; i < s->count; i++) {
        if (!s->list[i].file.in_memory)
            segments_move_punch(s, &s->list[i], PUNCH_BYTES);
    }
    if (s->sums.done > 0 && e->state == EXPORTER_IDLE)
        exporter_files_commit(e);
}

void retention_make_room(struct exporter *exporters, size_t count)
{
    size_t i;

    shrink_kept(exporters, count, false, 0);
    for (i = 0; i < count; i++) {
        if (exporters[i].transfer != NULL)
            make_room(&exporters[i]);
    }
}
