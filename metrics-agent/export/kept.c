#include "metrics-agent/export/kept.h"

#include "lib/base/instance_file.h"
#include "lib/spool/listing.h"
#include "metrics-agent/export/segments_count.h"
#include "metrics-agent/export/segments_move.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ROOM_FIRST = 64 };

static int dir_of(const struct segments_dirs *dirs, bool in_memory)
{
    return in_memory ? dirs->memory_fd : dirs->disk_fd;
}

static int add(struct kept *k, const struct kept_file *file)
{
    size_t at = k->count;

    if (k->count == k->room) {
        const size_t room = k->room == 0 ? ROOM_FIRST : 2 * k->room;
        struct kept_file *const files = reallocarray(k->files, room, sizeof *files);

        if (files == NULL)
            return -1;
        k->files = files;
        k->room = room;
    }
    while (at > 0 && k->files[at - 1].seq > file->seq)
        at--;
    memmove(&k->files[at + 1], &k->files[at], (k->count - at) * sizeof *file);
    k->files[at] = *file;
    k->count++;
    k->bytes[file->in_memory] += file->size;
    return 0;
}

static void forget(struct kept *k, size_t at)
{
    k->bytes[k->files[at].in_memory] -= k->files[at].size;
    k->count--;
    memmove(&k->files[at], &k->files[at + 1], (k->count - at) * sizeof *k->files);
}

int kept_open(struct kept *k, enum spool_signal signal, const struct segments_dirs *dirs)
{
    struct spool_listing listing;
    int result = 0;

    *k = (struct kept){.signal = signal};
    if (spool_listing_read(&listing, signal, dirs->disk_fd, dirs->memory_fd) != 0)
        return -1;
    for (size_t i = 0; i < listing.kept_count && result == 0; i++) {
        struct kept_file file = {.seq = listing.kept[i].seq,
                                 .in_memory = listing.kept[i].in_memory};
        char name[SPOOL_FILES_NAME_MAX];
        struct stat status;

        spool_files_kept(name, signal, file.seq);
        if (fstatat(dir_of(dirs, file.in_memory), name, &status, AT_SYMLINK_NOFOLLOW) != 0)
            continue;
        /* A move that was not finished has begun a copy, which would be in the way of the next. */
        if (file.in_memory && listing.kept[i].on_disk)
            (void)unlinkat(dirs->disk_fd, name, 0);
        file.size = (uint64_t)status.st_size;
        result = add(k, &file);
    }
    spool_listing_free(&listing);
    return result;
}

void kept_close(struct kept *k)
{
    free(k->files);
    *k = (struct kept){.signal = k->signal};
}

int kept_add(struct kept *k, struct segments *s, struct segment *segment)
{
    const struct kept_file file = {
        .seq = segment->file.seq, .size = segment->file.size, .in_memory = segment->file.in_memory};
    const int dir_fd = segments_list_dir(s, file.in_memory);
    char from[SPOOL_FILES_NAME_MAX], to[SPOOL_FILES_NAME_MAX];

    spool_segment_name(from, s->signal, &segment->file);
    spool_files_kept(to, s->signal, file.seq);
    if (file.size == 0 || segment->nameless || segment->suspect || segment->file.active ||
        add(k, &file) != 0)
        return -1;
    /* First the copy: without the original it would be another segment, and be kept twice. */
    if (segment->copied > 0) {
        (void)unlinkat(s->dirs.disk_fd, from, 0);
        segments_list_before(s, segment);
        segment->copied = 0;
        segments_list_after(s, segment);
    }
    if (renameat(dir_fd, from, dir_fd, to) != 0) {
        for (size_t i = k->count; i-- > 0;) {
            if (k->files[i].seq == file.seq)
                forget(k, i);
        }
        return -1;
    }
    segments_count_forget(s, segment);
    segments_list_forget(s, segment);
    return 0;
}

void kept_drop(struct kept *k, const struct segments_dirs *dirs, bool in_memory)
{
    for (size_t i = 0; i < k->count; i++) {
        char name[SPOOL_FILES_NAME_MAX];

        if (k->files[i].in_memory != in_memory)
            continue;
        spool_files_kept(name, k->signal, k->files[i].seq);
        (void)unlinkat(dir_of(dirs, in_memory), name, 0);
        forget(k, i);
        return;
    }
}

/* Leaves nothing of a copy that is not whole, and a file that is there as it is. */
static int copy(const struct segments_dirs *dirs, const char *name, uint64_t size)
{
    const int from = instance_file_open(dirs->memory_fd, name, O_RDONLY, NULL);
    const int to = from >= 0 ? instance_file_make(dirs->disk_fd, name, INSTANCE_FILE_MODE) : -1;
    uint64_t at = 0;
    const int result = to >= 0 ? segments_move_bytes(to, from, &at, size) : -1;

    if (from >= 0)
        (void)close(from);
    if (to < 0)
        return -1;
    (void)close(to);
    if (result != 0)
        (void)unlinkat(dirs->disk_fd, name, 0);
    return result;
}

void kept_move(struct kept *k, const struct segments_dirs *dirs)
{
    for (size_t i = k->count; i-- > 0;) {
        struct kept_file *const file = &k->files[i];
        char name[SPOOL_FILES_NAME_MAX];

        if (!file->in_memory)
            continue;
        spool_files_kept(name, k->signal, file->seq);
        if (copy(dirs, name, file->size) != 0) {
            (void)unlinkat(dirs->memory_fd, name, 0);
            forget(k, i);
            continue;
        }
        (void)unlinkat(dirs->memory_fd, name, 0);
        k->bytes[true] -= file->size;
        k->bytes[false] += file->size;
        file->in_memory = false;
    }
}
