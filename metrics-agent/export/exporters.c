#include "metrics-agent/export/exporters.h"

#include "lib/base/clock.h"
#include "lib/base/message.h"
#include "metrics-agent/export/accounting.h"
#include "metrics-agent/export/exporter_files.h"
#include "metrics-agent/export/gather.h"
#include "metrics-agent/export/retention.h"
#include "metrics-agent/export/segments_move.h"

#include <errno.h>
#include <string.h>

enum {
    PUBLISH_MS = 1000,        /* between two counts of what was written, without a scrape */
    PUBLISH_MORE_MS = 12,     /* until the next step if one was not all */
    CHECK_MS = 500,           /* between two comparisons of the directory's names, at least */
    GATHER_SEGMENT_SHARE = 4, /* of a segment's bytes: so many are much for one look */
    GATHER_SPOOL_SHARE = 32,  /* of the spool's bytes, which writers leave off at the half of */
    MISSING_MS = 10000,       /* that a missing directory is left to whoever moved it away */
    DRAIN_FAILURES_MAX = 3,
    ROOM_MS = 1000, /* between two looks at the file system's room */
    SAVE_MS = 1000, /* between two tries to write a checkpoint that failed */
};

bool exporters_taken(const char *path)
{
    char reason[SPOOL_DIR_REASON_MAX];
    struct spool_dir dir;

    if (spool_dir_open(&dir, path, false, reason) == 0)
        spool_dir_close(&dir);
    else if (dir.taken)
        message_print("%s", reason);
    return dir.taken;
}

/* Without a checkpoint the counts are the metrics file's, or those that the spool before left. */
static int open_all(struct exporters *all, const struct spool_counts *before)
{
    enum checkpoint_found found;
    int i;

    memory_tier_open(&all->memory, &all->shared, all->dir.fd);
    found = checkpoint_open(&all->checkpoint, all->dir.fd, all->memory.dirs.memory_fd);

    if (found == CHECKPOINT_CORRUPT)
        message_print("the checkpoint is damaged; everything in the spool is sent again");
    all->shared.checkpoint = &all->checkpoint;
    all->shared.dirs = all->memory.dirs;
    import_segment_mend(all->dir.fd, &all->checkpoint.state);
    for (i = 0; i < SPOOL_SIGNALS; i++) {
        struct spool_counts *counts = &all->checkpoint.state.signals[i].counts;

        if (found != CHECKPOINT_VALID && before != NULL)
            *counts = before[i];
        else if (found != CHECKPOINT_VALID)
            (void)agent_metrics_counts(all->shared.metrics, (enum spool_signal)i, counts);
        if (exporter_open(&all->each[i], (enum spool_signal)i, &all->shared) != 0)
            return -1;
    }
    if (importer_open(&all->importer, all->each) != 0)
        return -1;
    if (spool_watch_open(&all->watch, all->dir.path,
                         all->memory.dirs.memory_fd >= 0 ? all->memory.path : NULL) != 0)
        message_print("the spool can't be watched, polling it instead: %s", strerror(errno));
    all->open = true;
    return 0;
}

static void close_all(struct exporters *all)
{
    int i;

    all->open = false;
    importer_close(&all->importer);
    for (i = 0; i < SPOOL_SIGNALS; i++)
        exporter_close(&all->each[i]);
    checkpoint_close(&all->checkpoint);
    spool_watch_close(&all->watch);
    memory_tier_close(&all->memory);
    spool_dir_close(&all->dir);
}

int exporters_open(struct exporters *all, const struct exporter_shared *shared)
{
    const char *const path = shared->settings->telemetry.spool_dir;

    all->shared = *shared;
    all->shared.gather_ms = GATHER_MIN_MS;
    all->watch.fd = all->checkpoint.disk.fd = all->checkpoint.memory.fd = -1;
    all->memory.dirs.memory_fd = -1;
    if (spool_dir_open(&all->dir, path, true, all->problem) == 0) {
        all->problem[0] = '\0';
        if (open_all(all, NULL) == 0)
            return 0;
        close_all(all);
        return -1;
    }
    if (!all->dir.taken || !shared->once)
        message_print("%s", all->problem);
    return all->dir.taken || shared->drain ? -1 : 0;
}

