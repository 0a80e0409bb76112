#include "view/view_spool.h"

#include "lib/base/clock.h"
#include "lib/base/instance_file.h"
#include "lib/spool/reader.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FOREIGN_MAX = 1024 /* of a signal, as the agent follows */ };

/* Too large for anything but static memory, of which what is not used is free. */
static struct spool_reader reader;
static struct record_walk walk;

/* --- Which files there are --- */

static int newest_first(const void *a, const void *b)
{
    const struct view_spool_file *const one = a, *const other = b;

    if (one->written_ns != other->written_ns)
        return one->written_ns < other->written_ns ? 1 : -1;
    return one->segment < other->segment ? 1 : one->segment > other->segment ? -1 : 0;
}

static void note_error(struct view_spool *spool, const char *name, int error)
{
    if (spool->error != 0)
        return;
    spool->error = error;
    (void)snprintf(spool->error_file, sizeof(spool->error_file), "%s", name);
}

static void add_foreign(struct view_spool *spool, enum spool_signal signal, const char *name,
                        size_t room)
{
    struct view_spool_files *const files = &spool->files[signal];
    struct stat status;
    char *copy;

    if (files->count == room ||
        fstatat(spool->view.dir_fd, name, &status, AT_SYMLINK_NOFOLLOW) != 0 ||
        instance_file_check(&status) != 0 || (copy = strdup(name)) == NULL)
        return;
    files->list[files->count++] =
        (struct view_spool_file){.written_ns = clock_timespec_ns(&status.st_mtim),
                                 .size = (uint64_t)status.st_size,
                                 .foreign = copy};
}

static int list_foreign(struct view_spool *spool, const size_t room[SPOOL_OWN_SIGNALS])
{
    const int fd = dup(spool->view.dir_fd);
    DIR *const dir = fd >= 0 ? fdopendir(fd) : NULL;
    const struct dirent *entry;

    if (dir == NULL) {
        if (fd >= 0)
            (void)close(fd);
        return -1;
    }
    rewinddir(dir); /* its place is shared with the other descriptor */
    while ((entry = readdir(dir)) != NULL) {
        const enum spool_signal signal = spool_files_import(entry->d_name);

        if (signal < SPOOL_OWN_SIGNALS)
            add_foreign(spool, signal, entry->d_name, room[signal]);
    }
    (void)closedir(dir);
    return 0;
}

static int list_segments(struct view_spool *spool, enum spool_signal signal, size_t room)
{
    const struct spool_view_signal *const from = &spool->view.signals[signal];
    struct view_spool_files *const files = &spool->files[signal];

    files->list = calloc(room, sizeof(*files->list));
    if (files->list == NULL)
        return -1;
    for (size_t i = 0; i < from->count; i++)
        files->list[files->count++] = (struct view_spool_file){
            .written_ns = from->list[i].unreadable ? UINT64_MAX : from->list[i].written_ns,
            .size = from->list[i].size,
            .segment = i};
    return 0;
}

int view_spool_open(struct view_spool *spool, const char *dir, const char *run_dir)
{
    size_t room[SPOOL_OWN_SIGNALS];
    int result = 0;

    *spool = (struct view_spool){.error = 0};
    if (spool_view_open(&spool->view, dir, run_dir) != 0)
        return -1;
    for (int i = 0; i < SPOOL_OWN_SIGNALS && result == 0; i++) {
        room[i] = spool->view.signals[i].count + FOREIGN_MAX;
        result = list_segments(spool, (enum spool_signal)i, room[i]);
    }
    if (result != 0 || list_foreign(spool, room) != 0) {
        const int error = errno;

        view_spool_close(spool);
        errno = error;
        return -1;
    }
    for (int i = 0; i < SPOOL_OWN_SIGNALS; i++) {
        struct view_spool_files *const files = &spool->files[i];

        qsort(files->list, files->count, sizeof(*files->list), newest_first);
        for (size_t k = 0; k < files->count; k++) {
            spool->bytes += files->list[k].size;
            if (spool->oldest_ns == 0 || files->list[k].written_ns < spool->oldest_ns)
                spool->oldest_ns = files->list[k].written_ns;
        }
    }
    return 0;
}

