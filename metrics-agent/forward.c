#include "metrics-agent/forward.h"

#include "lib/base/clock.h"
#include "lib/base/ids.h"
#include "lib/spool/writer.h"
#include "metrics-agent/message.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    LINGER_MS = 25,     /* so that a burst becomes a batch */
    UNSEALED_MS = 1000, /* how often writers' locks on sealed segments are looked at */
    SCAN_STEP = 65536,
    SUSPICIOUS = 4, /* refused records in a row after which the endpoint is asked */
};

#define MS_TO_NS(ms) ((uint64_t)(ms)*CLOCK_NS_PER_MS)

int forward_open(struct forward *f, enum spool_signal signal, struct forward_shared *shared)
{
    const struct agent_export *export = &shared->settings->export[signal];
    struct checkpoint_signal *saved = &shared->checkpoint->state.signals[signal];

    memset(f, 0, sizeof *f);
    f->signal = signal;
    f->shared = shared;
    f->books = &saved->books;
    f->quarantine = (struct quarantine){
        .dir_fd = shared->dir_fd, .signal = signal, .max_bytes = shared->settings->segment_bytes};
    if (segments_open(&f->segments, signal, shared->dir_fd, saved) != 0) {
        message_print("the spool can't be read: %s", strerror(errno));
        return -1;
    }
    if (export->url[0] == '\0')
        return 0;
    f->window = malloc(FORWARD_WINDOW);
    f->ship = ship_open(shared->multi, export);
    if (f->window == NULL || f->ship == NULL ||
        request_open(&f->request, signal, (enum agent_protocol) export->protocol, shared->resource,
                     FORWARD_WINDOW) != 0) {
        message_print("the exporter for %s can't be set up", spool_signal_names[signal]);
        return -1;
    }
    return 0;
}

void forward_close(struct forward *f)
{
    ship_close(f->ship);
    segments_close(&f->segments);
    request_close(&f->request);
    free(f->window);
    f->ship = NULL;
    f->window = NULL;
}

void forward_stir(struct forward *f, uint64_t now_ns)
{
    uint64_t at = now_ns + (f->shared->drain ? 0 : MS_TO_NS(LINGER_MS));

    if (f->look_ns > at)
        f->look_ns = at;
    f->stirred = true;
}

void forward_save(struct forward *f)
{
    struct checkpoint *checkpoint = f->shared->checkpoint;

    segments_save(&f->segments, &checkpoint->state.signals[f->signal]);
    if (checkpoint_write(checkpoint) == 0) {
        f->shared->checkpoint_failed = false;
        return;
    }
    if (!f->shared->checkpoint_failed)
        message_print("the checkpoint can't be written, a restart would send again: %s",
                      strerror(errno));
    f->shared->checkpoint_failed = true;
}

/* Segments go one step behind the checkpoint that says so, and that is on the disk. */
static void remove_done(struct forward *f)
{
    bool synced = false;
    size_t i;

    for (i = 0; i < f->segments.count;) {
        struct segment *segment = &f->segments.list[i];

        if (!segments_done(segment) || (f->state != FORWARD_IDLE && segment->seq == f->batch_seq)) {
            i++;
            continue;
        }
        /* Where it can't be synced, what the unlink may cost is numbers, never records. */
        if (!synced)
            (void)checkpoint_sync(f->shared->checkpoint);
        synced = true;
        segments_remove(&f->segments, segment);
    }
}

void forward_commit(struct forward *f)
{
    forward_save(f);
    remove_done(f);
}

/* Looks at the files: what is new, what is to be sealed, what is gone. */
static void look(struct forward *f, uint64_t now_ns)
{
    struct segments *s = &f->segments;
    struct segment *last;
    uint64_t deleted;
    size_t i;

    segments_refresh(s, f->state != FORWARD_IDLE ? f->batch_seq : 0);
    last = s->count > 0 ? &s->list[s->count - 1] : NULL;
    if (last != NULL && last->active && last->size >= f->shared->settings->segment_bytes) {
        if (segments_seal(s) == 0)
            segments_refresh(s, f->state != FORWARD_IDLE ? f->batch_seq : 0);
        else
            message_print("%s.jsonl can't be sealed: %s", spool_signal_names[f->signal],
                          strerror(errno));
    }
    deleted = segments_take_deleted(s);
    if (deleted > 0) {
        f->books->dropped[SPOOL_DROP_DELETED] += deleted;
        message_print("%llu records of %s were deleted by someone else",
                      (unsigned long long)deleted, spool_signal_names[f->signal]);
        forward_save(f);
    }
    f->look_ns = UINT64_MAX;
    f->stirred = false;
    f->more = true;
    for (i = 0; i < s->count; i++) {
        struct segment *segment = &s->list[i];

        if (!segment->active && !segment->final)
            f->look_ns = now_ns + MS_TO_NS(UNSEALED_MS);
        if (segments_done(segment) && f->state == FORWARD_IDLE) {
            forward_commit(f);
            break;
        }
    }
}