void exporters_close(struct exporters *all)
{
    int i;

    if (!all->open)
        return;
    importer_release(&all->importer);
    for (i = 0; i < SPOOL_SIGNALS; i++) {
        segments_refresh(&all->each[i].segments);
        exporter_files_commit(&all->each[i]);
    }
    memory_tier_leave(&all->memory, all->each, SPOOL_SIGNALS);
    (void)exporters_publish(all);
    (void)checkpoint_sync(&all->checkpoint);
    close_all(all);
}

bool exporters_publish(struct exporters *all)
{
    bool counted = true;
    int i;

    if (all->open)
        importer_publish(&all->importer);
    for (i = 0; all->open && i < SPOOL_SIGNALS; i++)
        counted = accounting_publish(&all->each[i], EXPORTERS_COUNT_BYTES, true) && counted;
    return counted;
}

/*
 * The metrics file tells the same whether anybody scrapes or not, at most a second late: others
 * read it, too. While records wait their age grows; else nothing is done until somebody writes.
 */
static void publish_due(struct exporters *all, uint64_t now_ns)
{
    bool counted, waiting = false;
    int i;

    if (now_ns < all->publish_ns)
        return;
    (void)metrics_refresh(all->shared.metrics->metrics);
    all->counted = counted = exporters_publish(all);
    for (i = 0; i < SPOOL_SIGNALS; i++)
        waiting = waiting || all->each[i].segments.sums.pending > 0;
    all->publish_ns = !counted  ? now_ns + clock_ms_to_ns(PUBLISH_MORE_MS)
                      : waiting ? now_ns + clock_ms_to_ns(PUBLISH_MS)
                                : UINT64_MAX;
}

void exporters_notify(struct exporters *all, uint64_t now_ns)
{
    const uint64_t publish_ns = now_ns + clock_ms_to_ns(PUBLISH_MS);
    int i;

    if (all->publish_ns > publish_ns)
        all->publish_ns = publish_ns;
    importer_notify(&all->importer);
    for (i = 0; all->open && i < SPOOL_SIGNALS; i++)
        exporter_notify(&all->each[i], now_ns);
}

bool exporters_notified(const struct exporters *all)
{
    bool notified = true;
    int i;

    for (i = 0; i < SPOOL_SIGNALS; i++)
        notified = notified && all->each[i].notified;
    return all->open && notified;
}

/* Records that wait in memory alone. */
static uint64_t pending_in_memory(const struct segments *segments)
{
    uint64_t records = 0;

    for (size_t i = 0; i < segments->count; i++) {
        if (segments->list[i].file.in_memory)
            records += segments->list[i].file.pending;
    }
    return records;
}

/* Goes on in the directory that has the spool's name now. What waited in the old one is gone. */
static int move_to(struct exporters *all, const struct spool_dir *other)
{
    struct spool_counts counts[SPOOL_SIGNALS];
    int i;

    message_print("%s is another directory now; going on there", other->path);
    for (i = 0; i < SPOOL_SIGNALS; i++) {
        struct exporter *const e = &all->each[i];

        e->counts->dropped[SPOOL_DROP_DELETED] += e->segments.sums.pending -
                                                  pending_in_memory(&e->segments) +
                                                  segments_take_deleted(&e->segments);
        counts[i] = *e->counts;
        exporter_files_save(e);
    }
    close_all(all);
    all->dir = *other;
    if (open_all(all, counts) != 0) {
        close_all(all);
        return -1;
    }
    (void)exporters_publish(all);
    return 0;
}

/* Goes on once the directory can be used. */
static int take_up(struct exporters *all, char reason[SPOOL_DIR_REASON_MAX])
{
    if (spool_dir_open(&all->dir, all->dir.path, true, reason) != 0)
        return 0;
    reason[0] = '\0';
    return open_all(all, NULL);
}

/* One tier becomes two: as by a restart, which knows what to do with the disk's active files. */
static int take_memory(struct exporters *all, char reason[SPOOL_DIR_REASON_MAX])
{
    for (int i = 0; i < SPOOL_SIGNALS; i++)
        exporter_files_save(&all->each[i]);
    (void)exporters_publish(all);
    close_all(all);
    return take_up(all, reason);
}

