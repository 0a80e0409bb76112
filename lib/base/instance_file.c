#include "lib/base/instance_file.h"

#include "lib/base/descriptor.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    ALWAYS = O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
    MAKE_RACES = 8, /* times that a file may appear and vanish again while we open it */
};

static int close_failed(int fd, int error)
{
    (void)close(fd);
    errno = error;
    return -1;
}

int instance_file_check(const struct stat *status)
{
    switch (status->st_mode & S_IFMT) {
    case S_IFREG:
        break;
    case S_IFLNK:
        return ELOOP;
    case S_IFDIR:
        return EISDIR;
    default:
        return EINVAL;
    }
    /* None: it was removed since it was opened. */
    return status->st_nlink == 1 ? 0 : status->st_nlink == 0 ? ENOENT : EMLINK;
}

static int stat_parent(int dir_fd, const char *path, struct stat *status)
{
    const char *const slash = strrchr(path, '/');
    char parent[PATH_MAX];

    if (slash == NULL)
        return fstatat(dir_fd, ".", status, 0);
    if (snprintf(parent, sizeof(parent), "%.*s/", (int)(slash - path), path) >= (int)sizeof(parent))
        return -1;
    return fstatat(dir_fd, parent, status, 0);
}

static bool is_members(int dir_fd, const char *path, const struct stat *file)
{
    struct stat dir;

    if (file->st_uid == geteuid() || file->st_uid == 0)
        return true;
    return stat_parent(dir_fd, path, &dir) == 0 &&
           (file->st_uid == dir.st_uid || file->st_gid == dir.st_gid ||
            (dir.st_mode & S_IWOTH) != 0);
}

static int examine(int fd, int dir_fd, const char *path, struct stat *status)
{
    int error;

    if (fstat(fd, status) != 0)
        return close_failed(fd, errno);
    error = instance_file_check(status);
    if (error == 0 && !is_members(dir_fd, path, status))
        error = EPERM;
    return error == 0 ? fd : close_failed(fd, error);
}

static int make(int dir_fd, const char *path, int flags, mode_t mode)
{
    const int fd = descriptor_move(openat(dir_fd, path, flags | O_CREAT | O_EXCL | ALWAYS, mode));

    /* The umask took bits away; the group is the directory's. */
    if (fd < 0 || fchmod(fd, mode) == 0)
        return fd;
    const int error = errno;
    (void)unlinkat(dir_fd, path, 0);
    return close_failed(fd, error);
}

int instance_file_make(int dir_fd, const char *path, mode_t mode)
{
    return make(dir_fd, path, O_RDWR, mode);
}

