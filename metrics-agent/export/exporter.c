#include "metrics-agent/export/exporter.h"

#include "lib/base/clock.h"
#include "lib/base/ids.h"
#include "lib/base/instance_file.h"
#include "lib/base/message.h"
#include "lib/spool/writer.h"
#include "metrics-agent/export/exporter_files.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    LINGER_MS = 25, /* so that a burst becomes a batch */
    SCAN_STEP = 65536,
    SUSPICIOUS = 4, /* refused records in a row after which the endpoint is asked */
};

#define MS_TO_NS(ms) ((uint64_t)(ms)*CLOCK_NS_PER_MS)

int exporter_open(struct exporter *e, enum spool_signal signal, struct exporter_shared *shared)
{
    const struct agent_export *export = &shared->settings->export[signal];
    struct checkpoint_signal *saved = &shared->checkpoint->state.signals[signal];

    memset(e, 0, sizeof *e);
    e->signal = signal;
    e->shared = shared;
    e->counts = &saved->counts;
    e->quarantine = (struct quarantine){
        .dir_fd = shared->dir_fd, .signal = signal, .max_bytes = shared->settings->segment_bytes};
    if (segments_open(&e->segments, signal, shared->dir_fd, saved) != 0) {
        message_print("the spool can't be read: %s", strerror(errno));
        return -1;
    }
    e->rescan_ns = clock_monotonic_ns() + MS_TO_NS(EXPORTER_FILES_RESCAN_MS);
    if (export->url[0] == '\0')
        return 0;
    e->window = malloc(EXPORTER_WINDOW);
    e->transfer = transfer_open(shared->multi, export);
    if (e->window == NULL || e->transfer == NULL ||
        export_request_open(&e->request, signal, (enum agent_protocol) export->protocol,
                            shared->resource, EXPORTER_WINDOW) != 0) {
        message_print("the exporter for %s can't be set up", spool_signal_names[signal]);
        return -1;
    }
    return 0;
}

void exporter_close(struct exporter *e)
{
    transfer_close(e->transfer);
    segments_close(&e->segments);
    export_request_close(&e->request);
    free(e->window);
    e->transfer = NULL;
    e->window = NULL;
}

void exporter_notify(struct exporter *e, uint64_t now_ns)
{
    uint64_t at = now_ns + (e->shared->drain ? 0 : MS_TO_NS(LINGER_MS));

    if (e->look_ns > at)
        e->look_ns = at;
    e->notified = true;
}

/* There is no batch any more. */
static void set_idle(struct exporter *e)
{
    e->state = EXPORTER_IDLE;
    segments_list_hold(&e->segments, NULL);
}

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
    segments_replaced(&e->segments, segment,
                      spool_lines_count(e->window + to, e->batch.consumed - (size_t)to, &after));
    segments_list_hold(&e->segments, NULL);
    e->look_ns = 0;
}

/* A record that is not to be sent goes to the quarantine file; if it can't, it is lost, and
 * counted. */
static void keep_apart(struct exporter *e, enum spool_line_kind kind, const char *detail,
                       const char *record, size_t len, uint64_t full_len)
{
    if (quarantine_add(&e->quarantine, spool_line_reason(kind), detail, record, len, full_len) ==
        0) {
        e->counts->quarantined++;
        e->unkept = false;
        return;
    }
    if (!e->unkept)
        message_print("%s.quarantine.jsonl can't be written, what belongs there is lost: %s",
                      spool_signal_names[e->signal], instance_file_error(errno));
    e->unkept = true;
    e->counts->dropped[SPOOL_DROP_UNKEPT]++;
}

/* Marks items up to `end` as come to their end, the records among them `rejected` or delivered. */
static void settle(struct exporter *e, size_t end, uint64_t rejected, const char *detail)
{
    struct segment *segment = segments_list_find(&e->segments, e->segments.held_seq);
    uint64_t from = e->settled > 0 ? e->batch.items[e->settled - 1].end : 0, delivered = 0, to;
    size_t after, i;

    for (i = e->settled; i < end; i++) {
        const struct spool_line *item = &e->batch.items[i];

        if (item->kind == SPOOL_LINE_RECORD) {
            delivered++;
        } else if (item->kind == SPOOL_LINE_TORN) {
            e->counts->dropped[SPOOL_DROP_TORN]++;
        } else {
            keep_apart(e, item->kind, item->kind == SPOOL_LINE_REFUSED ? detail : "",
                       e->window + item->start, item->length, item->length);
        }
    }
    if (rejected > delivered)
        rejected = delivered;
    e->counts->delivered += delivered - rejected;
    e->counts->rejected += rejected;
    if (delivered > 0)
        e->refused = 0;
    to = end == e->batch.count ? e->batch.consumed : e->batch.items[end - 1].end;
    if (segment != NULL) {
        segments_settle(&e->segments, segment, e->batch_offset + to,
                        spool_lines_count(e->window + from, (size_t)(to - from), &after));
        check_replaced(e, segment, to);
    }
    e->settled = end;
    if (e->settled == e->batch.count)
        set_idle(e);
    exporter_files_commit(e);
}

