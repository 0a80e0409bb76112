#include "fcgi-app/chaos.h"

#include "fcgi-app/exchange.h"
#include "lib/base/clock.h"
#include "lib/base/ids.h"

#define FIELD_COUNT(fields) (sizeof(fields) / sizeof((fields)[0]))

const char *const chaos_kind_names[CHAOS_KINDS] = {
    [CHAOS_DELAY] = "delay",
    [CHAOS_ERROR] = "error",
    [CHAOS_ABORT] = "abort",
};

/* The draws of one analysis. */
enum draw {
    DRAW_DELAY,
    DRAW_DELAY_MS,
    DRAW_ERROR,
    DRAW_ABORT,
    DRAWS,
};

static uint64_t mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    return z ^ (z >> 31);
}

/*
 * Uniform in [0, 1): SplitMix64 as a function of its place in the sequence, so that no process has
 * to know what the others drew. The seed is mixed too: seeds 1 and 2 have nothing in common.
 */
static double fraction(uint64_t seed, uint64_t number, enum draw draw)
{
    const uint64_t place = number * DRAWS + draw + 1;

    return (double)(mix(mix(seed) + place * 0x9E3779B97F4A7C15) >> 11) * 0x1p-53;
}

struct chaos_faults chaos_decide(const struct chaos_set *set, uint64_t number)
{
    const double low = set->delay_low_ms, high = set->delay_high_ms;
    struct chaos_faults faults = {.delay_ms = 0};

    faults.inject[CHAOS_DELAY] = fraction(set->seed, number, DRAW_DELAY) < set->probability;
    if (faults.inject[CHAOS_DELAY])
        faults.delay_ms = low + fraction(set->seed, number, DRAW_DELAY_MS) * (high - low);
    faults.inject[CHAOS_ABORT] = fraction(set->seed, number, DRAW_ABORT) < set->abort_rate;
    faults.inject[CHAOS_ERROR] =
        !faults.inject[CHAOS_ABORT] && fraction(set->seed, number, DRAW_ERROR) < set->error_rate;
    return faults;
}

void chaos_attach(struct chaos *chaos, const struct settings *settings, struct metrics *metrics)
{
    const struct chaos_set environment = {
        .state = settings->chaos_enabled ? CHAOS_ON : CHAOS_OFF,
        .probability = settings->chaos_probability,
        .delay_low_ms = (uint32_t)settings->chaos_delay_ms.low,
        .delay_high_ms = (uint32_t)settings->chaos_delay_ms.high,
        .seed = settings->chaos_seed,
        .fixed = settings->chaos_runtime != 0,
    };

    chaos_control_attach(&chaos->control, metrics_words(metrics), &environment);
    chaos->unseeded = ids_random64() | 1;
}

static void tell(struct exchange *exchange, enum chaos_kind kind, double delay_ms, double share)
{
    const struct attribute fields[] = {
        attribute_string("kind", chaos_kind_names[kind]),
        attribute_double("delay_ms", delay_ms),
        attribute_double("probability", share),
    };

    app_metrics_chaos(&exchange->app->metrics, kind);
    exchange_log(exchange, LOG_LEVEL_INFO, "microtrace.chaos", "chaos_injected", fields,
                 FIELD_COUNT(fields));
    exchange->chaos_kind = chaos_kind_names[kind];
}

static enum errors_kind inject(struct exchange *exchange, const struct chaos_set *set,
                               const struct chaos_faults *faults)
{
    if (faults->inject[CHAOS_DELAY]) {
        clock_sleep_ns((uint64_t)(faults->delay_ms * CLOCK_NS_PER_MS));
        /* Afterwards: a process that is killed in its sleep has neither counted nor logged it. */
        tell(exchange, CHAOS_DELAY, faults->delay_ms, set->probability);
    }
    if (faults->inject[CHAOS_ABORT]) {
        tell(exchange, CHAOS_ABORT, 0, set->abort_rate);
        return ERRORS_CHAOS_ABORT;
    }
    if (faults->inject[CHAOS_ERROR]) {
        tell(exchange, CHAOS_ERROR, 0, set->error_rate);
        return ERRORS_CHAOS_ERROR;
    }
    return ERRORS_NONE;
}

enum errors_kind chaos_inject(struct exchange *exchange, struct span *span)
{
    struct chaos *chaos = &exchange->app->chaos;
    struct chaos_faults faults = {.delay_ms = 0};
    enum errors_kind error = ERRORS_NONE;
    uint64_t number;
    bool enabled = chaos_control_next(&chaos->control, &number);

    exchange_tell_damage(exchange, chaos->control.damaged, &chaos->told, "chaos", "off");
    if (enabled) {
        struct chaos_set set = chaos->control.set;

        if (set.seed == 0)
            set.seed = chaos->unseeded;
        faults = chaos_decide(&set, number);
        error = inject(exchange, &set, &faults);
    }
    span_set(span, attribute_bool("worker.chaos_enabled", enabled));
    span_set(span, attribute_double("worker.chaos_delay_ms", faults.delay_ms));
    if (exchange->chaos_kind != NULL)
        span_set(span, attribute_string("microtrace.chaos.kind", exchange->chaos_kind));
    if (error != ERRORS_NONE) {
        span_set(span, attribute_string("error.type", errors_table[error].name));
        span->status = SPAN_STATUS_ERROR;
    }
    return error;
}
