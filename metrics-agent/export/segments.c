#include "metrics-agent/export/segments.h"

#include "lib/base/message.h"
#include "lib/spool/files.h"
#include "lib/spool/lines.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { COUNT_BUFFER = 65536 };

static struct segment *add(struct segments *s, const struct segment *segment)
{
    size_t at = s->count;

    if (s->count == s->room) {
        size_t room = s->room == 0 ? 16 : s->room * 2;
        struct segment *list = reallocarray(s->list, room, sizeof *list);

        if (list == NULL)
            return NULL;
        s->list = list;
        s->room = room;
    }
    while (at > 0 && s->list[at - 1].seq > segment->seq)
        at--;
    memmove(&s->list[at + 1], &s->list[at], (s->count - at) * sizeof *s->list);
    s->list[at] = *segment;
    s->count++;
    return &s->list[at];
}

struct segment *segments_find(struct segments *s, uint64_t seq)
{
    size_t i;

    for (i = 0; i < s->count; i++) {
        if (s->list[i].seq == seq)
            return &s->list[i];
    }
    return NULL;
}

int segments_open_file(struct segments *s, struct segment *segment)
{
    char name[SPOOL_FILES_NAME_MAX];
    struct stat status;

    if (segment->fd >= 0)
        return 0;
    spool_files_sealed(name, s->signal, segment->seq);
    segment->fd = openat(s->dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (segment->fd < 0)
        return -1;
    if (fstat(segment->fd, &status) != 0 || status.st_ino != segment->inode) {
        (void)close(segment->fd);
        segment->fd = -1;
        errno = ENOENT;
        return -1;
    }
    return 0;
}

static void close_file(struct segment *segment)
{
    if (segment->fd >= 0)
        (void)close(segment->fd);
    segment->fd = -1;
}

/* Goes on where the checkpoint left this file, if it is the same. */
static void resume(struct segments *s, struct segment *segment,
                   const struct checkpoint_signal *from)
{
    uint32_t i, print;

    for (i = 0; i < from->cursor_count; i++) {
        const struct checkpoint_cursor *cursor = &from->cursors[i];

        if (cursor->seq != segment->seq || cursor->inode != segment->inode ||
            cursor->offset > segment->size || segments_open_file(s, segment) != 0 ||
            checkpoint_fingerprint(segment->fd, cursor->offset, &print) != 0 ||
            print != cursor->print)
            continue;
        segment->offset = segment->counted = segment->print_offset = cursor->offset;
        segment->print = print;
    }
    if (!segment->active)
        close_file(segment);
}

static void see(struct segment *segment, const struct stat *status)
{
    segment->inode = status->st_ino;
    segment->size = (uint64_t)status->st_size;
    segment->written_ns =
        (uint64_t)status->st_mtim.tv_sec * 1000000000u + (uint64_t)status->st_mtim.tv_nsec;
}

/* Takes up the file at <signal>.jsonl where it is not the one we know. */
static struct segment *find_active(struct segments *s)
{
    struct segment active = {.seq = s->active_seq, .active = true};
    char name[SPOOL_FILES_NAME_MAX];
    struct segment *added;
    struct stat status;

    spool_files_active(name, s->signal);
    active.fd = openat(s->dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (active.fd < 0)
        return NULL;
    if (fstat(active.fd, &status) != 0 || !S_ISREG(status.st_mode)) {
        (void)close(active.fd);
        return NULL;
    }
    see(&active, &status);
    added = add(s, &active);
    if (added == NULL)
        (void)close(active.fd);
    return added;
}

int segments_open(struct segments *s, enum spool_signal signal, int dir_fd,
                  const struct checkpoint_signal *from)
{
    int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *entry;
    size_t i;

    *s = (struct segments){.signal = signal, .dir_fd = dir_fd, .active_seq = from->active_seq};
    if (dir == NULL) {
        if (fd >= 0)
            (void)close(fd);
        return -1;
    }
    while ((entry = readdir(dir)) != NULL) {
        struct segment sealed = {.fd = -1, .seq = spool_files_number(s->signal, entry->d_name)};
        struct stat status;

        if (sealed.seq == 0 || fstatat(dir_fd, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0 ||
            !S_ISREG(status.st_mode))
            continue;
        see(&sealed, &status);
        if (add(s, &sealed) == NULL) {
            (void)closedir(dir);
            segments_close(s);
            errno = ENOMEM;
            return -1;
        }
    }
    (void)closedir(dir);
    /* A crash after the rename leaves the checkpoint's number to a file that is sealed by now. */
    if (s->active_seq == 0)
        s->active_seq = 1;
    if (s->count > 0 && s->list[s->count - 1].seq >= s->active_seq)
        s->active_seq = s->list[s->count - 1].seq + 1;
    (void)find_active(s);
    for (i = 0; i < s->count; i++)
        resume(s, &s->list[i], from);
    return 0;
}

void segments_close(struct segments *s)
{
    size_t i;

    for (i = 0; i < s->count; i++)
        close_file(&s->list[i]);
    free(s->list);
    s->list = NULL;
    s->count = s->room = 0;
}

/* A writer holds a read lock for as long as it has the file open. */
static bool locked(int fd)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

    return fcntl(fd, F_OFD_GETLK, &lock) != 0 || lock.l_type != F_UNLCK;
}

/* Counts on in one segment; returns the bytes looked at. */
static uint64_t count_segment(struct segments *s, struct segment *segment, uint64_t budget)
{
    char buffer[COUNT_BUFFER];
    uint64_t at = segment->counted, looked = 0;
    bool was_open = segment->fd >= 0, line_start = true;

    if (at >= segment->size || segment->suspect || segments_open_file(s, segment) != 0)
        return 0;
    while (looked < budget) {
        ssize_t got = pread(segment->fd, buffer, sizeof buffer, (off_t)at);
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
    if (checkpoint_fingerprint(segment->fd, segment->counted, &segment->mark) == 0)
        segment->mark_offset = segment->counted;
    if (!was_open)
        close_file(segment);
    return looked;
}

void segments_replaced(struct segments *s, struct segment *segment, uint64_t in_hand)
{
    if (segment->pending > in_hand)
        s->deleted += segment->pending - in_hand;
    segment->offset = segment->counted = segment->pending = 0;
    segment->print_offset = segment->mark_offset = 0;
    segment->suspect = false;
}

/* Whether the file still has before `offset` what it had. */
static bool has(const struct segment *segment, uint64_t offset, uint64_t print_offset,
                uint32_t print)
{
    uint32_t now;

    return segment->size >= offset &&
           (offset == 0 || offset != print_offset ||
            (checkpoint_fingerprint(segment->fd, offset, &now) == 0 && now == print));
}

/* Someone else truncated the file, and it may have grown again since. */
static void truncated(struct segments *s, struct segment *segment)
{
    const uint64_t known = segment->pending;

    if (!has(segment, segment->offset, segment->print_offset, segment->print)) {
        segments_replaced(s, segment, 0);
        return;
    }
    /* What is settled is still there. */
    segment->suspect = false;
    segment->pending = 0;
    segment->counted = segment->offset;
    (void)count_segment(s, segment, UINT64_MAX);
    s->deleted += known > segment->pending ? known - segment->pending : 0;
}

bool segments_holds(struct segments *s, struct segment *segment, uint64_t offset, const char *bytes,
                    size_t len)
{
    char found[CHECKPOINT_PRINT_BYTES];

    assert(len <= sizeof found);
    return segments_open_file(s, segment) == 0 &&
           pread(segment->fd, found, len, (off_t)(offset - len)) == (ssize_t)len &&
           memcmp(found, bytes, len) == 0;
}

/* Returns false where the file is gone. */
static bool look(struct segments *s, struct segment *segment, uint64_t held_seq)
{
    struct stat status;
    const uint64_t size = segment->size;
    bool was_open = segment->fd >= 0;

    if (segments_open_file(s, segment) != 0)
        return errno != ENOENT;
    /* In this order: what a writer appended before it let go of its lock is in the size. */
    if (!segment->active)
        segment->final = !locked(segment->fd);
    if (fstat(segment->fd, &status) == 0)
        see(segment, &status);
    if (segment->size != size)
        segment->suspect = segment->suspect ||
                           !has(segment, segment->counted, segment->mark_offset, segment->mark) ||
                           !has(segment, segment->offset, segment->print_offset, segment->print);
    if (segment->suspect && segment->seq != held_seq)
        truncated(s, segment);
    if (!was_open && segment->final)
        close_file(segment);
    return true;
}

/* Whether the active file that we know is still the one at the path. */
static void check_active(struct segments *s)
{
    struct segment *last = s->count > 0 ? &s->list[s->count - 1] : NULL;
    char name[SPOOL_FILES_NAME_MAX];
    struct stat status;

    if (last == NULL || !last->active)
        return;
    spool_files_active(name, s->signal);
    if (fstatat(s->dir_fd, name, &status, 0) == 0 ? status.st_ino == last->inode : errno != ENOENT)
        return;
    last->active = false;
    last->nameless = true;
    s->active_seq = last->seq + 1;
    message_print("%s was moved away by someone else; reading it to its end", name);
}

static void forget(struct segments *s, struct segment *segment)
{
    size_t at = (size_t)(segment - s->list);

    close_file(segment);
    s->count--;
    memmove(segment, segment + 1, (s->count - at) * sizeof *segment);
}

void segments_refresh(struct segments *s, uint64_t held_seq)
{
    size_t i;

    check_active(s);
    if (s->count == 0 || !s->list[s->count - 1].active)
        (void)find_active(s);
    for (i = 0; i < s->count;) {
        struct segment *segment = &s->list[i];

        if (segment->final || look(s, segment, held_seq)) {
            i++;
            continue;
        }
        s->deleted += segment->pending;
        forget(s, segment);
    }
}

int segments_seal(struct segments *s)
{
    struct segment *last = s->count > 0 ? &s->list[s->count - 1] : NULL;
    char from[SPOOL_FILES_NAME_MAX], to[SPOOL_FILES_NAME_MAX];

    assert(last != NULL && last->active);
    spool_files_active(from, s->signal);
    spool_files_sealed(to, s->signal, last->seq);
    while (renameat2(s->dir_fd, from, s->dir_fd, to, RENAME_NOREPLACE) != 0) {
        if (errno == EINVAL || errno == ENOSYS) {
            /* A file system without the flag; we are alone in giving out numbers. */
            if (renameat(s->dir_fd, from, s->dir_fd, to) != 0)
                return -1;
            break;
        }
        if (errno != EEXIST)
            return -1;
        spool_files_sealed(to, s->signal, ++last->seq);
    }
    last->active = false;
    s->active_seq = last->seq + 1;
    return 0;
}

bool segments_done(const struct segment *segment)
{
    return segment->final && segment->offset >= segment->size;
}

void segments_remove(struct segments *s, struct segment *segment)
{
    char name[SPOOL_FILES_NAME_MAX];

    if (!segment->nameless) {
        spool_files_sealed(name, s->signal, segment->seq);
        if (unlinkat(s->dir_fd, name, 0) != 0 && errno != ENOENT)
            message_print("%s can't be deleted: %s", name, strerror(errno));
    }
    forget(s, segment);
}

uint64_t segments_count_lines(struct segments *s, uint64_t budget)
{
    uint64_t looked = 0;
    size_t i;

    for (i = 0; i < s->count && looked < budget; i++)
        looked += count_segment(s, &s->list[i], budget - looked);
    return looked;
}

void segments_count_whole(struct segments *s, struct segment *segment)
{
    (void)count_segment(s, segment, UINT64_MAX);
    if (segment->final && segment->counted < segment->size) {
        segment->pending++;
        segment->counted = segment->size;
    }
}

int segments_give_up(struct segments *s, struct segment *segment)
{
    char name[SPOOL_FILES_NAME_MAX];

    if (segments_open_file(s, segment) != 0)
        return -1;
    spool_files_sealed(name, s->signal, segment->seq);
    if (!segment->nameless && unlinkat(s->dir_fd, name, 0) != 0 && errno != ENOENT)
        message_print("%s can't be deleted: %s", name, strerror(errno));
    segment->nameless = segment->given_up = true;
    return 0;
}

void segments_settle(struct segment *segment, uint64_t offset, uint64_t lines)
{
    if (segment->counted >= offset) {
        /* Fewer can be known only where someone else has changed the file under us. */
        segment->pending -= lines < segment->pending ? lines : segment->pending;
    } else {
        segment->pending = 0;
        segment->counted = offset;
    }
    segment->offset = offset;
}

uint64_t segments_take_deleted(struct segments *s)
{
    uint64_t deleted = s->deleted;

    s->deleted = 0;
    return deleted;
}

uint64_t segments_pending(const struct segments *s)
{
    uint64_t sum = 0;
    size_t i;

    for (i = 0; i < s->count; i++)
        sum += s->list[i].pending;
    return sum;
}

uint64_t segments_bytes(const struct segments *s)
{
    uint64_t sum = 0;
    size_t i;

    for (i = 0; i < s->count; i++)
        sum += s->list[i].given_up ? 0 : s->list[i].size;
    return sum;
}

/* The fingerprint of what is settled; read only where that has changed. */
static int take_print(struct segments *s, struct segment *segment)
{
    bool was_open = segment->fd >= 0;
    int result;

    if (segment->print_offset == segment->offset)
        return 0;
    if (segments_open_file(s, segment) != 0)
        return -1;
    result = checkpoint_fingerprint(segment->fd, segment->offset, &segment->print);
    segment->print_offset = result == 0 ? segment->offset : 0;
    if (!was_open)
        close_file(segment);
    return result;
}

void segments_save(struct segments *s, struct checkpoint_signal *into)
{
    size_t i = s->count;

    into->active_seq = s->active_seq;
    into->cursor_count = 0;
    /* The newest first: where there are too many, the fewest bytes are sent again. */
    while (i-- > 0 && into->cursor_count < CHECKPOINT_CURSORS) {
        struct segment *segment = &s->list[i];

        if (segment->offset == 0 || take_print(s, segment) != 0)
            continue;
        into->cursors[into->cursor_count++] = (struct checkpoint_cursor){.seq = segment->seq,
                                                                         .inode = segment->inode,
                                                                         .offset = segment->offset,
                                                                         .print = segment->print};
    }
}
