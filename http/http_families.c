#include "http/http_families.h"

#include "lib/families.h"

const struct metrics_family_def http_families_table[HTTP_FAMILIES] = {
    [HTTP_FAMILY_REQUESTS] =
        {
            .name = "requests_total",
            .help = "HTTP requests answered.",
            .kind = METRICS_COUNTER,
            .labels = {"method", "path", "status"},
        },
    [HTTP_FAMILY_LATENCY] =
        {
            .name = "request_latency_seconds",
            .help = "Time from a request's arrival in a process to its answer.",
            .unit = "seconds",
            .kind = METRICS_HISTOGRAM,
            .labels = {"method", "path"},
            .bounds = families_latency_bounds,
            .bound_count = FAMILIES_LATENCY_BOUNDS,
        },
    [HTTP_FAMILY_ERRORS] =
        {
            .name = "errors_total",
            .help = "Requests answered with a status of 400 and above, by reason.",
            .kind = METRICS_COUNTER,
            .labels = {"method", "path", "exception"},
        },
    [HTTP_FAMILY_IN_PROGRESS] =
        {
            .name = "requests_in_progress",
            .help = "Requests being worked on now.",
            .kind = METRICS_LIVE_GAUGE,
        },
    [HTTP_FAMILY_WORKERS] =
        {
            .name = "microtrace_workers",
            .help = "Live processes that answer requests, by what they do.",
            .kind = METRICS_LIVE_GAUGE,
            .labels = {"state"},
        },
    [HTTP_FAMILY_PROGRAM_WORKERS] =
        {
            .name = "microtrace_program_workers",
            .help = "The same processes, by program and what they do.",
            .kind = METRICS_LIVE_GAUGE,
            .labels = {"program", "state"},
        },
    [HTTP_FAMILY_QUEUE] =
        {
            .name = "request_queue_seconds",
            .help = "Time between the front end's X-Request-Start and the process.",
            .unit = "seconds",
            .kind = METRICS_HISTOGRAM,
            .bounds = families_latency_bounds,
            .bound_count = FAMILIES_LATENCY_BOUNDS,
        },
    [HTTP_FAMILY_ABANDONED] =
        {
            .name = "requests_abandoned_total",
            .help =
                "Requests begun or dropped after their client's or their queue's time was over.",
            .kind = METRICS_COUNTER,
        },
};
