/*
 * The worker: the dependency that does the computation, with its own span and log.
 */
#ifndef FCGI_APP_WORKER_H
#define FCGI_APP_WORKER_H

struct exchange;

struct worker_result {
    double sum;
    double difference;
};

/*
 * Computes a + b and a - b; both are finite, the caller has seen to that. May take its time:
 * WORKER_DELAY_MS, and what the chaos module adds.
 */
struct worker_result worker_analyze(struct exchange *exchange, double a, double b);

#endif
