#include "lib/spool/segment.h"

#include "lib/base/clock.h"
#include "lib/base/instance_file.h"
#include "lib/spool/lines.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    COUNT_BUFFER = 65536,
    START_MAX = 8192, /* bytes of a record in which its time is looked for */
};

void spool_segment_name(char name[SPOOL_FILES_NAME_MAX], enum spool_signal signal,
                        const struct spool_segment *segment)
{
    if (segment->active)
        spool_files_active(name, signal);
    else if (segment->kept)
        spool_files_kept(name, signal, segment->seq);
    else
        spool_files_sealed(name, signal, segment->seq);
}

static void take(struct spool_segment *segment, const struct stat *status)
{
    segment->inode = status->st_ino;
    segment->size = (uint64_t)status->st_size;
    segment->written_ns = clock_timespec_ns(&status->st_mtim);
}

int spool_segment_stat(struct spool_segment *segment, enum spool_signal signal, int dir_fd)
{
    char name[SPOOL_FILES_NAME_MAX];
    struct stat status;

    spool_segment_name(name, signal, segment);
    if (fstatat(dir_fd, name, &status, AT_SYMLINK_NOFOLLOW) != 0)
        return -1;
    errno = instance_file_check(&status);
    if (errno != 0)
        return -1;
    take(segment, &status);
    return 0;
}

int spool_segment_open(const struct spool_segment *segment, enum spool_signal signal, int dir_fd)
{
    char name[SPOOL_FILES_NAME_MAX];
    struct stat status;
    int fd;

    spool_segment_name(name, signal, segment);
    fd = instance_file_open(dir_fd, name, O_RDONLY, &status);
    if (fd < 0 || status.st_ino == segment->inode)
        return fd;
    (void)close(fd);
    errno = ENOENT;
    return -1;
}

bool spool_segment_held(int fd)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

    return fcntl(fd, F_OFD_GETLK, &lock) != 0 || lock.l_type != F_UNLCK;
}

void spool_segment_look(struct spool_segment *segment, int fd)
{
    struct stat status;

    /* In this order: what a writer appended before it let go of its lock is in the size. */
    segment->held = spool_segment_held(fd);
    segment->final = !segment->active && !segment->held;
    if (fstat(fd, &status) == 0)
        take(segment, &status);
}

/*
 * Whether the cursor may be this file's. A file that was the active one may have got a higher
 * number since, if somebody put one with the number that it would have had, or a higher one, beside
 * it.
 */
static bool may_be_of(const struct checkpoint_cursor *cursor, const struct spool_segment *segment,
                      const struct checkpoint_signal *from)
{
    return cursor->seq == segment->seq ||
           (cursor->seq == from->active_seq && cursor->seq < segment->seq &&
            cursor->inode == segment->inode);
}

bool spool_segment_started(const struct spool_segment *segment,
                           const struct checkpoint_signal *from)
{
    for (uint32_t i = 0; i < from->cursor_count; i++) {
        if (may_be_of(&from->cursors[i], segment, from))
            return true;
    }
    return false;
}

void spool_segment_resume(struct spool_segment *segment, int fd,
                          const struct checkpoint_signal *from)
{
    for (uint32_t i = 0; i < from->cursor_count; i++) {
        const struct checkpoint_cursor *cursor = &from->cursors[i];
        uint32_t print;

        if (may_be_of(cursor, segment, from) && cursor->offset <= segment->size &&
            checkpoint_fingerprint(fd, cursor->offset, cursor->in_line > 0, &print) == 0 &&
            print == cursor->print) {
            segment->offset = segment->counted = cursor->offset;
            segment->in_line = cursor->in_line;
        }
    }
}

/*
 * The first offset from `at` on that may hold something else than NUL, the file's end if none does:
 * what lies in between is a hole, and so has no newline.
 */
static uint64_t skip_hole(int fd, uint64_t at)
{
    off_t next = lseek(fd, (off_t)at, SEEK_DATA);

    if (next < 0 && errno == ENXIO)
        next = lseek(fd, 0, SEEK_END);
    return next > (off_t)at ? (uint64_t)next : at;
}

