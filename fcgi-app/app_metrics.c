#include "fcgi-app/app_metrics.h"

#include "lib/base/clock.h"
#include "lib/families.h"

#include <string.h>

/* Those of this program alone. */
static const struct metrics_family_def chaos_def = {
    .name = "chaos_injected_total",
    .help = "Faults injected on purpose.",
    .kind = METRICS_COUNTER,
    .labels = {"kind"},
};

static const struct metrics_family_def worker_latency_def = {
    .name = "worker_latency_seconds",
    .help = "Time that the worker took for an analysis.",
    .unit = "seconds",
    .kind = METRICS_HISTOGRAM,
    .bounds = families_latency_bounds,
    .bound_count = FAMILIES_LATENCY_BOUNDS,
};

static struct metrics_counter *requests_counter(struct app_metrics *app, enum method method,
                                                const struct route *route,
                                                const struct http_status *status)
{
    struct metrics_counter **counter =
        &app->requests[method][route_id(route)][status - http_status_table];

    if (*counter == NULL)
        *counter =
            metrics_counter(app->families[HTTP_FAMILY_REQUESTS],
                            (const char *[]){method_names[method], route->path, status->text});
    return *counter;
}

void app_metrics_attach(struct app_metrics *app, struct telemetry *telemetry, bool stays)
{
    static const int expected[] = {200, 500, 503, 504};
    struct metrics *const metrics = telemetry_metrics(telemetry);
    struct metrics_family *chaos;

    memset(app, 0, sizeof(*app));
    app->telemetry = telemetry;
    for (int i = 0; i < HTTP_FAMILY_WORKERS; i++)
        app->families[i] = metrics_declare(metrics, &http_families_table[i]);
    chaos = metrics_declare(metrics, &chaos_def);
    app->in_progress = metrics_live_gauge(app->families[HTTP_FAMILY_IN_PROGRESS], NULL);
    app->worker_latency = metrics_histogram(metrics_declare(metrics, &worker_latency_def), NULL);
    app->queue = metrics_histogram(app->families[HTTP_FAMILY_QUEUE], NULL);
    app->abandoned = metrics_counter(app->families[HTTP_FAMILY_ABANDONED], NULL);
    for (int kind = 0; kind < CHAOS_KINDS; kind++)
        app->chaos[kind] = metrics_counter(chaos, (const char *[]){chaos_kind_names[kind]});
    metrics_live_gauge_set(app->in_progress, 0);
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
        (void)requests_counter(app, METHOD_POST, &route_table[ROUTE_ANALYZE],
                               http_status_find(expected[i]));
    http_workers_init(&app->workers, metrics, "analyze", stays);
}

void app_metrics_begin(struct app_metrics *app)
{
    metrics_live_gauge_set(app->in_progress, 1);
    http_workers_set(&app->workers, true);
}

static void count_error(struct app_metrics *app, const struct app_metrics_outcome *outcome)
{
    struct metrics_counter **counter =
        &app->errors[outcome->method][route_id(outcome->route)][outcome->error];

    if (*counter == NULL)
        *counter =
            metrics_counter(app->families[HTTP_FAMILY_ERRORS],
                            (const char *[]){method_names[outcome->method], outcome->route->path,
                                             errors_table[outcome->error].name});
    metrics_add(*counter, 1);
}

void app_metrics_end(struct app_metrics *app, const struct app_metrics_outcome *outcome)
{
    const char *const labels[] = {method_names[outcome->method], outcome->route->path};
    enum route_id route = route_id(outcome->route);
    struct metrics_counter *const requests =
        requests_counter(app, outcome->method, outcome->route, outcome->status);
    struct metrics_histogram **latency = &app->latency[outcome->method][route];

    if (*latency == NULL)
        *latency = metrics_histogram(app->families[HTTP_FAMILY_LATENCY], labels);
    metrics_add(requests, 1);
    telemetry_observe(app->telemetry, *latency, outcome->seconds, outcome->span);
    if (outcome->error != ERRORS_NONE)
        count_error(app, outcome);
    metrics_live_gauge_set(app->in_progress, 0);
    http_workers_set(&app->workers, false);
}

void app_metrics_chaos(struct app_metrics *app, enum chaos_kind kind)
{
    metrics_add(app->chaos[kind], 1);
}

void app_metrics_worker(struct app_metrics *app, double seconds, const struct span *span)
{
    telemetry_observe(app->telemetry, app->worker_latency, seconds, span);
}

void app_metrics_queue(struct app_metrics *app, int64_t ns)
{
    if (ns >= 0)
        metrics_observe(app->queue, (double)ns / CLOCK_NS_PER_S);
}

void app_metrics_abandoned(struct app_metrics *app)
{
    metrics_add(app->abandoned, 1);
}
