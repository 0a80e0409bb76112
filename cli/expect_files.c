#include "cli/expect_files.h"

#include "cli/record_reader.h"
#include "cli/sealed_set.h"
#include "lib/base/clock.h"
#include "lib/base/instance_file.h"
#include "view/spool_view.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    PRINT_BYTES = 1024, /* bytes before an offset by which a file is told */
    LIST_MS = 1000,     /* the directory is listed at least so often */
    LIST_TICK_MS = 100, /* and as long after its last change, whose time is coarse */
    VANISHED_MAX = 3,   /* looks until all files of one could be read */
    GONE_MS = 2000,     /* so long a file without a name is kept, for what it was moved to */
};

/* A file that may still grow; it stays open, so its inode is its own. */
struct growing {
    struct spool_cursor at; /* its limit is that of this look */
    uint64_t seq;           /* of a sealed segment, else 0 */
    uint64_t inode, device;
    uint64_t seen_ns; /* monotonic time of the last look at which it had a name */
    bool foreign;     /* another program's, and nobody has a lock on it */
    bool active;      /* under a name that is appended to */
    bool listed;      /* the last listing has it */
    bool final;       /* as of this look nobody appends to it any more */
    bool gone;        /* and it has had no name for long */
};

struct expect_files {
    enum spool_signal signal;
    const char *dir, *run_dir;
    char memory_dir[PATH_MAX]; /* of the tier in memory */
    struct growing growing[EXPECT_FILES_OPEN_MAX];
    size_t growing_count;
    struct sealed_set sealed; /* segments that nobody appends to any more */
    struct spool_view view;   /* of this look, if `viewed` */
    bool viewed;
    bool vanished;       /* a file of the view was deleted or moved before it was read */
    uint64_t listed_ns;  /* monotonic time of the last listing, 0 for none */
    uint64_t changed_ns; /* the directories' own time then */
    struct expect_files_state state;
    char file[NAME_MAX + 1];
    expect_files_take *take;
    void *context;
    const char *probe;
    bool taking_foreign;
};

/* The first thing that can't be read is what is told. */
static void unsure(struct expect_files *f, const char *file, int error)
{
    f->state.unsure = true;
    if (f->state.file != NULL)
        return;
    (void)snprintf(f->file, sizeof(f->file), "%s", file);
    f->state.file = f->file;
    f->state.error = error;
}

static void take(void *context, struct text plain)
{
    const struct expect_files *const f = context;

    f->take(f->context, plain, f->taking_foreign);
}

/* Returns 0, or -1 if it can't be read; then that was noted. */
static int read_file(struct expect_files *f, struct spool_cursor *cursor, bool complete,
                     const char *name)
{
    struct record_reader reader = {
        .signal = f->signal, .take = take, .context = f, .probe = f->probe};
    const int result = record_reader_read(&reader, cursor, complete);

    if (result != 0)
        unsure(f, name, errno);
    f->state.records += reader.records;
    f->state.broken += reader.broken;
    f->state.long_ones += reader.long_ones;
    return result;
}

/* --- Which files there are --- */

static void drop_growing(struct expect_files *f, struct growing *file)
{
    (void)close(file->at.fd);
    *file = f->growing[--f->growing_count];
}

static struct growing *add_growing(struct expect_files *f, const char *name, struct growing file)
{
    if (f->growing_count < EXPECT_FILES_OPEN_MAX) {
        f->growing[f->growing_count] = file;
        return &f->growing[f->growing_count++];
    }
    (void)close(file.at.fd);
    unsure(f, name, EMFILE);
    return NULL;
}

static void put_sealed(struct expect_files *f, uint64_t seq, uint64_t offset)
{
    if (sealed_set_put(&f->sealed, seq, offset) != 0)
        unsure(f, "", ENOMEM);
}

static struct growing *find_inode(struct expect_files *f, const struct stat *status)
{
    for (size_t i = 0; i < f->growing_count; i++) {
        if (f->growing[i].inode == status->st_ino && f->growing[i].device == status->st_dev)
            return &f->growing[i];
    }
    return NULL;
}

/* Whether `fd` is a copy of the file, as far as that was read. */
static bool is_copy(const struct growing *file, int fd)
{
    char one[PRINT_BYTES], other[PRINT_BYTES];
    const off_t at = (off_t)(file->at.offset > PRINT_BYTES ? file->at.offset - PRINT_BYTES : 0);
    const ssize_t len = pread(file->at.fd, one, sizeof(one), at);

    return len > 0 && pread(fd, other, sizeof(other), at) >= len &&
           memcmp(one, other, (size_t)len) == 0;
}

/* What became the segment `seq`, and was moved to another place before we saw it sealed. */
static struct growing *find_original(struct expect_files *f, uint64_t seq, int fd)
{
    for (size_t i = 0; i < f->growing_count; i++) {
        struct growing *const file = &f->growing[i];

        if (!file->foreign && !file->listed &&
            (file->seq == seq || (file->seq == 0 && is_copy(file, fd))))
            return file;
    }
    return NULL;
}

