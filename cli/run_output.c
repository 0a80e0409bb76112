#include "cli/run_output.h"

#include "lib/base/printable.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * O_NONBLOCK on the stream itself would hold for all who share it, so a pipe or terminal is opened
 * once more. A regular file does not wait, and has one offset for all.
 */
static void open_target(struct run_output *output, int fd)
{
    char path[sizeof("/proc/self/fd/") + 11];
    struct stat status;
    int own;

    output->to = fd;
    if (fstat(fd, &status) != 0)
        return;
    output->to_is_socket = S_ISSOCK(status.st_mode);
    if (!S_ISFIFO(status.st_mode) && !S_ISCHR(status.st_mode))
        return;
    output->to_may_wait = true;
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    own = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (own >= 0) {
        output->to = own;
        output->to_is_ours = true;
        output->to_may_wait = false;
    }
}

int run_output_open(struct run_output *output, int fd, const struct run_lines *lines)
{
    int ends[2];

    output->lines = lines;
    output->name = fd == STDOUT_FILENO ? "stdout" : "stderr";
    output->level = fd == STDOUT_FILENO ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING;
    output->to_is_ours = output->to_is_socket = output->to_may_wait = false;
    output->lost = output->limited = false;
    output->left = output->start = output->end = output->line_length = 0;
    output->from = -1;
    if (pipe2(ends, O_CLOEXEC) != 0)
        return -1;
    /* Only ours: the command's end stays as a program expects it. */
    (void)fcntl(ends[0], F_SETFL, O_NONBLOCK);
    output->from = ends[0];
    open_target(output, fd);
    return ends[1];
}

struct pollfd run_output_wants(const struct run_output *output)
{
    if (output->start < output->end)
        return (struct pollfd){.fd = output->to, .events = POLLOUT};
    return (struct pollfd){.fd = output->from, .events = POLLIN};
}

/* --- Lines --- */

static void log_line(struct run_output *output)
{
    const struct run_lines *const lines = output->lines;
    size_t kept = output->line_length;
    struct attribute fields[3];
    size_t count = 0;

    if (kept > RUN_OUTPUT_LINE_MAX)
        kept = RUN_OUTPUT_LINE_MAX;
    else if (kept > 0 && output->line[kept - 1] == '\r')
        kept--;
    output->line[kept] = '\0';
    /* A message ends at a NUL; a byte that is no UTF-8 either becomes U+FFFD in the record. */
    for (char *nul = output->line;
         (nul = memchr(nul, '\0', kept - (size_t)(nul - output->line))) != NULL;)
        *nul = '\xff';
    fields[count++] = attribute_string("program", lines->program);
    fields[count++] = attribute_string("log.iostream", output->name);
    if (output->line_length > RUN_OUTPUT_LINE_MAX)
        fields[count++] = attribute_int("line_bytes", (int64_t)output->line_length);
    output->line_length = 0;
    if (lines->emit->telemetry != NULL)
        telemetry_log(lines->emit->telemetry, output->level, "microtrace.run", output->line,
                      &lines->context, fields, count);
}

static void add_to_line(struct run_output *output, const char *bytes, size_t length)
{
    if (output->line_length < RUN_OUTPUT_LINE_MAX) {
        const size_t room = RUN_OUTPUT_LINE_MAX - output->line_length;

        memcpy(output->line + output->line_length, bytes, length < room ? length : room);
    }
    output->line_length += length;
}

static void take_lines(struct run_output *output, const char *bytes, size_t length)
{
    const char *const end = bytes + length;
    const char *newline;

    while ((newline = memchr(bytes, '\n', (size_t)(end - bytes))) != NULL) {
        add_to_line(output, bytes, (size_t)(newline - bytes));
        log_line(output);
        bytes = newline + 1;
    }
    add_to_line(output, bytes, (size_t)(end - bytes));
}

/* --- Bytes --- */

static void stop_reading(struct run_output *output)
{
    if (output->from >= 0)
        (void)close(output->from);
    output->from = -1;
}

static bool read_some(struct run_output *output)
{
    const size_t most = output->limited && output->left < sizeof(output->buffer)
                            ? output->left
                            : sizeof(output->buffer);
    ssize_t size;

    if (most == 0) {
        stop_reading(output);
        return false;
    }
    size = read(output->from, output->buffer, most);
    if (size < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (size <= 0) {
        stop_reading(output);
        return false;
    }
    output->left -= (size_t)size < output->left ? (size_t)size : output->left;
    output->start = 0;
    output->end = (size_t)size;
    take_lines(output, output->buffer, (size_t)size);
    return true;
}

/* descriptor_reserve_standard has filled its place. */
static bool was_closed(int fd)
{
    const int flags = fcntl(fd, F_GETFL);

    return flags < 0 || (flags & O_PATH) != 0;
}

/*
 * What can't be written is the command's to know: its own next write fails. Where it has ended
 * before, `lost` remains, but for a reader that is gone, whom what waits in a pipe never reaches
 * either. A stream that was closed from the start takes nothing, and its lines are logged all the
 * same.
 */
static void give_up(struct run_output *output, int error)
{
    output->start = output->end = 0;
    if (error == EBADF && was_closed(output->to))
        return;
    if (error != EPIPE) {
        printable_error("microtrace run: %s: %s", output->name, strerror(error));
        output->lost = true;
    }
    stop_reading(output);
}

static void write_some(struct run_output *output)
{
    const char *const bytes = output->buffer + output->start;
    size_t length = output->end - output->start;
    ssize_t size;

    /* poll knows that this much fits. */
    if (output->to_may_wait && length > PIPE_BUF)
        length = PIPE_BUF;
    if (output->to_is_socket)
        size = send(output->to, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL);
    else
        size = write(output->to, bytes, length);
    if (size >= 0)
        output->start += (size_t)size;
    else if (errno != EAGAIN && errno != EINTR)
        give_up(output, errno);
}

bool run_output_work(struct run_output *output)
{
    if (output->start < output->end) {
        write_some(output);
        return false;
    }
    if (output->from < 0 || !read_some(output))
        return false;
    if (!output->to_may_wait)
        write_some(output);
    return true;
}

void run_output_command_ended(struct run_output *output)
{
    int waiting = 0;

    if (output->from >= 0 && ioctl(output->from, FIONREAD, &waiting) == 0 && waiting > 0)
        output->left = (size_t)waiting;
}

void run_output_limit(struct run_output *output)
{
    output->limited = true;
    if (output->left == 0)
        stop_reading(output);
}

bool run_output_done(const struct run_output *output)
{
    return output->from < 0 && output->start == output->end;
}

void run_output_close(struct run_output *output)
{
    if (output->line_length > 0)
        log_line(output);
    stop_reading(output);
    if (output->to_is_ours)
        (void)close(output->to);
    output->to_is_ours = false;
}
