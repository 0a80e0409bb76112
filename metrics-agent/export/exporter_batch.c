#include "metrics-agent/export/exporter_batch.h"

#include "lib/base/clock.h"
#include "lib/base/instance_file.h"
#include "lib/base/message.h"
#include "lib/spool/writer.h"
#include "metrics-agent/export/exporter_files.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SEEK_BYTES = 8 << 20 /* in which the end of one line is looked for at a time */ };

/*
 * The batch was read from a file that may since have been truncated and written anew. Then what is
 * left of the batch is of no segment any more, and the file is read from its start.
 */
static void check_replaced(struct exporter *e, struct segment *segment, uint64_t to)
{
    const size_t len = to < CHECKPOINT_PRINT_BYTES ? (size_t)to : CHECKPOINT_PRINT_BYTES;
    size_t after;

    if (segments_holds(&e->segments, segment, e->batch_offset + to, e->window + to - len, len))
        return;
    segments_replaced(
        &e->segments, segment,
        spool_lines_count(e->signal, e->window + to, e->batch.consumed - (size_t)to, &after));
    segments_list_hold(&e->segments, NULL);
    e->look_ns = 0;
}

/* An item that is not to be sent goes to the quarantine file; if it can't, it is lost, and counted.
 */
static void keep_apart(struct exporter *e, const struct spool_line *item, const char *detail,
                       uint64_t full_len)
{
    const struct otlp_record record = otlp_splice_record(&e->batch, e->window, item);
    const struct text text = export_request_alone(&e->request, &record);
    const char *const reason = spool_line_reason((enum spool_line_kind)item->kind);

    if (quarantine_add(&e->quarantine, reason, detail, text.at, text.len,
                       record.is_line ? full_len : text.len) == 0) {
        e->counts->quarantined += item->records;
        e->unkept = false;
        return;
    }
    if (!e->unkept)
        message_print("%s.quarantine.jsonl can't be written, what belongs there is lost: %s",
                      spool_signal_names[e->signal], instance_file_error(errno));
    e->unkept = true;
    e->counts->dropped[SPOOL_DROP_UNKEPT] += item->records;
}

/*
 * Writes down how far the segment is settled: up to `to` in the window. `records` were settled now,
 * `open` of them in a line whose others wait; the lines that are done count for `counted`. Returns
 * what was counted beyond the records.
 */
static uint64_t settle_segment(struct exporter *e, struct segment *segment, uint64_t to,
                               uint64_t records, uint64_t open, uint64_t counted)
{
    const uint64_t from = segment->file.offset - e->batch_offset, before = segment->file.in_line;
    const uint64_t done = records - open;
    uint64_t beyond = 0;

    if (to > from) {
        counted = counted > before ? counted - before : 0;
        beyond = counted > done ? counted - done : 0;
    }
    counted += open;
    /* With the last of them all that were counted are settled, however they were told apart. */
    if (e->batch_offset + to >= segment->file.counted && open == 0 &&
        segment->file.pending > counted) {
        beyond += segment->file.pending - counted;
        counted = segment->file.pending;
    }
    segments_settle(&e->segments, segment, e->batch_offset + to, counted,
                    to > from ? open : before + open);
    check_replaced(e, segment, to);
    return beyond;
}

void exporter_batch_none(struct exporter *e)
{
    e->state = EXPORTER_IDLE;
    segments_list_hold(&e->segments, NULL);
}

void exporter_batch_settle(struct exporter *e, size_t end, uint64_t rejected, const char *detail)
{
    struct segment *segment = segments_list_find(&e->segments, e->segments.held_seq);
    const uint64_t to = end == e->batch.count ? e->batch.consumed : e->batch.items[end - 1].end;
    uint64_t delivered = 0, records = 0, open = 0, counted = 0;

    for (size_t i = e->settled; i < end; i++) {
        const struct spool_line *item = &e->batch.items[i];

        records += item->records;
        counted += item->counted;
        open = item->last ? 0 : open + item->records;
        if (item->kind == SPOOL_LINE_RECORD)
            delivered += item->records;
        else if (item->kind == SPOOL_LINE_TORN)
            e->counts->dropped[SPOOL_DROP_TORN] += item->records;
        else
            keep_apart(e, item,
                       item->kind == SPOOL_LINE_REFUSED ? detail
                       : item == e->misfit              ? e->request.wrong
                                                        : "",
                       item->length);
    }
    e->misfit = NULL;
    e->progress_ns = clock_monotonic_ns();
    if (delivered > 0)
        e->refused = 0;
    if (segment != NULL)
        delivered += settle_segment(e, segment, to, records, open, counted);
    if (rejected > delivered)
        rejected = delivered;
    e->counts->delivered += delivered - rejected;
    e->counts->rejected += rejected;
    e->settled = end;
    if (e->settled == e->batch.count)
        exporter_batch_none(e);
    exporter_files_commit(e);
}

