#include "lib/base/reminder.h"

#include "lib/base/instance_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { FILE_MODE = 0600 };

/* FNV-1a: different subjects get different files. */
static uint64_t hash(const char *text)
{
    uint64_t value = UINT64_C(0xcbf29ce484222325);

    for (; *text != '\0'; text++)
        value = (value ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
    return value;
}

/* Whether the file, which is ours and locked, is old enough; makes it new then. */
static bool is_due(int fd)
{
    struct timespec now;
    struct stat status;

    if (fstat(fd, &status) != 0 || clock_gettime(CLOCK_REALTIME, &now) != 0)
        return true;
    /* One from the future is the work of a clock that was put back. */
    if (status.st_mtim.tv_sec <= now.tv_sec && now.tv_sec - status.st_mtim.tv_sec < REMINDER_S)
        return false;
    (void)futimens(fd, NULL);
    return true;
}

bool reminder_due(const char *about)
{
    const char *const set = getenv("TMPDIR");
    char path[PATH_MAX];
    struct stat status;
    bool due;
    int fd;

    if (snprintf(path, sizeof(path), "%s/.microtrace-%u-%016llx",
                 set != NULL && set[0] != '\0' ? set : "/tmp", (unsigned)geteuid(),
                 (unsigned long long)hash(about)) >= (int)sizeof(path))
        return true;
    fd = instance_file_make(AT_FDCWD, path, FILE_MODE);
    if (fd >= 0) {
        (void)close(fd);
        return true;
    }
    fd = errno == EEXIST ? instance_file_open(AT_FDCWD, path, O_RDWR, &status) : -1;
    if (fd < 0)
        return true;
    /* Whoever has the lock is just saying it. */
    due = status.st_uid != geteuid() || (flock(fd, LOCK_EX | LOCK_NB) == 0 && is_due(fd));
    (void)close(fd);
    return due;
}
