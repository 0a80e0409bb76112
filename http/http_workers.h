/*
 * A process that serves one request at a time is a worker, busy or idle: in microtrace_workers, and
 * in microtrace_program_workers beside those of the other programs of the instance, so that an
 * alert can tell whose are gone. lib/program_usage.h has what it uses.
 */
#ifndef HTTP_HTTP_WORKERS_H
#define HTTP_HTTP_WORKERS_H

#include "lib/metrics/metrics.h"
#include "lib/program_usage.h"

#include <stdbool.h>

/* NULL handles, as in zeroed memory: no worker. */
struct http_workers {
    struct metrics_live_gauge *busy, *idle, *program_busy, *program_idle;
    struct program_usage usage;
};

/*
 * Counts this process from here on, idle, as one of `program`. One that does not stay, but ends
 * with its request, is not in microtrace_program_workers, so that nobody misses it when there is
 * none. The handles are the metrics'.
 */
void http_workers_init(struct http_workers *workers, struct metrics *metrics, const char *program,
                       bool stays);

void http_workers_set(struct http_workers *workers, bool busy);

#endif
