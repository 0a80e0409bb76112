#include "lib/trace/sampler.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const uint64_t RATIO_ONE = UINT64_C(1) << 56;

uint64_t sampler_threshold(double ratio)
{
    return (uint64_t)llround(ratio * (double)RATIO_ONE);
}

bool sampler_below(uint64_t threshold, const struct trace_id *trace)
{
    uint64_t random = 0;

    /* The 7 rightmost bytes are random (Trace Context level 2, 3.2.2.3.1): all use the same ones.
     */
    for (size_t i = 9; i < sizeof(trace->bytes); i++)
        random = random << 8 | trace->bytes[i];
    return random < threshold;
}

static const char *set_ratio(struct sampler *sampler, const char *arg)
{
    char *end;
    double ratio;

    sampler->threshold = RATIO_ONE;
    if (arg == NULL || arg[0] == '\0')
        return NULL;
    ratio = strtod(arg, &end);
    if (*end != '\0' || !(ratio >= 0 && ratio <= 1))
        return "OTEL_TRACES_SAMPLER_ARG is not a number from 0 to 1: 1 is used";
    sampler->threshold = sampler_threshold(ratio);
    return NULL;
}

const char *sampler_init(struct sampler *sampler, const char *name, const char *arg)
{
    static const struct {
        const char *name;
        struct sampler sampler;
    } known[] = {
        {"parentbased_always_on", {SAMPLER_ALWAYS_ON, true, 0}},
        {"parentbased_always_off", {SAMPLER_ALWAYS_OFF, true, 0}},
        {"parentbased_traceidratio", {SAMPLER_RATIO, true, 0}},
        {"always_on", {SAMPLER_ALWAYS_ON, false, 0}},
        {"always_off", {SAMPLER_ALWAYS_OFF, false, 0}},
        {"traceidratio", {SAMPLER_RATIO, false, 0}},
    };

    *sampler = known[0].sampler;
    if (name == NULL || name[0] == '\0')
        return NULL;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strcasecmp(name, known[i].name) == 0) {
            *sampler = known[i].sampler;
            return sampler->root == SAMPLER_RATIO ? set_ratio(sampler, arg) : NULL;
        }
    }
    return "OTEL_TRACES_SAMPLER names no known sampler: parentbased_always_on is used";
}

bool sampler_decide(const struct sampler *sampler, const struct trace_id *trace,
                    const struct trace_context *parent)
{
    if (sampler->parent_based && parent != NULL && (parent->flags & TRACE_CONTEXT_DEFERRED) == 0)
        return (parent->flags & TRACE_CONTEXT_SAMPLED) != 0;
    switch (sampler->root) {
    case SAMPLER_ALWAYS_ON:
        return true;
    case SAMPLER_ALWAYS_OFF:
        return false;
    case SAMPLER_RATIO:
        break;
    }
    return sampler_below(sampler->threshold, trace);
}
