#include "metrics-agent/export/memory_tier.h"

#include "lib/base/clock.h"
#include "lib/base/instance_file.h"
#include "lib/base/message.h"
#include "lib/spool/files.h"
#include "lib/spool/tiers.h"
#include "metrics-agent/export/exporter_files.h"
#include "metrics-agent/export/segments_move.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

enum {
    RUN_MS = 250,        /* between two looks while there is something to look after */
    AGAIN_MS = 1000,     /* the same after a failure */
    PUNCH_BYTES = 65536, /* less is not worth the call */
};

/*
 * Opens the directory, which a member of the group could have made a link, and locks it: an agent
 * of another spool may have the same run directory. Returns the descriptor, or -1 with errno.
 */
static int open_dir(const char *path)
{
    const int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK)
        return fd;
    (void)close(fd);
    errno = EBUSY;
    return -1;
}

static void say_unusable(const char *path, int error)
{
    message_print("%s can't be used: %s; requests write to the disk", path,
                  error == EBUSY ? "another metrics-agent works on it"
                                 : instance_file_error(error));
}

/* Returns the descriptor, or -1, which is said once. */
static int make(struct memory_tier *tier)
{
    char unsafe[INSTANCE_DIR_REASON_MAX] = "";
    struct stat status;
    int fd = instance_dir_make(tier->path, (gid_t)-1) == 0 ? open_dir(tier->path) : -1;
    const int error = errno;

    if (fd >= 0 && fstat(fd, &status) == 0 &&
        instance_dir_check(&status, tier->path, unsafe) == INSTANCE_DIR_FOREIGN) {
        (void)close(fd);
        fd = -1;
    }
    if (fd < 0 && !tier->unusable && unsafe[0] != '\0')
        message_print("%s", unsafe);
    else if (fd < 0 && !tier->unusable)
        say_unusable(tier->path, error);
    tier->unusable = fd < 0;
    /* When the other one starts anew, it is to find its own again. */
    if (fd < 0 && unsafe[0] == '\0' && error == EBUSY)
        tier->wanted = false;
    return fd;
}

static bool in_memory(const struct statfs *system)
{
    return system->f_type == TMPFS_MAGIC || system->f_type == RAMFS_MAGIC;
}

/* Whether there are two kinds of place: memory, and what is not. */
static bool is_wanted(const struct exporter_shared *shared, int disk_fd)
{
    const struct telemetry_settings *const settings = &shared->settings->telemetry;
    struct statfs run, disk;

    return settings->spool_memory_bytes > 0 && !shared->drain &&
           statfs(settings->run_dir, &run) == 0 && fstatfs(disk_fd, &disk) == 0 &&
           in_memory(&run) && !in_memory(&disk);
}

void memory_tier_open(struct memory_tier *tier, const struct exporter_shared *shared, int disk_fd)
{
    const struct telemetry_settings *const settings = &shared->settings->telemetry;
    struct stat disk, there;
    const int length =
        snprintf(tier->path, sizeof(tier->path), "%s/" SPOOL_FILES_MEMORY_DIR, settings->run_dir);

    tier->dirs = (struct segments_dirs){.disk_fd = disk_fd, .memory_fd = -1};
    tier->max_bytes = settings->spool_memory_bytes;
    tier->run_ns = 0;
    tier->failed = tier->wanted = false;
    if (length < 0 || (size_t)length >= sizeof(tier->path))
        return;
    tier->unusable = false;
    tier->wanted = is_wanted(shared, disk_fd);
    if (tier->wanted) {
        tier->dirs.memory_fd = make(tier);
        return;
    }
    tier->dirs.memory_fd = open_dir(tier->path);
    /* Some have their spool there. */
    if (tier->dirs.memory_fd >= 0 && fstat(disk_fd, &disk) == 0 &&
        fstat(tier->dirs.memory_fd, &there) == 0 && there.st_dev == disk.st_dev &&
        there.st_ino == disk.st_ino)
        memory_tier_close(tier);
    tier->dirs.leaving_memory = tier->dirs.memory_fd >= 0;
}

void memory_tier_close(struct memory_tier *tier)
{
    if (tier->dirs.memory_fd >= 0)
        (void)close(tier->dirs.memory_fd);
    tier->dirs.memory_fd = -1;
}

bool memory_tier_can_open(struct memory_tier *tier)
{
    if (!tier->wanted || tier->dirs.memory_fd >= 0)
        return false;
    tier->dirs.memory_fd = make(tier);
    if (tier->dirs.memory_fd < 0)
        return false;
    memory_tier_close(tier);
    return true;
}

