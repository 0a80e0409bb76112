#include "cli/record_reader.h"

#include "lib/spool/lines.h"
#include "lib/spool/segment.h"
#include "lib/spool/writer.h"

#include <string.h>
#include <unistd.h>

enum { WINDOW = 4 * SPOOL_RECORD_MAX /* bytes read at once, but for a line that is longer */ };

static const char byte_order_mark[3] = {'\xef', '\xbb', '\xbf'};

/* Too large for anything but static memory, of which what is not used is free. */
static char window[SPOOL_LINE_MAX];
static struct spool_lines batch;
static struct record_json json;

static void take(void *context, struct text plain)
{
    struct record_reader *const reader = context;

    reader->records++;
    reader->take(reader->context, plain);
}

/* Whether an escape may stand for a character that needs none. */
static bool is_escaped(const char *at, size_t len)
{
    const char *const end = at + len;

    while ((at = memchr(at, '\\', (size_t)(end - at))) != NULL && end - at > 1) {
        if (at[1] == 'u' || at[1] == '/')
            return true;
        at += 2;
    }
    return false;
}

static bool is_passed_over(const struct record_reader *reader, const struct spool_line *item)
{
    const char *const at = window + item->start;

    return reader->probe != NULL && item->kind == SPOOL_LINE_RECORD &&
           item->form != SPOOL_FORM_ELEMENT &&
           memmem(at, item->length, reader->probe, strlen(reader->probe)) == NULL &&
           !is_escaped(at, item->length);
}

static void take_items(struct record_reader *reader)
{
    for (size_t i = 0; i < batch.count; i++) {
        const struct spool_line *const item = &batch.items[i];

        if (is_passed_over(reader, item)) {
            reader->records++;
            continue;
        }
        if (item->kind == SPOOL_LINE_RECORD &&
            record_json_each(&json, reader->signal, &batch, window, i, take, reader))
            continue;
        if (item->kind == SPOOL_LINE_RECORD && item->form != SPOOL_FORM_LINE)
            reader->long_ones++;
        else
            reader->broken++;
    }
}

/* Looks for the end of the line that is skipped; holes cost nothing. Returns whether it is found.
 */
static bool skip_line(struct record_cursor *cursor)
{
    uint64_t looked;
    const uint64_t end =
        spool_segment_line_end(cursor->fd, &cursor->offset, SPOOL_LINE_MAX, &looked);

    cursor->skipping = end == 0;
    if (end != 0)
        cursor->offset = end;
    return end != 0 || looked >= SPOOL_LINE_MAX;
}

int record_reader_read(struct record_reader *reader, struct record_cursor *cursor, bool complete)
{
    size_t size = WINDOW;

    while (cursor->offset < cursor->limit) {
        const uint64_t left = cursor->limit - cursor->offset;
        ssize_t got;

        if (cursor->skipping) {
            if (!skip_line(cursor))
                return 0;
            continue;
        }
        got = pread(cursor->fd, window, left < size ? (size_t)left : size, (off_t)cursor->offset);
        if (got <= 0)
            return got < 0 ? -1 : 0;
        if (cursor->offset == 0 && (size_t)got >= sizeof(byte_order_mark) &&
            memcmp(window, byte_order_mark, sizeof(byte_order_mark)) == 0) {
            cursor->offset = sizeof(byte_order_mark);
            continue;
        }
        /* Room of settled lines that the agent has given back reads as NULs. */
        if (cursor->offset == 0 && window[0] == '\0') {
            cursor->skipping = true;
            continue;
        }
        spool_lines_split(&batch, reader->signal, window, (size_t)got, cursor->skip,
                          complete && (uint64_t)got == left);
        if (batch.overlong && (size_t)got == WINDOW && left > WINDOW) {
            size = sizeof(window);
            continue;
        }
        if (batch.overlong && (size_t)got == sizeof(window)) {
            reader->broken++;
            cursor->skipping = true;
            continue;
        }
        take_items(reader);
        if (batch.consumed == 0 && batch.count == 0)
            return 0;
        cursor->offset += batch.consumed;
        cursor->skip = spool_lines_open(&batch, cursor->skip);
        size = WINDOW;
    }
    return 0;
}
