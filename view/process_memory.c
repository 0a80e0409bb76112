#include "view/process_memory.h"

#include "lib/base/clock.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    STATUS_MAX = 8192,
    START_FIELD = 22, /* of /proc/PID/stat: clock ticks after boot */
    SLACK_S = 2,      /* clocks are not that exact */
};

/* Reads /proc/PID/NAME, up to `size` - 1 bytes, NUL-terminated. Returns 0, or -1. */
static int read_file(char *text, size_t size, uint32_t pid, const char *name)
{
    char path[64];
    ssize_t length;
    int fd;

    (void)snprintf(path, sizeof path, "/proc/%u/%s", (unsigned)pid, name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    length = read(fd, text, size - 1);
    (void)close(fd);
    if (length < 0)
        return -1;
    text[length] = '\0';
    return 0;
}

/* One number in NSpid: the process is in the namespace of this /proc, not in one inside of it. */
static int is_of_this_namespace(uint32_t pid)
{
    char text[STATUS_MAX];
    const char *at;

    if (read_file(text, sizeof text, pid, "status") < 0)
        return 0;
    at = strstr(text, "\nNSpid:");
    if (at == NULL)
        return 0;
    at += strlen("\nNSpid:");
    at += strspn(at, " \t");
    at += strspn(at, "0123456789");
    return *at == '\n' || *at == '\0';
}

/* Nanoseconds after boot at which the process began, or -1. */
static int64_t started_ns(uint32_t pid)
{
    char text[1024];
    const char *at;
    const long hertz = sysconf(_SC_CLK_TCK);

    if (hertz <= 0 || read_file(text, sizeof text, pid, "stat") < 0)
        return -1;
    /* The second field, in parentheses, may hold anything. */
    at = strrchr(text, ')');
    for (int field = 2; at != NULL && field < START_FIELD; field++)
        at = strchr(at + 1, ' ');
    return at != NULL ? (int64_t)(strtoull(at, NULL, 10) * CLOCK_NS_PER_S / (uint64_t)hertz) : -1;
}

uint64_t process_memory_resident(uint32_t pid, uint64_t since_ns,
                                 char command[PROCESS_MEMORY_COMMAND_MAX])
{
    const int64_t started = started_ns(pid);
    unsigned long long size, resident;
    struct timespec up;
    char text[128];

    command[0] = '\0';
    if (pid == 0 || started < 0 || clock_gettime(CLOCK_BOOTTIME, &up) != 0 ||
        !is_of_this_namespace(pid))
        return 0;
    const int64_t ago = (int64_t)clock_timespec_ns(&up) - started;
    /* What a slot tells may be anything. */
    const int64_t began = (int64_t)clock_unix_ns() - ago;
    if (began > 0 && (uint64_t)began > since_ns &&
        (uint64_t)began - since_ns > SLACK_S * (uint64_t)CLOCK_NS_PER_S)
        return 0;
    if (read_file(text, sizeof text, pid, "statm") < 0 ||
        sscanf(text, "%llu %llu", &size, &resident) != 2)
        return 0;
    if (read_file(command, PROCESS_MEMORY_COMMAND_MAX, pid, "comm") < 0)
        command[0] = '\0';
    command[strcspn(command, "\n")] = '\0';
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}
