#include "lib/tail.h"

#include "lib/json_scan.h"
#include "lib/spool.h"

#include <assert.h>
#include <string.h>

const char *tail_prefix(enum telemetry_signal signal)
{
    return signal == TELEMETRY_TRACES ? "{\"resourceSpans\":[" : "{\"asctime\":";
}

const char *tail_reason(enum tail_kind kind)
{
    switch (kind) {
    case TAIL_CONTROL:
        return "control";
    case TAIL_UTF8:
        return "utf8";
    case TAIL_OVERSIZE:
        return "oversize";
    case TAIL_REFUSED:
        return "refused";
    case TAIL_RECORD:
    case TAIL_TORN:
    case TAIL_MALFORMED:
        break;
    }
    return "malformed";
}

static enum tail_kind kind_of_line(const char *line, size_t len, const char *prefix,
                                   size_t prefix_len)
{
    if (len >= SPOOL_RECORD_MAX)
        return TAIL_OVERSIZE;
    switch (json_scan_line(line, len)) {
    case JSON_SCAN_OBJECT:
        if (len <= prefix_len + 2 || memcmp(line, prefix, prefix_len) != 0)
            return TAIL_MALFORMED;
        /* A list that is opened first is closed last: batches are spliced inside of it. */
        return prefix[prefix_len - 1] != '[' || memcmp(line + len - 2, "]}", 2) == 0
                   ? TAIL_RECORD
                   : TAIL_MALFORMED;
    case JSON_SCAN_CUT:
        /* A writer whose write was short begins its next one on a new line. */
        return memcmp(line, prefix, len < prefix_len ? len : prefix_len) == 0 ? TAIL_TORN
                                                                              : TAIL_MALFORMED;
    case JSON_SCAN_CONTROL:
        return TAIL_CONTROL;
    case JSON_SCAN_UTF8:
        return TAIL_UTF8;
    case JSON_SCAN_MALFORMED:
        break;
    }
    return TAIL_MALFORMED;
}

static void add(struct tail_batch *batch, enum tail_kind kind, size_t start, size_t length,
                size_t end)
{
    batch->items[batch->count++] = (struct tail_item){
        .start = (uint32_t)start, .length = (uint32_t)length, .end = (uint32_t)end, .kind = kind};
    batch->consumed = end;
}

/*
 * The line is no record as it is. A record that starts inside it, joined to a torn one by a writer
 * that knew nothing of it, is freed. Returns the offset at which to go on.
 */
static size_t add_broken(struct tail_batch *batch, const char *window, size_t start, size_t length,
                         size_t end, const char *prefix, size_t prefix_len, enum tail_kind kind)
{
    const char *inner = NULL;

    if (length > 1)
        inner = memmem(window + start + 1, length - 1, prefix, prefix_len);
    if (inner == NULL) {
        add(batch, kind, start, length, end);
        return end;
    }
    add(batch, TAIL_TORN, start, (size_t)(inner - window) - start, (size_t)(inner - window));
    return (size_t)(inner - window);
}

void tail_split(struct tail_batch *batch, enum telemetry_signal signal, const char *window,
                size_t len, bool complete)
{
    const char *prefix = tail_prefix(signal);
    size_t prefix_len = strlen(prefix), at = 0;

    assert(len <= UINT32_MAX);
    batch->count = 0;
    batch->consumed = 0;
    batch->overlong = false;
    while (at < len && batch->count < TAIL_ITEMS_MAX) {
        const char *newline = memchr(window + at, '\n', len - at);
        size_t length = newline != NULL ? (size_t)(newline - window) - at : len - at;
        size_t end = at + length + 1;
        enum tail_kind kind;

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
        if (newline == NULL && kind != TAIL_RECORD)
            kind = TAIL_TORN;
        if (kind == TAIL_RECORD) {
            add(batch, kind, at, length, end);
            at = end;
        } else {
            at = add_broken(batch, window, at, length, end, prefix, prefix_len, kind);
        }
    }
}

size_t tail_count_lines(const char *text, size_t len, size_t *after)
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
