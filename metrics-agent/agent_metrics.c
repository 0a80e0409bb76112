#include "metrics-agent/agent_metrics.h"

#include "lib/base/clock.h"
#include "lib/base/message.h"
#include "lib/families.h"
#include "lib/telemetry.h"

#include <stddef.h>

/* A million records a second take 285 years to get there: what is beyond is damage. */
#define PLAUSIBLE_MAX (UINT64_C(1) << 53)

static void find_signal(struct agent_metrics_signal *s, struct metrics_family *const *families,
                        const char *signal)
{
    const char *const only[] = {signal};

    s->written = metrics_counter(families[FAMILY_SPOOL_WRITTEN], only);
    s->backlog = metrics_gauge(families[FAMILY_SPOOL_BACKLOG], only);
    s->bytes = metrics_gauge(families[FAMILY_SPOOL_BYTES], only);
    s->kept = metrics_gauge(families[FAMILY_SPOOL_KEPT], only);
    s->limit = metrics_gauge(families[FAMILY_SPOOL_LIMIT], only);
    s->oldest_age = metrics_gauge(families[FAMILY_SPOOL_OLDEST_AGE], only);
    s->unreadable = metrics_gauge(families[FAMILY_SPOOL_UNREADABLE], only);
    s->import_waiting = metrics_gauge(families[FAMILY_IMPORT_WAITING], only);
    s->import_unreadable = metrics_gauge(families[FAMILY_IMPORT_UNREADABLE], only);
    s->duration = metrics_histogram(families[FAMILY_EXPORT_DURATION], only);
    s->delivered = metrics_counter(families[FAMILY_EXPORT_RECORDS],
                                   (const char *const[]){signal, "delivered"});
    s->rejected =
        metrics_counter(families[FAMILY_EXPORT_RECORDS], (const char *const[]){signal, "rejected"});
    s->quarantined = metrics_counter(families[FAMILY_EXPORT_RECORDS],
                                     (const char *const[]){signal, "quarantined"});
    for (int k = 0; k < SPOOL_DROPS; k++)
        s->dropped[k] =
            metrics_counter(families[FAMILY_SPOOL_DROPPED],
                            (const char *const[]){signal, spool_counts_reason((enum spool_drop)k)});
    for (int k = 0; k < SPOOL_OVERSIZE; k++)
        s->lost[k] = metrics_counter(
            families[FAMILY_SPOOL_DROPPED],
            (const char *const[]){signal, spool_reason((enum spool_result)(k + 1))});
    (void)metrics_counter(families[FAMILY_EXPORT_REQUESTS], (const char *const[]){signal, "200"});
}

static void publish_itself(struct agent_metrics *m)
{
    metrics_gauge_set(m->build_info, 1);
    if (m->started > 0)
        metrics_gauge_set(m->start_time, m->started);
}

int agent_metrics_open(struct agent_metrics *m, const char *run_dir, uint32_t max_series)
{
    struct metrics_family *families[FAMILIES_COUNT];

    m->metrics = metrics_open(run_dir, max_series);
    if (m->metrics == NULL)
        return -1;
    for (int i = 0; i < FAMILIES_COUNT; i++)
        families[i] = metrics_declare(m->metrics, &families_table[i]);
    m->requests = families[FAMILY_EXPORT_REQUESTS];
    m->build_info =
        metrics_gauge(families[FAMILY_BUILD_INFO], (const char *const[]){MICROTRACE_VERSION});
    m->start_time = metrics_gauge(families[FAMILY_AGENT_START], NULL);
    m->started = 0;
    for (int i = 0; i < SPOOL_SIGNALS; i++)
        find_signal(&m->signals[i], families, spool_signal_names[i]);
    m->stderr_dropped = metrics_counter(families[FAMILY_STDERR_DROPPED], NULL);
    m->processes_died = metrics_counter(families[FAMILY_PROCESSES_DIED], NULL);
    publish_itself(m);
    return 0;
}

void agent_metrics_started(struct agent_metrics *m)
{
    m->started = (double)clock_unix_ns() / 1e9;
    publish_itself(m);
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
    uint64_t died;

    (void)metrics_refresh(m->metrics);
    died = metrics_died(m->metrics);
    if (lines > 0)
        metrics_add(m->stderr_dropped, lines);
    if (died <= PLAUSIBLE_MAX)
        raise_to(m->processes_died, died);
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
    metrics_gauge_set(s->kept, (double)numbers->kept);
    metrics_gauge_set(s->limit, (double)numbers->limit);
    metrics_gauge_set(s->unreadable, (double)numbers->unreadable);
    if (numbers->oldest_age_s >= 0)
        metrics_gauge_set(s->oldest_age, numbers->oldest_age_s);
    /* In a file that came later too. */
    publish_itself(m);
}

void agent_metrics_import(struct agent_metrics *m, enum spool_signal signal, uint64_t bytes,
                          uint64_t unreadable)
{
    metrics_gauge_set(m->signals[signal].import_waiting, (double)bytes);
    metrics_gauge_set(m->signals[signal].import_unreadable, (double)unreadable);
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

bool agent_metrics_lost(const struct agent_metrics *m, enum spool_signal signal,
                        enum spool_result reason, uint64_t *records)
{
    return read_counter(m->signals[signal].lost[reason - 1], records);
}

void agent_metrics_lose(struct agent_metrics *m, enum spool_signal signal, enum spool_result reason,
                        uint64_t records)
{
    metrics_add(m->signals[signal].lost[reason - 1], records);
}
