#include "view/history_private.h"

#include "lib/control/breaker.h"
#include "lib/control/chaos.h"
#include "lib/families.h"

#include <math.h>
#include <string.h>

enum { NAMES_MAX = 64 }; /* of errors and drops, in one look */

/* What a look needs. */
struct look {
    const struct metrics_reader *reader;
    const struct history_rows_look *rows;
    struct history *history;
    struct history_now *now;
};

/* Sums of counters by the value of one label. */
struct sums {
    const char *names[NAMES_MAX];
    uint64_t values[NAMES_MAX];
    size_t count;
};

/* The family of that name, if it is of this kind with these labels (NULL-terminated), else NULL. */
static const struct metrics_reader_family *family_of(const struct metrics_reader *reader,
                                                     const char *name, enum metrics_kind kind,
                                                     const char *const *labels)
{
    const struct metrics_reader_family *f = metrics_reader_find_family(reader, name, strlen(name));
    size_t i = 0;

    if (f == NULL || f->kind != kind)
        return NULL;
    for (; labels[i] != NULL; i++) {
        if (i >= f->label_count || strcmp(f->labels[i], labels[i]) != 0)
            return NULL;
    }
    return i == f->label_count ? f : NULL;
}

#define FAMILY(look, name, kind, ...)                                                              \
    family_of((look)->reader, name, kind, (const char *const[]){__VA_ARGS__, NULL})
#define FAMILY_ALONE(look, name, kind)                                                             \
    family_of((look)->reader, name, kind, (const char *const[]){NULL})

static bool has_latency_bounds(const struct metrics_reader_family *family)
{
    return family->bound_count == FAMILIES_LATENCY_BOUNDS &&
           memcmp(family->bounds, families_latency_bounds, sizeof families_latency_bounds) == 0;
}

