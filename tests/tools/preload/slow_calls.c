/*
 * For tests, by LD_PRELOAD: a disk that takes its time. SLOW_CALLS is a folder; while it holds a
 * file with the name of a call, fdatasync say, each such call on a file below SLOW_BELOW first
 * sleeps for as many milliseconds as the file says. Counts for calls that this program makes, with
 * a descriptor: of the file itself, or of the directory that a name is looked up in. With
 * SLOW_BESIDE set, the main thread's calls are not slow.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

static int is_below(int fd)
{
    const char *below = getenv("SLOW_BELOW");
    char link[32], path[4096];
    ssize_t len;

    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    len = readlink(link, path, sizeof path - 1);
    return below != NULL && len > 0 && strncmp(path, below, strlen(below)) == 0;
}

static void wait_for(const char *call, int fd)
{
    const char *folder = getenv("SLOW_CALLS");
    char path[4096];
    long ms = 0;
    FILE *file;

    if (folder == NULL || fd < 0 || (getenv("SLOW_BESIDE") != NULL && gettid() == getpid()))
        return;
    (void)snprintf(path, sizeof path, "%s/%s", folder, call);
    file = fopen(path, "re");
    if (file == NULL)
        return;
    if (fscanf(file, "%ld", &ms) == 1 && is_below(fd)) {
        struct timespec left = {ms / 1000, ms % 1000 * 1000000};

        while (nanosleep(&left, &left) != 0)
            ;
    }
    (void)fclose(file);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

int fdatasync(int fd)
{
    wait_for("fdatasync", fd);
    return REAL(fdatasync)(fd);
}

int renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
    wait_for("rename", from_fd);
    return REAL(renameat2)(from_fd, from, to_fd, to, flags);
}

int unlinkat(int fd, const char *name, int flags)
{
    wait_for("unlink", fd);
    return REAL(unlinkat)(fd, name, flags);
}

int openat(int fd, const char *name, int flags, ...)
{
    mode_t mode = 0;
    va_list rest;

    va_start(rest, flags);
    if ((flags & (O_CREAT | O_TMPFILE)) != 0)
        mode = va_arg(rest, mode_t);
    va_end(rest);
    wait_for("open", fd);
    return REAL(openat)(fd, name, flags, mode);
}

int fstatat(int fd, const char *name, struct stat *status, int flags)
{
    wait_for("stat", fd);
    return REAL(fstatat)(fd, name, status, flags);
}

int fstatvfs(int fd, struct statvfs *status)
{
    wait_for("statvfs", fd);
    return REAL(fstatvfs)(fd, status);
}

ssize_t pread(int fd, void *bytes, size_t length, off_t offset)
{
    wait_for("read", fd);
    return REAL(pread)(fd, bytes, length, offset);
}

/* What a fortified program calls. */
ssize_t __pread_chk(int fd, void *bytes, size_t length, off_t offset, size_t room);

ssize_t __pread_chk(int fd, void *bytes, size_t length, off_t offset, size_t room)
{
    (void)room;
    return pread(fd, bytes, length, offset);
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset)
{
    wait_for("write", fd);
    return REAL(pwrite)(fd, bytes, length, offset);
}