/* A long line stays where it was read to: a program that goes on needs the memory. */
static void give_back(void *memory, size_t size)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    const uintptr_t begin = ((uintptr_t)memory + page - 1) / page * page;
    const uintptr_t end = ((uintptr_t)memory + size) / page * page;

    if (begin < end)
        (void)madvise((void *)begin, end - begin, MADV_DONTNEED);
}

void view_spool_close(struct view_spool *spool)
{
    give_back(reader.window, sizeof(reader.window));
    give_back(walk.around, sizeof(walk.around));
    walk.known = false;
    for (int i = 0; i < SPOOL_OWN_SIGNALS; i++) {
        struct view_spool_files *const files = &spool->files[i];

        for (size_t k = 0; k < files->count; k++)
            free(files->list[k].foreign);
        free(files->list);
        *files = (struct view_spool_files){.count = 0};
    }
    spool_view_close(&spool->view);
}

/* --- Reading --- */

struct reading {
    const struct view_spool_pass *pass;
    bool foreign;
};

static bool take(void *context, const struct record_parts *parts)
{
    const struct reading *const reading = context;

    reading->pass->take(reading->pass->context, parts, reading->foreign);
    return true;
}

static void take_items(const struct reading *reading)
{
    const struct view_spool_pass *const pass = reading->pass;

    for (size_t i = 0; i < reader.batch.count; i++) {
        const struct spool_line *const item = &reader.batch.items[i];
        const struct text text = {reader.window + item->start, item->length};

        if (item->kind == SPOOL_LINE_RECORD &&
            (pass->wants == NULL || pass->wants(pass->context, text)))
            (void)record_walk_each(&walk, reader.signal, &reader.batch, reader.window, i, take,
                                   (void *)reading);
    }
}

/* The descriptor, or -1 with errno; `name` is for messages. */
static int open_file(const struct view_spool *spool, enum spool_signal signal,
                     const struct view_spool_file *file, char name[NAME_MAX + 1])
{
    const struct spool_segment *segment;
    int fd;

    if (file->foreign != NULL) {
        (void)snprintf(name, NAME_MAX + 1, "%s", file->foreign);
        return instance_file_open(spool->view.dir_fd, name, O_RDONLY, NULL);
    }
    segment = &spool->view.signals[signal].list[file->segment];
    spool_segment_name(name, signal, segment);
    fd = spool_segment_open(segment, signal, spool_view_dir(&spool->view, segment));
    /* After a failed look it was not the file's inode that is gone. */
    if (fd < 0 && errno == ENOENT && segment->unreadable)
        errno = EINVAL;
    return fd;
}

static void read_file(struct view_spool *spool, enum spool_signal signal,
                      const struct view_spool_file *file, const struct view_spool_pass *pass)
{
    const struct reading reading = {.pass = pass, .foreign = file->foreign != NULL};
    struct spool_cursor cursor = {.fd = -1};
    char name[NAME_MAX + 1];
    struct stat status;
    int result;

    cursor.fd = open_file(spool, signal, file, name);
    if (cursor.fd < 0) {
        if (errno == ENOENT)
            spool->vanished = true;
        else
            note_error(spool, name, errno);
        return;
    }
    if (fstat(cursor.fd, &status) == 0)
        cursor.limit = (uint64_t)status.st_size;
    reader.signal = signal;
    reader.wants = pass->wants;
    reader.context = pass->context;
    while ((result = spool_reader_next(&reader, &cursor, true)) > 0)
        take_items(&reading);
    if (result < 0)
        note_error(spool, name, errno);
    (void)close(cursor.fd);
}

void view_spool_read(struct view_spool *spool, enum spool_signal signal,
                     const struct view_spool_pass *pass)
{
    const struct view_spool_files *const files = &spool->files[signal];

    /* Segments first: what another program's file has besides may be in them by now. */
    for (int foreign = 0; foreign <= 1; foreign++) {
        for (size_t i = 0; i < files->count; i++) {
            if ((files->list[i].foreign != NULL) == (foreign == 1) &&
                (pass->wants_file == NULL || pass->wants_file(pass->context, &files->list[i])))
                read_file(spool, signal, &files->list[i], pass);
        }
    }
}
