#include "metrics-agent/export/segments_move.h"

#include "lib/base/clock.h"
#include "lib/base/instance_file.h"
#include "metrics-agent/export/segments.h"
#include "metrics-agent/export/segments_count.h"
#include "metrics-agent/export/segments_make.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    COMPARE_BYTES = 65536,
    PAGE_BYTES = 4096, /* the least that memory, and most file systems, give back */
};

/* A file that somebody put there is not written to; an empty one may be a copy just begun. */
static int open_copy(struct segments *s, struct segment *segment, const char *name)
{
    struct stat status;
    int fd = instance_file_open(s->dirs.disk_fd, name, O_WRONLY, &status);

    if (fd < 0 && errno == ENOENT) {
        segment->copied = 0;
        return instance_file_make(s->dirs.disk_fd, name, INSTANCE_FILE_MODE);
    }
    if (fd >= 0 && (uint64_t)status.st_size != segment->copied) {
        (void)close(fd);
        errno = EEXIST;
        fd = -1;
    }
    return fd;
}

int segments_move_bytes(int to, int from, uint64_t *at, uint64_t end)
{
    off_t place = (off_t)*at;

    if (lseek(to, place, SEEK_SET) != place)
        return -1;
    while (*at < end) {
        const ssize_t sent = sendfile(to, from, &place, end - *at);

        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0) {
            errno = sent < 0 ? errno : EIO;
            return -1;
        }
        *at = (uint64_t)place;
    }
    return 0;
}

static int copy(struct segment *segment, int to)
{
    /* What was given back reads as zeros, in a hole of the copy too. */
    const uint64_t begin = segment->copied > segment->punched ? segment->copied : segment->punched;
    uint64_t at = begin;
    const int result = segments_move_bytes(to, segment->fd, &at, segment->file.size);

    if (result == 0 || at > begin)
        segment->copied = at;
    return result;
}

/* The copy takes the original's place. */
static int finish(struct segments *s, struct segment *segment, int copy_fd, const char *name)
{
    const uint64_t seconds = segment->file.written_ns / CLOCK_NS_PER_S;
    const struct timespec times[2] = {
        {.tv_nsec = UTIME_OMIT},
        {.tv_sec = (time_t)seconds,
         .tv_nsec = (long)(segment->file.written_ns - seconds * CLOCK_NS_PER_S)},
    };
    struct stat status;

    /* By its time the oldest goes first at the cap. */
    (void)futimens(copy_fd, times);
    if (fstat(copy_fd, &status) != 0)
        return -1;
    segments_count_forget(s, segment);
    if (unlinkat(s->dirs.memory_fd, name, 0) != 0)
        return -1;
    segments_list_before(s, segment);
    if (segment->fd >= 0)
        (void)close(segment->fd);
    segment->fd = -1;
    segment->file.in_memory = false;
    segment->file.inode = status.st_ino;
    segment->copied = segment->punched = 0;
    segments_list_after(s, segment);
    return 0;
}

int segments_move(struct segments *s, struct segment *segment)
{
    char name[SPOOL_FILES_NAME_MAX];
    int to, result, error;

    assert(segment->file.in_memory && !segment->file.active);
    if (segments_list_open_file(s, segment) != 0)
        return -1;
    spool_segment_name(name, s->signal, &segment->file);
    segments_list_before(s, segment);
    to = open_copy(s, segment, name);
    result = to >= 0 ? copy(segment, to) : -1;
    error = errno;
    segments_list_after(s, segment);
    if (result == 0 && segment->file.final) {
        result = finish(s, segment, to, name);
        error = errno;
    }
    if (to >= 0)
        (void)close(to);
    segments_list_close_file(s, segment);
    errno = error;
    return result;
}

