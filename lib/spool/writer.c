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
#include <stdarg.h>
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

static int set_path(struct spool_writer_file *file, const char *signal, const char *format, ...)
{
    va_list arguments;
    int dir, name = 0;

    va_start(arguments, format);
    dir = vsnprintf(file->path, sizeof(file->path), format, arguments);
    va_end(arguments);
    if (dir > 0 && (size_t)dir < sizeof(file->path))
        name = snprintf(file->path + dir, sizeof(file->path) - (size_t)dir,
                        "/" SPOOL_FILES_ACTIVE_FORMAT, signal);
    if (name > 0 && (size_t)dir + (size_t)name < sizeof(file->path))
        return dir;
    /* A path cut off would be another file: without one each append fails, and is counted. */
    file->path[0] = '\0';
    return -1;
}

int spool_writer_init(struct spool_writer *spool, const char *dir, const char *signal,
                      uint64_t max_bytes)
{
    *spool = (struct spool_writer){.memory = {.fd = -1},
                                   .disk = {.fd = -1, .max_bytes = max_bytes},
                                   .check_ns = clock_ms_to_ns(SPOOL_CHECK_MS)};
    return set_path(&spool->disk, signal, "%s", dir) > 0 ? 0 : -1;
}

void spool_writer_set_memory(struct spool_writer *spool, const char *run_dir, const char *signal,
                             uint64_t max_bytes)
{
    struct spool_writer_file *const file = &spool->memory;
    const int dir_length = set_path(file, signal, "%s/" SPOOL_FILES_MEMORY_DIR, run_dir);

    /* Some have their spool there. */
    if (dir_length < 0 || strcmp(file->path, spool->disk.path) == 0)
        file->path[0] = '\0';
    file->dir_length = dir_length > 0 ? (size_t)dir_length : 0;
    file->max_bytes = max_bytes;
}

static void close_file(struct spool_writer *spool, struct spool_writer_file *file)
{
    if (file->fd >= 0 && close(file->fd) != 0)
        spool->last_errno = errno;
    file->fd = -1;
}

