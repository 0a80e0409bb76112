/*
 * The metric families that every program behind a web server counts its requests in (contract,
 * section 3): declared once, so that dashboard and alerts hold for all of them.
 */
#ifndef HTTP_HTTP_FAMILIES_H
#define HTTP_HTTP_FAMILIES_H

#include "lib/metrics/metrics.h"

enum http_family {
    HTTP_FAMILY_REQUESTS,
    HTTP_FAMILY_LATENCY,
    HTTP_FAMILY_ERRORS,
    HTTP_FAMILY_IN_PROGRESS,
    HTTP_FAMILY_QUEUE,
    HTTP_FAMILY_ABANDONED,
    HTTP_FAMILY_WORKERS, /* from here on: by http_workers.h, of programs that have them */
    HTTP_FAMILY_PROGRAM_WORKERS,
    HTTP_FAMILIES,
};

/* Each family's definition, by its number. */
extern const struct metrics_family_def http_families_table[HTTP_FAMILIES];

#endif
