#include "lib/spool/writer.h"

#include "lib/base/clock.h"
#include "lib/base/ids.h"
#include "lib/base/instance_file.h"
#include "lib/spool/files.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum {
    PROBE_SIZE = 4096,
    PROBE_PATH_MAX = SPOOL_PATH_MAX + 32,
    TORN_TRIES = 16,
    REOPEN_TRIES = 64, /* far more than segments sealed between two of our calls */
};

int spool_writer_init(struct spool_writer *spool, const char *dir, const char *signal,
                      uint64_t max_bytes)
{
    int len;

    *spool = (struct spool_writer){
        .fd = -1, .max_bytes = max_bytes, .check_ns = clock_ms_to_ns(SPOOL_CHECK_MS)};
    len = snprintf(spool->path, sizeof(spool->path), "%s/" SPOOL_FILES_ACTIVE_FORMAT, dir, signal);
    if (len > 0 && (size_t)len < sizeof(spool->path))
        return 0;
    /* A path cut off would be another file: without one each append fails, and is counted. */
    spool->path[0] = '\0';
    return -1;
}

void spool_writer_close(struct spool_writer *spool)
{
    if (spool->fd >= 0 && close(spool->fd) != 0)
        spool->last_errno = errno;
    spool->fd = -1;
}

/* This shared lock shows the agent that the file may still grow. */
static int lock_shared(int fd)
{
    struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};

    return fcntl(fd, F_OFD_SETLK, &lock);
}

/* Whether the file of that size ends in the middle of a line. */
static bool ends_torn(int fd, uint64_t size)
{
    char last = '\n';

    return size > 0 && pread(fd, &last, 1, (off_t)size - 1) == 1 && last != '\n';
}

/*
 * Whether the last line stays as it is: a short write has left it so, and nobody is just writing
 * it. A write of nothing waits for the write that is under way, as our own would (POSIX lets it
 * have no other effect). A file that goes on growing has writers that end their lines.
 */
static bool stays_torn(int fd)
{
    uint64_t before = UINT64_MAX;

    for (int try = 0; try < TORN_TRIES; try++) {
        struct stat status;

        if (write(fd, "", 0) != 0 || fstat(fd, &status) != 0)
            return true;
        if (!ends_torn(fd, (uint64_t)status.st_size))
            return false;
        if ((uint64_t)status.st_size == before)
            return true;
        before = (uint64_t)status.st_size;
    }
    return false;
}

/* Whether files may not grow for ever: then a write may raise SIGXFSZ. */
static bool is_limited(void)
{
    struct rlimit limit;

    return getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur != RLIM_INFINITY;
}

static int open_file(struct spool_writer *spool)
{
    struct stat status;
    const int fd = instance_file_open(AT_FDCWD, spool->path, O_RDWR | O_APPEND | O_CREAT, &status);

    if (fd < 0)
        return -1;
    if (lock_shared(fd) != 0) {
        const int error = errno;

        (void)close(fd);
        errno = error;
        return -1;
    }
    spool->fd = fd;
    spool->device = status.st_dev;
    spool->inode = status.st_ino;
    spool->limited = is_limited();
    spool->torn = ends_torn(fd, (uint64_t)status.st_size);
    return 0;
}

/* The kernel's tick: cheaper than the exact clock, and exact enough. */
static uint64_t now_ns(void)
{
    struct timespec now;

    if (clock_gettime(CLOCK_MONOTONIC_COARSE, &now) != 0)
        return UINT64_MAX;
    return clock_timespec_ns(&now);
}

/*
 * Whether fd is the file at the path. Does not ask for timestamps: on kernels with multigrain
 * timestamps (6.13) that would make the next append write the inode once more.
 */
static int compare(struct spool_writer *spool, bool *same)
{
    struct statx status;

    *same = false;
    if (statx(AT_FDCWD, spool->path, AT_SYMLINK_NOFOLLOW, STATX_INO | STATX_SIZE, &status) != 0)
        return errno == ENOENT ? 0 : -1;
    *same = status.stx_ino == spool->inode &&
            makedev(status.stx_dev_major, status.stx_dev_minor) == spool->device;
    if (*same)
        spool->size = status.stx_size;
    return 0;
}

/*
 * Makes sure that fd is locked and was the file at the path a moment ago. We take the lock before
 * the comparison, so that the agent sees it on a segment that is sealed afterwards.
 */
static int ensure_current(struct spool_writer *spool)
{
    const uint64_t now = now_ns();

    if (spool->fd >= 0 && now - spool->checked_ns < spool->check_ns)
        return 0;
    for (int try = 0; try < REOPEN_TRIES; try++) {
        bool same;

        if (spool->fd < 0 && open_file(spool) != 0)
            return -1;
        if (compare(spool, &same) != 0)
            return -1;
        if (same) {
            spool->checked_ns = now;
            spool->limited = is_limited();
            return 0;
        }
        spool_writer_close(spool);
    }
    errno = EBUSY;
    return -1;
}

static unsigned count_lines(const char *bytes, size_t len)
{
    unsigned lines = 0;
    const char *const end = bytes + len;

    while (bytes < end && (bytes = memchr(bytes, '\n', (size_t)(end - bytes))) != NULL) {
        bytes++;
        lines++;
    }
    return lines;
}

