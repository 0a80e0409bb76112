#include "lib/families.h"

#include <stddef.h>

#define LABELED(...)                                                                               \
    {                                                                                              \
        __VA_ARGS__, NULL                                                                          \
    }

const double families_latency_bounds[FAMILIES_LATENCY_BOUNDS] = {
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
    0.05,   0.1,     0.25,   0.5,   1.0,    2.5,   5.0,  10.0,
};

static const double duration_bounds[] = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                                         0.25,  0.5,    1,     2.5,  5,     10,   30};

const struct metrics_family_def families_table[FAMILIES_COUNT] = {
    [FAMILY_SPOOL_WRITTEN] = {.name = "microtrace_spool_written_records_total",
                              .help = "Records that were written to the spool.",
                              .kind = METRICS_COUNTER,
                              .labels = LABELED("signal")},
    [FAMILY_SPOOL_DROPPED] =
        {.name = "microtrace_spool_dropped_records_total",
         .help = "Records that did not reach the spool or left it undelivered, by reason.",
         .kind = METRICS_COUNTER,
         .labels = LABELED("signal", "reason")},
    [FAMILY_SPOOL_BACKLOG] = {.name = "microtrace_spool_backlog_records",
                              .help = "Records in the spool that wait for delivery.",
                              .kind = METRICS_GAUGE,
                              .labels = LABELED("signal")},
    [FAMILY_SPOOL_BYTES] = {.name = "microtrace_spool_bytes",
                            .help = "Size of the spool's files.",
                            .unit = "bytes",
                            .kind = METRICS_GAUGE,
                            .labels = LABELED("signal")},
    [FAMILY_SPOOL_KEPT] = {.name = "microtrace_spool_kept_bytes",
                           .help = "Size of the files with delivered records that are kept.",
                           .unit = "bytes",
                           .kind = METRICS_GAUGE,
                           .labels = LABELED("signal")},
    [FAMILY_SPOOL_LIMIT] = {.name = "microtrace_spool_limit_bytes",
                            .help = "The signal's share of what the spool may hold.",
                            .unit = "bytes",
                            .kind = METRICS_GAUGE,
                            .labels = LABELED("signal")},
    [FAMILY_SPOOL_OLDEST_AGE] = {.name = "microtrace_spool_oldest_record_age_seconds",
                                 .help = "Age of the oldest record that waits for delivery.",
                                 .unit = "seconds",
                                 .kind = METRICS_GAUGE,
                                 .labels = LABELED("signal")},
    [FAMILY_SPOOL_UNREADABLE] = {.name = "microtrace_spool_unreadable_files",
                                 .help = "Files of the spool that the agent can't open.",
                                 .kind = METRICS_GAUGE,
                                 .labels = LABELED("signal")},
    [FAMILY_IMPORT_WAITING] =
        {.name = "microtrace_import_waiting_bytes",
         .help = "What other programs have written into their files that is not in the spool yet.",
         .unit = "bytes",
         .kind = METRICS_GAUGE,
         .labels = LABELED("signal")},
    [FAMILY_IMPORT_UNREADABLE] = {.name = "microtrace_import_unreadable_files",
                                  .help = "Files of other programs that the agent does not read.",
                                  .kind = METRICS_GAUGE,
                                  .labels = LABELED("signal")},
    [FAMILY_EXPORT_RECORDS] =
        {.name = "microtrace_export_records_total",
         .help = "Records that left the spool for the endpoint or for quarantine.",
         .kind = METRICS_COUNTER,
         .labels = LABELED("signal", "outcome")},
    [FAMILY_EXPORT_REQUESTS] = {.name = "microtrace_export_requests_total",
                                .help = "Export requests by the answer's status, timeout or error.",
                                .kind = METRICS_COUNTER,
                                .labels = LABELED("signal", "code")},
    [FAMILY_EXPORT_DURATION] = {.name = "microtrace_export_duration_seconds",
                                .help = "Time that one export request took.",
                                .unit = "seconds",
                                .kind = METRICS_HISTOGRAM,
                                .labels = LABELED("signal"),
                                .bounds = duration_bounds,
                                .bound_count = sizeof duration_bounds / sizeof duration_bounds[0]},
    [FAMILY_BUILD_INFO] = {.name = "microtrace_build_info",
                           .help = "Always 1; the label tells the version.",
                           .kind = METRICS_GAUGE,
                           .labels = LABELED("version")},
    [FAMILY_AGENT_START] = {.name = "microtrace_agent_start_time_seconds",
                            .help = "Unix time at which the agent started.",
                            .unit = "seconds",
                            .kind = METRICS_GAUGE},
    [FAMILY_PROCESSES_DIED] = {.name = "microtrace_processes_died_total",
                               .help = "Processes with telemetry that ended without closing it.",
                               .kind = METRICS_COUNTER},
    [FAMILY_TRACES_KEPT] = {.name = "microtrace_traces_kept_total",
                            .help =
                                "Sampled traces that a program has kept, by the rule that fits.",
                            .kind = METRICS_COUNTER,
                            .labels = LABELED("reason")},
    [FAMILY_TRACES_DISCARDED] = {.name = "microtrace_traces_discarded_total",
                                 .help = "Sampled traces that no rule of a program keeps.",
                                 .kind = METRICS_COUNTER},
    [FAMILY_STDERR_DROPPED] = {.name = "microtrace_stderr_dropped_total",
                               .help = "Lines for stderr that whoever reads it had no room for.",
                               .kind = METRICS_COUNTER},
};
