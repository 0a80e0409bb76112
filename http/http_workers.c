#include "http/http_workers.h"

#include "http/http_families.h"

#include <stddef.h>

void http_workers_init(struct http_workers *workers, struct metrics *metrics, const char *program,
                       bool stays)
{
    struct metrics_family *const all =
        metrics_declare(metrics, &http_families_table[HTTP_FAMILY_WORKERS]);
    struct metrics_family *programs;

    workers->busy = metrics_live_gauge(all, (const char *[]){"busy"});
    workers->idle = metrics_live_gauge(all, (const char *[]){"idle"});
    if (stays) {
        programs = metrics_declare(metrics, &http_families_table[HTTP_FAMILY_PROGRAM_WORKERS]);
        workers->program_busy = metrics_live_gauge(programs, (const char *[]){program, "busy"});
        workers->program_idle = metrics_live_gauge(programs, (const char *[]){program, "idle"});
    }
    http_workers_set(workers, false);
    program_usage_init(&workers->usage, metrics, program);
    /* One that ends with its request has only one look that tells all of it: the last one. */
    if (stays)
        program_usage_tell(&workers->usage);
}

void http_workers_set(struct http_workers *workers, bool busy)
{
    metrics_live_gauge_set(workers->idle, !busy);
    metrics_live_gauge_set(workers->busy, busy);
    metrics_live_gauge_set(workers->program_idle, !busy);
    metrics_live_gauge_set(workers->program_busy, busy);
    if (!busy)
        program_usage_tell(&workers->usage);
}
