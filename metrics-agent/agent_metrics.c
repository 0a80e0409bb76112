#include "metrics-agent/agent_metrics.h"

#include <stddef.h>

#define LABELED(...)                                                                               \
    {                                                                                              \
        __VA_ARGS__, NULL                                                                          \
    }

static const double duration_bounds[] = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                                         0.25,  0.5,    1,     2.5,  5,     10,   30};

enum family {
    WRITTEN,
    DROPPED,
    BACKLOG,
    BYTES,
    OLDEST_AGE,
    EXPORTED,
    REQUESTS,
    DURATION,
    BUILD_INFO,
    FAMILIES,
};

static const struct metrics_family_def defs[FAMILIES] = {
    [WRITTEN] = {.name = "microtrace_spool_written_records_total",
                 .help = "Records that were written to the spool.",
                 .kind = METRICS_COUNTER,
                 .labels = LABELED("signal")},
    /* Shared with the writers, who count their own reasons: the text is theirs. */
    [DROPPED] = {.name = "microtrace_spool_dropped_records_total",
                 .help = "Records that did not reach the spool or left it undelivered, by reason.",
                 .kind = METRICS_COUNTER,
                 .labels = LABELED("signal", "reason")},
    [BACKLOG] = {.name = "microtrace_spool_backlog_records",
                 .help = "Records in the spool that wait for delivery.",
                 .kind = METRICS_GAUGE,
                 .labels = LABELED("signal")},
    [BYTES] = {.name = "microtrace_spool_bytes",
               .help = "Size of the spool's files.",
               .unit = "bytes",
               .kind = METRICS_GAUGE,
               .labels = LABELED("signal")},
    [OLDEST_AGE] = {.name = "microtrace_spool_oldest_record_age_seconds",
                    .help = "Age of the oldest record that waits for delivery.",
                    .unit = "seconds",
                    .kind = METRICS_GAUGE,
                    .labels = LABELED("signal")},
    [EXPORTED] = {.name = "microtrace_export_records_total",
                  .help = "Records that left the spool for the endpoint or for quarantine.",
                  .kind = METRICS_COUNTER,
                  .labels = LABELED("signal", "outcome")},
    [REQUESTS] = {.name = "microtrace_export_requests_total",
                  .help = "Export requests by the answer's status, timeout or error.",
                  .kind = METRICS_COUNTER,
                  .labels = LABELED("signal", "code")},
    [DURATION] = {.name = "microtrace_export_duration_seconds",
                  .help = "Time that one export request took.",
                  .unit = "seconds",
                  .kind = METRICS_HISTOGRAM,
                  .labels = LABELED("signal"),
                  .bounds = duration_bounds,
                  .bound_count = sizeof duration_bounds / sizeof duration_bounds[0]},
    [BUILD_INFO] = {.name = "microtrace_build_info",
                    .help = "Always 1; the label tells the version.",
                    .kind = METRICS_GAUGE,
                    .labels = LABELED("version")},
};

static int attach(struct agent_metrics *m)
{
    struct metrics_family *families[FAMILIES];
    int i, k;

    m->metrics = metrics_open(m->run_dir);
    if (m->metrics == NULL)
        return -1;
    for (i = 0; i < FAMILIES; i++)
        families[i] = metrics_declare(m->metrics, &defs[i]);
    m->requests = families[REQUESTS];
    for (i = 0; i < SPOOL_SIGNALS; i++) {
        struct agent_metrics_signal *s = &m->signals[i];
        const char *signal = spool_signal_names[i];
        const char *const only[] = {signal};

        s->written = metrics_counter(families[WRITTEN], only);
        s->backlog = metrics_gauge(families[BACKLOG], only);
        s->bytes = metrics_gauge(families[BYTES], only);
        s->oldest_age = metrics_gauge(families[OLDEST_AGE], only);
        s->duration = metrics_histogram(families[DURATION], only);
        s->delivered =
            metrics_counter(families[EXPORTED], (const char *const[]){signal, "delivered"});
        s->rejected =
            metrics_counter(families[EXPORTED], (const char *const[]){signal, "rejected"});
        s->quarantined =
            metrics_counter(families[EXPORTED], (const char *const[]){signal, "quarantined"});
        for (k = 0; k < SPOOL_DROPS; k++)
            s->dropped[k] = metrics_counter(
                families[DROPPED],
                (const char *const[]){signal, spool_counts_reason((enum spool_drop)k)});
        (void)metrics_counter(families[REQUESTS], (const char *const[]){signal, "200"});
    }
    metrics_gauge_set(
        metrics_gauge(families[BUILD_INFO], (const char *const[]){MICROTRACE_VERSION}), 1);
    return 0;
}

int agent_metrics_open(struct agent_metrics *m, const char *run_dir)
{
    m->run_dir = run_dir;
    return attach(m);
}

void agent_metrics_close(struct agent_metrics *m)
{
    metrics_close(m->metrics);
    m->metrics = NULL;
}

int agent_metrics_refresh(struct agent_metrics *m)
{
    if (metrics_current(m->metrics))
        return 0;
    metrics_close(m->metrics);
    return attach(m);
}

static uint64_t value_of(struct metrics_counter counter)
{
    const char *cell = (const char *)counter.first_stripe;
    uint64_t sum = 0;
    uint32_t i;

    if (cell == NULL)
        return atomic_load_explicit(counter.cell, memory_order_relaxed);
    for (i = 0; i < counter.stripe_count; i++)
        sum += atomic_load_explicit((const _Atomic uint64_t *)(cell + i * counter.stripe_size),
                                    memory_order_relaxed);
    return sum;
}

static void raise_to(struct metrics_counter counter, uint64_t value)
{
    if (value > value_of(counter))
        metrics_counter_set(counter, value);
}

void agent_metrics_publish(struct agent_metrics *m, enum spool_signal signal,
                           const struct agent_metrics_numbers *numbers)
{
    struct agent_metrics_signal *s = &m->signals[signal];
    const struct spool_counts *counts = numbers->counts;
    int i;

    raise_to(s->delivered, counts->delivered);
    raise_to(s->rejected, counts->rejected);
    raise_to(s->quarantined, counts->quarantined);
    for (i = 0; i < SPOOL_DROPS; i++)
        raise_to(s->dropped[i], counts->dropped[i]);
    raise_to(s->written, spool_counts_settled(counts) + numbers->backlog);
    metrics_gauge_set(s->backlog, (double)numbers->backlog);
    metrics_gauge_set(s->bytes, (double)numbers->bytes);
    if (numbers->oldest_age_s >= 0)
        metrics_gauge_set(s->oldest_age, numbers->oldest_age_s);
}

void agent_metrics_request(struct agent_metrics *m, enum spool_signal signal, const char *code,
                           double seconds)
{
    const char *const labels[] = {spool_signal_names[signal], code};

    metrics_add(metrics_counter(m->requests, labels), 1);
    metrics_observe(m->signals[signal].duration, seconds);
}

uint64_t agent_metrics_written(const struct agent_metrics *m, enum spool_signal signal)
{
    return value_of(m->signals[signal].written);
}

void agent_metrics_counts(const struct agent_metrics *m, enum spool_signal signal,
                          struct spool_counts *counts)
{
    const struct agent_metrics_signal *s = &m->signals[signal];
    int i;

    counts->delivered = value_of(s->delivered);
    counts->rejected = value_of(s->rejected);
    counts->quarantined = value_of(s->quarantined);
    for (i = 0; i < SPOOL_DROPS; i++)
        counts->dropped[i] = value_of(s->dropped[i]);
}
