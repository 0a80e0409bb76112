/*
 * The agent's metrics of itself, in the instance's metrics file: what the books say, set, and its
 * requests, counted. The families are those of the contract's section 3.
 */
#ifndef METRICS_AGENT_AGENT_METRICS_H
#define METRICS_AGENT_AGENT_METRICS_H

#include "lib/metrics/metrics.h"
#include "lib/spool/counts.h"
#include "lib/telemetry.h"

#include <stdbool.h>
#include <stdint.h>

/* One signal's handles; private to agent_metrics.c. */
struct agent_metrics_signal {
    struct metrics_counter written, delivered, rejected, quarantined, dropped[SPOOL_DROPS];
    struct metrics_gauge backlog, bytes, oldest_age;
    struct metrics_histogram duration;
};

struct agent_metrics {
    const char *run_dir;
    struct metrics *metrics;
    struct metrics_family *requests;
    struct agent_metrics_signal signals[SPOOL_SIGNALS];
};

/* What is published of one signal. */
struct agent_metrics_numbers {
    const struct spool_counts *counts;
    uint64_t backlog; /* records */
    uint64_t bytes;
    double oldest_age_s; /* negative leaves the gauge as it is */
};

/* Returns 0, or -1 for want of memory. `run_dir` is borrowed. */
int agent_metrics_open(struct agent_metrics *metrics, const char *run_dir);

void agent_metrics_close(struct agent_metrics *metrics);

/* Attaches anew where the file was replaced. Returns 0, or -1 for want of memory. */
int agent_metrics_refresh(struct agent_metrics *metrics);

/*
 * Sets the signal's series. Counters only rise: after a restart they wait until the backlog has
 * been counted.
 */
void agent_metrics_publish(struct agent_metrics *metrics, enum spool_signal signal,
                           const struct agent_metrics_numbers *numbers);

/* Counts one request and what it took. */
void agent_metrics_request(struct agent_metrics *metrics, enum spool_signal signal,
                           const char *code, double seconds);

/* What the file says was written, and the books as it has them: for an agent that lost its own. */
uint64_t agent_metrics_written(const struct agent_metrics *metrics, enum spool_signal signal);
void agent_metrics_counts(const struct agent_metrics *metrics, enum spool_signal signal,
                          struct spool_counts *counts);

#endif
