/*
 * For tests, by LD_PRELOAD: lets the n-th call of one family fail, counted from main() on and in
 * each process for itself, by whichever code makes it (libc's own system calls are not seen, its
 * allocations are). Settings, all from the environment:
 *
 *     FAIL_NTH_PROGRAM   only in programs of this name; the others run as they are
 *     FAIL_NTH_FAMILY    memory, map, open, read, write, size, lock, name, sync, stat, event or
 *                        socket
 *     FAIL_NTH_CALL      which one, from 1; 0 or unset: none, only count
 *     FAIL_NTH_FROM      set: that one and all that follow
 *     FAIL_NTH_ERRNO     the number of the error; 0: a write that takes half of its bytes
 *     FAIL_NTH_KILL      set: the process is killed there: before the call or, if FAIL_NTH_ERRNO is
 *                        0, in the middle of a write, behind a call of size, name or sync
 *     FAIL_NTH_REPORT    a file that each process adds a line to when its main() begins and when a
 *                        call fails for the first time, and PATH.PID with the counts of the calls,
 *                        as they stand at any moment: one uint64_t for each family, in this order
 *
 * Descriptors 0 to 2, sockets and pipes are the peer's: read and write spare them, so that what is
 * missing afterwards was lost by the program and not by the test.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum family {
    MEMORY,
    MAP,
    OPEN,
    READ,
    WRITE,
    SIZE,
    LOCK,
    NAME,
    SYNC,
    STAT,
    EVENT,
    SOCKET,
    FAMILIES
};

enum { TOLD_MAX = 200 };

static const char *const names[FAMILIES] = {"memory", "map",  "open", "read", "write", "size",
                                            "lock",   "name", "sync", "stat", "event", "socket"};

static atomic_bool armed; /* main() has begun */
static _Atomic uint64_t own_counts[FAMILIES];
static _Atomic uint64_t *counts = own_counts;
static atomic_int told; /* lines of the report */
static int family = -1, error_number;
static uint64_t nth;
static bool from_then_on, kills;
static _Thread_local bool dying; /* when the call is done */
static const char *report;

static void *next_function(const char *name)
{
    return dlsym(RTLD_NEXT, name);
}

/* By system calls alone: whatever else is used here could be what is failing. */
static void add_line(const char *line, int length)
{
    const long fd = report != NULL ? syscall(SYS_openat, AT_FDCWD, report,
                                             O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666)
                                   : -1;

    if (fd < 0)
        return;
    (void)syscall(SYS_write, fd, line, length);
    (void)syscall(SYS_close, fd);
}

static void share_counts(void)
{
    const size_t size = sizeof(own_counts);
    char path[4096];
    long fd, at;

    if (report == NULL)
        return;
    (void)snprintf(path, sizeof(path), "%s.%d", report, (int)getpid());
    fd = syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0)
        return;
    if (syscall(SYS_ftruncate, fd, size) == 0) {
        at = syscall(SYS_mmap, NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0L);
        if (at > 0 || at < -4096)
            counts = (_Atomic uint64_t *)at;
    }
    (void)syscall(SYS_close, fd);
}

static void begin(void)
{
    char line[128];

    counts = own_counts;
    for (int i = 0; i < FAMILIES; i++)
        own_counts[i] = 0;
    told = 0;
    share_counts();
    add_line(line, snprintf(line, sizeof(line), "%d begins\n", (int)getpid()));
}

static void read_settings(void)
{
    const char *const program = getenv("FAIL_NTH_PROGRAM"),
                      *const wanted = getenv("FAIL_NTH_FAMILY"),
                      *const call = getenv("FAIL_NTH_CALL"),
                      *const number = getenv("FAIL_NTH_ERRNO");

    if (program != NULL && strcmp(program, program_invocation_short_name) != 0)
        return;
    for (int i = 0; i < FAMILIES; i++)
        if (wanted != NULL && strcmp(wanted, names[i]) == 0)
            family = i;
    nth = call != NULL ? strtoull(call, NULL, 10) : 0;
    error_number = number != NULL ? atoi(number) : ENOMEM;
    from_then_on = getenv("FAIL_NTH_FROM") != NULL;
    kills = getenv("FAIL_NTH_KILL") != NULL;
    report = getenv("FAIL_NTH_REPORT");
    begin();
    (void)pthread_atfork(NULL, NULL, begin);
    armed = true;
}

static int (*real_main)(int, char **, char **);

static int counted_main(int argc, char **argv, char **environment)
{
    read_settings();
    return real_main(argc, argv, environment);
}

int __libc_start_main(int (*main)(int, char **, char **), int argc, char **argv, void (*init)(void),
                      void (*fini)(void), void (*rtld_fini)(void), void *stack_end);

