#include "lib/spool/lines.h"

#include "lib/base/json_scan.h"
#include "lib/spool/writer.h"

#include <assert.h>
#include <string.h>

const char *spool_lines_prefix(enum spool_signal signal)
{
    return signal == SPOOL_TRACES ? "{\"resourceSpans\":[" : "{\"asctime\":";
}

const char *spool_line_reason(enum spool_line_kind kind)
{
    switch (kind) {
    case SPOOL_LINE_CONTROL:
        return "control";
    case SPOOL_LINE_UTF8:
        return "utf8";
    case SPOOL_LINE_OVERSIZE:
        return "oversize";
    case SPOOL_LINE_REFUSED:
        return "refused";
    case SPOOL_LINE_RECORD:
    case SPOOL_LINE_TORN:
    case SPOOL_LINE_MALFORMED:
        break;
    }
    return "malformed";
}

static enum spool_line_kind kind_of_line(const char *line, size_t len, const char *prefix,
                                         size_t prefix_len)
{
    if (len >= SPOOL_RECORD_MAX)
        return SPOOL_LINE_OVERSIZE;
    switch (json_scan_line(line, len)) {
    case JSON_SCAN_OBJECT:
        if (len <= prefix_len + 2 || memcmp(line, prefix, prefix_len) != 0)
            return SPOOL_LINE_MALFORMED;
        /* Must end as it began: batches are spliced between the two. */
        return prefix[prefix_len - 1] != '[' || memcmp(line + len - 2, "]}", 2) == 0
                   ? SPOOL_LINE_RECORD
                   : SPOOL_LINE_MALFORMED;
    case JSON_SCAN_CUT:
        /* A writer begins its next write with a newline after a short one. */
        return memcmp(line, prefix, len < prefix_len ? len : prefix_len) == 0
                   ? SPOOL_LINE_TORN
                   : SPOOL_LINE_MALFORMED;
    case JSON_SCAN_CONTROL:
        return SPOOL_LINE_CONTROL;
    case JSON_SCAN_UTF8:
        return SPOOL_LINE_UTF8;
    case JSON_SCAN_MALFORMED:
        break;
    }
    return SPOOL_LINE_MALFORMED;
}

static void add(struct spool_lines *batch, enum spool_line_kind kind, size_t start, size_t length,
                size_t end)
{
    batch->items[batch->count++] = (struct spool_line){
        .start = (uint32_t)start, .length = (uint32_t)length, .end = (uint32_t)end, .kind = kind};
    batch->consumed = end;
}

/*
 * The line as it stands is not a record. If another record starts inside it, appended behind a torn
 * one, separates the two. Returns the offset at which to continue.
 */
static size_t add_broken(struct spool_lines *batch, const char *window, size_t start, size_t length,
                         size_t end, const char *prefix, size_t prefix_len,
                         enum spool_line_kind kind)
{
    const char *inner = NULL;

    if (length > 1)
        inner = memmem(window + start + 1, length - 1, prefix, prefix_len);
    if (inner == NULL) {
        add(batch, kind, start, length, end);
        return end;
    }
    add(batch, SPOOL_LINE_TORN, start, (size_t)(inner - window) - start, (size_t)(inner - window));
    return (size_t)(inner - window);
}

void spool_lines_split(struct spool_lines *batch, enum spool_signal signal, const char *window,
                       size_t len, bool complete)
{
    const char *prefix = spool_lines_prefix(signal);
    size_t prefix_len = strlen(prefix), at = 0;

    assert(len <= UINT32_MAX);
    batch->count = 0;
    batch->consumed = 0;
    batch->overlong = false;
    while (at < len && batch->count < SPOOL_LINES_MAX) {
        const char *newline = memchr(window + at, '\n', len - at);
        size_t length = newline != NULL ? (size_t)(newline - window) - at : len - at;
        size_t end = at + length + 1;
        enum spool_line_kind kind;

        if (newline == NULL) {
            if (!complete) {
                batch->overlong = length >= SPOOL_RECORD_MAX && batch->count == 0;
                return;
            }
            end = len;
        }
        if (length == 0) {
            batch->consumed = at = end;
            continue;
        }
        kind = kind_of_line(window + at, length, prefix, prefix_len);
        if (newline == NULL && kind != SPOOL_LINE_RECORD)
            kind = SPOOL_LINE_TORN;
        if (kind == SPOOL_LINE_RECORD) {
            add(batch, kind, at, length, end);
            at = end;
        } else {
            at = add_broken(batch, window, at, length, end, prefix, prefix_len, kind);
        }
    }
}

size_t spool_lines_count(const char *text, size_t len, size_t *after)
{
    const char *at = text, *end = text + len;
    size_t lines = 0;

    for (;;) {
        const char *newline = at < end ? memchr(at, '\n', (size_t)(end - at)) : NULL;

        if (newline == NULL)
            break;
        if (newline > at)
            lines++;
        at = newline + 1;
    }
    *after = (size_t)(at - text);
    return lines;
}
