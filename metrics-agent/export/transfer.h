/*
 * One signal's requests to its OTLP/HTTP endpoint: one at a time, on a kept connection, inside the
 * caller's curl_multi loop.
 */
#ifndef METRICS_AGENT_EXPORT_TRANSFER_H
#define METRICS_AGENT_EXPORT_TRANSFER_H

#include "metrics-agent/agent_settings.h"
#include "metrics-agent/export/retry.h"

#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    /* Bytes of an answer's body; a longer one, or framing beyond answer_bound.h, is not read on. */
    TRANSFER_ANSWER_MAX = 1 << 20,
    TRANSFER_HEAD_MAX = 65536, /* bytes of its head and trailers; beyond that it is not an answer */
    TRANSFER_DETAIL_MAX = 512,
    TRANSFER_CODE_MAX = 12,
};

struct transfer;

struct transfer_outcome {
    enum retry_verdict verdict;
    char code[TRANSFER_CODE_MAX]; /* the status, "timeout" or "error": the metric's label */
    uint64_t rejected;            /* records, by the answer's partialSuccess */
    uint64_t retry_after_s;       /* 0 for none */
    bool too_large;               /* 413: RETRY_SPLIT for the size of the request */
    bool cut;                     /* a success whose body could not be read to its end */
    double seconds;
    char detail[TRANSFER_DETAIL_MAX]; /* for people: status and start of the answer, or the error */
};

/* Returns NULL if memory or curl fails. `export` outlives it. */
struct transfer *transfer_open(CURLM *multi, const struct agent_export *export);

void transfer_close(struct transfer *transfer);

/*
 * Starts a POST of `len` bytes, which stay as they are until the outcome. Returns 0, or -1 if it
 * can't be started.
 */
int transfer_send(struct transfer *transfer, const char *body, size_t len);

bool transfer_busy(const struct transfer *transfer);

/* When the request under way began (monotonic ns). */
uint64_t transfer_started_ns(const struct transfer *transfer);

/* Gives up the request under way, if any. */
void transfer_cancel(struct transfer *transfer);

/* Whether a finished transfer is this one's. */
bool transfer_owns(const struct transfer *transfer, const CURL *easy);

/* Reads the outcome of the request that curl reports as done with `result`. */
void transfer_finish(struct transfer *transfer, CURLcode result, struct transfer_outcome *outcome);

#endif
