#include "fcgi-app/worker.h"

#include "fcgi-app/exchange.h"
#include "lib/clock.h"

#include <assert.h>
#include <math.h>

#define FIELD_COUNT(fields) (sizeof(fields) / sizeof((fields)[0]))

static double inject_delay(struct exchange *exchange)
{
    struct chaos *chaos = &exchange->app->chaos;
    double delay_ms;

    if (!chaos_decide(chaos, &delay_ms))
        return 0;

    const struct attribute fields[] = {
        attribute_double("delay_ms", delay_ms),
        attribute_double("probability", chaos->probability),
    };

    app_metrics_chaos(&exchange->app->metrics, CHAOS_DELAY);
    exchange_log(exchange, LOG_LEVEL_INFO, "microtrace.chaos", "chaos_injected", fields,
                 FIELD_COUNT(fields));
    clock_sleep_ns((uint64_t)(delay_ms * CLOCK_NS_PER_MS));
    return delay_ms;
}

enum errors_kind worker_analyze(struct exchange *exchange, double a, double b,
                                struct worker_result *result)
{
    struct app *app = exchange->app;
    uint64_t begin_ns = clock_monotonic_ns();
    struct span span;
    double delay_ms;

    *result = (struct worker_result){.sum = a + b, .difference = a - b};
    assert(isfinite(result->sum) && isfinite(result->difference));
    span_begin_child(&span, "WorkerService.analyze", SPAN_INTERNAL, &exchange->span);
    exchange->log.trace = &span.context;
    delay_ms = inject_delay(exchange);
    if (app->settings.worker_delay_ms > 0)
        clock_sleep_ns(app->settings.worker_delay_ms * CLOCK_NS_PER_MS);
    if (telemetry_log_enabled(app->telemetry, LOG_LEVEL_DEBUG)) {
        const struct attribute fields[] = {
            attribute_double("sum", result->sum),
            attribute_double("difference", result->difference),
        };

        exchange_log(exchange, LOG_LEVEL_DEBUG, "microtrace.worker", "analysis_completed", fields,
                     FIELD_COUNT(fields));
    }
    span_set(&span, attribute_double("worker.input_a", a));
    span_set(&span, attribute_double("worker.input_b", b));
    span_set(&span, attribute_bool("worker.chaos_enabled", app->chaos.enabled));
    span_set(&span, attribute_double("worker.chaos_delay_ms", delay_ms));
    span_set(&span, attribute_double("worker.sum", result->sum));
    span_set(&span, attribute_double("worker.difference", result->difference));
    telemetry_span_end(app->telemetry, &span);
    app_metrics_worker(&app->metrics, (double)(clock_monotonic_ns() - begin_ns) * 1e-9, &span);
    exchange->log.trace = &exchange->span.context;
    return ERRORS_NONE;
}