/* What waited in a directory that is gone is counted before it is given up, step by step. */
static int follow(struct exporters *all, uint64_t now_ns, char reason[SPOOL_DIR_REASON_MAX])
{
    struct spool_dir other;

    if (all->make_ns == 0)
        all->make_ns = now_ns + clock_ms_to_ns(MISSING_MS);
    if (!exporters_publish(all)) {
        all->check_ns = now_ns;
        memcpy(reason, all->problem, SPOOL_DIR_REASON_MAX);
        return 0;
    }
    if (spool_dir_open(&other, all->dir.path, now_ns >= all->make_ns, reason) != 0)
        return 0;
    reason[0] = '\0';
    return move_to(all, &other);
}

/* The directory in memory is another one, or gone. */
static void set_memory(struct exporters *all)
{
    const int fd = all->memory.dirs.memory_fd;

    all->shared.dirs = all->memory.dirs;
    for (int i = 0; i < SPOOL_SIGNALS; i++) {
        segments_move_lost(&all->each[i].segments, fd);
        while (all->each[i].kept.bytes[true] > 0)
            kept_drop(&all->each[i].kept, &all->shared.dirs, true);
    }
    checkpoint_set_memory(&all->checkpoint, fd);
    all->checkpoint.memory_alone = false;
    exporter_files_save(&all->each[0]);
}

int exporters_check(struct exporters *all, uint64_t now_ns)
{
    char reason[SPOOL_DIR_REASON_MAX] = "";
    int result = 0;
    bool lost;

    if (now_ns < all->check_ns)
        return 0;
    all->check_ns = now_ns + clock_ms_to_ns(CHECK_MS);
    if (!all->open) {
        result = take_up(all, reason);
    } else {
        switch (spool_dir_check(&all->dir, &all->checkpoint, &lost, reason)) {
        case SPOOL_DIR_OTHER:
            result = follow(all, now_ns, reason);
            break;
        case SPOOL_DIR_SAME:
            if (lost)
                exporter_files_save(&all->each[0]);
            break;
        case SPOOL_DIR_TROUBLE:
            break;
        }
    }
    if (all->open && memory_tier_can_open(&all->memory))
        result = take_memory(all, reason);
    else if (all->open && !memory_tier_check(&all->memory))
        set_memory(all);
    if (reason[0] == '\0')
        all->make_ns = 0;
    if (strcmp(all->problem, reason) != 0)
        message_print("%s", reason[0] != '\0' ? reason : "the spool's directory is right again");
    memcpy(all->problem, reason, sizeof reason);
    return result;
}

/* A quota shows only in what the writers have lost. */
static bool is_full(struct exporters *all)
{
    uint64_t no_space = 0, records;
    bool grown;
    int i;

    for (i = 0; i < SPOOL_SIGNALS; i++) {
        if (agent_metrics_lost(all->shared.metrics, (enum spool_signal)i, SPOOL_NO_SPACE, &records))
            no_space += records;
    }
    grown = no_space > all->no_space;
    all->no_space = no_space;
    return grown || spool_dir_is_full(all->dir.fd);
}

/* Returns when to look again where the file system is full: then no write would wake us. */
static uint64_t make_room(struct exporters *all, uint64_t now_ns)
{
    if (now_ns < all->room_ns)
        return all->shared.full ? all->room_ns : UINT64_MAX;
    all->room_ns = now_ns + clock_ms_to_ns(ROOM_MS);
    all->shared.full = is_full(all);
    if (!all->shared.full)
        return UINT64_MAX;
    retention_make_room(all->each, SPOOL_SIGNALS);
    return all->room_ns;
}

/*
 * A checkpoint that could not be written: perhaps nothing else will be settled for hours. Where
 * there is room for one file only, agent.lock comes first.
 */
static uint64_t save_again(struct exporters *all, uint64_t now_ns)
{
    if (!all->shared.checkpoint_failed || all->dir.lock_fd < 0)
        return UINT64_MAX;
    if (now_ns >= all->save_ns) {
        exporter_files_save(&all->each[0]);
        all->save_ns = now_ns + clock_ms_to_ns(SAVE_MS);
    }
    return all->shared.checkpoint_failed ? all->save_ns : UINT64_MAX;
}

