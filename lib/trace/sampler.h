/*
 * Head sampling by the OpenTelemetry specification (Trace SDK, "Built-in samplers").
 */
#ifndef LIB_TRACE_SAMPLER_H
#define LIB_TRACE_SAMPLER_H

#include "lib/trace/context.h"

#include <stdbool.h>
#include <stdint.h>

enum sampler_root {
    SAMPLER_ALWAYS_ON,
    SAMPLER_ALWAYS_OFF,
    SAMPLER_RATIO,
};

struct sampler {
    enum sampler_root root;
    bool parent_based;  /* a parent's decision is followed if there is one */
    uint64_t threshold; /* SAMPLER_RATIO: a trace whose low 56 random bits are below is sampled */
};

/*
 * From the values of OTEL_TRACES_SAMPLER and OTEL_TRACES_SAMPLER_ARG; NULL or "" is unset and means
 * parentbased_always_on. Returns NULL, or a static text that says which of the two was unusable and
 * what is used instead; the sampler is usable either way.
 */
const char *sampler_init(struct sampler *sampler, const char *name, const char *arg);

/*
 * Whether a span of `trace` is recorded; `parent` is the caller's context or NULL for none. One
 * that leaves the decision to us (TRACE_CONTEXT_DEFERRED) counts as none.
 */
bool sampler_decide(const struct sampler *sampler, const struct trace_id *trace,
                    const struct trace_context *parent);

/*
 * Whether `trace` is among the share of all trace ids that sampler_threshold was asked for (0 to
 * 1): those whose low 56 random bits are below the threshold. All who ask get the same answer.
 */
uint64_t sampler_threshold(double ratio);
bool sampler_below(uint64_t threshold, const struct trace_id *trace);

#endif
