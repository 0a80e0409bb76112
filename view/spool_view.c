#include "view/spool_view.h"

#include "lib/base/clock.h"
#include "lib/base/instance_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum spool_view_agent spool_view_find_agent(int dir_fd)
{
    const int fd = instance_file_open(dir_fd, SPOOL_FILES_LOCK, O_RDONLY, NULL);
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int result;

    if (fd < 0)
        return errno == ENOENT ? SPOOL_VIEW_AGENT_NONE : SPOOL_VIEW_AGENT_UNKNOWN;
    result = fcntl(fd, F_OFD_GETLK, &lock);
    (void)close(fd);
    if (result != 0)
        return SPOOL_VIEW_AGENT_UNKNOWN;
    return lock.l_type != F_UNLCK ? SPOOL_VIEW_AGENT_RUNS : SPOOL_VIEW_AGENT_NONE;
}

/* The later one counts, as for the agent. */
static void find_checkpoint(struct spool_view *view, int dir_fd)
{
    struct checkpoint_state state;
    enum checkpoint_found found;
    struct stat status;
    int fd;

    if (dir_fd < 0)
        return;
    fd = instance_file_open(dir_fd, SPOOL_FILES_CHECKPOINT, O_RDONLY, &status);
    if (fd < 0)
        return;
    found = checkpoint_read(fd, &state);
    (void)close(fd);
    if (found == CHECKPOINT_VALID &&
        (view->checkpoint != CHECKPOINT_VALID || state.generation > view->state.generation)) {
        view->state = state;
        view->checkpoint_ns = clock_timespec_ns(&status.st_mtim);
    }
    if (view->checkpoint != CHECKPOINT_VALID)
        view->checkpoint = found;
}

/* Adds the segment, unless it is gone. */
static void see(struct spool_view *view, enum spool_signal which, struct spool_segment segment)
{
    struct spool_view_signal *const signal = &view->signals[which];
    int fd;

    if (spool_segment_stat(&segment, which, spool_view_dir(view, &segment)) != 0) {
        if (errno == ENOENT)
            return;
        segment.unreadable = true;
        signal->list[signal->count++] = segment;
        return;
    }
    /* A rename while we looked shows one file under both its names. */
    if (segment.active && signal->count > 0 &&
        signal->list[signal->count - 1].in_memory == segment.in_memory &&
        signal->list[signal->count - 1].inode == segment.inode)
        return;
    fd = spool_segment_open(&segment, which, spool_view_dir(view, &segment));
    if (fd < 0 && errno == ENOENT)
        return;
    segment.unreadable = fd < 0;
    if (fd >= 0) {
        spool_segment_look(&segment, fd);
        if (segment.kept)
            segment.offset = segment.size;
        else
            spool_segment_resume(&segment, fd, &view->state.signals[which]);
        (void)close(fd);
    }
    signal->list[signal->count++] = segment;
    if (segment.kept) {
        signal->kept_bytes += segment.size;
        return;
    }
    signal->bytes += segment.size;
    signal->memory_bytes += segment.in_memory ? segment.size : 0;
    if (segment.written_ns > signal->last_written_ns)
        signal->last_written_ns = segment.written_ns;
}

static int find_segments(struct spool_view *view, enum spool_signal which)
{
    struct spool_view_signal *const signal = &view->signals[which];
    struct spool_segment active = {.seq = view->state.signals[which].active_seq, .active = true};

    if (spool_listing_read(&signal->listing, which, view->dir_fd, view->memory_fd) != 0)
        return -1;
    signal->list =
        calloc(signal->listing.kept_count + signal->listing.count + 2, sizeof(*signal->list));
    if (signal->list == NULL)
        return -1;
    for (size_t i = 0; i < signal->listing.kept_count; i++)
        see(view, which,
            (struct spool_segment){.seq = signal->listing.kept[i].seq,
                                   .kept = true,
                                   .in_memory = signal->listing.kept[i].in_memory});
    for (size_t i = 0; i < signal->listing.count; i++)
        see(view, which,
            (struct spool_segment){.seq = signal->listing.sealed[i].seq,
                                   .in_memory = signal->listing.sealed[i].in_memory});
    /* A checkpoint may be missing, or older than the last sealing. */
    if (signal->listing.count > 0 &&
        active.seq <= signal->listing.sealed[signal->listing.count - 1].seq)
        active.seq = signal->listing.sealed[signal->listing.count - 1].seq + 1;
    if (active.seq == 0)
        active.seq = 1;
    /* Where there are two, the one on the disk gets its number first (segments_make_of_stray). */
    if (signal->listing.active) {
        see(view, which, active);
        active.seq++;
    }
    active.in_memory = true;
    if (signal->listing.active_in_memory)
        see(view, which, active);
    signal->counts = view->state.signals[which].counts;
    return 0;
}

int spool_view_dir(const struct spool_view *view, const struct spool_segment *segment)
{
    return segment->in_memory ? view->memory_fd : view->dir_fd;
}

/* Returns -1 where there is none, or where it is the spool's own directory. */
static int open_memory(const struct spool_view *view, const char *run_dir)
{
    char path[PATH_MAX];
    struct stat disk, memory;
    int fd;

    if (snprintf(path, sizeof(path), "%s/" SPOOL_FILES_MEMORY_DIR, run_dir) >= (int)sizeof(path))
        return -1;
    fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -1;
    if (fstat(view->dir_fd, &disk) == 0 && fstat(fd, &memory) == 0 &&
        (disk.st_dev != memory.st_dev || disk.st_ino != memory.st_ino))
        return fd;
    (void)close(fd);
    return -1;
}

int spool_view_open(struct spool_view *view, const char *path, const char *run_dir)
{
    *view = (struct spool_view){.dir_fd = instance_dir_open(AT_FDCWD, path),
                                .checkpoint = CHECKPOINT_MISSING};
    if (view->dir_fd < 0)
        return -1;
    view->memory_fd = open_memory(view, run_dir);
    view->agent = spool_view_find_agent(view->dir_fd);
    find_checkpoint(view, view->memory_fd);
    find_checkpoint(view, view->dir_fd);
    for (int i = 0; i < SPOOL_SIGNALS; i++) {
        if (find_segments(view, (enum spool_signal)i) != 0) {
            const int error = errno;

            spool_view_close(view);
            errno = error;
            return -1;
        }
    }
    return 0;
}

void spool_view_close(struct spool_view *view)
{
    if (view->dir_fd >= 0)
        (void)close(view->dir_fd);
    if (view->memory_fd >= 0)
        (void)close(view->memory_fd);
    view->dir_fd = view->memory_fd = -1;
    for (int i = 0; i < SPOOL_SIGNALS; i++) {
        spool_listing_free(&view->signals[i].listing);
        free(view->signals[i].list);
        view->signals[i].list = NULL;
        view->signals[i].count = 0;
    }
}

void spool_view_count(struct spool_view *view, enum spool_signal which)
{
    struct spool_view_signal *const signal = &view->signals[which];

    signal->waiting = signal->oldest_ns = 0;
    for (size_t i = 0; i < signal->count; i++) {
        struct spool_segment *segment = &signal->list[i];
        const int fd = spool_segment_open(segment, which, spool_view_dir(view, segment));

        if (fd < 0)
            continue;
        segment->counted = segment->offset;
        segment->pending = segment->scanned = 0;
        (void)spool_segment_count(segment, which, fd, UINT64_MAX);
        signal->waiting += segment->pending;
        if (signal->oldest_ns == 0 && segment->pending > 0)
            signal->oldest_ns = spool_segment_oldest_ns(segment, which, fd);
        (void)close(fd);
    }
}