/* The series with this value of its first label, in a family of one. Series are sorted. */
static const struct metrics_reader_series *series_of(const struct metrics_reader_family *family,
                                                     const char *value)
{
    size_t low = 0, high = family != NULL ? family->series_count : 0;

    while (low < high) {
        const size_t middle = (low + high) / 2;
        const int order = strcmp(family->series[middle]->values[0], value);

        if (order == 0)
            return family->series[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

static void sum_up(struct sums *sums, const char *name, uint64_t value)
{
    for (size_t i = 0; i < sums->count; i++) {
        if (strcmp(sums->names[i], name) == 0) {
            sums->values[i] += value;
            return;
        }
    }
    if (sums->count < NAMES_MAX) {
        sums->names[sums->count] = name;
        sums->values[sums->count++] = value;
    }
}

static void add_sums(const struct look *look, struct history_rows *rows, const struct sums *sums)
{
    for (size_t i = 0; i < sums->count; i++)
        history_rows_add(rows, &look->history->others, look->rows, sums->names[i], "",
                         &sums->values[i]);
}

static int compare_route(const struct metrics_reader_series *a,
                         const struct metrics_reader_series *b)
{
    const int order = strcmp(a->values[0], b->values[0]);

    return order != 0 ? order : strcmp(a->values[1], b->values[1]);
}

static void add_buckets(uint64_t *to, const struct metrics_reader_histogram *histogram)
{
    for (size_t i = 0; i < OVERVIEW_BUCKETS; i++)
        to[i] += histogram->buckets[i];
}

/* Both families are sorted by method and path: they are gone through side by side. */
static void read_routes(const struct look *look)
{
    const struct metrics_reader_family *const requests =
        FAMILY(look, "requests_total", METRICS_COUNTER, "method", "path", "status");
    const struct metrics_reader_family *const latency =
        FAMILY(look, "request_latency_seconds", METRICS_HISTOGRAM, "method", "path");
    const size_t request_count = requests != NULL ? requests->series_count : 0;
    const size_t latency_count =
        latency != NULL && has_latency_bounds(latency) ? latency->series_count : 0;
    uint64_t *const totals = look->now->counts;

    look->now->requests_known = request_count > 0;
    for (size_t i = 0, k = 0; i < request_count || k < latency_count;) {
        const struct metrics_reader_series *const route =
            i < request_count && (k == latency_count ||
                                  compare_route(requests->series[i], latency->series[k]) <= 0)
                ? requests->series[i]
                : latency->series[k];
        uint64_t counts[HISTORY_ROUTE_COUNTS] = {0};

        for (; i < request_count && compare_route(requests->series[i], route) == 0; i++) {
            const uint64_t count = metrics_reader_counter(look->reader, requests->series[i]);
            const char class = requests->series[i]->values[2][0];

            counts[HISTORY_ROUTE_REQUESTS] += count;
            if (class == '4' || class == '5')
                counts[class == '4' ? HISTORY_ROUTE_CLIENT_ERRORS : HISTORY_ROUTE_SERVER_ERRORS] +=
                    count;
        }
        if (k < latency_count && compare_route(latency->series[k], route) == 0) {
            struct metrics_reader_histogram histogram;

            metrics_reader_histogram(look->reader, latency, latency->series[k++], &histogram);
            add_buckets(counts + HISTORY_ROUTE_LATENCY, &histogram);
        }
        totals[HISTORY_REQUESTS] += counts[HISTORY_ROUTE_REQUESTS];
        totals[HISTORY_CLIENT_ERRORS] += counts[HISTORY_ROUTE_CLIENT_ERRORS];
        totals[HISTORY_SERVER_ERRORS] += counts[HISTORY_ROUTE_SERVER_ERRORS];
        for (size_t b = 0; b < OVERVIEW_BUCKETS; b++)
            totals[HISTORY_LATENCY + b] += counts[HISTORY_ROUTE_LATENCY + b];
        history_rows_add(&look->history->routes, &look->history->others, look->rows,
                         route->values[0], route->values[1], counts);
    }
}

static void read_errors(const struct look *look)
{
    static const char name[] = "errors_total";
    const struct metrics_reader_family *const errors =
        metrics_reader_find_family(look->reader, name, sizeof name - 1);
    struct sums sums = {.count = 0};
    size_t label = 0;

    if (errors == NULL || errors->kind != METRICS_COUNTER)
        return;
    while (label < errors->label_count && strcmp(errors->labels[label], "exception") != 0)
        label++;
    if (label == errors->label_count)
        return;
    for (size_t i = 0; i < errors->series_count; i++)
        sum_up(&sums, errors->series[i]->values[label],
               metrics_reader_counter(look->reader, errors->series[i]));
    add_sums(look, &look->history->errors, &sums);
}

/* A counter without labels, or with one whose values do not matter. */
static uint64_t sum_of(const struct look *look, const struct metrics_reader_family *family)
{
    uint64_t sum = 0;

    for (size_t i = 0; family != NULL && i < family->series_count; i++)
        sum += metrics_reader_counter(look->reader, family->series[i]);
    return sum;
}

static void read_queue(const struct look *look)
{
    const struct metrics_reader_family *const queue =
        FAMILY_ALONE(look, "request_queue_seconds", METRICS_HISTOGRAM);
    struct metrics_reader_histogram histogram;

    if (queue != NULL && has_latency_bounds(queue) && queue->series_count > 0) {
        metrics_reader_histogram(look->reader, queue, queue->series[0], &histogram);
        add_buckets(look->now->counts + HISTORY_QUEUE, &histogram);
    }
    look->now->counts[HISTORY_ABANDONED] =
        sum_of(look, FAMILY_ALONE(look, "requests_abandoned_total", METRICS_COUNTER));
}

static void read_workers(const struct look *look)
{
    const struct metrics_reader_family *const workers =
        FAMILY(look, "microtrace_workers", METRICS_LIVE_GAUGE, "state");
    const struct metrics_reader_series *const busy = series_of(workers, "busy"), *const idle =
                                                                                     series_of(
                                                                                         workers,
                                                                                         "idle");

    look->now->busy =
        busy != NULL ? (double)metrics_reader_live_gauge(look->reader, busy) : (double)NAN;
    look->now->idle =
        idle != NULL ? (double)metrics_reader_live_gauge(look->reader, idle) : (double)NAN;
}

/* The downstream calls, and the words that processes share. */
static void read_control(const struct look *look)
{
    const struct metrics_reader_family *const calls =
        FAMILY(look, "downstream_requests_total", METRICS_COUNTER, "outcome");
    const struct metrics_reader_series *const good = series_of(calls, "success");
    uint64_t *const totals = look->now->counts;
    struct metrics_words words;
    struct chaos_status status;
    const struct chaos_set *set;

    totals[HISTORY_INJECTED] =
        sum_of(look, FAMILY(look, "chaos_injected_total", METRICS_COUNTER, "kind"));
    totals[HISTORY_CALLS] = sum_of(look, calls);
    totals[HISTORY_CALL_FAILURES] =
        totals[HISTORY_CALLS] - (good != NULL ? metrics_reader_counter(look->reader, good) : 0);
    if (!metrics_reader_words(look->reader, &words))
        return;
    chaos_control_status(&words, &status);
    set = status.run_time.state != CHAOS_UNSET ? &status.run_time : &status.environment;
    look->now->chaos_on = set->state == CHAOS_ON;
    look->now->chaos_probability = set->probability;
    look->now->chaos_error_rate = set->error_rate;
    look->now->chaos_abort_rate = set->abort_rate;
    const struct breaker_status breaker = breaker_look(&words);
    look->now->breaker = breaker.state;
    look->now->breaker_used = totals[HISTORY_CALLS] > 0 || breaker.state != BREAKER_CLOSED;
}

static const struct metrics_reader_family *spool_family(const struct look *look,
                                                        enum families number)
{
    const struct metrics_family_def *const def = &families_table[number];

    return family_of(look->reader, def->name, def->kind, def->labels);
}

static double gauge_of(const struct look *look, enum families number, const char *signal)
{
    const struct metrics_reader_series *const s = series_of(spool_family(look, number), signal);

    return s != NULL ? metrics_reader_gauge(look->reader, s) : 0;
}

static uint64_t whole(double value)
{
    return value > 0 && value < 1e18 ? (uint64_t)value : 0;
}

static struct overview_signal *signal_of(struct history_now *now, const char *name)
{
    for (int i = 0; i < SPOOL_SIGNALS; i++) {
        if (strcmp(spool_signal_names[i], name) == 0)
            return &now->signals[i];
    }
    return NULL;
}

static void read_books(const struct look *look)
{
    const struct metrics_reader_family *const written = spool_family(look, FAMILY_SPOOL_WRITTEN),
                                              *const exported =
                                                  spool_family(look, FAMILY_EXPORT_RECORDS),
                                              *const dropped =
                                                  spool_family(look, FAMILY_SPOOL_DROPPED);
    struct sums reasons = {.count = 0};

    for (size_t i = 0; exported != NULL && i < exported->series_count; i++) {
        struct overview_signal *const s = signal_of(look->now, exported->series[i]->values[0]);
        const char *const outcome = exported->series[i]->values[1];
        const uint64_t count = metrics_reader_counter(look->reader, exported->series[i]);

        if (s != NULL && strcmp(outcome, "delivered") == 0)
            s->delivered = count;
        else if (s != NULL && strcmp(outcome, "rejected") == 0)
            s->rejected = count;
        else if (s != NULL && strcmp(outcome, "quarantined") == 0)
            s->quarantined = count;
    }
    for (size_t i = 0; dropped != NULL && i < dropped->series_count; i++) {
        struct overview_signal *const s = signal_of(look->now, dropped->series[i]->values[0]);
        const uint64_t count = metrics_reader_counter(look->reader, dropped->series[i]);

        if (s != NULL)
            s->dropped += count;
        sum_up(&reasons, dropped->series[i]->values[1], count);
    }
    for (int i = 0; i < SPOOL_SIGNALS; i++) {
        const char *const name = spool_signal_names[i];
        const struct metrics_reader_series *const w = series_of(written, name);
        struct overview_signal *const s = &look->now->signals[i];

        s->known = w != NULL;
        s->written = w != NULL ? metrics_reader_counter(look->reader, w) : 0;
        s->backlog = whole(gauge_of(look, FAMILY_SPOOL_BACKLOG, name));
        s->oldest_s = gauge_of(look, FAMILY_SPOOL_OLDEST_AGE, name);
        s->bytes = gauge_of(look, FAMILY_SPOOL_BYTES, name);
        s->limit_bytes = gauge_of(look, FAMILY_SPOOL_LIMIT, name);
        s->kept_bytes = gauge_of(look, FAMILY_SPOOL_KEPT, name);
        look->now->counts[HISTORY_WRITTEN + i] = s->written;
        look->now->counts[HISTORY_DELIVERED + i] = s->delivered;
    }
    add_sums(look, &look->history->drops, &reasons);
}

static struct history_program *program_of(struct history *h, const char *name, unsigned *number)
{
    const struct history_row *const row = history_rows_find(&h->programs, name, "");

    if (row == NULL)
        return NULL;
    *number = (unsigned)(row - h->program_rows);
    return &h->program_now[*number];
}

static void read_run_bounds(struct history *h, const struct metrics_reader_family *seconds)
{
    h->run_bound_count = 0;
    if (seconds == NULL || seconds->bound_count > HISTORY_RUN_BOUNDS_MAX)
        return;
    h->run_bound_count = seconds->bound_count;
    memcpy(h->run_bounds, seconds->bounds, seconds->bound_count * sizeof *seconds->bounds);
}

static double moment(const struct look *look, const struct metrics_reader_family *family,
                     const char *program)
{
    const struct metrics_reader_series *const s = series_of(family, program);

    return s != NULL ? metrics_reader_gauge(look->reader, s) : 0;
}

static void read_runs(const struct look *look)
{
    const struct metrics_reader_family *const runs =
        FAMILY(look, "program_runs_total", METRICS_COUNTER, "program", "outcome");
    const struct metrics_reader_family *const seconds =
        FAMILY(look, "program_run_seconds", METRICS_HISTOGRAM, "program");
    const struct metrics_reader_family *const success =
        FAMILY(look, "program_last_success_timestamp_seconds", METRICS_GAUGE, "program");
    const struct metrics_reader_family *const failure =
        FAMILY(look, "program_last_failure_timestamp_seconds", METRICS_GAUGE, "program");
    const size_t count = runs != NULL ? runs->series_count : 0;
    struct history *const h = look->history;

    read_run_bounds(h, seconds);
    for (size_t i = 0; i < count;) {
        const char *const program = runs->series[i]->values[0];
        const struct metrics_reader_series *const took = series_of(seconds, program);
        uint64_t counts[HISTORY_PROGRAM_COUNTS] = {0};
        struct history_program *now;
        unsigned number;

        for (; i < count && strcmp(runs->series[i]->values[0], program) == 0; i++) {
            const uint64_t value = metrics_reader_counter(look->reader, runs->series[i]);

            counts[HISTORY_PROGRAM_RUNS] += value;
            if (strcmp(runs->series[i]->values[1], "success") != 0)
                counts[HISTORY_PROGRAM_FAILURES] += value;
        }
        if (took != NULL && h->run_bound_count > 0) {
            struct metrics_reader_histogram histogram;

            metrics_reader_histogram(look->reader, seconds, took, &histogram);
            memcpy(counts + HISTORY_PROGRAM_SECONDS, histogram.buckets,
                   (h->run_bound_count + 1) * sizeof *counts);
        }
        history_rows_add(&h->programs, &h->others, look->rows, program, "", counts);
        now = program_of(h, program, &number);
        if (now != NULL) {
            now->last_success_s = moment(look, success, program);
            now->last_failure_s = moment(look, failure, program);
        }
    }
}

static void read_programs(const struct look *look)
{
    const struct metrics_reader_family *const workers =
        FAMILY(look, "microtrace_program_workers", METRICS_LIVE_GAUGE, "program", "state");
    static const uint64_t none[HISTORY_PROGRAM_COUNTS];
    struct history *const h = look->history;

    for (int i = 0; i < HISTORY_PROGRAMS; i++)
        h->program_now[i] = (struct history_program){.busy = NAN, .idle = NAN};
    read_runs(look);
    for (size_t i = 0; workers != NULL && i < workers->series_count; i++) {
        const struct metrics_reader_series *const s = workers->series[i];
        const float value = (float)metrics_reader_live_gauge(look->reader, s);
        const bool busy = strcmp(s->values[1], "busy") == 0;
        unsigned number;

        if (history_rows_find(&h->programs, s->values[0], "") == NULL)
            history_rows_add(&h->programs, &h->others, look->rows, s->values[0], "", none);
        struct history_program *const now = program_of(h, s->values[0], &number);
        if (now == NULL)
            continue;
        *(busy ? &now->busy : &now->idle) = value;
        if (busy && value > 0)
            history_rows_raise(&h->programs, number, look->rows->minute, HISTORY_PROGRAM_BUSY,
                               (uint64_t)value);
    }
}

void history_read(struct history *history, const struct metrics_reader *reader,
                  const struct history_rows_look *rows, struct history_now *now)
{
    const struct look look = {reader, rows, history, now};

    memset(now, 0, sizeof *now);
    read_routes(&look);
    read_errors(&look);
    read_queue(&look);
    read_workers(&look);
    read_control(&look);
    read_books(&look);
    read_programs(&look);
}
