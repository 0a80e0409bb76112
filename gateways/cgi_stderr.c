#include "gateways/cgi_stderr.h"

#include <string.h>

void cgi_stderr_begin(struct cgi_stderr *err, struct telemetry *telemetry,
                      const struct log_context *context,
                      void (*copy)(void *to, const char *line, size_t length), void *to)
{
    err->telemetry = telemetry;
    err->context = context;
    err->copy = copy;
    err->to = to;
    err->length = 0;
    err->cut = err->lines = err->cut_all = 0;
}

static void end_line(struct cgi_stderr *err)
{
    const struct attribute fields[] = {
        attribute_string_n("line", err->line, err->length),
        attribute_int("cut_bytes", (int64_t)err->cut),
    };

    err->lines++;
    if (err->lines <= CGI_STDERR_LINES_MAX)
        telemetry_log(err->telemetry, LOG_LEVEL_WARNING, "microtrace.cgi", "stderr", err->context,
                      fields, err->cut > 0 ? 2 : 1);
    err->line[err->length] = '\n';
    err->copy(err->to, err->line, err->length + 1);
    err->length = 0;
    err->cut = 0;
}

void cgi_stderr_take(struct cgi_stderr *err, const char *bytes, size_t size)
{
    while (size > 0) {
        const char *const newline = memchr(bytes, '\n', size);
        const size_t length = newline != NULL ? (size_t)(newline - bytes) : size;
        const size_t room = CGI_STDERR_LINE_MAX - err->length;
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

void cgi_stderr_end(struct cgi_stderr *err)
{
    if (err->length > 0 || err->cut > 0)
        end_line(err);
}

uint64_t cgi_stderr_dropped(const struct cgi_stderr *err)
{
    return err->lines > CGI_STDERR_LINES_MAX ? err->lines - CGI_STDERR_LINES_MAX : 0;
}
