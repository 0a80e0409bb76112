#include "metrics-agent/export/exporter.h"

#include "lib/base/clock.h"
#include "lib/base/ids.h"
#include "lib/base/instance_file.h"
#include "lib/base/message.h"
#include "lib/spool/writer.h"
#include "metrics-agent/export/exporter_batch.h"
#include "metrics-agent/export/exporter_files.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    SUSPICIOUS = 4, /* refused records in a row after which the endpoint is asked */
};

int exporter_open(struct exporter *e, enum spool_signal signal, struct exporter_shared *shared)
{
    const struct agent_export *export = &shared->settings->export[signal];
    struct checkpoint_signal *saved = &shared->checkpoint->state.signals[signal];

    memset(e, 0, sizeof *e);
    e->signal = signal;
    e->shared = shared;
    e->counts = &saved->counts;
    e->quarantine = (struct quarantine){.dir_fd = shared->dirs.disk_fd,
                                        .signal = signal,
                                        .max_bytes = shared->settings->segment_bytes};
    if (segments_open(&e->segments, signal, &shared->dirs, saved) != 0) {
        message_print("the spool can't be read: %s", strerror(errno));
        return -1;
    }
    if (kept_open(&e->kept, signal, &shared->dirs) != 0)
        message_print("kept records can't be looked at: %s", strerror(errno));
    e->segments.words = metrics_words(shared->metrics->metrics);
    e->progress_ns = clock_monotonic_ns();
    e->rescan_ns = e->progress_ns + clock_ms_to_ns(EXPORTER_FILES_RESCAN_MS);
    if (export->url[0] == '\0')
        return 0;
    e->window_size = EXPORTER_WINDOW;
    e->window = malloc(e->window_size);
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
    kept_close(&e->kept);
    export_request_close(&e->request);
    free(e->window);
    e->transfer = NULL;
    e->window = NULL;
}

void exporter_notify(struct exporter *e, uint64_t now_ns)
{
    uint64_t at = now_ns + (e->shared->drain ? 0 : clock_ms_to_ns(e->shared->gather_ms));

    if (e->look_ns > at)
        e->look_ns = at;
    e->notified = true;
}

bool exporter_step_over(uint64_t since_ns)
{
    return clock_monotonic_ns() - since_ns >= clock_ms_to_ns(EXPORTER_STEP_MS);
}

/* Records of the range that is next, and how many. */
static size_t gather(struct exporter *e, size_t end)
{
    size_t count = 0, i;

    for (i = e->settled; i < end; i++) {
        const struct spool_line *item = &e->batch.items[i];

        if (item->kind == SPOOL_LINE_RECORD)
            e->records[count++] = otlp_splice_record(&e->batch, e->window, item);
    }
    return count;
}

/* The item that gave record number `record` of gather. */
static struct spool_line *item_of_record(struct exporter *e, size_t record)
{
    size_t i;

    for (i = e->settled; i < e->batch.count; i++) {
        if (e->batch.items[i].kind == SPOOL_LINE_RECORD && record-- == 0)
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
    const struct spool_line *const last = &e->batch.items[ranges_end(&e->ranges) - 1];

    return last->start + last->length - e->batch.items[e->settled].start;
}

static void start(struct exporter *e, const struct export_request_body *body, uint64_t now_ns)
{
    if (transfer_send(e->transfer, body->bytes, body->len) == 0)
        e->state = EXPORTER_SENDING;
    else
        wait_until(e, now_ns + clock_ms_to_ns(
                                   retry_delay_ms(RETRY_AGAIN, ++e->failures, 0, ids_random64())));
}

/* Sends the next range of the batch, or settles what needs no sending. */
static void send_next(struct exporter *e, uint64_t now_ns)
{
    const uint64_t began_ns = clock_monotonic_ns();

    while (e->settled < e->batch.count) {
        const size_t end = ranges_end(&e->ranges), count = gather(e, end);
        struct export_request_body body;
        size_t bad = count;

        if (exporter_step_over(began_ns)) {
            wait_until(e, now_ns);
            return;
        }
        if (count == 0) {
            exporter_batch_settle(e, end, 0, "");
            ranges_taken(&e->ranges);
            continue;
        }
        if ((count == 1 || !ranges_beyond(&e->ranges, range_bytes(e))) &&
            export_request_make(&e->request, e->records, count, &body, &bad) == 0) {
            start(e, &body, now_ns);
            return;
        }
        if (bad < count || count == 1) {
            struct spool_line *const item = item_of_record(e, bad < count ? bad : 0);

            item->kind = SPOOL_LINE_MALFORMED;
            e->misfit = item;
        } else {
            ranges_halve(&e->ranges, e->settled);
        }
    }
    exporter_batch_none(e);
}

uint64_t exporter_run(struct exporter *e, uint64_t now_ns)
{
    const uint64_t began_ns = clock_monotonic_ns();

    if (now_ns >= e->look_ns || e->segments.deleted > 0)
        exporter_files_look(e, now_ns);
    if (e->state == EXPORTER_WAITING && now_ns >= e->send_ns)
        send_next(e, now_ns);
    while (e->state == EXPORTER_IDLE && e->transfer != NULL && e->more && now_ns >= e->send_ns &&
           !exporter_step_over(began_ns)) {
        e->more = exporter_batch_read(e);
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
    if (!e->shared->once)
        message_print("%s: %s; %s", spool_signal_names[e->signal], outcome->detail, what);
}

/* The range was taken; the next one of the batch follows. */
static void range_done(struct exporter *e, uint64_t rejected, uint64_t now_ns)
{
    exporter_batch_settle(e, ranges_end(&e->ranges), rejected, "");
    ranges_taken(&e->ranges);
    send_next(e, now_ns);
}

static void refuse_record(struct exporter *e, const char *detail, uint64_t now_ns)
{
    item_of_record(e, 0)->kind = SPOOL_LINE_REFUSED;
    e->refused++;
    exporter_batch_settle(e, ranges_end(&e->ranges), 0, detail);
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
             verdict == RETRY_HOLD ? "keeping the records and retrying from time to time"
                                   : "trying again");
    wait_until(e, now_ns + clock_ms_to_ns(retry_delay_ms(verdict, e->failures,
                                                         outcome->retry_after_s, ids_random64())));
}

static void succeeded(struct exporter *e)
{
    if (e->trouble[0] != '\0' && !e->shared->once)
        message_print("%s: delivering again", spool_signal_names[e->signal]);
    e->trouble[0] = '\0';
    e->failures = 0;
    e->result.failing_ms = 0;
    e->send_ns = 0;
}

void exporter_outcome(struct exporter *e, CURLcode result, uint64_t now_ns)
{
    struct transfer_outcome outcome;
    bool probing = e->probing;

    transfer_finish(e->transfer, result, &outcome);
    agent_metrics_request(e->shared->metrics, e->signal, outcome.code, outcome.seconds);
    export_result_set(&e->result, &outcome);
    e->probing = false;
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

bool exporter_may_end(const struct exporter *e)
{
    if (e->transfer == NULL)
        return true;
    return !transfer_busy(e->transfer) &&
           (e->failures > 0 || (exporter_drained(e) && !e->notified));
}

void exporter_abandon(struct exporter *e, uint64_t seq)
{
    e->more = true;
    if (e->state == EXPORTER_IDLE || e->segments.held_seq != seq)
        return;
    if (e->transfer != NULL)
        transfer_cancel(e->transfer);
    e->probing = false;
    exporter_batch_none(e);
}
