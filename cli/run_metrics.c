#include "cli/run_metrics.h"

#include "lib/base/clock.h"
#include "lib/base/printable.h"
#include "lib/metrics/metrics.h"
#include "lib/program_usage.h"

static const double seconds_bounds[] = {0.01, 0.025, 0.05, 0.1, 0.25, 0.5,  1,    2.5,   5,    10,
                                        30,   60,    120,  300, 600,  1800, 3600, 10800, 43200};

static const struct metrics_family_def runs = {
    .name = "program_runs_total",
    .help = "Runs of a program by microtrace run, by how they ended.",
    .kind = METRICS_COUNTER,
    .labels = {"program", "outcome", NULL},
};

static const struct metrics_family_def seconds = {
    .name = "program_run_seconds",
    .help = "How long a run took, however it ended.",
    .unit = "seconds",
    .kind = METRICS_HISTOGRAM,
    .labels = {"program", NULL},
    .bounds = seconds_bounds,
    .bound_count = sizeof(seconds_bounds) / sizeof(seconds_bounds[0]),
};

static const struct metrics_family_def last_success = {
    .name = "program_last_success_timestamp_seconds",
    .help = "When the last run of the program that ended with exit status 0 did so.",
    .unit = "seconds",
    .kind = METRICS_GAUGE,
    .labels = {"program", NULL},
};

/* Beside the success's: a program has failed since if this one is later, however rarely it runs. */
static const struct metrics_family_def last_failure = {
    .name = "program_last_failure_timestamp_seconds",
    .help = "When the last run of the program that ended in any other way did so.",
    .unit = "seconds",
    .kind = METRICS_GAUGE,
    .labels = {"program", NULL},
};

static const char *const outcomes[RUN_OUTCOMES] = {
    [RUN_SUCCESS] = "success",
    [RUN_FAILURE] = "failure",
    [RUN_SIGNAL] = "signal",
    [RUN_TIMEOUT] = "timeout",
};

void run_metrics_add(const struct emit *emit, const char *program, const struct run_result *result)
{
    struct metrics *const metrics = telemetry_metrics(emit->telemetry);
    struct metrics_family *const family = metrics_declare(metrics, &runs);
    const uint64_t unix_ms = clock_unix_ns() / CLOCK_NS_PER_MS;
    const char *const values[] = {program};

    /* All outcomes exist from the first run on: a rate of the first failure needs its zero. */
    for (int i = 0; i < RUN_OUTCOMES; i++) {
        const char *const labels[] = {program, outcomes[i]};

        metrics_add(metrics_counter(family, labels), i == (int)result->outcome);
    }
    metrics_observe(metrics_histogram(metrics_declare(metrics, &seconds), values),
                    (double)result->elapsed_ns / CLOCK_NS_PER_S);
    metrics_gauge_set(
        metrics_gauge(metrics_declare(metrics, result->outcome == RUN_SUCCESS ? &last_success
                                                                              : &last_failure),
                      values),
        (double)unix_ms / 1000);
    program_usage_count_children(metrics, program);
    if (metrics_refusal(metrics) != NULL)
        printable_error("microtrace run: %s is not counted: %s (see "
                        "microtrace_metrics_refused_total)",
                        program, metrics_refusal(metrics));
}
