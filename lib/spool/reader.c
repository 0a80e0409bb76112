#include "lib/spool/reader.h"

#include "lib/spool/segment.h"
#include "lib/spool/writer.h"

#include <string.h>
#include <unistd.h>

enum {
    WINDOW = 2 * SPOOL_RECORD_MAX, /* bytes read at once, but for a line that is longer */
    NARROW = 16384,                /* and where something in a window is wanted */
};

static const char byte_order_mark[3] = {'\xef', '\xbb', '\xbf'};

static void empty(struct spool_lines *batch)
{
    batch->count = batch->head_count = batch->consumed = 0;
    batch->overlong = false;
}

static void end_overlong(struct spool_reader *r, struct spool_cursor *cursor)
{
    r->base = cursor->line;
    r->overlong = cursor->offset - cursor->line;
    r->batch.items[r->batch.count++] = (struct spool_line){
        .length = r->overlong < UINT32_MAX ? (uint32_t)r->overlong : UINT32_MAX,
        .records = 1,
        .kind = SPOOL_LINE_OVERSIZE,
        .last = true,
    };
}

/* Looks for the end of the line that is skipped; holes cost nothing. Returns whether it is there.
 */
static bool skip_line(struct spool_reader *r, struct spool_cursor *cursor, bool complete)
{
    uint64_t looked, end;

    do
        end = spool_segment_line_end(cursor->fd, &cursor->offset, SPOOL_LINE_MAX, &looked);
    while (end == 0 && looked >= SPOOL_LINE_MAX);
    if (end != 0)
        cursor->offset = end;
    else if (!complete)
        return false;
    if (cursor->skips == SPOOL_CURSOR_IN_OVERLONG)
        end_overlong(r, cursor);
    cursor->skips = SPOOL_CURSOR_AT_LINE;
    return true;
}

/* Passes over what does not belong to the first line. Returns whether there was any. */
static bool pass_start(const struct spool_reader *r, struct spool_cursor *cursor, size_t got)
{
    if (cursor->offset > 0 || r->exact)
        return false;
    if (got >= sizeof(byte_order_mark) &&
        memcmp(r->window, byte_order_mark, sizeof(byte_order_mark)) == 0) {
        cursor->offset = sizeof(byte_order_mark);
        return true;
    }
    if (r->window[0] == '\0')
        cursor->skips = SPOOL_CURSOR_IN_HOLE;
    return r->window[0] == '\0';
}

/* The same with whole lines that nobody wants. */
static bool pass_lines(const struct spool_reader *r, struct spool_cursor *cursor, size_t got,
                       bool all)
{
    const char *const newline = memrchr(r->window, '\n', got);
    const size_t whole = all ? got : newline != NULL ? (size_t)(newline - r->window) + 1 : 0;

    if (r->wants == NULL || whole == 0 || r->wants(r->context, (struct text){r->window, whole}))
        return false;
    cursor->offset += whole;
    cursor->skip = 0;
    return true;
}

int spool_reader_next(struct spool_reader *r, struct spool_cursor *cursor, bool complete)
{
    size_t longer = 0;

    empty(&r->batch);
    r->overlong = 0;
    while (cursor->offset < cursor->limit) {
        const uint64_t left = cursor->limit - cursor->offset;
        const size_t size = longer > 0 ? longer : cursor->offset < cursor->narrow ? NARROW : WINDOW;
        ssize_t got;

        if (cursor->skips != SPOOL_CURSOR_AT_LINE) {
            if (!skip_line(r, cursor, complete))
                return 0;
            if (r->batch.count > 0)
                return 1;
            continue;
        }
        got =
            pread(cursor->fd, r->window, left < size ? (size_t)left : size, (off_t)cursor->offset);
        if (got <= 0)
            return got < 0 ? -1 : 0;
        if (pass_start(r, cursor, (size_t)got) ||
            pass_lines(r, cursor, (size_t)got, complete && (uint64_t)got == left))
            continue;
        if (r->wants != NULL && size == WINDOW && longer == 0 && got > NARROW) {
            cursor->narrow = cursor->offset + (uint64_t)got;
            continue;
        }
        spool_lines_split(&r->batch, r->signal, r->window, (size_t)got, cursor->skip,
                          complete && (uint64_t)got == left);
        if (r->batch.overlong && (size_t)got == sizeof(r->window)) {
            cursor->line = cursor->offset;
            cursor->skips = SPOOL_CURSOR_IN_OVERLONG;
            empty(&r->batch);
            continue;
        }
        if (r->batch.overlong && (size_t)got == size && left > size) {
            longer = size < WINDOW ? WINDOW : sizeof(r->window);
            continue;
        }
        if (r->batch.consumed == 0 && r->batch.count == 0)
            return 0;
        r->base = cursor->offset;
        cursor->offset += r->batch.consumed;
        cursor->skip = spool_lines_open(&r->batch, cursor->skip);
        return 1;
    }
    return 0;
}