int __libc_start_main(int (*main)(int, char **, char **), int argc, char **argv, void (*init)(void),
                      void (*fini)(void), void (*rtld_fini)(void), void *stack_end)
{
    int (*real)(int (*)(int, char **, char **), int, char **, void (*)(void), void (*)(void),
                void (*)(void), void *);

    *(void **)&real = next_function("__libc_start_main");
    real_main = main;
    return real(counted_main, argc, argv, init, fini, rtld_fini, stack_end);
}

static void tell(uint64_t call, const void *caller)
{
    char line[512];
    Dl_info info = {.dli_fname = "?"};
    int length;

    if (atomic_fetch_add(&told, 1) >= TOLD_MAX)
        return;
    (void)dladdr(caller, &info);
    length = snprintf(line, sizeof(line), "%d %s %llu fails, called from %s+0x%lx\n", (int)getpid(),
                      names[family], (unsigned long long)call, info.dli_fname,
                      (unsigned long)((const char *)caller - (const char *)info.dli_fbase));
    add_line(line, length < (int)sizeof(line) ? length : (int)sizeof(line) - 1);
}

static void die(void)
{
    (void)syscall(SYS_kill, syscall(SYS_getpid), SIGKILL);
}

/* Counts a call. Returns whether it is to fail; errno is set then. */
static bool fails(enum family of, const void *caller)
{
    uint64_t call;

    if (!atomic_load(&armed))
        return false;
    call = atomic_fetch_add(&counts[of], 1) + 1;
    if ((int)of != family || nth == 0 || (from_then_on ? call < nth : call != nth))
        return false;
    tell(call, caller);
    if (kills && error_number != 0)
        die();
    if (kills && of != WRITE) {
        dying = true;
        return false;
    }
    errno = error_number;
    return true;
}

#define FAILS(of) fails(of, __builtin_return_address(0))

/* --- memory ---------------------------------------------------------------------------------- */

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

void *malloc(size_t size)
{
    return FAILS(MEMORY) ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return FAILS(MEMORY) ? NULL : __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
    return FAILS(MEMORY) ? NULL : __libc_realloc(old, size);
}

void *memalign(size_t alignment, size_t size)
{
    return FAILS(MEMORY) ? NULL : __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return FAILS(MEMORY) ? NULL : __libc_memalign(alignment, size);
}

int posix_memalign(void **out, size_t alignment, size_t size)
{
    void *const got = FAILS(MEMORY) ? NULL : __libc_memalign(alignment, size);

    if (got == NULL)
        return ENOMEM;
    *out = got;
    return 0;
}

/* --- system calls ---------------------------------------------------------------------------- */

static long done(long result)
{
    if (dying)
        die();
    return result;
}

/* A function with the arguments that its system call takes, and the same under its 64-bit name. */
#define SYSTEM_CALL(of, type, name, number, parameters, ...)                                       \
    type name parameters                                                                           \
    {                                                                                              \
        return FAILS(of) ? (type)-1 : (type)done(syscall(number, __VA_ARGS__));                    \
    }
#define ALSO(name, of) __asm__(".globl " #name "; .set " #name ", " #of)

void *mmap(void *at, size_t length, int protection, int flags, int fd, off_t offset)
{
    return FAILS(MAP) ? MAP_FAILED
                      : (void *)syscall(SYS_mmap, at, length, protection, flags, fd, offset);
}
ALSO(mmap64, mmap);

void *mremap(void *old, size_t old_length, size_t length, int flags, ...)
{
    va_list arguments;
    void *at;

    va_start(arguments, flags);
    at = (flags & MREMAP_FIXED) != 0 ? va_arg(arguments, void *) : NULL;
    va_end(arguments);
    return FAILS(MAP) ? MAP_FAILED
                      : (void *)syscall(SYS_mremap, old, old_length, length, flags, at);
}