/*
 * The newline of a line longer than a record may be, looked for beyond the window, some MiB at a
 * time. Returns whether the line is settled.
 */
static bool settle_overlong(struct exporter *e, struct segment *segment)
{
    uint64_t at = segment->file.offset < segment->sought ? segment->sought : segment->file.offset;
    uint64_t looked, length;
    uint64_t end = spool_segment_line_end(segment->fd, &at, SEEK_BYTES, &looked);

    segment->sought = end == 0 ? at : 0;
    if (end == 0 && looked >= SEEK_BYTES)
        e->look_ns = 0;
    if (end == 0 && (looked >= SEEK_BYTES || at < segment->file.size || !segment->file.final))
        return false;
    length = (end > 0 ? end - 1 : segment->file.size) - segment->file.offset;
    if (end == 0)
        end = segment->file.size;
    keep_apart(
        e,
        &(struct spool_line){.length = SPOOL_RECORD_MAX, .records = 1, .kind = SPOOL_LINE_OVERSIZE},
        "", length);
    segments_settle(&e->segments, segment, end, 1, 0);
    exporter_files_commit(e);
    return true;
}

/* The window has EXPORTER_WINDOW bytes, or as many as a line needs that is longer. */
static bool size_window(struct exporter *e, size_t size)
{
    char *window;

    if (size > SPOOL_LINE_MAX)
        size = SPOOL_LINE_MAX;
    if (size == e->window_size)
        return false;
    window = malloc(size);
    if (window == NULL)
        return false;
    free(e->window);
    e->window = window;
    e->window_size = size;
    return true;
}

/* Reads and cuts what comes next, with a larger window for a longer line. Returns the bytes read.
 */
static ssize_t read_window(struct exporter *e, struct segment *segment)
{
    const uint64_t left = segment->file.size - segment->file.offset;
    ssize_t got;

    (void)size_window(e, EXPORTER_WINDOW);
    do {
        const size_t want = left < e->window_size ? (size_t)left : e->window_size;

        got = pread(segment->fd, e->window, want, (off_t)segment->file.offset);
        if (got <= 0)
            return got;
        spool_lines_split(&e->batch, e->signal, e->window, (size_t)got, segment->file.in_line,
                          segment->file.final &&
                              segment->file.offset + (uint64_t)got == segment->file.size);
    } while (e->batch.overlong && (size_t)got == e->window_size &&
             size_window(e, 4 * e->window_size));
    return got;
}

/* Cuts the next batch from one segment. Returns 1 with items, 0 to try again, -1 for nothing. */
static int read_segment(struct exporter *e, struct segment *segment)
{
    ssize_t got;

    if (segment->suspect) {
        e->look_ns = 0;
        return -1;
    }
    if (segments_list_open_file(&e->segments, segment) != 0) {
        if (errno != ENOENT)
            return -1;
        segments_gone(&e->segments, segment);
        e->look_ns = 0;
        return 0;
    }
    got = read_window(e, segment);
    if (got <= 0)
        return -1;
    e->batch_offset = segment->file.offset;
    e->settled = 0;
    if (e->batch.overlong)
        return (size_t)got == SPOOL_LINE_MAX && settle_overlong(e, segment) ? 0 : -1;
    if (e->batch.count > 0) {
        ranges_begin(&e->ranges, e->batch.count);
        return 1;
    }
    if (e->batch.consumed == 0)
        return -1;
    e->counts->delivered += settle_segment(e, segment, e->batch.consumed, 0, 0, 0);
    exporter_files_commit(e);
    return 0;
}

bool exporter_batch_read(struct exporter *e)
{
    size_t i = 0;

    while (i < e->segments.count) {
        struct segment *segment = &e->segments.list[i];
        bool unread = segment->file.offset < segment->file.size && !segment->given_up &&
                      !segment->file.unreadable;
        int found = unread ? read_segment(e, segment) : -1;

        if (found > 0) {
            segments_list_hold(&e->segments, segment);
            return true;
        }
        if (found < 0)
            segments_list_close_file(&e->segments, segment);
        /* After 0 a segment may have gone from the list. */
        i = found == 0 ? 0 : i + 1;
    }
    return false;
}
