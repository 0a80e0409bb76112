#include "metrics-agent/export/spool_dir.h"

#include "lib/base/instance_file.h"
#include "lib/base/message.h"
#include "lib/spool/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { ROOM_MIN_BYTES = 128 << 10 };

/* "<before><path><what>: <errno's text>" */
static int fail(char reason[SPOOL_DIR_REASON_MAX], const char *before, const char *path,
                const char *what)
{
    const int error = errno;

    (void)snprintf(reason, SPOOL_DIR_REASON_MAX, "%s%s%s: %s", before, path, what,
                   instance_file_error(error));
    errno = error;
    return -1;
}

static int second_agent(struct spool_dir *dir, char reason[SPOOL_DIR_REASON_MAX])
{
    (void)snprintf(reason, SPOOL_DIR_REASON_MAX, "another metrics-agent works on %s; end it first",
                   dir->path);
    dir->taken = true;
    return -1;
}

/* Whether `name` in the directory `at` is the file that `fd` is open on. */
static bool same(int at, const char *name, int fd)
{
    const int flags = at == AT_FDCWD ? 0 : AT_SYMLINK_NOFOLLOW;
    struct stat named, held;

    return fd >= 0 && fstat(fd, &held) == 0 && fstatat(at, name, &named, flags) == 0 &&
           named.st_ino == held.st_ino && named.st_dev == held.st_dev;
}

static int take_lock(struct spool_dir *dir, char reason[SPOOL_DIR_REASON_MAX])
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

    dir->lock_fd = instance_file_open(dir->fd, SPOOL_FILES_LOCK, O_RDWR | O_CREAT, NULL);
    if (dir->lock_fd < 0)
        return fail(reason, "", dir->path,
                    "/" SPOOL_FILES_LOCK " can't be opened (the agent has to be able to write "
                    "there)");
    if (fcntl(dir->lock_fd, F_OFD_SETLK, &lock) == 0)
        return 0;
    if (errno == EAGAIN || errno == EACCES)
        return second_agent(dir, reason);
    return fail(reason, "", dir->path, "/" SPOOL_FILES_LOCK " can't be locked");
}

bool spool_dir_is_full(int fd)
{
    struct statvfs disk;

    return fstatvfs(fd, &disk) == 0 && disk.f_blocks > 0 &&
           (disk.f_bavail * disk.f_frsize < ROOM_MIN_BYTES ||
            (disk.f_files > 0 && disk.f_favail == 0));
}

uint64_t spool_dir_room(int fd)
{
    struct statvfs disk;
    uint64_t room;

    if (fstatvfs(fd, &disk) != 0 || disk.f_blocks == 0)
        return UINT64_MAX;
    room = (uint64_t)disk.f_bavail * disk.f_frsize;
    return room > ROOM_MIN_BYTES ? room - ROOM_MIN_BYTES : 0;
}

int spool_dir_open(struct spool_dir *dir, const char *path, bool make,
                   char reason[SPOOL_DIR_REASON_MAX])
{
    char unsafe[INSTANCE_DIR_REASON_MAX];
    enum instance_dir_state state = INSTANCE_DIR_SAFE;
    struct stat status;
    bool locked;
    int result = 0;

    *dir = (struct spool_dir){.path = path, .fd = -1, .lock_fd = -1};
    if (make && instance_dir_make(path, (gid_t)-1) != 0)
        return fail(reason, "MICROTRACE_SPOOL_DIR: ", path, " can't be made");
    dir->fd = instance_dir_open(AT_FDCWD, path);
    if (dir->fd < 0)
        return fail(reason, "MICROTRACE_SPOOL_DIR: ", path, " can't be opened");
    if (fstat(dir->fd, &status) == 0)
        state = instance_dir_check(&status, path, unsafe);
    if (state == INSTANCE_DIR_FOREIGN) {
        (void)snprintf(reason, SPOOL_DIR_REASON_MAX, "MICROTRACE_SPOOL_DIR: %.480s", unsafe);
        result = -1;
    }
    /* A file system without such locks leaves us agent.lock. */
    locked = result == 0 && flock(dir->fd, LOCK_EX | LOCK_NB) == 0;
    if (result == 0 && !locked && errno == EWOULDBLOCK)
        result = second_agent(dir, reason);
    else if (result == 0 && take_lock(dir, reason) != 0)
        /* A disk without room or inodes gets them back only if we go on; nobody else can then. */
        result = locked && dir->lock_fd < 0 && (errno == ENOSPC || errno == EDQUOT) ? 0 : -1;
    if (result == 0 && state == INSTANCE_DIR_OPEN)
        message_print("MICROTRACE_SPOOL_DIR: %s", unsafe);
    if (result != 0)
        spool_dir_close(dir);
    return result;
}

void spool_dir_close(struct spool_dir *dir)
{
    if (dir->lock_fd >= 0)
        (void)close(dir->lock_fd);
    if (dir->fd >= 0)
        (void)close(dir->fd);
    dir->fd = dir->lock_fd = -1;
}

enum spool_dir_state spool_dir_check(struct spool_dir *dir, struct checkpoint *checkpoint,
                                     bool *lost, char reason[SPOOL_DIR_REASON_MAX])
{
    *lost = false;
    if (!same(AT_FDCWD, dir->path, dir->fd))
        return SPOOL_DIR_OTHER;
    if (!same(dir->fd, SPOOL_FILES_LOCK, dir->lock_fd)) {
        if (dir->lock_fd >= 0) {
            message_print("%s was removed by someone else; making it anew", SPOOL_FILES_LOCK);
            (void)close(dir->lock_fd);
        }
        if (take_lock(dir, reason) != 0) {
            if (dir->lock_fd >= 0)
                (void)close(dir->lock_fd);
            dir->lock_fd = -1;
            return SPOOL_DIR_TROUBLE;
        }
    }
    if (checkpoint->disk.fd >= 0 && !same(dir->fd, SPOOL_FILES_CHECKPOINT, checkpoint->disk.fd)) {
        message_print("%s was removed by someone else; making it anew", SPOOL_FILES_CHECKPOINT);
        checkpoint_reopen(checkpoint);
        *lost = true;
    }
    return SPOOL_DIR_SAME;
}