static mode_t mode_of(int flags, va_list arguments)
{
    return (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(arguments, mode_t) : 0;
}

/* The mode is there only with the flags that need one. */
#define OPEN_CALL(name, dir, ...)                                                                  \
    int name(__VA_ARGS__, int flags, ...)                                                          \
    {                                                                                              \
        va_list arguments;                                                                         \
        mode_t mode;                                                                               \
        va_start(arguments, flags);                                                                \
        mode = mode_of(flags, arguments);                                                          \
        va_end(arguments);                                                                         \
        return FAILS(OPEN) ? -1 : (int)syscall(SYS_openat, dir, path, flags, mode);                \
    }
OPEN_CALL(open, AT_FDCWD, const char *path)
ALSO(open64, open);
OPEN_CALL(openat, dir, int dir, const char *path)
ALSO(openat64, openat);

/* A function that opens by other means than a call of its own. */
#define REAL_CALL(type, name, parameters, ...)                                                     \
    type name parameters                                                                           \
    {                                                                                              \
        type(*real) parameters;                                                                    \
        *(void **)&real = next_function(#name);                                                    \
        return FAILS(OPEN) ? NULL : real(__VA_ARGS__);                                             \
    }
REAL_CALL(DIR *, opendir, (const char *path), path)
REAL_CALL(DIR *, fdopendir, (int fd), fd)
REAL_CALL(FILE *, fopen, (const char *path, const char *mode), path, mode)
ALSO(fopen64, fopen);

/* Whether there is a peer, or one of the standard descriptors, at the other end. */
static bool spared(int fd)
{
    struct stat status;

    return fd <= STDERR_FILENO || syscall(SYS_fstat, fd, &status) != 0 ||
           S_ISSOCK(status.st_mode) || S_ISFIFO(status.st_mode);
}

ssize_t read(int fd, void *bytes, size_t length)
{
    return !spared(fd) && FAILS(READ) ? -1 : syscall(SYS_read, fd, bytes, length);
}

ssize_t pread(int fd, void *bytes, size_t length, off_t offset)
{
    return FAILS(READ) ? -1 : syscall(SYS_pread64, fd, bytes, length, offset);
}
ALSO(pread64, pread);

/* What a failing write takes all the same: half of it where it is only to be short, or -1. */
static ssize_t part(size_t length)
{
    return error_number == 0 ? (ssize_t)(length / 2) : -1;
}

/* `wrote` of `length` bytes are written. */
static ssize_t written(ssize_t wrote, size_t length)
{
    if (kills && (size_t)wrote < length)
        die();
    return wrote;
}

ssize_t write(int fd, const void *bytes, size_t length)
{
    const ssize_t taken = !spared(fd) && FAILS(WRITE) ? part(length) : (ssize_t)length;

    return taken < 0 ? -1 : written(syscall(SYS_write, fd, bytes, taken), length);
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset)
{
    const ssize_t taken = FAILS(WRITE) ? part(length) : (ssize_t)length;

    return taken < 0 ? -1 : written(syscall(SYS_pwrite64, fd, bytes, taken, offset), length);
}
ALSO(pwrite64, pwrite);

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    if (spared(fd) || !FAILS(WRITE))
        return syscall(SYS_writev, fd, parts, count);
    return error_number == 0 ? syscall(SYS_writev, fd, parts, 1) : -1;
}

SYSTEM_CALL(SIZE, int, ftruncate, SYS_ftruncate, (int fd, off_t size), fd, size)
ALSO(ftruncate64, ftruncate);
SYSTEM_CALL(SIZE, int, fallocate, SYS_fallocate, (int fd, int mode, off_t at, off_t size), fd, mode,
            at, size)
ALSO(fallocate64, fallocate);
SYSTEM_CALL(SIZE, ssize_t, sendfile, SYS_sendfile, (int to, int from, off_t *at, size_t length), to,
            from, at, length)
ALSO(sendfile64, sendfile);

int posix_fallocate(int fd, off_t at, off_t size)
{
    if (FAILS(SIZE))
        return error_number;
    return syscall(SYS_fallocate, fd, 0, at, size) == 0 ? 0 : errno;
}
ALSO(posix_fallocate64, posix_fallocate);

int fcntl(int fd, int command, ...)
{
    va_list arguments;
    void *argument;

    va_start(arguments, command);
    argument = va_arg(arguments, void *);
    va_end(arguments);
    return FAILS(LOCK) ? -1 : (int)syscall(SYS_fcntl, fd, command, argument);
}
ALSO(fcntl64, fcntl);

SYSTEM_CALL(NAME, int, link, SYS_linkat, (const char *from, const char *to), AT_FDCWD, from,
            AT_FDCWD, to, 0)
SYSTEM_CALL(NAME, int, linkat, SYS_linkat,
            (int from_dir, const char *from, int to_dir, const char *to, int flags), from_dir, from,
            to_dir, to, flags)
SYSTEM_CALL(NAME, int, rename, SYS_renameat2, (const char *from, const char *to), AT_FDCWD, from,
            AT_FDCWD, to, 0)
SYSTEM_CALL(NAME, int, renameat, SYS_renameat2,
            (int from_dir, const char *from, int to_dir, const char *to), from_dir, from, to_dir,
            to, 0)
SYSTEM_CALL(NAME, int, renameat2, SYS_renameat2,
            (int from_dir, const char *from, int to_dir, const char *to, unsigned flags), from_dir,
            from, to_dir, to, flags)
SYSTEM_CALL(NAME, int, unlink, SYS_unlinkat, (const char *path), AT_FDCWD, path, 0)
SYSTEM_CALL(NAME, int, unlinkat, SYS_unlinkat, (int dir, const char *path, int flags), dir, path,
            flags)
SYSTEM_CALL(NAME, int, mkdir, SYS_mkdirat, (const char *path, mode_t mode), AT_FDCWD, path, mode)
SYSTEM_CALL(NAME, int, mkdirat, SYS_mkdirat, (int dir, const char *path, mode_t mode), dir, path,
            mode)
SYSTEM_CALL(NAME, int, fchmod, SYS_fchmod, (int fd, mode_t mode), fd, mode)

SYSTEM_CALL(SYNC, int, fsync, SYS_fsync, (int fd), fd)
SYSTEM_CALL(SYNC, int, fdatasync, SYS_fdatasync, (int fd), fd)

SYSTEM_CALL(STAT, int, fstat, SYS_fstat, (int fd, struct stat *status), fd, status)
ALSO(fstat64, fstat);
SYSTEM_CALL(STAT, int, fstatat, SYS_newfstatat,
            (int dir, const char *restrict path, struct stat *restrict status, int flags), dir,
            path, status, flags)
ALSO(fstatat64, fstatat);
SYSTEM_CALL(STAT, int, stat, SYS_newfstatat,
            (const char *restrict path, struct stat *restrict status), AT_FDCWD, path, status, 0)
ALSO(stat64, stat);
SYSTEM_CALL(STAT, int, statx, SYS_statx,
            (int dir, const char *restrict path, int flags, unsigned mask,
             struct statx *restrict status),
            dir, path, flags, mask, status)

SYSTEM_CALL(EVENT, int, epoll_create1, SYS_epoll_create1, (int flags), flags)

/* Taking a descriptor out needs no memory: the kernel does that always. */
int epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
    return operation != EPOLL_CTL_DEL && FAILS(EVENT)
               ? -1
               : (int)syscall(SYS_epoll_ctl, epoll, operation, fd, event);
}

