#include "fcgi-app/analysis.h"

#include "fcgi-app/exchange.h"
#include "lib/base/clock.h"

#include <assert.h>
#include <math.h>

#define FIELD_COUNT(fields) (sizeof(fields) / sizeof((fields)[0]))

static enum errors_kind compute(struct exchange *exchange, struct span *span, double a, double b,
                                struct analysis_result *result)
{
    struct app *app = exchange->app;
    enum errors_kind error = ERRORS_NONE;

    *result = (struct analysis_result){.sum = a + b, .difference = a - b};
    assert(isfinite(result->sum) && isfinite(result->difference));
    if (app->settings.worker_delay_ms > 0)
        clock_sleep_ns(app->settings.worker_delay_ms * CLOCK_NS_PER_MS);
    if (app->settings.downstream.enabled)
        error = downstream_analyze(&app->downstream, exchange, span, a, b, result);
    if (error != ERRORS_NONE) {
        span_set(span, attribute_string("error.type", errors_table[error].name));
        span->status = SPAN_STATUS_ERROR;
        return error;
    }
    if (telemetry_log_enabled(app->telemetry, LOG_LEVEL_DEBUG)) {
        const struct attribute fields[] = {
            attribute_double("sum", result->sum),
            attribute_double("difference", result->difference),
        };

        exchange_log(exchange, LOG_LEVEL_DEBUG, "microtrace.worker", "analysis_completed", fields,
                     FIELD_COUNT(fields));
    }
    span_set(span, attribute_double("worker.sum", result->sum));
    span_set(span, attribute_double("worker.difference", result->difference));
    return ERRORS_NONE;
}

enum errors_kind analysis_run(struct exchange *exchange, double a, double b,
                              struct analysis_result *result)
{
    struct app *app = exchange->app;
    uint64_t begin_ns = clock_monotonic_ns();
    struct span span;
    enum errors_kind error;

    span_begin_child(&span, "WorkerService.analyze", SPAN_INTERNAL, &exchange->server.span);
    exchange->server.log.trace = &span.context;
    span_set(&span, attribute_double("worker.input_a", a));
    span_set(&span, attribute_double("worker.input_b", b));
    error = chaos_inject(exchange, &span);
    if (error == ERRORS_NONE)
        error = compute(exchange, &span, a, b, result);
    telemetry_span_end(app->telemetry, &span);
    app_metrics_worker(&app->metrics, (double)(clock_monotonic_ns() - begin_ns) * 1e-9, &span);
    exchange->server.log.trace = &exchange->server.span.context;
    return error;
}
