#include "metrics-agent/export/retention.h"

#include "lib/base/instance_file.h"
#include "metrics-agent/export/exporter_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    PUNCH_BYTES = 4096, /* the least that a file system gives back */
    BLOCK_BYTES = 512,  /* of st_blocks */
};

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

/*
 * A writer keeps a sealed segment open until it writes again, perhaps for hours. The file keeps its
 * size and what the checkpoint's fingerprint is made of, so nobody's place in it changes.
 */
static void punch(const struct segments *s, const struct segment *segment)
{
    const uint64_t keep = segment->file.offset > CHECKPOINT_PRINT_BYTES
                              ? segment->file.offset - CHECKPOINT_PRINT_BYTES
                              : 0;
    const off_t length = (off_t)(keep / PUNCH_BYTES * PUNCH_BYTES);
    char name[SPOOL_FILES_NAME_MAX];
    struct stat status;
    int fd;

    if (length == 0)
        return;
    spool_segment_name(name, s->signal, &segment->file);
    fd = instance_file_open(s->dir_fd, name, O_WRONLY, &status);
    if (fd < 0)
        return;
    /* Where the file system can't do it, the segment's deletion gives the room back later. */
    if (status.st_ino == segment->file.inode &&
        status.st_blocks * BLOCK_BYTES > status.st_size - length + PUNCH_BYTES)
        (void)fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, length);
    (void)close(fd);
}

static void make_room(struct exporter *e)
{
    struct segments *const s = &e->segments;
    const struct segment *active;
    size_t i;

    segments_refresh(s);
    active = segments_list_active(s);
    /* What is behind `offset` then is a line that a full disk has cut off. */
    if (active != NULL && active->file.offset > 0 && e->state == EXPORTER_IDLE && !e->more)
        (void)segments_seal(s); /* tried again while the file system is full */
    segments_refresh(s);
    for (i = 0; i < s->count; i++) {
        const struct segment *const segment = &s->list[i];

        if (!segment->file.active && !segment->file.final && !segment->nameless &&
            !segment->suspect)
            punch(s, segment);
    }
    if (s->sums.done > 0 && e->state == EXPORTER_IDLE)
        exporter_files_commit(e);
}

void retention_make_room(struct exporter *exporters, size_t count)
{
    size_t i;

    for (i = 0; i < count; i++) {
        if (exporters[i].transfer != NULL)
            make_room(&exporters[i]);
    }
}
