/*
 * What an answer means and when to try again: the rules of the OTLP specification ("OTLP/HTTP
 * Response", "Failures") as pure functions.
 */
#ifndef METRICS_AGENT_EXPORT_RETRY_H
#define METRICS_AGENT_EXPORT_RETRY_H

#include <stdint.h>

enum retry_verdict {
    RETRY_DELIVERED, /* 2xx */
    RETRY_AGAIN,     /* 429, 502, 503, 504, a broken or slow connection: the same request later */
    RETRY_REFUSED,   /* nobody listens: the same, sooner, since nothing is burdened by it */
    RETRY_SPLIT,     /* 400, 413, 422: something in the request is bad, or all of it too big */
    RETRY_HOLD,      /* everything else: nothing that we send can help, look again now and then */
};

enum {
    RETRY_AFTER_MAX_S = 86400, /* a longer Retry-After is cut to this */
};

/* The meaning of an HTTP status. */
enum retry_verdict retry_of_status(long status);

/*
 * Milliseconds to wait before attempt number `failures` + 1, `failures` of them in a row having
 * ended with `verdict`: exponential with full jitter taken from `random`, never before
 * `retry_after_s` (0 if the answer had none).
 */
uint64_t retry_delay_ms(enum retry_verdict verdict, unsigned failures, uint64_t retry_after_s,
                        uint64_t random);

/*
 * The number of records that an answer of `len` bytes says were rejected: the value of
 * partialSuccess's rejectedSpans, rejectedLogRecords or rejectedDataPoints; 0 if it says nothing.
 */
uint64_t retry_rejected(const char *answer, uint64_t len);

#endif
