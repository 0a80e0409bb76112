/*
 * The call to the downstream service: attempts, pauses between them, the breaker, and what is told
 * about it all (docs/downstream.md).
 */
#ifndef FCGI_APP_DOWNSTREAM_H
#define FCGI_APP_DOWNSTREAM_H

#include "fcgi-app/analysis.h"
#include "fcgi-app/downstream_policy.h"
#include "fcgi-app/downstream_settings.h"
#include "fcgi-app/errors.h"
#include "lib/control/breaker.h"
#include "lib/metrics/metrics.h"
#include "lib/trace/span.h"

#include <stdbool.h>
#include <stdint.h>

struct downstream_client;
struct exchange;

struct downstream {
    const struct downstream_settings *settings;
    struct downstream_client *client; /* NULL before downstream_prepare, and if not enabled */
    uint64_t budget_ms;
    struct breaker breaker;
    bool told; /* of a damaged breaker: it is said once */
    struct metrics_counter *calls[DOWNSTREAM_VERDICTS];
    struct metrics_counter *attempts[DOWNSTREAM_OUTCOMES];
    struct metrics_counter *fallbacks;
    struct metrics_histogram *latency;
};

/* `settings` outlives it. */
void downstream_init(struct downstream *downstream, const struct downstream_settings *settings);

/*
 * Loads libcurl and sets up the client, if it is enabled and that was not done before; else the
 * first call does it. Returns 0, or -1 with a message in `error` that says what is missing or
 * wrong.
 */
int downstream_prepare(struct downstream *downstream, char error[CONFIG_ERROR_MAX]);

/*
 * Finds its metrics and the breaker's word, once, before the first call. The series exist also
 * where it is not enabled.
 */
void downstream_attach(struct downstream *downstream, struct metrics *metrics);

void downstream_close(struct downstream *downstream);

/*
 * Has the service analyze a and b, on behalf of `exchange` and its open span `span`, in at most
 * downstream_policy_budget_ms. Returns ERRORS_NONE with *result set, or left as it was where
 * the settings say to fall back on that; else what to answer.
 */
enum errors_kind downstream_analyze(struct downstream *downstream, struct exchange *exchange,
                                    struct span *span, double a, double b,
                                    struct analysis_result *result);

#endif
