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
    else
        spool_files_sealed(name, signal, segment->seq);
}

static void take(struct spool_segment *segment, const struct stat *status)
{
    segment->inode = status->st_ino;
    segment->size = (uint64_t)status->st_size;
    segment->written_ns =
        (uint64_t)status->st_mtim.tv_sec * 1000000000u + (uint64_t)status->st_mtim.tv_nsec;
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

void spool_segment_resume(struct spool_segment *segment, int fd,
                          const struct checkpoint_signal *from)
{
    for (uint32_t i = 0; i < from->cursor_count; i++) {
        const struct checkpoint_cursor *cursor = &from->cursors[i];
        uint32_t print;

        if (cursor->seq == segment->seq && cursor->offset <= segment->size &&
            checkpoint_fingerprint(fd, cursor->offset, &print) == 0 && print == cursor->print)
            segment->offset = segment->counted = cursor->offset;
    }
}

uint64_t spool_segment_count(struct spool_segment *segment, int fd, uint64_t budget)
{
    char buffer[COUNT_BUFFER];
    uint64_t at = segment->counted, looked = 0;
    bool line_start = true;

    while (looked < budget) {
        const ssize_t got = pread(fd, buffer, sizeof(buffer), (off_t)at);
        size_t after, lines;

        if (got <= 0)
            break;
        lines = spool_lines_count(buffer, (size_t)got, &after);
        if (after > 0) {
            /* A line that began in the bytes before this ends here, though it looks empty. */
            segment->pending += lines + (!line_start && buffer[0] == '\n');
            segment->counted = at + after;
        }
        line_start = after == (size_t)got;
        at += (uint64_t)got;
        looked += (uint64_t)got;
    }
    return looked;
}

uint64_t spool_segment_oldest_ns(const struct spool_segment *segment, enum spool_signal signal,
                                 int fd)
{
    const char *key = signal == SPOOL_TRACES ? "\"endTimeUnixNano\":\"" : "{\"asctime\":\"";
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
    if (signal == SPOOL_TRACES)
        return strtoull(found, NULL, 10);
    return clock_parse_iso8601(found, strcspn(found, "\""), &ns) == 0 ? ns : 0;
}
