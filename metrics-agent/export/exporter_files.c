#include "metrics-agent/export/exporter_files.h"

#include "lib/base/clock.h"
#include "lib/base/instance_file.h"
#include "lib/base/message.h"
#include "lib/spool/tiers.h"
#include "metrics-agent/export/spool_dir.h"

#include <errno.h>
#include <string.h>

enum { UNSEALED_MS = 1000 /* how often writers' locks on sealed segments are looked at */ };

void exporter_files_save(struct exporter *e)
{
    struct checkpoint *checkpoint = e->shared->checkpoint;

    segments_save(&e->segments, &checkpoint->state.signals[e->signal]);
    if (checkpoint_write(checkpoint) == 0) {
        e->shared->checkpoint_failed = false;
        return;
    }
    if (!e->shared->checkpoint_failed)
        message_print("the checkpoint can't be written, a restart would send again: %s",
                      instance_file_error(errno));
    e->shared->checkpoint_failed = true;
}

/* What is kept must not be in the way of what comes, not even until the next look. */
static bool may_keep(const struct exporter *e, const struct segment *segment)
{
    return e->shared->settings->keep_bytes > 0 && e->signal < SPOOL_OWN_SIGNALS &&
           (segment->file.in_memory ||
            (!e->shared->full && !spool_dir_is_full(e->shared->dirs.disk_fd)));
}

/*
 * Segments go one step behind the checkpoint that says so, and that is on the disk. What there is
 * no time for waits for the next look.
 */
static void remove_done(struct exporter *e)
{
    const uint64_t began_ns = clock_monotonic_ns();
    bool synced = false;
    size_t i;

    for (i = 0; i < e->segments.count && e->segments.sums.done > 0;) {
        struct segment *segment = &e->segments.list[i];

        if (!segments_list_done(segment) || segment->file.seq == e->segments.held_seq) {
            i++;
            continue;
        }
        /* Where it can't be synced, what the unlink may cost is numbers, never records. */
        if (!synced)
            (void)checkpoint_sync(e->shared->checkpoint);
        synced = true;
        if (!may_keep(e, segment) || kept_add(&e->kept, &e->segments, segment) != 0)
            segments_remove(&e->segments, segment);
        if (e->segments.sums.done > 0 && exporter_step_over(began_ns)) {
            e->look_ns = e->state == EXPORTER_IDLE ? 0 : e->look_ns;
            return;
        }
    }
}

void exporter_files_commit(struct exporter *e)
{
    exporter_files_save(e);
    remove_done(e);
}

/* In memory segments are small, so that what can't be sent moves in small steps. */
static bool is_to_be_sealed(const struct exporter *e, const struct segment *active)
{
    const struct agent_settings *const settings = e->shared->settings;
    const uint64_t memory = settings->telemetry.spool_memory_bytes;

    if (active->file.size >= settings->segment_bytes)
        return true;
    return active->file.in_memory && active->file.size >= memory / SPOOL_TIERS_SEAL_SHARE &&
           e->shared->memory_sealed <= memory / 8 * SPOOL_TIERS_SEALED_EIGHTHS;
}

void exporter_files_look(struct exporter *e, uint64_t now_ns)
{
    struct segments *s = &e->segments;
    struct segment *last;
    uint64_t deleted;

    if (now_ns >= e->rescan_ns) {
        segments_rescan(s);
        e->rescan_ns = now_ns + clock_ms_to_ns(EXPORTER_FILES_RESCAN_MS);
    }
    segments_refresh(s);
    last = segments_list_active(s);
    if (last != NULL && is_to_be_sealed(e, last)) {
        const bool sealed = segments_seal(s) == 0;

        if (!sealed && !s->unsealable)
            message_print("%s.jsonl can't be sealed, trying again: %s",
                          spool_signal_names[e->signal],
                          errno == ERANGE ? "a sealed segment has the highest number there is"
                                          : strerror(errno));
        s->unsealable = !sealed;
        if (sealed)
            segments_refresh(s);
    }
    deleted = segments_take_deleted(s);
    if (deleted > 0) {
        e->counts->dropped[SPOOL_DROP_DELETED] += deleted;
        message_print("%llu records of %s were deleted by someone else",
                      (unsigned long long)deleted, spool_signal_names[e->signal]);
        exporter_files_save(e);
    }
    e->look_ns = UINT64_MAX;
    e->notified = false;
    e->more = true;
    if (s->sums.growing > (segments_list_active(s) != NULL))
        e->look_ns = now_ns + clock_ms_to_ns(UNSEALED_MS);
    if (s->unreadable > 0 && e->rescan_ns < e->look_ns)
        e->look_ns = e->rescan_ns;
    if (s->looks_left)
        e->look_ns = 0;
    if (s->sums.done > 0 && e->state == EXPORTER_IDLE)
        exporter_files_commit(e);
}