/*
 * The batch was read from a file that may since have been truncated and written anew. Then what is
 * left of the batch is of no segment any more, and the file is read from its start.
 */
static void check_replaced(struct forward *f, struct segment *segment, uint64_t to)
{
    const size_t len = to < CHECKPOINT_PRINT_BYTES ? (size_t)to : CHECKPOINT_PRINT_BYTES;
    size_t after;

    if (segments_holds(&f->segments, segment, f->batch_offset + to, f->window + to - len, len))
        return;
    segments_replaced(&f->segments, segment,
                      spool_lines_count(f->window + to, f->batch.consumed - (size_t)to, &after));
    f->batch_seq = 0;
    f->look_ns = 0;
}

/* Marks items up to `end` as come to their end, the records among them `rejected` or delivered. */
static void settle(struct forward *f, size_t end, uint64_t rejected, const char *detail)
{
    struct segment *segment = segments_find(&f->segments, f->batch_seq);
    uint64_t from = f->settled > 0 ? f->batch.items[f->settled - 1].end : 0, delivered = 0, to;
    size_t after, i;

    for (i = f->settled; i < end; i++) {
        const struct spool_line *item = &f->batch.items[i];

        if (item->kind == SPOOL_LINE_RECORD) {
            delivered++;
        } else if (item->kind == SPOOL_LINE_TORN) {
            f->books->dropped[SPOOL_DROP_TORN]++;
        } else {
            if (quarantine_add(&f->quarantine, spool_line_reason(item->kind),
                               item->kind == SPOOL_LINE_REFUSED ? detail : "",
                               f->window + item->start, item->length, item->length) != 0)
                message_print("a record can't be kept in the quarantine file: %s", strerror(errno));
            f->books->quarantined++;
        }
    }
    if (rejected > delivered)
        rejected = delivered;
    f->books->delivered += delivered - rejected;
    f->books->rejected += rejected;
    if (delivered > 0)
        f->refused = 0;
    to = end == f->batch.count ? f->batch.consumed : f->batch.items[end - 1].end;
    if (segment != NULL) {
        segments_settle(segment, f->batch_offset + to,
                        spool_lines_count(f->window + from, (size_t)(to - from), &after));
        check_replaced(f, segment, to);
    }
    f->settled = end;
    if (f->settled == f->batch.count)
        f->state = FORWARD_IDLE;
    forward_commit(f);
}

/* The newline of a line longer than a record may be, looked for beyond the window. */
static bool settle_overlong(struct forward *f, struct segment *segment)
{
    uint64_t at = segment->offset, end = 0, length;
    char buffer[SCAN_STEP];

    while (end == 0 && at < segment->size) {
        ssize_t got = pread(segment->fd, buffer, sizeof buffer, (off_t)at);
        const char *newline;

        if (got <= 0)
            return false;
        newline = memchr(buffer, '\n', (size_t)got);
        if (newline != NULL)
            end = at + (uint64_t)(newline - buffer) + 1;
        at += (uint64_t)got;
    }
    if (end == 0 && !segment->final)
        return false;
    length = (end > 0 ? end - 1 : segment->size) - segment->offset;
    if (end == 0)
        end = segment->size;
    if (quarantine_add(&f->quarantine, spool_line_reason(SPOOL_LINE_OVERSIZE), "", f->window,
                       SPOOL_RECORD_MAX, length) != 0)
        message_print("a record can't be kept in the quarantine file: %s", strerror(errno));
    f->books->quarantined++;
    segments_settle(segment, end, 1);
    forward_commit(f);
    return true;
}

