#include "gateways/stderr_lines.h"

#include <string.h>

static void end_line(struct stderr_lines *err)
{
    const struct attribute fields[] = {
        attribute_string_n("line", err->line, err->length),
        attribute_int("cut_bytes", (int64_t)err->cut),
    };

    if (err->length == 0 && err->copy == NULL)
        return;
    err->lines++;
    if (err->lines <= STDERR_LINES_MAX)
        telemetry_log(err->telemetry, LOG_LEVEL_WARNING, err->logger, "stderr", err->context,
                      fields, err->cut > 0 ? 2 : 1);
    if (err->copy != NULL) {
        err->line[err->length] = '\n';
        err->copy(err->to, err->line, err->length + 1);
    }
    err->length = 0;
    err->cut = 0;
}

void stderr_lines_take(struct stderr_lines *err, const char *bytes, size_t size)
{
    while (size > 0) {
        const char *const newline = memchr(bytes, '\n', size);
        const size_t length = newline != NULL ? (size_t)(newline - bytes) : size;
        const size_t room = STDERR_LINES_LENGTH_MAX - err->length;
        const size_t kept = length < room ? length : room;

        memcpy(err->line + err->length, bytes, kept);
        err->length += kept;
        err->cut += length - kept;
        err->cut_all += length - kept;
        if (newline == NULL)
            return;
        end_line(err);
        bytes += length + 1;
        size -= length + 1;
    }
}

void stderr_lines_end(struct stderr_lines *err)
{
    if (err->length > 0 || err->cut > 0)
        end_line(err);
}

uint64_t stderr_lines_dropped(const struct stderr_lines *err)
{
    return err->lines > STDERR_LINES_MAX ? err->lines - STDERR_LINES_MAX : 0;
}
