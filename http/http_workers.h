/*
 * A process that serves one request at a time is a worker, busy or idle: in microtrace_workers, and
 * in microtrace_program_workers beside those of the other programs of the instance, so that an
 * alert can tell whose are gone.
 */
#ifndef HTTP_HTTP_WORKERS_H
#define HTTP_HTTP_WORKERS_H

#include "lib/metrics/metrics.h"

#include <stdbool.h>

/* NULL handles, as in zeroed memory: no worker. */
struct http_workers {
    struct metrics_live_gauge *busy, *idle, *program_busy, *program_idle;
};

/*
 * Counts this process from here on, idle, as one of `program`; NULL for one that ends with its
 * request, so that nobody misses it when there is none. The handles are the metrics'.
 */
void http_workers_init(struct http_workers *workers, struct metrics *metrics, const char *program);

void http_workers_set(const struct http_workers *workers, bool busy);

#endif
