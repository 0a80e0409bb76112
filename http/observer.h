/*
 * Requests of programs whose routes are not known at build time (microtrace-cgi, microtrace-proxy):
 * span, log line and the metrics of the contract's section 3. One observer a process; one struct
 * observed a request, any number of them at once, none of which allocates. For one thread.
 *
 * The label `path` is bounded: a name of MICROTRACE_ROUTES, or the URL path of a script that exists
 * (the caller says so), of which the first OBSERVER_PATHS_MAX that a process sees count; all else
 * is `_OTHER`.
 */
#ifndef HTTP_OBSERVER_H
#define HTTP_OBSERVER_H

#include "http/http_families.h"
#include "http/http_settings.h"
#include "http/http_workers.h"
#include "http/request.h"
#include "http/routes.h"
#include "http/server_span.h"
#include "lib/telemetry.h"

#include <stdint.h>

enum {
    OBSERVER_PATHS_MAX = 256,
    OBSERVER_CACHE = 512, /* handles of counters at hand; a power of two */
    OBSERVER_OTHER = 0,   /* the path `_OTHER` */
};

/* Of the programs above: the settings and what they share. */
struct observer_settings {
    struct http_settings http;
    const char *route_list; /* MICROTRACE_ROUTES, or NULL */
    struct routes routes;
};

/* The rows of MICROTRACE_ROUTES; those of the rest are http_settings_table. */
extern const struct config_table observer_settings_table;

/* As http_settings_load, which it calls. */
int observer_settings_load(struct observer_settings *settings, char error[CONFIG_ERROR_MAX]);

/* A value of the label `path`, with what was looked up for it. */
struct observer_path {
    char *label;
    struct metrics_histogram *latency[METHOD_COUNT]; /* NULL: not looked up yet */
};

/* A counter of requests_total or errors_total. */
struct observer_counter {
    struct metrics_counter *handle; /* NULL: an empty place */
    const char *name;               /* of errors_total: the exception; NULL for requests_total */
    int status;                     /* of requests_total */
    enum method method;
    unsigned path;
};

struct observer {
    const struct observer_settings *settings;
    struct telemetry *telemetry;
    struct metrics_family *families[HTTP_FAMILIES];
    struct metrics_live_gauge *in_progress;
    struct http_workers workers;
    struct metrics_histogram *queue;
    struct metrics_counter *abandoned;
    unsigned path_count;
    struct observer_path paths[OBSERVER_PATHS_MAX + 1]; /* the first is `_OTHER` */
    struct observer_counter cache[OBSERVER_CACHE];
};

/* One request, from observer_begin to observer_end; about 2 KiB. It stays where it is. */
struct observed {
    struct server_span server;
    const struct request *request;
    unsigned path; /* its number in the observer */
};

/* How it ended. */
struct observed_outcome {
    int status; /* 100 to 599; 0 if nobody was answered: no log line, no requests_total */
    /*
     * A name of a closed set, as a literal: label `exception` of errors_total, and error.type of
     * the span, but for a status of 400 to 499. With a status below 400 it says why an answer that
     * had begun was cut. NULL: nothing below 400, else the status itself, which the program behind
     * has answered with.
     */
    const char *error;
    bool abandoned; /* its client had gone before the answer's end */
    /* Further attributes of the span, borrowed during the call. */
    const struct attribute *attributes;
    size_t attribute_count;
};

/* Declares the families. `settings` and `telemetry` outlive it. The caller owns the memory. */
void observer_init(struct observer *observer, const struct observer_settings *settings,
                   struct telemetry *telemetry);

/* For a process that serves one request at a time: http_workers_init. */
void observer_count_worker(struct observer *observer, const char *program, bool stays);

/* Releases what it holds besides handles, which the telemetry owns. */
void observer_free(struct observer *observer);

/*
 * Begins with `request`, which is borrowed, with its variables, until observer_end. `script` is the
 * URL path of the script that exists (SCRIPT_NAME), or NULL where there is none. The span's context
 * (observed->server.span.context), request id and log context are valid from here on.
 */
void observer_begin(struct observer *observer, struct observed *observed,
                    const struct request *request, const char *script);

/*
 * Ends it: span, log line and metrics are written, before it returns, with one append a spool. So
 * it is called before the last byte of the answer is sent (architecture.md, "Promises").
 */
void observer_end(struct observer *observer, struct observed *observed,
                  const struct observed_outcome *outcome);

/*
 * The same without the appends, for a program that ends several requests at once: it calls
 * telemetry_flush before the last byte of any of their answers is sent.
 */
void observer_gather(struct observer *observer, struct observed *observed,
                     const struct observed_outcome *outcome);

/* Counts a request that was dropped before it began: its client had gone. */
void observer_dropped(struct observer *observer);

#endif
