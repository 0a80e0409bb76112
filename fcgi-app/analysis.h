/*
 * The analysis: the dependency that does the computation (the worker of spans, logs and metrics),
 * with its own span and log.
 */
#ifndef FCGI_APP_ANALYSIS_H
#define FCGI_APP_ANALYSIS_H

#include "fcgi-app/errors.h"

struct exchange;

struct analysis_result {
    double sum;
    double difference;
};

/*
 * Computes a + b and a - b; both are finite, the caller has seen to that. May take its time:
 * WORKER_DELAY_MS, and what the chaos module adds. Returns ERRORS_NONE and the result, or what to
 * answer instead.
 */
enum errors_kind analysis_run(struct exchange *exchange, double a, double b,
                              struct analysis_result *result);

#endif