/* Cuts the next batch from one segment. Returns 1 with items, 0 to try again, -1 for nothing. */
static int read_segment(struct forward *f, struct segment *segment)
{
    uint64_t left = segment->size - segment->offset;
    size_t want = left < FORWARD_WINDOW ? (size_t)left : FORWARD_WINDOW;
    ssize_t got;

    if (segment->suspect || segments_open_file(&f->segments, segment) != 0) {
        f->look_ns = 0;
        return -1;
    }
    got = pread(segment->fd, f->window, want, (off_t)segment->offset);
    if (got <= 0)
        return -1;
    spool_lines_split(&f->batch, f->signal, f->window, (size_t)got,
                      segment->final && segment->offset + (uint64_t)got == segment->size);
    f->batch_seq = segment->seq;
    f->batch_offset = segment->offset;
    f->settled = 0;
    if (f->batch.overlong)
        return settle_overlong(f, segment) ? 0 : -1;
    if (f->batch.count > 0) {
        ranges_begin(&f->ranges, f->batch.count);
        return 1;
    }
    if (f->batch.consumed == 0)
        return -1;
    segments_settle(segment, segment->offset + f->batch.consumed, 0);
    forward_commit(f);
    return 0;
}

/* A batch from the oldest segment that has something complete. */
static bool read_batch(struct forward *f)
{
    size_t i = 0;

    while (i < f->segments.count) {
        struct segment *segment = &f->segments.list[i];
        bool unread = segment->offset < segment->size && !segment->given_up;
        int found = unread ? read_segment(f, segment) : -1;

        if (found > 0)
            return true;
        /* After 0 a segment may have gone from the list. */
        i = found == 0 ? 0 : i + 1;
    }
    return false;
}

/* Lines of the range that is next, and how many. */
static size_t gather(struct forward *f, size_t end)
{
    size_t count = 0, i;

    for (i = f->settled; i < end; i++) {
        const struct spool_line *item = &f->batch.items[i];

        if (item->kind == SPOOL_LINE_RECORD)
            f->lines[count++] = (struct otlp_line){f->window + item->start, item->length};
    }
    return count;
}

/* The item that gave line number `line` of gather. */
static struct spool_line *item_of_line(struct forward *f, size_t line)
{
    size_t i;

    for (i = f->settled; i < f->batch.count; i++) {
        if (f->batch.items[i].kind == SPOOL_LINE_RECORD && line-- == 0)
            return &f->batch.items[i];
    }
    assert(!"gather took it from here");
    return NULL;
}

static void wait_until(struct forward *f, uint64_t at_ns)
{
    f->state = FORWARD_WAITING;
    f->send_ns = at_ns;
}

/* Bytes of the spool that the range that is next covers. */
static size_t range_bytes(const struct forward *f)
{
    return f->batch.items[ranges_end(&f->ranges) - 1].end - f->batch.items[f->settled].start;
}

static void start(struct forward *f, const struct request_body *body, uint64_t now_ns)
{
    if (f->stopping)
        wait_until(f, UINT64_MAX);
    else if (ship_send(f->ship, body->bytes, body->len) == 0)
        f->state = FORWARD_SENDING;
    else
        wait_until(f, now_ns +
                          MS_TO_NS(retry_delay_ms(RETRY_AGAIN, ++f->failures, 0, ids_random64())));
}

/* Sends the next range of the batch, or settles what needs no sending. */
static void send_next(struct forward *f, uint64_t now_ns)
{
    while (f->settled < f->batch.count) {
        const size_t end = ranges_end(&f->ranges), count = gather(f, end);
        struct request_body body;
        size_t bad = count;

        if (count == 0) {
            settle(f, end, 0, "");
            ranges_taken(&f->ranges);
            continue;
        }
        if ((count == 1 || !ranges_beyond(&f->ranges, range_bytes(f))) &&
            request_make(&f->request, f->lines, count, &body, &bad) == 0) {
            start(f, &body, now_ns);
            return;
        }
        if (bad < count || count == 1)
            item_of_line(f, bad < count ? bad : 0)->kind = SPOOL_LINE_MALFORMED;
        else
            ranges_halve(&f->ranges, f->settled);
    }
    f->state = FORWARD_IDLE;
}

uint64_t forward_run(struct forward *f, uint64_t now_ns)
{
    if (now_ns >= f->look_ns)
        look(f, now_ns);
    if (f->state == FORWARD_WAITING && now_ns >= f->send_ns)
        send_next(f, now_ns);
    while (f->state == FORWARD_IDLE && f->ship != NULL && f->more && now_ns >= f->send_ns) {
        f->more = read_batch(f);
        if (f->more)
            send_next(f, now_ns);
    }
    if ((f->state == FORWARD_WAITING || (f->state == FORWARD_IDLE && f->more)) && f->ship != NULL &&
        f->send_ns < f->look_ns)
        return f->send_ns;
    return f->look_ns;
}