void segments_move_punch(struct segments *s, struct segment *segment, uint64_t least)
{
    const uint64_t keep = segment->file.offset > CHECKPOINT_PRINT_BYTES
                              ? segment->file.offset - CHECKPOINT_PRINT_BYTES
                              : 0;
    const uint64_t end = keep / PAGE_BYTES * PAGE_BYTES;
    char name[SPOOL_FILES_NAME_MAX];
    struct stat status;
    int fd;

    if (segment->file.active || segment->file.final || segment->nameless || segment->suspect ||
        end < segment->punched + least)
        return;
    spool_segment_name(name, s->signal, &segment->file);
    fd = instance_file_open(segments_list_dir(s, segment->file.in_memory), name, O_WRONLY, &status);
    if (fd < 0)
        return;
    /* Where the file system can't do it, the segment's deletion gives the room back later. */
    if (status.st_ino == segment->file.inode &&
        fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, (off_t)end) == 0) {
        segments_list_before(s, segment);
        segment->punched = end;
        segments_list_after(s, segment);
    }
    (void)close(fd);
}

/*
 * Whether the file `copy_fd` has the beginning of `original_fd`, or all of it. Memory that was
 * given back since the copy was made can't be compared any more.
 */
static bool is_copy(int copy_fd, int original_fd)
{
    static char a[COMPARE_BYTES], b[COMPARE_BYTES];
    const off_t data = lseek(original_fd, 0, SEEK_DATA);

    for (off_t at = data > 0 ? data : 0;;) {
        const ssize_t got = pread(copy_fd, a, sizeof a, at);

        if (got <= 0)
            return got == 0;
        if (pread(original_fd, b, (size_t)got, at) != got || memcmp(a, b, (size_t)got) != 0)
            return false;
        at += got;
    }
}

/* Returns whether both were seen, and are not the same. */
static bool differ(const struct segments *s, const char *name)
{
    const int original = instance_file_open(s->dirs.memory_fd, name, O_RDONLY, NULL);
    const int copied = instance_file_open(s->dirs.disk_fd, name, O_RDONLY, NULL);
    const bool different = original >= 0 && copied >= 0 && !is_copy(copied, original);

    if (original >= 0)
        (void)close(original);
    if (copied >= 0)
        (void)close(copied);
    return different;
}

/* Both are sent then, in whichever order. */
static int renumber(struct segments *s, uint64_t seq, uint64_t last)
{
    char from[SPOOL_FILES_NAME_MAX], to[SPOOL_FILES_NAME_MAX];

    spool_files_sealed(from, s->signal, seq);
    spool_files_sealed(to, s->signal, last + 1);
    return renameat2(s->dirs.memory_fd, from, s->dirs.memory_fd, to, RENAME_NOREPLACE);
}

int segments_move_list(struct segments *s, struct spool_listing *listing)
{
    bool renamed = false;

    if (spool_listing_read(listing, s->signal, s->dirs.disk_fd, s->dirs.memory_fd) != 0)
        return -1;
    for (size_t i = 0; i < listing->count; i++) {
        const struct spool_listing_sealed *const both = &listing->sealed[i];
        char name[SPOOL_FILES_NAME_MAX];

        if (!both->in_memory || !both->on_disk || segments_list_find(s, both->seq) != NULL)
            continue;
        spool_files_sealed(name, s->signal, both->seq);
        if (differ(s, name))
            renamed =
                renumber(s, both->seq, listing->sealed[listing->count - 1].seq) == 0 || renamed;
    }
    if (!renamed)
        return 0;
    spool_listing_free(listing);
    return spool_listing_read(listing, s->signal, s->dirs.disk_fd, s->dirs.memory_fd);
}

uint64_t segments_move_copied(const struct segments *s, uint64_t seq)
{
    char name[SPOOL_FILES_NAME_MAX];
    struct stat status;

    spool_files_sealed(name, s->signal, seq);
    return fstatat(s->dirs.disk_fd, name, &status, AT_SYMLINK_NOFOLLOW) == 0
               ? (uint64_t)status.st_size
               : 0;
}

void segments_move_lost(struct segments *s, int memory_fd)
{
    for (size_t i = s->count; i-- > 0;) {
        struct segment *const segment = &s->list[i];

        if (!segment->file.in_memory || segment->nameless)
            continue;
        if (segment->fd < 0) {
            segments_gone(s, segment);
            continue;
        }
        segments_list_before(s, segment);
        if (segment->file.active)
            s->active_seq = segment->file.seq + 1;
        segment->file.active = false;
        segment->nameless = true;
        segments_list_after(s, segment);
    }
    s->dirs.memory_fd = memory_fd;
}
