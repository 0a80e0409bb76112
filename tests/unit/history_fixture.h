/* What the tests of view/history.h share: families as programs declare them, looks at any time. */
#ifndef TESTS_UNIT_HISTORY_FIXTURE_H
#define TESTS_UNIT_HISTORY_FIXTURE_H

#include "lib/families.h"
#include "tests/unit/metrics_fixture.h"
#include "view/history.h"

#include <math.h>

#define SECOND ((uint64_t)CLOCK_NS_PER_S)
#define START  (1000 * SECOND) /* monotonic time of a test's first look */

__attribute__((unused)) static const struct metrics_family_def requests = {
    .name = "requests_total",
    .help = "Requests.",
    .kind = METRICS_COUNTER,
    .labels = {"method", "path", "status"},
};

__attribute__((unused)) static const struct metrics_family_def latency = {
    .name = "request_latency_seconds",
    .help = "Latency.",
    .unit = "seconds",
    .kind = METRICS_HISTOGRAM,
    .labels = {"method", "path"},
    .bounds = families_latency_bounds,
    .bound_count = FAMILIES_LATENCY_BOUNDS,
};

__attribute__((unused)) static const struct metrics_family_def errors = {
    .name = "errors_total",
    .help = "Errors.",
    .kind = METRICS_COUNTER,
    .labels = {"method", "path", "exception"},
};

__attribute__((unused)) static const struct metrics_family_def workers = {
    .name = "microtrace_workers",
    .help = "Workers.",
    .kind = METRICS_LIVE_GAUGE,
    .labels = {"state"},
};

__attribute__((unused)) static const struct metrics_family_def program_workers = {
    .name = "microtrace_program_workers",
    .help = "Workers.",
    .kind = METRICS_LIVE_GAUGE,
    .labels = {"program", "state"},
};

__attribute__((unused)) static const struct metrics_family_def runs = {
    .name = "program_runs_total",
    .help = "Runs.",
    .kind = METRICS_COUNTER,
    .labels = {"program", "outcome"},
};

__attribute__((unused)) static const struct metrics_family_def run_seconds = {
    .name = "program_run_seconds",
    .help = "Runs.",
    .unit = "seconds",
    .kind = METRICS_HISTOGRAM,
    .labels = {"program"},
    .bounds = (const double[]){1, 10},
    .bound_count = 2,
};

__attribute__((unused)) static const struct metrics_family_def calls = {
    .name = "downstream_requests_total",
    .help = "Calls.",
    .kind = METRICS_COUNTER,
    .labels = {"outcome"},
};

struct world {
    const struct fixture *f;
    struct metrics *metrics;
    struct metrics_reader *reader;
    struct history *history;
    struct overview now; /* of the last question */
};

__attribute__((unused)) static void begin(struct world *w, const struct fixture *f)
{
    *w = (struct world){.f = f, .metrics = fixture_open(f), .history = history_new()};
    w->reader = metrics_reader_open(f->dir);
    assert_non_null(w->history);
    assert_non_null(w->reader);
}

__attribute__((unused)) static void end(struct world *w)
{
    history_free(w->history);
    metrics_reader_close(w->reader);
    metrics_close(w->metrics);
}

/* A look `ms` after the first one. */
__attribute__((unused)) static void look(struct world *w, uint64_t ms)
{
    (void)metrics_reader_refresh(w->reader);
    history_sample(w->history, w->reader, START + clock_ms_to_ns(ms), 7 * SECOND);
}

__attribute__((unused)) static const struct overview *ask(struct world *w, unsigned range_s)
{
    history_overview(w->history, range_s, &w->now);
    return &w->now;
}

__attribute__((unused)) static void answer(struct world *w, const char *path, const char *status,
                                           uint64_t count, double seconds)
{
    struct metrics_histogram *const h =
        metrics_histogram(metrics_declare(w->metrics, &latency), VALUES("GET", path));

    metrics_add(
        metrics_counter(metrics_declare(w->metrics, &requests), VALUES("GET", path, status)),
        count);
    for (uint64_t i = 0; i < count; i++)
        metrics_observe(h, seconds);
}

__attribute__((unused)) static void assert_near(double a, double b)
{
    if (!(fabs(a - b) <= 1e-6 * fmax(1, fabs(b))))
        fail_msg("%.9g is not %.9g", a, b);
}

__attribute__((unused)) static const struct overview_route *route_of(const struct overview *o,
                                                                     const char *path)
{
    for (size_t i = 0; i < o->route_count; i++) {
        if (strcmp(o->routes[i].path, path) == 0)
            return &o->routes[i];
    }
    return NULL;
}

/* Of the points that are known. */
__attribute__((unused)) static double highest(const struct overview_line *line)
{
    double most = -1;

    for (int i = 0; i < OVERVIEW_POINTS; i++) {
        if (!isnan(line->points[i]))
            most = fmax(most, line->points[i]);
    }
    return most;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

#endif