/* The newline of a line longer than a record may be, looked for beyond the window. */
static bool settle_overlong(struct exporter *e, struct segment *segment)
{
    uint64_t at = segment->file.offset, end = 0, length;
    char buffer[SCAN_STEP];

    while (end == 0 && at < segment->file.size) {
        ssize_t got = pread(segment->fd, buffer, sizeof buffer, (off_t)at);
        const char *newline;

        if (got <= 0)
            return false;
        newline = memchr(buffer, '\n', (size_t)got);
        if (newline != NULL)
            end = at + (uint64_t)(newline - buffer) + 1;
        at += (uint64_t)got;
    }
    if (end == 0 && !segment->file.final)
        return false;
    length = (end > 0 ? end - 1 : segment->file.size) - segment->file.offset;
    if (end == 0)
        end = segment->file.size;
    keep_apart(e, SPOOL_LINE_OVERSIZE, "", e->window, SPOOL_RECORD_MAX, length);
    segments_settle(&e->segments, segment, end, 1);
    exporter_files_commit(e);
    return true;
}

/* Cuts the next batch from one segment. Returns 1 with items, 0 to try again, -1 for nothing. */
static int read_segment(struct exporter *e, struct segment *segment)
{
    uint64_t left = segment->file.size - segment->file.offset;
    size_t want = left < EXPORTER_WINDOW ? (size_t)left : EXPORTER_WINDOW;
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
    got = pread(segment->fd, e->window, want, (off_t)segment->file.offset);
    if (got <= 0)
        return -1;
    spool_lines_split(&e->batch, e->signal, e->window, (size_t)got,
                      segment->file.final &&
                          segment->file.offset + (uint64_t)got == segment->file.size);
    e->batch_offset = segment->file.offset;
    e->settled = 0;
    if (e->batch.overlong)
        return settle_overlong(e, segment) ? 0 : -1;
    if (e->batch.count > 0) {
        ranges_begin(&e->ranges, e->batch.count);
        return 1;
    }
    if (e->batch.consumed == 0)
        return -1;
    segments_settle(&e->segments, segment, segment->file.offset + e->batch.consumed, 0);
    exporter_files_commit(e);
    return 0;
}

/* A batch from the oldest segment that has something complete. */
static bool read_batch(struct exporter *e)
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

/* Lines of the range that is next, and how many. */
static size_t gather(struct exporter *e, size_t end)
{
    size_t count = 0, i;

    for (i = e->settled; i < end; i++) {
        const struct spool_line *item = &e->batch.items[i];

        if (item->kind == SPOOL_LINE_RECORD)
            e->lines[count++] = (struct otlp_line){e->window + item->start, item->length};
    }
    return count;
}

/* The item that gave line number `line` of gather. */
static struct spool_line *item_of_line(struct exporter *e, size_t line)
{
    size_t i;

    for (i = e->settled; i < e->batch.count; i++) {
        if (e->batch.items[i].kind == SPOOL_LINE_RECORD && line-- == 0)
            return &e->batch.items[i];
    }
    assert(!"gather took it from here");
    return NULL;
}

static void wait_until(struct exporter *e, uint64_t at_ns)
{
    e->state = EXPORTER_WAITING;
    e->send_ns = at_ns;
}

/* Bytes of the spool that the range that is next covers. */
static size_t range_bytes(const struct exporter *e)
{
    return e->batch.items[ranges_end(&e->ranges) - 1].end - e->batch.items[e->settled].start;
}

static void start(struct exporter *e, const struct export_request_body *body, uint64_t now_ns)
{
    if (e->stopping)
        wait_until(e, UINT64_MAX);
    else if (transfer_send(e->transfer, body->bytes, body->len) == 0)
        e->state = EXPORTER_SENDING;
    else
        wait_until(e, now_ns +
                          MS_TO_NS(retry_delay_ms(RETRY_AGAIN, ++e->failures, 0, ids_random64())));
}

/* Sends the next range of the batch, or settles what needs no sending. */
static void send_next(struct exporter *e, uint64_t now_ns)
{
    while (e->settled < e->batch.count) {
        const size_t end = ranges_end(&e->ranges), count = gather(e, end);
        struct export_request_body body;
        size_t bad = count;

        if (count == 0) {
            settle(e, end, 0, "");
            ranges_taken(&e->ranges);
            continue;
        }
        if ((count == 1 || !ranges_beyond(&e->ranges, range_bytes(e))) &&
            export_request_make(&e->request, e->lines, count, &body, &bad) == 0) {
            start(e, &body, now_ns);
            return;
        }
        if (bad < count || count == 1)
            item_of_line(e, bad < count ? bad : 0)->kind = SPOOL_LINE_MALFORMED;
        else
            ranges_halve(&e->ranges, e->settled);
    }
    set_idle(e);
}