bool memory_tier_check(struct memory_tier *tier)
{
    struct stat named, held;

    if (tier->dirs.memory_fd < 0)
        return true;
    if (stat(tier->path, &named) == 0 && fstat(tier->dirs.memory_fd, &held) == 0 &&
        named.st_ino == held.st_ino && named.st_dev == held.st_dev)
        return true;
    memory_tier_close(tier);
    if (tier->dirs.leaving_memory)
        return false;
    message_print("%s was moved away by someone else; making it anew", tier->path);
    tier->dirs.memory_fd = make(tier);
    return false;
}

/* Returns 0, or -1 where the segment stays; that is said once, until one can be moved again. */
static int move(struct memory_tier *tier, struct exporter *e, struct segment *segment)
{
    char name[SPOOL_FILES_NAME_MAX];

    spool_segment_name(name, e->signal, &segment->file);
    e->shared->checkpoint->memory_alone = false;
    if (segments_move(&e->segments, segment) == 0) {
        tier->failed = false;
        return 0;
    }
    if (!tier->failed)
        message_print("%s can't be moved to the disk, trying again: %s", name,
                      instance_file_error(errno));
    tier->failed = true;
    return -1;
}

static bool movable(const struct segment *segment)
{
    return segment->file.in_memory && !segment->file.active && !segment->nameless &&
           !segment->suspect && !segment->file.unreadable;
}

/* Whether the segment has what is not settled, and is not on the disk. */
static bool waits(const struct segment *segment)
{
    return segments_list_waiting(segment) > 0 ||
           (segment->file.final && segment->file.size > segment->file.offset);
}

/* The oldest that is to be moved, or NULL; with `final` only one that gives its memory back. */
static struct segment *find(struct segments *s, bool final)
{
    struct segment *oldest = NULL;
    size_t left = s->sums.in_memory;

    /* Those in memory are among the newest. */
    for (size_t i = s->count; i-- > 0 && left > 0;) {
        struct segment *const segment = &s->list[i];

        left -= segment->file.in_memory;
        if (movable(segment) && waits(segment) && (segment->file.final || !final))
            oldest = segment;
    }
    return oldest;
}

static void punch(struct segments *s)
{
    size_t left = s->sums.in_memory;

    for (size_t i = s->count; i-- > 0 && left > 0;) {
        if (!s->list[i].file.in_memory)
            continue;
        left--;
        segments_move_punch(s, &s->list[i], PUNCH_BYTES);
    }
}

static uint64_t used(const struct exporter *exporters, size_t count)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < count; i++)
        bytes += exporters[i].segments.sums.memory;
    return bytes;
}

/* What has waited for long is sealed, so that it can move. */
static void seal_late(struct exporter *e, uint64_t now_ns)
{
    struct segments *const s = &e->segments;
    const struct segment *const active = segments_list_active(s);

    if (active == NULL || !active->file.in_memory || active->file.size <= active->file.offset)
        return;
    if (segments_seal(s) == 0) {
        segments_refresh(s);
        e->progress_ns = now_ns;
    }
}

/* Returns whether there is more to do at once. */
static bool move_late(struct memory_tier *tier, struct exporter *e, uint64_t now_ns)
{
    struct segments *const s = &e->segments;
    struct segment *segment;

    if (!s->dirs.leaving_memory && e->waits_in_memory &&
        now_ns - e->progress_ns >= clock_ms_to_ns(MEMORY_TIER_WAIT_MS)) {
        seal_late(e, now_ns);
        e->move_seq = s->active_seq;
    }
    segment = find(s, false);
    if (segment == NULL || (segment->file.seq >= e->move_seq && !s->dirs.leaving_memory))
        return false;
    if (move(tier, e, segment) != 0)
        return false;
    exporter_files_save(e);
    return true;
}

/* The signal that has the oldest segment to move. */
static struct exporter *to_move_from(struct exporter *exporters, size_t count)
{
    struct exporter *oldest = NULL;
    uint64_t written_ns = UINT64_MAX;

    for (size_t i = 0; i < count; i++) {
        const struct segment *const segment = find(&exporters[i].segments, true);

        if (segment != NULL && segment->file.written_ns < written_ns) {
            oldest = &exporters[i];
            written_ns = segment->file.written_ns;
        }
    }
    return oldest;
}

