#include "cli/spool_view.h"

#include "cli/instance.h"
#include "lib/base/clock.h"
#include "lib/spool/lines.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    COUNT_BUFFER = 262144,
    START_MAX = 8192, /* bytes of a record in which its time is looked for */
};

const char *spool_view_dir(void)
{
    return instance_spool_dir();
}

static int open_at(int dir_fd, const char *name)
{
    return openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
}

static uint64_t modified_ns(const struct stat *status)
{
    return (uint64_t)status->st_mtim.tv_sec * 1000000000u + (uint64_t)status->st_mtim.tv_nsec;
}

bool spool_view_held(int fd)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

    return fcntl(fd, F_OFD_GETLK, &lock) != 0 || lock.l_type != F_UNLCK;
}

static enum spool_view_agent find_agent(int dir_fd)
{
    const int fd = open_at(dir_fd, SPOOL_FILES_LOCK);
    bool held;

    if (fd < 0)
        return errno == ENOENT ? SPOOL_VIEW_AGENT_NONE : SPOOL_VIEW_AGENT_UNKNOWN;
    held = spool_view_held(fd);
    (void)close(fd);
    return held ? SPOOL_VIEW_AGENT_RUNS : SPOOL_VIEW_AGENT_NONE;
}

static void find_checkpoint(struct spool_view *view)
{
    const int fd = open_at(view->dir_fd, CHECKPOINT_FILE_NAME);
    struct stat status;

    view->checkpoint = CHECKPOINT_MISSING;
    if (fd < 0)
        return;
    view->checkpoint = checkpoint_read(fd, &view->state);
    if (view->checkpoint == CHECKPOINT_VALID && fstat(fd, &status) == 0)
        view->checkpoint_ns = modified_ns(&status);
    (void)close(fd);
}

/* How far a segment is settled: by the cursor that fits it, as the agent would find it. */
static uint64_t settled(const struct checkpoint_signal *from, const struct spool_view_segment *seen,
                        int fd)
{
    for (uint32_t i = 0; i < from->cursor_count; i++) {
        const struct checkpoint_cursor *cursor = &from->cursors[i];
        uint32_t print;

        if (cursor->seq == seen->seq && cursor->inode == seen->inode &&
            cursor->offset <= seen->size &&
            checkpoint_fingerprint(fd, cursor->offset, &print) == 0 && print == cursor->print)
            return cursor->offset;
    }
    return 0;
}

static int add(struct spool_view_signal *signal, const struct spool_view_segment *segment)
{
    struct spool_view_segment *list =
        reallocarray(signal->list, signal->count + 1, sizeof(*signal->list));

    if (list == NULL)
        return -1;
    signal->list = list;
    signal->list[signal->count++] = *segment;
    signal->bytes += segment->size;
    if (segment->written_ns > signal->last_written_ns)
        signal->last_written_ns = segment->written_ns;
    return 0;
}

/* Adds the signal's file. Returns 0, also where it is gone, or -1 for want of memory. */
static int add_file(struct spool_view *view, enum spool_signal which, uint64_t seq, bool active)
{
    struct spool_view_segment segment = {.seq = seq, .active = active};
    struct stat status;
    int result = 0, fd;

    if (active)
        spool_files_active(segment.name, which);
    else
        spool_files_sealed(segment.name, which, seq);
    fd = open_at(view->dir_fd, segment.name);
    if ((fd >= 0 ? fstat(fd, &status) : fstatat(view->dir_fd, segment.name, &status, 0)) == 0 &&
        S_ISREG(status.st_mode)) {
        segment.inode = status.st_ino;
        segment.size = (uint64_t)status.st_size;
        segment.written_ns = modified_ns(&status);
        segment.unreadable = fd < 0;
        if (fd >= 0) {
            segment.held = spool_view_held(fd);
            segment.offset = settled(&view->state.signals[which], &segment, fd);
        }
        result = add(&view->signals[which], &segment);
    }
    if (fd >= 0)
        (void)close(fd);
    return result;
}

/* A rename while the directory was read shows one file under both its names. */
static void forget_doubles(struct spool_view_signal *signal)
{
    for (size_t i = 0; i + 1 < signal->count; i++) {
        struct spool_view_segment *const active = &signal->list[signal->count - 1];

        if (active->active && active->inode == signal->list[i].inode && active->inode != 0) {
            signal->bytes -= active->size;
            signal->count--;
        }
    }
}

/* A checkpoint may be missing, or older than the last sealing. */
static void number_active(struct spool_view_signal *signal)
{
    struct spool_view_segment *const last =
        signal->count > 0 ? &signal->list[signal->count - 1] : NULL;
    const uint64_t least = signal->count > 1 ? signal->list[signal->count - 2].seq + 1 : 1;

    if (last != NULL && last->active && last->seq < least)
        last->seq = least;
}

static int by_number(const void *a, const void *b)
{
    const struct spool_view_segment *x = a, *y = b;

    if (x->active != y->active)
        return x->active ? 1 : -1;
    return (x->seq > y->seq) - (x->seq < y->seq);
}