void spool_writer_close(struct spool_writer *spool)
{
    close_file(spool, &spool->memory);
    close_file(spool, &spool->disk);
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

/*
 * Opens it in its directory, which a member of the group could have made a link, or one that the
 * agent does not use: it makes none that everybody may write to, and takes such a one of root's
 * alone.
 */
static int open_below(const struct spool_writer_file *file, int flags, struct stat *status)
{
    char dir[SPOOL_PATH_MAX];
    int dir_fd, fd, error;

    memcpy(dir, file->path, file->dir_length);
    dir[file->dir_length] = '\0';
    dir_fd = open(dir, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (dir_fd < 0)
        return -1;
    fd = -1;
    if (fstat(dir_fd, status) == 0 && (status->st_mode & S_IWOTH) != 0 && status->st_uid != 0)
        errno = EACCES;
    else
        fd = instance_file_open(dir_fd, file->path + file->dir_length + 1, flags, status);
    error = errno;
    (void)close(dir_fd);
    errno = error;
    return fd;
}

static int open_file(struct spool_writer_file *file)
{
    const int flags = O_RDWR | O_APPEND | O_CREAT;
    struct stat status;
    const int fd = file->dir_length > 0 ? open_below(file, flags, &status)
                                        : instance_file_open(AT_FDCWD, file->path, flags, &status);

    if (fd < 0)
        return -1;
    if (lock_shared(fd) != 0) {
        const int error = errno;

        (void)close(fd);
        errno = error;
        return -1;
    }
    file->fd = fd;
    file->device = status.st_dev;
    file->inode = status.st_ino;
    file->limited = is_limited();
    file->torn = ends_torn(fd, (uint64_t)status.st_size);
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
static int compare(struct spool_writer_file *file, bool *same)
{
    struct statx status;

    *same = false;
    if (statx(AT_FDCWD, file->path, AT_SYMLINK_NOFOLLOW, STATX_INO | STATX_SIZE, &status) != 0)
        return errno == ENOENT ? 0 : -1;
    *same = status.stx_ino == file->inode &&
            makedev(status.stx_dev_major, status.stx_dev_minor) == file->device;
    if (*same)
        file->size = status.stx_size;
    return 0;
}

/*
 * Makes sure that fd is locked and was the file at the path a moment ago. We take the lock before
 * the comparison, so that the agent sees it on a segment that is sealed afterwards.
 */
static int ensure_current(struct spool_writer *spool, struct spool_writer_file *file, uint64_t now)
{
    if (file->fd >= 0 && now - file->checked_ns < spool->check_ns)
        return 0;
    for (int try = 0; try < REOPEN_TRIES; try++) {
        bool same;

        if (file->fd < 0 && open_file(file) != 0)
            return -1;
        if (compare(file, &same) != 0)
            return -1;
        if (same) {
            file->checked_ns = now;
            file->limited = is_limited();
            return 0;
        }
        close_file(spool, file);
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
static ssize_t write_lines(const struct spool_writer_file *file, const char *lines, size_t len)
{
    const struct iovec parts[] = {{.iov_base = (void *)"\n", .iov_len = 1},
                                  {.iov_base = (void *)lines, .iov_len = len}};
    ssize_t wrote;

    do
        wrote = file->limited ? write_limited(file->fd, &parts[!file->torn], 1 + file->torn)
                : file->torn  ? writev(file->fd, parts, 2)
                              : write(file->fd, lines, len);
    while (wrote < 0 && errno == EINTR);
    return wrote;
}

static enum spool_result append(struct spool_writer *spool, struct spool_writer_file *file,
                                uint64_t now, const char *lines, size_t len, unsigned *lost)
{
    const unsigned total = count_lines(lines, len);
    ssize_t wrote;

    *lost = total;
    spool->wrote = 0;
    if (ensure_current(spool, file, now) != 0)
        return failure(spool, errno);
    if (file->size + len > file->max_bytes)
        return SPOOL_FULL;
    file->torn = file->torn && stays_torn(file->fd);
    wrote = write_lines(file, lines, len);
    if (wrote < 0)
        return failure(spool, errno);
    spool->inode = file->inode;
    file->size += (uint64_t)wrote;
    if (file->torn && wrote > 0) {
        file->torn = false;
        wrote--;
    }
    spool->wrote = (size_t)wrote;
    if ((size_t)wrote == len) {
        *lost = 0;
        spool->last_errno = 0;
        return SPOOL_OK;
    }
    /* Short write: whole lines are in, the agent counts the broken one, the rest is lost. */
    file->torn = wrote > 0 && lines[wrote - 1] != '\n';
    *lost = total - count_lines(lines, (size_t)wrote) - (file->torn ? 1 : 0);
    return failure(spool, ENOSPC);
}

/*
 * Memory had room for a part, `spool->wrote` bytes. The disk takes what is not whole there, also
 * the line that was cut off: of that one the agent counts a torn piece, too.
 */
static enum spool_result append_rest(struct spool_writer *spool, uint64_t now, const char *lines,
                                     size_t len, unsigned *lost)
{
    const size_t in_memory = spool->wrote;
    const char *const newline = memrchr(lines, '\n', in_memory);
    const size_t whole = newline != NULL ? (size_t)(newline - lines) + 1 : 0;
    const unsigned lost_without = *lost;
    const enum spool_result result =
        append(spool, &spool->disk, now, lines + whole, len - whole, lost);

    if (result != SPOOL_OK && spool->wrote == 0) {
        spool->wrote = in_memory;
        *lost = lost_without;
        return result;
    }
    spool->wrote += whole;
    spool->inode = 0;
    return result;
}

/* Whether memory is to be tried: it is in use, or it may have come since the last try. */
static bool memory_due(const struct spool_writer *spool, uint64_t now)
{
    return spool->memory.path[0] != '\0' &&
           (spool->memory.fd >= 0 || now - spool->memory.checked_ns >= spool->check_ns);
}

enum spool_result spool_writer_append(struct spool_writer *spool, const char *lines, size_t len,
                                      unsigned *lost)
{
    const uint64_t now = now_ns();

    assert(len > 0 && lines[len - 1] == '\n');
    if (memory_due(spool, now)) {
        const enum spool_result result = append(spool, &spool->memory, now, lines, len, lost);

        if (spool->wrote > 0 && result != SPOOL_OK)
            return append_rest(spool, now, lines, len, lost);
        if (result == SPOOL_OK) {
            /* What is on the disk is the agent's as soon as nobody has it open. */
            close_file(spool, &spool->disk);
            return result;
        }
        if (spool->memory.fd < 0)
            spool->memory.checked_ns = now;
    }
    return append(spool, &spool->disk, now, lines, len, lost);
}

/* A file beside the spool, of a name that nobody can have guessed if the usual one is taken. */
static int make_probe(const struct spool_writer_file *file, char path[PROBE_PATH_MAX])
{
    int fd;

    (void)snprintf(path, PROBE_PATH_MAX, "%s.probe.%ld", file->path, (long)getpid());
    (void)unlink(path); /* an earlier process's of this number, which was killed */
    fd = instance_file_make(AT_FDCWD, path, INSTANCE_FILE_MODE);
    if (fd >= 0 || errno != EEXIST)
        return fd;
    (void)snprintf(path, PROBE_PATH_MAX, "%s.probe.%016" PRIx64, file->path, ids_random64());
    return instance_file_make(AT_FDCWD, path, INSTANCE_FILE_MODE);
}

static enum spool_result probe(struct spool_writer *spool, struct spool_writer_file *file)
{
    char path[PROBE_PATH_MAX], page[PROBE_SIZE] = {0};
    enum spool_result result = SPOOL_OK;
    ssize_t wrote;
    int fd;

    file->checked_ns = 0;
    if (ensure_current(spool, file, now_ns()) != 0)
        return failure(spool, errno);
    if (file->size >= file->max_bytes)
        return SPOOL_FULL;
    fd = make_probe(file, path);
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

enum spool_result spool_writer_probe(struct spool_writer *spool)
{
    if (spool->memory.path[0] != '\0' && probe(spool, &spool->memory) == SPOOL_OK)
        return SPOOL_OK;
    return probe(spool, &spool->disk);
}

static bool leads(const struct spool_writer_file *file)
{
    return file->path[0] != '\0' && access(file->path, W_OK) == 0;
}

bool spool_writer_leads(const struct spool_writer *spool)
{
    return leads(&spool->memory) || leads(&spool->disk);
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