/* Takes up the segment's open file, a new one or one that was read under another name. */
static void see_open(struct expect_files *f, const struct spool_segment *segment, const char *name,
                     int fd)
{
    const uint64_t seq = segment->active ? 0 : segment->seq;
    struct growing file = {.at = {.fd = fd}, .seq = seq, .active = segment->active, .listed = true};
    const struct sealed *sealed = seq > 0 ? sealed_set_find(&f->sealed, seq) : NULL;
    struct growing *known;
    struct stat status;

    if (fstat(fd, &status) != 0) {
        unsure(f, name, errno);
        (void)close(fd);
        return;
    }
    known = find_inode(f, &status);
    if (known != NULL) {
        (void)close(fd);
        known->seq = seq;
        known->active = segment->active;
        known->listed = true;
        return;
    }
    file.inode = status.st_ino;
    file.device = status.st_dev;
    known = seq > 0 ? find_original(f, seq, fd) : NULL;
    if (known != NULL) {
        file.at = known->at;
        file.at.fd = fd;
        drop_growing(f, known);
    } else if (sealed != NULL) {
        file.at.offset = sealed->offset;
    }
    (void)add_growing(f, name, file);
}

/* The agent deletes what is done: ENOENT is no failure, unless that was not the file's inode. */
static int open_segment(struct expect_files *f, const struct spool_segment *segment,
                        const char *name)
{
    const int fd = spool_segment_open(segment, f->signal, spool_view_dir(&f->view, segment));

    if (fd < 0 && (segment->unreadable || errno != ENOENT))
        unsure(f, name, errno == ENOENT ? EINVAL : errno);
    else if (fd < 0)
        f->vanished = true;
    return fd;
}

/* Whether it may be a file that is open, under this name or another. */
static bool may_be_open(const struct expect_files *f, const struct spool_segment *segment)
{
    for (size_t i = 0; i < f->growing_count; i++) {
        if (f->growing[i].inode == segment->inode || !f->growing[i].listed)
            return true;
    }
    return false;
}

static void see_segment(struct expect_files *f, const struct spool_segment *segment)
{
    char name[SPOOL_FILES_NAME_MAX];
    int fd;

    spool_segment_name(name, f->signal, segment);
    if (segment->final && !segment->unreadable) {
        const struct sealed *const sealed = sealed_set_find(&f->sealed, segment->seq);

        /* One after the other they are opened when they are read. */
        if (sealed != NULL || !may_be_open(f, segment)) {
            if (sealed == NULL)
                put_sealed(f, segment->seq, 0);
            return;
        }
    }
    fd = open_segment(f, segment, name);
    if (fd >= 0)
        see_open(f, segment, name, fd);
}