uint64_t spool_segment_line_end(int fd, uint64_t *at, uint64_t budget, uint64_t *looked)
{
    char buffer[COUNT_BUFFER];

    *looked = 0;
    while (*looked < budget) {
        const ssize_t got = pread(fd, buffer, sizeof(buffer), (off_t)*at);
        const char *const newline = got > 0 ? memchr(buffer, '\n', (size_t)got) : NULL;

        if (got <= 0)
            break;
        *looked += (uint64_t)got;
        if (newline != NULL)
            return *at + (uint64_t)(newline - buffer) + 1;
        *at = skip_hole(fd, *at + (uint64_t)got);
    }
    return 0;
}

uint64_t spool_segment_begin(const struct spool_segment *segment, int fd)
{
    uint64_t at = 0, end, looked;
    char first;

    if (segment->offset == 0 || pread(fd, &first, 1, 0) != 1 || first != '\0')
        return 0;
    end = spool_segment_line_end(fd, &at, segment->offset, &looked);
    return end > 0 && end < segment->offset ? end : segment->offset;
}

/* A line beyond SPOOL_LINE_MAX is one record. Returns the bytes looked at for its end. */
static uint64_t count_overlong(struct spool_segment *segment, int fd, uint64_t budget)
{
    uint64_t looked;
    const uint64_t end = spool_segment_line_end(fd, &segment->scanned, budget, &looked);

    if (end > 0) {
        segment->pending++;
        segment->counted = end;
        segment->scanned = 0;
    }
    return looked;
}

/* The settled ones of the line at the offset do not wait. */
static uint64_t waiting(const struct spool_segment *segment, uint64_t records)
{
    if (segment->counted != segment->offset)
        return records;
    return records > segment->in_line ? records - segment->in_line : 0;
}

uint64_t spool_segment_count(struct spool_segment *segment, enum spool_signal signal, int fd,
                             uint64_t budget)
{
    char small[COUNT_BUFFER], *buffer = small;
    size_t size = sizeof(small), after;
    uint64_t looked = 0, step = 1;
    bool begun = false; /* a line for which the buffer was too short */

    while ((looked < budget || begun) && step > 0) {
        if (segment->scanned > segment->counted) {
            step = count_overlong(segment, fd, budget - looked);
            looked += step;
            continue;
        }
        const ssize_t got = pread(fd, buffer, size, (off_t)segment->counted);

        step = got > 0 ? (uint64_t)got : 0;
        looked += step;
        segment->pending += waiting(segment, spool_lines_count(signal, buffer, step, &after));
        segment->counted += after;
        begun = after == 0;
        if (after > 0)
            continue;
        if (step < size) {
            step = 0;
        } else if (size == SPOOL_LINE_MAX) {
            segment->scanned = segment->counted + size;
            begun = false;
        } else {
            if (buffer != small)
                free(buffer);
            size = size * 4 < SPOOL_LINE_MAX ? size * 4 : SPOOL_LINE_MAX;
            buffer = malloc(size);
            step = buffer != NULL ? step : 0;
        }
    }
    if (buffer != small)
        free(buffer);
    /* What is left has no end yet, however long it is. */
    return step == 0 && looked >= budget ? budget - 1 : looked;
}

uint64_t spool_segment_oldest_ns(const struct spool_segment *segment, enum spool_signal signal,
                                 int fd)
{
    static const char *const keys[SPOOL_SIGNALS] = {[SPOOL_TRACES] = "\"endTimeUnixNano\":\"",
                                                    [SPOOL_LOGS] = "{\"asctime\":\"",
                                                    [SPOOL_METRICS] = "\"timeUnixNano\":\""};
    const char *const key = keys[signal];
    char start[START_MAX];
    const ssize_t got = pread(fd, start, sizeof(start) - 1, (off_t)segment->offset);
    const char *found;
    uint64_t ns = 0;

    if (got <= 0)
        return 0;
    start[got] = '\0';
    found = memmem(start, (size_t)got, key, strlen(key));
    if (found == NULL)
        return 0;
    found += strlen(key);
    if (signal != SPOOL_LOGS)
        return strtoull(found, NULL, 10);
    return clock_parse_iso8601(found, strcspn(found, "\""), &ns) == 0 ? ns : 0;
}
