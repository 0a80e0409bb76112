#include "fcgi-app/downstream_policy.h"

#include "fcgi-app/json_tree.h"

#include <math.h>

const char *const downstream_outcome_names[DOWNSTREAM_OUTCOMES] = {
    [DOWNSTREAM_SUCCESS] = "success",
    [DOWNSTREAM_CONNECTION_FAILED] = "connection_failed",
    [DOWNSTREAM_TIMEOUT] = "timeout",
    [DOWNSTREAM_THROTTLED] = "throttled",
    [DOWNSTREAM_SERVER_ERROR] = "server_error",
    [DOWNSTREAM_CLIENT_ERROR] = "client_error",
    [DOWNSTREAM_BAD_RESPONSE] = "bad_response",
};

const char *const downstream_verdict_names[DOWNSTREAM_VERDICTS] = {
    [DOWNSTREAM_CALL_SUCCESS] = "success",
    [DOWNSTREAM_CALL_FAILED] = "failed",
    [DOWNSTREAM_CALL_TIMEOUT] = "timeout",
    [DOWNSTREAM_CALL_BREAKER_OPEN] = "breaker_open",
};

enum downstream_outcome downstream_policy_status(long status)
{
    if (status == 429)
        return DOWNSTREAM_THROTTLED;
    if (status >= 400 && status <= 499)
        return DOWNSTREAM_CLIENT_ERROR;
    if (status >= 500 && status <= 599)
        return DOWNSTREAM_SERVER_ERROR;
    return DOWNSTREAM_BAD_RESPONSE;
}

bool downstream_policy_is_status(enum downstream_outcome outcome)
{
    return outcome == DOWNSTREAM_THROTTLED || outcome == DOWNSTREAM_SERVER_ERROR ||
           outcome == DOWNSTREAM_CLIENT_ERROR;
}

bool downstream_policy_retryable(enum downstream_outcome outcome, long status)
{
    switch (outcome) {
    case DOWNSTREAM_CONNECTION_FAILED:
    case DOWNSTREAM_TIMEOUT:
    case DOWNSTREAM_THROTTLED:
        return true;
    case DOWNSTREAM_SERVER_ERROR:
        return status >= 502 && status <= 504;
    default:
        return false;
    }
}

bool downstream_policy_is_failure(enum downstream_outcome outcome)
{
    return outcome != DOWNSTREAM_SUCCESS && outcome != DOWNSTREAM_CLIENT_ERROR;
}

uint64_t downstream_policy_backoff_limit(struct config_range backoff, unsigned retry)
{
    uint64_t limit = backoff.low;

    for (unsigned i = 1; i < retry && limit < backoff.high; i++)
        limit *= 2;
    return limit < backoff.high ? limit : backoff.high;
}

uint64_t downstream_policy_pause_ms(struct config_range backoff, unsigned retry, uint64_t random,
                                    uint64_t retry_after_ms)
{
    const uint64_t pause = random % (downstream_policy_backoff_limit(backoff, retry) + 1);

    return pause > retry_after_ms ? pause : retry_after_ms;
}

unsigned downstream_policy_retry_after_s(uint64_t wait_ms)
{
    return (unsigned)((wait_ms + 999) / 1000);
}

uint64_t downstream_policy_budget_ms(const struct downstream_settings *settings)
{
    uint64_t budget = settings->timeout_ms;

    for (unsigned retry = 1; retry <= settings->retries; retry++)
        budget +=
            downstream_policy_backoff_limit(settings->backoff_ms, retry) + settings->timeout_ms;
    return budget;
}

/* Reads a member that has to be a finite number. */
static bool read_finite(const json_t *tree, const char *name, double *number)
{
    const json_t *const member = json_object_get(tree, name);

    *number = json_number_value(member);
    return json_is_number(member) && isfinite(*number);
}

int downstream_policy_read_result(const char *body, size_t length, struct analysis_result *result)
{
    bool no_memory;
    json_t *const tree = json_tree_parse(body, length, &no_memory);
    const bool found = read_finite(tree, "sum", &result->sum) &&
                       read_finite(tree, "difference", &result->difference);

    json_decref(tree);
    return found ? 0 : -1;
}
