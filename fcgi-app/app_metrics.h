/*
 * This program's metrics. Handles are looked up once for each combination that occurs and kept in
 * arrays, so that a request costs a few additions and no lookup.
 */
#ifndef FCGI_APP_APP_METRICS_H
#define FCGI_APP_APP_METRICS_H

#include "fcgi-app/chaos.h"
#include "fcgi-app/errors.h"
#include "fcgi-app/route.h"
#include "http/http_families.h"
#include "http/http_status.h"
#include "http/http_workers.h"
#include "http/method.h"
#include "lib/telemetry.h"

#include <stdbool.h>

struct app_metrics {
    struct telemetry *telemetry;
    struct metrics_family *families[HTTP_FAMILIES];
    /* NULL: not looked up yet. */
    struct metrics_counter *requests[METHOD_COUNT][ROUTE_COUNT][HTTP_STATUS_COUNT];
    struct metrics_counter *errors[METHOD_COUNT][ROUTE_COUNT][ERRORS_COUNT];
    struct metrics_histogram *latency[METHOD_COUNT][ROUTE_COUNT];
    struct metrics_counter *chaos[CHAOS_KINDS];
    struct metrics_histogram *worker_latency, *queue;
    struct metrics_counter *abandoned;
    struct metrics_live_gauge *in_progress;
    struct http_workers workers;
};

/* How a request ended. */
struct app_metrics_outcome {
    enum method method;
    const struct route *route;
    const struct http_status *status;
    enum errors_kind error; /* ERRORS_NONE below 400 */
    double seconds;
    const struct span *span; /* the exemplar, if its trace is kept; it has ended */
};

/*
 * Declares the families, once; this process is idle from here on. `stays`: it answers more than one
 * request. The series that the objectives ask for are there from here on, at 0: Prometheus' rate()
 * sees no increase in a counter that begins with its first event.
 */
void app_metrics_attach(struct app_metrics *app, struct telemetry *telemetry, bool stays);

/* This process begins with a request; it is busy until app_metrics_end. */
void app_metrics_begin(struct app_metrics *app);

/* Counts a request that is about to be answered. */
void app_metrics_end(struct app_metrics *app, const struct app_metrics_outcome *outcome);

void app_metrics_chaos(struct app_metrics *app, enum chaos_kind kind);

void app_metrics_worker(struct app_metrics *app, double seconds, const struct span *span);

/* A request's time in front of this process, as its front end tells it; negative: not told. */
void app_metrics_queue(struct app_metrics *app, int64_t ns);

/* A request whose client or queue had given up before it was answered. */
void app_metrics_abandoned(struct app_metrics *app);

#endif
