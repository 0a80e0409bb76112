#include "metrics-agent/export/import_files.h"

#include "lib/base/clock.h"
#include "lib/base/instance_file.h"
#include "lib/base/message.h"
#include "lib/spool/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum { NAMES_STEP = 256 /* names of the directory that one call looks at */ };

#define NONE SIZE_MAX

int import_files_open(struct import_files *f, int dir_fd, uint64_t now_ns)
{
    enum checkpoint_found found;

    *f = (struct import_files){.dir_fd = dir_fd, .cursors = calloc(1, sizeof *f->cursors)};
    if (f->cursors == NULL)
        return -1;
    found = import_cursors_read(f->cursors, dir_fd);
    f->missing = found == CHECKPOINT_MISSING;
    if (found == CHECKPOINT_CORRUPT)
        message_print(SPOOL_FILES_IMPORTS " is damaged; the files of other programs are read from "
                                          "their starts, and what was sent of them is sent again");
    for (size_t i = 0; i < f->cursors->count; i++)
        f->items[i] = (struct import_file){.fd = -1, .size = UINT64_MAX, .seen_ns = now_ns};
    return 0;
}

static void close_file(struct import_files *f, size_t i)
{
    if (f->items[i].fd < 0)
        return;
    (void)close(f->items[i].fd);
    f->items[i].fd = -1;
    f->open--;
}

void import_files_close(struct import_files *f)
{
    if (f->cursors == NULL)
        return;
    for (size_t i = 0; i < f->cursors->count; i++)
        close_file(f, i);
    if (f->dir != NULL)
        (void)closedir(f->dir);
    free(f->cursors);
    f->cursors = NULL;
}

void import_files_say(struct import_files *f, const char *name, const char *what, int error)
{
    uint32_t key = (uint32_t)crc32(0, (const unsigned char *)name, (uInt)strlen(name));

    key = (uint32_t)crc32(key, (const unsigned char *)what, (uInt)strlen(what));
    for (size_t i = 0; i < f->said_count; i++) {
        if (f->said[i] == key)
            return;
    }
    if (f->said_count == IMPORT_FILES_SAID_MAX)
        return;
    f->said[f->said_count++] = key;
    message_print("%s %s%s%s%s", name, what, error != 0 ? ": " : "",
                  error != 0 ? instance_file_error(error) : "",
                  f->said_count == IMPORT_FILES_SAID_MAX ? "; no more is said of such files" : "");
}

static void forget(struct import_files *f, size_t i)
{
    const size_t last = --f->cursors->count;

    close_file(f, i);
    f->cursors->items[i] = f->cursors->items[last];
    f->items[i] = f->items[last];
    f->changed = true;
}

static bool has_name(int fd)
{
    struct stat status;

    return fstat(fd, &status) == 0 && status.st_nlink > 0;
}

/* Keeps it open, in the place of the one that has not changed for longest. */
static void keep_open(struct import_files *f, size_t i, int fd)
{
    size_t victim = NONE;
    bool spare = false;

    close_file(f, i);
    for (size_t k = 0; k < f->cursors->count && f->open == IMPORT_FILES_OPEN_MAX; k++) {
        /* What has no name can't be opened again. */
        const bool named = f->pass - f->items[k].pass <= 1;

        if (f->items[k].fd < 0 || (spare && !named))
            continue;
        if (victim == NONE || (named && !spare) ||
            f->items[k].changed_ns < f->items[victim].changed_ns)
            victim = k;
        spare = spare || named;
    }
    if (victim != NONE)
        close_file(f, victim);
    f->items[i].fd = fd;
    f->open++;
}

/* Opens a regular file. Returns the descriptor and its status, or -1 with errno. */
static int open_file(const struct import_files *f, const char *name, struct stat *status)
{
    return instance_file_open(f->dir_fd, name, O_RDONLY, status);
}

static bool is_file(const struct import_cursor *cursor, const struct stat *status)
{
    return cursor->inode == status->st_ino && cursor->device == status->st_dev;
}

void import_files_failed(struct import_files *f, size_t i, int error)
{
    f->items[i].size = UINT64_MAX;
    f->items[i].behind = false;
    f->items[i].unreadable = error != ENOENT;
    if (error != ENOENT)
        import_files_say(f, f->cursors->items[i].name, "can't be read", error);
}