/* After a look at the files because somebody wrote: how long to wait before the next. */
static void gather(struct exporters *all)
{
    const struct agent_settings *const settings = all->shared.settings;
    const uint64_t most = settings->telemetry.spool_max_bytes / GATHER_SPOOL_SHARE;
    const uint64_t segment = settings->segment_bytes / GATHER_SEGMENT_SHARE;
    uint64_t grown = 0;
    int i;

    for (i = 0; i < SPOOL_SIGNALS; i++)
        grown += segments_take_grown(&all->each[i].segments);
    all->shared.gather_ms =
        gather_next_ms(all->shared.gather_ms, grown, segment < most ? segment : most);
}

uint64_t exporters_run(struct exporters *all, uint64_t now_ns)
{
    const bool notified = exporters_notified(all);
    uint64_t next = all->problem[0] != '\0' ? all->check_ns : UINT64_MAX, room;
    uint64_t import, memory, save;
    int i;

    if (!all->open)
        return next;
    /* First, so that the exporters see what it has added. */
    import = importer_run(&all->importer, now_ns);
    for (i = 0; i < SPOOL_SIGNALS; i++) {
        uint64_t due = exporter_run(&all->each[i], now_ns);

        if (due < next)
            next = due;
    }
    if (notified && !exporters_notified(all))
        gather(all);
    retention_limit_kept(all->each, SPOOL_SIGNALS);
    all->limited = retention_enforce_cap(all->each, SPOOL_SIGNALS,
                                         all->shared.settings->telemetry.spool_max_bytes);
    if (!all->limited)
        next = now_ns;
    if (import < next)
        next = import;
    memory = memory_tier_run(&all->memory, all->each, SPOOL_SIGNALS, now_ns);
    if (memory < next)
        next = memory;
    room = make_room(all, now_ns);
    if (room < next)
        next = room;
    save = save_again(all, now_ns);
    if (save < next)
        next = save;
    for (i = 0; i < SPOOL_SIGNALS; i++)
        (void)accounting_publish(&all->each[i], 0, false);
    publish_due(all, now_ns);
    return next < all->publish_ns ? next : all->publish_ns;
}

void exporters_outcome(struct exporters *all, const CURL *easy, CURLcode result)
{
    int i;

    for (i = 0; i < SPOOL_SIGNALS; i++) {
        if (all->each[i].transfer != NULL && transfer_owns(all->each[i].transfer, easy))
            exporter_outcome(&all->each[i], result, clock_monotonic_ns());
    }
}

void exporters_stop(struct exporters *all, uint64_t now_ns)
{
    all->shared.drain = true;
    exporters_notify(all, now_ns);
}

bool exporters_stopped(const struct exporters *all)
{
    int i;

    for (i = 0; all->open && i < SPOOL_SIGNALS; i++) {
        if (!exporter_may_end(&all->each[i]))
            return false;
    }
    return true;
}

int exporters_drained(const struct exporters *all)
{
    const int imported = importer_drained(&all->importer);
    bool done = imported > 0, any = false;
    int i;

    if (imported < 0)
        message_print("the files of other programs can't be drained");
    if (imported < 0)
        return 1;
    for (i = 0; i < SPOOL_SIGNALS; i++) {
        const struct exporter *exporter = &all->each[i];

        if (exporter->transfer == NULL)
            continue;
        any = true;
        done = done && exporter_drained(exporter);
        if (exporter->failures >= DRAIN_FAILURES_MAX) {
            message_print("%s can't be drained: %u attempts failed; the last: %s",
                          spool_signal_names[i], exporter->failures, exporter->result.detail);
            return 1;
        }
    }
    if (!any && all->shared.once)
        return all->limited && all->counted ? 0 : -1;
    if (!any)
        message_print("nothing can be drained: no endpoint is set");
    return !any ? 1 : done ? 0 : -1;
}

void exporters_say_left(const struct exporters *all)
{
    const char *signal = "", *why = "the rest is sent the next time";

    for (int i = SPOOL_SIGNALS - 1; i >= 0; i--) {
        const struct exporter *const e = &all->each[i];

        if (e->transfer == NULL || (e->result.failing_ms == 0 && !transfer_busy(e->transfer)))
            continue;
        signal = spool_signal_names[i];
        why = e->result.failing_ms != 0 ? e->result.detail : "the endpoint does not answer";
    }
    message_print("not all could be sent in time, and stays in the spool: %s%s%s", signal,
                  signal[0] != '\0' ? ": " : "", why);
}