static enum spool_result failure(struct spool_writer *spool, int error)
{
    spool->last_errno = error;
    return error == ENOSPC || error == EDQUOT || error == EFBIG ? SPOOL_NO_SPACE : SPOOL_UNWRITABLE;
}

/*
 * writev where the size of files is limited. SIGXFSZ would end a program that does not ignore it,
 * and its handlers are not ours to change: the signal waits while we write, and is taken back.
 */
static ssize_t write_limited(int fd, const struct iovec *parts, int count)
{
    const struct timespec now = {0};
    sigset_t set, before, pending;

    if (sigemptyset(&set) != 0 || sigaddset(&set, SIGXFSZ) != 0 || sigemptyset(&pending) != 0 ||
        pthread_sigmask(SIG_BLOCK, &set, &before) != 0)
        return -1;
    const bool other = sigpending(&pending) != 0 || sigismember(&pending, SIGXFSZ) != 0;
    const ssize_t wrote = writev(fd, parts, count);
    const int error = errno;
    if (wrote < 0 && error == EFBIG && !other)
        (void)sigtimedwait(&set, NULL, &now);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = error;
    return wrote;
}

/* One write(2); after a torn line an empty one goes first, by the same call. */
static ssize_t write_lines(const struct spool_writer *spool, const char *lines, size_t len)
{
    const struct iovec parts[] = {{.iov_base = (void *)"\n", .iov_len = 1},
                                  {.iov_base = (void *)lines, .iov_len = len}};
    ssize_t wrote;

    do
        wrote = spool->limited ? write_limited(spool->fd, &parts[!spool->torn], 1 + spool->torn)
                : spool->torn  ? writev(spool->fd, parts, 2)
                               : write(spool->fd, lines, len);
    while (wrote < 0 && errno == EINTR);
    return wrote;
}

enum spool_result spool_writer_append(struct spool_writer *spool, const char *lines, size_t len,
                                      unsigned *lost)
{
    const unsigned total = count_lines(lines, len);
    ssize_t wrote;

    assert(len > 0 && lines[len - 1] == '\n');
    *lost = total;
    spool->wrote = 0;
    if (ensure_current(spool) != 0)
        return failure(spool, errno);
    if (spool->size + len > spool->max_bytes)
        return SPOOL_FULL;
    spool->torn = spool->torn && stays_torn(spool->fd);
    wrote = write_lines(spool, lines, len);
    if (wrote < 0)
        return failure(spool, errno);
    spool->size += (uint64_t)wrote;
    if (spool->torn && wrote > 0) {
        spool->torn = false;
        wrote--;
    }
    spool->wrote = (size_t)wrote;
    if ((size_t)wrote == len) {
        *lost = 0;
        spool->last_errno = 0;
        return SPOOL_OK;
    }
    /* Short write: whole lines are in, the agent counts the broken one, the rest is lost. */
    spool->torn = wrote > 0 && lines[wrote - 1] != '\n';
    *lost = total - count_lines(lines, (size_t)wrote) - (spool->torn ? 1 : 0);
    return failure(spool, ENOSPC);
}

/* A file beside the spool, of a name that nobody can have guessed if the usual one is taken. */
static int make_probe(const struct spool_writer *spool, char path[PROBE_PATH_MAX])
{
    int fd;

    (void)snprintf(path, PROBE_PATH_MAX, "%s.probe.%ld", spool->path, (long)getpid());
    (void)unlink(path); /* an earlier process's of this number, which was killed */
    fd = instance_file_make(AT_FDCWD, path, INSTANCE_FILE_MODE);
    if (fd >= 0 || errno != EEXIST)
        return fd;
    (void)snprintf(path, PROBE_PATH_MAX, "%s.probe.%016" PRIx64, spool->path, ids_random64());
    return instance_file_make(AT_FDCWD, path, INSTANCE_FILE_MODE);
}

enum spool_result spool_writer_probe(struct spool_writer *spool)
{
    char path[PROBE_PATH_MAX], page[PROBE_SIZE] = {0};
    enum spool_result result = SPOOL_OK;
    ssize_t wrote;
    int fd;

    spool->checked_ns = 0;
    if (ensure_current(spool) != 0)
        return failure(spool, errno);
    if (spool->size >= spool->max_bytes)
        return SPOOL_FULL;
    fd = make_probe(spool, path);
    if (fd < 0)
        return failure(spool, errno);
    wrote = write_limited(fd, &(const struct iovec){page, sizeof(page)}, 1);
    if (wrote < 0)
        result = failure(spool, errno);
    else if ((size_t)wrote < sizeof(page))
        result = failure(spool, ENOSPC);
    /* Some file systems report a full disk or quota only here. */
    if (close(fd) != 0 && result == SPOOL_OK)
        result = failure(spool, errno);
    (void)unlink(path);
    return result;
}

const char *spool_reason(enum spool_result result)
{
    switch (result) {
    case SPOOL_OK:
        break;
    case SPOOL_NO_SPACE:
        return "no_space";
    case SPOOL_FULL:
        return "full";
    case SPOOL_UNWRITABLE:
        return "unwritable";
    case SPOOL_OVERSIZE:
        return "oversize";
    }
    return "";
}
