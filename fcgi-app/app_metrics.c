#include "fcgi-app/app_metrics.h"

#include "lib/families.h"

#include <string.h>

static const struct metrics_family_def family_defs[APP_METRICS_FAMILIES] = {
    [APP_METRICS_REQUESTS] =
        {
            .name = "requests_total",
            .help = "HTTP requests answered.",
            .kind = METRICS_COUNTER,
            .labels = {"method", "path", "status"},
        },
    [APP_METRICS_LATENCY] =
        {
            .name = "request_latency_seconds",
            .help = "Time from a request's arrival in a process to its answer.",
            .unit = "seconds",
            .kind = METRICS_HISTOGRAM,
            .labels = {"method", "path"},
            .bounds = families_latency_bounds,
            .bound_count = FAMILIES_LATENCY_BOUNDS,
        },
    [APP_METRICS_ERRORS] =
        {
            .name = "errors_total",
            .help = "Requests answered with a status of 400 and above, by reason.",
            .kind = METRICS_COUNTER,
            .labels = {"method", "path", "exception"},
        },
    [APP_METRICS_IN_PROGRESS] =
        {
            .name = "requests_in_progress",
            .help = "Requests being worked on now.",
            .kind = METRICS_LIVE_GAUGE,
        },
    [APP_METRICS_CHAOS] =
        {
            .name = "chaos_injected_total",
            .help = "Faults injected on purpose.",
            .kind = METRICS_COUNTER,
            .labels = {"kind"},
        },
    [APP_METRICS_WORKER_LATENCY] =
        {
            .name = "worker_latency_seconds",
            .help = "Time that the worker took for an analysis.",
            .unit = "seconds",
            .kind = METRICS_HISTOGRAM,
            .bounds = families_latency_bounds,
            .bound_count = FAMILIES_LATENCY_BOUNDS,
        },
    [APP_METRICS_WORKERS] =
        {
            .name = "microtrace_workers",
            .help = "Live processes that answer requests, by what they do.",
            .kind = METRICS_LIVE_GAUGE,
            .labels = {"state"},
        },
    [APP_METRICS_QUEUE] =
        {
            .name = "request_queue_seconds",
            .help = "Time between the front end's X-Request-Start and the process.",
            .unit = "seconds",
            .kind = METRICS_HISTOGRAM,
            .bounds = families_latency_bounds,
            .bound_count = FAMILIES_LATENCY_BOUNDS,
        },
    [APP_METRICS_ABANDONED] =
        {
            .name = "requests_abandoned_total",
            .help =
                "Requests begun or dropped after their client's or their queue's time was over.",
            .kind = METRICS_COUNTER,
        },
};

void app_metrics_attach(struct app_metrics *app, struct telemetry *telemetry)
{
    struct metrics *const metrics = telemetry_metrics(telemetry);

    memset(app, 0, sizeof(*app));
    app->telemetry = telemetry;
    for (int i = 0; i < APP_METRICS_FAMILIES; i++)
        app->families[i] = metrics_declare(metrics, &family_defs[i]);
    app->in_progress = metrics_live_gauge(app->families[APP_METRICS_IN_PROGRESS], NULL);
    app->busy = metrics_live_gauge(app->families[APP_METRICS_WORKERS], (const char *[]){"busy"});
    app->idle = metrics_live_gauge(app->families[APP_METRICS_WORKERS], (const char *[]){"idle"});
    app->worker_latency = metrics_histogram(app->families[APP_METRICS_WORKER_LATENCY], NULL);
    app->queue = metrics_histogram(app->families[APP_METRICS_QUEUE], NULL);
    app->abandoned = metrics_counter(app->families[APP_METRICS_ABANDONED], NULL);
    for (int kind = 0; kind < CHAOS_KINDS; kind++)
        app->chaos[kind] = metrics_counter(app->families[APP_METRICS_CHAOS],
                                           (const char *[]){chaos_kind_names[kind]});
    metrics_live_gauge_set(app->in_progress, 0);
    metrics_live_gauge_set(app->busy, 0);
    metrics_live_gauge_set(app->idle, 1);
}

void app_metrics_begin(struct app_metrics *app)
{
    metrics_live_gauge_set(app->in_progress, 1);
    metrics_live_gauge_set(app->idle, 0);
    metrics_live_gauge_set(app->busy, 1);
}

static void count_error(struct app_metrics *app, const struct app_metrics_outcome *outcome)
{
    struct metrics_counter **counter =
        &app->errors[outcome->method][route_id(outcome->route)][outcome->error];

    if (*counter == NULL)
        *counter =
            metrics_counter(app->families[APP_METRICS_ERRORS],
                            (const char *[]){method_names[outcome->method], outcome->route->path,
                                             errors_table[outcome->error].name});
    metrics_add(*counter, 1);
}

void app_metrics_end(struct app_metrics *app, const struct app_metrics_outcome *outcome)
{
    const char *const labels[] = {method_names[outcome->method], outcome->route->path,
                                  outcome->status->text};
    enum route_id route = route_id(outcome->route);
    struct metrics_counter **requests =
        &app->requests[outcome->method][route][outcome->status - http_status_table];
    struct metrics_histogram **latency = &app->latency[outcome->method][route];

    if (*requests == NULL)
        *requests = metrics_counter(app->families[APP_METRICS_REQUESTS], labels);
    if (*latency == NULL)
        *latency = metrics_histogram(app->families[APP_METRICS_LATENCY], labels);
    metrics_add(*requests, 1);
    telemetry_observe(app->telemetry, *latency, outcome->seconds, outcome->span);
    if (outcome->error != ERRORS_NONE)
        count_error(app, outcome);
    metrics_live_gauge_set(app->in_progress, 0);
    metrics_live_gauge_set(app->busy, 0);
    metrics_live_gauge_set(app->idle, 1);
}

void app_metrics_chaos(struct app_metrics *app, enum chaos_kind kind)
{
    metrics_add(app->chaos[kind], 1);
}

void app_metrics_worker(struct app_metrics *app, double seconds, const struct span *span)
{
    telemetry_observe(app->telemetry, app->worker_latency, seconds, span);
}

void app_metrics_queue(struct app_metrics *app, double seconds)
{
    metrics_observe(app->queue, seconds);
}

void app_metrics_abandoned(struct app_metrics *app)
{
    metrics_add(app->abandoned, 1);
}
