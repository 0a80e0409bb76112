#include "metrics-agent/agent_metrics.h"

#include "lib/base/message.h"
#include "lib/telemetry.h"

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

/* A million records a second take 285 years to get there: what is beyond is damage. */
#define PLAUSIBLE_MAX (UINT64_C(1) << 53)

static void find_signal(struct agent_metrics_signal *s, struct metrics_family *const *families,
                        const char *signal)
{
    const char *const only[] = {signal};

    s->written = metrics_counter(families[WRITTEN], only);
    s->backlog = metrics_gauge(families[BACKLOG], only);
    s->bytes = metrics_gauge(families[BYTES], only);
    s->oldest_age = metrics_gauge(families[OLDEST_AGE], only);
    s->duration = metrics_histogram(families[DURATION], only);
    s->delivered = metrics_counter(families[EXPORTED], (const char *const[]){signal, "delivered"});
    s->rejected = metrics_counter(families[EXPORTED], (const char *const[]){signal, "rejected"});
    s->quarantined =
        metrics_counter(families[EXPORTED], (const char *const[]){signal, "quarantined"});
    for (int k = 0; k < SPOOL_DROPS; k++)
        s->dropped[k] =
            metrics_counter(families[DROPPED],
                            (const char *const[]){signal, spool_counts_reason((enum spool_drop)k)});
    (void)metrics_counter(families[REQUESTS], (const char *const[]){signal, "200"});
}

int agent_metrics_open(struct agent_metrics *m, const char *run_dir, uint32_t max_series)
{
    struct metrics_family *families[FAMILIES];

    m->metrics = metrics_open(run_dir, max_series);
    if (m->metrics == NULL)
        return -1;
    for (int i = 0; i < FAMILIES; i++)
        families[i] = metrics_declare(m->metrics, &defs[i]);
    m->requests = families[REQUESTS];
    m->build_info = metrics_gauge(families[BUILD_INFO], (const char *const[]){MICROTRACE_VERSION});
    for (int i = 0; i < SPOOL_SIGNALS; i++)
        find_signal(&m->signals[i], families, spool_signal_names[i]);
    m->stderr_dropped =
        metrics_counter(metrics_declare(m->metrics, &telemetry_stderr_dropped), NULL);
    metrics_gauge_set(m->build_info, 1);
    return 0;
}

void agent_metrics_close(struct agent_metrics *m)
{
    metrics_close(m->metrics);
    m->metrics = NULL;
}

static bool read_counter(struct metrics_counter *counter, uint64_t *value)
{
    uint64_t read;

    if (!metrics_counter_read(counter, &read) || read > PLAUSIBLE_MAX)
        return false;
    *value = read;
    return true;
}

/* A value that nobody can have counted is put right as well. */
static void raise_to(struct metrics_counter *counter, uint64_t value)
{
    uint64_t known;

    if (!read_counter(counter, &known) || value > known)
        metrics_counter_set(counter, value);
}

void agent_metrics_refresh(struct agent_metrics *m)
{
    const uint64_t lines = message_take_dropped();

    (void)metrics_refresh(m->metrics);
    if (lines > 0)
        metrics_add(m->stderr_dropped, lines);
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
    /* In a file that came later too. */
    metrics_gauge_set(m->build_info, 1);
}

void agent_metrics_request(struct agent_metrics *m, enum spool_signal signal, const char *code,
                           double seconds)
{
    const char *const labels[] = {spool_signal_names[signal], code};

    metrics_add(metrics_counter(m->requests, labels), 1);
    metrics_observe(m->signals[signal].duration, seconds);
}

bool agent_metrics_written(const struct agent_metrics *m, enum spool_signal signal,
                           uint64_t *written)
{
    return read_counter(m->signals[signal].written, written);
}

bool agent_metrics_counts(const struct agent_metrics *m, enum spool_signal signal,
                          struct spool_counts *counts)
{
    const struct agent_metrics_signal *s = &m->signals[signal];
    struct spool_counts found = {0};
    bool known = read_counter(s->delivered, &found.delivered) &&
                 read_counter(s->rejected, &found.rejected) &&
                 read_counter(s->quarantined, &found.quarantined);

    for (int i = 0; i < SPOOL_DROPS; i++)
        known = known && read_counter(s->dropped[i], &found.dropped[i]);
    if (known)
        *counts = found;
    return known;
}