int import_files_fd(struct import_files *f, size_t i)
{
    const struct import_cursor *const cursor = &f->cursors->items[i];
    struct stat status;
    int fd;

    if (f->items[i].fd >= 0)
        return f->items[i].fd;
    fd = open_file(f, cursor->name, &status);
    if (fd >= 0 && !is_file(cursor, &status)) {
        (void)close(fd);
        fd = -1;
        errno = ENOENT;
    }
    if (fd < 0)
        import_files_failed(f, i, errno);
    else
        keep_open(f, i, fd);
    f->items[i].unreadable = f->items[i].unreadable && fd < 0;
    return fd;
}

void import_files_sum(const struct import_files *f, enum spool_signal signal, uint64_t *bytes,
                      uint64_t *unreadable)
{
    *bytes = 0;
    *unreadable = f->refused[signal];
    for (size_t i = 0; i < f->cursors->count; i++) {
        const struct import_cursor *const cursor = &f->cursors->items[i];
        const uint64_t size = f->items[i].size;

        if (cursor->signal != signal)
            continue;
        *unreadable += f->items[i].unreadable;
        if (size != UINT64_MAX && size > cursor->offset)
            *bytes += size - cursor->offset;
    }
}

bool import_files_replaced(struct import_files *f, size_t i)
{
    struct import_cursor *const cursor = &f->cursors->items[i];

    if (spool_files_import(cursor->name) == SPOOL_SIGNALS || f->items[i].fd < 0) {
        forget(f, i);
        return false;
    }
    import_cursor_begin(cursor, f->items[i].fd);
    f->items[i].behind = cursor->head > 0;
    f->changed = true;
    return true;
}

static uint64_t written_ns(const struct stat *status)
{
    return clock_timespec_ns(&status->st_mtim);
}

/* Notes whether it has changed since it was last seen. */
static void compare(struct import_files *f, size_t i, const struct stat *status, uint64_t now_ns)
{
    struct import_file *const file = &f->items[i];
    struct import_cursor *const cursor = &f->cursors->items[i];
    const uint64_t size = (uint64_t)status->st_size, written = written_ns(status);

    if (file->size == size && file->written_ns == written)
        return;
    file->size = size;
    file->written_ns = written;
    file->changed_ns = now_ns;
    file->behind = size > 0 || cursor->offset > 0;
    file->waiting = false;
    /* So that it is known again after a restart, though nothing could be taken of it. */
    if (cursor->offset == 0 && cursor->head < CHECKPOINT_PRINT_BYTES && cursor->head < size &&
        file->fd >= 0 && (cursor->head == 0 || import_cursor_fits(cursor, file->fd))) {
        import_cursor_begin(cursor, file->fd);
        f->changed = true;
    }
}

/* It has this name now, if this pass has not seen another one. */
static void mark(struct import_files *f, size_t i, const char *name, const struct stat *status,
                 uint64_t now_ns)
{
    struct import_file *const file = &f->items[i];
    struct import_cursor *const cursor = &f->cursors->items[i];
    const enum spool_signal signal = spool_files_import(name);

    file->seen_ns = now_ns;
    file->known = true;
    if (file->pass != f->pass && strcmp(cursor->name, name) != 0) {
        (void)snprintf(cursor->name, sizeof cursor->name, "%s", name);
        f->changed = true;
    }
    if (signal != SPOOL_SIGNALS && strcmp(cursor->name, name) == 0)
        cursor->signal = signal;
    if (!is_file(cursor, status)) {
        cursor->device = status->st_dev;
        cursor->inode = status->st_ino;
        f->changed = true;
    }
    file->pass = f->pass;
    compare(f, i, status, now_ns);
}

/* The file that is certainly this one: we have it open, or nothing about it is new. */
static size_t find_same(const struct import_files *f, const char *name, const struct stat *status)
{
    for (size_t i = 0; i < f->cursors->count; i++) {
        const struct import_file *const file = &f->items[i];

        if (file->known && is_file(&f->cursors->items[i], status) &&
            (file->fd >= 0 || strcmp(f->cursors->items[i].name, name) == 0))
            return i;
    }
    return NONE;
}

