/*
 * One signal's requests to its OTLP/HTTP endpoint: one at a time, on a kept connection, inside the
 * caller's curl_multi loop.
 */
#ifndef METRICS_AGENT_SHIP_H
#define METRICS_AGENT_SHIP_H

#include "metrics-agent/agent_settings.h"
#include "metrics-agent/retry.h"

#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SHIP_ANSWER_MAX = 65536, /* bytes of an answer that are looked at; a longer one is cut off */
    SHIP_DETAIL_MAX = 256,
    SHIP_CODE_MAX = 12,
};

struct ship;

struct ship_outcome {
    enum retry_verdict verdict;
    char code[SHIP_CODE_MAX]; /* the status, "timeout" or "error": the metric's label */
    uint64_t rejected;        /* records, by the answer's partialSuccess */
    uint64_t retry_after_s;   /* 0 for none */
    bool too_large;           /* 413: RETRY_SPLIT for the size of the request */
    double seconds;
    char detail[SHIP_DETAIL_MAX]; /* for people: status and start of the answer, or the error */
};

/* Returns NULL where memory or curl fails. `export` outlives it. */
struct ship *ship_open(CURLM *multi, const struct agent_export *export);

void ship_close(struct ship *ship);

/*
 * Starts a POST of `len` bytes, which stay as they are until the outcome. Returns 0, or -1 where it
 * can't be started.
 */
int ship_send(struct ship *ship, const char *body, size_t len);

bool ship_busy(const struct ship *ship);

/* Gives up the request under way, if any. */
void ship_cancel(struct ship *ship);

/* Whether a finished transfer is this one's. */
bool ship_owns(const struct ship *ship, const CURL *easy);

/* Reads the outcome of the request that curl reports as done with `result`. */
void ship_finish(struct ship *ship, CURLcode result, struct ship_outcome *outcome);

#endif
