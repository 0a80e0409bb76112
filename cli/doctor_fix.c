#include "cli/doctor_fix.h"

#include "lib/base/instance_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int open_dir(int at, const char *path)
{
    struct open_how how = {.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
                           .resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};

    return (int)syscall(SYS_openat2, at, path, &how, sizeof(how));
}

static int close_failed(int fd, int error)
{
    (void)close(fd);
    errno = error;
    return -1;
}

/* Closes `fd`. */
static int set(int fd, uid_t uid, gid_t gid)
{
    /* The mode comes last: a change of the owner may take bits away. */
    if (((uid != DOCTOR_FIX_ANY || gid != (gid_t)-1) && fchown(fd, uid, gid) != 0) ||
        fchmod(fd, INSTANCE_DIR_MODE) != 0)
        return close_failed(fd, errno);
    return close(fd);
}

int doctor_fix_make(const char *path, uid_t uid, gid_t gid)
{
    char copy[PATH_MAX], *slash;
    const char *name = copy, *parent = ".";
    struct stat status;
    int above, fd;

    if (snprintf(copy, sizeof(copy), "%s", path) >= (int)sizeof(copy)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    slash = strrchr(copy, '/');
    if (slash != NULL) {
        name = slash + 1;
        parent = slash == copy ? "/" : copy;
        *slash = '\0';
    }
    above = open_dir(AT_FDCWD, parent);
    if (above < 0)
        return -1;
    if (mkdirat(above, name, 0700) != 0)
        return close_failed(above, errno);
    /* By now it may be another one, which somebody has put in its place. */
    fd = open_dir(above, name);
    (void)close(above);
    if (fd < 0)
        return -1;
    if (fstat(fd, &status) != 0 || status.st_uid != geteuid())
        return close_failed(fd, EPERM);
    return set(fd, uid, gid);
}

/* The second tier of the spool, and what a file system of its own has. */
static bool is_instances(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strcmp(name, "spool") == 0 ||
           strcmp(name, "lost+found") == 0;
}

bool doctor_fix_is_shared(const char *path)
{
    DIR *const dir = opendir(path);
    const struct dirent *entry;
    bool shared;
    struct stat found;

    if (dir == NULL)
        return false;
    shared = fstat(dirfd(dir), &found) == 0 && (found.st_mode & S_ISVTX) != 0;
    while (!shared && (entry = readdir(dir)) != NULL) {
        if (!is_instances(entry->d_name))
            shared = entry->d_name[0] == '.' ||
                     (fstatat(dirfd(dir), entry->d_name, &found, 0) == 0 && S_ISDIR(found.st_mode));
    }
    (void)closedir(dir);
    return shared;
}

int doctor_fix_set(const char *path, uid_t uid, gid_t gid)
{
    const int fd = open_dir(AT_FDCWD, path);
    struct stat status;

    if (fd < 0)
        return -1;
    if (fstat(fd, &status) != 0)
        return close_failed(fd, errno);
    if (status.st_uid != geteuid() && status.st_uid != 0 && status.st_uid != uid)
        return close_failed(fd, EPERM);
    return set(fd, uid, gid);
}