/* Whether file `i` may be found under another name, or in another place, in this pass. */
static bool is_lost(const struct import_files *f, size_t i)
{
    return f->items[i].pass != f->pass && (f->items[i].fd < 0 || !has_name(f->items[i].fd));
}

static bool may_resume(const struct import_files *f, const char *name, const struct stat *status)
{
    for (size_t i = 0; i < f->cursors->count; i++) {
        if (is_lost(f, i) && (f->cursors->items[i].inode == status->st_ino ||
                              strcmp(f->cursors->items[i].name, name) == 0))
            return true;
    }
    return false;
}

/*
 * The file that this one goes on: renamed, after a restart perhaps on a device of another number,
 * or a copy under the same name.
 */
static size_t find_resumed(const struct import_files *f, const char *name,
                           const struct stat *status, int fd)
{
    const bool named = spool_files_import(name) != SPOOL_SIGNALS;

    for (size_t i = 0; i < f->cursors->count; i++) {
        const struct import_cursor *const cursor = &f->cursors->items[i];
        const bool blank = cursor->offset == 0 && cursor->head == 0;

        if (is_lost(f, i) && cursor->inode == status->st_ino &&
            (import_cursor_fits(cursor, fd) || (blank && named)))
            return i;
    }
    for (size_t i = 0; i < f->cursors->count && named; i++) {
        const struct import_cursor *const cursor = &f->cursors->items[i];

        /* One of which nothing was taken may be read from its start as well. */
        if (is_lost(f, i) && cursor->offset > 0 && strcmp(cursor->name, name) == 0 &&
            import_cursor_fits(cursor, fd))
            return i;
    }
    return NONE;
}

/* A place for a new file; one that has been read and renamed to another kind of name may go. */
static size_t find_room(struct import_files *f)
{
    for (size_t i = 0; i < f->cursors->count && f->cursors->count == IMPORT_CURSORS_MAX; i++) {
        if (f->items[i].known && !f->items[i].behind &&
            spool_files_import(f->cursors->items[i].name) == SPOOL_SIGNALS)
            forget(f, i);
    }
    return f->cursors->count < IMPORT_CURSORS_MAX ? f->cursors->count : NONE;
}

/* When it last changed, on the monotonic clock. */
static uint64_t change_of(const struct stat *status, uint64_t now_ns)
{
    const uint64_t now = clock_unix_ns(), written = written_ns(status);
    const uint64_t age = now > written ? now - written : 0;

    return age < now_ns ? now_ns - age : 0;
}

static size_t add(struct import_files *f, const char *name, const struct stat *status)
{
    const size_t i = find_room(f);

    if (i == NONE)
        return NONE;
    /* The number of a file that is gone has become this one's. */
    for (size_t k = 0; k < f->cursors->count; k++) {
        if (f->items[k].known && f->items[k].fd < 0 && is_file(&f->cursors->items[k], status))
            f->cursors->items[k].inode = 0;
    }
    f->items[i] = (struct import_file){.fd = -1, .size = UINT64_MAX};
    f->cursors->items[i] = (struct import_cursor){
        .signal = spool_files_import(name), .device = status->st_dev, .inode = status->st_ino};
    (void)snprintf(f->cursors->items[i].name, sizeof f->cursors->items[i].name, "%s", name);
    f->cursors->count++;
    f->changed = true;
    return i;
}

/* A name whose file we do not know yet, or no more. */
static void meet(struct import_files *f, const char *name, struct stat *status, uint64_t now_ns)
{
    const bool resumes = may_resume(f, name, status);
    const bool named = spool_files_import(name) != SPOOL_SIGNALS;
    size_t i = NONE;
    int fd;

    if (!resumes && !named)
        return;
    if (!resumes && find_room(f) == NONE) {
        f->refusing[spool_files_import(name)]++;
        if (!f->full)
            message_print("more than %d files of other programs in the spool's directory; %s and "
                          "others are not read",
                          IMPORT_CURSORS_MAX, name);
        f->full = true;
        return;
    }
    fd = open_file(f, name, status);
    if (fd < 0) {
        if (named && errno != ENOENT) {
            f->refusing[spool_files_import(name)]++;
            import_files_say(f, name, "can't be read", errno);
        }
        return;
    }
    if (resumes)
        i = find_resumed(f, name, status, fd);
    if (i == NONE && named && (i = add(f, name, status)) != NONE)
        import_cursor_begin(&f->cursors->items[i], fd);
    if (i == NONE) {
        (void)close(fd);
        return;
    }
    keep_open(f, i, fd);
    mark(f, i, name, status, now_ns);
    f->items[i].changed_ns = change_of(status, now_ns);
}

