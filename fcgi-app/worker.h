/*
 * The worker: the dependency that does the computation, with its own span and log.
 */
#ifndef FCGI_APP_WORKER_H
#define FCGI_APP_WORKER_H

#include "fcgi-app/errors.h"

struct exchange;

struct worker_result {
    double sum;
    double difference;
};

/*
 * Computes a + b and a - b; both are finite, the caller has seen to that. May take its time:
 * WORKER_DELAY_MS, and what the chaos module adds. Returns ERRORS_NONE and the result, or what to
 * answer instead.
 */
enum errors_kind worker_analyze(struct exchange *exchange, double a, double b,
                                struct worker_result *result);

#endif
