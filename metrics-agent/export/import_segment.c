#include "metrics-agent/export/import_segment.h"

#include "lib/base/instance_file.h"
#include "lib/base/message.h"
#include "lib/spool/files.h"
#include "metrics-agent/export/exporter_files.h"
#include "metrics-agent/export/segments_make.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TRIES = 64 /* numbers that somebody else's files may have */ };

void import_segment_init(struct import_segment *s, struct exporter *exporter)
{
    *s = (struct import_segment){.exporter = exporter, .fd = -1};
}

void import_segment_release(struct import_segment *s)
{
    if (s->fd >= 0)
        (void)close(s->fd);
    s->fd = -1;
}

bool import_segment_usable(const struct import_segment *s)
{
    struct stat status;

    return s->fd >= 0 && s->size < s->exporter->shared->settings->segment_bytes &&
           fstat(s->fd, &status) == 0 && status.st_nlink == 1 &&
           (uint64_t)status.st_size == s->size;
}

/* The checkpoint says by this number where the active file stands; so it has to know first. */
static int reserve(struct import_segment *s)
{
    if (s->number != 0)
        return 0;
    s->number = segments_make_number(&s->exporter->segments);
    if (s->number == 0) {
        errno = ERANGE;
        return -1;
    }
    return 0;
}

static int make_file(struct import_segment *s)
{
    const struct exporter_shared *const shared = s->exporter->shared;
    char name[SPOOL_FILES_NAME_MAX];

    for (int i = 0; i < TRIES; i++) {
        int fd;

        if (reserve(s) != 0)
            return -1;
        exporter_files_save(s->exporter);
        if (shared->checkpoint_failed) {
            errno = EIO;
            return -1;
        }
        spool_files_sealed(name, s->exporter->signal, s->number);
        fd = instance_file_make(shared->dirs.disk_fd, name, INSTANCE_FILE_MODE);
        if (fd >= 0 || errno != EEXIST)
            return fd;
        s->number = 0;
    }
    return -1;
}

/* As a writer's lock: the segment is not final before it is gone. */
static int take_up(struct import_segment *s)
{
    struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
    struct stat status;

    if (fcntl(s->fd, F_OFD_SETLK, &lock) != 0 || fstat(s->fd, &status) != 0 ||
        segments_make_known(&s->exporter->segments, s->number) != 0)
        return -1;
    s->inode = status.st_ino;
    s->seq = s->number;
    s->number = s->size = s->kept = 0;
    return 0;
}

int import_segment_begin(struct import_segment *s)
{
    char name[SPOOL_FILES_NAME_MAX];
    int error;

    import_segment_release(s);
    s->fd = make_file(s);
    if (s->fd < 0)
        return -1;
    if (take_up(s) == 0)
        return 0;
    error = errno;
    spool_files_sealed(name, s->exporter->signal, s->number);
    (void)unlinkat(s->exporter->shared->dirs.disk_fd, name, 0);
    import_segment_release(s);
    errno = error;
    return -1;
}

int import_segment_add(struct import_segment *s, const char *lines, size_t len, uint64_t now_ns)
{
    size_t done = 0;
    int error;

    assert(s->fd >= 0);
    s->used_ns = now_ns;
    while (done < len) {
        const ssize_t wrote = pwrite(s->fd, lines + done, len - done, (off_t)(s->size + done));

        if (wrote > 0)
            done += (size_t)wrote;
        else if (wrote == 0 || errno != EINTR)
            break;
    }
    if (done == len) {
        s->size += len;
        return 0;
    }
    error = errno;
    if (ftruncate(s->fd, (off_t)s->size) != 0)
        import_segment_release(s); /* nothing is added behind a piece of a line */
    errno = error;
    return -1;
}

void import_segment_note(const struct import_segment *s, struct import_spooled *spooled)
{
    spooled->seq = s->fd >= 0 ? s->seq : 0;
    spooled->inode = s->inode;
    spooled->length = s->size;
    spooled->print = 0;
    if (s->fd >= 0 && checkpoint_fingerprint(s->fd, s->size, false, &spooled->print) != 0)
        spooled->seq = 0;
}

void import_segment_keep(struct import_segment *s)
{
    s->kept = s->size;
}

int import_segment_back(struct import_segment *s)
{
    if (s->fd < 0 || s->size == s->kept)
        return 0;
    if (ftruncate(s->fd, (off_t)s->kept) != 0)
        return -1;
    s->size = s->kept;
    return 0;
}

/*
 * Whether the file is the one that was meant. One of which nothing was kept yet has no content to
 * tell.
 */
static bool is_meant(const struct import_spooled *spooled, int fd, const struct stat *status)
{
    uint32_t print;

    if (spooled->length == 0)
        return status->st_ino == spooled->inode;
    return checkpoint_fingerprint(fd, spooled->length, false, &print) == 0 &&
           print == spooled->print;
}

static void mend(const struct import_spooled *spooled, enum spool_signal signal, int dir_fd)
{
    char name[SPOOL_FILES_NAME_MAX];
    struct stat status;
    int fd;

    spool_files_sealed(name, signal, spooled->seq);
    fd = instance_file_open(dir_fd, name, O_RDWR, &status);
    if (fd < 0) {
        if (errno != ENOENT)
            message_print("%s can't be opened: %s; lines of other programs may be sent twice", name,
                          instance_file_error(errno));
        return;
    }
    if ((uint64_t)status.st_size < spooled->length)
        message_print("%s has %lld bytes, and %llu were written: the machine ended before they "
                      "were on the disk; that many of other programs' lines are lost",
                      name, (long long)status.st_size, (unsigned long long)spooled->length);
    if ((uint64_t)status.st_size > spooled->length && is_meant(spooled, fd, &status) &&
        ftruncate(fd, (off_t)spooled->length) != 0)
        message_print("%s can't be cut: %s; lines of other programs may be sent twice", name,
                      instance_file_error(errno));
    (void)close(fd);
}

/* Whether what is behind the length has been settled. */
static bool is_settled(const struct import_spooled *spooled, const struct checkpoint_signal *signal)
{
    for (uint32_t i = 0; i < signal->cursor_count; i++) {
        if (signal->cursors[i].seq == spooled->seq && signal->cursors[i].offset > spooled->length)
            return true;
    }
    return false;
}

void import_segment_mend(int dir_fd, const struct checkpoint_state *checkpoint)
{
    struct import_cursors *const cursors = malloc(sizeof *cursors);

    if (cursors == NULL)
        return;
    if (import_cursors_read(cursors, dir_fd) == CHECKPOINT_VALID) {
        for (int i = 0; i < SPOOL_SIGNALS; i++) {
            if (cursors->spooled[i].seq > 0 &&
                !is_settled(&cursors->spooled[i], &checkpoint->signals[i]))
                mend(&cursors->spooled[i], (enum spool_signal)i, dir_fd);
        }
    }
    free(cursors);
}