int instance_file_replace(int dir_fd, const char *name, mode_t mode, const void *bytes, size_t len)
{
    char temporary[NAME_MAX + 1];
    int fd, error = 0;
    ssize_t wrote;

    if (snprintf(temporary, sizeof(temporary), "%s.new", name) >= (int)sizeof(temporary)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    (void)unlinkat(dir_fd, temporary, 0);
    fd = instance_file_make(dir_fd, temporary, mode);
    if (fd < 0)
        return -1;
    wrote = write(fd, bytes, len);
    if (wrote < 0 || (size_t)wrote < len)
        error = wrote < 0 ? errno : ENOSPC;
    if (close(fd) != 0 && error == 0)
        error = errno;
    if (error == 0 && renameat(dir_fd, temporary, dir_fd, name) == 0)
        return 0;
    if (error == 0)
        error = errno;
    (void)unlinkat(dir_fd, temporary, 0);
    errno = error;
    return -1;
}

bool instance_file_is_other(int dir_fd, const char *name)
{
    static const char proc[] = "/proc/";
    char target[sizeof(proc) - 1];
    struct stat status;

    if (readlinkat(dir_fd, name, target, sizeof(target)) == (ssize_t)sizeof(target) &&
        memcmp(target, proc, sizeof(target)) == 0)
        return true;
    return fstatat(dir_fd, name, &status, 0) == 0 && !S_ISREG(status.st_mode);
}

/* Whoever made the file may have died before it had its mode; and `chmod -R 777` is a reflex. */
static void mend_mode(int fd, const struct stat *status)
{
    if (status->st_uid == geteuid() && (status->st_mode & 0777) != INSTANCE_FILE_MODE &&
        (status->st_size == 0 || (status->st_mode & S_IWOTH) != 0))
        (void)fchmod(fd, INSTANCE_FILE_MODE);
}

int instance_file_open(int dir_fd, const char *path, int flags, struct stat *status)
{
    struct stat own;

    if (status == NULL)
        status = &own;
    for (int i = 0; i < MAKE_RACES; i++) {
        /* Without O_CREAT: sticky directories may refuse that for a file that exists. */
        int fd = descriptor_move(openat(dir_fd, path, (flags & ~O_CREAT) | ALWAYS));

        if (fd < 0 && errno == ENXIO)
            errno = EINVAL; /* a FIFO that nobody reads, or a socket */
        if (fd >= 0)
            fd = examine(fd, dir_fd, path, status);
        if (fd >= 0 && (flags & O_CREAT) != 0)
            mend_mode(fd, status);
        if (fd >= 0 || errno != ENOENT || (flags & O_CREAT) == 0)
            return fd;
        fd = make(dir_fd, path, flags, INSTANCE_FILE_MODE);
        if (fd >= 0)
            return fstat(fd, status) == 0 ? fd : close_failed(fd, errno);
        if (errno != EEXIST)
            return -1;
    }
    errno = EBUSY;
    return -1;
}

const char *instance_file_error(int error)
{
    switch (error) {
    case ELOOP:
        return "it is a symbolic link, which nobody follows here; remove it";
    case EISDIR:
        return "it is a directory; remove it";
    case EINVAL:
        return "it is not a regular file; remove it";
    case EMLINK:
        return "it has a second name (a hard link), so it may be anybody's file; remove one";
    case EPERM:
        return "it belongs to somebody outside the directory's group, or can't be changed";
    default:
        return strerror(error);
    }
}

int instance_dir_open(int dir_fd, const char *path)
{
    return descriptor_move(openat(dir_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

int instance_dir_make(const char *path, gid_t group)
{
    struct stat status;
    int fd;

    if (mkdir(path, group == (gid_t)-1 ? INSTANCE_DIR_MODE & 0777 : 0700) != 0)
        return errno == EEXIST ? 0 : -1;
    /* By now the name may be a link that a member of the group put in its place. */
    fd = open(path, O_RDONLY | O_DIRECTORY | ALWAYS);
    if (fd < 0)
        return -1;
    if (fstat(fd, &status) != 0 || status.st_uid != geteuid())
        return close_failed(fd, EPERM);
    /* Who is not in the group has an instance of his own: not being allowed is no failure. */
    if (group != (gid_t)-1 && fchown(fd, (uid_t)-1, group) != 0 && errno != EPERM)
        return close_failed(fd, errno);
    /* In a directory like it that took a fitting umask; a sandbox may refuse to set the bit
     * (RestrictSUIDSGID, systemd.exec(5)). */
    if ((status.st_mode & 07777) != INSTANCE_DIR_MODE && fchmod(fd, INSTANCE_DIR_MODE) != 0)
        return close_failed(fd, errno);
    (void)close(fd);
    return 0;
}

enum instance_dir_state instance_dir_check(const struct stat *status, const char *path,
                                           char reason[INSTANCE_DIR_REASON_MAX])
{
    reason[0] = '\0';
    if ((status->st_mode & S_IWOTH) == 0)
        return INSTANCE_DIR_SAFE;
    if (status->st_uid != geteuid() && status->st_uid != 0) {
        (void)snprintf(reason, INSTANCE_DIR_REASON_MAX,
                       "%.300s belongs to user %u, and everybody may write there; choose another "
                       "directory, or take this one over: chown %u, then chmod o-w",
                       path, (unsigned)status->st_uid, (unsigned)geteuid());
        return INSTANCE_DIR_FOREIGN;
    }
    if ((status->st_mode & S_ISVTX) != 0 ||
        (status->st_uid == 0 && (status->st_mode & S_ISGID) != 0))
        return INSTANCE_DIR_SAFE;
    (void)snprintf(reason, INSTANCE_DIR_REASON_MAX,
                   "everybody may write to this directory; close it: chmod o-w %.300s", path);
    return INSTANCE_DIR_OPEN;
}