uint64_t exporter_run(struct exporter *e, uint64_t now_ns)
{
    if (now_ns >= e->look_ns)
        exporter_files_look(e, now_ns);
    if (e->state == EXPORTER_WAITING && now_ns >= e->send_ns)
        send_next(e, now_ns);
    while (e->state == EXPORTER_IDLE && e->transfer != NULL && e->more && now_ns >= e->send_ns) {
        e->more = read_batch(e);
        if (e->more)
            send_next(e, now_ns);
    }
    if ((e->state == EXPORTER_WAITING || (e->state == EXPORTER_IDLE && e->more)) &&
        e->transfer != NULL && e->send_ns < e->look_ns)
        return e->send_ns;
    return e->look_ns;
}

static void complain(struct exporter *e, const struct transfer_outcome *outcome, const char *what)
{
    if (strcmp(e->trouble, outcome->code) == 0 && e->trouble_verdict == outcome->verdict)
        return;
    memcpy(e->trouble, outcome->code, sizeof e->trouble);
    e->trouble_verdict = outcome->verdict;
    message_print("%s: %s; %s", spool_signal_names[e->signal], outcome->detail, what);
}

/* The range was taken; the next one of the batch follows. */
static void range_done(struct exporter *e, uint64_t rejected, uint64_t now_ns)
{
    settle(e, ranges_end(&e->ranges), rejected, "");
    ranges_taken(&e->ranges);
    send_next(e, now_ns);
}

static void refuse_record(struct exporter *e, const char *detail, uint64_t now_ns)
{
    item_of_line(e, 0)->kind = SPOOL_LINE_REFUSED;
    e->refused++;
    settle(e, ranges_end(&e->ranges), 0, detail);
    ranges_refused(&e->ranges);
    send_next(e, now_ns);
}

static void ask_endpoint(struct exporter *e, uint64_t now_ns)
{
    struct export_request_body body;

    export_request_make_empty(&e->request, &body);
    e->probing = true;
    start(e, &body, now_ns);
}

static void fail(struct exporter *e, const struct transfer_outcome *outcome, uint64_t now_ns)
{
    enum retry_verdict verdict = outcome->verdict == RETRY_SPLIT ? RETRY_HOLD : outcome->verdict;

    e->failures++;
    export_result_failed(&e->result);
    complain(e, outcome,
             verdict == RETRY_HOLD ? "holding, and looking again now and then" : "trying again");
    wait_until(e, now_ns + MS_TO_NS(retry_delay_ms(verdict, e->failures, outcome->retry_after_s,
                                                   ids_random64())));
}

static void succeeded(struct exporter *e)
{
    if (e->trouble[0] != '\0')
        message_print("%s: delivering again", spool_signal_names[e->signal]);
    e->trouble[0] = '\0';
    e->failures = 0;
    e->result.failing_ms = 0;
    e->send_ns = 0;
}

void exporter_outcome(struct exporter *e, CURLcode result, uint64_t now_ns, bool stopping)
{
    struct transfer_outcome outcome;
    bool probing = e->probing;

    transfer_finish(e->transfer, result, &outcome);
    agent_metrics_request(e->shared->metrics, e->signal, outcome.code, outcome.seconds);
    export_result_set(&e->result, &outcome);
    e->probing = false;
    e->stopping = stopping;
    if (outcome.verdict == RETRY_DELIVERED && probing) {
        /* An empty request is fine, so it is the record that is not. */
        succeeded(e);
        e->taken = true;
        e->refused = 0;
        e->state = EXPORTER_WAITING;
        refuse_record(e, "refused, while an empty request is accepted", now_ns);
    } else if (outcome.verdict == RETRY_DELIVERED) {
        succeeded(e);
        if (outcome.rejected > 0 && !e->rejecting)
            message_print("%s: %llu records rejected: %s", spool_signal_names[e->signal],
                          (unsigned long long)outcome.rejected, outcome.detail);
        e->rejecting = outcome.rejected > 0;
        if (outcome.cut && !e->cut)
            message_print("%s: the answer could not be read to its end; taken as delivered: %s",
                          spool_signal_names[e->signal], outcome.detail);
        e->cut = outcome.cut;
        e->taken = true;
        e->state = EXPORTER_WAITING;
        range_done(e, outcome.rejected, now_ns);
    } else if (outcome.verdict != RETRY_SPLIT || probing) {
        fail(e, &outcome, now_ns);
    } else {
        e->state = EXPORTER_WAITING;
        if (gather(e, ranges_end(&e->ranges)) > 1) {
            if (outcome.too_large)
                ranges_too_large(&e->ranges, range_bytes(e));
            ranges_halve(&e->ranges, e->settled);
            send_next(e, now_ns);
        } else if (!e->taken || e->refused >= SUSPICIOUS) {
            ask_endpoint(e, now_ns);
        } else {
            message_print("%s: one record refused and quarantined: %s",
                          spool_signal_names[e->signal], outcome.detail);
            refuse_record(e, outcome.detail, now_ns);
        }
    }
}

bool exporter_drained(const struct exporter *e)
{
    return e->state == EXPORTER_IDLE && !e->more && e->look_ns != 0;
}

void exporter_abandon(struct exporter *e, uint64_t seq)
{
    e->more = true;
    if (e->state == EXPORTER_IDLE || e->segments.held_seq != seq)
        return;
    if (e->transfer != NULL)
        transfer_cancel(e->transfer);
    e->probing = false;
    set_idle(e);
}
