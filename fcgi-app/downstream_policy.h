/*
 * What a downstream call decides without doing anything: how an attempt ended, whether another may
 * follow and after what pause, what a body says. Pure functions.
 */
#ifndef FCGI_APP_DOWNSTREAM_POLICY_H
#define FCGI_APP_DOWNSTREAM_POLICY_H

#include "fcgi-app/analysis.h"
#include "fcgi-app/downstream_settings.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How one attempt ended. */
enum downstream_outcome {
    DOWNSTREAM_SUCCESS,
    DOWNSTREAM_CONNECTION_FAILED, /* no connection, or one that broke before the answer was whole */
    DOWNSTREAM_TIMEOUT,
    DOWNSTREAM_THROTTLED,    /* 429 */
    DOWNSTREAM_SERVER_ERROR, /* 5xx */
    DOWNSTREAM_CLIENT_ERROR, /* any other 4xx */
    DOWNSTREAM_BAD_RESPONSE, /* too long, no JSON, no result in it, or another status than 200 */
    DOWNSTREAM_OUTCOMES,
};

/* "success", "connection_failed", ...: labels, attributes and log fields. */
extern const char *const downstream_outcome_names[DOWNSTREAM_OUTCOMES];

/* How a call ended, after all its attempts. */
enum downstream_verdict {
    DOWNSTREAM_CALL_SUCCESS,
    DOWNSTREAM_CALL_FAILED,
    DOWNSTREAM_CALL_TIMEOUT,      /* the last attempt timed out */
    DOWNSTREAM_CALL_BREAKER_OPEN, /* no attempt was made */
    DOWNSTREAM_VERDICTS,
};

/* "success", "failed", "timeout", "breaker_open". */
extern const char *const downstream_verdict_names[DOWNSTREAM_VERDICTS];

/* The outcome that a status other than 200 stands for. */
enum downstream_outcome downstream_policy_status(long status);

/* Whether the outcome was told by a status of failure. */
bool downstream_policy_is_status(enum downstream_outcome outcome);

/* Whether another attempt may end otherwise; `status` is 0 where there was none. */
bool downstream_policy_retryable(enum downstream_outcome outcome, long status);

/*
 * Whether an attempt that ended so counts as a failure for the breaker: all but a success and a
 * refusal of the request itself, which only somebody alive and well can utter.
 */
bool downstream_policy_is_failure(enum downstream_outcome outcome);

/*
 * The upper limit of the pause before retry number `retry`, from 1: doubling from backoff.low up
 * to backoff.high.
 */
uint64_t downstream_policy_backoff_limit(struct config_range backoff, unsigned retry);

/*
 * The pause before retry number `retry`: uniform between 0 and that limit, by `random`, and no
 * shorter than what a Retry-After asked for (0 for none).
 */
uint64_t downstream_policy_pause_ms(struct config_range backoff, unsigned retry, uint64_t random,
                                    uint64_t retry_after_ms);

/* The Retry-After of an answer that names a wait: whole seconds, up, so that nobody comes too
 * early. */
unsigned downstream_policy_retry_after_s(uint64_t wait_ms);

/* The longest that a whole call may take: all attempts and all pauses at their limits. */
uint64_t downstream_policy_budget_ms(const struct downstream_settings *settings);

/*
 * Reads the result from a body of `length` bytes, NUL-terminated as well: an object with two finite
 * numbers, `sum` and `difference`. Returns 0, or -1.
 */
int downstream_policy_read_result(const char *body, size_t length, struct analysis_result *result);

#endif