static void complain(struct forward *f, const struct ship_outcome *outcome, const char *what)
{
    if (strcmp(f->trouble, outcome->code) == 0 && f->trouble_verdict == outcome->verdict)
        return;
    memcpy(f->trouble, outcome->code, sizeof f->trouble);
    f->trouble_verdict = outcome->verdict;
    message_print("%s: %s; %s", spool_signal_names[f->signal], outcome->detail, what);
}

/* The range was taken; the next one of the batch follows. */
static void range_done(struct forward *f, uint64_t rejected, uint64_t now_ns)
{
    settle(f, ranges_end(&f->ranges), rejected, "");
    ranges_taken(&f->ranges);
    send_next(f, now_ns);
}

static void refuse_record(struct forward *f, const char *detail, uint64_t now_ns)
{
    item_of_line(f, 0)->kind = SPOOL_LINE_REFUSED;
    f->refused++;
    settle(f, ranges_end(&f->ranges), 0, detail);
    ranges_refused(&f->ranges);
    send_next(f, now_ns);
}

static void ask_endpoint(struct forward *f, uint64_t now_ns)
{
    struct request_body body;

    request_make_empty(&f->request, &body);
    f->probing = true;
    start(f, &body, now_ns);
}

static void fail(struct forward *f, const struct ship_outcome *outcome, uint64_t now_ns)
{
    enum retry_verdict verdict = outcome->verdict == RETRY_SPLIT ? RETRY_HOLD : outcome->verdict;

    f->failures++;
    complain(f, outcome,
             verdict == RETRY_HOLD ? "holding, and looking again now and then" : "trying again");
    wait_until(f, now_ns + MS_TO_NS(retry_delay_ms(verdict, f->failures, outcome->retry_after_s,
                                                   ids_random64())));
}

static void succeeded(struct forward *f)
{
    if (f->trouble[0] != '\0')
        message_print("%s: delivering again", spool_signal_names[f->signal]);
    f->trouble[0] = '\0';
    f->failures = 0;
    f->send_ns = 0;
}

void forward_outcome(struct forward *f, CURLcode result, uint64_t now_ns, bool stopping)
{
    struct ship_outcome outcome;
    bool probing = f->probing;

    ship_finish(f->ship, result, &outcome);
    agent_metrics_request(f->shared->metrics, f->signal, outcome.code, outcome.seconds);
    f->probing = false;
    f->stopping = stopping;
    if (outcome.verdict == RETRY_DELIVERED && probing) {
        /* An empty request is fine, so it is the record that is not. */
        succeeded(f);
        f->refused = 0;
        f->state = FORWARD_WAITING;
        refuse_record(f, "refused, while an empty request is accepted", now_ns);
    } else if (outcome.verdict == RETRY_DELIVERED) {
        succeeded(f);
        if (outcome.rejected > 0 && !f->rejecting)
            message_print("%s: %llu records rejected: %s", spool_signal_names[f->signal],
                          (unsigned long long)outcome.rejected, outcome.detail);
        f->rejecting = outcome.rejected > 0;
        f->state = FORWARD_WAITING;
        range_done(f, outcome.rejected, now_ns);
    } else if (outcome.verdict != RETRY_SPLIT || probing) {
        fail(f, &outcome, now_ns);
    } else {
        f->state = FORWARD_WAITING;
        if (gather(f, ranges_end(&f->ranges)) > 1) {
            if (outcome.too_large)
                ranges_too_large(&f->ranges, range_bytes(f));
            ranges_halve(&f->ranges, f->settled);
            send_next(f, now_ns);
        } else if (f->refused >= SUSPICIOUS) {
            ask_endpoint(f, now_ns);
        } else {
            message_print("%s: one record refused and quarantined: %s",
                          spool_signal_names[f->signal], outcome.detail);
            refuse_record(f, outcome.detail, now_ns);
        }
    }
}

bool forward_drained(const struct forward *f)
{
    return f->state == FORWARD_IDLE && !f->more && f->look_ns != 0;
}

void forward_abandon(struct forward *f, uint64_t seq)
{
    f->more = true;
    if (f->state == FORWARD_IDLE || f->batch_seq != seq)
        return;
    if (f->ship != NULL)
        ship_cancel(f->ship);
    f->probing = false;
    f->state = FORWARD_IDLE;
}