SYSTEM_CALL(EVENT, int, eventfd, SYS_eventfd2, (unsigned value, int flags), value, flags)
SYSTEM_CALL(EVENT, int, inotify_init1, SYS_inotify_init1, (int flags), flags)
SYSTEM_CALL(EVENT, int, inotify_add_watch, SYS_inotify_add_watch,
            (int fd, const char *path, uint32_t mask), fd, path, mask)
SYSTEM_CALL(EVENT, int, signalfd, SYS_signalfd4, (int fd, const sigset_t *mask, int flags), fd,
            mask, (size_t)8, flags)
SYSTEM_CALL(EVENT, int, pipe2, SYS_pipe2, (int ends[2], int flags), ends, flags)
SYSTEM_CALL(EVENT, int, poll, SYS_poll, (struct pollfd * fds, nfds_t count, int timeout), fds,
            count, timeout)

SYSTEM_CALL(SOCKET, int, socket, SYS_socket, (int domain, int type, int protocol), domain, type,
            protocol)
SYSTEM_CALL(SOCKET, int, socketpair, SYS_socketpair,
            (int domain, int type, int protocol, int ends[2]), domain, type, protocol, ends)
SYSTEM_CALL(SOCKET, int, bind, SYS_bind, (int fd, const struct sockaddr *address, socklen_t length),
            fd, address, length)
SYSTEM_CALL(SOCKET, int, listen, SYS_listen, (int fd, int backlog), fd, backlog)
SYSTEM_CALL(SOCKET, int, accept, SYS_accept4,
            (int fd, struct sockaddr *restrict address, socklen_t *restrict length), fd, address,
            length, 0)
SYSTEM_CALL(SOCKET, int, accept4, SYS_accept4,
            (int fd, struct sockaddr *restrict address, socklen_t *restrict length, int flags), fd,
            address, length, flags)
SYSTEM_CALL(SOCKET, int, connect, SYS_connect,
            (int fd, const struct sockaddr *address, socklen_t length), fd, address, length)
SYSTEM_CALL(SOCKET, int, setsockopt, SYS_setsockopt,
            (int fd, int level, int option, const void *value, socklen_t length), fd, level, option,
            value, length)
SYSTEM_CALL(SOCKET, int, getsockopt, SYS_getsockopt,
            (int fd, int level, int option, void *restrict value, socklen_t *restrict length), fd,
            level, option, value, length)
SYSTEM_CALL(SOCKET, int, getsockname, SYS_getsockname,
            (int fd, struct sockaddr *restrict address, socklen_t *restrict length), fd, address,
            length)
SYSTEM_CALL(SOCKET, ssize_t, recv, SYS_recvfrom, (int fd, void *bytes, size_t length, int flags),
            fd, bytes, length, flags, NULL, NULL)
SYSTEM_CALL(SOCKET, ssize_t, send, SYS_sendto,
            (int fd, const void *bytes, size_t length, int flags), fd, bytes, length, flags, NULL,
            0)
SYSTEM_CALL(SOCKET, ssize_t, sendmsg, SYS_sendmsg,
            (int fd, const struct msghdr *message, int flags), fd, message, flags)