static bool is_ours(const char *name)
{
    uint64_t seq;

    for (int i = 0; i < SPOOL_SIGNALS; i++) {
        const enum spool_files_kind kind = spool_files_kind((enum spool_signal)i, name, &seq);

        if (kind == SPOOL_FILES_ACTIVE || kind == SPOOL_FILES_SEALED ||
            kind == SPOOL_FILES_QUARANTINE)
            return true;
    }
    return strncmp(name, "agent.", 6) == 0;
}

static bool has_inode(const struct import_files *f, ino_t inode)
{
    for (size_t i = 0; i < f->cursors->count; i++) {
        if (f->cursors->items[i].inode == inode)
            return true;
    }
    return false;
}

static void see(struct import_files *f, const struct dirent *entry, uint64_t now_ns)
{
    const char *const name = entry->d_name;
    const bool named = spool_files_import(name) != SPOOL_SIGNALS;
    struct stat status;
    size_t i;

    f->saved = f->saved || strcmp(name, SPOOL_FILES_IMPORTS) == 0;
    if (!named && (!has_inode(f, entry->d_ino) || is_ours(name)))
        return;
    if (fstatat(f->dir_fd, name, &status, AT_SYMLINK_NOFOLLOW) != 0)
        return;
    if (!S_ISREG(status.st_mode)) {
        if (named) {
            f->refusing[spool_files_import(name)]++;
            import_files_say(f, name, "is not a regular file and is not read", 0);
        }
        return;
    }
    i = find_same(f, name, &status);
    if (i != NONE)
        mark(f, i, name, &status, now_ns);
    else
        meet(f, name, &status, now_ns);
}

/* Files without a name are read to their ends, and forgotten when nobody has written for long. */
static void look_at_lost(struct import_files *f, uint64_t now_ns)
{
    struct stat status;

    for (size_t i = f->cursors->count; i-- > 0;) {
        struct import_file *const file = &f->items[i];
        const uint64_t used_ns =
            file->changed_ns > file->seen_ns ? file->changed_ns : file->seen_ns;

        if (file->pass == f->pass)
            continue;
        if (file->fd >= 0 && fstat(file->fd, &status) == 0)
            compare(f, i, &status, now_ns);
        if ((file->fd >= 0 && file->behind) ||
            now_ns - used_ns < clock_ms_to_ns(IMPORT_FILES_GONE_MS))
            continue;
        if (file->fd < 0 && file->size != UINT64_MAX && file->size > f->cursors->items[i].offset)
            import_files_say(f, f->cursors->items[i].name, "is gone, and was not read to its end",
                             0);
        forget(f, i);
    }
}

bool import_files_look(struct import_files *f, uint64_t now_ns)
{
    const struct dirent *entry = NULL;

    if (f->dir == NULL) {
        const int fd = openat(f->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        f->dir = fd >= 0 ? fdopendir(fd) : NULL;
        if (f->dir == NULL) {
            if (fd >= 0)
                (void)close(fd);
            return true;
        }
        f->pass++;
        f->saved = false;
        memset(f->refusing, 0, sizeof f->refusing);
    }
    for (int i = 0; i < NAMES_STEP; i++) {
        entry = readdir(f->dir);
        if (entry == NULL)
            break;
        see(f, entry, now_ns);
    }
    if (entry != NULL)
        return false;
    (void)closedir(f->dir);
    f->dir = NULL;
    memcpy(f->refused, f->refusing, sizeof f->refused);
    look_at_lost(f, now_ns);
    f->changed = f->changed || (!f->saved && f->cursors->count > 0);
    return true;
}