static bool move_for_room(struct memory_tier *tier, struct exporter *exporters, size_t count)
{
    struct exporter *e;

    if (used(exporters, count) <= tier->max_bytes / SPOOL_TIERS_MOVE_SHARE)
        return false;
    for (size_t i = 0; i < count; i++)
        punch(&exporters[i].segments);
    e = to_move_from(exporters, count);
    if (e == NULL || move(tier, e, find(&e->segments, true)) != 0)
        return false;
    exporter_files_save(e);
    return used(exporters, count) > tier->max_bytes / SPOOL_TIERS_MOVE_SHARE;
}

/* Whether the directory is gone: it was empty but for the checkpoint. */
static bool take_away(struct memory_tier *tier, struct exporter *exporters, size_t count)
{
    struct checkpoint *const checkpoint = exporters[0].shared->checkpoint;

    for (size_t i = 0; i < count; i++) {
        if (exporters[i].segments.sums.in_memory > 0)
            return false;
    }
    for (size_t i = 0; i < count; i++)
        kept_move(&exporters[i].kept, &tier->dirs);
    /* What is in the disk's is what counts from here on. */
    checkpoint->memory_alone = false;
    checkpoint_set_memory(checkpoint, -1);
    exporter_files_save(&exporters[0]);
    if (exporters[0].shared->checkpoint_failed)
        return false;
    (void)unlinkat(tier->dirs.memory_fd, SPOOL_FILES_CHECKPOINT, 0);
    if (rmdir(tier->path) != 0)
        return false;
    memory_tier_close(tier);
    exporters[0].shared->dirs.memory_fd = -1;
    for (size_t i = 0; i < count; i++)
        exporters[i].segments.dirs.memory_fd = -1;
    return true;
}

/* Whether something waits in memory, and since when. */
static bool look_at_waiting(struct exporter *e, uint64_t now_ns)
{
    const bool waits = e->segments.sums.memory_waiting > 0;

    if (waits && !e->waits_in_memory)
        e->progress_ns = now_ns;
    e->waits_in_memory = waits;
    return waits;
}

uint64_t memory_tier_run(struct memory_tier *tier, struct exporter *exporters, size_t count,
                         uint64_t now_ns)
{
    size_t in_memory = 0, on_disk = 0;
    bool waits = tier->dirs.leaving_memory, more = false;

    if (tier->dirs.memory_fd < 0)
        return UINT64_MAX;
    exporters[0].shared->memory_sealed = used(exporters, count);
    for (size_t i = 0; i < count; i++) {
        const struct segment *const active = segments_list_active(&exporters[i].segments);

        if (active != NULL && active->file.in_memory)
            exporters[0].shared->memory_sealed -= active->file.size;
        waits = look_at_waiting(&exporters[i], now_ns) || waits;
        in_memory += exporters[i].segments.sums.in_memory;
        on_disk += exporters[i].segments.count - exporters[i].segments.sums.in_memory;
    }
    exporters[0].shared->checkpoint->memory_alone = on_disk == 0 && !tier->dirs.leaving_memory;
    if (now_ns < tier->run_ns)
        return waits ? tier->run_ns : UINT64_MAX;
    for (size_t i = 0; i < count; i++)
        more = move_late(tier, &exporters[i], now_ns) || more;
    more = move_for_room(tier, exporters, count) || more;
    if (tier->dirs.leaving_memory && in_memory == 0 && take_away(tier, exporters, count))
        return UINT64_MAX;
    tier->run_ns = more ? now_ns : now_ns + clock_ms_to_ns(tier->failed ? AGAIN_MS : RUN_MS);
    return waits || more ? tier->run_ns : UINT64_MAX;
}

void memory_tier_leave(struct memory_tier *tier, struct exporter *exporters, size_t count)
{
    if (tier->dirs.memory_fd < 0)
        return;
    for (size_t i = 0; i < count; i++) {
        struct exporter *const e = &exporters[i];
        struct segments *const s = &e->segments;
        const struct segment *const active = segments_list_active(s);
        struct segment *segment;

        if (active != NULL && active->file.in_memory)
            (void)segments_seal(s);
        s->dirs.leaving_memory = true;
        segments_refresh(s);
        exporters[0].shared->checkpoint->memory_alone = false;
        exporter_files_commit(e);
        while ((segment = find(s, false)) != NULL && move(tier, e, segment) == 0)
            ;
        exporter_files_commit(e);
    }
    (void)take_away(tier, exporters, count);
}