static void see_foreign(struct expect_files *f, const char *name)
{
    struct stat status;
    struct growing *known;
    int fd;

    if (fstatat(f->view.dir_fd, name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
        (known = find_inode(f, &status)) != NULL) {
        known->listed = true;
        return;
    }
    fd = instance_file_open(f->view.dir_fd, name, O_RDONLY, &status);
    if (fd >= 0)
        (void)add_growing(f, name,
                          (struct growing){.at = {.fd = fd},
                                           .inode = status.st_ino,
                                           .device = status.st_dev,
                                           .foreign = true,
                                           .active = true,
                                           .listed = true});
    else if (errno != ENOENT)
        unsure(f, name, errno);
}

static void list_foreign(struct expect_files *f)
{
    const int fd = dup(f->view.dir_fd);
    DIR *const dir = fd >= 0 ? fdopendir(fd) : NULL;
    const struct dirent *entry;

    if (dir == NULL) {
        unsure(f, "", errno);
        if (fd >= 0)
            (void)close(fd);
        return;
    }
    rewinddir(dir); /* its place is shared with the other descriptor */
    while ((entry = readdir(dir)) != NULL) {
        if (spool_files_import(entry->d_name) == f->signal)
            see_foreign(f, entry->d_name);
    }
    (void)closedir(dir);
}

static void list(struct expect_files *f)
{
    f->state.unsure = f->state.missing = false;
    f->state.file = NULL;
    if (f->viewed)
        spool_view_close(&f->view);
    f->viewed = spool_view_open(&f->view, f->dir, f->run_dir) == 0;
    for (size_t i = 0; i < f->growing_count; i++)
        f->growing[i].listed = f->growing[i].active = false;
    if (!f->viewed) {
        f->state.missing = errno == ENOENT;
        if (!f->state.missing)
            unsure(f, "", errno);
        return;
    }
    /* Those that can't be anything else come first: what is left over may have been moved. */
    for (int active = 1; active >= 0; active--) {
        for (size_t i = 0; i < f->view.signals[f->signal].count; i++) {
            if (f->view.signals[f->signal].list[i].active == (active == 1))
                see_segment(f, &f->view.signals[f->signal].list[i]);
        }
    }
    list_foreign(f);
}

/* --- Looking --- */

/* 0 for a directory that is not there. */
static uint64_t changed_at(const char *dir)
{
    struct stat status;

    return stat(dir, &status) == 0 ? clock_timespec_ns(&status.st_mtim) : 0;
}

/* Names come and go by renames, which a directory's time tells, in ticks of the clock. */
static bool may_have_changed(struct expect_files *f)
{
    const uint64_t now = clock_monotonic_ns();
    const uint64_t on_disk = changed_at(f->dir), in_memory = changed_at(f->memory_dir);
    const uint64_t changed_ns = on_disk > in_memory ? on_disk : in_memory;
    const bool fresh = on_disk == 0 || changed_ns + clock_ms_to_ns(LIST_TICK_MS) > clock_unix_ns();

    if (f->listed_ns != 0 && !fresh && changed_ns == f->changed_ns &&
        now - f->listed_ns < clock_ms_to_ns(LIST_MS))
        return false;
    f->listed_ns = now;
    f->changed_ns = changed_ns;
    return true;
}

/* Before anything is read, so that no copy is read before its original. */
static void set_limits(struct expect_files *f)
{
    const uint64_t now = clock_monotonic_ns();
    struct stat status;

    for (size_t i = 0; i < f->growing_count; i++) {
        struct growing *const file = &f->growing[i];

        /* In this order: what a writer appended before it let go is in its last size. */
        file->final = !file->active && !file->foreign && !spool_segment_held(file->at.fd);
        if (file->listed || file->seen_ns == 0)
            file->seen_ns = now;
        file->gone = file->final && now - file->seen_ns > clock_ms_to_ns(GONE_MS);
        file->at.limit =
            fstat(file->at.fd, &status) == 0 ? (uint64_t)status.st_size : file->at.offset;
        if (file->at.limit < file->at.offset) { /* somebody has truncated it */
            file->at.offset = file->at.skip = 0;
            file->at.skips = SPOOL_CURSOR_AT_LINE;
        }
    }
}

/* The segments of the view that are final and not read to their end. */
static void read_sealed(struct expect_files *f)
{
    const struct spool_view_signal *const signal = &f->view.signals[f->signal];

    f->taking_foreign = false;
    for (size_t i = 0; i < signal->count; i++) {
        const struct spool_segment *const segment = &signal->list[i];
        struct sealed *const sealed =
            segment->final ? sealed_set_find(&f->sealed, segment->seq) : NULL;
        struct spool_cursor cursor = {.limit = segment->size};
        char name[SPOOL_FILES_NAME_MAX];

        if (sealed == NULL || sealed->offset >= segment->size || segment->unreadable)
            continue;
        spool_segment_name(name, f->signal, segment);
        cursor.offset = sealed->offset;
        cursor.fd = open_segment(f, segment, name);
        if (cursor.fd < 0)
            continue;
        if (read_file(f, &cursor, true, name) == 0)
            sealed->offset = cursor.limit;
        (void)close(cursor.fd);
    }
}

static void read_growing(struct expect_files *f, bool foreign, bool last)
{
    f->taking_foreign = foreign;
    for (size_t i = f->growing_count; i-- > 0;) {
        struct growing *const file = &f->growing[i];

        if (file->foreign != foreign)
            continue;
        if (read_file(f, &file->at, last || file->final, "") != 0 || !file->final)
            continue;
        if (file->seq > 0)
            put_sealed(f, file->seq, file->at.limit);
        if (file->seq > 0 || file->gone)
            drop_growing(f, file);
    }
}

void expect_files_look(struct expect_files *f, bool last, expect_files_take *take_one,
                       void *context)
{
    bool listing = last || may_have_changed(f);

    f->take = take_one;
    f->context = context;
    for (int i = 0; i == 0 || (f->vanished && i < VANISHED_MAX); i++) {
        f->vanished = false;
        /* A rename while a directory is read may hide a file from one listing, not from two. */
        if (listing) {
            list(f);
            list(f);
        }
        set_limits(f);
        /* A program's own file is read before segments that its lines may have been copied to. */
        read_growing(f, true, last);
        if (f->viewed)
            read_sealed(f);
        read_growing(f, false, last);
        if (f->viewed)
            spool_view_close(&f->view);
        f->viewed = false;
        listing = true;
    }
}

void expect_files_probe(struct expect_files *f, const char *probe)
{
    f->probe = probe;
}

void expect_files_rewind(struct expect_files *f)
{
    while (f->growing_count > 0)
        drop_growing(f, &f->growing[f->growing_count - 1]);
    sealed_set_clear(&f->sealed);
    f->listed_ns = 0;
    f->state = (struct expect_files_state){.records = 0};
}

struct expect_files *expect_files_open(enum spool_signal signal, const char *dir,
                                       const char *run_dir)
{
    struct expect_files *const f = calloc(1, sizeof(*f));

    if (f == NULL)
        return NULL;
    f->signal = signal;
    f->dir = dir;
    f->run_dir = run_dir;
    (void)snprintf(f->memory_dir, sizeof(f->memory_dir), "%s/" SPOOL_FILES_MEMORY_DIR, run_dir);
    return f;
}

void expect_files_close(struct expect_files *f)
{
    if (f == NULL)
        return;
    expect_files_rewind(f);
    free(f);
}

struct expect_files_state expect_files_state(const struct expect_files *f)
{
    return f->state;
}
