#include "lib/base/message.h"

#include "lib/base/printable.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static _Atomic uint64_t dropped;

/* A descriptor of the same pipe or terminal that does not wait, or -1. */
static int open_again(int fd)
{
    char path[32];

    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

/* By a pipe of our own; at most PIPE_BUF bytes, which are one buffer that moves whole. */
static ssize_t splice_into(int fd, const char *bytes, size_t length)
{
    ssize_t wrote = -1;
    int own[2];

    if (pipe2(own, O_CLOEXEC | O_NONBLOCK) != 0)
        return -1;
    if (write(own[1], bytes, length) == (ssize_t)length)
        wrote = splice(own[0], NULL, fd, NULL, length, SPLICE_F_NONBLOCK);
    (void)close(own[0]);
    (void)close(own[1]);
    return wrote;
}

/* A terminal of another user: what it takes while it has room. */
static ssize_t write_if_ready(int fd, const char *bytes, size_t length)
{
    struct pollfd ready = {.fd = fd, .events = POLLOUT};

    return poll(&ready, 1, 0) == 1 && (ready.revents & POLLOUT) != 0 ? write(fd, bytes, length)
                                                                     : -1;
}

/* Where lines go, and how. */
struct target {
    int fd, again; /* again: fd, opened once more; -1 not yet, -2 it can't be */
    mode_t type;
};

static void open_target(struct target *target, int fd)
{
    struct stat status;

    *target = (struct target){.fd = fd, .again = -1};
    if (fstat(fd, &status) == 0)
        target->type = status.st_mode & S_IFMT;
}

static void close_target(const struct target *target)
{
    if (target->again >= 0)
        (void)close(target->again);
}

/* A pipe or a terminal. Linux 6.4 and later know RWF_NOWAIT for pipes. */
static ssize_t write_to_reader(struct target *target, const char *bytes, size_t length)
{
    const struct iovec part = {.iov_base = (void *)bytes, .iov_len = length};
    const ssize_t wrote = pwritev2(target->fd, &part, 1, -1, RWF_NOWAIT);

    if (wrote >= 0 || errno != EOPNOTSUPP)
        return wrote;
    if (target->again == -1 && (target->again = open_again(target->fd)) < 0)
        target->again = -2;
    if (target->again >= 0)
        return write(target->again, bytes, length);
    return target->type == S_IFIFO
               ? splice_into(target->fd, bytes, length < PIPE_BUF ? length : PIPE_BUF)
               : write_if_ready(target->fd, bytes, length);
}

static ssize_t write_once(struct target *target, const char *bytes, size_t length)
{
    switch (target->type) {
    case S_IFREG:
        return write(target->fd, bytes, length);
    case S_IFSOCK:
        return send(target->fd, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL);
    case S_IFIFO:
    case S_IFCHR:
        return write_to_reader(target, bytes, length);
    default:
        return -1;
    }
}

/* Whether all of it is written. A long line takes several writes. */
static bool write_all(struct target *target, const char *bytes, size_t length)
{
    while (length > 0) {
        const ssize_t wrote = write_once(target, bytes, length);

        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0)
            return false;
        bytes += wrote;
        length -= (size_t)wrote;
    }
    return true;
}

/* The length of as many whole lines as PIPE_BUF holds, of one if it is longer. */
static size_t whole_lines(const char *lines, size_t length)
{
    const char *end;

    if (length <= PIPE_BUF)
        return length;
    end = memrchr(lines, '\n', PIPE_BUF);
    if (end == NULL)
        end = memchr(lines, '\n', length);
    return end != NULL ? (size_t)(end + 1 - lines) : length;
}

static unsigned count_lines(const char *lines, size_t length)
{
    const char *const end = lines + length;
    unsigned count = 0;

    while (lines < end && (lines = memchr(lines, '\n', (size_t)(end - lines))) != NULL) {
        lines++;
        count++;
    }
    return count;
}

unsigned message_write(int fd, const char *lines, size_t length)
{
    const int saved = errno;
    struct target target;
    unsigned lost = 0;

    open_target(&target, fd);
    while (length > 0) {
        const size_t part = whole_lines(lines, length);

        if (!write_all(&target, lines, part)) {
            lost = count_lines(lines, length);
            break;
        }
        lines += part;
        length -= part;
    }
    close_target(&target);
    if (lost > 0)
        atomic_fetch_add_explicit(&dropped, lost, memory_order_relaxed);
    errno = saved;
    return lost;
}

void message_reopen(int fd)
{
    struct target target;
    int own;

    open_target(&target, fd);
    if (target.type != S_IFIFO && target.type != S_IFCHR)
        return;
    own = open_again(fd);
    if (own < 0)
        return;
    (void)dup2(own, fd);
    (void)close(own);
}

void message_print(const char *format, ...)
{
    char text[MESSAGE_MAX], line[MESSAGE_MAX];
    const int head = snprintf(text, sizeof(text), "%.100s: ", program_invocation_short_name);
    size_t used = head > 0 ? (size_t)head : 0;
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(text + used, sizeof(text) - used, format, arguments);
    va_end(arguments);
    used = printable_copy(line, sizeof(line) - 1, text, strnlen(text, sizeof(text)));
    line[used] = '\n';
    (void)message_write(STDERR_FILENO, line, used + 1);
}

void message_say(const char *text)
{
    message_print("%s", text);
}

uint64_t message_take_dropped(void)
{
    return atomic_exchange_explicit(&dropped, 0, memory_order_relaxed);
}
