/*
 * The agent's metrics of itself, in the instance's metrics file: what the books say, set, and its
 * requests, counted. lib/families.h has the families.
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
    struct metrics_counter *written, *delivered, *rejected, *quarantined, *dropped[SPOOL_DROPS];
    struct metrics_counter *lost[SPOOL_OVERSIZE]; /* by the writers, by spool_result, less one */
    struct metrics_gauge *backlog, *bytes, *kept, *limit, *oldest_age, *unreadable, *import_waiting,
        *import_unreadable;
    struct metrics_histogram *duration;
};

struct agent_metrics {
    struct metrics *metrics;
    struct metrics_family *requests;
    struct metrics_gauge *build_info, *start_time;
    double started; /* Unix time in seconds; 0 before agent_metrics_started */
    struct metrics_counter *stderr_dropped, *processes_died;
    struct agent_metrics_signal signals[SPOOL_SIGNALS];
};

/* What is published of one signal. */
struct agent_metrics_numbers {
    const struct spool_counts *counts;
    uint64_t backlog; /* records */
    uint64_t bytes;
    uint64_t kept;       /* bytes of files with delivered records, beside `bytes` */
    uint64_t limit;      /* what it may hold, in bytes */
    uint64_t unreadable; /* files that can't be opened */
    double oldest_age_s; /* negative leaves the gauge as it is */
};

/*
 * Opens the metrics (metrics_open) and looks up all series, once. Returns 0, or -1 if memory runs
 * out.
 */
int agent_metrics_open(struct agent_metrics *metrics, const char *run_dir, uint32_t max_series);

/*
 * This agent has the spool: tells when it started. One that finds another agent there, such as
 * cron's, must not tell its own start as that one's.
 */
void agent_metrics_started(struct agent_metrics *metrics);

void agent_metrics_close(struct agent_metrics *metrics);

/*
 * To be called now and then: metrics_refresh, and counts processes that died and what could not be
 * said on stderr.
 */
void agent_metrics_refresh(struct agent_metrics *metrics);

/*
 * Sets the signal's series. Counters only rise: after a restart they wait until the backlog has
 * been counted.
 */
void agent_metrics_publish(struct agent_metrics *metrics, enum spool_signal signal,
                           const struct agent_metrics_numbers *numbers);

/* Sets what other programs' files hold that was not taken yet, and how many are not read. */
void agent_metrics_import(struct agent_metrics *metrics, enum spool_signal signal, uint64_t bytes,
                          uint64_t unreadable);

/* Counts one request and what it took. */
void agent_metrics_request(struct agent_metrics *metrics, enum spool_signal signal,
                           const char *code, double seconds);

/*
 * What the file says was written, and all else that it has counted of the signal: for an agent that
 * lost its checkpoint. Return false, and leave the result as it is, if a number is unknown because
 * its series was refused, or is one that no host reaches.
 */
bool agent_metrics_written(const struct agent_metrics *metrics, enum spool_signal signal,
                           uint64_t *written);
bool agent_metrics_counts(const struct agent_metrics *metrics, enum spool_signal signal,
                          struct spool_counts *counts);

/* The same for what writers have lost of the signal for this reason. */
bool agent_metrics_lost(const struct agent_metrics *metrics, enum spool_signal signal,
                        enum spool_result reason, uint64_t *records);

/* Counts records that the agent itself, as a writer, has lost. */
void agent_metrics_lose(struct agent_metrics *metrics, enum spool_signal signal,
                        enum spool_result reason, uint64_t records);

#endif