/* What a name that begins like the signal's is, other than a segment's. */
static void see_other(struct spool_view *view, enum spool_signal which, const char *name)
{
    struct spool_view_signal *signal = &view->signals[which];
    char quarantine[SPOOL_FILES_NAME_MAX], old[SPOOL_FILES_NAME_MAX];
    const size_t len = strlen(spool_signal_names[which]);
    struct stat status;

    if (strncmp(name, spool_signal_names[which], len) != 0 || name[len] != '.' ||
        strstr(name, ".probe.") != NULL || fstatat(view->dir_fd, name, &status, 0) != 0)
        return;
    spool_files_quarantine(quarantine, which);
    spool_files_quarantine_old(old, which);
    if (strcmp(name, quarantine) == 0 || strcmp(name, old) == 0) {
        signal->quarantine_bytes += (uint64_t)status.st_size;
    } else if (signal->foreign++ == 0) {
        (void)snprintf(signal->first_foreign, sizeof(signal->first_foreign), "%s", name);
    }
}

static int list_files(struct spool_view *view, DIR *dir)
{
    struct dirent *entry;

    while ((entry = readdir(dir)) != NULL) {
        for (int i = 0; i < SPOOL_SIGNALS; i++) {
            const enum spool_signal which = (enum spool_signal)i;
            const uint64_t seq = spool_files_number(which, entry->d_name);
            char active[SPOOL_FILES_NAME_MAX];

            spool_files_active(active, which);
            if (seq > 0 || strcmp(entry->d_name, active) == 0) {
                const uint64_t own = view->state.signals[i].active_seq;

                if (add_file(view, which, seq > 0 ? seq : own, seq == 0) != 0)
                    return -1;
            } else {
                see_other(view, which, entry->d_name);
            }
        }
    }
    return 0;
}

int spool_view_open(struct spool_view *view, const char *path)
{
    DIR *dir = opendir(path);

    *view = (struct spool_view){.dir_fd = -1};
    if (dir == NULL)
        return -1;
    view->dir_fd = fcntl(dirfd(dir), F_DUPFD_CLOEXEC, 0);
    if (view->dir_fd < 0) {
        (void)closedir(dir);
        return -1;
    }
    view->agent = find_agent(view->dir_fd);
    find_checkpoint(view);
    if (list_files(view, dir) != 0) {
        (void)closedir(dir);
        spool_view_close(view);
        errno = ENOMEM;
        return -1;
    }
    (void)closedir(dir);
    for (int i = 0; i < SPOOL_SIGNALS; i++) {
        struct spool_view_signal *signal = &view->signals[i];

        signal->counts = view->state.signals[i].counts;
        if (signal->count > 0)
            qsort(signal->list, signal->count, sizeof(*signal->list), by_number);
        forget_doubles(signal);
        number_active(signal);
    }
    return 0;
}

void spool_view_close(struct spool_view *view)
{
    if (view->dir_fd >= 0)
        (void)close(view->dir_fd);
    view->dir_fd = -1;
    for (int i = 0; i < SPOOL_SIGNALS; i++) {
        free(view->signals[i].list);
        view->signals[i].list = NULL;
        view->signals[i].count = 0;
    }
}

int spool_view_open_segment(const struct spool_view *view, const struct spool_view_segment *segment)
{
    return open_at(view->dir_fd, segment->name);
}

/* The lines from the settled offset on; an unterminated rest is none yet. */
static uint64_t count_lines(int fd, uint64_t from)
{
    static char buffer[COUNT_BUFFER];
    uint64_t lines = 0;
    bool line_start = true;
    ssize_t got;

    while ((got = pread(fd, buffer, sizeof(buffer), (off_t)from)) > 0) {
        size_t after;

        lines += spool_lines_count(buffer, (size_t)got, &after);
        /* A line that began in the bytes before this ends here, though it looks empty. */
        lines += !line_start && buffer[0] == '\n';
        line_start = after == (size_t)got;
        from += (uint64_t)got;
    }
    return lines;
}

/* The time of the record at `offset`, 0 where that can't be told. */
static uint64_t record_ns(int fd, uint64_t offset, enum spool_signal which)
{
    const char *key = which == SPOOL_TRACES ? "\"endTimeUnixNano\":\"" : "{\"asctime\":\"";
    char start[START_MAX];
    const ssize_t got = pread(fd, start, sizeof(start) - 1, (off_t)offset);
    const char *found;
    uint64_t ns = 0;

    if (got <= 0)
        return 0;
    start[got] = '\0';
    found = memmem(start, (size_t)got, key, strlen(key));
    if (found == NULL)
        return 0;
    found += strlen(key);
    if (which == SPOOL_TRACES)
        return strtoull(found, NULL, 10);
    return clock_parse_iso8601(found, strcspn(found, "\""), &ns) == 0 ? ns : 0;
}

void spool_view_count(struct spool_view *view, enum spool_signal which)
{
    struct spool_view_signal *const signal = &view->signals[which];

    signal->waiting = signal->oldest_ns = 0;
    for (size_t i = 0; i < signal->count; i++) {
        struct spool_view_segment *segment = &signal->list[i];
        const int fd = spool_view_open_segment(view, segment);

        if (fd < 0)
            continue;
        segment->waiting = count_lines(fd, segment->offset);
        signal->waiting += segment->waiting;
        if (signal->oldest_ns == 0 && segment->waiting > 0)
            signal->oldest_ns = record_ns(fd, segment->offset, which);
        (void)close(fd);
    }
}
